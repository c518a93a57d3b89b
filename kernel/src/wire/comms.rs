//! Comms: what widgets and their like say to their counterparts, in both directions.
//!
//! A message of the front end is open from its `busy` until the child has handled it; what the handler says and
//! shows in between has the message as its parent.

use super::execute::output;
use super::iopub::IoPub;
use super::kernel::{Kernel, Replies};
use super::message::{child, signed_by_kernel};
use crate::session::{CommMessage, Comms, Event, Said, Step};
use jupyter_protocol::{
    CommClose, CommInfo, CommInfoReply, ExecutionCount, JupyterMessage, JupyterMessageContent as Content,
    Status, UnknownMessage,
};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::mpsc;

/// Whether a request is about comms: such are handled in their order, by [`answer_all`].
pub fn concern(content: &Content) -> bool {
    matches!(
        content,
        Content::CommOpen(_) | Content::CommMsg(_) | Content::CommClose(_) | Content::CommInfoRequest(_)
    )
}

/// Which request the child's words belong to.
pub struct Parents {
    iopub: IoPub,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Messages of the front end that the child has not handled yet.
    open: HashMap<String, JupyterMessage>,
    /// The cell that runs, or the last that did: a comm that speaks unasked belongs to it.
    cell: Option<JupyterMessage>,
}

impl Parents {
    pub fn new(iopub: IoPub) -> Arc<Self> {
        Arc::new(Self {
            iopub,
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A cell begins.
    pub fn cell(&self, request: &JupyterMessage) {
        self.state().cell = Some(request.clone());
    }

    /// Publishes what the child says; called on a thread that may block.
    pub fn said(&self, about: Option<&str>, said: Said) {
        let parent = {
            let state = self.state();
            let open = about.and_then(|id| state.open.get(id));
            open.or(state.cell.as_ref()).cloned()
        };
        let message = match (said, &parent) {
            (Said::Comm(message), parent) => comm(message, parent.as_ref()),
            (Said::Show(event), Some(parent)) => {
                let event = match event {
                    // Only a cell has a result.
                    Event::Result { data, metadata } => Event::Display {
                        data,
                        metadata,
                        id: None,
                    },
                    event => event,
                };
                match output(event, ExecutionCount::new(0), parent) {
                    Some(message) => message,
                    None => return,
                }
            }
            (Said::Show(_), None) => return,
            (Said::Done, _) => return about.into_iter().for_each(|id| self.done(id)),
            (Said::Gone, _) => {
                let open: Vec<String> = self.state().open.keys().cloned().collect();
                return open.iter().for_each(|id| self.done(id));
            }
        };
        self.iopub.publish_blocking(message);
    }

    fn done(&self, request: &str) {
        if let Some(request) = self.state().open.remove(request) {
            let idle = Status::idle().as_child_of(&request);
            self.iopub.publish_blocking(signed_by_kernel(idle, &request));
        }
    }
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
                replies.reply(info(&kernel.comms, wanted), &request).await;
            }
        }
        kernel.iopub.idle(&request).await;
    }
}

/// Hands the message to the child; false when nobody there knows the comm.
async fn pass_on(kernel: &Arc<Kernel>, request: &JupyterMessage, message: CommMessage) -> bool {
    let id = request.header.msg_id.clone();
    kernel.parents.state().open.insert(id.clone(), request.clone());
    let (comms, request) = (kernel.comms.clone(), id.clone());
    let passed = tokio::task::spawn_blocking(move || comms.pass_on(&request, &message)).await;
    // Where the child ended just now, the request has been closed with it.
    passed.unwrap_or(false) || kernel.parents.state().open.remove(&id).is_none()
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

/// What the child says about a comm, as the front end hears it.
fn comm(message: CommMessage, parent: Option<&JupyterMessage>) -> JupyterMessage {
    let (id, data) = (message.comm_id, message.data);
    let (msg_type, content) = match message.step {
        Step::Open { target } => (
            "comm_open",
            json!({ "comm_id": id, "target_name": target, "target_module": null, "data": data }),
        ),
        Step::Message => ("comm_msg", json!({ "comm_id": id, "data": data })),
        Step::Close => ("comm_close", json!({ "comm_id": id, "data": data })),
    };
    let whole = match parent {
        Some(parent) => child(msg_type, content, parent),
        None => UnknownMessage {
            msg_type: msg_type.to_string(),
            content,
        }
        .into(),
    };
    whole
        .with_metadata(Value::Object(message.metadata))
        .with_buffers(message.buffers)
}
