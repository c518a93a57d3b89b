//! A notebook's session: cells go in, outputs and errors come out.
//!
//! # Who is who
//!
//! One program in nine roles. The kernel's process has the session; all others are the same file, started under
//! another name or with something in their environment, or forks of it:
//!
//! | role | started by | known by | what it does |
//! |---|---|---|---|
//! | kernel | Jupyter, `jook run` | nothing of the below | [`worker`]'s thread owns evcxr ([`engine`]); [`control`] is what other threads may do to it |
//! | `cargo` | evcxr | its name, `JOOK_PRIVATE` | compiles a cell by one call of rustc ([`build::stand_in`]) |
//! | `rustup` | evcxr, rust-analyzer | its name, `JOOK_PRIVATE` | says where the tools are |
//! | `jook-ld` | rustc | its name, `JOOK_PRIVATE` | links a cell without reading the toolkit ([`build::linker`]) |
//! | cells | evcxr | its name `jook-cells` | loads and runs cells ([`process`]) |
//! | keeper | fork of cells, of `cargo`, of `jook-keep` | | takes with it all that was started below ([`life::keeper`]); above that of cells a second fork, which evcxr may kill |
//! | `jook-keep` | kernel | its name | runs what may take long: cargo for the toolkit, its linker ([`life::kept`]) |
//! | copy | fork of the kernel | | answers completions and inspections ([`know::snapshot`]) |
//! | look-up | kernel | its name `jook-lines` | finds a cell's line behind a panic in a library ([`build::lines`]) |
//!
//! # Who talks to whom
//!
//! ```text
//!  evcxr (a library of the kernel) --- stdin, stdout: its orders and words ---> cells
//!  cells --- pipes: standard output, standard error, messages -----------------> kernel   talk::pump
//!  cells' keeper, cargo's keeper, the toolkit's comms --- the session's door --> kernel   life::door, control
//!  evcxr --- starts, reads stdout and stderr of ------------------------------> cargo --- starts ---> rustc --> jook-ld
//!  kernel --- socket pair: questions, answers --------------------------------> copy
//! ```
//!
//! A connection at the door is the caller's hold on the kernel: when the kernel lets go, or is gone, the keeper at the
//! other end kills all that is below it. Programs of a stopped cell and the copy are killed by their numbers, which are
//! looked up there and then or belong to children that have not been waited for; no number is kept in a file.
//!
//! In the private folder ([`build::home`]): the stand-ins' names, `tools` (the real ones), `toolkit.json` (where the
//! toolkit is), and for each session its door and the crate that evcxr writes.
//!
//! # From the bottom up
//!
//! [`guards`], [`digest`], [`said`], [`complete`] and [`cell`] stand alone; [`life`] and [`process`]; [`build`] on them;
//! [`tell`]; [`talk`]; [`options`]; [`commands`]; [`variables`]; [`know`]; [`control`]; [`engine`]; [`worker`] and this
//! file on all.

mod build;
mod cell;
mod commands;
mod complete;
mod control;
mod digest;
mod engine;
#[path = "../../../toolkit/src/show/figure.rs"]
mod figure;
mod guards;
mod know;
mod life;
mod options;
mod process;
mod said;
mod talk;
mod tell;
mod variables;
mod worker;

pub use build::home::compiler_version;
pub use build::stand_in::runtime_hook;
pub use build::toolkit::prebuild;
pub use complete::{Completeness, is_complete};
#[cfg(test)]
#[allow(unused_imports, reason = "for the test of a whole session")]
pub use engine::FAULT;
pub use know::docs::{Detail, abridged};
pub use options::Options;
pub use said::{Answer, CellError, Completions, MimeBundle};
pub use talk::charts::{Drawing, on_plot};
pub use talk::comms::{CommMessage, Comms, Said, Step};
pub use talk::protocol::Event;

use control::{Control, lock};
use know::lookup::{Found, Question};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use talk::pump::{self, Message};
use worker::Request;

/// Has this process keep the memory that it has once taken, in one piece. An analysis takes and frees megabytes with
/// every cell; to give them back to the system and to fetch them again costs more than the analysis.
pub fn keep_memory() {
    const LARGEST: libc::c_int = 32 << 20;
    // SAFETY: settings of the C library's allocator, before there are threads.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, LARGEST);
        libc::mallopt(libc::M_TRIM_THRESHOLD, libc::c_int::MAX);
        libc::mallopt(libc::M_TOP_PAD, LARGEST / 2);
    }
}

/// A running session. All calls may come from any thread.
pub struct Session {
    options: Arc<Options>,
    current: Mutex<Arc<Current>>,
    /// What the next cell's reader has to know.
    to_tell: Mutex<Option<&'static str>>,
}

/// The thread that owns evcxr, until one that cannot be stopped is deserted.
struct Current {
    requests: Mutex<mpsc::Sender<Request>>,
    control: Arc<Control>,
}

impl Current {
    fn start(options: &Arc<Options>) -> anyhow::Result<Self> {
        let (requests, incoming) = mpsc::channel();
        let control = Arc::new(Control::default());
        let (options, shared) = (options.clone(), control.clone());
        std::thread::Builder::new()
            .name("session".into())
            // evcxr and rust-analyzer recurse deeply over long method chains.
            .stack_size(256 << 20)
            .spawn(move || worker::run(&options, &incoming, &shared))?;
        Ok(Self {
            requests: Mutex::new(requests),
            control,
        })
    }

    fn send(&self, request: Request) -> bool {
        lock(&self.requests).send(request).is_ok()
    }
}

impl Session {
    /// Starts a session and returns at once; the toolkit is built and warmed up behind it, and the first
    /// cell waits for that.
    ///
    /// # Errors
    /// When no thread can be started.
    pub fn start(options: Options) -> anyhow::Result<Session> {
        let options = Arc::new(options);
        Ok(Session {
            current: Mutex::new(Arc::new(Current::start(&options)?)),
            options,
            to_tell: Mutex::default(),
        })
    }

    fn current(&self) -> Arc<Current> {
        lock(&self.current).clone()
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
        let current = self.current();
        if let Some(told) = lock(&self.to_tell).take() {
            on_event(Event::Stderr(format!("note: {told}\n")));
        }
        current.control.wait(&sink, &given_up);
        let request = Request::Execute {
            code: code.to_owned(),
            sink,
            given_up,
        };
        if !current.send(request) {
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
        self.current().control.number(count);
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
        self.current().control.look_up(&question)
    }

    /// Whether `code` is a whole cell, or the user is still writing.
    pub fn is_complete(code: &str) -> Completeness {
        is_complete(code)
    }

    /// The Stop button. The toolkit's loops stop at their next step and return what they have; a cell that
    /// is still being compiled, or waits for the toolkit, is given up. A cell that does neither is killed, with its variables, by a
    /// second call two seconds later; the analysis of one, which nothing ends, is deserted with them by a third.
    pub fn interrupt(&self) {
        let current = self.current();
        if !current.control.interrupt() {
            return;
        }
        match Current::start(&self.options) {
            Ok(new) => {
                *lock(&self.current) = Arc::new(new);
                *lock(&self.to_tell) = Some(DESERTED);
                current.control.desert();
            }
            Err(error) => {
                eprintln!("jook: no new session could be started: {error:#}");
                current.control.stays();
            }
        }
    }

    /// Ends the session: the running cell is killed, and later calls fail.
    pub fn shutdown(&self) {
        let current = self.current();
        current.control.shut_down();
        current.send(Request::Shutdown);
    }
}

/// What became of a session whose analysis did not end.
const DESERTED: &str = "the analysis of a cell that was stopped did not end, and a new session has taken the place of the \
    one before: the notebook's variables, functions and `use` lines are lost. That \
    analysis takes memory and a processor until it ends; a restart of the kernel ends it";

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
