//! [`Rule`]: the update rules that come with Jook, as data. PyTorch's conventions, one fused pass each.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{TensorStep, UpdateRule};
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

    /// The same rule at another rate.
    pub fn at_rate(mut self, new: f64) -> Self {
        match &mut self {
            Rule::Sgd { rate }
            | Rule::Momentum { rate, .. }
            | Rule::Nesterov { rate, .. }
            | Rule::Adam { rate, .. } => *rate = new,
        }
        self
    }

    /// Whether its constants are in their ranges.
    ///
    /// # Errors
    /// When one is not.
    pub(crate) fn validate(&self) -> Result<()> {
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

/// Parameters above so many are shared among threads.
const PIECE: usize = 1 << 16;

impl UpdateRule for Rule {
    fn states(&self) -> usize {
        match self {
            Rule::Sgd { .. } => 0,
            Rule::Momentum { .. } | Rule::Nesterov { .. } => 1,
            Rule::Adam { .. } => 2,
        }
    }

    fn elementwise(&self) -> bool {
        true
    }

    fn update(&self, tensor: TensorStep<'_>) {
        let TensorStep {
            parameters,
            gradients,
            states,
            ..
        } = tensor;
        if parameters.len() > PIECE {
            let middle = parameters.len() / 2;
            let (p, more_p) = parameters.split_at_mut(middle);
            let (g, more_g) = gradients.split_at(middle);
            let (mut first, mut rest): (Vec<_>, Vec<_>) =
                states.iter_mut().map(|state| state.split_at_mut(middle)).unzip();
            let part = |parameters, gradients, states| TensorStep {
                parameters,
                gradients,
                states,
                ..tensor
            };
            let (left, right) = (part(p, g, &mut first[..]), part(more_p, more_g, &mut rest[..]));
            rayon::join(|| self.update(left), || self.update(right));
            return;
        }
        let (l1, l2) = (tensor.l1, tensor.l2);
        if tensor.decay != 0.0 {
            let keep = Self::kept(tensor.rate, tensor.decay);
            parameters.iter_mut().for_each(|p| *p *= keep);
        }
        let step = (tensor.rate, tensor.step);
        // Without L1 the loop has no comparison in it; an L2 of 0 costs one fused multiply-add.
        if l1 == 0.0 {
            self.run(parameters, gradients, states, step, |g, p| g + l2 * p);
        } else {
            self.run(parameters, gradients, states, step, |g, p| {
                g + l2 * p + l1 * super::sign(p)
            });
        }
    }
}

impl Rule {
    /// What an update takes beside rate and penalties: the momentum; of Adam 1 - beta1, beta2, 1 - beta2 and epsilon.
    pub(crate) fn constants(&self) -> [f32; 4] {
        match *self {
            Rule::Sgd { .. } => [0.0; 4],
            Rule::Momentum { momentum, .. } | Rule::Nesterov { momentum, .. } => {
                [momentum as f32, 0.0, 0.0, 0.0]
            }
            Rule::Adam {
                beta1,
                beta2,
                epsilon,
                ..
            } => [
                (1.0 - beta1) as f32,
                beta2 as f32,
                (1.0 - beta2) as f32,
                epsilon as f32,
            ],
        }
    }

    /// Adam's corrections of its two means at update `step`, counted from 1: what the first is multiplied by, the rate
    /// included, and the root of the second.
    pub(crate) fn corrections(&self, rate: f64, step: u64) -> (f32, f32) {
        let Rule::Adam { beta1, beta2, .. } = *self else {
            return (0.0, 0.0);
        };
        // In f64: 1 - beta^t loses its digits in f32 for small t.
        let exponent = step.min(i32::MAX as u64) as i32;
        let scale = (rate / (1.0 - beta1.powi(exponent))) as f32;
        (scale, (1.0 / (1.0 - beta2.powi(exponent)).sqrt()) as f32)
    }

    /// What decoupled decay leaves of a weight.
    pub(crate) fn kept(rate: f64, decay: f32) -> f32 {
        (1.0 - rate * f64::from(decay)) as f32
    }

    #[inline(always)]
    fn run(
        &self,
        parameters: &mut [f32],
        gradients: &[f32],
        states: &mut [&mut [f32]],
        (rate, step): (f64, u64),
        penalized: impl Fn(f32, f32) -> f32,
    ) {
        let r = rate as f32;
        match (*self, states) {
            (Rule::Sgd { .. }, _) => {
                for (p, &g) in parameters.iter_mut().zip(gradients) {
                    *p -= r * penalized(g, *p);
                }
            }
            (Rule::Momentum { momentum, .. }, [velocity, ..]) => {
                let m = momentum as f32;
                for ((p, &g), v) in parameters.iter_mut().zip(gradients).zip(velocity.iter_mut()) {
                    *v = m * *v + penalized(g, *p);
                    *p -= r * *v;
                }
            }
            (Rule::Nesterov { momentum, .. }, [velocity, ..]) => {
                let m = momentum as f32;
                for ((p, &g), v) in parameters.iter_mut().zip(gradients).zip(velocity.iter_mut()) {
                    let g = penalized(g, *p);
                    *v = m * *v + g;
                    *p -= r * (g + m * *v);
                }
            }
            (Rule::Adam { .. }, [first, second, ..]) => {
                let (scale, spread) = self.corrections(rate, step);
                let [b1, b2, c2, epsilon] = self.constants();
                let moments = first.iter_mut().zip(second.iter_mut());
                for ((p, &g), (m, v)) in parameters.iter_mut().zip(gradients).zip(moments) {
                    let g = penalized(g, *p);
                    *m += b1 * (g - *m);
                    *v = b2 * *v + c2 * g * g;
                    *p -= scale * *m / (v.sqrt() * spread + epsilon);
                }
            }
            (rule, states) => unreachable!("{rule} was given {} states", states.len()),
        }
    }
}
