//! The multi-class hinge loss as PyTorch's `MultiMarginLoss`: sum_{j != c} max(0, margin - z_c + z_j) / K, the sum over
//! classes of Weston and Watkins (1999). At the hinge itself the slope is 0.

use super::fused::{RowSum, width};

pub(super) fn hinge(
    margin: f64,
    logits: &[f32],
    classes: &[u32],
    weights: Option<&[f32]>,
    grad: &mut [f32],
) -> Option<f32> {
    let width = width(logits, classes.len())?;
    if classes.iter().any(|&class| class as usize >= width) {
        return None;
    }
    let count = logits.len() as f64;
    let mut total = RowSum::default();
    let rows = logits.chunks_exact(width).zip(grad.chunks_exact_mut(width));
    for (row, ((logits, grad), &class)) in rows.zip(classes).enumerate() {
        let class = class as usize;
        let weight = weights.map_or(1.0, |weights| f64::from(weights[row]));
        let (own, slope) = (margin as f32 - logits[class], (weight / count) as f32);
        let (mut sum, mut above) = (0.0f64, 0u32);
        for (j, (grad, &z)) in grad.iter_mut().zip(logits).enumerate() {
            let over = own + z;
            *grad = 0.0;
            if j != class && (over > 0.0 || over.is_nan()) {
                sum += f64::from(over);
                above += 1;
                *grad = slope;
            }
        }
        grad[class] = -slope * above as f32;
        total.add(row, weight * sum);
    }
    Some((total.total() / count) as f32)
}
