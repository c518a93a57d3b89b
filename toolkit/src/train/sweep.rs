//! Trainings on a GPU, many at once: what of a training the card needs as plain numbers, and the [`Run`] from what comes
//! back. The numbers are those of the CPU, bit for bit (`cuda/src/sweep`).

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use jook_cuda::sweep::{self, Activation as On, Dense, Done, Layer as Own, Pace, Shape, Watch};
use rand::RngCore;

use super::batches::{Batches, Sampling};
use super::ending::Symptoms;
use super::engine::{self, Outcome};
use super::file::Label;
use super::gather::Gather;
use super::holdout::{Parts, parts};
use super::run::{Numbers, Run};
use super::state::State;
use super::{Ending, PATIENCE, Recipe, Record, Sampler};
use crate::Error;
use crate::data::{Dataset, Targets};
use crate::loss::{Loss, Objective};
use crate::net::{Activation, LayerKind, NetSpec, Network};
use crate::optim::Rule;
use crate::seed::{Rng, stream};

/// A training that a card can do.
pub(crate) struct Planned {
    /// What it must have in common with others of one launch.
    pub shape: Shape,
    pub job: sweep::Job,
    network: Network,
    recipe: Recipe,
    data: Dataset,
    per_epoch: usize,
    /// Layers with dropout: as many words are drawn at a step.
    drops: usize,
}

/// Why a training is not one for a card.
pub(crate) enum Refused {
    /// It is a training for the CPU: in words, why.
    Cpu(String),
    /// It is none.
    Wrong(Error),
}

impl From<Error> for Refused {
    fn from(error: Error) -> Self {
        Self::Wrong(error)
    }
}

fn cpu<T>(why: impl Into<String>) -> std::result::Result<T, Refused> {
    Err(Refused::Cpu(why.into()))
}

/// What trainings share: examples, and what is drawn by the same seed.
#[derive(Default)]
pub(crate) struct Shared {
    data: HashMap<String, Arc<sweep::Data>>,
    draws: HashMap<String, Arc<dyn sweep::Batches>>,
    held: HashMap<(String, u64, u64), Arc<Vec<u32>>>,
}

impl Shared {
    fn data(&mut self, data: &Dataset) -> Arc<sweep::Data> {
        let made = || {
            let (mut labels, mut targets) = (Vec::new(), Vec::new());
            match data.targets() {
                Targets::None => {}
                Targets::Classes(classes) => labels = classes.to_vec(),
                Targets::Shares { shares: values, .. } | Targets::Values(values) => targets = values.to_vec(),
            }
            Arc::new(sweep::Data {
                features: data.features().to_vec(),
                labels,
                targets,
            })
        };
        Arc::clone(self.data.entry(data.digest()).or_insert_with(made))
    }
}

/// What a training of `network` on `data` by `recipe` is for a card.
pub(crate) fn plan(
    network: Network,
    data: &Dataset,
    recipe: Recipe,
    shared: &mut Shared,
) -> std::result::Result<Planned, Refused> {
    let recipe = recipe.matched_to(data)?;
    recipe.validate()?;
    engine::check_shape(data, network.spec())?;
    engine::check_width(data, network.inputs())?;
    let outputs = network.outputs();
    Objective::check(&mut recipe.loss.clone(), &[data], &[outputs])?;
    only_what_it_knows(&recipe)?;
    let (layers, own) = layers(network.spec())?;
    let drops = own.iter().filter(|layer| layer.dropout.is_some()).count();
    let validation = recipe.validation_examples().cloned();
    if let Some(validation) = &validation {
        engine::check_shape(validation, network.spec())?;
        engine::check_width(validation, network.inputs())?;
        Objective::check(&mut recipe.loss.clone(), &[validation], &[outputs])?;
    }
    let Parts { training, held_out } = match &validation {
        Some(validation) => Parts {
            training: (0..data.len() as u32).collect(),
            held_out: (0..validation.len() as u32).collect(),
        },
        None => parts(data, recipe.early_stopping, recipe.seed)?,
    };
    let own_weights = recipe.sampler != Sampler::Weighted;
    let weights = Gather::new(data, &training, own_weights).all_weights();
    let sampling = Sampling::new(recipe.sampler, data, training, recipe.batch, recipe.seed, 0)?;
    let (per_epoch, batch) = (sampling.per_epoch(), sampling.most());
    let Ok(total) = u32::try_from(recipe.length.steps(per_epoch)) else {
        return cpu("more updates than are counted there");
    };
    let watch = (!held_out.is_empty()).then(|| {
        let watched = validation.as_ref().unwrap_or(data);
        let all = Gather::new(watched, &held_out, true).all_weights();
        Watch {
            weights: all.map(|all| held_out.iter().map(|&row| all[row as usize]).collect()),
            data: shared.data(watched),
            rows: {
                let share = recipe.early_stopping.unwrap_or(0.0).to_bits();
                let key = (watched.digest(), share, recipe.seed);
                Arc::clone(shared.held.entry(key).or_insert_with(|| Arc::new(held_out)))
            },
            patience: recipe.patience.unwrap_or(PATIENCE) as u32,
        }
    });
    let shape = Shape {
        inputs: network.inputs(),
        layers,
        batch,
        penalized: recipe.l1 != 0.0 || recipe.l2 != 0.0 || recipe.decay != 0.0,
        rule: match recipe.rule {
            Rule::Sgd { .. } => sweep::Rule::Sgd,
            Rule::Momentum { .. } => sweep::Rule::Momentum,
            Rule::Nesterov { .. } => sweep::Rule::Nesterov,
            Rule::Adam { .. } => sweep::Rule::Adam,
            other => return cpu(format!("the rule {other}")),
        },
    };
    let loss = match (&recipe.loss, data.targets()) {
        (Loss::SoftmaxCrossEntropy, Targets::Shares { .. }) => sweep::Loss::Shares,
        (Loss::SoftmaxCrossEntropy, _) => sweep::Loss::Classes,
        (Loss::MeanSquaredError, Targets::Classes(_)) => sweep::Loss::ValuesOfClasses,
        (Loss::MeanSquaredError, _) => sweep::Loss::Values,
        (other, _) => return cpu(other.words()),
    };
    // Everything that decides what is drawn.
    let draws = format!(
        "{} {} {:?} {:?} {} {drops}",
        data.digest(),
        recipe.seed,
        recipe.sampler,
        recipe.early_stopping,
        recipe.batch
    );
    let (seed, pacer) = (recipe.seed, recipe.clone());
    let examples = shared.data(data);
    let batches = shared.draws.entry(draws).or_insert_with(|| {
        Arc::new(Draws {
            sampling: Mutex::new(sampling),
            dropout: Mutex::new(stream(seed, "dropout")),
            drops,
        })
    });
    let job = sweep::Job {
        parameters: network.parameters().to_vec(),
        buffers: network.buffers().to_vec(),
        layers: own,
        constants: recipe.rule.constants(),
        l1: recipe.l1 as f32,
        l2: recipe.l2 as f32,
        max_norm: recipe.max_norm,
        loss,
        total,
        check_every: recipe.check_every.unwrap_or(per_epoch).min(u32::MAX as usize) as u32,
        data: examples,
        weights: weights.map(Arc::new),
        watch,
        batches: Arc::clone(batches),
        pace: Arc::new(move |step| pace(&pacer, step, per_epoch)),
    };
    Ok(Planned {
        shape,
        job,
        network,
        recipe,
        data: data.clone(),
        per_epoch,
        drops,
    })
}

/// Refuses what a recipe may say and the kernel does not do.
fn only_what_it_knows(recipe: &Recipe) -> std::result::Result<(), Refused> {
    let beyond = [
        (
            !recipe.groups.is_empty(),
            "tensors that are treated in another way",
        ),
        (
            recipe.clip_norm.is_some() || recipe.clip_value.is_some(),
            "clipped gradients",
        ),
        (recipe.cycles_momentum(), "a momentum that the schedule changes"),
        (recipe.proximal, "an L1 penalty by proximal steps"),
        (recipe.min_gain.is_some(), "a least gain of early stopping"),
        (recipe.plateau.is_some(), "a rate that follows the held-out loss"),
        (
            recipe.average.is_some() || recipe.swa.is_some(),
            "averaged parameters",
        ),
        (!recipe.augmentations.is_empty(), "augmentations"),
        (recipe.uses_files(), "checkpoints"),
    ];
    match beyond.into_iter().find(|(there, _)| *there) {
        Some((_, what)) => cpu(what),
        None => Ok(()),
    }
}

/// The layers of a perceptron: dense, a batch norm, an activation and dropout behind each but the last, where they are.
fn layers(spec: &NetSpec) -> std::result::Result<(Vec<Dense>, Vec<Own>), Refused> {
    // How far the newest dense layer is followed: by nothing, a norm, an activation, dropout.
    let (mut dense, mut own, mut behind): (Vec<Dense>, Vec<Own>, u8) = (Vec::new(), Vec::new(), 0);
    let mut before = "input";
    for layer in &spec.layers {
        if !(layer.from.is_empty() || layer.from == [before]) {
            return cpu("layers that are no chain");
        }
        before = &layer.name;
        let newest = dense.last_mut().zip(own.last_mut());
        match (&layer.kind, newest) {
            (LayerKind::Flatten, None) => {}
            (&LayerKind::Dense { units, bias, .. }, _) => {
                dense.push(Dense {
                    columns: units,
                    pieces: 1,
                    bias,
                    norm: false,
                });
                own.push(Own {
                    frozen: layer.frozen,
                    ..Own::default()
                });
                behind = 0;
            }
            (&LayerKind::BatchNorm { momentum, epsilon }, Some((dense, own))) if behind == 0 => {
                dense.norm = true;
                (own.momentum, own.epsilon, own.norm_frozen) = (momentum, epsilon, layer.frozen);
                behind = 1;
            }
            (&LayerKind::Activation(activation), Some((dense, own))) if behind < 2 => {
                own.activation = match activation {
                    Activation::Identity | Activation::Maxout(1) => On::Identity,
                    Activation::Relu => On::Relu,
                    Activation::LeakyRelu(slope) => On::LeakyRelu(slope),
                    Activation::Tanh => On::Tanh,
                    Activation::Sigmoid => On::Sigmoid,
                    Activation::Gelu => On::Gelu,
                    Activation::Maxout(pieces) => {
                        dense.pieces = pieces;
                        On::Maxout
                    }
                    other => return cpu(format!("the activation {other}")),
                };
                behind = 2;
            }
            (&LayerKind::Dropout(p), Some((_, own))) if behind < 3 => {
                own.dropout = Some(p);
                behind = 3;
            }
            (kind, _) => return cpu(format!("a layer of another kind, {kind}, or in another place")),
        }
    }
    match behind {
        0 | 1 if !dense.is_empty() => Ok((dense, own)),
        _ => cpu("a last layer that is not dense"),
    }
}

/// What an update takes from its step.
fn pace(recipe: &Recipe, step: u32, per_epoch: usize) -> Pace {
    let rate = recipe.rate_at(step as usize, per_epoch);
    let (scale, spread) = recipe.rule.corrections(rate, u64::from(step) + 1);
    let keep = match recipe.decay as f32 {
        0.0 => 1.0,
        decay => Rule::kept(rate, decay),
    };
    Pace {
        rate: rate as f32,
        scale,
        spread,
        keep,
    }
}

/// What a training draws.
struct Draws {
    sampling: Mutex<Sampling>,
    dropout: Mutex<Rng>,
    drops: usize,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

impl sweep::Batches for Draws {
    fn rows(&self, step: u32, rows: &mut Vec<u32>) {
        let mut own = Vec::new();
        locked(&self.sampling).rows(u64::from(step), &mut own);
        rows.extend(own);
    }

    fn keys(&self, step: u32) -> Vec<[u32; 2]> {
        let mut rng = locked(&self.dropout);
        rng.set_word_pos(words(u64::from(step), self.drops));
        let word = |_| {
            let key = rng.next_u64();
            [key as u32, (key >> 32) as u32]
        };
        (0..self.drops).map(word).collect()
    }
}

/// Words of the dropout stream that so many steps take.
fn words(steps: u64, drops: usize) -> u128 {
    u128::from(steps) * 2 * drops as u128
}

impl Planned {
    /// The run that came of it.
    pub fn finish(self, done: Done, device: &str, seconds: f64) -> Run {
        let spec = self.network.spec().clone();
        let recipe = self.recipe.clone();
        let mut label = Label::new(
            Some(spec.clone()),
            spec.to_string(),
            &recipe,
            self.data.digest(),
            self.data.names(),
            false,
            Vec::new(),
        );
        device.clone_into(&mut label.device);
        let outcome = self.outcome(done, seconds);
        let watched = recipe.is_watched();
        let (parameters, buffers) = outcome.state.result(watched);
        let mut network = self.network;
        network.parameters_mut().copy_from_slice(parameters);
        network.buffers_mut().copy_from_slice(buffers);
        let widths = (network.inputs(), network.outputs());
        let numbers = Numbers {
            epochs: outcome.state.counters.step as f64 / self.per_epoch as f64,
            tensors: network.tensors().to_vec(),
            recipe,
            label,
            outcome,
        };
        network.gives_log_probabilities = numbers.gives_log_probabilities();
        Run::new(network, numbers, widths, Network::outputs_at)
    }

    /// As the training loop leaves it behind.
    fn outcome(&self, done: Done, seconds: f64) -> Outcome {
        let mut state = State::start(done.parameters, done.buffers);
        state.moments = done.states;
        state.kept.step = u64::from(done.kept_at.0);
        state.kept.loss = done.kept_at.1;
        (state.kept.parameters, state.kept.buffers) = done.kept;
        let mut checks = done.checks.iter().peekable();
        let mut rows = Vec::new();
        let rate = |step: u32| self.recipe.rate_at(step as usize, self.per_epoch);
        let total = f64::from(self.job.total).max(1.0);
        for (step, &loss) in (0..done.steps).zip(&done.losses) {
            rows.clear();
            self.job.batches.rows(step, &mut rows);
            let counters = &mut state.counters;
            counters.step = u64::from(step) + 1;
            counters.rows += rows.len() as u64;
            counters.set_loss_sum(counters.loss_sum() + f64::from(loss) * rows.len() as f64);
            if let Some(check) = checks.next_if(|check| check.step == step + 1) {
                let watched = self.recipe.is_watched();
                let accuracy = match (self.data.targets(), &self.job.watch) {
                    (Targets::Classes(_), Some(watch)) => f64::from(check.correct) / watch.rows.len() as f64,
                    _ => f64::NAN,
                };
                let loss = state.take_mean_loss();
                state.history.records.push(Record {
                    step: u64::from(check.step),
                    epoch: f64::from(check.step) / self.per_epoch as f64,
                    rate: rate(step),
                    loss,
                    held_out_loss: if watched { check.loss } else { f64::NAN },
                    held_out_accuracy: accuracy,
                    seconds: seconds * f64::from(check.step) / total,
                });
            }
        }
        let steps = u64::from(done.steps);
        let diverged = |step: u64, last: u32, loss_finite: bool| {
            let symptoms = Symptoms {
                before_any_update: steps == 0,
                logits_finite: done.outputs_finite && loss_finite,
                loss_finite,
                own_loss: false,
                rate: rate(last),
                features: self.data.features(),
            };
            Ending::Diverged {
                step,
                cause: symptoms.cause(),
            }
        };
        let ending = match done.ending {
            sweep::Ending::Running => Ending::Interrupted { step: steps },
            sweep::Ending::Completed => Ending::Completed,
            sweep::Ending::StoppedEarly => Ending::EarlyStopped {
                step: steps,
                best_step: state.kept.step,
            },
            sweep::Ending::LossDiverged => diverged(steps + 1, done.steps, false),
            sweep::Ending::CheckDiverged => diverged(steps, done.steps.saturating_sub(1), true),
        };
        let counters = &mut state.counters;
        counters.stale = u64::from(done.stale);
        counters.set_seconds(seconds);
        let forward = steps + u64::from(done.ending == sweep::Ending::LossDiverged);
        counters.set_dropout(words(forward, self.drops));
        let interrupted = matches!(ending, Ending::Interrupted { .. });
        counters.ending = (!interrupted).then(|| ending.clone());
        let history = state.history_so_far(&self.recipe, self.per_epoch, seconds);
        Outcome {
            state,
            ending,
            unsaved: None,
            history,
        }
    }
}
