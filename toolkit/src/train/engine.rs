//! The training loop. One thread, no allocation a step, the same bits on every run.

use std::path::PathBuf;
use std::time::Instant;

use super::ending::Symptoms;
use super::holdout::{Parts, epoch_order, parts};
use super::learner::{Gather, Learner};
use super::live::Live;
use super::rule::Updater;
use super::state::State;
use super::{Ending, History, PATIENCE, Recipe, Record};
use crate::data::Dataset;
use crate::loss::Targets;
use crate::seed::{Rng, stream};
use crate::{Error, Result, interrupt};

/// Batches in which the held-out part is looked at, in rows.
const WATCH_ROWS: usize = 256;

#[cfg(test)]
thread_local! {
    /// The step after which a training on this thread dies, as in a crash.
    pub(super) static CRASH_AFTER: std::cell::Cell<Option<u64>> = const { std::cell::Cell::new(None) };
}

/// Rows the model must have room for.
pub(super) fn most_rows(recipe: &Recipe, data: &Dataset) -> usize {
    recipe.batch.max(WATCH_ROWS).min(data.len().max(1))
}

/// The labels of `data`, if a model of these widths can learn them by this recipe.
pub(super) fn labels_for<'d>(
    data: &'d Dataset,
    (inputs, outputs): (usize, usize),
    recipe: &Recipe,
) -> Result<&'d [u32]> {
    let place = || format!("dataset {}", data.name());
    let labels = data.labels().ok_or_else(|| {
        Error::data("expected labels to learn, found none")
            .at(place())
            .fix("add them with Dataset::with_labels")
    })?;
    if labels.is_empty() {
        return Err(Error::data("expected at least one example, found none").at(place()));
    }
    if data.width() != inputs {
        return Err(Error::data(format!(
            "expected {inputs} numbers an example, found {}",
            data.width()
        ))
        .at(place())
        .fix("give the network an input of the width of the examples"));
    }
    recipe
        .loss
        .check(labels.len(), outputs, Targets::Classes(labels))
        .map_err(|e| e.at(place()))?;
    Ok(labels)
}

/// Writes a state away; the engine calls it as often as the recipe says.
pub(super) struct Saver<'a> {
    pub path: PathBuf,
    pub every: u64,
    pub write: &'a dyn Fn(&PathBuf, &State) -> Result<()>,
}

/// What the loop leaves behind.
pub(super) struct Outcome {
    /// What it takes to go on.
    pub state: State,
    pub ending: Ending,
    /// The rows of the state, and one more for what came after the last check when it broke off between two.
    pub history: History,
}

/// Trains `learner` from `state` until the recipe, the held-out part, a user or a NaN ends it, and leaves the
/// resulting numbers in the learner. Also gives how many updates make an epoch.
pub(super) fn train(
    learner: &mut dyn Learner,
    data: &Dataset,
    recipe: &Recipe,
    state: State,
    saver: Option<Saver<'_>>,
) -> Result<(Outcome, usize)> {
    let labels = labels_for(data, learner.widths(), recipe)?;
    let Parts { training, held_out } = parts(data, labels, recipe.early_stopping, recipe.seed)?;
    let mut dropout = stream(recipe.seed, "dropout");
    dropout.set_word_pos(state.counters.dropout());
    learner.restore(&state.parameters, &state.buffers);
    let mut work = Work {
        gather: Gather::new(data, labels, most_rows(recipe, data)),
        updater: Updater::new(recipe.rule, recipe.penalty(), 0),
        before: state.counters.seconds(),
        began: Instant::now(),
        per_epoch: training.len().div_ceil(recipe.batch),
        learner,
        data,
        recipe,
        state,
        held_out,
        dropout,
    };
    let ending = match work.state.counters.ending.clone() {
        Some(ending) => ending,
        None => {
            work.updater.moments = std::mem::take(&mut work.state.moments);
            let ending = work.run(&training, saver.as_ref())?;
            work.store((!matches!(ending, Ending::Interrupted { .. })).then(|| ending.clone()));
            if let Some(saver) = &saver {
                (saver.write)(&saver.path, &work.state)?;
            }
            ending
        }
    };
    let history = work.history_so_far();
    let watched = !work.held_out.is_empty();
    let Work {
        learner,
        state,
        per_epoch,
        ..
    } = work;
    let (parameters, buffers) = state.result(watched);
    learner.restore(parameters, buffers);
    let outcome = Outcome {
        state,
        ending,
        history,
    };
    Ok((outcome, per_epoch))
}

/// A training under way.
struct Work<'a> {
    learner: &'a mut dyn Learner,
    data: &'a Dataset,
    recipe: &'a Recipe,
    gather: Gather<'a>,
    updater: Updater,
    state: State,
    held_out: Vec<u32>,
    dropout: Rng,
    per_epoch: usize,
    before: f64,
    began: Instant,
}

impl Work<'_> {
    fn run(&mut self, training: &[u32], saver: Option<&Saver<'_>>) -> Result<Ending> {
        let mut live = Live::start(self.recipe.length.steps(self.per_epoch) as u64);
        let ending = self.steps(training, saver, &mut live)?;
        live.finish(&ending, &self.state.history);
        Ok(ending)
    }

    fn steps(&mut self, training: &[u32], saver: Option<&Saver<'_>>, live: &mut Live) -> Result<Ending> {
        let recipe = self.recipe;
        let total = recipe.length.steps(self.per_epoch) as u64;
        let check_every = recipe.check_every.unwrap_or(self.per_epoch) as u64;
        let scope = interrupt::scope();
        let trainable = self.learner.trainable();
        let mut order = Vec::with_capacity(training.len());
        let mut shuffled = None;
        while self.state.counters.step < total {
            let done = self.state.counters.step;
            if scope.requested() {
                return Ok(Ending::Interrupted { step: done });
            }
            let (epoch, position) = (done / self.per_epoch as u64, done as usize % self.per_epoch);
            if shuffled != Some(epoch) {
                epoch_order(training, &mut order, recipe.seed, epoch);
                shuffled = Some(epoch);
            }
            let first = position * recipe.batch;
            let rows = &order[first..order.len().min(first + recipe.batch)];
            let rate = recipe.rate_at(done as usize, self.per_epoch);
            let labels = self.gather.rows(rows, self.learner);
            let loss = self.learner.gradient(labels, &mut self.dropout)?;
            let counters = &mut self.state.counters;
            if !loss.is_finite() {
                return Ok(self.diverged(done + 1, rate, false));
            }
            counters.step = done + 1;
            counters.rows += rows.len() as u64;
            counters.set_loss_sum(counters.loss_sum() + f64::from(loss) * rows.len() as f64);
            let updater = &mut self.updater;
            self.learner.update(&mut |parameters, gradients| {
                updater.step(parameters, gradients, &trainable, rate, done + 1);
            });
            let step = done + 1;
            if step.is_multiple_of(check_every) || step == total {
                if let Some(ending) = self.check(rate)? {
                    return Ok(ending);
                }
                live.checked(&self.state.history);
            }
            if let Some(saver) = saver
                && step.is_multiple_of(saver.every)
                && step < total
            {
                self.store(None);
                (saver.write)(&saver.path, &self.state)?;
                self.updater.moments = std::mem::take(&mut self.state.moments);
            }
            live.step(step, loss);
            #[cfg(test)]
            if CRASH_AFTER.get() == Some(step) {
                panic!("a crash asked for by a test");
            }
        }
        Ok(Ending::Completed)
    }

    /// Looks at the held-out part, writes a row, keeps the network if it is the best; says if this ends it.
    fn check(&mut self, rate: f64) -> Result<Option<Ending>> {
        let step = self.state.counters.step;
        let finite = |values: &[f32]| values.iter().all(|x| x.is_finite());
        // A ReLU can hide a NaN from the loss: look at the numbers themselves.
        let broken = !finite(self.learner.parameters()) || !finite(self.learner.buffers());
        let (held_out_loss, held_out_accuracy) = self.watch()?;
        let loss = self.state.take_mean_loss();
        self.state.history.records.push(Record {
            step,
            epoch: step as f64 / self.per_epoch as f64,
            rate,
            loss,
            held_out_loss,
            held_out_accuracy,
            seconds: self.seconds(),
        });
        let watched = !self.held_out.is_empty();
        if broken || (watched && !held_out_loss.is_finite()) {
            return Ok(Some(self.diverged(step, rate, true)));
        }
        if watched && held_out_loss >= self.state.kept.loss {
            self.state.counters.stale += 1;
            let patience = self.recipe.patience.unwrap_or(PATIENCE) as u64;
            return Ok(
                (self.state.counters.stale >= patience).then_some(Ending::EarlyStopped {
                    step,
                    best_step: self.state.kept.step,
                }),
            );
        }
        self.state.counters.stale = 0;
        let kept = &mut self.state.kept;
        kept.step = step;
        kept.loss = if watched { held_out_loss } else { f64::INFINITY };
        kept.parameters.copy_from_slice(self.learner.parameters());
        kept.buffers.copy_from_slice(self.learner.buffers());
        Ok(None)
    }

    /// Mean loss and accuracy on the held-out part; NaN without one.
    fn watch(&mut self) -> Result<(f64, f64)> {
        let (mut sum, mut correct) = (0.0, 0);
        for rows in self.held_out.chunks(WATCH_ROWS) {
            let labels = self.gather.rows(rows, self.learner);
            let (loss, right) = self.learner.evaluate(labels)?;
            sum += f64::from(loss) * rows.len() as f64;
            correct += right;
        }
        let n = self.held_out.len() as f64;
        Ok((sum / n, correct as f64 / n))
    }

    fn diverged(&self, step: u64, rate: f64, loss_finite: bool) -> Ending {
        let symptoms = Symptoms {
            first_step: step == 1,
            logits_finite: self.learner.logits_finite(),
            loss_finite,
            own_loss: self.learner.own_loss(),
            rate,
            features: self.data.features(),
        };
        Ending::Diverged {
            step,
            cause: symptoms.cause(),
        }
    }

    /// Brings the state up to date with the model.
    fn store(&mut self, ending: Option<Ending>) {
        self.state.parameters.copy_from_slice(self.learner.parameters());
        self.state.buffers.copy_from_slice(self.learner.buffers());
        self.state.moments = std::mem::take(&mut self.updater.moments);
        let seconds = self.seconds();
        self.state.counters.set_seconds(seconds);
        self.state.counters.set_dropout(self.dropout.get_word_pos());
        self.state.counters.ending = ending;
    }

    fn history_so_far(&self) -> History {
        let mut history = self.state.history.clone();
        let counters = &self.state.counters;
        if counters.rows > 0 {
            history.records.push(Record {
                step: counters.step,
                epoch: counters.step as f64 / self.per_epoch as f64,
                rate: self.recipe.rate_at(counters.step as usize - 1, self.per_epoch),
                loss: counters.loss_sum() / counters.rows as f64,
                held_out_loss: f64::NAN,
                held_out_accuracy: f64::NAN,
                seconds: self.seconds(),
            });
        }
        history
    }

    fn seconds(&self) -> f64 {
        self.before + self.began.elapsed().as_secs_f64()
    }
}
