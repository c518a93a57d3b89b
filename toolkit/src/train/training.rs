//! [`Training`]: everything that can be said of a training beside its recipe.

use std::sync::Arc;

use super::engine::{self, Beside, Task};
use super::run::{Run, Subject, run_executor};
use super::watch::Watcher;
use super::{Recipe, Sampler};
use crate::data::Dataset;
use crate::loss::Objective;
use crate::net::Network;
use crate::net::cpu::CpuExecutor;
use crate::optim::UpdateRule;
use crate::{Error, Result};

/// A training of a network with more than a recipe can say: an objective, a rule or watchers of one's own, and more
/// streams of data. [`Network::training`] begins one.
///
/// ```
/// use jook::prelude::*;
/// use jook::loss::{Seen, objective};
/// let moons = datasets::two_moons(200, 0.1, 0)?;
/// let net = Mlp::new([2, 16, 2]).build(0)?;
/// // A little of the squared outputs of the hidden layer.
/// fn quiet(seen: &Seen<'_>, slopes: &mut [&mut [f32]]) -> jook::Result<f64> {
///     let (x, n) = (seen.outputs[0], seen.outputs[0].len() as f32);
///     slopes[0].iter_mut().zip(x).for_each(|(slope, x)| *slope = 2.0 * x / n);
///     Ok(x.iter().map(|x| f64::from(x * x)).sum::<f64>() / f64::from(n))
/// }
/// let run = net
///     .training()
///     .objective(Sum::of(1.0, Loss::SoftmaxCrossEntropy.at("logits")).plus(0.1, objective(["activation1"], quiet)))
///     .run(&moons, Recipe::new().epochs(5))?;
/// # let _ = run;
/// # Ok::<(), jook::Error>(())
/// ```
pub struct Training<'a> {
    network: Network,
    objective: Option<Box<dyn Objective + 'a>>,
    rule: Option<Arc<dyn UpdateRule>>,
    watchers: Vec<Box<dyn Watcher + 'a>>,
    beside: Vec<Beside>,
}

impl Network {
    /// Begins a training of a copy of the network, from its numbers as they are, about which more is to be said than a
    /// recipe can.
    pub fn training<'a>(&self) -> Training<'a> {
        Training::new(self.clone())
    }
}

impl<'a> Training<'a> {
    pub(super) fn new(network: Network) -> Self {
        Self {
            network,
            objective: None,
            rule: None,
            watchers: Vec::new(),
            beside: Vec::new(),
        }
    }

    /// Makes this small instead of the recipe's loss.
    pub fn objective(mut self, objective: impl Objective + 'a) -> Self {
        self.objective = Some(Box::new(objective));
        self
    }

    /// Updates by this rule instead of the recipe's, at the recipe's rate.
    pub fn rule(mut self, rule: impl UpdateRule + 'static) -> Self {
        self.rule = Some(Arc::new(rule));
        self
    }

    /// Lets a watcher look on; several are asked in the order in which they came.
    pub fn watch(mut self, watcher: impl Watcher + 'a) -> Self {
        self.watchers.push(Box::new(watcher));
        self
    }

    /// Shows as many examples of `data` at each step, beside those that are learned from: another domain, or examples
    /// without labels. All go through the network together, so that batch norm sees them as one batch. Features and
    /// classes that have names are matched by name; labels of other names alone (the domain's, say) stay as they are.
    pub fn beside(mut self, data: &Dataset) -> Self {
        self.beside.push(Beside {
            data: data.clone(),
            batch: None,
            sampler: Sampler::Shuffled,
        });
        self
    }

    /// As [`beside`](Self::beside), so many examples at each step, picked by `sampler`.
    pub fn beside_in(mut self, data: &Dataset, batch: usize, sampler: Sampler) -> Self {
        self.beside.push(Beside {
            data: data.clone(),
            batch: Some(batch),
            sampler,
        });
        self
    }

    /// Trains on `data` by `recipe`.
    ///
    /// # Errors
    /// When the recipe cannot be followed, the data do not fit the network or the objective, or a checkpoint to resume
    /// from does not fit.
    pub fn run(self, data: &Dataset, recipe: impl Into<Recipe>) -> Result<Run> {
        let recipe = recipe.into().matched_to(data)?;
        recipe.validate()?;
        let Self {
            network,
            objective,
            rule,
            watchers: own,
            mut beside,
        } = self;
        let names = data.names();
        for stream in &mut beside {
            if stream.batch == Some(0) {
                return Err(Error::spec("expected 1 example or more at each step, found 0")
                    .at(format!("data beside, {}", stream.data.name())));
            }
            stream.data = stream.data.matched_beside(&names)?;
        }
        for data in [data].into_iter().chain(beside.iter().map(|stream| &stream.data)) {
            engine::check_shape(data, network.spec())?;
            engine::check_width(data, network.inputs())?;
        }
        if let Some(validation) = &recipe.validation_data {
            engine::check_shape(&validation.0, network.spec())?;
        }
        let (spec, widths) = (network.spec().clone(), (network.inputs(), network.outputs()));
        let mut objective = objective.unwrap_or_else(|| Box::new(recipe.loss.clone()));
        if objective.taps().is_empty() {
            // Before anything is made for the training: a wrong width is the commonest mistake.
            let all: Vec<&Dataset> = std::iter::once(data)
                .chain(beside.iter().map(|stream| &stream.data))
                .collect();
            objective.check(&all, &[widths.1])?;
        }
        let mut besides: Vec<String> = own.iter().filter_map(|watcher| watcher.name()).collect();
        besides.extend(rule.is_some().then(|| "a rule of one's own".to_owned()));
        besides.extend(
            beside
                .iter()
                .map(|stream| format!("data {}", stream.data.digest())),
        );
        let rows = engine::most_rows(&recipe, data, &beside);
        let mut executor = CpuExecutor::new(network, rows, &objective.taps())?;
        let mut watchers = own;
        watchers.extend(recipe.watchers());
        let task = Task {
            data,
            beside: &beside,
            recipe: &recipe,
            objective: objective.as_mut(),
            optimizer: recipe.optimizer(rule),
            watchers,
        };
        let words = spec.to_string();
        let subject = Subject {
            spec: Some(&spec),
            model: &words,
            besides,
        };
        let numbers = run_executor(&mut executor, task, subject)?;
        let head = objective
            .classifies()
            .and_then(|tap| objective.taps().into_iter().nth(tap));
        let head = head.filter(|name| spec.layers.last().is_some_and(|last| last.name != *name));
        let mut network = executor.into_network();
        network.gives_log_probabilities = numbers.gives_log_probabilities();
        let run = Run::new(network, numbers, widths, Network::outputs_at);
        match head {
            Some(head) => run.with_head(head),
            None => Ok(run),
        }
    }
}
