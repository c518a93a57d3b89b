//! The stdin channel: here the kernel asks and the client answers.

use super::gate::Inbox;
use super::message::{receive, signed_by_kernel};
use super::replies::Replies;
use super::seal::Seal;
use crate::session::Answer;
use jupyter_protocol::{InputRequest, JupyterMessage, JupyterMessageContent};
use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::oneshot;

/// Asks for the running cell.
#[derive(Clone)]
pub struct Stdin {
    questions: Replies,
    cell: Arc<Mutex<Cell>>,
}

/// What the running cell wants to know. At most one question is open.
#[derive(Default)]
struct Cell {
    open: Option<oneshot::Sender<String>>,
    /// Whether the cell was interrupted: it gets no answers any more, so that an interrupt just before a
    /// question does not leave the cell waiting for one.
    interrupted: bool,
}

impl Cell {
    fn ask(&mut self) -> Option<oneshot::Receiver<String>> {
        if self.interrupted {
            return None;
        }
        let (question, answer) = oneshot::channel();
        self.open = Some(question);
        Some(answer)
    }

    fn interrupt(&mut self) {
        *self = Cell {
            open: None,
            interrupted: true,
        };
    }
}

impl Stdin {
    /// Starts the task that reads the answers.
    pub fn start(mut inbox: Inbox, questions: Replies, seal: Arc<Seal>) -> Stdin {
        let stdin = Stdin {
            questions,
            cell: Arc::default(),
        };
        let answers = stdin.clone();
        tokio::spawn(async move {
            loop {
                let message = receive(&mut inbox, &seal).await;
                // An answer nobody asked for, or one that comes after an interrupt, belongs to no question.
                if let JupyterMessageContent::InputReply(reply) = message.content
                    && let Some(question) = answers.cell().open.take()
                {
                    let _ = question.send(reply.value);
                }
            }
        });
        stdin
    }

    fn cell(&self) -> MutexGuard<'_, Cell> {
        self.cell.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Another cell begins: an interrupt of the one before does not concern it.
    pub fn begin(&self) {
        *self.cell() = Cell::default();
    }

    /// Asks the client that sent `cell` and waits for its line. For a blocking thread.
    pub fn ask(&self, prompt: &str, password: bool, cell: &JupyterMessage) -> Answer {
        let asked = self.cell().ask();
        let Some(answer) = asked else {
            return Answer::Stopped;
        };
        let request = InputRequest {
            prompt: prompt.to_string(),
            password,
        }
        .as_child_of(cell);
        self.questions.send(signed_by_kernel(request, cell));
        answer.blocking_recv().map_or(Answer::Stopped, Answer::Line)
    }

    /// Gives up the open question, if there is one, and those the cell may still ask.
    pub fn cancel(&self) {
        self.cell().interrupt();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_ends_the_open_question_and_those_that_come_just_after_it() {
        let mut cell = Cell::default();
        let open = cell.ask().unwrap();
        cell.interrupt();
        assert!(open.blocking_recv().is_err());
        assert!(cell.ask().is_none());
        cell = Cell::default();
        let answer = cell.ask().unwrap();
        cell.open.take().unwrap().send("yes".to_string()).unwrap();
        assert_eq!(answer.blocking_recv().unwrap(), "yes");
    }
}
