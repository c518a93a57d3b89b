//! LAMB: steps of Adam as long as the tensor that takes them (You et al. 2020, algorithm 2).

use super::{Rule, TensorStep, sign};

pub(super) fn update(rule: &Rule, tensor: TensorStep<'_>) {
    let TensorStep {
        parameters,
        gradients,
        states: [first, second, ..],
        ..
    } = tensor
    else {
        unreachable!("{rule} was given {} states", tensor.states.len());
    };
    let (l1, l2, decay) = (tensor.l1, tensor.l2, tensor.decay);
    let (scale, spread) = rule.corrections(1.0, tensor.step);
    let [b1, b2, c2, epsilon] = rule.constants();
    let mut way = Vec::with_capacity(parameters.len());
    let moments = first.iter_mut().zip(second.iter_mut());
    for ((&p, &g), (m, v)) in parameters.iter().zip(gradients).zip(moments) {
        let g = g + l2 * p + l1 * sign(p);
        *m += b1 * (g - *m);
        *v = b2 * *v + c2 * g * g;
        way.push(scale * *m / (v.sqrt() * spread + epsilon) + decay * p);
    }
    let (own, step) = (norm(parameters), norm(&way));
    let trust = if own > 0.0 && step > 0.0 { own / step } else { 1.0 };
    let rate = (tensor.rate * trust) as f32;
    for (p, way) in parameters.iter_mut().zip(&way) {
        *p -= rate * way;
    }
}

fn norm(all: &[f32]) -> f64 {
    let squares = all.iter().map(|&x| f64::from(x) * f64::from(x));
    squares.sum::<f64>().sqrt()
}

#[cfg(test)]
mod tests {
    use super::super::UpdateRule;
    use super::*;

    #[test]
    fn a_step_is_as_long_as_the_tensor_at_that_rate() {
        let rule = Rule::Lamb {
            rate: 0.1,
            beta1: 0.9,
            beta2: 0.999,
            epsilon: 1e-6,
        };
        let step = |start: &[f32]| {
            let mut parameters = start.to_vec();
            let gradients = [0.5, -2.0, 1e-3];
            let (mut m, mut v) = (vec![0.0; 3], vec![0.0; 3]);
            rule.update(TensorStep {
                parameters: &mut parameters,
                gradients: &gradients,
                states: &mut [&mut m, &mut v],
                shape: &[3],
                hidden: None,
                rate: 0.1,
                momentum: None,
                step: 1,
                l1: 0.0,
                l2: 0.0,
                decay: 0.0,
            });
            let moved: Vec<f32> = parameters.iter().zip(start).map(|(p, s)| p - s).collect();
            norm(&moved)
        };
        assert!((step(&[3.0, 0.0, 4.0]) - 0.5).abs() < 1e-6);
        // Nothing to compare with: Adam's step, 0.1 a number.
        assert!((step(&[0.0; 3]) - 0.1 * 3.0_f64.sqrt()).abs() < 1e-3);
    }
}
