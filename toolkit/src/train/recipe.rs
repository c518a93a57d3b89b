//! [`Recipe`]: how a network is trained, as data.

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
        self.schedule.validate(self.length)?;
        for (name, weight) in [("l1", self.l1), ("l2", self.l2), ("decay", self.decay)] {
            if !(weight >= 0.0 && (weight as f32).is_finite()) {
                return wrong(format!("expected {name} of 0 or more, found {weight}"));
            }
        }
        if let Some(share) = self.early_stopping
            && !(share > 0.0 && share <= 0.5)
        {
            return Err(Error::spec(format!(
                "expected a held-out share above 0 and up to 0.5, found {share}"
            ))
            .at("recipe, early_stopping")
            .fix("0.2 is a good start: less judges badly, more leaves too little to learn from"));
        }
        if self.early_stopping.is_some() && self.validation.is_some() {
            return Err(
                Error::spec("both a share and examples of their own are to be watched")
                    .at("recipe, validation")
                    .fix("keep .early_stopping(share) or .validation(&data)"),
            );
        }
        if self.validation.is_some() && self.validation_data.is_none() {
            return Err(
                Error::spec("the examples to watch are not written in a recipe, only their digest")
                    .at("recipe, validation")
                    .fix("give them again with .validation(&data)"),
            );
        }
        for (name, most) in [
            ("max_norm", self.max_norm),
            ("clip_norm", self.clip_norm),
            ("clip_value", self.clip_value),
        ] {
            if let Some(most) = most
                && !(most > 0.0 && (most as f32).is_finite())
            {
                return wrong(format!("expected {name} above 0, found {most}"));
            }
        }
        if let Some(decay) = self.average
            && !(0.0..1.0).contains(&decay)
        {
            return wrong(format!(
                "expected an average's decay of 0 to below 1, found {decay}"
            ));
        }
        if let Some(share) = self.swa
            && !(0.0..1.0).contains(&share)
        {
            return Err(Error::spec(format!(
                "expected an equal average from a share of 0 to below 1 of the training on, found {share}"
            ))
            .at("recipe, swa")
            .fix("0.75 averages the last quarter"));
        }
        if self.swa.is_some() && self.average.is_some() {
            return Err(
                Error::spec("both an exponential and an equal average are to be given")
                    .at("recipe, swa")
                    .fix("keep .average(decay) or .swa(share)"),
            );
        }
        if self.rule.averages() {
            self.check_average_of_rule()?;
        }
        self.groups.iter().try_for_each(Group::validate)?;
        self.augmentations.iter().try_for_each(Augmentation::validate)?;
        self.plateau.iter().try_for_each(Plateau::validate)?;
        self.loss.validate().map_err(|e| e.within("recipe"))?;
        if self.patience == Some(0) || self.check_every == Some(0) {
            return wrong("expected a patience and check_every of at least 1, found 0".into());
        }
        for (name, given) in [
            ("patience", self.patience.is_some()),
            ("min_gain", self.min_gain.is_some()),
        ] {
            if given && !self.is_watched() {
                return Err(
                    Error::spec(format!("{name} was set, but nothing is held out to watch"))
                        .at(format!("recipe, {name}"))
                        .fix(format!("add .early_stopping(0.2), or leave {name} out")),
                );
            }
        }
        if let Some(gain) = self.min_gain
            && !(gain >= 0.0 && gain.is_finite())
        {
            return Err(
                Error::spec(format!("expected a least gain of 0 or more, found {gain}"))
                    .at("recipe, min_gain")
                    .fix("it is a difference of losses: 0.001 is a small one"),
            );
        }
        Ok(())
    }

    /// What a rule with an average of its own does not go with.
    fn check_average_of_rule(&self) -> Result<()> {
        let beside = [
            (self.average.is_some() || self.swa.is_some(), "another average"),
            (self.max_norm.is_some(), "a largest norm"),
            (self.proximal, "proximal L1"),
        ];
        match beside.iter().find(|(there, _)| *there) {
            Some((_, what)) => Err(Error::spec(format!(
                "{} gives an average of its own, and {what} would act on other parameters than those",
                self.rule
            ))
            .at("recipe, update rule")
            .fix("leave it out, or take another rule: .adam(0.001)")),
            None => Ok(()),
        }
    }

    /// Whether what is given are other parameters than those whose statistics batch norm has.
    pub(super) fn recounts(&self) -> bool {
        self.swa.is_some() || self.rule.averages()
    }

    /// Refuses, for a loop of one's own, a rule that gives other parameters than those that are trained.
    pub(super) fn check_loop(&self) -> Result<()> {
        match self.rule.averages() {
            true => Err(Error::spec(format!(
                "{} gives an average of its own at the end of a training, and a loop of one's own has no end",
                self.rule
            ))
            .at("recipe, update rule")
            .fix("take another rule, such as .adam(0.001), or net.train(&data, recipe)")),
            false => Ok(()),
        }
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
