//! What no other file answers: the ports, and requests this kernel does not know, which get an error, so that nobody
//! waits for an answer in vain.

use super::kernel::Kernel;
use super::message::{child, error_content, malformed, reply_error};
use jupyter_protocol::{JupyterMessage, ReplyError};

/// The answer to such a request; `None` for what is not a request.
pub fn answer(kernel: &Kernel, request: &JupyterMessage) -> Option<JupyterMessage> {
    let msg_type = &request.header.msg_type;
    if msg_type == "connect_request" {
        return Some(child("connect_reply", kernel.ports.clone(), request));
    }
    let error = match malformed(request) {
        Some(what) => reply_error("MalformedRequest", format!("a {msg_type} cannot be read: {what}")),
        None => reply_error("UnknownRequest", format!("this kernel has no {msg_type}")),
    };
    refusal(*error, request)
}

/// An error as the answer to a request, if it is one that has an answer.
pub fn refusal(error: ReplyError, request: &JupyterMessage) -> Option<JupyterMessage> {
    let name = request.header.msg_type.strip_suffix("_request")?;
    Some(child(&format!("{name}_reply"), error_content(error), request))
}
