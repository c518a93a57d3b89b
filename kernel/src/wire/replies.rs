//! The sending side of a channel of requests.

use super::gate::Outbox;
use super::message::{self, signed_by_kernel};
use super::seal::Seal;
use jupyter_protocol::{JupyterMessage, JupyterMessageContent};
use serde_json::Value;
use std::sync::Arc;

/// Sends replies; clones share the channel.
#[derive(Clone)]
pub struct Replies {
    outbox: Outbox,
    seal: Arc<Seal>,
}

impl Replies {
    pub fn new(outbox: Outbox, seal: Arc<Seal>) -> Replies {
        Replies { outbox, seal }
    }

    /// Sends the reply to `parent`'s sender.
    pub fn reply(&self, content: impl Into<JupyterMessageContent>, parent: &JupyterMessage) {
        self.send(signed_by_kernel(
            JupyterMessage::new(content, Some(parent)),
            parent,
        ));
    }

    /// The same, with metadata.
    pub fn reply_with(
        &self,
        content: impl Into<JupyterMessageContent>,
        metadata: Value,
        parent: &JupyterMessage,
    ) {
        let message = JupyterMessage::new(content, Some(parent)).with_metadata(metadata);
        self.send(signed_by_kernel(message, parent));
    }

    /// Sends a message to the client it is addressed to. It waits for nobody: the client's connection takes no more
    /// requests while too many replies are there for it.
    pub fn send(&self, message: JupyterMessage) {
        let msg_type = message.message_type().to_string();
        let frames = message::frames(message, &self.seal).map_err(|error| error.to_string());
        if let Err(error) = frames.and_then(|frames| self.outbox.send(&frames)) {
            // The client has gone: nobody waits for the answer.
            eprintln!("jook: could not send {msg_type}: {error}");
        }
    }

    /// Waits until everything sent so far has left this process.
    pub async fn empty(&self) {
        self.outbox.empty().await;
    }
}
