//! Softmax cross entropy with label smoothing (Szegedy et al. 2016) and weights of classes, as PyTorch has them.
//!
//! With targets t_k, the loss of a row is sum_k t_k (-log p_k), and its slope by logit k is (sum t) p_k - t_k.

use super::fused::{RowSum, below_the_largest, width};
use crate::base::math;
use crate::data::Targets;

/// What a target becomes.
pub(super) struct Smoothed<'a> {
    pub smoothing: f64,
    /// Empty: all alike.
    pub class_weights: &'a [f64],
}

impl Smoothed<'_> {
    fn weight(&self, class: usize) -> f64 {
        self.class_weights.get(class).copied().unwrap_or(1.0)
    }
}

pub(super) fn smoothed_cross_entropy(
    how: Smoothed<'_>,
    logits: &[f32],
    targets: Targets<'_>,
    weights: Option<&[f32]>,
    grad: &mut [f32],
) -> Option<f32> {
    let (width, divisor) = match targets {
        Targets::Classes(classes) => {
            let width = width(logits, classes.len())?;
            if classes.iter().any(|&class| class as usize >= width) {
                return None;
            }
            let counted = classes.iter().map(|&class| how.weight(class as usize));
            (width, counted.sum::<f64>())
        }
        Targets::Shares { classes, shares } if classes > 0 && shares.len() == logits.len() => {
            (classes, (logits.len() / classes) as f64)
        }
        _ => return None,
    };
    if logits.is_empty() || !(how.class_weights.is_empty() || how.class_weights.len() == width) {
        return None;
    }
    below_the_largest(logits, width, grad);
    if divisor == 0.0 {
        // Nothing counts here; a logit that is none shows all the same.
        let broken = grad.iter().any(|x| x.is_nan());
        grad.fill(0.0);
        return Some(if broken { f32::NAN } else { 0.0 });
    }
    let class_weights: Vec<f32> = (0..width).map(|class| how.weight(class) as f32).collect();
    let (kept, spread) = (1.0 - how.smoothing as f32, how.smoothing as f32 / width as f32);
    let mut wanted = vec![0.0f32; width];
    let mut total = RowSum::default();
    for (row, grad) in grad.chunks_exact_mut(width).enumerate() {
        match targets {
            Targets::Classes(classes) => {
                wanted.fill(spread);
                wanted[classes[row] as usize] += kept;
            }
            Targets::Shares { shares, .. } => {
                let own = &shares[row * width..][..width];
                let smooth = |(wanted, share): (&mut f32, &f32)| *wanted = kept * share + spread;
                wanted.iter_mut().zip(own).for_each(smooth);
            }
            _ => {}
        }
        wanted.iter_mut().zip(&class_weights).for_each(|(t, w)| *t *= w);
        let all: f32 = wanted.iter().sum();
        let sum: f32 = grad.iter().map(|&x| math::exp(x)).sum();
        let log = math::ln(sum);
        let weight = weights.map_or(1.0, |weights| f64::from(weights[row]));
        let factor = (weight / divisor) as f32;
        let mut loss = 0.0f64;
        for (grad, &t) in grad.iter_mut().zip(&wanted) {
            loss += f64::from(t) * f64::from(log - *grad);
            *grad = factor * (all * math::exp(*grad) / sum - t);
        }
        total.add(row, weight * loss);
    }
    Some((total.total() / divisor) as f32)
}
