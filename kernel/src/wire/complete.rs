//! Completion, and whether a piece of code is finished. The protocol counts codepoints, the session bytes.

use super::kernel::Kernel;
use super::message::{byte_offset, codepoint_offset};
use crate::session::{Completeness, Completions, Session};
use jupyter_protocol::{CompleteReply, CompleteRequest, IsCompleteReply, IsCompleteRequest};
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Completion and inspection are for a person who is typing: a late answer is as good as an empty one.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// The same while a cell runs, when the session may not get to it at all.
pub const ANSWER_WITHIN_WHILE_RUNNING: Duration = Duration::from_secs(2);

/// Only so many questions wait in the session; more are answered empty at once.
static WAITING: Semaphore = Semaphore::const_new(2);

/// Asks the session on a thread of its own; `None` when it does not answer in time.
pub async fn ask_session<T: Send + 'static>(
    kernel: &Kernel,
    question: impl FnOnce(&Session) -> anyhow::Result<T> + Send + 'static,
) -> Option<T> {
    let permit = WAITING.try_acquire().ok()?;
    let session = kernel.session.clone();
    let answer = tokio::task::spawn_blocking(move || {
        let answer = question(&session);
        drop(permit);
        answer
    });
    let running = kernel.running.load(Ordering::SeqCst);
    let patience = if running {
        ANSWER_WITHIN_WHILE_RUNNING
    } else {
        ANSWER_WITHIN
    };
    match tokio::time::timeout(patience, answer).await {
        Ok(Ok(Ok(answer))) => Some(answer),
        Ok(Ok(Err(error))) => {
            eprintln!("jook: {error:#}");
            None
        }
        Ok(Err(_)) | Err(_) => None,
    }
}

/// The names that fit at the cursor.
pub async fn complete(kernel: &Arc<Kernel>, request: &CompleteRequest) -> CompleteReply {
    let code = request.code.clone();
    let cursor = byte_offset(&code, request.cursor_pos);
    match ask_session(kernel, move |session| session.complete(&code, cursor)).await {
        Some(completions) => reply(&request.code, completions),
        None => CompleteReply {
            cursor_start: request.cursor_pos,
            cursor_end: request.cursor_pos,
            ..Default::default()
        },
    }
}

fn reply(code: &str, completions: Completions) -> CompleteReply {
    let start = codepoint_offset(code, completions.start);
    let end = codepoint_offset(code, completions.end);
    // JupyterLab shows the kinds; the key is its, and other clients ignore it.
    let kinds: Vec<_> = completions
        .items
        .iter()
        .map(|item| json!({ "text": item.text, "type": item.kind, "start": start, "end": end }))
        .collect();
    let mut metadata = serde_json::Map::new();
    metadata.insert("_jupyter_types_experimental".to_string(), kinds.into());
    CompleteReply {
        matches: completions.items.into_iter().map(|item| item.text).collect(),
        cursor_start: start,
        cursor_end: end,
        metadata,
        ..Default::default()
    }
}

/// Whether a console should run the code or offer another line.
pub fn is_complete(request: &IsCompleteRequest) -> IsCompleteReply {
    match Session::is_complete(&request.code) {
        Completeness::Complete => IsCompleteReply::complete(),
        Completeness::Incomplete { indent } => IsCompleteReply::incomplete(indent),
        Completeness::Invalid => IsCompleteReply::invalid(),
    }
}
