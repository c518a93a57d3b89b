//! The training loop: rows, examples, forward, objective, backward, update, watchers. The same for every model and
//! objective, and the same bits on every run.

use std::time::Instant;

use super::batches::{Batches, Sampling};
use super::ending::Symptoms;
use super::gather::Gather;
use super::holdout::{Parts, parts};
use super::state::State;
use super::watch::{Flow, Moment, Watcher};
use super::watchers::Live;
use super::{Cause, Ending, History, PATIENCE, Recipe, Record, Sampler};
use crate::data::Dataset;
use crate::loss::{Objective, Part, Seen};
use crate::net::NetSpec;
use crate::net::executor::{Executor, How};
use crate::optim::{Optimizer, Update};
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

/// A stream of data beside the one that is learned from.
#[derive(Clone)]
pub(super) struct Beside {
    pub data: Dataset,
    /// Examples in a batch; none: as many as of the first stream.
    pub batch: Option<usize>,
    pub sampler: Sampler,
}

/// What is trained on what.
pub(super) struct Task<'a> {
    pub data: &'a Dataset,
    pub beside: &'a [Beside],
    pub recipe: &'a Recipe,
    pub objective: &'a mut dyn Objective,
    pub optimizer: Optimizer,
    pub watchers: Vec<Box<dyn Watcher + 'a>>,
}

/// Writes a state away.
pub(super) type Write<'w> = &'w dyn Fn(&State) -> Result<()>;

/// Rows the model must have room for.
pub(super) fn most_rows(recipe: &Recipe, data: &Dataset, beside: &[Beside]) -> usize {
    let first = match recipe.sampler {
        Sampler::PerClass { classes, each } => classes.saturating_mul(each),
        _ => recipe.batch.min(data.len().max(1)),
    };
    let others: usize = beside
        .iter()
        .map(|stream| match stream.sampler {
            Sampler::PerClass { classes, each } => classes.saturating_mul(each),
            _ => stream.batch.unwrap_or(first).min(stream.data.len().max(1)),
        })
        .sum();
    let watched = match (&recipe.validation_data, recipe.early_stopping) {
        (Some(validation), _) => WATCH_ROWS.min(validation.0.len()),
        (None, Some(_)) => WATCH_ROWS.min(data.len()),
        (None, None) => 1,
    };
    first.saturating_add(others).max(watched)
}

/// Refuses data that a model of so many inputs cannot take.
pub(super) fn check_width(data: &Dataset, inputs: usize) -> Result<()> {
    let place = || format!("dataset {}", data.name());
    if data.is_empty() {
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
    Ok(())
}

/// Refuses data of another shape than that of the images a network looks at, and numbers that are no indices for one
/// that looks them up. A network on plain numbers takes images too, as their numbers.
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
        _ if data.width() == spec.input => {
            spec.check_indices(data.features(), &format!("dataset {}, ", data.name()))
        }
        _ => Ok(()),
    }
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

/// Trains what is in `executor` from `state` until the recipe, the held-out part, a watcher, a user or a NaN ends it,
/// and leaves the resulting numbers there. Also gives how many updates make an epoch.
pub(super) fn train(
    executor: &mut dyn Executor,
    task: Task<'_>,
    state: State,
    write: Option<Write<'_>>,
) -> Result<(Outcome, usize)> {
    let Task {
        data,
        beside,
        recipe,
        objective,
        mut optimizer,
        mut watchers,
    } = task;
    let all: Vec<&Dataset> = std::iter::once(data)
        .chain(beside.iter().map(|stream| &stream.data))
        .collect();
    for data in &all {
        check_width(data, executor.inputs())?;
    }
    objective.check(&all, &executor.widths())?;
    let validation = recipe.validation_data.as_ref().map(|validation| &*validation.0);
    let watched = recipe.is_watched();
    if watched && !objective.judges() {
        return Err(Error::spec(
            "the objective needs several streams of data, and held-out examples are one",
        )
        .at("recipe, early_stopping")
        .fix("train for a fixed number of steps, or add an objective that looks at the first stream alone"));
    }
    let Parts { training, held_out } = match validation {
        Some(validation) => {
            check_width(validation, executor.inputs())?;
            objective.check(&[validation], &executor.widths())?;
            Parts {
                training: (0..data.len() as u32).collect(),
                held_out: (0..validation.len() as u32).collect(),
            }
        }
        None => parts(data, recipe.early_stopping, recipe.seed)?,
    };
    let own_weights = |sampler| sampler != Sampler::Weighted;
    let mut streams = vec![Stream {
        gather: Gather::new(data, &training, own_weights(recipe.sampler)),
        sampling: Sampling::new(recipe.sampler, data, training, recipe.batch, recipe.seed, 0)?,
        rows: Vec::new(),
    }];
    for (number, one) in (1..).zip(beside) {
        let rows: Vec<u32> = (0..one.data.len() as u32).collect();
        let batch = one.batch.unwrap_or(streams[0].sampling.most());
        streams.push(Stream {
            gather: Gather::new(&one.data, &rows, own_weights(one.sampler)),
            sampling: Sampling::new(one.sampler, &one.data, rows, batch, recipe.seed, number)?,
            rows: Vec::new(),
        });
    }
    optimizer.plan(executor.tensors())?;
    let mut dropout = stream(recipe.seed, "dropout");
    dropout.set_word_pos(state.counters.dropout());
    executor.restore(&state.parameters, &state.buffers);
    executor.restore_states(state.moments.clone());
    let mut learned = objective.learned();
    for (own, numbers) in learned.iter_mut().zip(&state.learned) {
        if own.numbers.len() == numbers.len() {
            own.numbers.copy_from_slice(numbers);
        }
    }
    for (watcher, remembered) in watchers.iter_mut().zip(&state.watchers) {
        watcher.restore(remembered);
    }
    let watch = Gather::new(validation.unwrap_or(data), &held_out, true);
    let mut work = Work {
        before: state.counters.seconds(),
        began: Instant::now(),
        per_epoch: streams[0].sampling.per_epoch(),
        own: objective.is_own(),
        executor,
        objective,
        optimizer,
        streams,
        watch,
        data,
        recipe,
        state,
        held_out,
        watched,
        dropout,
        write,
        unsaved: None,
        stand_in: None,
    };
    let ending = match work.state.counters.ending.clone() {
        Some(ending) => ending,
        None => {
            let ending = work.run(&mut watchers)?;
            work.save(
                &watchers,
                (!matches!(ending, Ending::Interrupted { .. })).then(|| ending.clone()),
            );
            ending
        }
    };
    let history = work.history_so_far();
    let Work {
        executor,
        state,
        per_epoch,
        unsaved,
        ..
    } = work;
    let (parameters, buffers) = state.result(watched);
    executor.restore(parameters, buffers);
    let outcome = Outcome {
        state,
        ending,
        unsaved,
        history,
    };
    Ok((outcome, per_epoch))
}

/// What watchers may want at a step.
enum Wish {
    Stop(String),
    Save,
}

/// Parameters that stand in for the trained ones.
fn stand_in(watchers: &[Box<dyn Watcher + '_>]) -> Option<Vec<f32>> {
    watchers
        .iter()
        .find_map(|watcher| watcher.stand_in())
        .map(<[f32]>::to_vec)
}

/// What a look at a part of the data gives.
struct Watched {
    loss: f64,
    accuracy: f64,
    outputs_finite: bool,
}

/// One stream of data.
struct Stream<'a> {
    gather: Gather<'a>,
    sampling: Sampling,
    /// Of the batch under way.
    rows: Vec<u32>,
}

/// A training under way.
pub(super) struct Work<'a> {
    pub(super) executor: &'a mut dyn Executor,
    objective: &'a mut dyn Objective,
    optimizer: Optimizer,
    streams: Vec<Stream<'a>>,
    watch: Gather<'a>,
    data: &'a Dataset,
    recipe: &'a Recipe,
    pub(super) state: State,
    held_out: Vec<u32>,
    watched: bool,
    dropout: Rng,
    pub(super) per_epoch: usize,
    /// Whether the objective is of the user's own.
    own: bool,
    write: Option<Write<'a>>,
    unsaved: Option<Error>,
    before: f64,
    began: Instant,
    /// Parameters that stand in for the trained ones.
    stand_in: Option<Vec<f32>>,
}

impl Work<'_> {
    /// Updates of the whole training.
    pub(super) fn total(&self) -> u64 {
        self.recipe.length.steps(self.per_epoch) as u64
    }

    pub(super) fn set_frozen(&mut self, layer: &str, frozen: bool) -> Result<()> {
        self.executor.set_frozen(layer, frozen)?;
        self.optimizer.plan(self.executor.tensors())
    }

    fn run(&mut self, watchers: &mut [Box<dyn Watcher + '_>]) -> Result<Ending> {
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
            let rate = recipe.rate_at(done as usize, self.per_epoch) * self.state.counters.rate_factor();
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
            let update = Update { rate, number: step };
            self.executor.update(&self.optimizer, update)?;
            self.update_learned(rate);
            let check = step.is_multiple_of(check_every) || step == total;
            let mut wish = self.tell(watchers, live, (rate, loss), false)?;
            if check {
                self.stand_in = stand_in(watchers);
                if let Some(ending) = self.check(rate)? {
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
                Flow::Rate(factor) => self.state.counters.set_rate_factor(factor),
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
            stream.gather.augment(
                &stream.rows,
                epoch,
                self.recipe.seed,
                &self.recipe.augmentations,
                own,
            );
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

    /// Looks at the held-out part, writes a row, keeps the network if it is the best; says if this ends it.
    /// Parameters can be finite and too large to compute with: when they look so and nothing is held out, the last
    /// batch is passed through once more.
    fn check(&mut self, rate: f64) -> Result<Option<Ending>> {
        let step = self.state.counters.step;
        let finite = |values: &[f32]| values.iter().all(|x| x.is_finite());
        // A ReLU can hide a NaN from the loss: look at the numbers themselves.
        let broken = !finite(self.executor.parameters()) || !finite(self.executor.buffers());
        let large = self.executor.parameters().iter().any(|p| p.abs() > SUSPECT);
        let trained = self
            .stand_in
            .as_ref()
            .map(|_| self.executor.parameters().to_vec());
        let buffers = self.executor.buffers().to_vec();
        if let Some(average) = &self.stand_in {
            self.executor.restore(average, &buffers);
        }
        let Watched {
            loss: held_out_loss,
            accuracy: held_out_accuracy,
            outputs_finite,
        } = self.watch(large)?;
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
        let ending = self.judge(step, rate, held_out_loss, (broken, outputs_finite))?;
        if let Some(trained) = trained {
            self.executor.restore(&trained, &buffers);
        }
        Ok(ending)
    }

    /// What the check of step `step` means: keeps the numbers if they are the best so far.
    fn judge(
        &mut self,
        step: u64,
        rate: f64,
        held_out_loss: f64,
        (broken, outputs_finite): (bool, bool),
    ) -> Result<Option<Ending>> {
        let watched = self.watched;
        if broken || !outputs_finite || (watched && !held_out_loss.is_finite()) {
            // Numbers that are fine leave only the loss to blame.
            let fine = !broken && outputs_finite;
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
        kept.parameters.copy_from_slice(self.executor.parameters());
        kept.buffers.copy_from_slice(self.executor.buffers());
        Ok(None)
    }

    /// Mean loss and accuracy on the held-out part; NaN without one, when the outputs for the last batch are looked at,
    /// if asked for.
    fn watch(&mut self, last_batch: bool) -> Result<Watched> {
        let (mut sum, mut correct, mut outputs_finite) = (0.0, Some(0), true);
        if !self.watched {
            if last_batch {
                let Stream { gather, rows, .. } = &mut self.streams[0];
                gather.copy(rows, self.executor.input(rows.len()));
                self.executor.forward(How::evaluate())?;
                outputs_finite = finite_outputs(self.executor);
            }
            return Ok(Watched {
                loss: f64::NAN,
                accuracy: f64::NAN,
                outputs_finite,
            });
        }
        let classifies = self.objective.classifies();
        for rows in self.held_out.chunks(WATCH_ROWS) {
            self.watch.copy(rows, self.executor.input(rows.len()));
            self.executor.forward(How::evaluate())?;
            let parts = [part(0..rows.len(), rows, &self.watch)];
            let step = self.state.counters.step;
            let loss = look(self.executor, &parts, step, |seen, slopes| {
                correct = correct
                    .zip(classifies.and_then(|tap| count_correct(seen, tap)))
                    .map(|(sum, right)| sum + right);
                self.objective.judge(seen, slopes)
            })?;
            outputs_finite &= finite_outputs(self.executor);
            sum += loss * rows.len() as f64;
        }
        let n = self.held_out.len() as f64;
        Ok(Watched {
            loss: sum / n,
            accuracy: correct.map_or(f64::NAN, |correct| correct as f64 / n),
            outputs_finite,
        })
    }

    /// The loss of the batch that `updates` updates led to broke.
    fn diverged(&mut self, step: u64, updates: u64, rate: f64, loss_finite: bool) -> Result<Ending> {
        let outputs_finite = finite_outputs(self.executor);
        let cause = self.cause(updates, rate, loss_finite, outputs_finite);
        Ok(Ending::Diverged { step, cause })
    }

    fn cause(&self, updates: u64, rate: f64, loss_finite: bool, logits_finite: bool) -> Cause {
        let symptoms = Symptoms {
            before_any_update: updates == 0,
            logits_finite,
            loss_finite,
            own_loss: self.own,
            rate,
            features: self.data.features(),
        };
        symptoms.cause()
    }

    /// Brings the state up to date with the model and writes a checkpoint, where one is asked for. A full disk costs the
    /// file, not what has been learnt: the training goes on and says so at its end.
    fn save(&mut self, watchers: &[Box<dyn Watcher + '_>], ending: Option<Ending>) {
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
        self.state.watchers = watchers.iter().map(|watcher| watcher.state()).collect();
        self.state.stand_in = stand_in(watchers).unwrap_or_default();
        let seconds = self.seconds();
        self.state.counters.set_seconds(seconds);
        self.state.counters.set_dropout(self.dropout.get_word_pos());
        self.state.counters.ending = ending;
        if let Some(write) = self.write {
            self.unsaved = write(&self.state).err();
        }
    }

    fn history_so_far(&self) -> History {
        let mut history = self.state.history.clone();
        let counters = &self.state.counters;
        if counters.rows > 0 {
            let last = (counters.step as usize).saturating_sub(1);
            history.records.push(Record {
                step: counters.step,
                epoch: counters.step as f64 / self.per_epoch as f64,
                rate: self.recipe.rate_at(last, self.per_epoch) * counters.rate_factor(),
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

fn part<'s>(range: std::ops::Range<usize>, rows: &'s [u32], gather: &'s Gather<'_>) -> Part<'s> {
    Part {
        range,
        rows,
        targets: gather.targets(),
        weights: gather.weights(),
    }
}

/// Lets an objective look at the outputs of the last forward pass; its slopes are left at the taps.
fn look(
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

fn finite_outputs(executor: &mut dyn Executor) -> bool {
    let (outputs, _) = executor.taps();
    outputs.iter().all(|output| output.iter().all(|x| x.is_finite()))
}

/// How many examples of the first stream have their largest output at their label; none when labels are no outputs.
fn count_correct(seen: &Seen<'_>, tap: usize) -> Option<usize> {
    let (classes, outputs) = (seen.widths[tap], seen.output(tap, 0));
    let crate::data::Targets::Classes(labels) = seen.streams[0].targets else {
        return None;
    };
    if labels.iter().any(|&label| label as usize >= classes) {
        return None;
    }
    let right = |(row, &label): (&[f32], &u32)| crate::evaluate::largest(row) == label as usize;
    Some(
        outputs
            .chunks_exact(classes.max(1))
            .zip(labels)
            .filter(|&(row, label)| right((row, label)))
            .count(),
    )
}
