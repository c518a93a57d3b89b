//! Execution: one cell after the other, on a thread that may block, its outputs published as they come.
//!
//! About each request, in this order: `busy`, `execute_input`, the outputs, the reply, `idle`.

use super::iopub::{bundle, stderr, stdout};
use super::kernel::{Kernel, Replies};
use super::message::{child, signed_by_kernel};
use crate::session::{CellError, Event, MimeBundle};
use jupyter_protocol::{
    ClearOutput, ErrorOutput, ExecuteInput, ExecuteReply, ExecuteRequest, ExecutionCount, ExpressionResult,
    JupyterMessage, JupyterMessageContent, ReplyError, ReplyStatus,
};
use serde_json::{Map, Value, json};
use std::collections::HashMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use tokio::sync::mpsc;

/// An execute request and its place in the queue.
pub struct Job {
    pub request: JupyterMessage,
    pub ticket: u64,
}

/// Runs the cells in order of arrival until the kernel ends.
pub async fn run_all(kernel: Arc<Kernel>, replies: Replies, mut cells: mpsc::UnboundedReceiver<Job>) {
    // The count of the last cell that was numbered.
    let mut count = 0;
    while let Some(Job { request, ticket }) = cells.recv().await {
        let JupyterMessageContent::ExecuteRequest(content) = &request.content else {
            continue;
        };
        kernel.iopub.busy(&request).await;
        if kernel.queue.is_aborted(ticket) {
            // Without a count: clients would number the cell with it.
            replies
                .send(child("execute_reply", json!({ "status": "aborted" }), &request))
                .await;
        } else {
            run(&kernel, &replies, &request, content, &mut count).await;
        }
        kernel.iopub.idle(&request).await;
    }
}

async fn run(
    kernel: &Arc<Kernel>,
    replies: &Replies,
    request: &JupyterMessage,
    content: &ExecuteRequest,
    count: &mut usize,
) {
    let blank = content.code.trim().is_empty();
    // A silent request is never stored, whatever it says.
    let stored = content.store_history && !content.silent && !blank;
    *count += usize::from(stored);
    let count = ExecutionCount::new(*count);
    if !content.silent {
        let input = ExecuteInput {
            code: content.code.clone(),
            execution_count: count,
        };
        kernel
            .iopub
            .publish(signed_by_kernel(input.as_child_of(request), request))
            .await;
    }
    let (outcome, result) = if blank {
        (Ok(()), None)
    } else {
        execute(kernel, request, content, count).await
    };
    if stored {
        let mut history = kernel.history.lock().unwrap_or_else(PoisonError::into_inner);
        history.push(count.0, &content.code, result);
    }
    let reply = match outcome {
        Ok(()) => ExecuteReply {
            execution_count: count,
            user_expressions: Some(refused_expressions(content)),
            ..Default::default()
        },
        Err(CellError {
            ename,
            evalue,
            traceback,
            ..
        }) => {
            if content.stop_on_error {
                kernel.queue.abort_waiting();
            }
            if !content.silent {
                let error = ErrorOutput {
                    ename: ename.clone(),
                    evalue: evalue.clone(),
                    traceback: traceback.clone(),
                };
                kernel
                    .iopub
                    .publish(signed_by_kernel(error.as_child_of(request), request))
                    .await;
            }
            ExecuteReply {
                status: ReplyStatus::Error,
                execution_count: count,
                user_expressions: Some(HashMap::new()),
                error: Some(Box::new(ReplyError {
                    ename,
                    evalue,
                    traceback,
                })),
                ..Default::default()
            }
        }
    };
    // Who has the reply can rely on the outputs being out.
    kernel.iopub.flush().await;
    replies.reply(reply, request).await;
}

/// Runs the code in the session. Returns its end and the plain text of its result.
async fn execute(
    kernel: &Arc<Kernel>,
    request: &JupyterMessage,
    content: &ExecuteRequest,
    count: ExecutionCount,
) -> (Result<(), CellError>, Option<String>) {
    if !content.silent {
        kernel.warm_up.cell_waits(request);
    }
    kernel.stdin.begin();
    kernel.parents.cell(request);
    kernel.queue.running.store(true, Ordering::SeqCst);
    let (kernel, request, content) = (kernel.clone(), request.clone(), content.clone());
    let worker = kernel.clone();
    let ended = tokio::task::spawn_blocking(move || {
        let mut result = None;
        let mut publish = |event: Event| {
            if content.silent {
                return;
            }
            if let Some(clear) = worker.warm_up.cell_speaks() {
                worker.iopub.publish_blocking(clear);
            }
            if let Event::Result { data, .. } = &event {
                result = data.get("text/plain").and_then(Value::as_str).map(str::to_string);
            }
            worker.iopub.publish_blocking(output(event, count, &request));
        };
        let input = |prompt: &str, password: bool| {
            // A client that cannot ask its user says so; the cell reads an empty line then.
            if content.allow_stdin {
                worker.stdin.ask(prompt, password, &request)
            } else {
                String::new()
            }
        };
        worker
            .session
            .number(if content.store_history { count.0 } else { 0 });
        let outcome = worker.session.execute(&content.code, &mut publish, &input);
        if let Some(clear) = worker.warm_up.cell_speaks() {
            worker.iopub.publish_blocking(clear);
        }
        (outcome, result)
    })
    .await;
    kernel.queue.running.store(false, Ordering::SeqCst);
    ended.unwrap_or_else(|panic| {
        let evalue = format!("the kernel failed while it ran this cell: {panic}");
        let traceback = vec![evalue.clone()];
        (
            Err(CellError {
                ename: "KernelError".to_string(),
                evalue,
                traceback,
                line: None,
            }),
            None,
        )
    })
}

/// The iopub message for an event of the session.
pub fn output(event: Event, count: ExecutionCount, request: &JupyterMessage) -> JupyterMessage {
    let content = |data: MimeBundle, metadata: MimeBundle| {
        Map::from_iter([
            ("data".to_string(), data.into()),
            ("metadata".to_string(), metadata.into()),
        ])
    };
    match event {
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
    }
}

/// Rust has no expressions to evaluate beside a cell: each is answered with an error of its own.
fn refused_expressions(content: &ExecuteRequest) -> HashMap<String, ExpressionResult> {
    let refused = || {
        let evalue = "this kernel evaluates no user expressions".to_string();
        ExpressionResult::Error {
            ename: "Unsupported".to_string(),
            traceback: vec![evalue.clone()],
            evalue,
        }
    };
    content
        .user_expressions
        .iter()
        .flatten()
        .map(|(name, _)| (name.clone(), refused()))
        .collect()
}
