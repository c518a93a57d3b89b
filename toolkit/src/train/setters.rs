//! The setters of [`Recipe`]; those of the update rule are in `rules`, those of the rate's
//! schedule in `schedule`.

use std::path::PathBuf;
use std::sync::Arc;

use super::recipe::Validation;
use super::watchers::Plateau;
use super::{Budget, Recipe, Sampler};
use crate::data::{Augmentation, Dataset};
use crate::loss::Loss;
use crate::number::{count, number};
use crate::optim::Group;
use crate::{Number, Result};

impl Recipe {
    /// The default recipe.
    pub fn new() -> Self {
        Self::default()
    }

    /// Trains for this many passes over the training part (1 or more).
    #[doc(alias = "max_epochs")]
    #[doc(alias = "num_epochs")]
    pub fn epochs(self, epochs: impl Number) -> Self {
        self.set_whole("epochs", epochs, |r, n| r.length = Budget::Epochs(n))
    }

    /// Trains for this many updates (1 or more).
    pub fn steps(self, steps: impl Number) -> Self {
        self.set_whole("steps", steps, |r, n| r.length = Budget::Steps(n))
    }

    /// Examples an update (1 or more; more than there are means all of them).
    #[doc(alias = "batch_size")]
    #[doc(alias = "DataLoader")]
    pub fn batch(self, batch: impl Number) -> Self {
        self.set_whole("batch", batch, |r, n| r.batch = n)
    }

    /// Which rows make a batch.
    #[doc(alias = "DataLoader")]
    pub fn sampler(mut self, sampler: Sampler) -> Self {
        self.sampler = sampler;
        self
    }

    /// Changes examples at random each time they are shown; several changes follow one another.
    #[doc(alias = "transforms")]
    pub fn augment(mut self, augmentation: Augmentation) -> Self {
        self.augmentations.push(augmentation);
        self
    }

    /// Multiplies the rate by `factor` (between 0 and 1) when `patience` checks in a row brought no lower loss.
    #[doc(alias = "ReduceLROnPlateau")]
    pub fn plateau(self, factor: impl Number, patience: impl Number) -> Self {
        let place = "recipe, plateau";
        let both = number(place, factor).and_then(|factor| Ok((factor, count(place, patience, 1)?)));
        self.set_result(both, |r, (factor, patience)| {
            r.plateau = Some(Plateau { factor, patience });
        })
    }

    /// Gives the exponential average of the parameters over the updates instead of the last ones; `decay` (0 to below 1,
    /// such as 0.99) is what stays of it at each. Less stays at the start, (1 + t) / (10 + t) at update t while that is
    /// below `decay` (TensorFlow's `num_updates`); PyTorch's `get_ema_multi_avg_fn` is the same but for that. An average
    /// with equal weights is [`swa`](Self::swa); another is one for a watcher of one's own:
    /// [`stand_in`](super::Watcher::stand_in).
    #[doc(alias = "ema")]
    pub fn average(self, decay: impl Number) -> Self {
        self.set("average", decay, |r, decay| r.average = Some(decay))
    }

    /// Gives the equal average of the parameters at the ends of the epochs behind the `share` (0 to below 1, such as 0.75)
    /// of the training, instead of the last ones: stochastic weight averaging (Izmailov et al. 2018), PyTorch's
    /// `AveragedModel`. A rate that stays high there, such as `.schedule(RateSchedule::Constant)`, is what it is for.
    ///
    /// Batch norms that are not frozen get the statistics that belong to the average, at each check that looks at held-out
    /// examples and at the end: the mean over batches of all examples to learn from, augmented as in training and without
    /// dropout (PyTorch's `update_bn`, which keeps dropout).
    #[doc(alias = "AveragedModel")]
    #[doc(alias = "update_bn")]
    #[doc(alias = "StochasticWeightAveraging")]
    pub fn swa(self, share: impl Number) -> Self {
        self.set("swa", share, |r, share| r.swa = Some(share))
    }

    /// Adds the penalty `weight` * sum |p| (0 or more) over the weights; biases and norms have none, unless
    /// [`l1_of`](Self::l1_of) says so. Its slope is added to the gradient, as in PyTorch: weights come near 0 and seldom
    /// stay there; [`l1_proximal`](Self::l1_proximal) makes them 0.
    pub fn l1(self, weight: impl Number) -> Self {
        self.set("l1", weight, |r, weight| (r.l1, r.proximal) = (weight, false))
    }

    /// The penalty of [`l1`](Self::l1) by proximal steps: behind each update every weight goes towards 0 by rate * `weight`,
    /// and stays at exactly 0 where it would pass (Daubechies et al. 2004, soft thresholding). With plain descent that is
    /// ISTA, whose end is the lasso; with [`l2`](Self::l2) beside, the elastic net. Rules that scale their steps, such as
    /// Adam, are followed by the same step. The recipe's `l1_of` groups are taken in the same way.
    #[doc(alias = "lasso")]
    #[doc(alias = "soft_thresholding")]
    #[doc(alias = "ElasticNet")]
    pub fn l1_proximal(self, weight: impl Number) -> Self {
        self.set("l1_proximal", weight, |r, weight| {
            (r.l1, r.proximal) = (weight, true)
        })
    }

    /// Adds the penalty `weight` / 2 * sum p^2 (0 or more) over the weights; biases and norms have none, unless
    /// [`l2_of`](Self::l2_of) says so.
    #[doc(alias = "weight_decay")]
    pub fn l2(self, weight: impl Number) -> Self {
        self.set("l2", weight, |r, weight| r.l2 = weight)
    }

    /// Makes the weights smaller by `rate` * `decay` of themselves at each update, beside what the rule does
    /// (Loshchilov and Hutter 2019): with Adam, AdamW. Biases and norms stay, unless [`decay_of`](Self::decay_of) says
    /// otherwise.
    #[doc(alias = "weight_decay")]
    #[doc(alias = "AdamW")]
    pub fn decay(self, decay: impl Number) -> Self {
        self.set("decay", decay, |r, decay| r.decay = decay)
    }

    /// Scales down the weights that meet in one unit where their norm is above `most` (above 0), after each update:
    /// PyTorch's `renorm` of a `Linear.weight` with `dim` 0. Biases have no part in it.
    pub fn max_norm(self, most: impl Number) -> Self {
        self.set("max_norm", most, |r, most| r.max_norm = Some(most))
    }

    /// Scales the gradient down where its norm, over all parameters, is above `most`: PyTorch's `clip_grad_norm_`.
    #[doc(alias = "clip_grad_norm_")]
    pub fn clip_norm(self, most: impl Number) -> Self {
        self.set("clip_norm", most, |r, most| r.clip_norm = Some(most))
    }

    /// Keeps each number of the gradient within -`most` to `most`: PyTorch's `clip_grad_value_`.
    #[doc(alias = "clip_grad_value_")]
    pub fn clip_value(self, most: impl Number) -> Self {
        self.set("clip_value", most, |r, most| r.clip_value = Some(most))
    }

    /// The rate of the tensors that fit a pattern (see [`Group::tensors`]) is the recipe's times `factor`.
    ///
    /// ```
    /// use jook::prelude::*;
    /// // The last layer learns ten times as fast as the rest.
    /// let recipe = Recipe::new().sgd(0.01).rate_of("logits", 10.0);
    /// ```
    pub fn rate_of(self, tensors: impl Into<String>, factor: impl Number) -> Self {
        self.set_group("rate_of", tensors, factor, |group, x| group.rate = Some(x))
    }

    /// [`decay`](Self::decay) of the tensors that fit a pattern.
    pub fn decay_of(self, tensors: impl Into<String>, decay: impl Number) -> Self {
        self.set_group("decay_of", tensors, decay, |group, x| group.decay = Some(x))
    }

    /// [`l1`](Self::l1) of the tensors that fit a pattern.
    pub fn l1_of(self, tensors: impl Into<String>, weight: impl Number) -> Self {
        self.set_group("l1_of", tensors, weight, |group, x| group.l1 = Some(x))
    }

    /// [`l2`](Self::l2) of the tensors that fit a pattern; `l2_of("*", x)` is PyTorch's `weight_decay` of SGD and Adam.
    pub fn l2_of(self, tensors: impl Into<String>, weight: impl Number) -> Self {
        self.set_group("l2_of", tensors, weight, |group, x| group.l2 = Some(x))
    }

    /// [`max_norm`](Self::max_norm) of the tensors that fit a pattern.
    pub fn max_norm_of(self, tensors: impl Into<String>, most: impl Number) -> Self {
        self.set_group("max_norm_of", tensors, most, |group, x| group.max_norm = Some(x))
    }

    /// Lets the tensors that fit a pattern take no update in this training.
    pub fn frozen(mut self, tensors: impl Into<String>) -> Self {
        self.groups.push(Group {
            tensors: tensors.into(),
            frozen: Some(true),
            ..Group::default()
        });
        self
    }

    /// Any group of tensors with all that is said of them.
    pub fn group(mut self, group: Group) -> Self {
        self.groups.push(group);
        self
    }

    /// What is made small: [`Loss::SoftmaxCrossEntropy`] by default, and [`Loss::MeanSquaredError`] for data with values.
    #[doc(alias = "criterion")]
    pub fn loss(mut self, loss: Loss) -> Self {
        self.loss = loss;
        self
    }

    /// The seed of every random choice.
    #[doc(alias = "random_state")]
    #[doc(alias = "manual_seed")]
    pub fn seed(self, seed: impl Number) -> Self {
        let seed = seed.whole(0).map_err(|e| e.within("recipe, seed"));
        self.set_result(seed, |r, seed| r.seed = seed)
    }

    /// Holds out this share of the examples (above 0, up to 0.5; the same of each class, and of groups whole ones), stops
    /// when their loss has stopped falling, and returns the network as it was at its lowest.
    #[doc(alias = "validation")]
    #[doc(alias = "callbacks")]
    #[doc(alias = "EarlyStopping")]
    #[doc(alias = "validation_split")]
    pub fn early_stopping(self, share: impl Number) -> Self {
        self.set("early_stopping", share, |r, share| r.early_stopping = Some(share))
    }

    /// As [`early_stopping`](Self::early_stopping), watching these examples instead of a share of those to learn from.
    /// Classes and features are matched by name.
    #[doc(alias = "validation_data")]
    pub fn validation(mut self, data: &Dataset) -> Self {
        self.validation = Some(data.digest());
        self.validation_data = Some(Validation(Arc::new(data.clone())));
        self
    }

    /// Stops after this many checks without a better held-out loss (1 or more; needs `early_stopping`).
    #[doc(alias = "EarlyStopping")]
    pub fn patience(self, checks: impl Number) -> Self {
        self.set_whole("patience", checks, |r, n| r.patience = Some(n))
    }

    /// Takes a held-out loss for better where it is lower by this much (0 or more; needs `early_stopping`): smaller gains
    /// neither count as progress nor are kept.
    #[doc(alias = "min_delta")]
    pub fn min_gain(self, loss: impl Number) -> Self {
        self.set("min_gain", loss, |r, gain| r.min_gain = Some(gain))
    }

    /// Checks, and adds a row to the history, every this many updates (1 or more).
    pub fn check_every(self, steps: impl Number) -> Self {
        self.set_whole("check_every", steps, |r, n| r.check_every = Some(n))
    }

    /// Writes a checkpoint to `path` every `steps` updates and at the end. The file is replaced in one
    /// move: a crash leaves the one before. Not part of what the recipe *is*: see [`Recipe::digest`].
    #[doc(alias = "ModelCheckpoint")]
    pub fn checkpoint(self, path: impl Into<PathBuf>, steps: impl Number) -> Self {
        let path = path.into();
        self.set_whole("checkpoint", steps, |r, n| r.checkpoint = Some((path, n)))
    }

    /// Goes on from the checkpoint at `path`, which must come from this recipe, network and data.
    pub fn resume(mut self, path: impl Into<PathBuf>) -> Self {
        self.resume = Some(path.into());
        self
    }

    pub(super) fn set(self, what: &str, value: impl Number, put: impl FnOnce(&mut Self, f64)) -> Self {
        self.set_result(number(&format!("recipe, {what}"), value), put)
    }

    fn set_whole(self, what: &str, value: impl Number, put: impl FnOnce(&mut Self, usize)) -> Self {
        let place = format!("recipe, {what}");
        // What a file of another program can hold exactly.
        let whole = count(&place, value, 1).and_then(|n| n.number().map(|_| n).map_err(|e| e.within(&place)));
        self.set_result(whole, put)
    }

    fn set_group(
        self,
        what: &str,
        tensors: impl Into<String>,
        value: impl Number,
        put: impl FnOnce(&mut Group, f64),
    ) -> Self {
        let mut group = Group {
            tensors: tensors.into(),
            ..Group::default()
        };
        self.set(what, value, |r, x| {
            put(&mut group, x);
            r.groups.push(group);
        })
    }

    /// Keeps the first error, so that a chain of setters reads straight and is judged once.
    pub(super) fn set_result<T>(mut self, value: Result<T>, put: impl FnOnce(&mut Self, T)) -> Self {
        match value {
            Ok(value) => put(&mut self, value),
            Err(error) => self.error = self.error.or(Some(error)),
        }
        self
    }
}
