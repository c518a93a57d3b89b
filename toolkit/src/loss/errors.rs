//! Losses of the error output - target alone, the mean over rows and outputs: Huber's (1964), the pinball loss of a
//! quantile (Koenker and Bassett 1978), and the absolute error.

use super::fused::RowSum;
use crate::data::Targets;

/// Half the square up to `delta`, a line beyond; with its slope.
pub(super) fn huber(delta: f64) -> impl Fn(f32) -> (f32, f32) {
    let delta = delta as f32;
    move |error| match error.abs() <= delta {
        true => (0.5 * error * error, error),
        false => (delta * (error.abs() - 0.5 * delta), delta * error.signum()),
    }
}

/// The pinball loss. At an error of 0 the slope is 0.
pub(super) fn quantile(tau: f64) -> impl Fn(f32) -> (f32, f32) {
    let (below, above) = (tau as f32, (1.0 - tau) as f32);
    move |error| match error {
        error if error < 0.0 => (-below * error, -below),
        error if error > 0.0 => (above * error, above),
        // 0, or no number, which shows in both.
        error => (error, error),
    }
}

/// |error|. At 0 the slope is 0.
pub(super) fn absolute(error: f32) -> (f32, f32) {
    match error == 0.0 {
        true => (0.0, 0.0),
        false => (error.abs(), error.signum()),
    }
}

/// The mean of `loss` of the errors, rows of `width`; of classes the target is 1 for the class and 0 elsewhere.
pub(super) fn of_errors(
    loss: impl Fn(f32) -> (f32, f32),
    (logits, width): (&[f32], usize),
    targets: Targets<'_>,
    weights: Option<&[f32]>,
    grad: &mut [f32],
) -> Option<f32> {
    let width = match targets {
        Targets::Classes(classes) => {
            let width = super::fused::width(logits, classes.len())?;
            grad.copy_from_slice(logits);
            for (row, &class) in grad.chunks_exact_mut(width).zip(classes) {
                *row.get_mut(class as usize)? -= 1.0;
            }
            width
        }
        Targets::Values(values) | Targets::Shares { shares: values, .. } if values.len() == logits.len() => {
            for ((grad, x), value) in grad.iter_mut().zip(logits).zip(values) {
                *grad = x - value;
            }
            width.max(1)
        }
        _ => return None,
    };
    if logits.is_empty() {
        return None;
    }
    let count = logits.len() as f64;
    let mut total = RowSum::default();
    for (row, errors) in grad.chunks_exact_mut(width).enumerate() {
        let weight = weights.map_or(1.0, |weights| f64::from(weights[row]));
        let factor = (weight / count) as f32;
        let mut sum = 0.0f64;
        for error in errors {
            let (value, slope) = loss(*error);
            sum += f64::from(value);
            *error = factor * slope;
        }
        total.add(row, weight * sum);
    }
    Some((total.total() / count) as f32)
}
