//! Which recipes can be followed.

use super::{Budget, Recipe};
use crate::data::Augmentation;
use crate::optim::Group;
use crate::train::watchers::Plateau;
use crate::{Error, Result};

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

    /// Refuses, for a loop of one's own, a rule that gives other parameters than those that are trained.
    pub(in crate::train) fn check_loop(&self) -> Result<()> {
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
}
