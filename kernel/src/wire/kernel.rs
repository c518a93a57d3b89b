//! What the channels share.

use super::comms::Parents;
use super::history::History;
use super::iopub::IoPub;
use super::message::{self, signed_by_kernel};
use super::progress::WarmUp;
use super::shells::Shells;
use super::stdin::Stdin;
use crate::session::{Comms, Session};
use jupyter_protocol::{JupyterMessage, JupyterMessageContent};
use jupyter_zmq_client::RouterSendConnection;
use serde_json::Value;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// One running kernel. The channels' tasks hold it in an `Arc`.
pub struct Kernel {
    pub session: Arc<Session>,
    pub iopub: IoPub,
    pub stdin: Stdin,
    pub history: Mutex<History>,
    pub warm_up: Arc<WarmUp>,
    pub comms: Arc<Comms>,
    /// Whom the comms answer.
    pub parents: Arc<Parents>,
    /// Version of rustc, for `kernel_info`.
    pub rustc: String,
    /// The port of each channel, for `connect_request`.
    pub ports: serde_json::Value,
    pub shells: Shells,
    /// Held by the shell whose cell runs: there is one process to run cells. The count of the last cell that was
    /// numbered.
    pub turn: tokio::sync::Mutex<usize>,
    /// Whether a cell is running right now.
    pub running: AtomicBool,
    /// Woken when a client asks the kernel to end.
    pub ended: Notify,
}

impl Kernel {
    /// Uses the history, which may have to read its file.
    pub fn with_history<T>(&self, work: impl FnOnce(&mut History) -> T) -> T {
        tokio::task::block_in_place(|| {
            let mut history = self.history.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut history)
        })
    }

    /// What the Stop button means: the running cell is asked to stop, cells that wait behind it are not run,
    /// whichever shell they wait in. Without a running cell it is for the handler of a widget or comm, if one runs.
    pub async fn interrupt(self: &Arc<Self>) {
        if !self.running.load(Ordering::SeqCst) {
            let comms = self.comms.clone();
            let _ = tokio::task::spawn_blocking(move || comms.stop()).await;
            return;
        }
        self.shells.abort_waiting();
        self.stdin.cancel();
        let kernel = self.clone();
        // The session only sets a flag and signals a process, but that is its own affair: do not block a worker.
        let _ = tokio::task::spawn_blocking(move || kernel.session.interrupt()).await;
    }
}

/// Execute requests of one shell in order of arrival, and which of them must not run any more.
#[derive(Default)]
pub struct Queue {
    arrived: AtomicU64,
    aborted: AtomicU64,
}

impl Queue {
    /// A ticket for a request that has just arrived; tickets count from 1.
    pub fn ticket(&self) -> u64 {
        self.arrived.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// No request that has arrived by now will start.
    pub fn abort_waiting(&self) {
        self.aborted
            .store(self.arrived.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Whether the request with this ticket must not start.
    pub fn is_aborted(&self, ticket: u64) -> bool {
        ticket <= self.aborted.load(Ordering::SeqCst)
    }
}

/// The sending side of a request channel.
#[derive(Clone)]
pub struct Replies {
    connection: Arc<tokio::sync::Mutex<RouterSendConnection>>,
}

impl Replies {
    pub fn new(connection: RouterSendConnection) -> Replies {
        Replies {
            connection: Arc::new(tokio::sync::Mutex::new(connection)),
        }
    }

    /// Sends the reply to `parent`'s sender.
    pub async fn reply(&self, content: impl Into<JupyterMessageContent>, parent: &JupyterMessage) {
        let message = signed_by_kernel(JupyterMessage::new(content, Some(parent)), parent);
        self.send(message).await;
    }

    /// The same, with metadata.
    pub async fn reply_with(
        &self,
        content: impl Into<JupyterMessageContent>,
        metadata: Value,
        parent: &JupyterMessage,
    ) {
        let message = JupyterMessage::new(content, Some(parent)).with_metadata(metadata);
        self.send(signed_by_kernel(message, parent)).await;
    }

    /// Sends a message to the client it is addressed to.
    pub async fn send(&self, message: JupyterMessage) {
        let msg_type = message.message_type().to_string();
        if let Err(error) = message::send(&mut *self.connection.lock().await, message).await {
            // The client has gone: nobody waits for the answer.
            eprintln!("jook: could not send {msg_type}: {error}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aborting_spares_requests_that_arrive_later() {
        let queue = Queue::default();
        let (first, second) = (queue.ticket(), queue.ticket());
        assert!(!queue.is_aborted(first));
        queue.abort_waiting();
        let third = queue.ticket();
        assert_eq!(
            [first, second, third].map(|ticket| queue.is_aborted(ticket)),
            [true, true, false]
        );
    }
}
