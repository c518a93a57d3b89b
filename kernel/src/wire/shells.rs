//! The main shell and its subshells
//! (<https://jupyter.org/enhancement-proposals/91-kernel-subshells/kernel-subshells.html>).
//!
//! Only cells wait in a shell: every other request is answered at once, whichever shell it is sent to. One process
//! compiles and runs cells, one at a time, so the shells take turns: a cell sent to a subshell runs after the
//! cell that is running, before those that wait behind it in another shell.

use super::message::{reply_error, subshell_of};
use super::queue::Queue;
use jupyter_protocol::{JupyterMessage, ReplyError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// The shells of a kernel by id; the main shell's is empty.
#[derive(Default)]
pub struct Shells {
    open: Mutex<BTreeMap<String, Shell>>,
}

/// An execute request and its place in the queue.
pub struct Job {
    pub request: JupyterMessage,
    pub ticket: u64,
}

struct Shell {
    cells: mpsc::UnboundedSender<Job>,
    queue: Arc<Queue>,
}

/// Id of the shell that every kernel has.
pub const MAIN: &str = "";

impl Shells {
    fn shells(&self) -> MutexGuard<'_, BTreeMap<String, Shell>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens a shell, the main one where `id` is [`MAIN`]; returns its queue and the cells that come in.
    pub fn open(&self, id: &str) -> (Arc<Queue>, mpsc::UnboundedReceiver<Job>) {
        let (cells, waiting) = mpsc::unbounded_channel();
        let queue = Arc::<Queue>::default();
        let shell = Shell {
            cells,
            queue: queue.clone(),
        };
        self.shells().insert(id.to_string(), shell);
        (queue, waiting)
    }

    /// Closes a subshell: a cell of its that runs goes on, those that wait are not run. False if there is none.
    pub fn delete(&self, id: &str) -> bool {
        let closed = if id == MAIN {
            None
        } else {
            self.shells().remove(id)
        };
        if let Some(shell) = &closed {
            shell.queue.abort_waiting();
        }
        closed.is_some()
    }

    /// The subshells.
    pub fn list(&self) -> Vec<String> {
        let open = self.shells();
        open.keys().filter(|id| *id != MAIN).cloned().collect()
    }

    /// Whether there is a subshell with this id.
    pub fn has(&self, id: &str) -> bool {
        id != MAIN && self.shells().contains_key(id)
    }

    /// Puts an execute request in the queue of its shell.
    pub fn submit(&self, request: JupyterMessage) {
        let id = subshell_of(&request).unwrap_or(MAIN);
        if let Some(shell) = self.shells().get(id) {
            let ticket = shell.queue.ticket();
            // A shell's task ends only after its shell has been closed.
            let _ = shell.cells.send(Job { request, ticket });
        }
    }

    /// No cell that waits in any shell will start.
    pub fn abort_waiting(&self) {
        self.shells()
            .values()
            .for_each(|shell| shell.queue.abort_waiting());
    }
}

/// What a client is told that names a subshell which was never made, or is deleted.
pub fn unknown_subshell(id: &str) -> Box<ReplyError> {
    reply_error(
        "UnknownSubshell",
        format!("there is no subshell {id:?}: it was never made, or it has been deleted"),
    )
}
