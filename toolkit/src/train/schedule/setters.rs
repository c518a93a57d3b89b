//! The setters of [`Recipe`] that say how the rate changes.

use super::super::{Budget, Recipe};
use super::{Anneal, RateSchedule, Stage};
use crate::number::{count, number};
use crate::{Number, Result};

impl Recipe {
    /// Any schedule of the rate, with all that is said of it; see [`rates`](Self::rates) for a look at it.
    #[doc(alias = "lr_scheduler")]
    #[doc(alias = "SequentialLR")]
    pub fn schedule(mut self, schedule: RateSchedule) -> Self {
        self.schedule = schedule;
        self
    }

    /// Multiplies the rate by `factor` after every `epochs` epochs.
    #[doc(alias = "StepLR")]
    #[doc(alias = "lr_scheduler")]
    pub fn stepped(self, factor: impl Number, epochs: impl Number) -> Self {
        self.set_schedule("stepped", factor, epochs, |factor, n| RateSchedule::Stepped {
            factor,
            every: Budget::Epochs(n),
        })
    }

    /// Multiplies the rate by `factor` after every `steps` updates.
    pub fn stepped_by_steps(self, factor: impl Number, steps: impl Number) -> Self {
        self.set_schedule("stepped_by_steps", factor, steps, |factor, n| {
            RateSchedule::Stepped {
                factor,
                every: Budget::Steps(n),
            }
        })
    }

    /// Lets the rate fall (or rise) to its `factor` over every `epochs` epochs, a little at each update.
    #[doc(alias = "ExponentialLR")]
    pub fn exponential(self, factor: impl Number, epochs: impl Number) -> Self {
        self.set_schedule("exponential", factor, epochs, |factor, n| {
            RateSchedule::Exponential {
                factor,
                every: Budget::Epochs(n),
            }
        })
    }

    /// Divides the rate by 1 + `decay` t / `epochs` after t epochs (Bottou 2012).
    #[doc(alias = "InverseTimeDecay")]
    pub fn inverse_time(self, decay: impl Number, epochs: impl Number) -> Self {
        self.set_schedule("inverse_time", decay, epochs, |decay, n| {
            RateSchedule::InverseTime {
                decay,
                every: Budget::Epochs(n),
            }
        })
    }

    /// Lets the rate fall over the whole training to its `end`th part (a factor, 0 or more), as the `power`th power of
    /// what is left of it; 1 is a straight line.
    #[doc(alias = "PolynomialLR")]
    pub fn polynomial(self, end: impl Number, power: impl Number) -> Self {
        let place = "recipe, polynomial";
        let both = number(place, end).and_then(|end| Ok((end, number(place, power)?)));
        self.set_result(both, |r, (end, power)| {
            r.put_schedule(RateSchedule::Polynomial { end, power });
        })
    }

    /// Lets the rate fall over the whole training to its `end`th part (a factor, such as 0 or 0.01) along half a cosine.
    #[doc(alias = "CosineAnnealingLR")]
    #[doc(alias = "cosine_annealing")]
    pub fn cosine(self, end: impl Number) -> Self {
        self.set("cosine", end, |r, end| {
            r.put_schedule(RateSchedule::Cosine { end });
        })
    }

    /// As [`cosine`](Self::cosine) over `epochs` epochs, again and again, each time `growth` (1 or more) times as long.
    #[doc(alias = "CosineAnnealingWarmRestarts")]
    #[doc(alias = "SGDR")]
    pub fn restarts(self, end: impl Number, epochs: impl Number, growth: impl Number) -> Self {
        let growth = count("recipe, restarts", growth, 1);
        let both = growth.and_then(|growth| Ok((growth, number("recipe, restarts", end)?)));
        let both: Result<_> = both.and_then(|(growth, end)| {
            let first = Budget::Epochs(count("recipe, restarts", epochs, 1)?);
            Ok(RateSchedule::Restarts { end, first, growth })
        });
        self.set_result(both, Self::put_schedule)
    }

    /// Lets the rate rise to the recipe's and fall far below where it began, and the momentum fall and rise meanwhile,
    /// with PyTorch's constants: from a 25th of the rate in 30% of the updates, then to a 250,000th, along cosines;
    /// momentum 0.95 to 0.85 and back, where the rule has one. [`RateSchedule::OneCycle`] has all of them.
    #[doc(alias = "OneCycleLR")]
    #[doc(alias = "fit_one_cycle")]
    pub fn one_cycle(mut self) -> Self {
        self.put_schedule(RateSchedule::OneCycle {
            rise: 0.3,
            div_factor: 25.0,
            final_div_factor: 1e4,
            anneal: Anneal::Cosine,
            momentum: Some((0.85, 0.95)),
        });
        self
    }

    /// Lets the rate rise in a straight line from its `from`th part (a factor, 0 or more) to the whole over the first
    /// `epochs` epochs; then the schedule begins, whether it is said before or behind this.
    ///
    /// ```
    /// use jook::prelude::*;
    /// let recipe = Recipe::new().epochs(30).adam(0.01).warm_up(0.1, 3).cosine(0);
    /// assert!((recipe.rate_at(0, 10) - 0.001).abs() < 1e-12 && (recipe.rate_at(30, 10) - 0.01).abs() < 1e-12);
    /// ```
    #[doc(alias = "LinearLR")]
    #[doc(alias = "warmup")]
    #[doc(alias = "get_cosine_schedule_with_warmup")]
    pub fn warm_up(self, from: impl Number, epochs: impl Number) -> Self {
        self.set_warm_up("warm_up", from, epochs, Budget::Epochs)
    }

    /// As [`warm_up`](Self::warm_up), over the first `steps` updates.
    #[doc(alias = "num_warmup_steps")]
    pub fn warm_up_by_steps(self, from: impl Number, steps: impl Number) -> Self {
        self.set_warm_up("warm_up_by_steps", from, steps, Budget::Steps)
    }

    fn set_warm_up(
        self,
        what: &str,
        from: impl Number,
        over: impl Number,
        unit: fn(usize) -> Budget,
    ) -> Self {
        let place = format!("recipe, {what}");
        let both = number(&place, from).and_then(|from| Ok((from, count(&place, over, 1)?)));
        self.set_result(both, |r, (from, n)| {
            let up = RateSchedule::Linear { from, to: 1.0 }.during(unit(n));
            let rest = match &mut r.schedule {
                RateSchedule::Sequence(stages) if warms_up(stages) => stages.remove(1).schedule,
                own => own.clone(),
            };
            r.schedule = up.then(rest);
        })
    }

    fn set_schedule(
        self,
        what: &str,
        factor: impl Number,
        every: impl Number,
        make: impl FnOnce(f64, usize) -> RateSchedule,
    ) -> Self {
        let place = format!("recipe, {what}");
        let both = number(&place, factor).and_then(|factor| Ok((factor, count(&place, every, 1)?)));
        self.set_result(both, |r, (factor, every)| r.put_schedule(make(factor, every)))
    }

    /// Sets what follows a warm-up, or the whole where there is none.
    fn put_schedule(&mut self, schedule: RateSchedule) {
        match &mut self.schedule {
            RateSchedule::Sequence(stages) if warms_up(stages) => stages[1].schedule = schedule,
            whole => *whole = schedule,
        }
    }
}

/// Whether the stages are those of [`Recipe::warm_up`]: a line up to the rate, and one schedule to the end.
fn warms_up(stages: &[Stage]) -> bool {
    matches!(
        stages,
        [
            Stage {
                schedule: RateSchedule::Linear { to: 1.0, .. },
                over: Some(_)
            },
            Stage { over: None, .. }
        ]
    )
}
