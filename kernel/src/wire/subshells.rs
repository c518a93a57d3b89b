//! Subshells are made, listed and closed on the control channel; each runs its cells by a task of its own.

use super::execute::run_all;
use super::kernel::Kernel;
use super::message::{child, error_content};
use super::replies::Replies;
use super::shells::{MAIN, unknown_subshell};
use jupyter_protocol::{JupyterMessage, JupyterMessageContent as Content};
use serde_json::{Value, json};
use std::sync::Arc;

/// Opens the shell that every kernel has. `cells` is where the replies to cells go.
pub fn open_main(kernel: &Arc<Kernel>, cells: &Replies) {
    start(MAIN, kernel, cells);
}

fn create(kernel: &Arc<Kernel>, cells: &Replies) -> String {
    let id = uuid::Uuid::new_v4().to_string();
    start(&id, kernel, cells);
    id
}

fn start(id: &str, kernel: &Arc<Kernel>, cells: &Replies) {
    let (queue, waiting) = kernel.shells.open(id);
    tokio::spawn(run_all(kernel.clone(), queue, cells.clone(), waiting));
}

/// The reply to a request about subshells; `None` for another request.
pub fn answer(kernel: &Arc<Kernel>, cells: &Replies, request: &JupyterMessage) -> Option<JupyterMessage> {
    let shells = &kernel.shells;
    let (reply, content) = match request.header.msg_type.as_str() {
        "create_subshell_request" => (
            "create_subshell_reply",
            json!({ "status": "ok", "subshell_id": create(kernel, cells) }),
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
