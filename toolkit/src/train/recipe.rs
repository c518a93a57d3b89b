//! [`Recipe`]: how a network is trained, as data.

mod checks;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value as Json;

use super::watch::Watcher;
use super::watchers::{Average, Checkpoints, EqualAverage, Plateau, PlateauWatcher};
use super::{RateSchedule, Sampler};
use crate::canonical;
use crate::data::{Augmentation, Dataset};
use crate::loss::Loss;
use crate::optim::{Group, Optimizer, Rule, Settings, UpdateRule};
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

/// How a network is trained. Everything in it but where checkpoints go decides the result; the same
/// recipe, network and data give the same bits.
///
/// The defaults: Adam at 0.001, which learns without tuning on features of any usual scale; 100 epochs of
/// batches of 32; no penalty; no early stopping; seed 0. Written down, a recipe has the fields that differ from these.
#[doc(alias = "optimizer")]
#[doc(alias = "hyperparameters")]
#[doc(alias = "TrainingArguments")]
#[doc(alias = "callbacks")]
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
    /// Weight of the penalty sum |p| over the weights. Biases, and the scales and shifts of norms, have none.
    pub l1: f64,
    /// Whether L1 is a step of its own behind the rule's, which makes weights exactly 0.
    pub proximal: bool,
    /// Weight of the penalty (sum p^2) / 2 over the weights. Biases, and the scales and shifts of norms, have none.
    pub l2: f64,
    /// Decoupled decay of the weights: what AdamW adds to Adam.
    pub decay: f64,
    /// The largest norm of the weights that meet in one unit.
    pub max_norm: Option<f64>,
    /// Tensors that are treated in another way.
    pub groups: Vec<Group>,
    /// The largest norm of the gradient.
    pub clip_norm: Option<f64>,
    /// The largest size of a number of the gradient.
    pub clip_value: Option<f64>,
    /// A lower rate when nothing gets better.
    pub plateau: Option<Plateau>,
    /// What stays of the parameters' exponential average at each update; none: the last parameters are given.
    pub average: Option<f64>,
    /// The share of the training behind which each epoch's parameters enter an equal average, which is given instead of
    /// the last ones.
    pub swa: Option<f64>,
    /// Which rows make a batch.
    pub sampler: Sampler,
    /// Changes of the examples, made anew each time they are shown.
    pub augmentations: Vec<Augmentation>,
    /// What is made small, when the call brings no loss of its own. Data with values have no softmax: they are learned by
    /// [`Loss::MeanSquaredError`] where this is [`Loss::SoftmaxCrossEntropy`], the default.
    pub loss: Loss,
    /// Decides the initial weights, the batch order, dropout and the held-out part.
    pub seed: u64,
    /// The share of the examples held out to watch, above 0 and up to 0.5; none: train on all of them, to the end.
    pub early_stopping: Option<f64>,
    /// The digest of the examples watched instead of a share. The examples themselves are not written down.
    pub validation: Option<String>,
    #[serde(skip)]
    pub(super) validation_data: Option<Validation>,
    /// Checks without a better held-out loss before stopping; 10 when not given.
    pub patience: Option<usize>,
    /// By how much a held-out loss is lower where it counts as better; 0 when not given.
    pub min_gain: Option<f64>,
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
    pub(super) error: Option<Error>,
}

/// Examples to watch. Two are the same when their digests, which the recipe has beside them, are.
#[derive(Clone, Debug)]
pub(super) struct Validation(pub Arc<Dataset>);

impl PartialEq for Validation {
    fn eq(&self, other: &Self) -> bool {
        self.0.digest() == other.0.digest()
    }
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
            proximal: false,
            l2: 0.0,
            decay: 0.0,
            max_norm: None,
            groups: Vec::new(),
            clip_norm: None,
            clip_value: None,
            plateau: None,
            average: None,
            swa: None,
            sampler: Sampler::Shuffled,
            augmentations: Vec::new(),
            loss: Loss::default(),
            seed: 0,
            early_stopping: None,
            validation: None,
            validation_data: None,
            patience: None,
            min_gain: None,
            check_every: None,
            checkpoint: None,
            resume: None,
            error: None,
        }
    }
}

impl Recipe {
    /// Whether what is given are other parameters than those whose statistics batch norm has.
    pub(super) fn recounts(&self) -> bool {
        self.swa.is_some() || self.rule.averages()
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

    /// The examples that it watches, where they are of their own.
    pub(crate) fn validation_examples(&self) -> Option<&Dataset> {
        self.validation_data.as_ref().map(|validation| &*validation.0)
    }

    /// The same without anything to watch, files, a schedule or averages: for a short training that tries something.
    pub(crate) fn unwatched(&self) -> Recipe {
        Recipe {
            schedule: RateSchedule::Constant,
            plateau: None,
            average: None,
            swa: None,
            early_stopping: None,
            validation: None,
            validation_data: None,
            patience: None,
            check_every: None,
            checkpoint: None,
            resume: None,
            ..self.clone()
        }
    }

    /// Whether following it touches files.
    pub(crate) fn uses_files(&self) -> bool {
        self.checkpoint.is_some() || self.resume.is_some()
    }

    /// The recipe for these data to learn from: its examples to watch are brought into their order of names, and values
    /// are learned by the one standard loss that they have, where the other one was left as it is.
    pub(crate) fn matched_to(mut self, data: &Dataset) -> Result<Self> {
        if data.values().is_some() && self.loss == Loss::default() {
            self.loss = Loss::MeanSquaredError;
        }
        if let Some(Validation(validation)) = &self.validation_data {
            self.validation_data = Some(Validation(Arc::new(validation.matched_to(&data.names())?)));
        }
        Ok(self)
    }

    /// The rate from now on, in a loop of one's own.
    pub(super) fn set_rate(&mut self, rate: f64) -> Result<()> {
        if !(rate >= 0.0 && rate.is_finite()) {
            return Err(Error::spec(format!("expected a rate of 0 or more, found {rate}")).at("set_rate"));
        }
        self.rule = self.rule.at_rate(rate);
        Ok(())
    }

    /// Whether held-out examples are watched.
    pub(super) fn is_watched(&self) -> bool {
        self.early_stopping.is_some() || self.validation.is_some()
    }

    /// The optimizer that it describes, with another rule where one is given.
    pub(super) fn optimizer(&self, own: Option<Arc<dyn UpdateRule>>) -> Optimizer {
        let base = Settings {
            decay: self.decay,
            l1: self.l1,
            proximal: self.proximal,
            l2: self.l2,
            max_norm: self.max_norm,
            ..Settings::default()
        };
        let rule = own.unwrap_or_else(|| Arc::new(self.rule));
        Optimizer::with(rule, base, self.groups.clone(), (self.clip_norm, self.clip_value))
    }

    /// The watchers that it describes.
    pub(super) fn watchers<'w>(&self) -> Vec<Box<dyn Watcher + 'w>> {
        let mut watchers: Vec<Box<dyn Watcher + 'w>> = Vec::new();
        if let Some(plateau) = self.plateau {
            watchers.push(Box::new(PlateauWatcher(plateau)));
        }
        if let Some(decay) = self.average {
            watchers.push(Box::new(Average::new(decay)));
        }
        if let Some(share) = self.swa {
            watchers.push(Box::new(EqualAverage::new(share)));
        }
        if let Some((_, every)) = self.checkpoint {
            watchers.push(Box::new(Checkpoints { every: every as u64 }));
        }
        watchers
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
        if self.schedule != RateSchedule::Constant {
            write!(f, " {}", self.schedule)?;
        }
        if let Some(plateau) = self.plateau {
            write!(f, ", {plateau}")?;
        }
        let l1 = if self.proximal { "proximal L1" } else { "L1" };
        for (name, weight) in [(l1, self.l1), ("L2", self.l2), ("decay", self.decay)] {
            if weight != 0.0 {
                write!(f, ", {name} {weight}")?;
            }
        }
        for (name, most) in [
            ("max norm", self.max_norm),
            ("gradient's norm up to", self.clip_norm),
            ("gradient up to", self.clip_value),
            ("averaged by", self.average),
            ("averaged from", self.swa),
        ] {
            if let Some(most) = most {
                write!(f, ", {name} {most}")?;
            }
        }
        for group in &self.groups {
            write!(f, ", {group}")?;
        }
        if self.sampler != Sampler::Shuffled {
            write!(f, ", {}", self.sampler)?;
        }
        for augmentation in &self.augmentations {
            write!(f, ", {augmentation}")?;
        }
        write!(f, ", {:?}", self.loss)?;
        let watched = match (self.validation.is_some(), self.early_stopping) {
            (true, _) => Some("on examples of their own".to_owned()),
            (false, share) => share.map(|share| format!("hold out {share}")),
        };
        if let Some(watched) = watched {
            let patience = self.patience.unwrap_or(super::PATIENCE);
            write!(f, ", early stopping ({watched}, patience {patience}")?;
            if let Some(gain) = self.min_gain {
                write!(f, ", least gain {gain}")?;
            }
            f.write_str(")")?;
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
