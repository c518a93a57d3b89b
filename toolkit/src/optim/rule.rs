//! [`Rule`]: the update rules that come with Jook, as data, in PyTorch's conventions. What they do is in `fused`.

use std::fmt;

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
    /// s = s + g^2; p -= r g / (sqrt(s) + epsilon) (Duchi et al. 2011).
    Adagrad { rate: f64, epsilon: f64 },
    /// s = a s + (1 - a) g^2; p -= r g / (sqrt(s) + epsilon) (Tieleman and Hinton 2012).
    RmsProp { rate: f64, alpha: f64, epsilon: f64 },
    /// s = rho s + (1 - rho) g^2; d = g sqrt(u + epsilon) / sqrt(s + epsilon); u = rho u + (1 - rho) d^2; p -= r d
    /// (Zeiler 2012, where r is 1).
    Adadelta { rate: f64, rho: f64, epsilon: f64 },
    /// Adam whose second mean never falls (Reddi et al. 2018).
    AmsGrad {
        rate: f64,
        beta1: f64,
        beta2: f64,
        epsilon: f64,
    },
    /// Adam that begins as momentum, until its second mean says enough (Liu et al. 2020).
    RAdam {
        rate: f64,
        beta1: f64,
        beta2: f64,
        epsilon: f64,
    },
    /// p -= r sign(beta1 m + (1 - beta1) g); m = beta2 m + (1 - beta2) g (Chen et al. 2023). Its rate is 3 to 10 times
    /// smaller than Adam's, its decay as much larger.
    Lion { rate: f64, beta1: f64, beta2: f64 },
    /// Adam with Nesterov's momentum (Dozat 2016), in PyTorch's form: the momentum grows from half of beta1 to beta1, as
    /// beta1 (1 - 0.96^(t momentum_decay) / 2) at update t.
    NAdam {
        rate: f64,
        beta1: f64,
        beta2: f64,
        epsilon: f64,
        momentum_decay: f64,
    },
    /// Adam's step w, plus decay p, as long as the tensor itself: p -= r |p| / |w| w for each tensor, and p -= r w where
    /// either has no length (You et al. 2020, algorithm 2, with the identity for phi). For large batches.
    Lamb {
        rate: f64,
        beta1: f64,
        beta2: f64,
        epsilon: f64,
    },
    /// Momentum made orthogonal, for the weights of hidden layers (Jordan et al. 2024): with m = m + (1 - momentum) (g - m)
    /// and o the matrix nearest to orthogonal of g + momentum (m - g), by five Newton-Schulz steps, p -= 0.2 r
    /// sqrt(the longer side) o, as long as a step of Adam's (Liu et al. 2025; PyTorch's `match_rms_adamw`). The weights of a
    /// convolution are a matrix with a column for each channel. Embeddings, the last layer, biases and norms take Adam's
    /// step with the betas and epsilon here, at the same rate.
    Muon {
        rate: f64,
        momentum: f64,
        beta1: f64,
        beta2: f64,
        epsilon: f64,
    },
    /// SGD with the averaging of its own that needs no schedule (Defazio et al. 2024): with the gradient at y,
    /// z -= r (g + decay y); x += c (z - x), c being r^2 as a share of its sum so far; y = (1 - beta) z + beta x. What is
    /// given is x.
    ScheduleFree { rate: f64, beta: f64 },
    /// As [`ScheduleFree`](Self::ScheduleFree), with Adam's second mean: g is divided by its root. Warm-up helps it, other
    /// schedules do not.
    ScheduleFreeAdam {
        rate: f64,
        beta1: f64,
        beta2: f64,
        epsilon: f64,
    },
}

impl Rule {
    /// The rate before any schedule.
    pub fn rate(&self) -> f64 {
        let mut copy = *self;
        *copy.rate_mut()
    }

    /// The same rule at another rate.
    pub fn at_rate(mut self, new: f64) -> Self {
        *self.rate_mut() = new;
        self
    }

    /// Whether what it gives is an average of its own, and not the parameters at which gradients are taken.
    pub(crate) fn averages(&self) -> bool {
        matches!(self, Rule::ScheduleFree { .. } | Rule::ScheduleFreeAdam { .. })
    }

    /// Its momentum, or the first beta of Adam and its kin; none where it has no such thing.
    pub fn momentum(&self) -> Option<f64> {
        let mut copy = *self;
        copy.momentum_mut().copied()
    }

    /// The same rule with another momentum, where it has one.
    pub(super) fn at_momentum(mut self, new: f64) -> Self {
        if let Some(own) = self.momentum_mut() {
            *own = new;
        }
        self
    }

    fn momentum_mut(&mut self) -> Option<&mut f64> {
        match self {
            Rule::Momentum { momentum, .. } | Rule::Nesterov { momentum, .. } => Some(momentum),
            Rule::Adam { beta1, .. }
            | Rule::AmsGrad { beta1, .. }
            | Rule::RAdam { beta1, .. }
            | Rule::Lamb { beta1, .. }
            | Rule::Lion { beta1, .. } => Some(beta1),
            Rule::Muon { momentum, .. } => Some(momentum),
            // NAdam's follows a course of its own, and what a schedule-free rule mixes by is no momentum.
            Rule::NAdam { .. } | Rule::ScheduleFree { .. } | Rule::ScheduleFreeAdam { .. } => None,
            Rule::Sgd { .. } | Rule::Adagrad { .. } | Rule::RmsProp { .. } | Rule::Adadelta { .. } => None,
        }
    }

    fn rate_mut(&mut self) -> &mut f64 {
        match self {
            Rule::Sgd { rate }
            | Rule::Momentum { rate, .. }
            | Rule::Nesterov { rate, .. }
            | Rule::Adam { rate, .. }
            | Rule::Adagrad { rate, .. }
            | Rule::RmsProp { rate, .. }
            | Rule::Adadelta { rate, .. }
            | Rule::AmsGrad { rate, .. }
            | Rule::RAdam { rate, .. }
            | Rule::NAdam { rate, .. }
            | Rule::Lamb { rate, .. }
            | Rule::Muon { rate, .. }
            | Rule::ScheduleFree { rate, .. }
            | Rule::ScheduleFreeAdam { rate, .. }
            | Rule::Lion { rate, .. } => rate,
        }
    }

    /// beta1, beta2 and epsilon of Adam and its kin.
    pub(super) fn of_adam(&self) -> Option<(f64, f64, f64)> {
        match *self {
            Rule::Adam {
                beta1,
                beta2,
                epsilon,
                ..
            }
            | Rule::AmsGrad {
                beta1,
                beta2,
                epsilon,
                ..
            }
            | Rule::RAdam {
                beta1,
                beta2,
                epsilon,
                ..
            }
            | Rule::NAdam {
                beta1,
                beta2,
                epsilon,
                ..
            }
            | Rule::Lamb {
                beta1,
                beta2,
                epsilon,
                ..
            }
            | Rule::Muon {
                beta1,
                beta2,
                epsilon,
                ..
            }
            | Rule::ScheduleFreeAdam {
                beta1,
                beta2,
                epsilon,
                ..
            } => Some((beta1, beta2, epsilon)),
            _ => None,
        }
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
        if let Some((beta1, beta2, epsilon)) = self.of_adam() {
            share("beta1", beta1)?;
            share("beta2", beta2)?;
            positive("epsilon", epsilon)?;
        }
        match *self {
            Rule::Sgd { .. }
            | Rule::Adam { .. }
            | Rule::AmsGrad { .. }
            | Rule::RAdam { .. }
            | Rule::Lamb { .. }
            | Rule::ScheduleFreeAdam { .. } => Ok(()),
            Rule::ScheduleFree { beta, .. } => share("beta", beta),
            Rule::NAdam { momentum_decay, .. } => match momentum_decay >= 0.0 && momentum_decay.is_finite() {
                true => Ok(()),
                false => Err(Error::spec(format!(
                    "expected a momentum_decay of 0 or more, found {momentum_decay}"
                ))
                .at("recipe, update rule")
                .fix("0.004 is usual; 0 keeps the momentum at half of beta1")),
            },
            Rule::Momentum { momentum, .. }
            | Rule::Nesterov { momentum, .. }
            | Rule::Muon { momentum, .. } => share("momentum", momentum),
            Rule::Adagrad { epsilon, .. } => positive("epsilon", epsilon),
            Rule::RmsProp { alpha, epsilon, .. } => {
                share("alpha", alpha)?;
                positive("epsilon", epsilon)
            }
            Rule::Adadelta { rho, epsilon, .. } => {
                share("rho", rho)?;
                positive("epsilon", epsilon)
            }
            Rule::Lion { beta1, beta2, .. } => {
                share("beta1", beta1)?;
                share("beta2", beta2)
            }
        }
    }
}

impl fmt::Display for Rule {
    /// The name and the rate, and the constants that are not the usual ones.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut words = |name: &str, rate: f64, constants: &[(&str, f64, f64)]| {
            write!(f, "{name} {rate}")?;
            if constants.iter().all(|(_, found, usual)| found == usual) {
                return Ok(());
            }
            let all: Vec<String> = constants
                .iter()
                .map(|(name, found, _)| format!("{name} {found}"))
                .collect();
            write!(f, " ({})", all.join(", "))
        };
        let adam = |beta1, beta2, epsilon| {
            [
                ("beta1", beta1, 0.9),
                ("beta2", beta2, 0.999),
                ("epsilon", epsilon, 1e-8),
            ]
        };
        match *self {
            Rule::Sgd { rate } => words("SGD", rate, &[]),
            Rule::Momentum { rate, momentum } => write!(f, "SGD {rate} momentum {momentum}"),
            Rule::Nesterov { rate, momentum } => write!(f, "SGD {rate} Nesterov {momentum}"),
            Rule::Adam {
                rate,
                beta1,
                beta2,
                epsilon,
            } => {
                write!(f, "Adam {rate}")?;
                if (beta1, beta2, epsilon) != (0.9, 0.999, 1e-8) {
                    write!(f, " (beta {beta1}, {beta2}, epsilon {epsilon})")?;
                }
                Ok(())
            }
            Rule::AmsGrad {
                rate,
                beta1,
                beta2,
                epsilon,
            } => words("AMSGrad", rate, &adam(beta1, beta2, epsilon)),
            Rule::RAdam {
                rate,
                beta1,
                beta2,
                epsilon,
            } => words("RAdam", rate, &adam(beta1, beta2, epsilon)),
            Rule::NAdam {
                rate,
                beta1,
                beta2,
                epsilon,
                momentum_decay,
            } => {
                let [beta1, beta2, epsilon] = adam(beta1, beta2, epsilon);
                words(
                    "NAdam",
                    rate,
                    &[beta1, beta2, epsilon, ("momentum_decay", momentum_decay, 0.004)],
                )
            }
            Rule::Lamb {
                rate,
                beta1,
                beta2,
                epsilon,
            } => {
                let [beta1, beta2, _] = adam(beta1, beta2, epsilon);
                words("LAMB", rate, &[beta1, beta2, ("epsilon", epsilon, 1e-6)])
            }
            Rule::Muon {
                rate,
                momentum,
                beta1,
                beta2,
                epsilon,
            } => words(
                "Muon",
                rate,
                &[
                    ("momentum", momentum, 0.95),
                    ("beta1", beta1, 0.9),
                    ("beta2", beta2, 0.95),
                    ("epsilon", epsilon, 1e-10),
                ],
            ),
            Rule::ScheduleFree { rate, beta } => words("schedule-free SGD", rate, &[("beta", beta, 0.9)]),
            Rule::ScheduleFreeAdam {
                rate,
                beta1,
                beta2,
                epsilon,
            } => words("schedule-free Adam", rate, &adam(beta1, beta2, epsilon)),
            Rule::Adagrad { rate, epsilon } => words("Adagrad", rate, &[("epsilon", epsilon, 1e-10)]),
            Rule::RmsProp { rate, alpha, epsilon } => words(
                "RMSProp",
                rate,
                &[("alpha", alpha, 0.99), ("epsilon", epsilon, 1e-8)],
            ),
            Rule::Adadelta { rate, rho, epsilon } => {
                words("Adadelta", rate, &[("rho", rho, 0.9), ("epsilon", epsilon, 1e-6)])
            }
            Rule::Lion { rate, beta1, beta2 } => {
                words("Lion", rate, &[("beta1", beta1, 0.9), ("beta2", beta2, 0.99)])
            }
        }
    }
}
