//! The control channel: interrupt, shutdown and the making of subshells, which must work while a cell runs.

use super::info::kernel_info;
use super::kernel::{Kernel, Replies};
use super::message::receive;
use super::shell::answer_other;
use super::shells;
use jupyter_protocol::{
    InterruptReply, JupyterMessage, JupyterMessageContent as Content, ReplyStatus, ShutdownReply,
};
use jupyter_zmq_client::RouterRecvConnection;
use std::sync::Arc;

/// Takes requests until the kernel ends.
pub async fn listen(kernel: Arc<Kernel>, mut requests: RouterRecvConnection, replies: Replies) {
    loop {
        let request = receive(&mut requests).await;
        if matches!(request.content, Content::InterruptRequest(_)) {
            // First act, then talk: a cell that floods iopub must not delay its own interruption.
            kernel.interrupt().await;
        }
        kernel.iopub.busy(&request).await;
        match &request.content {
            Content::InterruptRequest(_) => replies.reply(InterruptReply::new(), &request).await,
            Content::KernelInfoRequest(_) => replies.send(kernel_info(&kernel.rustc, &request)).await,
            Content::ShutdownRequest(content) => {
                return end(&kernel, &replies, content.restart, &request).await;
            }
            _ => match shells::answer(&kernel, &request) {
                Some(reply) => replies.send(reply).await,
                None => answer_other(&kernel, &replies, &request).await,
            },
        }
        kernel.iopub.idle(&request).await;
    }
}

/// Says goodbye to everyone and lets the server end. A restart is the same: whoever asked starts a new kernel.
pub async fn end(kernel: &Arc<Kernel>, replies: &Replies, restart: bool, request: &JupyterMessage) {
    let reply = ShutdownReply {
        restart,
        status: ReplyStatus::Ok,
        error: None,
    };
    kernel.iopub.publish(reply.as_child_of(request)).await;
    replies.reply(reply, request).await;
    kernel.iopub.idle(request).await;
    kernel.ended.notify_one();
}
