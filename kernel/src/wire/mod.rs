//! The Jupyter side of the kernel: five ZeroMQ sockets and what is said on them.
//!
//! Each file is one story of the protocol, whose text is
//! <https://jupyter-client.readthedocs.io/en/stable/messaging.html>:
//!
//! - [`server`] reads the connection file, binds the sockets and runs until shutdown;
//! - [`message`] reads and signs messages, and forgives what clients leave out;
//! - [`iopub`] publishes outputs and statuses, in order and without losing any;
//! - [`shell`] and [`control`] take requests, [`execute`] runs cells one after the other;
//! - [`comms`] carries what widgets say, at any time;
//! - [`complete`], [`inspect`], [`history`], [`info`] answer the smaller requests;
//! - [`stdin`] asks the person at the keyboard, [`progress`] tells why the first cell waits.

mod comms;
mod complete;
mod control;
mod execute;
mod history;
mod info;
mod inspect;
mod iopub;
mod kernel;
mod message;
mod progress;
mod server;
mod shell;
mod stdin;

pub use server::serve;
