//! [`Recipe`]: how a network is trained, as data.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

use super::Rule;
use super::number::{Number, whole};
use super::rule::Penalty;
use crate::canonical;
use crate::loss::Loss;
use crate::show::{Bundle, Show};
use crate::{Error, Result};

/// A stretch of training: passes over the training part, or updates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Budget {
    /// Passes over the training part.
    Epochs(usize),
    /// Updates, one a batch.
    Steps(usize),
}

impl Budget {
    /// The same stretch in updates, `per_epoch` of them making a pass.
    pub fn steps(self, per_epoch: usize) -> usize {
        match self {
            Budget::Epochs(epochs) => epochs.saturating_mul(per_epoch),
            Budget::Steps(steps) => steps,
        }
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Budget::Epochs(1) => f.write_str("1 epoch"),
            Budget::Epochs(n) => write!(f, "{n} epochs"),
            Budget::Steps(1) => f.write_str("1 step"),
            Budget::Steps(n) => write!(f, "{n} steps"),
        }
    }
}

/// How the rate changes while training.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum RateSchedule {
    /// It does not.
    Constant,
    /// Multiplied by `factor` each time `every` has passed (PyTorch's `StepLR`).
    Stepped { factor: f64, every: Budget },
}

/// How a network is trained. Everything in it but where checkpoints go decides the result; the same
/// recipe, network and data give the same bits.
///
/// The defaults: Adam at 0.001, which learns without tuning on features of any usual scale; 100 epochs of
/// batches of 32; no penalty; no early stopping; seed 0. Written down, a recipe has the fields that differ from these.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
pub struct Recipe {
    /// How long to train at most.
    pub length: Budget,
    /// Examples an update; the last batch of an epoch holds what is left.
    pub batch: usize,
    /// How a gradient changes the parameters.
    pub rule: Rule,
    /// How the rate changes.
    pub schedule: RateSchedule,
    /// Weight of the penalty sum |p| over all trainable parameters, biases included.
    pub l1: f64,
    /// Weight of the penalty (sum p^2) / 2 over all trainable parameters, biases included: PyTorch's
    /// `weight_decay`.
    pub l2: f64,
    /// What is made small, when the call brings no loss of its own.
    pub loss: Loss,
    /// Decides the initial weights, the batch order, dropout and the held-out part.
    pub seed: u64,
    /// The share of the examples held out to watch, 0.1 to 0.3; none: train on all of them, to the end.
    pub early_stopping: Option<f64>,
    /// Checks without a better held-out loss before stopping; 10 when not given.
    pub patience: Option<usize>,
    /// Updates between checks, each a row of the history; an epoch when not given.
    pub check_every: Option<usize>,
    #[serde(skip)]
    pub(super) checkpoint: Option<(PathBuf, usize)>,
    #[serde(skip)]
    pub(super) resume: Option<PathBuf>,
    #[serde(
        skip_deserializing,
        skip_serializing_if = "Option::is_none",
        serialize_with = "refuse"
    )]
    error: Option<Error>,
}

/// A recipe with an error in it is not written down: reading it back would lose the error.
fn refuse<S: Serializer>(error: &Option<Error>, _: S) -> Result<S::Ok, S::Error> {
    let words = error.as_ref().map(Error::to_string).unwrap_or_default();
    Err(<S::Error as serde::ser::Error>::custom(words))
}

impl Serialize for Recipe {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let lost = <S::Error as serde::ser::Error>::custom;
        let default = Recipe::default().whole().map_err(lost)?;
        let whole = self.whole().map_err(lost)?;
        canonical::without_defaults(whole, &default).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Recipe {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Recipe::deserialize(deserializer)
    }
}

impl Default for Recipe {
    fn default() -> Self {
        Self {
            length: Budget::Epochs(100),
            batch: 32,
            rule: Rule::Adam {
                rate: 0.001,
                beta1: 0.9,
                beta2: 0.999,
                epsilon: 1e-8,
            },
            schedule: RateSchedule::Constant,
            l1: 0.0,
            l2: 0.0,
            loss: Loss::default(),
            seed: 0,
            early_stopping: None,
            patience: None,
            check_every: None,
            checkpoint: None,
            resume: None,
            error: None,
        }
    }
}

impl Recipe {
    /// The default recipe.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trains for this many passes over the training part (1 or more).
    pub fn epochs(self, epochs: impl Number) -> Self {
        self.set_whole("epochs", epochs, |r, n| r.length = Budget::Epochs(n))
    }

    /// Trains for this many updates (1 or more).
    pub fn steps(self, steps: impl Number) -> Self {
        self.set_whole("steps", steps, |r, n| r.length = Budget::Steps(n))
    }

    /// Examples an update (1 or more; more than there are means all of them).
    pub fn batch(self, batch: impl Number) -> Self {
        self.set_whole("batch", batch, |r, n| r.batch = n)
    }

    /// Stochastic gradient descent at this rate (above 0).
    pub fn sgd(self, rate: impl Number) -> Self {
        self.set("sgd", rate, |r, rate| r.rule = Rule::Sgd { rate })
    }

    /// SGD with momentum (0 to below 1): PyTorch's `SGD(lr, momentum)`.
    pub fn momentum(self, rate: impl Number, momentum: impl Number) -> Self {
        self.set2("momentum", rate, momentum, |r, rate, momentum| {
            r.rule = Rule::Momentum { rate, momentum };
        })
    }

    /// SGD with Nesterov's momentum: PyTorch's `SGD(lr, momentum, nesterov=True)`.
    pub fn nesterov(self, rate: impl Number, momentum: impl Number) -> Self {
        self.set2("nesterov", rate, momentum, |r, rate, momentum| {
            r.rule = Rule::Nesterov { rate, momentum };
        })
    }

    /// Adam at this rate, with the paper's other constants (0.9, 0.999, 1e-8).
    pub fn adam(self, rate: impl Number) -> Self {
        self.set("adam", rate, |r, rate| {
            r.rule = Rule::Adam {
                rate,
                beta1: 0.9,
                beta2: 0.999,
                epsilon: 1e-8,
            };
        })
    }

    /// Any update rule, with all its constants.
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rule = rule;
        self
    }

    /// Multiplies the rate by `factor` after every `epochs` epochs.
    pub fn stepped(self, factor: impl Number, epochs: impl Number) -> Self {
        self.set_stepped(factor, epochs, Budget::Epochs)
    }

    /// Multiplies the rate by `factor` after every `steps` updates.
    pub fn stepped_by_steps(self, factor: impl Number, steps: impl Number) -> Self {
        self.set_stepped(factor, steps, Budget::Steps)
    }

    /// Adds the penalty `weight` * sum |p| (0 or more) over all trainable parameters.
    pub fn l1(self, weight: impl Number) -> Self {
        self.set("l1", weight, |r, weight| r.l1 = weight)
    }

    /// Adds the penalty `weight` / 2 * sum p^2 (0 or more) over all trainable parameters.
    pub fn l2(self, weight: impl Number) -> Self {
        self.set("l2", weight, |r, weight| r.l2 = weight)
    }

    /// What is made small.
    pub fn loss(mut self, loss: Loss) -> Self {
        self.loss = loss;
        self
    }

    /// The seed of every random choice.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Holds out this share of the examples (0.1 to 0.3, the same of each class), stops when their loss
    /// has stopped falling, and returns the network as it was at its lowest.
    pub fn early_stopping(self, share: impl Number) -> Self {
        self.set("early_stopping", share, |r, share| r.early_stopping = Some(share))
    }

    /// Stops after this many checks without a better held-out loss (1 or more; needs `early_stopping`).
    pub fn patience(self, checks: impl Number) -> Self {
        self.set_whole("patience", checks, |r, n| r.patience = Some(n))
    }

    /// Checks, and adds a row to the history, every this many updates (1 or more).
    pub fn check_every(self, steps: impl Number) -> Self {
        self.set_whole("check_every", steps, |r, n| r.check_every = Some(n))
    }

    /// Writes a checkpoint to `path` every `steps` updates and at the end. The file is replaced in one
    /// move: a crash leaves the one before. Not part of what the recipe *is*: see [`Recipe::digest`].
    pub fn checkpoint(self, path: impl Into<PathBuf>, steps: impl Number) -> Self {
        let path = path.into();
        self.set_whole("checkpoint", steps, |r, n| r.checkpoint = Some((path, n)))
    }

    /// Goes on from the checkpoint at `path`, which must come from this recipe, network and data.
    pub fn resume(mut self, path: impl Into<PathBuf>) -> Self {
        self.resume = Some(path.into());
        self
    }

    /// Whether the recipe can be followed; training asks this first.
    ///
    /// # Errors
    /// The first setter that was given no number, or a value out of its range.
    pub fn validate(&self) -> Result<()> {
        if let Some(error) = &self.error {
            return Err(error.clone());
        }
        let wrong = |what: String| Err(Error::spec(what).at(format!("recipe: {self}")));
        let (Budget::Epochs(length) | Budget::Steps(length)) = self.length;
        if length == 0 || self.batch == 0 {
            return wrong("expected at least one epoch or step and a batch of at least 1, found 0".into());
        }
        self.rule.validate()?;
        if let RateSchedule::Stepped { factor, every } = self.schedule {
            let (Budget::Epochs(every) | Budget::Steps(every)) = every;
            if !(factor > 0.0 && factor.is_finite()) || every == 0 {
                return wrong(format!(
                    "expected a positive, finite factor every 1 or more, found {factor} every {every}"
                ));
            }
        }
        for (name, weight) in [("l1", self.l1), ("l2", self.l2)] {
            if !(weight >= 0.0 && (weight as f32).is_finite()) {
                return wrong(format!("expected {name} of 0 or more, found {weight}"));
            }
        }
        if let Some(share) = self.early_stopping
            && !(0.1..=0.3).contains(&share)
        {
            return Err(
                Error::spec(format!("expected a held-out share of 0.1 to 0.3, found {share}"))
                    .at("recipe, early_stopping")
                    .fix("0.2 is a good start: less judges badly, more leaves too little to learn from"),
            );
        }
        if self.patience == Some(0) || self.check_every == Some(0) {
            return wrong("expected a patience and check_every of at least 1, found 0".into());
        }
        if self.patience.is_some() && self.early_stopping.is_none() {
            return Err(Error::spec("patience was set, but nothing is held out to watch")
                .at("recipe, patience")
                .fix("add .early_stopping(0.2), or leave patience out"));
        }
        Ok(())
    }

    /// A name for what the recipe says (sha256, hex): equal recipes have equal digests, on every
    /// machine and in every version that reads the same recipe. Where checkpoints go is no part of it.
    pub fn digest(&self) -> String {
        canonical::digest(self)
    }

    /// All fields, those that are as by default too.
    pub(crate) fn whole(&self) -> serde_json::Result<Json> {
        Recipe::serialize(self, serde_json::value::Serializer)
    }

    /// The rate of update `step` (from 0), with `per_epoch` updates an epoch.
    pub fn rate_at(&self, step: usize, per_epoch: usize) -> f64 {
        match self.schedule {
            RateSchedule::Constant => self.rule.rate(),
            RateSchedule::Stepped { factor, every } => {
                let times = step / every.steps(per_epoch).max(1);
                self.rule.rate() * factor.powi(times.min(i32::MAX as usize) as i32)
            }
        }
    }

    /// Whether following it touches files.
    pub(crate) fn uses_files(&self) -> bool {
        self.checkpoint.is_some() || self.resume.is_some()
    }

    pub(super) fn penalty(&self) -> Penalty {
        Penalty {
            l1: self.l1 as f32,
            l2: self.l2 as f32,
        }
    }

    fn set(self, what: &str, value: impl Number, put: impl FnOnce(&mut Self, f64)) -> Self {
        self.set_result(value.number().map_err(|e| e.at(format!("recipe, {what}"))), put)
    }

    fn set2(self, what: &str, a: impl Number, b: impl Number, put: impl FnOnce(&mut Self, f64, f64)) -> Self {
        let both = a.number().and_then(|a| Ok((a, b.number()?)));
        let place = |e: Error| e.at(format!("recipe, {what}"));
        self.set_result(both.map_err(place), |r, (a, b)| put(r, a, b))
    }

    fn set_whole(self, what: &str, value: impl Number, put: impl FnOnce(&mut Self, usize)) -> Self {
        let place = format!("recipe, {what}");
        let value = value.number().map_err(|e| e.at(place.clone()));
        self.set_result(value.and_then(|value| whole(&place, value, 1)), put)
    }

    fn set_stepped(
        self,
        factor: impl Number,
        every: impl Number,
        unit: impl FnOnce(usize) -> Budget,
    ) -> Self {
        let both = factor
            .number()
            .and_then(|factor| Ok((factor, whole("recipe, stepped", every.number()?, 1)?)));
        self.set_result(both, |r, (factor, every)| {
            r.schedule = RateSchedule::Stepped {
                factor,
                every: unit(every),
            };
        })
    }

    /// Keeps the first error, so that a chain of setters reads straight and is judged once.
    fn set_result<V>(mut self, value: Result<V>, put: impl FnOnce(&mut Self, V)) -> Self {
        match value {
            Ok(value) => put(&mut self, value),
            Err(error) => {
                self.error.get_or_insert(error);
            }
        }
        self
    }
}

impl From<&Recipe> for Recipe {
    fn from(recipe: &Recipe) -> Self {
        recipe.clone()
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, batch {}, {}", self.length, self.batch, self.rule)?;
        if let RateSchedule::Stepped { factor, every } = self.schedule {
            write!(f, " times {factor} every {every}")?;
        }
        for (name, weight) in [("L1", self.l1), ("L2", self.l2)] {
            if weight != 0.0 {
                write!(f, ", {name} {weight}")?;
            }
        }
        write!(f, ", {:?}", self.loss)?;
        if let Some(share) = self.early_stopping {
            let patience = self.patience.unwrap_or(super::PATIENCE);
            write!(f, ", early stopping (hold out {share}, patience {patience})")?;
        }
        if let Some(steps) = self.check_every {
            write!(f, ", checked every {}", Budget::Steps(steps))?;
        }
        write!(f, ", seed {}", self.seed)
    }
}

impl Show for Recipe {
    fn bundle(&self) -> Bundle {
        match self.validate() {
            Ok(()) => Bundle::text(self.to_string()),
            Err(error) => Bundle::text(format!("{self}\n\u{26a0} {error}")),
        }
    }
}
