//! Asking the person at the keyboard, in a cell and in a program.

use std::io::{BufRead, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use serde_json::Value;

use crate::show::{Backend, backend};
use crate::{Error, Result, cells};

/// How evcxr knows a question for its user; the prompt follows a colon.
const QUESTION: &str = "EVCXR_INPUT_REQUEST";
const PASSWORD: &str = "EVCXR_INPUT_REQUEST_PASSWORD";

/// Asks for a line and waits for it, in a cell as in a program at a terminal. The line comes without its end.
///
/// ```no_run
/// # use jook::prelude::*;
/// let name = input("Who are you? ")?;
/// # Ok::<(), jook::Error>(())
/// ```
///
/// # Errors
/// At once where nobody can be asked (a notebook that runs by itself, a program without a terminal, a handler of a
/// widget), and when the cell is stopped while it waits.
pub fn input(prompt: impl AsRef<str>) -> Result<String> {
    ask(prompt.as_ref(), false)
}

/// Asks for a line that nobody else may read: front ends hide what is typed, and it is not kept.
///
/// # Errors
/// As [`input`].
pub fn password(prompt: impl AsRef<str>) -> Result<String> {
    ask(prompt.as_ref(), true)
}

fn ask(prompt: &str, hidden: bool) -> Result<String> {
    // One question at a time, whichever threads ask.
    static TURN: Mutex<()> = Mutex::new(());
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    match backend() {
        // Another thread may outlive its cell, and then would take the kernel's next order for its answer.
        Backend::Notebook if !cells::is_on_this_thread() => Err(Error::spec(
            "only a cell itself can ask for input, not a thread it starts nor a handler of a widget",
        )
        .fix("ask before, or use a widget for the answer")),
        Backend::Notebook => match cells::kernel() {
            Some(kernel) => read_answer(&kernel.ask(prompt, hidden)),
            None => line(),
        },
        Backend::Evcxr => {
            say(&format!("{}:{}\n", request(hidden), one_line(prompt)))?;
            line()
        }
        Backend::Terminal | Backend::Pipe => {
            say(prompt)?;
            let _quiet = hidden.then(Quiet::begin);
            line()
        }
    }
}

fn request(hidden: bool) -> &'static str {
    if hidden { PASSWORD } else { QUESTION }
}

fn read_answer(line: &str) -> Result<String> {
    let answer: Value = serde_json::from_str(line).unwrap_or_default();
    match (answer["line"].as_str(), answer["refused"].as_str()) {
        (Some(line), _) => Ok(line.to_owned()),
        (_, Some(way_out)) => {
            Err(Error::spec("this cell asks its user for input, but here nobody can be asked").fix(way_out))
        }
        _ => Err(Error::spec("stopped while it waited for an answer").fix("run the cell again and answer")),
    }
}

/// evcxr's questions are lines.
fn one_line(prompt: &str) -> String {
    prompt.replace(['\n', '\r'], " ")
}

fn say(text: &str) -> Result<()> {
    let mut out = std::io::stdout().lock();
    let said = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    said.map_err(|error| Error::io("standard output", &error))
}

fn line() -> Result<String> {
    let mut line = String::new();
    match std::io::stdin().lock().read_line(&mut line) {
        Ok(0) => Err(
            Error::data("this program asks for input, but its standard input has ended")
                .fix("run it at a terminal, or give it a line for each question"),
        ),
        Ok(_) => Ok(line.trim_end_matches(['\n', '\r']).to_owned()),
        Err(error) => Err(Error::io("standard input", &error).fix("answer in UTF-8 text")),
    }
}

/// While one lives, a terminal does not show what is typed.
struct Quiet(Option<libc::termios>);

impl Quiet {
    fn begin() -> Self {
        if !std::io::stdin().is_terminal() {
            return Self(None);
        }
        // SAFETY: all zeros is a valid value, and the calls read and write that structure only.
        unsafe {
            let mut mode: libc::termios = std::mem::zeroed();
            if libc::tcgetattr(libc::STDIN_FILENO, &raw mut mode) != 0 {
                return Self(None);
            }
            let before = mode;
            mode.c_lflag &= !libc::ECHO;
            libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, &raw const mode);
            Self(Some(before))
        }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if let Some(before) = &self.0 {
            // SAFETY: puts back what the terminal had.
            unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, before) };
            // The line's end was not shown either.
            let _ = say("\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_a_refusal_and_a_stop_are_told_apart() {
        assert_eq!(read_answer(r#"{"line": " é "}"#).unwrap(), " é ");
        let refused = read_answer(r#"{"refused": "write it down"}"#)
            .unwrap_err()
            .to_string();
        assert!(refused.contains("nobody can be asked") && refused.ends_with("to do: write it down"));
        assert!(
            read_answer(r#"{"stopped": true}"#)
                .unwrap_err()
                .to_string()
                .contains("stopped")
        );
    }
}
