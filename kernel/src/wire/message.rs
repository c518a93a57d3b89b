//! Reading requests and building answers.
//!
//! jupyter-protocol's types are strict: a request without an optional field does not parse. Clients do leave
//! fields out (`unique` in a history search, `stop` in a range), so defaults are filled in before the parse.

use super::info::PROTOCOL;
use bytes::Bytes;
use chrono::SubsecRound;
use jupyter_protocol::{JupyterMessage, JupyterMessageContent, ReplyError, UnknownMessage};
use jupyter_zmq_client::{Connection, RawMessage};
use ring::hmac;
use serde_json::{Value, json};
use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use zeromq::{SocketRecv, SocketSend, ZmqMessage};

/// Names the subshell in a header. jupyter-protocol's headers have no place for it: between the sockets it
/// travels in the metadata, from a request to everything that answers it.
const SUBSHELL: &str = "subshell_id";

/// In the content of a request of a known type that is not what the protocol says of it.
const MALFORMED: &str = "malformed";

/// What is wrong with a request of a known type.
pub fn malformed(request: &JupyterMessage) -> Option<&str> {
    match &request.content {
        JupyterMessageContent::UnknownMessage(message) => message.content[MALFORMED].as_str(),
        _ => None,
    }
}

/// The next well-formed, correctly signed message. Anything else is dropped, counted and told on stderr.
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
        match read(frames, &connection.mac) {
            Ok(message) => return message,
            Err(reason) => dropped(&reason),
        }
    }
}

/// The message that these frames are, if its signature is right. Says in words what is wrong with others.
pub fn read(frames: ZmqMessage, key: &Option<hmac::Key>) -> Result<JupyterMessage, String> {
    let raw = RawMessage::from_multipart(frames, key).map_err(|error| error.to_string())?;
    parse(raw).map_err(|error| error.to_string())
}

/// Counts a message that was dropped. Whoever sends a flood of them does not fill the disk with its log.
fn dropped(reason: &str) {
    static DROPPED: AtomicU64 = AtomicU64::new(0);
    let count = DROPPED.fetch_add(1, Ordering::Relaxed) + 1;
    if count <= 10 || count.is_power_of_two() {
        eprintln!("jook: dropped a message, {count} so far: {reason}");
    }
}

fn parse(raw: RawMessage) -> serde_json::Result<JupyterMessage> {
    let mut header: Value = serde_json::from_slice(&raw.jparts[0])?;
    let mut metadata: Value = serde_json::from_slice(&raw.jparts[2])?;
    if !metadata.is_object() {
        metadata = json!({});
    }
    metadata[SUBSHELL] = header
        .as_object_mut()
        .and_then(|header| header.remove(SUBSHELL))
        .unwrap_or_default();
    let header: jupyter_protocol::Header = serde_json::from_value(header)?;
    let mut content: Value = serde_json::from_slice(&raw.jparts[3])?;
    fill_defaults(&header.msg_type, &mut content);
    let content = match JupyterMessageContent::from_type_and_content(&header.msg_type, content) {
        Ok(content) => content,
        // Somebody waits for the answer.
        Err(error) if header.msg_type.ends_with("_request") => UnknownMessage {
            msg_type: header.msg_type.clone(),
            content: json!({ MALFORMED: error.to_string() }),
        }
        .into(),
        Err(error) => return Err(error),
    };
    Ok(JupyterMessage {
        zmq_identities: raw.zmq_identities,
        header,
        parent_header: serde_json::from_slice(&raw.jparts[1]).ok(),
        metadata,
        content,
        buffers: raw.jparts[4..].to_vec(),
        channel: None,
    })
}

/// The subshell that a request is for; `None` is the main shell.
pub fn subshell_of(request: &JupyterMessage) -> Option<&str> {
    request.metadata[SUBSHELL].as_str()
}

/// Sends a message, signed. Returns in words why it could not be sent.
pub async fn send<S: SocketSend>(
    connection: &mut Connection<S>,
    message: JupyterMessage,
) -> Result<(), String> {
    let message = message.with_session(&connection.session_id);
    let frames = frames(message, connection.mac.as_ref()).map_err(|error| error.to_string())?;
    let sent = connection.socket.send(frames).await;
    sent.map_err(|error| error.to_string())
}

/// A message as it goes over the wire: who it is for, the signature, and the four parts that are signed.
pub fn frames(mut message: JupyterMessage, mac: Option<&hmac::Key>) -> serde_json::Result<ZmqMessage> {
    // Jupyter's client reads six digits of a second as a time, nine as text.
    message.header.date = message.header.date.trunc_subsecs(6);
    let mut parent = match &message.parent_header {
        Some(header) => serde_json::to_value(header)?,
        None => json!({}),
    };
    // Front ends tell by this header which of their shells the answer is for.
    if let Some(Value::String(subshell)) = message
        .metadata
        .as_object_mut()
        .and_then(|metadata| metadata.remove(SUBSHELL))
    {
        parent[SUBSHELL] = subshell.into();
    }
    let parts = [
        serde_json::to_vec(&message.header)?,
        serde_json::to_vec(&parent)?,
        serde_json::to_vec(&message.metadata)?,
        serde_json::to_vec(&message.content)?,
    ];
    let signature = mac.map_or_else(String::new, |key| {
        let mut signing = hmac::Context::with_key(key);
        parts.iter().for_each(|part| signing.update(part));
        hex(signing.sign().as_ref())
    });
    let mut frames = message.zmq_identities;
    // What stands before the delimiter says who the message is for, or what about.
    let mut rest = vec![Bytes::from_static(b"<IDS|MSG>"), signature.into()];
    rest.extend(parts.into_iter().map(Bytes::from));
    rest.extend(message.buffers);
    frames.extend(rest);
    // Fails only without frames.
    Ok(ZmqMessage::try_from(frames).unwrap_or_else(|_| ZmqMessage::from(Vec::new())))
}

/// Bytes as a signature is written.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
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

/// Answers carry the name of the user they answer, as other kernels do, and know the subshell they come from.
pub fn signed_by_kernel(mut message: JupyterMessage, parent: &JupyterMessage) -> JupyterMessage {
    message.header.username.clone_from(&parent.header.username);
    message.header.version = PROTOCOL.to_string();
    if let Some(subshell) = subshell_of(parent)
        && let Some(metadata) = message.metadata.as_object_mut()
    {
        metadata.insert(SUBSHELL.to_string(), subshell.into());
    }
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

/// The whole content of a reply that is an error.
pub fn error_content(error: ReplyError) -> Value {
    let ReplyError {
        ename,
        evalue,
        traceback,
    } = error;
    json!({ "status": "error", "ename": ename, "evalue": evalue, "traceback": traceback })
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
    fn an_answer_is_signed_and_names_its_subshell() {
        let key = Some(hmac::Key::new(hmac::HMAC_SHA256, b"secret"));
        let header = |subshell: Value| {
            json!({
                "msg_id": "1", "username": "me", "session": "s", "date": "2026-01-01T00:00:00Z",
                "msg_type": "kernel_info_request", "version": "5.4", "subshell_id": subshell,
            })
        };
        for subshell in [json!("sub"), Value::Null] {
            let parts = [header(subshell.clone()), json!({}), json!({"a": 1}), json!({})];
            let jparts = parts.map(|part| Bytes::from(part.to_string())).into();
            let request = parse(RawMessage {
                zmq_identities: vec!["client".into()],
                jparts,
            })
            .unwrap();
            assert_eq!(subshell_of(&request), subshell.as_str());
            let answer = child("kernel_info_reply", json!({"status": "ok"}), &request);
            // Fails on a wrong signature.
            let raw = RawMessage::from_multipart(frames(answer, key.as_ref()).unwrap(), &key).unwrap();
            let [parent, metadata, content] =
                [1, 2, 3].map(|part| serde_json::from_slice::<Value>(&raw.jparts[part]).unwrap());
            assert_eq!(raw.zmq_identities, [Bytes::from("client")]);
            assert_eq!(
                (&parent["msg_id"], &parent["subshell_id"]),
                (&json!("1"), &subshell)
            );
            assert_eq!((metadata, content), (json!({}), json!({"status": "ok"})));
        }
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
