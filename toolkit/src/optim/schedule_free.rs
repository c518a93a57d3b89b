//! The schedule-free rules (Defazio et al. 2024): gradients at a point between the fast sequence z and its average x,
//! which is what is given. The parameters are that point, y; x and z are remembered, and the sum of the weights so far,
//! which is 0 before a tensor's first update.

use super::{Rule, TensorStep, sign};

/// Where x and the sum of its weights stand among the states.
const AVERAGE: usize = 1;
const WEIGHTS: usize = 2;

pub(super) fn update(rule: &Rule, tensor: TensorStep<'_>) {
    let (l1, l2, decay) = (tensor.l1, tensor.l2, tensor.decay);
    let (r, weight) = (tensor.rate as f32, (tensor.rate * tensor.rate) as f32);
    let penalized = |g: f32, p: f32| g + l2 * p + l1 * sign(p);
    let places = tensor.parameters.iter_mut().zip(tensor.gradients);
    match (*rule, tensor.states) {
        (Rule::ScheduleFree { beta, .. }, [z, x, weights, ..]) => {
            let sequences = z.iter_mut().zip(x.iter_mut()).zip(weights.iter_mut());
            for ((y, &g), ((z, x), sum)) in places.zip(sequences) {
                let way = penalized(g, *y) + decay * *y;
                advance(y, (z, x, sum), r * way, weight, beta as f32);
            }
        }
        (Rule::ScheduleFreeAdam { beta1, .. }, [z, x, weights, second, ..]) => {
            let (_, spread) = rule.corrections(tensor.rate, tensor.step);
            let [_, b2, c2, epsilon] = rule.constants();
            let sequences = z.iter_mut().zip(x.iter_mut()).zip(weights.iter_mut());
            for (((y, &g), ((z, x), sum)), v) in places.zip(sequences).zip(second.iter_mut()) {
                let g = penalized(g, *y);
                *v = b2 * *v + c2 * g * g;
                let way = g / (v.sqrt() * spread + epsilon) + decay * *y;
                advance(y, (z, x, sum), r * way, weight, beta1 as f32);
            }
        }
        (rule, states) => unreachable!("{rule} was given {} states", states.len()),
    }
}

/// Moves z by `step`, x towards it, and y between the two.
#[inline(always)]
fn advance(y: &mut f32, (z, x, sum): (&mut f32, &mut f32, &mut f32), step: f32, weight: f32, beta: f32) {
    if *sum == 0.0 {
        (*z, *x) = (*y, *y);
    }
    *z -= step;
    *sum += weight;
    // A rate of 0, as warm-up may begin with, has no weight.
    if *sum > 0.0 {
        *x += weight / *sum * (*z - *x);
    }
    *y = *z + beta * (*x - *z);
}

/// x, and the parameters themselves where a tensor has had no update: it is frozen.
pub(super) fn given(parameters: &[f32], states: &[Vec<f32>]) -> Option<Vec<f32>> {
    let (average, weights) = (states.get(AVERAGE)?, states.get(WEIGHTS)?);
    let numbers = parameters.iter().zip(average).zip(weights);
    Some(
        numbers
            .map(|((&p, &x), &sum)| if sum > 0.0 { x } else { p })
            .collect(),
    )
}
