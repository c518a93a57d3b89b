//! What other threads may do to a running cell: stop it, kill it, ask the session meanwhile.

use crate::session::build::carried::Carried;
use crate::session::guards::Guard;
use crate::session::guards::timed;
use crate::session::know::lookup::Found;
use crate::session::know::lookup::Question;
use crate::session::know::snapshot::Copied;
use crate::session::know::snapshot::Resting;
use crate::session::life::door;
use crate::session::life::door::Caller;
use crate::session::life::door::Door;
use crate::session::life::family;
use crate::session::life::keeper::Order;
use crate::session::life::programs;
use crate::session::life::programs::Stopping;
use crate::session::process;
use crate::session::said::CellError;
use crate::session::talk::comms::Comms;
use crate::session::talk::protocol::Event;
use crate::session::talk::pump::Message;
use crate::session::talk::pump::Sink;
use crate::session::tell::report;
use crate::session::tell::report::Stopped;
use anyhow::Result;
use serde_json::Value;
use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How long a cell has to answer a stop request before a second one kills it, and what it has started to end.
const GRACE: Duration = Duration::from_secs(2);

/// When a cell that runs is one that the user may work beside.
const LONG: Duration = Duration::from_millis(500);

/// How long it takes to read what a further stop would cost.
const READ: Duration = Duration::from_secs(1);

/// How long a question waits for the session to come to rest: it gets ready, or analyses a cell.
const ANALYSIS: Duration = Duration::from_secs(2);

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
    /// Opens the door of a session; whoever knocks is served as long as the session lives. Returns where it is.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn open_door(self: &Arc<Self>, path: &Path, comms: &Arc<Comms>) -> Result<PathBuf> {
        let (control, comms) = (Arc::downgrade(self), comms.clone());
        let door = Door::open(path, move |caller, stream| match (control.upgrade(), caller) {
            (Some(_), Caller::Comms) => comms.hear(stream),
            (Some(control), caller) => control.enter(caller, stream),
            (None, _) => {}
        })?;
        let path = door.path().to_owned();
        // The door of the session before, if there was one, closes.
        self.state().door = Some(door);
        Ok(path)
    }

    /// Serves one who has knocked at the session's door, until he leaves.
    fn enter(&self, caller: Caller, stream: UnixStream) {
        match caller {
            Caller::Cells { group } => {
                let process = Process {
                    lifeline: stream,
                    group,
                };
                // One that is gone is let go of with this.
                self.state().process = Some(process);
            }
            Caller::Compiler => self.serve_compiler(&stream),
            Caller::Comms => {}
        }
    }

    /// Hears what a compiler says. It may work as long as the connection lasts.
    fn serve_compiler(&self, mut stream: &UnixStream) {
        let number = {
            let mut state = self.state();
            let Ok(hold) = stream.try_clone() else { return };
            if state.interrupted.is_some() {
                return;
            }
            state.compiled = true;
            state.knocks += 1;
            let number = state.knocks;
            state.compilers.push((number, hold));
            number
        };
        let mut go_on = stream.write_all(b"go\n").is_ok();
        while go_on && let Ok(line) = door::line(stream) {
            let said: Value = serde_json::from_slice(&line).unwrap_or_default();
            match said["kind"].as_str() {
                // The cell's analysis is over.
                Some("source") => {
                    let mut state = self.state();
                    state.resting = state.handed;
                    self.rest.notify_all();
                }
                // evcxr may analyse the cell again, and writes to the files that a copy does.
                Some("failed") => {
                    self.works();
                    go_on = stream.write_all(b"go\n").is_ok();
                }
                Some("warnings") => {
                    let tell = self.state().on_warnings.take();
                    if let Some(tell) = tell {
                        tell();
                    }
                    go_on = stream.write_all(b"go\n").is_ok();
                }
                Some("unknown") => self.note_fault(said["what"].as_str().unwrap_or_default()),
                Some("progress") => {
                    let sink = self.state().sink.clone();
                    if let (Some(sink), Some(text)) = (sink, said["text"].as_str()) {
                        let _ = sink.send(Message::Event(Event::Stderr(format!("{text}\n"))));
                    }
                }
                _ => {}
            }
        }
        self.state().compilers.retain(|(other, _)| *other != number);
    }

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

    /// The session is there: what it need not ask for.
    pub fn ready(&self, carried: &Arc<Carried>) {
        self.state().carried = Some(carried.clone());
    }

    /// The session's thread leaves its context alone until [`Control::works`].
    pub fn rests(&self, context: Resting) {
        self.state().resting = Some(context);
        self.rest.notify_all();
    }

    /// The session's thread is about to use its context. No copy of it does anything any more when this returns.
    pub fn works(&self) {
        timed(Guard::Copies, || {
            let ending = {
                let mut state = self.state();
                state.resting = None;
                state.end_copy();
                std::mem::take(&mut state.ending)
            };
            for end in ending {
                let _ = end.join();
            }
        });
    }

    /// The cell that has begun is handed to `context`, whose thread waits for it once it is analysed.
    pub fn works_on_a_cell(self: &Arc<Self>, context: Resting) {
        let mut state = self.state();
        state.handed = Some(context);
        let (cell, control) = (state.cell, self.clone());
        // Of a cell that takes its time, somebody may ask: the first answer of a copy is the slow one.
        std::thread::spawn(move || {
            std::thread::sleep(LONG);
            let still_runs = control.state().cell == cell;
            if still_runs {
                let _ = control.look_up(&Question::usual());
            }
        });
    }

    /// What to do when rustc has warned of something in the cell that has begun.
    pub fn on_warnings(&self, tell: impl FnOnce() + Send + 'static) {
        self.state().on_warnings = Some(Box::new(tell));
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// The answer of a copy of the session to `question`: whatever becomes of the copy, the session does not notice.
    ///
    /// # Errors
    /// When the session is not at rest, or the analysis fails.
    pub fn look_up(&self, question: &Question) -> Result<Found> {
        const TRIES: usize = 3;
        let mut last = anyhow::anyhow!("no answer");
        for _ in 0..TRIES {
            let copy = self.copy()?;
            let answer: Result<Result<Found, String>> = copy.ask(question);
            match answer {
                Ok(answer) => return answer.map_err(anyhow::Error::msg),
                Err(error) => last = error,
            }
            let mut state = self.state();
            let failed = state.copy.take_if(|current| Arc::ptr_eq(current, &copy));
            state.end(failed);
            drop(state);
            if copy.is_late() {
                break;
            }
        }
        Err(last)
    }

    /// The copy of the session that answers now.
    fn copy(&self) -> Result<Arc<Copied>> {
        let rests = |state: &mut State| state.resting.is_none();
        let waited = self.rest.wait_timeout_while(self.state(), ANALYSIS, rests);
        let (mut state, _) = waited.unwrap_or_else(|poisoned| poisoned.into_inner());
        if let Some(copy) = &state.copy {
            return Ok(copy.clone());
        }
        let (Some(context), Some(carried)) = (state.resting, state.carried.clone()) else {
            anyhow::bail!("the session is at work");
        };
        // Under the lock: the session's thread cannot go on meanwhile.
        let copy = context.copy(move |context, question: &Question| {
            question
                .answer(context, &carried)
                .map_err(|error| format!("{error:#}"))
        })?;
        let copy = Arc::new(copy);
        state.copy = Some(copy.clone());
        Ok(copy)
    }

    /// The execution count of the cell that runs.
    pub fn count(&self) -> usize {
        self.state().number
    }

    /// Sets the execution count of the cell that comes next.
    pub fn number(&self, count: usize) {
        self.state().number = count;
    }

    /// The Stop button: see [`Session::interrupt`](super::Session::interrupt). True when nothing else is left than to desert
    /// the session's thread.
    pub fn interrupt(self: &Arc<Self>) -> bool {
        let mut state = self.state();
        if state.cell == 0 {
            let stopped = "stopped before the session was ready; what it prepares goes on";
            state.give_up(report::plain("Interrupted", stopped));
            return false;
        }
        if state.abandoned {
            if state.warned.is_some_and(|warned| warned.elapsed() >= READ) {
                return !std::mem::replace(&mut state.deserted, true);
            }
            let goes_on = state.interrupted.is_some_and(|first| first.elapsed() >= GRACE);
            if goes_on && state.waiting.is_some() {
                state.warned.get_or_insert_with(Instant::now);
            }
            let stopped = match state.warned {
                Some(_) => {
                    "stopped before the cell ran\nThe analysis of the cell before it goes on. Interrupt once more to start a new \
                     session without it: the notebook's variables are lost then."
                }
                None => "stopped before the cell ran",
            };
            state.give_up(report::plain("Interrupted", stopped));
            return false;
        }
        match state.interrupted {
            None if !state.compiled => {
                // evcxr's analysis cannot be ended; the compiler is refused after it.
                state.interrupted = Some(Instant::now());
                state.abandoned = true;
                if let Some(sink) = &state.sink {
                    let stopped = report::plain("Interrupted", "stopped before the cell ran");
                    let _ = sink.try_send(Message::Done(Err(stopped)));
                }
            }
            None => {
                state.interrupted = Some(Instant::now());
                state.stop_compilers();
                let stopping = state.stop();
                let (cell, control) = (state.cell, self.clone());
                std::thread::spawn(move || control.see_to_the_stop(cell, stopping));
            }
            Some(first) if first.elapsed() >= GRACE => {
                state.killed = true;
                state.kill();
            }
            Some(_) => drop(state.stop()),
        }
        false
    }

    /// Another session has taken the place of this one, whose thread nobody waits for any more: what it has started ends,
    /// and who waits is told.
    pub fn desert(&self) {
        let mut state = self.state();
        state.give_up(deserted());
        state.killed = true;
        state.sink = None;
        state.stop_compilers();
        state.kill();
    }

    /// No other session could take the place of this one.
    pub fn stays(&self) {
        let mut state = self.state();
        state.deserted = false;
        state.give_up(report::plain("Interrupted", "stopped before the cell ran"));
    }

    /// After a while: what the cell has started and does not end is killed, and the user of a cell that goes on is told
    /// what to do.
    fn see_to_the_stop(&self, cell: u64, mut stopping: Stopping) {
        /// Between two looks for what the stopped programs start.
        const LOOK: Duration = Duration::from_millis(40);
        let until = Instant::now() + GRACE;
        while Instant::now() < until {
            std::thread::sleep(LOOK);
            let (still_runs, group) = {
                let state = self.state();
                (
                    state.cell == cell,
                    state.process.as_ref().map(|process| process.group),
                )
            };
            group
                .into_iter()
                .for_each(|group| stopping.look(group, still_runs));
        }
        let state = self.state();
        if let Some(process) = &state.process {
            stopping.kill(process.group);
        }
        if state.cell == cell
            && !state.killed
            && let Some(sink) = &state.sink
        {
            let text = "This cell does not answer to the stop request. Interrupt once more to kill it; \
                        the notebook's variables are lost then.\n";
            // Not send: nobody may read, and this holds the lock.
            let _ = sink.try_send(Message::Event(Event::Stderr(text.into())));
        }
    }

    /// Kills what runs.
    pub fn shut_down(&self) {
        let mut state = self.state();
        if state.cell != 0 {
            state.killed = true;
            state.stop_compilers();
            state.kill();
        }
    }

    /// A cell has been asked for, and may have to wait.
    pub fn wait(&self, sink: &Sink, given_up: &Arc<AtomicBool>) {
        let mut state = self.state();
        state.waiting = Some((sink.clone(), given_up.clone()));
        if state.deserted {
            state.give_up(deserted());
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

fn deserted() -> CellError {
    report::plain(
        "Interrupted",
        "stopped before the cell ran\nA new session is being started: run the cells again that make what you need.",
    )
}

impl State {
    /// The cell that waits is told that it will not run.
    fn give_up(&mut self, error: CellError) {
        if let Some((sink, given_up)) = self.waiting.take() {
            given_up.store(true, Ordering::Release);
            let _ = sink.try_send(Message::Done(Err(error)));
        }
    }

    fn end_copy(&mut self) {
        let copy = self.copy.take();
        self.end(copy);
    }

    /// It takes a while to give its memory back.
    fn end(&mut self, copy: Option<Arc<Copied>>) {
        self.ending.retain(|ending| !ending.is_finished());
        if let Some(copy) = copy {
            self.ending.push(std::thread::spawn(move || copy.end()));
        }
    }

    fn stop_compilers(&self) {
        for (_, compiler) in &self.compilers {
            let _ = compiler.shutdown(Shutdown::Both);
        }
    }

    /// Asks the cell to stop, and the programs that it has started.
    fn stop(&mut self) -> Stopping {
        // The programs first: the cell may end those that it waits for, and they would not be found. The cells' process
        // and its keeper are none, even if the cell has restarted them.
        let group = self.process.as_ref().map(|process| process.group);
        let programs = group.map(|group| programs::started_since(self.begun, group, process::NAME));
        let programs = programs.unwrap_or_default();
        self.stopped_programs |= !programs.is_empty();
        let stopping = Stopping::ask(&programs, process::NAME);
        self.order(Order::Stop);
        stopping
    }

    /// To the cells' process.
    fn order(&self, order: Order) {
        if let Some(process) = &self.process {
            let _ = (&process.lifeline).write_all(&[order as u8]);
        }
    }

    /// Ends the cells' process and all that it has started.
    fn kill(&self) {
        if let Some(process) = &self.process {
            let _ = process.lifeline.shutdown(Shutdown::Both);
        }
    }
}
