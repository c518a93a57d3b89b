//! The control channel: interrupt, shutdown and the making of subshells, which must work while a cell runs, and whatever
//! state iopub is in. It acts first, and publishes after that.

use super::ending::{HURRY, end};
use super::gate::Inbox;
use super::info::kernel_info;
use super::kernel::Kernel;
use super::message::{child, receive};
use super::refusals;
use super::replies::Replies;
use super::seal::Seal;
use super::subshells;
use super::usage;
use jupyter_protocol::{JupyterMessage, JupyterMessageContent as Content};
use serde_json::json;
use std::sync::Arc;
use tokio::time::timeout;

/// Takes requests until the kernel ends. `cells` is where the replies to cells go.
pub async fn listen(
    kernel: Arc<Kernel>,
    mut requests: Inbox,
    replies: Replies,
    cells: Replies,
    seal: Arc<Seal>,
) {
    loop {
        let request = receive(&mut requests, &seal).await;
        let reply = match &request.content {
            Content::InterruptRequest(_) => {
                // Should the session be slow to take it, the next request must get through all the same.
                let _ = timeout(HURRY, kernel.interrupt()).await;
                Some(child("interrupt_reply", json!({ "status": "ok" }), &request))
            }
            Content::KernelInfoRequest(_) => Some(kernel_info(&kernel.rustc, &request)),
            Content::ShutdownRequest(content) => {
                return end(&kernel, &replies, content.restart, &request).await;
            }
            _ if request.header.msg_type == "usage_request" => Some(usage::usage(&request).await),
            _ => subshells::answer(&kernel, &cells, &request).or_else(|| refusals::answer(&kernel, &request)),
        };
        let told = tokio::spawn(tell(kernel.clone(), replies.clone(), request, reply));
        // In order, unless iopub stands.
        let _ = timeout(2 * HURRY, told).await;
    }
}

/// `busy`, the reply, `idle`. Where nobody can be told of the first, the reply goes out before it.
async fn tell(kernel: Arc<Kernel>, replies: Replies, request: JupyterMessage, reply: Option<JupyterMessage>) {
    let mut busy = std::pin::pin!(kernel.iopub.busy(&request));
    let in_time = timeout(HURRY, busy.as_mut()).await.is_ok();
    if let Some(reply) = reply {
        replies.send(reply);
    }
    if !in_time {
        busy.await;
    }
    kernel.iopub.idle(&request).await;
}
