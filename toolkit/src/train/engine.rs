//! The training loop. One thread, no allocation a step, the same bits on every run.

use std::path::PathBuf;
use std::time::Instant;

use super::ending::Symptoms;
use super::holdout::{Parts, epoch_order, parts};
use super::learner::{Gather, Learner};
use super::live::Live;
use super::rule::Updater;
use super::state::State;
use super::{Cause, Ending, History, PATIENCE, Recipe, Record};
use crate::data::Dataset;
use crate::loss::Targets;
use crate::net::NetSpec;
use crate::seed::{Rng, stream};
use crate::{Error, Result, interrupt};

/// Batches in which the held-out part is looked at, in rows.
const WATCH_ROWS: usize = 256;
/// Parameters of this size are no sign of divergence, but worth a look at what comes out.
const SUSPECT: f32 = 1e4;

#[cfg(test)]
thread_local! {
    /// The step after which a training on this thread dies, as in a crash.
    pub(super) static CRASH_AFTER: std::cell::Cell<Option<u64>> = const { std::cell::Cell::new(None) };
}

/// Rows the model must have room for.
pub(super) fn most_rows(recipe: &Recipe, data: &Dataset) -> usize {
    let watched = if recipe.early_stopping.is_some() {
        WATCH_ROWS
    } else {
        1
    };
    recipe.batch.max(watched).min(data.len().max(1))
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

/// Refuses data of another shape than that of the images a network looks at. A network on plain numbers takes
/// images too, as their numbers.
pub(crate) fn check_shape(data: &Dataset, spec: &NetSpec) -> Result<()> {
    match spec.image {
        Some(image) if image != data.shape() => Err(Error::data(format!(
            "expected {image}, as the network takes, found {}",
            data.shape()
        ))
        .at(format!("dataset {}", data.name()))
        .fix(if image.width() == data.width() {
            "if the numbers are such images, row by row, say so with Dataset::with_shape"
        } else {
            "build the network for images of the data, as in Cnn::new(data.shape(), data.classes())"
        })),
        _ => Ok(()),
    }
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
    /// Why the last checkpoint is not on disk, when it could not be written. The training went on.
    pub unsaved: Option<Error>,
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
        unsaved: None,
    };
    let ending = match work.state.counters.ending.clone() {
        Some(ending) => ending,
        None => {
            work.updater.moments = std::mem::take(&mut work.state.moments);
            let ending = work.run(&training, saver.as_ref())?;
            work.store((!matches!(ending, Ending::Interrupted { .. })).then(|| ending.clone()));
            if let Some(saver) = &saver {
                work.save(saver);
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
        unsaved,
        ..
    } = work;
    let (parameters, buffers) = state.result(watched);
    learner.restore(parameters, buffers);
    let outcome = Outcome {
        state,
        ending,
        unsaved,
        history,
    };
    Ok((outcome, per_epoch))
}

/// What a look at a part of the data gives.
struct Watched {
    loss: f64,
    accuracy: f64,
    logits_finite: bool,
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
    unsaved: Option<Error>,
    before: f64,
    began: Instant,
}

impl Work<'_> {
    fn run(&mut self, training: &[u32], saver: Option<&Saver<'_>>) -> Result<Ending> {
        let mut live = Live::start(self.recipe.length.steps(self.per_epoch) as u64);
        let ending = self.steps(training, saver, &mut live)?;
        let watched = !self.held_out.is_empty();
        live.finish(&ending, self.state.row(watched, &self.state.history));
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
            if !loss.is_finite() {
                return Ok(self.diverged(done + 1, done, rate, false));
            }
            // A root has no slope at 0: the loss is fine there, what is learnt from it is not.
            if self.learner.own_loss() && !self.learner.gradients().iter().all(|x| x.is_finite()) {
                let cause = Cause::UndefinedLoss;
                return Ok(Ending::Diverged {
                    step: done + 1,
                    cause,
                });
            }
            let counters = &mut self.state.counters;
            counters.step = done + 1;
            counters.rows += rows.len() as u64;
            counters.set_loss_sum(counters.loss_sum() + f64::from(loss) * rows.len() as f64);
            let updater = &mut self.updater;
            self.learner.update(&mut |parameters, gradients| {
                updater.step(parameters, gradients, &trainable, rate, done + 1);
            });
            let step = done + 1;
            if step.is_multiple_of(check_every) || step == total {
                if let Some(ending) = self.check(rows, rate)? {
                    return Ok(ending);
                }
                live.checked(&self.state.history);
            }
            if let Some(saver) = saver
                && step.is_multiple_of(saver.every)
                && step < total
            {
                self.store(None);
                self.save(saver);
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
    /// Parameters can be finite and too large to compute with: when they look so and nothing is held out, `rows`
    /// (the last batch) are passed through once more.
    fn check(&mut self, rows: &[u32], rate: f64) -> Result<Option<Ending>> {
        let step = self.state.counters.step;
        let finite = |values: &[f32]| values.iter().all(|x| x.is_finite());
        // A ReLU can hide a NaN from the loss: look at the numbers themselves.
        let broken = !finite(self.learner.parameters()) || !finite(self.learner.buffers());
        let large = self.learner.parameters().iter().any(|p| p.abs() > SUSPECT);
        let rows = if large { rows } else { &[] };
        let Watched {
            loss: held_out_loss,
            accuracy: held_out_accuracy,
            logits_finite,
        } = self.watch(rows)?;
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
        if broken || !logits_finite || (watched && !held_out_loss.is_finite()) {
            // Numbers that are fine leave only the loss to blame.
            let fine = !broken && logits_finite;
            let cause = self.cause(step, rate, !fine, fine);
            return Ok(Some(Ending::Diverged { step, cause }));
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

    /// Mean loss and accuracy on the held-out part; NaN without one, when only the logits of `rows` are looked at.
    fn watch(&mut self, rows: &[u32]) -> Result<Watched> {
        let (mut sum, mut correct, mut logits_finite) = (0.0, 0, true);
        let (watched, together) = match self.held_out.is_empty() {
            true => (rows, rows.len().max(1)),
            false => (&self.held_out[..], WATCH_ROWS),
        };
        for rows in watched.chunks(together) {
            let labels = self.gather.rows(rows, self.learner);
            let (loss, right) = self.learner.evaluate(labels)?;
            logits_finite &= self.learner.logits_finite();
            sum += f64::from(loss) * rows.len() as f64;
            correct += right;
        }
        let n = self.held_out.len() as f64;
        let share = |total: f64| if n > 0.0 { total / n } else { f64::NAN };
        Ok(Watched {
            loss: share(sum),
            accuracy: share(correct as f64),
            logits_finite,
        })
    }

    /// The loss of the batch that `updates` updates led to broke.
    fn diverged(&self, step: u64, updates: u64, rate: f64, loss_finite: bool) -> Ending {
        let cause = self.cause(updates, rate, loss_finite, self.learner.logits_finite());
        Ending::Diverged { step, cause }
    }

    fn cause(&self, updates: u64, rate: f64, loss_finite: bool, logits_finite: bool) -> Cause {
        let symptoms = Symptoms {
            before_any_update: updates == 0,
            logits_finite,
            loss_finite,
            own_loss: self.learner.own_loss(),
            rate,
            features: self.data.features(),
        };
        symptoms.cause()
    }

    /// Writes a checkpoint. A full disk costs the file, not what has been learnt: the training goes on and says so at
    /// its end.
    fn save(&mut self, saver: &Saver<'_>) {
        self.unsaved = (saver.write)(&saver.path, &self.state).err();
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
                rate: self
                    .recipe
                    .rate_at((counters.step as usize).saturating_sub(1), self.per_epoch),
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
