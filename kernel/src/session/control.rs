//! What other threads may do to a running cell: stop it, kill it, ask the session meanwhile.

mod callers;
mod copies;
mod stop;

use crate::session::build::carried::Carried;
use crate::session::know::snapshot::{Copied, Resting};
use crate::session::life::door::Door;
use crate::session::life::family;
use crate::session::life::keeper::Order;
use crate::session::talk::protocol::Event;
use crate::session::talk::pump::{Message, Sink};
use crate::session::tell::report::Stopped;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::Instant;

/// The lock; what a thread has left that panicked is as good as ever.
pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// What other threads may do to a running cell.
#[derive(Default)]
pub struct Control {
    state: Mutex<State>,
    /// The session comes to rest.
    rest: Condvar,
}

#[derive(Default)]
struct State {
    /// The number of the running cell; 0 when none runs.
    cell: u64,
    cells: u64,
    /// When it began, on the clock of processes.
    begun: u64,
    /// The cell that waits for the session to get ready.
    waiting: Option<(Sink, Arc<AtomicBool>)>,
    /// The execution count of the cell that runs or comes next.
    number: usize,
    sink: Option<Sink>,
    interrupted: Option<Instant>,
    /// Whether the stop has reached programs that the cell had started.
    stopped_programs: bool,
    killed: bool,
    /// Where processes of the session announce themselves.
    door: Option<Door>,
    /// The process that runs cells.
    process: Option<Process>,
    /// The compilers that work for the session, each with a number.
    compilers: Vec<(u64, UnixStream)>,
    knocks: u64,
    /// The context that the running cell was handed to.
    handed: Option<Resting>,
    /// The context, while its thread leaves it alone, and the copy of it that answers meanwhile.
    resting: Option<Resting>,
    copy: Option<Arc<Copied>>,
    /// Copies that are about to end.
    ending: Vec<JoinHandle<()>>,
    carried: Option<Arc<Carried>>,
    faults: Vec<String>,
    /// Whether a compiler has worked for the running cell.
    compiled: bool,
    /// Whether the user was told that the running cell is stopped, while its analysis, which nothing ends, goes on.
    abandoned: bool,
    /// Whether the user of a cell behind it was told how to go on without that.
    warned: Option<Instant>,
    /// Whether another session takes the place of this one.
    deserted: bool,
    /// Tells the warnings about the running cell, once.
    on_warnings: Option<Box<dyn FnOnce() + Send>>,
}

/// The cells' process, with all that it has started.
struct Process {
    /// To its keeper, which kills everything when this ends.
    lifeline: UnixStream,
    group: libc::pid_t,
}

impl Control {
    /// Something that evcxr has written is not as this program knows it.
    fn note_fault(&self, what: &str) {
        let fault = format!("this kernel does not fit its evcxr, which writes {what} in another way");
        eprintln!("jook: {fault}");
        let mut state = self.state();
        if let Some(sink) = &state.sink {
            let told = format!("{fault}: what this cell shows may be wrong or missing\n");
            let _ = sink.try_send(Message::Event(Event::Stderr(told)));
        }
        state.faults.push(fault);
    }

    /// What does not fit, as far as it has come to light.
    pub fn faults(&self) -> Vec<String> {
        self.state().faults.clone()
    }

    /// What to do when rustc has warned of something in the cell that has begun.
    pub fn on_warnings(&self, tell: impl FnOnce() + Send + 'static) {
        self.state().on_warnings = Some(Box::new(tell));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The execution count of the cell that runs.
    pub fn count(&self) -> usize {
        self.state().number
    }

    /// Sets the execution count of the cell that comes next.
    pub fn number(&self, count: usize) {
        self.state().number = count;
    }

    /// A cell has been asked for, and may have to wait.
    pub fn wait(&self, sink: &Sink, given_up: &Arc<AtomicBool>) {
        let mut state = self.state();
        state.waiting = Some((sink.clone(), given_up.clone()));
        if state.deserted {
            state.give_up(stop::deserted());
            return;
        }
        if state.abandoned {
            let told = "the analysis of the cell that was stopped goes on, and this one waits for it\n";
            let _ = sink.try_send(Message::Event(Event::Stderr(told.into())));
        }
    }

    /// Nobody will run the cell that waits, nor the one that runs.
    pub fn gone(&self) {
        let mut state = self.state();
        state.waiting = None;
        state.sink = None;
        state.resting = None;
        state.handed = None;
    }

    /// Starts a cell, unless it was stopped while it waited.
    pub fn begin(&self, sink: &Sink, given_up: &AtomicBool) -> bool {
        let mut state = self.state();
        state.waiting = None;
        if given_up.load(Ordering::Acquire) {
            return false;
        }
        state.cells += 1;
        state.cell = state.cells;
        state.begun = family::now();
        state.sink = Some(sink.clone());
        state.interrupted = None;
        state.warned = None;
        state.stopped_programs = false;
        state.compiled = false;
        state.killed = false;
        true
    }

    /// Ends the cell, whose process may have ended with it; says whether and how it was stopped.
    pub fn end(&self, died: bool) -> Stopped {
        let mut state = self.state();
        state.cell = 0;
        state.abandoned = false;
        state.on_warnings = None;
        state.handed = None;
        state.resting = None;
        state.sink = None;
        state.end_copy();
        let interrupted = state.interrupted.take().is_some();
        if interrupted && !died {
            // A request that no loop answered must not stop the next cell.
            state.order(Order::TakeBack);
        }
        Stopped {
            interrupted,
            killed: state.killed,
            programs: state.stopped_programs,
        }
    }
}
