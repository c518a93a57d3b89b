//! Comms: what the front end says to widgets and their like. What they say to it goes by [`parents`](super::parents).
//!
//! A message of the front end is open from its `busy` until the child has handled it; what the handler says and
//! shows in between has the message as its parent.

use super::kernel::Kernel;
use super::message::signed_by_kernel;
use super::replies::Replies;
use crate::session::{CommMessage, Comms, Step};
use jupyter_protocol::{
    CommClose, CommInfo, CommInfoReply, JupyterMessage, JupyterMessageContent as Content,
};
use std::sync::Arc;
use tokio::sync::mpsc;

/// Whether a request is about comms: such are handled in their order, by [`answer_all`].
pub fn concern(content: &Content) -> bool {
    matches!(
        content,
        Content::CommOpen(_) | Content::CommMsg(_) | Content::CommClose(_) | Content::CommInfoRequest(_)
    )
}

/// Handles what the front end says about comms, in its order, until the kernel ends.
pub async fn answer_all(
    kernel: Arc<Kernel>,
    replies: Replies,
    mut requests: mpsc::UnboundedReceiver<JupyterMessage>,
) {
    while let Some(request) = requests.recv().await {
        kernel.iopub.busy(&request).await;
        match message(&request) {
            Some(message) => {
                if pass_on(&kernel, &request, message.clone()).await {
                    // Idle when it is handled.
                    continue;
                }
                if matches!(message.step, Step::Open { .. }) {
                    // Nobody waits for such a comm: the front end must not take it for open.
                    let close = CommClose {
                        comm_id: message.comm_id.into(),
                        data: Default::default(),
                    };
                    let close = signed_by_kernel(close.as_child_of(&request), &request);
                    kernel.iopub.publish(close).await;
                }
            }
            None => {
                let wanted = match &request.content {
                    Content::CommInfoRequest(content) => content.target_name.clone(),
                    _ => None,
                };
                replies.reply(info(&kernel.comms, wanted), &request);
            }
        }
        kernel.iopub.idle(&request).await;
    }
}

/// Hands the message to the child; false when nobody there knows the comm.
async fn pass_on(kernel: &Arc<Kernel>, request: &JupyterMessage, message: CommMessage) -> bool {
    let id = request.header.msg_id.clone();
    kernel.parents.begin(request);
    let (comms, request) = (kernel.comms.clone(), id.clone());
    let passed = tokio::task::spawn_blocking(move || comms.pass_on(&request, &message)).await;
    // Where the child ended just now, the request has been closed with it.
    passed.unwrap_or(false) || !kernel.parents.forget(&id)
}

fn info(comms: &Comms, wanted: Option<String>) -> CommInfoReply {
    let open = comms.list().into_iter();
    let open = open.filter(|(_, target)| wanted.as_ref().is_none_or(|wanted| wanted == target));
    CommInfoReply {
        comms: open
            .map(|(id, target_name)| (id.into(), CommInfo { target_name }))
            .collect(),
        ..Default::default()
    }
}

/// What a request says about a comm.
pub fn message(request: &JupyterMessage) -> Option<CommMessage> {
    let (step, comm_id, data) = match &request.content {
        Content::CommOpen(open) => {
            let target = open.target_name.clone();
            (Step::Open { target }, &open.comm_id, &open.data)
        }
        Content::CommMsg(message) => (Step::Message, &message.comm_id, &message.data),
        Content::CommClose(close) => (Step::Close, &close.comm_id, &close.data),
        _ => return None,
    };
    Some(CommMessage {
        step,
        comm_id: comm_id.0.clone(),
        data: data.clone(),
        metadata: request.metadata.as_object().cloned().unwrap_or_default(),
        buffers: request.buffers.clone(),
    })
}
