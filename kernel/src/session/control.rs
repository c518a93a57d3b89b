//! What other threads may do to a running cell: stop it, kill it, ask the session meanwhile.

use super::carried::Carried;
use super::lookup::{Found, Question};
use super::pump::Message;
use super::snapshot::{Copied, Waiting};
use super::{Event, cell_crate, report};
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How long a cell has to answer a stop request before a second one kills it.
const GRACE: Duration = Duration::from_secs(2);

/// When a cell that runs is one that the user may work beside.
const LONG: Duration = Duration::from_millis(500);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// What other threads may do to a running cell.
#[derive(Default)]
pub struct Control {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The number of the running cell; 0 when none runs.
    cell: u64,
    cells: u64,
    /// The cell that waits for the session to get ready.
    waiting: Option<(Sender<Message>, Arc<AtomicBool>)>,
    /// The execution count of the cell that runs or comes next.
    number: usize,
    sink: Option<Sender<Message>>,
    interrupted: Option<Instant>,
    killed: bool,
    child: Option<Arc<Mutex<Child>>>,
    crate_dir: Option<PathBuf>,
    /// The context, while its thread waits for a cell, and the copy of it that answers meanwhile.
    context: Option<Waiting>,
    copy: Option<Arc<Mutex<Copied>>>,
    carried: Option<Arc<Carried>>,
}

impl Control {
    /// The session is there: its process, the folder of its cell crate, and what it need not ask for.
    pub fn ready(&self, child: Arc<Mutex<Child>>, crate_dir: &Path, carried: &Arc<Carried>) {
        let mut state = self.state();
        state.child = Some(child);
        state.crate_dir = Some(crate_dir.to_owned());
        state.carried = Some(carried.clone());
    }

    /// The cell that has begun is handed to `context`, whose thread waits for it from now on.
    pub fn works_on_a_cell(self: &Arc<Self>, context: Waiting) {
        let mut state = self.state();
        state.context = Some(context);
        let (cell, control) = (state.cell, self.clone());
        // Of a cell that takes its time, somebody may ask: the first answer of a copy is the slow one.
        std::thread::spawn(move || {
            std::thread::sleep(LONG);
            let still_runs = control.state().cell == cell;
            if still_runs {
                control.while_running(&Question::usual());
            }
        });
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The answer of a copy of the session to `question`, while a cell runs; otherwise none.
    pub fn while_running(&self, question: &Question) -> Option<Result<Found>> {
        let copy = match self.copy()? {
            Ok(copy) => copy,
            Err(error) => return Some(Err(error)),
        };
        let answer: Result<Result<Found, String>> = lock(&copy).ask(question);
        if answer.is_err() {
            self.state().copy.take_if(|current| Arc::ptr_eq(current, &copy));
        }
        Some(answer.and_then(|answer| answer.map_err(anyhow::Error::msg)))
    }

    /// The copy of the session that answers while a cell runs; otherwise none.
    fn copy(&self) -> Option<Result<Arc<Mutex<Copied>>>> {
        const ANALYSIS: Duration = Duration::from_millis(500);
        let asked = Instant::now();
        loop {
            let mut state = self.state();
            if state.cell == 0 {
                return None;
            }
            if let Some(copy) = &state.copy {
                return Some(Ok(copy.clone()));
            }
            let waits = state.crate_dir.as_deref().is_some_and(cell_crate::is_analysed);
            if let (true, Some(context), Some(carried)) = (waits, state.context, &state.carried) {
                // Under the lock: the cell cannot end meanwhile.
                let copy = context.copy(|context, question: &Question| {
                    question
                        .answer(context, carried)
                        .map_err(|error| format!("{error:#}"))
                });
                let copy = copy.map(|copy| Arc::new(Mutex::new(copy)));
                state.copy = copy.as_ref().ok().cloned();
                return Some(copy);
            }
            drop(state);
            if asked.elapsed() > ANALYSIS {
                return Some(Err(anyhow::anyhow!("the running cell is still being analysed")));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The execution count of the cell that runs.
    pub fn count(&self) -> usize {
        self.state().number
    }

    /// Sets the execution count of the cell that comes next.
    pub fn number(&self, count: usize) {
        self.state().number = count;
    }

    /// The Stop button: see [`Session::interrupt`](super::Session::interrupt).
    pub fn interrupt(self: &Arc<Self>) {
        let mut state = self.state();
        if state.cell == 0 {
            if let Some((sink, given_up)) = state.waiting.take() {
                given_up.store(true, Ordering::Release);
                let stopped = "stopped before the session was ready; what it prepares goes on";
                let _ = sink.send(Message::Done(Err(report::plain("Interrupted", stopped))));
            }
            return;
        }
        match state.interrupted {
            None => {
                state.interrupted = Some(Instant::now());
                if let Some(dir) = &state.crate_dir {
                    cell_crate::cancel(dir);
                }
                state.signal(libc::SIGINT);
                let (cell, control) = (state.cell, self.clone());
                std::thread::spawn(move || control.say_how_to_kill(cell));
            }
            Some(first) if first.elapsed() >= GRACE => {
                state.killed = true;
                state.signal(libc::SIGKILL);
            }
            Some(_) => state.signal(libc::SIGINT),
        }
    }

    fn say_how_to_kill(&self, cell: u64) {
        std::thread::sleep(GRACE);
        let state = self.state();
        if state.cell == cell
            && !state.killed
            && let Some(sink) = &state.sink
        {
            let text = "This cell does not answer to the stop request. Interrupt once more to kill it; \
                        the notebook's variables are lost then.\n";
            let _ = sink.send(Message::Event(Event::Stderr(text.into())));
        }
    }

    /// Kills what runs.
    pub fn shut_down(&self) {
        let mut state = self.state();
        if state.cell != 0 {
            state.killed = true;
            if let Some(dir) = &state.crate_dir {
                cell_crate::cancel(dir);
            }
            state.signal(libc::SIGKILL);
        }
    }

    /// A cell has been asked for, and may have to wait.
    pub fn wait(&self, sink: &Sender<Message>, given_up: &Arc<AtomicBool>) {
        self.state().waiting = Some((sink.clone(), given_up.clone()));
    }

    /// Starts a cell, unless it was stopped while it waited.
    pub fn begin(&self, sink: &Sender<Message>, given_up: &AtomicBool) -> bool {
        let mut state = self.state();
        state.waiting = None;
        if given_up.load(Ordering::Acquire) {
            return false;
        }
        state.cells += 1;
        state.cell = state.cells;
        state.sink = Some(sink.clone());
        state.interrupted = None;
        state.killed = false;
        true
    }

    /// Ends the cell, whose process may have ended with it; says whether it was interrupted, and whether it
    /// was killed.
    pub fn end(&self, died: bool) -> (bool, bool) {
        let mut state = self.state();
        state.cell = 0;
        state.context = None;
        state.sink = None;
        if let Some(copy) = state.copy.take() {
            // It takes a while to give its memory back.
            std::thread::spawn(move || drop(copy));
        }
        if state.interrupted.is_some() {
            if let Some(dir) = &state.crate_dir {
                cell_crate::uncancel(dir);
            }
            if !died {
                // A request that no loop answered must not stop the next cell.
                state.signal(libc::SIGUSR1);
            }
        }
        (state.interrupted.is_some(), state.killed)
    }
}

impl State {
    fn signal(&self, signal: libc::c_int) {
        if let Some(child) = &self.child {
            let child = child.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            // SAFETY: evcxr holds this child unreaped while the handle is in place.
            unsafe { libc::kill(child.id() as libc::pid_t, signal) };
        }
    }
}
