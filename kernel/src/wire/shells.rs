//! The main shell and its subshells
//! (<https://jupyter.org/enhancement-proposals/91-kernel-subshells/kernel-subshells.html>).
//!
//! Only cells wait in a shell: every other request is answered at once, whichever shell it is sent to. One process
//! compiles and runs cells, one at a time, so the shells take turns: a cell sent to a subshell runs after the
//! cell that is running, before those that wait behind it in another shell.

use super::execute::{self, Job};
use super::kernel::{Kernel, Queue, Replies};
use super::message::{child, error_content, reply_error};
use jupyter_protocol::{JupyterMessage, JupyterMessageContent as Content, ReplyError};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// The shells of a kernel by id; the main shell's is empty.
pub struct Shells {
    replies: Replies,
    open: Mutex<BTreeMap<String, Shell>>,
}

struct Shell {
    cells: mpsc::UnboundedSender<Job>,
    queue: Arc<Queue>,
}

const MAIN: &str = "";

impl Shells {
    /// No shell yet; what they reply goes out by `replies`.
    pub fn new(replies: Replies) -> Shells {
        Shells {
            replies,
            open: Mutex::default(),
        }
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<String, Shell>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens the shell that every kernel has.
    pub fn open_main(&self, kernel: &Arc<Kernel>) {
        self.start(MAIN, kernel);
    }

    fn create(&self, kernel: &Arc<Kernel>) -> String {
        let id = uuid::Uuid::new_v4().to_string();
        self.start(&id, kernel);
        id
    }

    fn start(&self, id: &str, kernel: &Arc<Kernel>) {
        let (cells, waiting) = mpsc::unbounded_channel();
        let queue = Arc::<Queue>::default();
        tokio::spawn(execute::run_all(
            kernel.clone(),
            queue.clone(),
            self.replies.clone(),
            waiting,
        ));
        self.open().insert(id.to_string(), Shell { cells, queue });
    }

    /// Closes a subshell: a cell of its that runs goes on, those that wait are not run. False if there is none.
    fn delete(&self, id: &str) -> bool {
        let closed = if id == MAIN { None } else { self.open().remove(id) };
        if let Some(shell) = &closed {
            shell.queue.abort_waiting();
        }
        closed.is_some()
    }

    fn list(&self) -> Vec<String> {
        let open = self.open();
        open.keys().filter(|id| *id != MAIN).cloned().collect()
    }

    /// Whether there is a subshell with this id.
    pub fn has(&self, id: &str) -> bool {
        id != MAIN && self.open().contains_key(id)
    }

    /// Puts an execute request in the queue of its shell.
    pub fn submit(&self, request: JupyterMessage) {
        let id = super::message::subshell_of(&request).unwrap_or(MAIN);
        if let Some(shell) = self.open().get(id) {
            let ticket = shell.queue.ticket();
            // A shell's task ends only after its shell has been closed.
            let _ = shell.cells.send(Job { request, ticket });
        }
    }

    /// No cell that waits in any shell will start.
    pub fn abort_waiting(&self) {
        self.open().values().for_each(|shell| shell.queue.abort_waiting());
    }
}

/// The reply to a request about subshells; `None` for another request.
pub fn answer(kernel: &Arc<Kernel>, request: &JupyterMessage) -> Option<JupyterMessage> {
    let shells = &kernel.shells;
    let (reply, content) = match request.header.msg_type.as_str() {
        "create_subshell_request" => (
            "create_subshell_reply",
            json!({ "status": "ok", "subshell_id": shells.create(kernel) }),
        ),
        "list_subshell_request" => (
            "list_subshell_reply",
            json!({ "status": "ok", "subshell_id": shells.list() }),
        ),
        "delete_subshell_request" => {
            let id = match &request.content {
                Content::UnknownMessage(unknown) => unknown.content["subshell_id"].as_str().unwrap_or(MAIN),
                _ => MAIN,
            };
            let content: Value = if shells.delete(id) {
                json!({ "status": "ok" })
            } else {
                error_content(*unknown_subshell(id))
            };
            ("delete_subshell_reply", content)
        }
        _ => return None,
    };
    Some(child(reply, content, request))
}

/// What a client is told that names a subshell which was never made, or is deleted.
pub fn unknown_subshell(id: &str) -> Box<ReplyError> {
    reply_error(
        "UnknownSubshell",
        format!("there is no subshell {id:?}: it was never made, or it has been deleted"),
    )
}
