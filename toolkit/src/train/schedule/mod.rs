//! [`RateSchedule`]: how the rate changes while training. The rate of an update is pure in the recipe and the update's
//! number: a resumed training has the rates of one that never stopped, and early stopping cuts a schedule off where it is.

mod judge;
mod preview;
mod setters;
mod updates;
mod words;

pub use preview::Rates;

use std::f64::consts::PI;

use serde::{Deserialize, Serialize};

use super::Budget;

/// How the rate changes while training. Factors are of the recipe's rate. With t updates made and T those of the whole
/// training (or of the [`Stage`], in a sequence), update t + 1 is made at the rate that the formula gives for t; behind its
/// end a schedule stays where it got.
///
/// ```
/// use jook::prelude::*;
/// // Five epochs up, then down along a cosine until the end.
/// let up = RateSchedule::Linear { from: 0.1, to: 1.0 }.during(Budget::Epochs(5));
/// let recipe = Recipe::new().epochs(50).schedule(up.then(RateSchedule::Cosine { end: 0.01 }));
/// assert_eq!(recipe, Recipe::new().epochs(50).cosine(0.01).warm_up(0.1, 5));
/// ```
#[doc(alias = "lr_scheduler")]
#[doc(alias = "StepLR")]
#[doc(alias = "LRScheduler")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum RateSchedule {
    /// It does not.
    #[doc(alias = "ConstantLR")]
    Constant,
    /// Multiplied by `factor` each time `every` has passed (PyTorch's `StepLR`).
    Stepped { factor: f64, every: Budget },
    /// factor^(t / every), without steps (PyTorch's `ExponentialLR`, where `every` is a call of its `step`).
    #[doc(alias = "ExponentialLR")]
    Exponential { factor: f64, every: Budget },
    /// 1 / (1 + decay t / every) (Robbins and Monro 1951; Bottou 2012).
    InverseTime { decay: f64, every: Budget },
    /// In a straight line from the factor `from` to the factor `to` (PyTorch's `LinearLR`).
    #[doc(alias = "LinearLR")]
    Linear { from: f64, to: f64 },
    /// end + (1 - end) (1 - t / T)^power (with an end of 0 PyTorch's `PolynomialLR`).
    #[doc(alias = "PolynomialLR")]
    Polynomial { end: f64, power: f64 },
    /// end + (1 - end) (1 + cos(pi t / T)) / 2 (Loshchilov and Hutter 2017, without restarts). PyTorch's
    /// `CosineAnnealingLR` rises again behind T; this stays at its end.
    #[doc(alias = "CosineAnnealingLR")]
    Cosine { end: f64 },
    /// The cosine again and again (Loshchilov and Hutter 2017, SGDR): a `first` period, and each later one `growth` (1 or
    /// more) times as long as the one before.
    #[doc(alias = "CosineAnnealingWarmRestarts")]
    #[doc(alias = "SGDR")]
    Restarts { end: f64, first: Budget, growth: usize },
    /// Up to the recipe's rate and far down again (Smith 2018, in the form of PyTorch's `OneCycleLR`): from 1 / `div_factor`
    /// in the share `rise` of the updates, then to 1 / (`div_factor` `final_div_factor`), which the last update has.
    ///
    /// With `momentum`, the rule's own momentum (beta1 of Adam and its kin) goes from the larger one down to the smaller
    /// one and back meanwhile. A rule without one has the rates alone.
    #[doc(alias = "OneCycleLR")]
    #[doc(alias = "cycle_momentum")]
    OneCycle {
        /// PyTorch's `pct_start`; 0 to 1.
        rise: f64,
        div_factor: f64,
        final_div_factor: f64,
        anneal: Anneal,
        /// The smaller and the larger momentum; none: the rule's stays as it is.
        momentum: Option<(f64, f64)>,
    },
    /// One after another, each from its own beginning (PyTorch's `SequentialLR`). The last stage may go on to the end.
    #[doc(alias = "SequentialLR")]
    #[doc(alias = "ChainedScheduler")]
    Sequence(Vec<Stage>),
}

/// A schedule with its stretch, in a [`RateSchedule::Sequence`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    pub schedule: RateSchedule,
    /// How long it lasts; of the last stage none: until the training ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<Budget>,
}

/// The way between two rates of [`RateSchedule::OneCycle`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Anneal {
    /// Half a cosine.
    #[default]
    Cosine,
    /// A straight line.
    Linear,
}

impl Anneal {
    /// `share` (0 to 1) of the way from `from` to `to`.
    fn between(self, from: f64, to: f64, share: f64) -> f64 {
        match self {
            Anneal::Cosine => to + (from - to) * (1.0 + (PI * share).cos()) / 2.0,
            Anneal::Linear => from + (to - from) * share,
        }
    }
}

/// Where in a training, or in a stage of it, a rate is asked for.
#[derive(Clone, Copy, Debug)]
struct At {
    /// Updates made.
    step: usize,
    /// Updates of the whole.
    total: usize,
    /// Updates in an epoch.
    per_epoch: usize,
}

impl At {
    /// The share of the whole that is behind, up to 1.
    fn share(self) -> f64 {
        (self.step as f64 / self.total.max(1) as f64).min(1.0)
    }

    /// How many times `every` has passed, with the fraction.
    fn times(self, every: Budget) -> f64 {
        self.step as f64 / every.steps(self.per_epoch).max(1) as f64
    }
}

impl RateSchedule {
    /// The schedule as a stage of this length, for [`then`](Self::then) to follow.
    pub fn during(self, over: Budget) -> Self {
        Self::Sequence(vec![Stage {
            schedule: self,
            over: Some(over),
        }])
    }

    /// This schedule, which has a length by [`during`](Self::during), and behind it `next`, to the end or for its own
    /// length.
    #[must_use]
    pub fn then(self, next: RateSchedule) -> Self {
        let stages = |schedule| match schedule {
            Self::Sequence(stages) => stages,
            schedule => vec![Stage { schedule, over: None }],
        };
        let mut all = stages(self);
        all.extend(stages(next));
        Self::Sequence(all)
    }

    /// What the rate is multiplied by.
    fn factor(&self, at: At) -> f64 {
        match *self {
            Self::Constant => 1.0,
            Self::Stepped { factor, every } => {
                let times = at.step / every.steps(at.per_epoch).max(1);
                factor.powi(times.min(i32::MAX as usize) as i32)
            }
            Self::Exponential { factor, every } => factor.powf(at.times(every)),
            Self::InverseTime { decay, every } => 1.0 / (1.0 + decay * at.times(every)),
            Self::Linear { from, to } => from + (to - from) * at.share(),
            Self::Polynomial { end, power } => end + (1.0 - end) * (1.0 - at.share()).powf(power),
            Self::Cosine { end } => Anneal::Cosine.between(1.0, end, at.share()),
            Self::Restarts { end, first, growth } => {
                let (step, period) = period(at.step, first.steps(at.per_epoch).max(1), growth.max(1));
                Anneal::Cosine.between(1.0, end, step as f64 / period as f64)
            }
            Self::OneCycle {
                rise,
                div_factor,
                final_div_factor,
                anneal,
                ..
            } => {
                let low = 1.0 / div_factor;
                cycle(at, rise, anneal, [low, 1.0, low / final_div_factor])
            }
            Self::Sequence(ref stages) => within(stages, at).map_or(1.0, |(own, at)| own.factor(at)),
        }
    }

    /// The momentum, where the schedule has one of its own.
    fn momentum(&self, at: At) -> Option<f64> {
        match *self {
            Self::OneCycle {
                rise,
                anneal,
                momentum: Some((low, high)),
                ..
            } => Some(cycle(at, rise, anneal, [high, low, high])),
            Self::Sequence(ref stages) => within(stages, at).and_then(|(own, at)| own.momentum(at)),
            _ => None,
        }
    }

    /// Whether it changes the momentum somewhere.
    fn cycles_momentum(&self) -> bool {
        match self {
            Self::OneCycle { momentum, .. } => momentum.is_some(),
            Self::Sequence(stages) => stages.iter().any(|stage| stage.schedule.cycles_momentum()),
            _ => false,
        }
    }
}

/// Updates since the last restart, and those of the period that it began.
fn period(mut step: usize, first: usize, growth: usize) -> (usize, usize) {
    if growth == 1 {
        return (step % first, first);
    }
    let mut period = first;
    while step >= period {
        step -= period;
        period = period.saturating_mul(growth);
    }
    (step, period)
}

/// The value of a cycle from the first of three to the second, which the update `rise` T - 1 has, and to the third, which
/// the last one has.
fn cycle(at: At, rise: f64, anneal: Anneal, [first, top, last]: [f64; 3]) -> f64 {
    let (step, end) = (at.step as f64, at.total as f64 - 1.0);
    let peak = rise * at.total as f64 - 1.0;
    if step <= peak {
        let share = if peak > 0.0 { step / peak } else { 1.0 };
        return anneal.between(first, top, share);
    }
    let share = if end > peak {
        (step - peak) / (end - peak)
    } else {
        1.0
    };
    anneal.between(top, last, share.min(1.0))
}

/// The stage that a step falls into, and where in it.
fn within(stages: &[Stage], mut at: At) -> Option<(&RateSchedule, At)> {
    let (last, before) = stages.split_last()?;
    for Stage { schedule, over } in before {
        let own = over.map_or(at.total, |over| over.steps(at.per_epoch));
        if at.step < own {
            return Some((schedule, At { total: own, ..at }));
        }
        at.step -= own;
        at.total = at.total.saturating_sub(own);
    }
    let total = last.over.map_or(at.total, |over| over.steps(at.per_epoch));
    Some((&last.schedule, At { total, ..at }))
}
