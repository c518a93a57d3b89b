//! The setters of [`Recipe`] that choose the update rule.

use super::Recipe;
use crate::number::number;
use crate::optim::Rule;
use crate::{Error, Number};

impl Recipe {
    /// The rate (above 0), whatever the rule.
    #[doc(alias = "learning_rate")]
    #[doc(alias = "lr")]
    pub fn rate(self, rate: impl Number) -> Self {
        self.set("rate", rate, |r, rate| r.rule = r.rule.at_rate(rate))
    }

    /// Stochastic gradient descent at this rate (above 0).
    #[doc(alias = "optimizer")]
    #[doc(alias = "SGD")]
    pub fn sgd(self, rate: impl Number) -> Self {
        self.set("sgd", rate, |r, rate| r.rule = Rule::Sgd { rate })
    }

    /// Gives SGD this momentum (0 to below 1), at the rate it has: PyTorch's `SGD(lr, momentum)`. Adam has its own.
    ///
    /// ```
    /// use jook::prelude::*;
    /// let recipe = Recipe::new().sgd(0.05).momentum(0.9);
    /// assert_eq!(recipe.rule, Rule::Momentum { rate: 0.05, momentum: 0.9 });
    /// ```
    #[doc(alias = "SGD")]
    pub fn momentum(self, momentum: impl Number) -> Self {
        self.set_momentum("momentum", momentum, |rate, momentum| Rule::Momentum {
            rate,
            momentum,
        })
    }

    /// Gives SGD Nesterov's momentum (0 to below 1): PyTorch's `SGD(lr, momentum, nesterov=True)`.
    pub fn nesterov(self, momentum: impl Number) -> Self {
        self.set_momentum("nesterov", momentum, |rate, momentum| Rule::Nesterov {
            rate,
            momentum,
        })
    }

    /// Adam at this rate, with the paper's other constants (0.9, 0.999, 1e-8).
    #[doc(alias = "optimizer")]
    #[doc(alias = "Adam")]
    pub fn adam(self, rate: impl Number) -> Self {
        self.set("adam", rate, |r, rate| {
            r.rule = Rule::Adam {
                rate,
                beta1: 0.9,
                beta2: 0.999,
                epsilon: 1e-8,
            };
        })
    }

    /// Adagrad at this rate: each parameter's rate falls with the gradients that it has seen.
    #[doc(alias = "optimizer")]
    pub fn adagrad(self, rate: impl Number) -> Self {
        self.set("adagrad", rate, |r, rate| {
            r.rule = Rule::Adagrad { rate, epsilon: 1e-10 };
        })
    }

    /// RMSProp at this rate, with PyTorch's other constants (0.99, 1e-8).
    #[doc(alias = "optimizer")]
    #[doc(alias = "RMSprop")]
    pub fn rmsprop(self, rate: impl Number) -> Self {
        self.set("rmsprop", rate, |r, rate| {
            r.rule = Rule::RmsProp {
                rate,
                alpha: 0.99,
                epsilon: 1e-8,
            };
        })
    }

    /// Adadelta, which has no rate to choose (PyTorch's is 1), with the other constants 0.9 and 1e-6.
    #[doc(alias = "optimizer")]
    pub fn adadelta(mut self) -> Self {
        self.rule = Rule::Adadelta {
            rate: 1.0,
            rho: 0.9,
            epsilon: 1e-6,
        };
        self
    }

    /// AMSGrad at this rate: Adam whose second mean never falls.
    #[doc(alias = "optimizer")]
    pub fn amsgrad(self, rate: impl Number) -> Self {
        self.set("amsgrad", rate, |r, rate| {
            r.rule = Rule::AmsGrad {
                rate,
                beta1: 0.9,
                beta2: 0.999,
                epsilon: 1e-8,
            };
        })
    }

    /// RAdam at this rate: Adam that warms up by itself.
    #[doc(alias = "optimizer")]
    pub fn radam(self, rate: impl Number) -> Self {
        self.set("radam", rate, |r, rate| {
            r.rule = Rule::RAdam {
                rate,
                beta1: 0.9,
                beta2: 0.999,
                epsilon: 1e-8,
            };
        })
    }

    /// Lion at this rate, a third to a tenth of Adam's, with the paper's other constants (0.9, 0.99).
    #[doc(alias = "optimizer")]
    pub fn lion(self, rate: impl Number) -> Self {
        self.set("lion", rate, |r, rate| {
            r.rule = Rule::Lion {
                rate,
                beta1: 0.9,
                beta2: 0.99,
            };
        })
    }

    /// NAdam at this rate: Adam with Nesterov's momentum, and PyTorch's other constants.
    #[doc(alias = "optimizer")]
    pub fn nadam(self, rate: impl Number) -> Self {
        self.set("nadam", rate, |r, rate| {
            r.rule = Rule::NAdam {
                rate,
                beta1: 0.9,
                beta2: 0.999,
                epsilon: 1e-8,
                momentum_decay: 0.004,
            };
        })
    }

    /// LAMB at this rate: Adam with steps as long as the tensor that takes them, for large batches; the other constants are
    /// 0.9, 0.999 and 1e-6.
    #[doc(alias = "optimizer")]
    pub fn lamb(self, rate: impl Number) -> Self {
        self.set("lamb", rate, |r, rate| {
            r.rule = Rule::Lamb {
                rate,
                beta1: 0.9,
                beta2: 0.999,
                epsilon: 1e-6,
            };
        })
    }

    /// Muon at this rate, which is one for Adam too: momentum of 0.95 made orthogonal for the weights of hidden layers, and
    /// Adam (0.9, 0.95, 1e-10) for embeddings, the last layer, biases and norms.
    #[doc(alias = "optimizer")]
    #[doc(alias = "Newton-Schulz")]
    pub fn muon(self, rate: impl Number) -> Self {
        self.set("muon", rate, |r, rate| {
            r.rule = Rule::Muon {
                rate,
                momentum: 0.95,
                beta1: 0.9,
                beta2: 0.95,
                epsilon: 1e-10,
            };
        })
    }

    /// Schedule-free SGD at this rate (Defazio et al. 2024): an average of its own in place of a schedule, which is what is
    /// given. Its rate is larger than plain SGD's; [`warm_up`](Self::warm_up) helps where that is unstable.
    #[doc(alias = "optimizer")]
    pub fn schedule_free(self, rate: impl Number) -> Self {
        self.set("schedule_free", rate, |r, rate| {
            r.rule = Rule::ScheduleFree { rate, beta: 0.9 };
        })
    }

    /// Schedule-free Adam at this rate, of Adam's size or a little above; the other constants are Adam's.
    #[doc(alias = "optimizer")]
    #[doc(alias = "AdamWScheduleFree")]
    pub fn schedule_free_adam(self, rate: impl Number) -> Self {
        self.set("schedule_free_adam", rate, |r, rate| {
            r.rule = Rule::ScheduleFreeAdam {
                rate,
                beta1: 0.9,
                beta2: 0.999,
                epsilon: 1e-8,
            };
        })
    }

    /// Any update rule, with all its constants.
    pub fn rule(mut self, rule: Rule) -> Self {
        self.rule = rule;
        self
    }

    fn set_momentum(self, what: &str, momentum: impl Number, make: fn(f64, f64) -> Rule) -> Self {
        let rule = self.rule;
        let place = format!("recipe, {what}");
        let made = number(&place, momentum).and_then(|momentum| match rule {
            Rule::Sgd { .. } | Rule::Momentum { .. } | Rule::Nesterov { .. } => {
                Ok(make(rule.rate(), momentum))
            }
            other => {
                let why = match other {
                    Rule::Adam { .. } => "the rule is Adam, whose momentum is its beta1".to_owned(),
                    other => format!("the rule is {other}, which has no momentum of SGD's"),
                };
                Err(Error::spec(why).at(place).fix(format!(
                    "choose SGD first, as in Recipe::new().sgd(0.05).{what}(0.9)"
                )))
            }
        });
        self.set_result(made, |r, rule| r.rule = rule)
    }
}
