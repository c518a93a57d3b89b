//! The stdin channel: here the kernel asks and the client answers.

use super::kernel::Replies;
use super::message::{receive, signed_by_kernel};
use jupyter_protocol::{InputRequest, JupyterMessage, JupyterMessageContent};
use jupyter_zmq_client::KernelStdinConnection;
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::oneshot;

/// At most one question is open: the running cell's.
#[derive(Clone)]
pub struct Stdin {
    questions: Replies,
    open: Arc<Mutex<Option<oneshot::Sender<String>>>>,
}

impl Stdin {
    /// Starts the task that reads the answers.
    pub fn start(connection: KernelStdinConnection) -> Stdin {
        let (sender, mut receiver) = connection.split();
        let stdin = Stdin {
            questions: Replies::new(sender),
            open: Arc::default(),
        };
        let answers = stdin.clone();
        tokio::spawn(async move {
            loop {
                let message = receive(&mut receiver).await;
                // An answer nobody asked for, or one that comes after an interrupt, belongs to no question.
                if let JupyterMessageContent::InputReply(reply) = message.content
                    && let Some(question) = answers.open().take()
                {
                    let _ = question.send(reply.value);
                }
            }
        });
        stdin
    }

    fn open(&self) -> MutexGuard<'_, Option<oneshot::Sender<String>>> {
        self.open.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Asks the client that sent `cell` and waits for its line; empty after an interrupt. For a blocking thread.
    pub fn ask(&self, prompt: &str, password: bool, cell: &JupyterMessage) -> String {
        let (question, answer) = oneshot::channel();
        *self.open() = Some(question);
        let request = InputRequest {
            prompt: prompt.to_string(),
            password,
        }
        .as_child_of(cell);
        tokio::runtime::Handle::current().block_on(self.questions.send(signed_by_kernel(request, cell)));
        answer.blocking_recv().unwrap_or_default()
    }

    /// Gives up the open question, if there is one.
    pub fn cancel(&self) {
        self.open().take();
    }
}
