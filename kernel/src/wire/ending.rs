//! The end, when a client asks for it.

use super::kernel::Kernel;
use super::message::signed_by_kernel;
use super::replies::Replies;
use jupyter_protocol::{JupyterMessage, ReplyStatus, ShutdownReply};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::timeout;

/// How long what is published may delay what was asked for. A subscriber that does not read holds up iopub, and must not
/// hold up more.
pub const HURRY: Duration = Duration::from_millis(250);

/// Ends the session, says goodbye to everyone and lets the server end. A restart is the same: whoever asked starts a new
/// kernel.
pub async fn end(kernel: &Arc<Kernel>, replies: &Replies, restart: bool, request: &JupyterMessage) {
    // First act, then talk.
    let session = kernel.session.clone();
    tokio::task::spawn_blocking(move || session.shutdown());
    let reply = ShutdownReply {
        restart,
        status: ReplyStatus::Ok,
        error: None,
    };
    let told = async {
        kernel.iopub.busy(request).await;
        let reply = signed_by_kernel(reply.as_child_of(request), request);
        kernel.iopub.publish(reply).await;
    };
    let _ = timeout(HURRY, told).await;
    replies.reply(reply, request);
    let _ = timeout(HURRY, kernel.iopub.idle(request)).await;
    kernel.ended.notify_one();
}
