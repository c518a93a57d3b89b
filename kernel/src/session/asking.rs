//! Questions of a cell to its user, by evcxr's protocol: a line on standard output asks, a line of standard input
//! answers.
//!
//! Such a line cannot say that nobody is there to be asked. The toolkit's own questions, which the display
//! protocol's marker tells apart, get their answers in JSON, a refusal among them. So do those that a read of
//! standard input makes ([`stdio`](super::stdio)), which cannot tell its reader more than that the input has ended; the
//! cell is told at its end, as is one that asks by evcxr's protocol and reads an empty line.

use super::protocol::MARKER;
use super::pump::Message;
use super::{CellError, report};
use serde_json::{Value, json};
use std::cell::Cell;
use std::sync::mpsc::{Sender, channel};

/// What a question gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A line, without its end.
    Line(String),
    /// Nobody can be asked; what the user can do about it.
    Refused(&'static str),
    /// The cell was stopped meanwhile.
    Stopped,
}

/// The questions of one cell.
pub struct Questions<'a> {
    sink: &'a Sender<Message>,
    /// A question by other means than the toolkit's was refused.
    refused: Cell<Option<&'static str>>,
}

impl<'a> Questions<'a> {
    pub fn new(sink: &'a Sender<Message>) -> Self {
        Self {
            sink,
            refused: Cell::new(None),
        }
    }

    /// Asks whoever runs the cell; returns the line that the cell reads.
    pub fn ask(&self, prompt: &str, password: bool) -> String {
        let marked: Option<Value> = prompt
            .strip_prefix(MARKER)
            .and_then(|prompt| serde_json::from_str(prompt).ok());
        let prompt = match &marked {
            Some(Value::String(prompt)) => prompt.clone(),
            Some(_) => String::new(),
            None => prompt.to_owned(),
        };
        let (answer, answers) = channel();
        let _ = self.sink.send(Message::Input {
            prompt,
            password,
            answer,
        });
        let answer = answers.recv().unwrap_or(Answer::Stopped);
        if let Some(marked) = marked {
            if let (Value::Object(_), Answer::Refused(way_out)) = (marked, &answer) {
                self.refused.set(Some(way_out));
            }
            return in_json(&answer);
        }
        match answer {
            // One line is what it waits for; the rest would be taken for orders.
            Answer::Line(line) => line.replace(['\n', '\r'], " "),
            Answer::Refused(way_out) => {
                self.refused.set(Some(way_out));
                String::new()
            }
            Answer::Stopped => String::new(),
        }
    }

    /// How the cell ended, given how its code did.
    pub fn outcome(&self, own: Result<(), CellError>) -> Result<(), CellError> {
        match self.refused.get() {
            Some(way_out) => Err(nobody_to_ask(way_out, own.err())),
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

    /// What a cell reads that asks with `prompt`, what its user is asked, and how it ends.
    fn asked(prompt: &str, given: Answer) -> (String, String, Result<(), CellError>) {
        let (sink, messages) = channel();
        let user = std::thread::spawn(move || match messages.recv() {
            Ok(Message::Input { prompt, answer, .. }) => {
                answer.send(given).unwrap();
                prompt
            }
            _ => panic!("no question"),
        });
        let questions = Questions::new(&sink);
        let read = questions.ask(prompt, false);
        (read, user.join().unwrap(), questions.outcome(Ok(())))
    }

    #[test]
    fn the_toolkit_hears_of_a_refusal_and_others_at_the_end() {
        let own = format!("{MARKER}\"a\\u003a b\"");
        let line = Answer::Line("é".into());
        assert_eq!(
            asked(&own, line.clone()),
            (r#"{"line":"é"}"#.into(), "a: b".into(), Ok(()))
        );
        let (read, _, outcome) = asked(&own, Answer::Refused("write"));
        assert_eq!((read.as_str(), outcome), (r#"{"refused":"write"}"#, Ok(())));
        assert_eq!(asked("plain", line), ("é".into(), "plain".into(), Ok(())));
        let read = format!("{MARKER}{{}}");
        let (answer, prompt, outcome) = asked(&read, Answer::Refused("write"));
        assert_eq!((answer.as_str(), prompt.as_str()), (r#"{"refused":"write"}"#, ""));
        assert_eq!(outcome.unwrap_err().ename, "StdinNotImplementedError");
        let (read, _, outcome) = asked("plain", Answer::Refused("write"));
        let error = outcome.unwrap_err();
        assert_eq!(
            (read.as_str(), error.ename.as_str()),
            ("", "StdinNotImplementedError")
        );
        assert_eq!(error.traceback.last().unwrap(), "To do: write.");
        assert_eq!(asked("plain", Answer::Stopped).2, Ok(()));
    }
}
