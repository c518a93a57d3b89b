//! The shell channel: requests of the front end. Cells go to a queue and comms to another; everything else is
//! answered at once, also while a cell runs.

use super::comms;
use super::complete::{complete, is_complete};
use super::ending::end;
use super::gate::Inbox;
use super::info::kernel_info;
use super::inspect::inspect;
use super::kernel::Kernel;
use super::message::{receive, subshell_of};
use super::refusals::{self, refusal};
use super::replies::Replies;
use super::seal::Seal;
use super::shells::unknown_subshell;
use jupyter_protocol::{JupyterMessage, JupyterMessageContent as Content};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Takes requests until the kernel ends.
pub async fn listen(
    kernel: Arc<Kernel>,
    mut requests: Inbox,
    replies: Replies,
    seal: Arc<Seal>,
    about_comms: mpsc::UnboundedSender<JupyterMessage>,
) {
    loop {
        let request = receive(&mut requests, &seal).await;
        let known = subshell_of(&request).is_none_or(|id| kernel.shells.has(id));
        if known && matches!(request.content, Content::ExecuteRequest(_)) {
            kernel.shells.submit(request);
        } else if known && comms::concern(&request.content) {
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
    if let Content::ShutdownRequest(content) = &request.content {
        return end(&kernel, &replies, content.restart, &request).await;
    }
    kernel.iopub.busy(&request).await;
    let unknown = subshell_of(&request).filter(|id| !kernel.shells.has(id));
    if let Some(unknown) = unknown {
        let reply = refusal(*unknown_subshell(unknown), &request);
        reply.into_iter().for_each(|reply| replies.send(reply));
        return kernel.iopub.idle(&request).await;
    }
    match &request.content {
        Content::KernelInfoRequest(_) => replies.send(kernel_info(&kernel.rustc, &request)),
        Content::CompleteRequest(content) => replies.reply(complete(&kernel, content).await, &request),
        Content::InspectRequest(content) => replies.reply(inspect(&kernel, content).await, &request),
        Content::IsCompleteRequest(content) => replies.reply(is_complete(content), &request),
        Content::HistoryRequest(content) => {
            let reply = kernel.with_history(|history| history.answer(content));
            replies.reply(reply, &request);
        }
        _ => refusals::answer(&kernel, &request)
            .into_iter()
            .for_each(|reply| replies.send(reply)),
    }
    kernel.iopub.idle(&request).await;
}
