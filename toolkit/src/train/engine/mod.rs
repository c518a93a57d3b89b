//! The training loop: rows, examples, forward, objective, backward, update, watchers. The same for every model and
//! objective, and the same bits on every run.

mod check;
mod recount;
mod steps;

pub(super) use steps::look;

use std::time::Instant;

use super::batches::{Batches, Sampling};
use super::gather::Gather;
use super::holdout::{Parts, parts};
use super::state::State;
use super::watch::Watcher;
use super::{Ending, History, Recipe, Sampler};
use crate::data::{Dataset, check_all};
use crate::loss::Objective;
use crate::net::NetSpec;
use crate::net::executor::Executor;
use crate::optim::Optimizer;
use crate::seed::{Rng, stream};
use crate::{Error, Result};

/// Batches in which the held-out part is looked at, in rows.
const WATCH_ROWS: usize = 256;

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
    let first = recipe.sampler.rows(recipe.batch, data.len());
    let others: usize = beside
        .iter()
        .map(|stream| {
            stream
                .sampler
                .rows(stream.batch.unwrap_or(first), stream.data.len())
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

/// Refuses data that a network of this spec cannot take.
pub(crate) fn check_fits(data: &Dataset, spec: &NetSpec) -> Result<()> {
    check_shape(data, spec)?;
    check_width(data, spec.input)
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

fn put_learned(objective: &mut dyn Objective, learned: &[Vec<f32>]) {
    for (own, numbers) in objective.learned().into_iter().zip(learned) {
        if own.numbers.len() == numbers.len() {
            own.numbers.copy_from_slice(numbers);
        }
    }
}

/// Refuses a part of the data of which no example counts.
fn check_weights(data: &Dataset, rows: &[u32], what: &str) -> Result<()> {
    match data.weights() {
        Some(weights) if rows.iter().all(|&row| weights[row as usize] == 0.0) => Err(Error::data(format!(
            "expected an example to {what} that counts, found weights of 0 alone"
        ))
        .at(format!("dataset {}", data.name()))
        .fix("leave the weights out with Dataset::without_weights, or take another part of the data")),
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
        check_all(&recipe.augmentations, data)?;
        for one in recipe.augmentations.iter().filter(|_| !crate::show::is_quiet()) {
            if let Some(why) = one.may_change_labels(data) {
                eprintln!("\u{26a0} {why}");
            }
        }
    }
    if objective.streams() > all.len() {
        return Err(Error::spec(format!(
            "the objective looks at {} streams of data, and the training has {}",
            objective.streams(),
            all.len()
        ))
        .at("the objective")
        .fix("add the others: net.training().objective(..).beside(&other).run(&data, recipe)"));
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
    check_weights(data, &training, "learn from")?;
    if watched {
        check_weights(validation.unwrap_or(data), &held_out, "watch")?;
    }
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
    let mut dropout = stream(recipe.seed, "dropout");
    dropout.set_word_pos(state.counters.dropout());
    executor.restore(&state.parameters, &state.buffers);
    put_learned(objective, &state.learned);
    for (layer, frozen) in &state.counters.frozen {
        executor.set_frozen(layer, *frozen)?;
    }
    optimizer.plan(executor.tensors())?;
    state.remind(&mut watchers)?;
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
    };
    let ending = match work.state.counters.ending.clone() {
        Some(ending) => ending,
        None => {
            let moments = std::mem::take(&mut work.state.moments);
            work.executor.restore_states(moments);
            let ending = work.run(&mut watchers)?;
            work.settle(&watchers, &ending)?;
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
        objective,
        state,
        per_epoch,
        unsaved,
        ..
    } = work;
    let (parameters, buffers) = state.result(watched);
    executor.restore(parameters, buffers);
    // What the objective has learned belongs to the numbers that are given.
    if state.best_is_kept(watched) {
        put_learned(objective, &state.kept.learned);
    }
    let outcome = Outcome {
        state,
        ending,
        unsaved,
        history,
    };
    Ok((outcome, per_epoch))
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
}
