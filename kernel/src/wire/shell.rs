//! The shell channel: requests of the front end. Cells go to a queue and comms to another; everything else is
//! answered at once, also while a cell runs.

use super::comms;
use super::complete::{complete, is_complete};
use super::control::end;
use super::execute::Job;
use super::info::kernel_info;
use super::inspect::inspect;
use super::kernel::{Kernel, Replies};
use super::message::{child, receive, reply_error};
use jupyter_protocol::{JupyterMessage, JupyterMessageContent as Content};
use jupyter_zmq_client::RouterRecvConnection;
use serde_json::json;
use std::sync::{Arc, PoisonError};
use tokio::sync::mpsc;

/// Takes requests until the kernel ends.
pub async fn listen(
    kernel: Arc<Kernel>,
    mut requests: RouterRecvConnection,
    replies: Replies,
    cells: mpsc::UnboundedSender<Job>,
    about_comms: mpsc::UnboundedSender<JupyterMessage>,
) {
    loop {
        let request = receive(&mut requests).await;
        if matches!(request.content, Content::ExecuteRequest(_)) {
            let ticket = kernel.queue.ticket();
            if cells.send(Job { request, ticket }).is_err() {
                return;
            }
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
        Content::KernelInfoRequest(_) => replies.reply(kernel_info(&kernel.rustc), &request).await,
        Content::CompleteRequest(content) => replies.reply(complete(&kernel, content).await, &request).await,
        Content::InspectRequest(content) => replies.reply(inspect(&kernel, content).await, &request).await,
        Content::IsCompleteRequest(content) => replies.reply(is_complete(content), &request).await,
        Content::HistoryRequest(content) => {
            let reply = kernel
                .history
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .answer(content);
            replies.reply(reply, &request).await;
        }
        Content::ShutdownRequest(content) => return end(&kernel, &replies, content.restart, &request).await,
        _ => refuse(&replies, &request).await,
    }
    kernel.iopub.idle(&request).await;
}

/// Answers a request this kernel does not know with an error, so that nobody waits for it in vain.
pub async fn refuse(replies: &Replies, request: &JupyterMessage) {
    let msg_type = &request.header.msg_type;
    if let Some(name) = msg_type.strip_suffix("_request") {
        let error = reply_error("UnknownRequest", format!("this kernel has no {msg_type}"));
        let content = json!({
            "status": "error", "ename": error.ename, "evalue": error.evalue, "traceback": error.traceback,
        });
        replies
            .send(child(&format!("{name}_reply"), content, request))
            .await;
    }
}
