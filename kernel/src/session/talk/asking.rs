//! Questions of a cell to its user, by evcxr's protocol: a line of the process's words asks, a line of its orders
//! answers.
//!
//! Such a line says who asks, in JSON, and so does the answer, which may also be that nobody is there to be asked. The
//! toolkit tells its caller so. A read of standard input ([`process`](crate::session::process)) cannot tell its reader more than
//! that the input has ended, or that the read was called off: the cell is told at its end.

use crate::session::said::Answer;
use crate::session::said::CellError;
use crate::session::talk::pump::Message;
use crate::session::talk::pump::Sink;
use crate::session::tell::report;
use serde_json::json;
use std::cell::Cell;
use std::sync::mpsc::channel;

/// Who asks by reading standard input.
const READ: &str = "read";

/// The questions of one cell.
pub struct Questions<'a> {
    sink: &'a Sink,
    /// A question by other means than the toolkit's was refused.
    refused: Cell<Option<&'static str>>,
    /// The cell was stopped while it read.
    stopped: Cell<bool>,
}

impl<'a> Questions<'a> {
    pub fn new(sink: &'a Sink) -> Self {
        Self {
            sink,
            refused: Cell::new(None),
            stopped: Cell::new(false),
        }
    }

    /// Asks whoever runs the cell what `question` says; returns the line that the process reads.
    pub fn ask(&self, question: &str, password: bool) -> String {
        let (asker, prompt): (String, String) = serde_json::from_str(question).unwrap_or_default();
        let (answer, answers) = channel();
        let _ = self.sink.send(Message::Input {
            prompt,
            password,
            answer,
        });
        let answer = answers.recv().unwrap_or(Answer::Stopped);
        if let (READ, Answer::Refused(way_out)) = (asker.as_str(), &answer) {
            self.refused.set(Some(way_out));
        }
        if asker == READ && answer == Answer::Stopped {
            self.stopped.set(true);
        }
        in_json(&answer)
    }

    /// How the cell ended, given how its code did.
    pub fn outcome(&self, own: Result<(), CellError>) -> Result<(), CellError> {
        match self.refused.get() {
            Some(way_out) => Err(nobody_to_ask(way_out, own.err())),
            None if self.stopped.get() => {
                Err(report::plain("Interrupted", "stopped while it waited for a line"))
            }
            None => own,
        }
    }
}

fn in_json(answer: &Answer) -> String {
    match answer {
        Answer::Line(line) => json!({ "line": line }),
        Answer::Refused(way_out) => json!({ "refused": way_out }),
        Answer::Stopped => json!({ "stopped": true }),
    }
    .to_string()
}

/// The error of a cell that read an empty line and went on, maybe into an error of its own, which is told after
/// this one.
fn nobody_to_ask(way_out: &str, own: Option<CellError>) -> CellError {
    let evalue = "this cell asks its user for input, but here nobody can be asked: it read nothing";
    let mut error = report::plain("StdinNotImplementedError", evalue);
    error.traceback.push(format!("To do: {way_out}."));
    error
        .traceback
        .extend(own.map(|own| own.traceback).into_iter().flatten());
    error
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// What a process reads that asks `question`, what its user is asked, and how the cell ends.
    fn asked(question: &Value, given: Answer) -> (String, String, Result<(), CellError>) {
        let (sink, messages) = crate::session::pump::sink();
        let user = std::thread::spawn(move || match messages.recv() {
            Ok(Message::Input { prompt, answer, .. }) => {
                answer.send(given).unwrap();
                prompt
            }
            _ => panic!("no question"),
        });
        let questions = Questions::new(&sink);
        let read = questions.ask(&question.to_string(), false);
        (read, user.join().unwrap(), questions.outcome(Ok(())))
    }

    #[test]
    fn the_toolkit_hears_of_a_refusal_and_a_reader_at_the_end() {
        let line = Answer::Line("é".into());
        for asker in ["toolkit", READ] {
            let (read, prompt, outcome) = asked(&json!([asker, "a: b"]), line.clone());
            assert_eq!((read.as_str(), prompt.as_str()), (r#"{"line":"é"}"#, "a: b"));
            assert_eq!(outcome, Ok(()));
            let (read, _, outcome) = asked(&json!([asker, ""]), Answer::Refused("write"));
            assert_eq!(read, r#"{"refused":"write"}"#);
            assert_eq!(outcome.is_err(), asker == READ);
            if let Err(error) = outcome {
                assert_eq!(error.ename, "StdinNotImplementedError");
                assert_eq!(error.traceback.last().unwrap(), "To do: write.");
            }
            let (read, _, outcome) = asked(&json!([asker, ""]), Answer::Stopped);
            assert_eq!(read, r#"{"stopped":true}"#);
            assert_eq!(
                outcome.err().map(|error| error.ename),
                (asker == READ).then(|| "Interrupted".to_owned())
            );
        }
    }
}
