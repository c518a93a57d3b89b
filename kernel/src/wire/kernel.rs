//! What the channels share.

use super::history::History;
use super::iopub::IoPub;
use super::parents::Parents;
use super::progress::WarmUp;
use super::shells::Shells;
use super::stdin::Stdin;
use crate::session::{Comms, Session};
use std::sync::atomic::{AtomicBool, Ordering};
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
    /// Which request a comm's words are about.
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
