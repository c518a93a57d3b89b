//! Where output goes, and how it is written there.
//!
//! The Jook kernel gets messages by a way of its own, which keeps their place among what is printed; whatever is
//! printed is text.

use std::io::{IsTerminal, Write};
use std::sync::OnceLock;

use serde_json::{Value, json};

use super::Bundle;
use super::request::{self, Request};
use crate::cells;

/// Who reads our standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Backend {
    /// The Jook kernel: every form, updates in place.
    Notebook,
    /// Stock evcxr: one output per cell and MIME type, no updates.
    Evcxr,
    /// A person at a terminal: text, one line of it rewritten in place.
    Terminal,
    /// A file or another program: text, sparsely.
    Pipe,
}

/// Who reads our standard output; asked once, as it does not change while the process lives.
pub(crate) fn backend() -> Backend {
    static BACKEND: OnceLock<Backend> = OnceLock::new();
    *BACKEND.get_or_init(|| {
        let set = |name: &str| std::env::var_os(name).is_some();
        if cells::kernel().is_some() {
            Backend::Notebook
        } else if set("EVCXR_IS_RUNTIME") {
            Backend::Evcxr
        } else if std::io::stdout().is_terminal() {
            Backend::Terminal
        } else {
            Backend::Pipe
        }
    })
}

/// One message to whoever reads.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Message<'a> {
    /// Something to show now; with an id it can be updated.
    Display(&'a Bundle, Option<&'a str>),
    /// The value that ends a cell.
    Result(&'a Bundle),
    /// Replaces what was displayed under an id. Only a notebook can.
    Update(&'a Bundle, &'a str),
    /// Empties the cell's output; with `wait` only when the next output arrives.
    Clear { wait: bool },
}

/// Writes a message whole: no other thread's output gets inside it.
pub(crate) fn send(message: &Message<'_>) {
    send_about(request::current().as_ref(), message);
}

/// The same for a message that belongs to a request which a handler works on: it goes by the request's own way, as
/// the kernel reads standard output only while a cell runs.
pub(crate) fn send_about(request: Option<&Request>, message: &Message<'_>) {
    if let (Backend::Notebook, Some(request)) = (backend(), request)
        && (request.say)(&request.id, protocol_json(message))
    {
        return;
    }
    match cells::kernel() {
        Some(kernel) => kernel.say(&protocol_json(message)),
        None => write(&encode(backend(), message)),
    }
}

/// Writes and flushes `text` under the lock of standard output. A closed pipe is not an error here: there
/// is nobody left to tell.
pub(crate) fn write(text: &str) {
    if text.is_empty() {
        return;
    }
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

/// What a message looks like to `backend`; empty when it has no way to say it.
pub(crate) fn encode(backend: Backend, message: &Message<'_>) -> String {
    match backend {
        Backend::Notebook => protocol_json(message).to_string(),
        Backend::Evcxr => match message {
            Message::Display(bundle, _) | Message::Result(bundle) => evcxr_blocks(bundle),
            Message::Update(..) | Message::Clear { .. } => String::new(),
        },
        Backend::Terminal | Backend::Pipe => match message {
            Message::Display(bundle, _) | Message::Result(bundle) => with_newline(&bundle.text),
            Message::Update(..) | Message::Clear { .. } => String::new(),
        },
    }
}

fn protocol_json(message: &Message<'_>) -> Value {
    let shown = |kind: &str, bundle: &Bundle, id: Option<&str>| {
        let mut json = json!({"kind": kind, "data": bundle.by_mime(), "metadata": {}});
        if let Some(id) = id {
            json["id"] = Value::from(id);
        }
        json
    };
    match message {
        Message::Display(bundle, id) => shown("display", bundle, *id),
        Message::Result(bundle) => shown("result", bundle, None),
        Message::Update(bundle, id) => shown("update", bundle, Some(id)),
        Message::Clear { wait } => json!({"kind": "clear", "wait": wait}),
    }
}

fn evcxr_blocks(bundle: &Bundle) -> String {
    let mut blocks = String::new();
    for (mime, value) in bundle.by_mime() {
        let content = match value {
            Value::String(text) => text,
            other => other.to_string(),
        };
        blocks += &format!("EVCXR_BEGIN_CONTENT {mime}\n{content}\nEVCXR_END_CONTENT\n");
    }
    blocks
}

fn with_newline(text: &str) -> String {
    let mut text = text.to_owned();
    if !text.ends_with('\n') {
        text.push('\n');
    }
    text
}
