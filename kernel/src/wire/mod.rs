//! The Jupyter side of the kernel: five channels and what is said on them.
//!
//! Each file is one story of the protocol, whose text is
//! <https://jupyter-client.readthedocs.io/en/stable/messaging.html>. A file uses only those that stand above it here:
//!
//! - [`gate`] listens on the network, speaks ZeroMQ's protocol and bounds what strangers can do;
//! - [`seal`] checks and makes signatures, [`lenient`] forgives what clients leave out, [`message`] reads requests and
//!   builds answers;
//! - [`iopub`] publishes outputs and statuses, in order and without losing any; [`outputs`] makes messages of what cells
//!   show; [`replies`] answers who asked;
//! - [`queue`] and [`shells`] keep cells in order, also those of several consoles; the [`history_file`] is what [`history`]
//!   remembers them in for later kernels;
//! - [`stdin`] asks the person at the keyboard, [`progress`] tells why the first cell waits, [`parents`] publishes what
//!   widgets say, at any time;
//! - [`kernel`] is what the channels share;
//! - [`expressions`] evaluates what a client asks beside a cell, [`execute`] runs cells one after the other, [`subshells`]
//!   has cells of several consoles take turns;
//! - [`complete`], [`inspect`], [`info`], [`usage`] answer the smaller requests, [`comms`] what the front end says to
//!   widgets, [`refusals`] what is left, and [`ending`] is the last answer;
//! - [`shell`] and [`control`] take the requests;
//! - [`orphan`] sees when the process that wanted the kernel is gone; [`server`] reads the connection file, opens the
//!   channels and runs until then, or until shutdown.

mod comms;
mod complete;
mod control;
mod ending;
mod execute;
mod expressions;
#[cfg(test)]
mod fuzz;
mod gate;
mod history;
mod history_file;
mod info;
mod inspect;
mod iopub;
mod kernel;
mod lenient;
mod message;
mod orphan;
mod outputs;
mod parents;
mod progress;
mod queue;
mod refusals;
mod replies;
mod seal;
mod server;
mod shell;
mod shells;
mod stdin;
mod subshells;
mod usage;

pub use message::PROTOCOL;
pub use server::serve;
