//! The copy of the session that answers while a cell runs, or in its place: made when the session's thread leaves its
//! context alone, gone before it goes on.

use super::{Control, State};
use crate::session::build::carried::Carried;
use crate::session::guards::{Guard, timed};
use crate::session::know::lookup::{Found, Question};
use crate::session::know::snapshot::{Copied, Resting};
use anyhow::Result;
use std::sync::Arc;
use std::time::Duration;

/// When a cell that runs is one that the user may work beside.
const LONG: Duration = Duration::from_millis(500);

/// How long a question waits for the session to come to rest: it gets ready, or analyses a cell.
const ANALYSIS: Duration = Duration::from_secs(2);

impl Control {
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
}

impl State {
    pub(super) fn end_copy(&mut self) {
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
}
