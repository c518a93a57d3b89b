//! Stop, in all its steps: a request, a kill, another session in the place of this one.

use super::{Control, State};
use crate::session::life::keeper::Order;
use crate::session::life::programs::{self, Stopping};
use crate::session::process;
use crate::session::said::CellError;
use crate::session::talk::protocol::Event;
use crate::session::talk::pump::Message;
use crate::session::tell::report;
use std::io::Write;
use std::net::Shutdown;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// How long a cell has to answer a stop request before a second one kills it, and what it has started to end.
const GRACE: Duration = Duration::from_secs(2);

/// How long it takes to read what a further stop would cost.
const READ: Duration = Duration::from_secs(1);

impl Control {
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
}

pub(super) fn deserted() -> CellError {
    report::plain(
        "Interrupted",
        "stopped before the cell ran\nA new session is being started: run the cells again that make what you need.",
    )
}

impl State {
    /// The cell that waits is told that it will not run.
    pub(super) fn give_up(&mut self, error: CellError) {
        if let Some((sink, given_up)) = self.waiting.take() {
            given_up.store(true, Ordering::Release);
            let _ = sink.try_send(Message::Done(Err(error)));
        }
    }

    pub(super) fn stop_compilers(&self) {
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
    pub(super) fn order(&self, order: Order) {
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
