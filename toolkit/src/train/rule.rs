//! [`Rule`]: how a gradient changes the parameters. PyTorch's conventions, one fused pass each.

use std::fmt;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// An update rule. `g` is the gradient plus the penalties' gradients, `r` the rate, `p` a parameter.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Rule {
    /// p -= r g.
    Sgd { rate: f64 },
    /// v = m v + g; p -= r v (PyTorch's form of Polyak 1964: the rate is outside the velocity).
    Momentum { rate: f64, momentum: f64 },
    /// v = m v + g; p -= r (g + m v) (Nesterov 1983, in the form of Sutskever et al. 2013 as PyTorch has it).
    Nesterov { rate: f64, momentum: f64 },
    /// Adam (Kingma and Ba 2015) with bias correction.
    Adam {
        rate: f64,
        beta1: f64,
        beta2: f64,
        epsilon: f64,
    },
}

impl Rule {
    /// The rate before any schedule.
    pub fn rate(&self) -> f64 {
        match *self {
            Rule::Sgd { rate }
            | Rule::Momentum { rate, .. }
            | Rule::Nesterov { rate, .. }
            | Rule::Adam { rate, .. } => rate,
        }
    }

    /// How many numbers a parameter the rule remembers between steps.
    pub(super) fn moments(&self) -> usize {
        match self {
            Rule::Sgd { .. } => 0,
            Rule::Momentum { .. } | Rule::Nesterov { .. } => 1,
            Rule::Adam { .. } => 2,
        }
    }

    pub(super) fn validate(&self) -> Result<()> {
        let share = |name: &str, value: f64| {
            if (0.0..1.0).contains(&value) {
                Ok(())
            } else {
                Err(Error::spec(format!("expected 0 <= {name} < 1, found {value}")).at("recipe, update rule"))
            }
        };
        let positive = |name: &str, value: f64| {
            // The rate is used in f32: it must be a positive, finite number there too.
            if value > 0.0 && (value as f32) > 0.0 && (value as f32).is_finite() {
                Ok(())
            } else {
                Err(
                    Error::spec(format!("expected a positive, finite {name}, found {value}"))
                        .at("recipe, update rule"),
                )
            }
        };
        positive("rate", self.rate())?;
        match *self {
            Rule::Sgd { .. } => Ok(()),
            Rule::Momentum { momentum, .. } | Rule::Nesterov { momentum, .. } => share("momentum", momentum),
            Rule::Adam {
                beta1,
                beta2,
                epsilon,
                ..
            } => {
                share("beta1", beta1)?;
                share("beta2", beta2)?;
                positive("epsilon", epsilon)
            }
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rule::Sgd { rate } => write!(f, "SGD {rate}"),
            Rule::Momentum { rate, momentum } => write!(f, "SGD {rate} momentum {momentum}"),
            Rule::Nesterov { rate, momentum } => write!(f, "SGD {rate} Nesterov {momentum}"),
            Rule::Adam {
                rate,
                beta1,
                beta2,
                epsilon,
            } => {
                write!(f, "Adam {rate}")?;
                if (*beta1, *beta2, *epsilon) != (0.9, 0.999, 1e-8) {
                    write!(f, " (beta {beta1}, {beta2}, epsilon {epsilon})")?;
                }
                Ok(())
            }
        }
    }
}

/// Weights of the penalties on all trainable parameters, biases included (as PyTorch's `weight_decay`).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Penalty {
    /// Adds l1 * sign(p) to the gradient: the penalty l1 * sum |p|.
    pub l1: f32,
    /// Adds l2 * p to the gradient: the penalty l2 / 2 * sum p^2.
    pub l2: f32,
}

/// A rule at work on one flat vector of parameters.
pub(super) struct Updater {
    rule: Rule,
    penalty: Penalty,
    /// What the rule remembers: the velocity, or Adam's first and second moment. As long as the parameters.
    pub moments: Vec<Vec<f32>>,
}

impl Updater {
    pub fn new(rule: Rule, penalty: Penalty, parameters: usize) -> Self {
        Self {
            rule,
            penalty,
            moments: vec![vec![0.0; parameters]; rule.moments()],
        }
    }

    /// One step at `rate`, the `step`-th (from 1), on the parameters in `trainable`; the others stay.
    pub fn step(
        &mut self,
        parameters: &mut [f32],
        gradients: &[f32],
        trainable: &[Range<usize>],
        rate: f64,
        step: u64,
    ) {
        let update = Update {
            rule: self.rule,
            penalty: self.penalty,
            rate,
            step,
        };
        for range in trainable {
            let mut moments = self.moments.iter_mut().map(|moment| &mut moment[range.clone()]);
            let moments = [(); 2].map(|()| moments.next().unwrap_or_default());
            update.share(&mut parameters[range.clone()], &gradients[range.clone()], moments);
        }
    }
}

/// A step of a rule.
#[derive(Clone, Copy)]
struct Update {
    rule: Rule,
    penalty: Penalty,
    rate: f64,
    step: u64,
}

impl Update {
    /// Parameters above so many are shared among threads.
    const PIECE: usize = 1 << 16;

    /// The step on a run of parameters, with what the rule remembers of them.
    fn share(self, parameters: &mut [f32], gradients: &[f32], moments: [&mut [f32]; 2]) {
        if parameters.len() > Self::PIECE {
            let middle = parameters.len() / 2;
            let (p, more_p) = parameters.split_at_mut(middle);
            let (g, more_g) = gradients.split_at(middle);
            let halves = moments.map(|moment| moment.split_at_mut(middle.min(moment.len())));
            let [(first, more_first), (second, more_second)] = halves;
            rayon::join(
                || self.share(p, g, [first, second]),
                || self.share(more_p, more_g, [more_first, more_second]),
            );
            return;
        }
        let Penalty { l1, l2 } = self.penalty;
        // Without L1 the loop has no comparison in it; an L2 of 0 costs one fused multiply-add.
        if l1 == 0.0 {
            self.run(parameters, gradients, moments, |g, p| g + l2 * p);
        } else {
            self.run(parameters, gradients, moments, |g, p| g + l2 * p + l1 * sign(p));
        }
    }

    #[inline(always)]
    fn run(
        self,
        parameters: &mut [f32],
        gradients: &[f32],
        [first, second]: [&mut [f32]; 2],
        penalized: impl Fn(f32, f32) -> f32,
    ) {
        let r = self.rate as f32;
        match self.rule {
            Rule::Sgd { .. } => {
                for (p, &g) in parameters.iter_mut().zip(gradients) {
                    *p -= r * penalized(g, *p);
                }
            }
            Rule::Momentum { momentum, .. } => {
                let m = momentum as f32;
                for ((p, &g), v) in parameters.iter_mut().zip(gradients).zip(first) {
                    *v = m * *v + penalized(g, *p);
                    *p -= r * *v;
                }
            }
            Rule::Nesterov { momentum, .. } => {
                let m = momentum as f32;
                for ((p, &g), v) in parameters.iter_mut().zip(gradients).zip(first) {
                    let g = penalized(g, *p);
                    *v = m * *v + g;
                    *p -= r * (g + m * *v);
                }
            }
            Rule::Adam {
                beta1,
                beta2,
                epsilon,
                ..
            } => {
                // In f64: 1 - beta^t loses its digits in f32 for small t.
                let exponent = self.step.min(i32::MAX as u64) as i32;
                let scale = (self.rate / (1.0 - beta1.powi(exponent))) as f32;
                let spread = (1.0 / (1.0 - beta2.powi(exponent)).sqrt()) as f32;
                let (b1, b2, epsilon) = ((1.0 - beta1) as f32, beta2 as f32, epsilon as f32);
                let c2 = (1.0 - beta2) as f32;
                for (((p, &g), m), v) in parameters.iter_mut().zip(gradients).zip(first).zip(second) {
                    let g = penalized(g, *p);
                    *m += b1 * (g - *m);
                    *v = b2 * *v + c2 * g * g;
                    *p -= scale * *m / (v.sqrt() * spread + epsilon);
                }
            }
        }
    }
}

/// -1, 0 or 1; `f32::signum` calls 0 positive, which would push a zero weight away from zero.
fn sign(x: f32) -> f32 {
    f32::from(i8::from(x > 0.0) - i8::from(x < 0.0))
}
