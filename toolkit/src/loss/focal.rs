//! The focal loss (Lin et al. 2017, equation 5) over a softmax: FL = -alpha_c (1 - p)^gamma log p, with p = p_c.
//!
//! Its slope by logit k is (d FL / d log p) (1\[k = c\] - p_k), where
//! d FL / d log p = alpha (1 - p)^gamma (gamma p log p / (1 - p) - 1).

use super::fused::{RowSum, below_the_largest, width};
use crate::base::math;

pub(super) fn focal(
    (gamma, alpha): (f64, &[f64]),
    logits: &[f32],
    classes: &[u32],
    weights: Option<&[f32]>,
    grad: &mut [f32],
) -> Option<f32> {
    let width = width(logits, classes.len())?;
    let fits = |weights: &[f64]| weights.is_empty() || weights.len() == width;
    if classes.iter().any(|&class| class as usize >= width) || !fits(alpha) {
        return None;
    }
    below_the_largest(logits, width, grad);
    let rows = classes.len() as f64;
    let mut total = RowSum::default();
    for (row, (grad, &class)) in grad.chunks_exact_mut(width).zip(classes).enumerate() {
        let class = class as usize;
        let own = f64::from(grad[class]);
        grad.iter_mut().for_each(|x| *x = math::exp(*x));
        // The others alone, so that 1 - p is exact where p is nearly 1.
        let others: f64 = (0..width)
            .filter(|&k| k != class)
            .map(|k| f64::from(grad[k]))
            .sum();
        let sum = others + f64::from(grad[class]);
        let (log, rest) = match others < 1e-3 * sum {
            true => ((-others / sum).ln_1p(), others / sum),
            false => (own - sum.ln(), others / sum),
        };
        let p = f64::from(grad[class]) / sum;
        let weight =
            weights.map_or(1.0, |weights| f64::from(weights[row])) * alpha.get(class).copied().unwrap_or(1.0);
        let power = rest.powf(gamma);
        total.add(row, -weight * power * log);
        // log p / (1 - p) is -1 where p is 1.
        let ratio = if rest > 0.0 || rest.is_nan() {
            log / rest
        } else {
            -1.0
        };
        let by_log = weight * power * (gamma * p * ratio - 1.0) / rows;
        let factor = by_log / sum;
        for (k, grad) in grad.iter_mut().enumerate() {
            *grad = if k == class {
                by_log * rest
            } else {
                -factor * f64::from(*grad)
            } as f32;
        }
    }
    Some((total.total() / rows) as f32)
}
