//! A notebook's session: cells go in, outputs and errors come out.
//!
//! One thread owns evcxr ([`worker`]); one thread reads what cells print and decodes it ([`pump`]); a child
//! process runs the cells, and speaks to the front end at any time by way of [`comms`]; [`charts`] keeps charts that
//! change from flickering. [`toolkit`] builds
//! what cells link against, [`stand_in`] makes compiling them quick, [`home`] points evcxr at the stand-ins.

mod asking;
mod carried;
mod cell_crate;
mod charts;
mod commands;
mod comms;
mod complete;
mod control;
mod dbg;
mod deps;
mod docs;
mod early_return;
#[path = "../../../toolkit/src/show/figure.rs"]
mod figure;
mod frames;
mod graph;
mod hints;
mod home;
mod lean;
mod life;
mod link;
mod lookup;
mod losses;
mod merge;
mod pipes;
mod place;
mod process;
mod protocol;
mod pump;
mod report;
mod skeleton;
mod snapshot;
mod source;
mod sources;
mod stand_in;
mod toolkit;
mod variables;
mod worker;

pub use asking::Answer;
pub use charts::{Drawing, on_plot};
pub use comms::{CommMessage, Comms, Said, Step};
pub use complete::{Completeness, is_complete};
pub use docs::{Detail, abridged};
pub use protocol::Event;
pub use stand_in::runtime_hook;
pub use toolkit::prebuild;

use control::Control;
use lookup::{Found, Question};
use pump::Message;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use worker::Request;

/// One output, by MIME type.
pub type MimeBundle = serde_json::Map<String, serde_json::Value>;

/// What was wrong with a cell.
#[derive(Clone, Debug, PartialEq)]
pub struct CellError {
    /// A rustc code such as `E0308`, or `CompileError`, `Panic`, `UserError`, `ChildDied`, `Interrupted`,
    /// `ToolkitError`.
    pub ename: String,
    /// One line.
    pub evalue: String,
    /// The readable form, in lines; may hold ANSI colours.
    pub traceback: Vec<String>,
    /// The line in the cell, from 1.
    pub line: Option<usize>,
}

/// How to start a session.
pub struct Options {
    /// Where cells run: the notebook's folder.
    pub working_dir: PathBuf,
    /// Told what takes long, in words for the user.
    pub on_progress: Box<dyn Fn(String) + Send>,
    /// What cells say to the front end beside their outputs.
    pub comms: Arc<Comms>,
    /// Hears what comes between cells, of threads and programs that outlive theirs. Without it, the next cell shows it.
    pub between: Option<Arc<dyn Fn(Event) + Send + Sync>>,
}

/// What may stand at the cursor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// The text to insert.
    pub text: String,
    /// `function`, `class`, `module`, `instance`, `keyword` or `magic`.
    pub kind: String,
}

/// Completions, and the bytes of the code that they replace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Completions {
    /// First byte replaced.
    pub start: usize,
    /// Byte after the last one replaced.
    pub end: usize,
    /// The candidates.
    pub items: Vec<Completion>,
}

/// A running session. All calls may come from any thread.
pub struct Session {
    requests: Mutex<mpsc::Sender<Request>>,
    control: Arc<Control>,
}

impl Session {
    /// Starts a session and returns at once; the toolkit is built and warmed up behind it, and the first
    /// cell waits for that.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(options: Options) -> anyhow::Result<Session> {
        let (requests, incoming) = mpsc::channel();
        let control = Arc::new(Control::default());
        let shared = control.clone();
        std::thread::Builder::new()
            .name("session".into())
            // evcxr and rust-analyzer recurse deeply over long method chains.
            .stack_size(256 << 20)
            .spawn(move || worker::run(&options, &incoming, &shared))?;
        Ok(Session {
            requests: Mutex::new(requests),
            control,
        })
    }

    /// Runs a cell and waits for its end. Outputs arrive through `on_event` while it runs; `input` answers
    /// a cell that asks the user (prompt, and whether the answer is a password).
    ///
    /// # Errors
    /// When the cell does not compile, panics, leaves by `?`, ends its process or is interrupted.
    pub fn execute(
        &self,
        code: &str,
        on_event: &mut dyn FnMut(Event),
        input: &dyn Fn(&str, bool) -> Answer,
    ) -> Result<(), CellError> {
        let (sink, messages) = pump::sink();
        let given_up = Arc::new(AtomicBool::new(false));
        self.control.wait(&sink, &given_up);
        let request = Request::Execute {
            code: code.to_owned(),
            sink,
            given_up,
        };
        if !self.send(request) {
            return Err(ended());
        }
        for message in messages {
            match message {
                Message::Event(event) => on_event(event),
                Message::Input {
                    prompt,
                    password,
                    answer,
                } => {
                    let _ = answer.send(input(&prompt, password));
                }
                Message::Done(result) => return result,
            }
        }
        Err(ended())
    }

    /// Tells the execution count of the cell that comes next: later messages name the cell by it.
    pub fn number(&self, count: usize) {
        self.control.number(count);
    }

    /// What may stand at `cursor` (a byte of `code`). While a cell runs, the notebook is as it was before it.
    ///
    /// # Errors
    /// When the analysis fails.
    pub fn complete(&self, code: &str, cursor: usize) -> anyhow::Result<Completions> {
        let code = code.to_owned();
        match self.look_up(Question::Complete { code, cursor })? {
            Found::Completions(found) => Ok(found),
            Found::Documentation(_) => Ok(Completions::default()),
        }
    }

    /// What stands at `cursor` (a byte of `code`): type and documentation. While a cell runs, the notebook is as it
    /// was before it.
    ///
    /// # Errors
    /// When the analysis fails.
    pub fn inspect(&self, code: &str, cursor: usize) -> anyhow::Result<Option<MimeBundle>> {
        let code = code.to_owned();
        match self.look_up(Question::Inspect { code, cursor })? {
            Found::Documentation(found) => Ok(found),
            Found::Completions(_) => Ok(None),
        }
    }

    fn look_up(&self, question: Question) -> anyhow::Result<Found> {
        self.control.look_up(&question)
    }

    /// Whether `code` is a whole cell, or the user is still writing.
    pub fn is_complete(code: &str) -> Completeness {
        is_complete(code)
    }

    /// The Stop button. The toolkit's loops stop at their next step and return what they have; a cell that
    /// is still being compiled, or waits for the toolkit, is given up. A cell that does neither is killed, with its variables, by a
    /// second call two seconds later.
    pub fn interrupt(&self) {
        self.control.interrupt();
    }

    /// Ends the session: the running cell is killed, and later calls fail.
    pub fn shutdown(&self) {
        self.control.shut_down();
        self.send(Request::Shutdown);
    }

    fn send(&self, request: Request) -> bool {
        let requests = self
            .requests
            .lock()
            .unwrap_or_else(|poisoned| poisoned.into_inner());
        requests.send(request).is_ok()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.shutdown();
    }
}

fn ended() -> CellError {
    CellError {
        ename: "ChildDied".into(),
        evalue: "the session has ended".into(),
        traceback: vec!["The session has ended; restart the kernel.".into()],
        line: None,
    }
}
