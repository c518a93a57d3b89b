//! Reading requests and building answers.
//!
//! jupyter-protocol's types are strict: a request without an optional field does not parse. Clients do leave
//! fields out (`unique` in a history search, `stop` in a range), so defaults are filled in before the parse.

use jupyter_protocol::{JupyterMessage, JupyterMessageContent, ReplyError, UnknownMessage};
use jupyter_zmq_client::{Connection, RawMessage};
use serde_json::{Value, json};
use std::time::Duration;
use zeromq::SocketRecv;

/// The next well-formed, correctly signed message. Anything else is dropped with a line on stderr.
pub async fn receive<S: SocketRecv>(connection: &mut Connection<S>) -> JupyterMessage {
    loop {
        let frames = match connection.socket.recv().await {
            Ok(frames) => frames,
            Err(_) => {
                // A peer went away in the middle of a message. Nothing to answer; do not spin.
                tokio::time::sleep(Duration::from_millis(10)).await;
                continue;
            }
        };
        let parsed = RawMessage::from_multipart(frames, &connection.mac)
            .map_err(|error| error.to_string())
            .and_then(|raw| parse(raw).map_err(|error| error.to_string()));
        match parsed {
            Ok(message) => return message,
            Err(reason) => eprintln!("jook: dropped a message: {reason}"),
        }
    }
}

fn parse(raw: RawMessage) -> serde_json::Result<JupyterMessage> {
    let header: jupyter_protocol::Header = serde_json::from_slice(&raw.jparts[0])?;
    let mut content: Value = serde_json::from_slice(&raw.jparts[3])?;
    fill_defaults(&header.msg_type, &mut content);
    let content = JupyterMessageContent::from_type_and_content(&header.msg_type, content)?;
    Ok(JupyterMessage {
        zmq_identities: raw.zmq_identities,
        header,
        parent_header: serde_json::from_slice(&raw.jparts[1]).ok(),
        metadata: serde_json::from_slice(&raw.jparts[2])?,
        content,
        buffers: raw.jparts[4..].to_vec(),
        channel: None,
    })
}

/// Puts the protocol's default wherever a request has no value or `null`.
fn fill_defaults(msg_type: &str, content: &mut Value) {
    let defaults = match msg_type {
        "execute_request" => json!({
            "code": "", "silent": false, "store_history": true, "user_expressions": {},
            "allow_stdin": false, "stop_on_error": true,
        }),
        "complete_request" | "inspect_request" => {
            let length = content["code"].as_str().map_or(0, |code| code.chars().count());
            json!({ "code": "", "cursor_pos": length })
        }
        "is_complete_request" => json!({ "code": "" }),
        "history_request" => json!({
            "hist_access_type": "tail", "output": false, "raw": true, "session": 0, "start": 0,
            "stop": i32::MAX, "n": i32::MAX, "pattern": "*", "unique": false,
        }),
        "shutdown_request" => json!({ "restart": false }),
        "comm_open" => json!({ "comm_id": "", "target_name": "", "data": {} }),
        "comm_msg" | "comm_close" => json!({ "comm_id": "", "data": {} }),
        _ => return,
    };
    if !content.is_object() {
        *content = json!({});
    }
    if let (Some(content), Value::Object(defaults)) = (content.as_object_mut(), defaults) {
        for (key, default) in defaults {
            let slot = content.entry(key).or_insert(Value::Null);
            if slot.is_null() {
                *slot = default;
            }
        }
    }
}

/// A message of any type, its content given as JSON, in answer to `parent`.
pub fn child(msg_type: &str, content: Value, parent: &JupyterMessage) -> JupyterMessage {
    signed_by_kernel(
        UnknownMessage {
            msg_type: msg_type.to_string(),
            content,
        }
        .as_child_of(parent),
        parent,
    )
}

/// Answers carry the name of the user they answer, as other kernels do.
pub fn signed_by_kernel(mut message: JupyterMessage, parent: &JupyterMessage) -> JupyterMessage {
    message.header.username.clone_from(&parent.header.username);
    message
}

/// The error part of a reply.
pub fn reply_error(ename: &str, evalue: impl Into<String>) -> Box<ReplyError> {
    let evalue = evalue.into();
    let traceback = vec![format!("{ename}: {evalue}")];
    Box::new(ReplyError {
        ename: ename.to_string(),
        evalue,
        traceback,
    })
}

/// Byte offset of a cursor given in Unicode codepoints; past the end means the end.
pub fn byte_offset(code: &str, codepoints: usize) -> usize {
    code.char_indices()
        .nth(codepoints)
        .map_or(code.len(), |(byte, _)| byte)
}

/// Codepoints before a byte offset; an offset inside a character counts that character's start.
pub fn codepoint_offset(code: &str, byte: usize) -> usize {
    code.char_indices().take_while(|(start, _)| *start < byte).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_count_codepoints() {
        let code = "é😀x";
        assert_eq!([0, 1, 2, 3, 9].map(|n| byte_offset(code, n)), [0, 2, 6, 7, 7]);
        assert_eq!([0, 2, 6, 7].map(|n| codepoint_offset(code, n)), [0, 1, 2, 3]);
    }

    #[test]
    fn a_search_without_optional_fields_parses() {
        let mut content = json!({ "hist_access_type": "search", "pattern": "let*", "n": null });
        fill_defaults("history_request", &mut content);
        let parsed = JupyterMessageContent::from_type_and_content("history_request", content).unwrap();
        let JupyterMessageContent::HistoryRequest(jupyter_protocol::HistoryRequest::Search {
            pattern,
            unique,
            ..
        }) = parsed
        else {
            panic!("not a search")
        };
        assert_eq!((pattern.as_str(), unique), ("let*", false));
    }
}
