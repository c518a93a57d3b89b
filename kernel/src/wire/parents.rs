//! What widgets and their like say to the front end, and which request it is about.

use super::iopub::IoPub;
use super::message::{child, signed_by_kernel, unasked};
use super::outputs::output;
use crate::session::{CommMessage, Event, Said, Step};
use jupyter_protocol::{ExecutionCount, JupyterMessage, Status, UnknownMessage};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

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

    /// The child is about to handle a message of the front end.
    pub fn begin(&self, request: &JupyterMessage) {
        let id = request.header.msg_id.clone();
        self.state().open.insert(id, request.clone());
    }

    /// The child does not handle it after all; false if it has been closed meanwhile.
    pub fn forget(&self, request: &str) -> bool {
        self.state().open.remove(request).is_some()
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
        None => unasked(
            UnknownMessage {
                msg_type: msg_type.to_string(),
                content,
            }
            .into(),
        ),
    };
    whole
        .with_metadata(Value::Object(message.metadata))
        .with_buffers(message.buffers)
}
