//! What the rules do, one pass over parameters, gradients and states each.

use super::{Rule, TensorStep, UpdateRule, lamb, muon, schedule_free};

/// Parameters above so many are shared among threads.
const PIECE: usize = 1 << 16;

impl UpdateRule for Rule {
    fn states(&self) -> usize {
        match self {
            Rule::Sgd { .. } => 0,
            Rule::Momentum { .. }
            | Rule::Nesterov { .. }
            | Rule::Adagrad { .. }
            | Rule::RmsProp { .. }
            | Rule::Lion { .. } => 1,
            Rule::Adam { .. }
            | Rule::RAdam { .. }
            | Rule::NAdam { .. }
            | Rule::Adadelta { .. }
            | Rule::Lamb { .. }
            | Rule::Muon { .. } => 2,
            Rule::AmsGrad { .. } | Rule::ScheduleFree { .. } => 3,
            Rule::ScheduleFreeAdam { .. } => 4,
        }
    }

    fn elementwise(&self) -> bool {
        !matches!(self, Rule::Lamb { .. } | Rule::Muon { .. })
    }

    fn penalizes(&self) -> bool {
        !matches!(self, Rule::Muon { .. })
    }

    fn given(&self, parameters: &[f32], states: &[Vec<f32>]) -> Option<Vec<f32>> {
        match self.averages() {
            true => schedule_free::given(parameters, states),
            false => None,
        }
    }

    fn update(&self, mut tensor: TensorStep<'_>) {
        if let Some(momentum) = tensor.momentum.take() {
            return self.at_momentum(momentum).update(tensor);
        }
        match self {
            Rule::Lamb { .. } => return lamb::update(self, tensor),
            Rule::Muon { .. } => return muon::update(self, tensor),
            _ => {}
        }
        if tensor.parameters.len() > PIECE {
            let TensorStep {
                parameters,
                gradients,
                states,
                ..
            } = tensor;
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
        if self.averages() {
            return schedule_free::update(self, tensor);
        }
        let TensorStep {
            parameters,
            gradients,
            states,
            ..
        } = tensor;
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
    /// What an update takes beside rate and penalties: the momentum; of Adam and its kin 1 - beta1, beta2, 1 - beta2 and
    /// epsilon.
    pub(crate) fn constants(&self) -> [f32; 4] {
        match (*self, self.of_adam()) {
            (Rule::Momentum { momentum, .. } | Rule::Nesterov { momentum, .. }, _) => {
                [momentum as f32, 0.0, 0.0, 0.0]
            }
            (_, Some((beta1, beta2, epsilon))) => [
                (1.0 - beta1) as f32,
                beta2 as f32,
                (1.0 - beta2) as f32,
                epsilon as f32,
            ],
            (_, None) => [0.0; 4],
        }
    }

    /// The corrections of Adam's, and its kin's, two means at update `step`, counted from 1: what the first is multiplied
    /// by, the rate included, and the root of the second.
    pub(crate) fn corrections(&self, rate: f64, step: u64) -> (f32, f32) {
        let Some((beta1, beta2, _)) = self.of_adam() else {
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
            (Rule::AmsGrad { .. }, [first, second, largest, ..]) => {
                let (scale, spread) = self.corrections(rate, step);
                let [b1, b2, c2, epsilon] = self.constants();
                let moments = first.iter_mut().zip(second.iter_mut()).zip(largest.iter_mut());
                for ((p, &g), ((m, v), most)) in parameters.iter_mut().zip(gradients).zip(moments) {
                    let g = penalized(g, *p);
                    *m += b1 * (g - *m);
                    *v = b2 * *v + c2 * g * g;
                    *most = most.max(*v);
                    *p -= scale * *m / (most.sqrt() * spread + epsilon);
                }
            }
            (Rule::RAdam { beta2, .. }, [first, second, ..]) => {
                let (scale, spread) = self.corrections(rate, step);
                let [b1, b2, c2, epsilon] = self.constants();
                let rectified = rectification(beta2, step);
                let moments = first.iter_mut().zip(second.iter_mut());
                for ((p, &g), (m, v)) in parameters.iter_mut().zip(gradients).zip(moments) {
                    let g = penalized(g, *p);
                    *m += b1 * (g - *m);
                    *v = b2 * *v + c2 * g * g;
                    *p -= scale
                        * *m
                        * match rectified {
                            // PyTorch's epsilon stands beside the root before its correction.
                            Some(factor) => factor / (spread * (v.sqrt() + epsilon)),
                            None => 1.0,
                        };
                }
            }
            (
                Rule::NAdam {
                    beta1,
                    momentum_decay,
                    ..
                },
                [first, second, ..],
            ) => {
                let (_, spread) = self.corrections(rate, step);
                let [b1, b2, c2, epsilon] = self.constants();
                let (of_gradient, of_mean) = nesterov(beta1, momentum_decay, step);
                let (of_gradient, of_mean) = ((rate * of_gradient) as f32, (rate * of_mean) as f32);
                let moments = first.iter_mut().zip(second.iter_mut());
                for ((p, &g), (m, v)) in parameters.iter_mut().zip(gradients).zip(moments) {
                    let g = penalized(g, *p);
                    *m += b1 * (g - *m);
                    *v = b2 * *v + c2 * g * g;
                    *p -= (of_gradient * g + of_mean * *m) / (v.sqrt() * spread + epsilon);
                }
            }
            (Rule::Adagrad { epsilon, .. }, [sum, ..]) => {
                let epsilon = epsilon as f32;
                for ((p, &g), s) in parameters.iter_mut().zip(gradients).zip(sum.iter_mut()) {
                    let g = penalized(g, *p);
                    *s += g * g;
                    *p -= r * g / (s.sqrt() + epsilon);
                }
            }
            (Rule::RmsProp { alpha, epsilon, .. }, [mean, ..]) => {
                let (a, b, epsilon) = (alpha as f32, (1.0 - alpha) as f32, epsilon as f32);
                for ((p, &g), s) in parameters.iter_mut().zip(gradients).zip(mean.iter_mut()) {
                    let g = penalized(g, *p);
                    *s = a * *s + b * g * g;
                    *p -= r * g / (s.sqrt() + epsilon);
                }
            }
            (Rule::Adadelta { rho, epsilon, .. }, [mean, moves, ..]) => {
                let (a, b, epsilon) = (rho as f32, (1.0 - rho) as f32, epsilon as f32);
                let means = mean.iter_mut().zip(moves.iter_mut());
                for ((p, &g), (s, u)) in parameters.iter_mut().zip(gradients).zip(means) {
                    let g = penalized(g, *p);
                    *s = a * *s + b * g * g;
                    let d = g * (*u + epsilon).sqrt() / (*s + epsilon).sqrt();
                    *u = a * *u + b * d * d;
                    *p -= r * d;
                }
            }
            (Rule::Lion { beta1, beta2, .. }, [mean, ..]) => {
                let (b1, b2) = ((1.0 - beta1) as f32, (1.0 - beta2) as f32);
                for ((p, &g), m) in parameters.iter_mut().zip(gradients).zip(mean.iter_mut()) {
                    let g = penalized(g, *p);
                    *p -= r * super::sign(*m + b1 * (g - *m));
                    *m += b2 * (g - *m);
                }
            }
            (rule, states) => unreachable!("{rule} was given {} states", states.len()),
        }
    }
}

/// What RAdam multiplies its step by at update `step`, counted from 1; none while its second mean is of too few gradients.
fn rectification(beta2: f64, step: u64) -> Option<f32> {
    let t = step as f64;
    let power = beta2.powi(step.min(i32::MAX as u64) as i32);
    let most = 2.0 / (1.0 - beta2) - 1.0;
    let now = most - 2.0 * t * power / (1.0 - power);
    let ratio = (now - 4.0) * (now - 2.0) * most / ((most - 4.0) * (most - 2.0) * now);
    (now > 5.0).then_some(ratio.sqrt() as f32)
}

/// What NAdam multiplies the gradient and the mean by at update `step`, counted from 1: the momentum of each update has a
/// part in the corrections.
fn nesterov(beta1: f64, momentum_decay: f64, step: u64) -> (f64, f64) {
    let base = 0.96_f64.powf(momentum_decay);
    let momentum = |power: f64| beta1 * (1.0 - 0.5 * power);
    let (mut product, mut power) = (1.0, 1.0);
    for _ in 0..step {
        power *= base;
        product *= momentum(power);
        // Beside 1 it is nothing from here on.
        if product < 1e-18 {
            break;
        }
    }
    let now = momentum(base.powf(step as f64));
    let next = momentum(base.powf(step as f64 + 1.0));
    ((1.0 - now) / (1.0 - product), next / (1.0 - product * next))
}
