//! What a cell or a comm shows, as messages.

use super::message::{child, signed_by_kernel};
use crate::session::{Event, MimeBundle};
use jupyter_protocol::{ClearOutput, ExecutionCount, JupyterMessage, Media, MediaType, StreamContent};
use serde_json::{Map, Value, json};

/// The iopub message for an event of the session; pages go out with the reply.
pub fn output(event: Event, count: ExecutionCount, request: &JupyterMessage) -> Option<JupyterMessage> {
    let content = |data: MimeBundle, metadata: MimeBundle| {
        Map::from_iter([
            ("data".to_string(), data.into()),
            ("metadata".to_string(), metadata.into()),
        ])
    };
    Some(match event {
        Event::Stdout(text) => stdout(&text, request),
        Event::Stderr(text) => stderr(&text, request),
        Event::Display { data, metadata, id } => bundle("display_data", content(data, metadata), id, request),
        Event::Update { data, metadata, id } => {
            bundle("update_display_data", content(data, metadata), Some(id), request)
        }
        Event::Clear { wait } => signed_by_kernel(ClearOutput { wait }.as_child_of(request), request),
        Event::Result { data, metadata } => {
            let mut content = content(data, metadata);
            content.insert("execution_count".to_string(), count.0.into());
            bundle("execute_result", content, None, request)
        }
        Event::Page { .. } => return None,
    })
}

/// Text on `stdout`.
fn stdout(text: &str, parent: &JupyterMessage) -> JupyterMessage {
    signed_by_kernel(StreamContent::stdout(text).as_child_of(parent), parent)
}

/// Text on `stderr`.
pub fn stderr(text: &str, parent: &JupyterMessage) -> JupyterMessage {
    signed_by_kernel(StreamContent::stderr(text).as_child_of(parent), parent)
}

/// An output with a MIME bundle: `display_data`, `update_display_data` or `execute_result`.
fn bundle(
    msg_type: &str,
    mut content: Map<String, Value>,
    id: Option<String>,
    parent: &JupyterMessage,
) -> JupyterMessage {
    if let Some(id) = id {
        content.insert("transient".to_string(), json!({ "display_id": id }));
    }
    child(msg_type, Value::Object(content), parent)
}

/// A MIME bundle as the typed replies want it. Values go out as they are.
pub fn media(data: Map<String, Value>) -> Media {
    Media::new(data.into_iter().map(MediaType::Other).collect())
}
