//! Standard losses fused: the value and the gradient by the logits in one pass.

use super::Loss;
use super::cross_entropy::{Smoothed, smoothed_cross_entropy};
use super::errors::{absolute, huber, of_errors, quantile};
use super::focal::focal;
use super::hinge::hinge;
use crate::base::math;
use crate::data::Targets;

impl Loss {
    /// The loss of a batch, and d loss / d logits into `grad`. `logits` and `grad` are rows x outputs, the
    /// rows as many as `targets` has. Targets of the wrong kind or number, classes out of range, and an
    /// empty batch give NaN and a gradient of zeros; values that are not finite show in both.
    ///
    /// # Panics
    /// If `grad` is not as long as `logits`.
    pub fn value_and_gradient(&self, logits: &[f32], targets: Targets<'_>, grad: &mut [f32]) -> f32 {
        self.weighted(logits, targets, None, grad)
    }

    /// As [`Loss::value_and_gradient`], where each row counts as much as its weight: the mean of weight x loss.
    pub fn weighted(
        &self,
        logits: &[f32],
        targets: Targets<'_>,
        weights: Option<&[f32]>,
        grad: &mut [f32],
    ) -> f32 {
        // Values do not say how many there are of an example, and without weights nothing depends on it.
        let width = weights.map_or(1, |weights| logits.len() / weights.len().max(1));
        self.of_rows(logits, width, targets, weights, grad)
    }

    /// As [`Loss::weighted`], of rows of `width` logits: the sum over them has one order.
    pub(super) fn of_rows(
        &self,
        logits: &[f32],
        width: usize,
        targets: Targets<'_>,
        weights: Option<&[f32]>,
        grad: &mut [f32],
    ) -> f32 {
        assert!(
            grad.len() == logits.len(),
            "a gradient of {} numbers for {} logits",
            grad.len(),
            logits.len()
        );
        let value = match (self, targets) {
            (Loss::SoftmaxCrossEntropy, Targets::Classes(classes)) => {
                cross_entropy(logits, classes, weights, grad)
            }
            (Loss::SoftmaxCrossEntropy, Targets::Shares { classes, shares }) => {
                cross_entropy_to_shares(logits, (classes, shares), weights, grad)
            }
            (Loss::MeanSquaredError, Targets::Classes(classes)) => {
                squared_to_classes(logits, classes, weights, grad)
            }
            (Loss::MeanSquaredError, Targets::Values(values) | Targets::Shares { shares: values, .. }) => {
                squared(logits, width, values, weights, grad)
            }
            (
                Loss::CrossEntropy {
                    smoothing,
                    class_weights,
                },
                targets,
            ) => {
                let how = Smoothed {
                    smoothing: *smoothing,
                    class_weights,
                };
                smoothed_cross_entropy(how, logits, targets, weights, grad)
            }
            (Loss::Focal { gamma, alpha }, Targets::Classes(classes)) => {
                focal((*gamma, alpha), logits, classes, weights, grad)
            }
            (Loss::MultiClassHinge { margin }, Targets::Classes(classes)) => {
                hinge(*margin, logits, classes, weights, grad)
            }
            (Loss::Huber { delta }, targets) => {
                of_errors(huber(*delta), (logits, width), targets, weights, grad)
            }
            (Loss::Quantile { tau }, targets) => {
                of_errors(quantile(*tau), (logits, width), targets, weights, grad)
            }
            (Loss::AbsoluteError, targets) => of_errors(absolute, (logits, width), targets, weights, grad),
            _ => None,
        };
        value.unwrap_or_else(|| {
            grad.fill(0.0);
            f32::NAN
        })
    }

    /// The loss of a batch alone, for evaluation: as [`Loss::value_and_gradient`] without its gradient.
    pub fn value(&self, logits: &[f32], targets: Targets<'_>) -> f32 {
        self.value_and_gradient(logits, targets, &mut vec![0.0; logits.len()])
    }
}

/// Numbers in a row, if there are rows and they are whole.
pub(super) fn width(logits: &[f32], rows: usize) -> Option<usize> {
    let width = logits.len().checked_div(rows)?;
    (width > 0 && width * rows == logits.len()).then_some(width)
}

/// Sums of a number a row: 32 sums of every 32nd row, then a tree of those. An order that a GPU can follow without
/// waiting for every row in turn.
#[derive(Default)]
pub(super) struct RowSum([f64; RowSum::PARTS]);

impl RowSum {
    const PARTS: usize = 32;

    /// Adds what row number `row` has. Rows come in their order.
    pub fn add(&mut self, row: usize, loss: f64) {
        self.0[row % Self::PARTS] += loss;
    }

    pub fn total(mut self) -> f64 {
        let mut half = Self::PARTS / 2;
        while half > 0 {
            for i in 0..half {
                self.0[i] += self.0[i + half];
            }
            half /= 2;
        }
        self.0[0]
    }
}

/// The mean of weight x -log softmax(row)\[class\]. The largest logit is taken off first, so that nothing overflows.
fn cross_entropy(logits: &[f32], classes: &[u32], weights: Option<&[f32]>, grad: &mut [f32]) -> Option<f32> {
    let width = width(logits, classes.len())?;
    below_the_largest(logits, width, grad);
    if classes.iter().any(|&class| class as usize >= width) {
        return None;
    }
    const SIDE: usize = RowSum::PARTS;
    let share = 1.0 / classes.len() as f32;
    let mut total = RowSum::default();
    let parts = grad.chunks_mut(SIDE * width).zip(classes.chunks(SIDE));
    for (part, (grad, classes)) in parts.enumerate() {
        let (mut own, mut sums, mut losses) = ([0.0f32; SIDE], [1.0f32; SIDE], [0.0f64; SIDE]);
        for ((own, grad), &class) in own.iter_mut().zip(grad.chunks_exact(width)).zip(classes) {
            *own = grad[class as usize];
        }
        // All rows at once, here and with the logarithms: short rows would leave most of a register empty.
        grad.iter_mut().for_each(|x| *x = math::exp(*x));
        for (sum, grad) in sums.iter_mut().zip(grad.chunks_exact(width)) {
            *sum = grad.iter().sum();
        }
        let logs = sums.map(math::ln);
        for (loss, (log, own)) in losses.iter_mut().zip(logs.iter().zip(&own)) {
            *loss = f64::from(*log) - f64::from(*own);
        }
        let rows = grad.chunks_exact_mut(width).zip(classes);
        for (row, (grad, &class)) in rows.enumerate() {
            let weight = weights.map_or(1.0, |weights| weights[part * SIDE + row]);
            total.add(row, f64::from(weight) * losses[row]);
            let factor = weight * share / sums[row];
            grad.iter_mut().for_each(|p| *p *= factor);
            grad[class as usize] -= weight * share;
        }
    }
    Some((total.total() / classes.len() as f64) as f32)
}

/// What each logit lies below the largest of its row.
pub(super) fn below_the_largest(logits: &[f32], width: usize, grad: &mut [f32]) {
    for (row, grad) in logits.chunks_exact(width).zip(grad.chunks_exact_mut(width)) {
        let most = row
            .iter()
            .fold(f32::NEG_INFINITY, |most, &x| if x > most { x } else { most });
        for (grad, &x) in grad.iter_mut().zip(row) {
            *grad = x - most;
        }
    }
}

/// The mean of -sum share log softmax(row), each row's shares adding up to 1.
fn cross_entropy_to_shares(
    logits: &[f32],
    (width, shares): (usize, &[f32]),
    weights: Option<&[f32]>,
    grad: &mut [f32],
) -> Option<f32> {
    if logits.is_empty() || width == 0 || shares.len() != logits.len() {
        return None;
    }
    let rows = logits.len() / width;
    below_the_largest(logits, width, grad);
    let mut total = RowSum::default();
    for (row, (grad, shares)) in grad
        .chunks_exact_mut(width)
        .zip(shares.chunks_exact(width))
        .enumerate()
    {
        let weight = weights.map_or(1.0, |weights| weights[row]);
        let sum: f32 = grad.iter().map(|&x| math::exp(x)).sum();
        let log = math::ln(sum);
        let mut own = 0.0f64;
        for (grad, &share) in grad.iter_mut().zip(shares) {
            own -= f64::from(weight * share) * f64::from(*grad - log);
            *grad = weight * (math::exp(*grad) / sum - share) / rows as f32;
        }
        total.add(row, own);
    }
    Some((total.total() / rows as f64) as f32)
}

/// The mean of (output - value)^2.
fn squared(
    logits: &[f32],
    width: usize,
    values: &[f32],
    weights: Option<&[f32]>,
    grad: &mut [f32],
) -> Option<f32> {
    if logits.is_empty() || values.len() != logits.len() {
        return None;
    }
    for ((grad, &x), &value) in grad.iter_mut().zip(logits).zip(values) {
        *grad = x - value;
    }
    Some(finish_squared(grad, width, weights))
}

/// [`squared`] towards 1 for the class and 0 elsewhere.
fn squared_to_classes(
    logits: &[f32],
    classes: &[u32],
    weights: Option<&[f32]>,
    grad: &mut [f32],
) -> Option<f32> {
    let width = width(logits, classes.len())?;
    grad.copy_from_slice(logits);
    for (grad, &class) in grad.chunks_exact_mut(width).zip(classes) {
        *grad.get_mut(class as usize)? -= 1.0;
    }
    Some(finish_squared(grad, width, weights))
}

/// From differences, rows of `width`, to the gradient; gives the mean square.
fn finish_squared(differences: &mut [f32], width: usize, weights: Option<&[f32]>) -> f32 {
    let count = differences.len() as f64;
    let mut total = RowSum::default();
    for (row, differences) in differences.chunks_exact_mut(width.max(1)).enumerate() {
        let weight = weights.map_or(1.0, |weights| f64::from(weights[row]));
        total.add(
            row,
            weight
                * differences
                    .iter()
                    .map(|&d| f64::from(d) * f64::from(d))
                    .sum::<f64>(),
        );
        let factor = (2.0 * weight / count) as f32;
        differences.iter_mut().for_each(|d| *d *= factor);
    }
    (total.total() / count) as f32
}
