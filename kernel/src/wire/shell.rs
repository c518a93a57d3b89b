//! The shell channel: requests of the front end. Cells go to a queue and comms to another; everything else is
//! answered at once, also while a cell runs.

use super::comms;
use super::complete::{complete, is_complete};
use super::control::end;
use super::info::kernel_info;
use super::inspect::inspect;
use super::kernel::{Kernel, Replies};
use super::message::{child, error_content, malformed, receive, reply_error, subshell_of};
use super::shells::unknown_subshell;
use jupyter_protocol::{JupyterMessage, JupyterMessageContent as Content, ReplyError};
use jupyter_zmq_client::RouterRecvConnection;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Takes requests until the kernel ends.
pub async fn listen(
    kernel: Arc<Kernel>,
    mut requests: RouterRecvConnection,
    replies: Replies,
    about_comms: mpsc::UnboundedSender<JupyterMessage>,
) {
    loop {
        let request = receive(&mut requests).await;
        if let Some(unknown) = subshell_of(&request).filter(|id| !kernel.shells.has(id)) {
            let error = unknown_subshell(unknown);
            kernel.iopub.busy(&request).await;
            answer_with(&replies, error, &request).await;
            kernel.iopub.idle(&request).await;
        } else if matches!(request.content, Content::ExecuteRequest(_)) {
            kernel.shells.submit(request);
        } else if comms::concern(&request.content) {
            if about_comms.send(request).is_err() {
                return;
            }
        } else {
            // A slow completion must not hold up what comes after it.
            tokio::spawn(answer(kernel.clone(), replies.clone(), request));
        }
    }
}

async fn answer(kernel: Arc<Kernel>, replies: Replies, request: JupyterMessage) {
    kernel.iopub.busy(&request).await;
    match &request.content {
        Content::KernelInfoRequest(_) => replies.send(kernel_info(&kernel.rustc, &request)).await,
        Content::CompleteRequest(content) => replies.reply(complete(&kernel, content).await, &request).await,
        Content::InspectRequest(content) => replies.reply(inspect(&kernel, content).await, &request).await,
        Content::IsCompleteRequest(content) => replies.reply(is_complete(content), &request).await,
        Content::HistoryRequest(content) => {
            let reply = kernel.with_history(|history| history.answer(content));
            replies.reply(reply, &request).await;
        }
        Content::ShutdownRequest(content) => return end(&kernel, &replies, content.restart, &request).await,
        _ => answer_other(&kernel, &replies, &request).await,
    }
    kernel.iopub.idle(&request).await;
}

/// Answers a request that no library types: by its ports, or where this kernel does not know it with an error, so that
/// nobody waits for it in vain.
pub async fn answer_other(kernel: &Kernel, replies: &Replies, request: &JupyterMessage) {
    let msg_type = &request.header.msg_type;
    if msg_type == "connect_request" {
        return replies
            .send(child("connect_reply", kernel.ports.clone(), request))
            .await;
    }
    let error = match malformed(request) {
        Some(what) => reply_error("MalformedRequest", format!("a {msg_type} cannot be read: {what}")),
        None => reply_error("UnknownRequest", format!("this kernel has no {msg_type}")),
    };
    answer_with(replies, error, request).await;
}

/// Answers a request with an error, if it is one that has an answer.
async fn answer_with(replies: &Replies, error: Box<ReplyError>, request: &JupyterMessage) {
    if let Some(name) = request.header.msg_type.strip_suffix("_request") {
        let reply = child(&format!("{name}_reply"), error_content(*error), request);
        replies.send(reply).await;
    }
}
