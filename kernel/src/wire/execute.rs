//! Execution: one cell after the other, on a thread that may block, its outputs published as they come.
//!
//! About each request, in this order: `busy`, `execute_input`, the outputs, the reply, `idle`.

use super::expressions;
use super::kernel::Kernel;
use super::message::{child, signed_by_kernel};
use super::outputs::{media, output, stderr};
use super::queue::Queue;
use super::replies::Replies;
use super::shells::Job;
use crate::session::{Answer, CellError, Event};
use chrono::{SecondsFormat, Utc};
use jupyter_protocol::{
    ClearOutput, ErrorOutput, ExecuteInput, ExecuteReply, ExecuteRequest, ExecutionCount, JupyterMessage,
    JupyterMessageContent, Payload, ReplyError, ReplyStatus,
};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{MutexGuard, mpsc};
use tokio::time::timeout;

/// How long a cell waits for another shell's before it says so.
const PATIENCE: Duration = Duration::from_secs(1);

/// What to do where the client does not pass questions on.
const NOBODY_ASKS: &str =
    "run it in a front end that can ask, such as JupyterLab or the console, or write the value into the cell";

/// Runs the cells of a shell in order of arrival until it is closed or the kernel ends.
pub async fn run_all(
    kernel: Arc<Kernel>,
    shell: Arc<Queue>,
    replies: Replies,
    mut cells: mpsc::UnboundedReceiver<Job>,
) {
    while let Some(Job { request, ticket }) = cells.recv().await {
        let JupyterMessageContent::ExecuteRequest(content) = &request.content else {
            continue;
        };
        kernel.iopub.busy(&request).await;
        let mut turn = turn(&kernel, &request, content).await;
        if shell.is_aborted(ticket) {
            // Without a count: clients would number the cell with it.
            replies.send(child("execute_reply", json!({ "status": "aborted" }), &request));
        } else {
            run(&kernel, &shell, &replies, &request, content, &mut turn).await;
        }
        drop(turn);
        kernel.iopub.idle(&request).await;
    }
}

/// Waits for the cell of another shell, if one runs. A long wait is explained in the cell, until its turn comes.
async fn turn<'a>(
    kernel: &'a Kernel,
    request: &JupyterMessage,
    content: &ExecuteRequest,
) -> MutexGuard<'a, usize> {
    let mut turn = pin!(kernel.turn.lock());
    match timeout(PATIENCE, turn.as_mut()).await {
        Ok(turn) => turn,
        Err(_) if content.silent => turn.await,
        Err(_) => {
            let note = "waiting for the cell that runs in another console of this kernel\n";
            kernel.iopub.publish(stderr(note, request)).await;
            let turn = turn.await;
            let clear = ClearOutput { wait: false }.as_child_of(request);
            kernel.iopub.publish(signed_by_kernel(clear, request)).await;
            turn
        }
    }
}

async fn run(
    kernel: &Arc<Kernel>,
    shell: &Queue,
    replies: &Replies,
    request: &JupyterMessage,
    content: &ExecuteRequest,
    count: &mut usize,
) {
    let started = Utc::now();
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
    if stored {
        kernel.with_history(|history| history.begin(count.0, &content.code));
    }
    kernel.running.store(true, Ordering::SeqCst);
    let Executed {
        outcome,
        result,
        pages,
    } = if blank {
        Executed::default()
    } else {
        execute(kernel, request, content, count).await
    };
    let expressions = match &outcome {
        Ok(()) => expressions::evaluate(kernel, content).await,
        Err(_) => HashMap::new(),
    };
    kernel.running.store(false, Ordering::SeqCst);
    if let (true, Some(result)) = (stored, result) {
        kernel.with_history(|history| history.end(result));
    }
    let reply = ExecuteReply {
        execution_count: count,
        payload: pages,
        user_expressions: Some(expressions),
        ..Default::default()
    };
    let reply = match outcome {
        Ok(()) => reply,
        Err(error) => {
            if content.stop_on_error && !content.silent {
                shell.abort_waiting();
            }
            fail(kernel, request, content, error, reply).await
        }
    };
    // Who has the reply can rely on the outputs being out.
    kernel.iopub.flush().await;
    // Front ends tell by `started` how long the cell waited in the queue.
    let metadata = json!({
        "started": started.to_rfc3339_opts(SecondsFormat::Micros, true), "status": reply.status,
    });
    replies.reply_with(reply, metadata, request);
}

/// Publishes the error that ended a cell, and puts it in the reply.
async fn fail(
    kernel: &Kernel,
    request: &JupyterMessage,
    content: &ExecuteRequest,
    error: CellError,
    reply: ExecuteReply,
) -> ExecuteReply {
    let CellError {
        ename,
        evalue,
        traceback,
        ..
    } = error;
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
        error: Some(Box::new(ReplyError {
            ename,
            evalue,
            traceback,
        })),
        ..reply
    }
}

/// How a cell ended.
struct Executed {
    outcome: Result<(), CellError>,
    /// The plain text of its result.
    result: Option<String>,
    /// What it wants shown beside the notebook.
    pages: Vec<Payload>,
}

impl Default for Executed {
    fn default() -> Self {
        Executed {
            outcome: Ok(()),
            result: None,
            pages: Vec::new(),
        }
    }
}

/// Runs the code in the session.
async fn execute(
    kernel: &Arc<Kernel>,
    request: &JupyterMessage,
    content: &ExecuteRequest,
    count: ExecutionCount,
) -> Executed {
    if !content.silent {
        kernel.warm_up.cell_waits(request);
    }
    kernel.stdin.begin();
    kernel.parents.cell(request);
    let (kernel, request, content) = (kernel.clone(), request.clone(), content.clone());
    let ended = tokio::task::spawn_blocking(move || {
        let mut executed = Executed::default();
        let mut publish = |event: Event| {
            if let Event::Page { data } = event {
                let data = media(data);
                executed.pages.push(Payload::Page { data, start: 0 });
                return;
            }
            if content.silent {
                return;
            }
            if let Some(clear) = kernel.warm_up.cell_speaks() {
                kernel.iopub.publish_blocking(clear);
            }
            if let Event::Update { id, .. } = &event {
                kernel.comms.resting.forget(id);
            }
            if let Event::Result { data, .. } = &event {
                executed.result = data.get("text/plain").and_then(Value::as_str).map(str::to_string);
            }
            if let Some(message) = output(event, count, &request) {
                kernel.iopub.publish_blocking(message);
            }
        };
        let input = |prompt: &str, password: bool| match content.allow_stdin {
            true => kernel.stdin.ask(prompt, password, &request),
            false => Answer::Refused(NOBODY_ASKS),
        };
        kernel
            .session
            .number(if content.store_history { count.0 } else { 0 });
        executed.outcome = kernel.session.execute(&content.code, &mut publish, &input);
        if let Some(clear) = kernel.warm_up.cell_speaks() {
            kernel.iopub.publish_blocking(clear);
        }
        executed
    })
    .await;
    ended.unwrap_or_else(|panic| {
        let evalue = format!("the kernel failed while it ran this cell: {panic}");
        Executed {
            outcome: Err(CellError {
                ename: "KernelError".to_string(),
                traceback: vec![evalue.clone()],
                evalue,
                line: None,
            }),
            ..Default::default()
        }
    })
}
