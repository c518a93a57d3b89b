//! The steps: forward, backward, update, and what watchers want.

use std::ops::Range;

#[cfg(test)]
use super::CRASH_AFTER;
use super::Work;
use crate::loss::{Part, Seen};
use crate::net::executor::{Executor, How};
use crate::train::batches::Batches;
use crate::train::gather::Gather;
use crate::train::watch::{Flow, Moment, Watcher};
use crate::train::watchers::Live;
use crate::train::{Cause, Ending, History};
use crate::{Error, Result, interrupt};

/// What watchers may want at a step.
enum Wish {
    Stop(String),
    Save,
}

/// Refuses others than there are parameters.
fn checked(stand_in: Option<Vec<f32>>, parameters: usize) -> Result<Option<Vec<f32>>> {
    match &stand_in {
        Some(own) if own.len() != parameters => Err(Error::spec(format!(
            "expected {parameters} parameters to stand in for the trained ones, found {}",
            own.len()
        ))
        .at("a watcher's stand_in")),
        _ => Ok(stand_in),
    }
}

impl Work<'_> {
    /// Parameters that stand in for the trained ones: a watcher's, or the rule's own.
    pub(super) fn stand_in(&mut self, watchers: &[Box<dyn Watcher + '_>]) -> Option<Vec<f32>> {
        let watched = watchers.iter().find_map(|watcher| watcher.stand_in());
        watched
            .map(<[f32]>::to_vec)
            .or_else(|| self.executor.given(&self.optimizer))
    }

    /// Updates of the whole training.
    pub(in crate::train) fn total(&self) -> u64 {
        self.recipe.length.steps(self.per_epoch) as u64
    }

    pub(in crate::train) fn set_frozen(&mut self, layer: &str, frozen: bool) -> Result<()> {
        self.executor.set_frozen(layer, frozen)?;
        let known = &mut self.state.counters.frozen;
        known.retain(|(other, _)| other != layer);
        known.push((layer.to_owned(), frozen));
        self.optimizer.plan(self.executor.tensors())
    }

    pub(super) fn run(&mut self, watchers: &mut [Box<dyn Watcher + '_>]) -> Result<Ending> {
        let mut live = Live::start(self.total());
        let ending = self.steps(watchers, &mut live)?;
        live.finish(&ending, self.state.row(self.watched, &self.state.history));
        Ok(ending)
    }

    fn steps(&mut self, watchers: &mut [Box<dyn Watcher + '_>], live: &mut Live) -> Result<Ending> {
        let (recipe, total) = (self.recipe, self.total());
        let check_every = recipe.check_every.unwrap_or(self.per_epoch) as u64;
        let scope = interrupt::scope();
        while self.state.counters.step < total {
            let done = self.state.counters.step;
            if scope.requested() {
                return Ok(Ending::Interrupted { step: done });
            }
            let update = recipe.update_at(done as usize, self.per_epoch, self.state.counters.rate_factor());
            let rate = update.rate;
            let loss = self.gradient(done)?;
            if !loss.is_finite() {
                return self.diverged(done + 1, done, rate, false);
            }
            // A root has no slope at 0: the loss is fine there, what is learnt from it is not.
            if self.own && !self.executor.gradients().iter().all(|x| x.is_finite()) {
                let cause = Cause::UndefinedLoss;
                return Ok(Ending::Diverged {
                    step: done + 1,
                    cause,
                });
            }
            let step = done + 1;
            let rows = self.streams[0].rows.len();
            let counters = &mut self.state.counters;
            counters.step = step;
            counters.rows += rows as u64;
            counters.set_loss_sum(counters.loss_sum() + loss * rows as f64);
            self.executor.update(&self.optimizer, update)?;
            self.update_learned(rate);
            let check = step.is_multiple_of(check_every) || step == total;
            let mut wish = self.tell(watchers, live, (rate, loss), false)?;
            if check {
                let stand_in = checked(self.stand_in(watchers), self.executor.parameters().len())?;
                if let Some(ending) = self.check(rate, stand_in)? {
                    return Ok(ending);
                }
                wish = self.tell(watchers, live, (rate, loss), true)?.or(wish);
            }
            match wish {
                Some(Wish::Stop(why)) => return Ok(Ending::Stopped { step, why }),
                Some(Wish::Save) if step < total => self.save(watchers, None),
                _ => {}
            }
            #[cfg(test)]
            if CRASH_AFTER.get() == Some(step) {
                panic!("a crash asked for by a test");
            }
        }
        Ok(Ending::Completed)
    }

    /// Shows the watchers, and whoever looks at the screen, where the training is; gives what they want.
    fn tell(
        &mut self,
        watchers: &mut [Box<dyn Watcher + '_>],
        live: &mut Live,
        (rate, loss): (f64, f64),
        checked: bool,
    ) -> Result<Option<Wish>> {
        let mut wish = None;
        let all = watchers
            .iter_mut()
            .map(|watcher| watcher.as_mut() as &mut dyn Watcher);
        for watcher in all.chain([live as &mut dyn Watcher]) {
            let mut at = Moment {
                work: self,
                rate,
                loss,
            };
            let flow = match checked {
                true => watcher.after_check(&mut at)?,
                false => watcher.after_step(&mut at)?,
            };
            match flow {
                Flow::On => {}
                Flow::Stop(why) => wish = Some(Wish::Stop(why)),
                Flow::Save => wish = wish.or(Some(Wish::Save)),
                Flow::Rate(factor) if factor >= 0.0 && factor.is_finite() => {
                    self.state.counters.set_rate_factor(factor);
                }
                Flow::Rate(factor) => {
                    return Err(Error::spec(format!(
                        "expected a factor of the rate of 0 or more, found {factor}"
                    ))
                    .at(format!(
                        "a watcher's Flow::Rate, step {}",
                        self.state.counters.step
                    )));
                }
            }
        }
        Ok(wish)
    }

    /// Forward and backward on the batch of step `step`, counted from 0; gives the value of the objective and leaves the
    /// gradients.
    fn gradient(&mut self, step: u64) -> Result<f64> {
        let mut rows = 0;
        for stream in &mut self.streams {
            stream.sampling.rows(step, &mut stream.rows);
            rows += stream.rows.len();
        }
        let width = self.data.width();
        let mut input = self.executor.input(rows);
        for stream in &mut self.streams {
            let (own, rest) = input.split_at_mut(stream.rows.len() * width);
            stream.gather.copy(&stream.rows, own);
            let epoch = step / stream.sampling.per_epoch() as u64;
            let draws = (&stream.rows[..], epoch, self.recipe.seed);
            stream.gather.augment(draws, &self.recipe.augmentations, own);
            input = rest;
        }
        self.executor.forward(How::train(&mut self.dropout))?;
        let mut first = 0;
        let parts: Vec<Part<'_>> = self
            .streams
            .iter()
            .map(|stream| {
                let range = first..first + stream.rows.len();
                first = range.end;
                part(range, &stream.rows, &stream.gather)
            })
            .collect();
        let value = look(self.executor, &parts, step + 1, |seen, slopes| {
            self.objective.value(seen, slopes)
        })?;
        if value.is_finite() {
            self.executor.backward(false)?;
        }
        Ok(value)
    }

    /// Takes what the objective learns itself down its slope.
    fn update_learned(&mut self, rate: f64) {
        for learned in self.objective.learned() {
            let rate = learned.rate.unwrap_or(rate) as f32;
            for (x, slope) in learned.numbers.iter_mut().zip(learned.slopes.iter()) {
                *x -= rate * slope;
            }
        }
    }

    /// Brings the state up to date with the model and writes a checkpoint, where one is asked for. A full disk costs the
    /// file, not what has been learnt: the training goes on and says so at its end.
    pub(super) fn save(&mut self, watchers: &[Box<dyn Watcher + '_>], ending: Option<Ending>) {
        let trained = self.executor.parameters();
        self.state.parameters.copy_from_slice(trained);
        self.state.buffers.copy_from_slice(self.executor.buffers());
        self.state.moments = self.executor.states();
        self.state.learned = self
            .objective
            .learned()
            .iter()
            .map(|own| own.numbers.to_vec())
            .collect();
        self.state.remember(watchers);
        self.state.stand_in = self.stand_in(watchers).unwrap_or_default();
        let seconds = self.seconds();
        self.state.counters.set_seconds(seconds);
        self.state.counters.set_dropout(self.dropout.get_word_pos());
        self.state.counters.ending = ending;
        if let Some(write) = self.write {
            self.unsaved = write(&self.state).err();
        }
    }

    pub(super) fn history_so_far(&self) -> History {
        self.state
            .history_so_far(self.recipe, self.per_epoch, self.seconds())
    }

    pub(super) fn seconds(&self) -> f64 {
        self.before + self.began.elapsed().as_secs_f64()
    }
}

pub(super) fn part<'s>(range: Range<usize>, rows: &'s [u32], gather: &'s Gather<'_>) -> Part<'s> {
    Part {
        range,
        rows,
        targets: gather.targets(),
        weights: gather.weights(),
    }
}

/// Lets an objective look at the outputs of the last forward pass; its slopes are left at the taps.
pub(in crate::train) fn look(
    executor: &mut dyn Executor,
    parts: &[Part<'_>],
    step: u64,
    objective: impl FnOnce(&Seen<'_>, &mut [&mut [f32]]) -> Result<f64>,
) -> Result<f64> {
    let widths = executor.widths();
    let (outputs, mut slopes) = executor.taps();
    slopes.iter_mut().for_each(|slope| slope.fill(0.0));
    let seen = Seen {
        outputs: &outputs,
        widths: &widths,
        streams: parts,
        step,
    };
    objective(&seen, &mut slopes)
}
