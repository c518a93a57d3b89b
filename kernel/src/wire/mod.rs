//! The Jupyter side of the kernel: five ZeroMQ sockets and what is said on them.
//!
//! Each file is one story of the protocol, whose text is
//! <https://jupyter-client.readthedocs.io/en/stable/messaging.html>:
//!
//! - [`server`] reads the connection file, binds the sockets and runs until shutdown;
//! - [`message`] reads and signs messages, and forgives what clients leave out;
//! - [`iopub`] publishes outputs and statuses, in order and without losing any;
//! - [`shell`] and [`control`] take requests, [`execute`] runs cells one after the other, [`expressions`]
//!   evaluates what a client asks beside a cell, [`shells`] has cells of several consoles take turns;
//! - [`comms`] carries what widgets say, at any time;
//! - [`complete`], [`inspect`], [`history`], [`info`] answer the smaller requests; [`history_file`] keeps what
//!   was executed for later kernels;
//! - [`stdin`] asks the person at the keyboard, [`progress`] tells why the first cell waits.

mod comms;
mod complete;
mod control;
mod execute;
mod expressions;
#[cfg(test)]
mod fuzz;
mod history;
mod history_file;
mod info;
mod inspect;
mod iopub;
mod kernel;
mod message;
mod progress;
mod server;
mod shell;
mod shells;
mod stdin;

pub use server::serve;
