//! [`Ending`]: why training stopped, and [`Cause`]: what most likely broke it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::show::{Bundle, Show};

/// Why training stopped.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Ending {
    /// The recipe was followed to its end.
    Completed,
    /// The held-out loss stopped falling; the network is as it was after `best_step`.
    EarlyStopped { step: u64, best_step: u64 },
    /// A watcher ended it after `step`. The network is the best so far with a held-out part, else the newest.
    Stopped { step: u64, why: String },
    /// Somebody asked it to stop after `step`. The network is what there was: with a held-out part the
    /// best so far, else the newest. Saved, it can be resumed.
    Interrupted { step: u64 },
    /// The loss or the parameters were no longer finite at `step`; the network is as it was at the last
    /// check where all was well.
    Diverged { step: u64, cause: Cause },
}

impl Ending {
    /// Whether training broke.
    pub fn is_diverged(&self) -> bool {
        matches!(self, Ending::Diverged { .. })
    }
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ending::Completed => f.write_str("completed"),
            Ending::EarlyStopped { step, best_step } => {
                write!(f, "stopped early at step {step}, best at step {best_step}")
            }
            Ending::Stopped { step, why } => write!(f, "stopped at step {step}: {why}"),
            Ending::Interrupted { step } => write!(f, "interrupted after step {step}"),
            Ending::Diverged { step, cause } => write!(f, "DIVERGED at step {step}: {cause}"),
        }
    }
}

impl Show for Ending {
    fn bundle(&self) -> Bundle {
        let mark = if self.is_diverged() { "\u{26a0} " } else { "" };
        Bundle::text(format!("{mark}{self}"))
    }
}

/// What most likely made a training diverge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Cause {
    /// The features are far from 1 in size, and nothing brings them there.
    UnscaledFeatures { largest: f32 },
    /// The very first pass overflowed: the initial weights are too large.
    InitialWeights,
    /// The logits were finite; the loss on them, or its gradient, was not.
    UndefinedLoss,
    /// The parameters grew from step to step until they overflowed.
    RateTooHigh { rate: f64 },
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Cause::UnscaledFeatures { largest } => write!(
                f,
                "most likely the features are too large (up to {largest}): standardize them, or lower the rate"
            ),
            Cause::InitialWeights => f.write_str(
                "the first pass overflowed, most likely from too large initial weights: try He initialization",
            ),
            Cause::UndefinedLoss => f.write_str(
                "the loss or its gradient was not finite although the logits were: most likely a log of 0, a division \
                 by 0 or a root of 0 or less in it",
            ),
            Cause::RateTooHigh { rate } => {
                let lower = rate / 10.0;
                write!(f, "most likely the rate {rate} is too high: try {lower}")
            }
        }
    }
}

/// What is known when a training diverges.
pub(super) struct Symptoms<'a> {
    /// No update has been made: the rate cannot be the cause.
    pub before_any_update: bool,
    pub logits_finite: bool,
    pub loss_finite: bool,
    pub own_loss: bool,
    pub rate: f64,
    pub features: &'a [f32],
}

impl Symptoms<'_> {
    pub fn cause(&self) -> Cause {
        // Activations and gradients both grow with the features, so the gradient grows with their square.
        const LARGE: f32 = 50.0;
        let largest = self.features.iter().fold(0.0_f32, |top, x| top.max(x.abs()));
        if self.own_loss && self.logits_finite && !self.loss_finite {
            Cause::UndefinedLoss
        } else if largest > LARGE {
            Cause::UnscaledFeatures { largest }
        } else if self.before_any_update {
            Cause::InitialWeights
        } else {
            Cause::RateTooHigh { rate: self.rate }
        }
    }
}
