//! Reading requests and building answers.

use super::gate::{Inbox, tally};
use super::lenient::{fill_content, fill_header};
use super::seal::{Opened, Seal};
use bytes::Bytes;
use chrono::SubsecRound;
use jupyter_protocol::{JupyterMessage, JupyterMessageContent, ReplyError, UnknownMessage};
use serde_json::{Value, json};

/// The protocol version this kernel speaks.
pub const PROTOCOL: &str = "5.5";

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
pub async fn receive(requests: &mut Inbox, seal: &Seal) -> JupyterMessage {
    loop {
        match read(requests.next().await, seal) {
            Ok(message) => return message,
            Err(reason) => tally::MESSAGES.dropped(&reason),
        }
    }
}

/// The message that these frames are, if its signature is right. Says in words what is wrong with others.
pub fn read(frames: Vec<Bytes>, seal: &Seal) -> Result<JupyterMessage, String> {
    parse(seal.open(frames)?).map_err(|error| error.to_string())
}

fn parse(raw: Opened) -> serde_json::Result<JupyterMessage> {
    let mut header: Value = serde_json::from_slice(&raw.parts[0])?;
    let mut metadata: Value = serde_json::from_slice(&raw.parts[2])?;
    if !metadata.is_object() {
        metadata = json!({});
    }
    metadata[SUBSHELL] = header
        .as_object_mut()
        .and_then(|header| header.remove(SUBSHELL))
        .unwrap_or_default();
    fill_header(&mut header, PROTOCOL);
    let header: jupyter_protocol::Header = serde_json::from_value(header)?;
    let mut content: Value = serde_json::from_slice(&raw.parts[3])?;
    fill_content(&header.msg_type, &mut content);
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
        zmq_identities: raw.identities,
        header,
        parent_header: serde_json::from_slice(&raw.parts[1]).ok(),
        metadata,
        content,
        buffers: raw.parts[4..].to_vec(),
        channel: None,
    })
}

/// The subshell that a request is for; `None` is the main shell.
pub fn subshell_of(request: &JupyterMessage) -> Option<&str> {
    request.metadata[SUBSHELL].as_str()
}

/// A message as it goes over the wire, signed.
pub fn frames(message: JupyterMessage, seal: &Seal) -> serde_json::Result<Vec<Bytes>> {
    let mut message = message.with_session(&seal.session);
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
    Ok(seal.close(message.zmq_identities, parts, message.buffers))
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

/// A message that answers nobody.
pub fn unasked(mut message: JupyterMessage) -> JupyterMessage {
    message.header.version = PROTOCOL.to_string();
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
        let (client, kernel) = (
            Seal::new("secret", "c".to_string()),
            Seal::new("secret", "k".to_string()),
        );
        for subshell in [json!("sub"), Value::Null] {
            let header = json!({
                "msg_id": "1", "username": "me", "session": "s", "date": "2026-01-01T00:00:00Z",
                "msg_type": "kernel_info_request", "version": "5.4", "subshell_id": subshell,
            });
            let parts = [header, json!({}), json!({"a": 1}), json!({})];
            let parts = parts.map(|part| part.to_string().into_bytes());
            let request = read(client.close(vec!["client".into()], parts, Vec::new()), &kernel).unwrap();
            assert_eq!(subshell_of(&request), subshell.as_str());
            let answer = child("kernel_info_reply", json!({"status": "ok"}), &request);
            // Fails on a wrong signature.
            let raw = client.open(frames(answer, &kernel).unwrap()).unwrap();
            let [header, parent, metadata, content] =
                [0, 1, 2, 3].map(|part| serde_json::from_slice::<Value>(&raw.parts[part]).unwrap());
            assert_eq!(raw.identities, [Bytes::from("client")]);
            assert_eq!(
                (&header["session"], &header["version"]),
                (&json!("k"), &json!(PROTOCOL))
            );
            assert_eq!(
                (&parent["msg_id"], &parent["subshell_id"]),
                (&json!("1"), &subshell)
            );
            assert_eq!((metadata, content), (json!({}), json!({"status": "ok"})));
        }
    }
}
