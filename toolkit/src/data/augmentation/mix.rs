//! Examples mixed with others of their batch: mixup and CutMix.

use rand::Rng as _;
use statrs::distribution::{Beta, ContinuousCDF as _};

use super::Augmentation;
use crate::data::{Shape, Targets};
use crate::seed::{Rng, stream, uniform};

/// Mixes the examples of a batch, `rows` of a dataset in `epoch`, by those of these changes that do so, one after another.
/// `numbers` is what their outputs should be, rows x width: classes are put in as rows of zeros with a 1, shares and
/// values are there. Gives whether they were mixed too.
pub(crate) fn mix_batch(
    all: &[Augmentation],
    draws: (&[u32], u64, u64),
    shape: Shape,
    examples: &mut [f32],
    (targets, width): (Targets<'_>, usize),
    numbers: &mut Vec<f32>,
) -> bool {
    let mut mixed = false;
    for one in all.iter().filter(|one| one.mixes()) {
        if let (Targets::Classes(classes), false) = (targets, mixed) {
            numbers.clear();
            numbers.resize(classes.len() * width, 0.0);
            for (row, &class) in numbers.chunks_exact_mut(width.max(1)).zip(classes) {
                row[class as usize] = 1.0;
            }
        }
        let there = targets != Targets::None;
        one.mix(draws, shape, examples, there.then_some((&mut numbers[..], width)));
        mixed |= there;
    }
    mixed
}

impl Augmentation {
    /// Mixes each example of a batch, `rows` of a dataset in `epoch`, with another; their targets likewise.
    fn mix(
        &self,
        (rows, epoch, seed): (&[u32], u64, u64),
        shape: Shape,
        examples: &mut [f32],
        mut table: Option<(&mut [f32], usize)>,
    ) {
        let (Augmentation::Mixup(alpha) | Augmentation::CutMix(alpha)) = *self else {
            return;
        };
        let width = shape.width();
        let before = examples.to_vec();
        let targets = table.as_ref().map(|(numbers, _)| numbers.to_vec());
        for (i, (example, &row)) in examples.chunks_exact_mut(width).zip(rows).enumerate() {
            let mut rng = stream(seed, &format!("{self}/{epoch}/{row}"));
            let other = rng.random_range(0..rows.len() as u32) as usize;
            let kept = beta(alpha, &mut rng);
            let from = &before[other * width..][..width];
            let kept = match (self, shape) {
                (
                    Augmentation::CutMix(_),
                    Shape::Image {
                        height,
                        width,
                        channels,
                    },
                ) => paste(example, from, (height, width, channels), kept, &mut rng),
                _ => {
                    blend(example, from, kept);
                    kept
                }
            };
            if let (Some((numbers, width)), Some(targets)) = (&mut table, &targets) {
                let own = &mut numbers[i * *width..][..*width];
                blend(own, &targets[other * *width..][..*width], kept);
            }
        }
    }
}

/// A draw from Beta(alpha, alpha): by the inverse of its distribution, from one uniform number.
fn beta(alpha: f64, rng: &mut Rng) -> f64 {
    let u = uniform(rng);
    if alpha == 1.0 {
        return u;
    }
    // An alpha that was validated is one; a law that cannot be turned around here leaves the example as it is.
    let drawn = Beta::new(alpha, alpha).map_or(1.0, |beta| beta.inverse_cdf(u));
    if drawn.is_finite() {
        drawn.clamp(0.0, 1.0)
    } else {
        1.0
    }
}

/// `kept` of the one and the rest of the other.
fn blend(own: &mut [f32], other: &[f32], kept: f64) {
    let (kept, rest) = (kept as f32, (1.0 - kept) as f32);
    for (x, y) in own.iter_mut().zip(other) {
        *x = kept * *x + rest * y;
    }
}

/// Puts in a rectangle of 1 - `kept` of the other's area, about a drawn centre, as far as it lies in the image; gives the
/// share of the area that is the own one's.
fn paste(
    own: &mut [f32],
    other: &[f32],
    (height, width, channels): (usize, usize, usize),
    kept: f64,
    rng: &mut Rng,
) -> f64 {
    let half = 0.5 * (1.0 - kept).sqrt();
    let mut span = |whole: usize| {
        let middle = rng.random_range(0..whole as u32) as usize;
        let reach = (half * whole as f64) as usize;
        middle.saturating_sub(reach)..(middle + reach).min(whole)
    };
    let (columns, lines) = (span(width), span(height));
    for y in lines.clone() {
        let place = (y * width + columns.start) * channels..(y * width + columns.end) * channels;
        own[place.clone()].copy_from_slice(&other[place]);
    }
    1.0 - (lines.len() * columns.len()) as f64 / (height * width) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beta_has_its_moments() {
        for alpha in [0.2, 0.4, 1.0, 8.0] {
            let mut rng = stream(1, "beta");
            let draws: Vec<f64> = (0..4000).map(|_| beta(alpha, &mut rng)).collect();
            let mean = draws.iter().sum::<f64>() / 4000.0;
            let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 4000.0;
            let expected = 1.0 / (4.0 * (2.0 * alpha + 1.0));
            assert!((mean - 0.5).abs() < 0.02, "{alpha}: {mean}");
            assert!((variance / expected - 1.0).abs() < 0.06, "{alpha}: {variance}");
        }
    }

    #[test]
    fn a_pasted_part_counts_by_its_area() {
        let mut rng = stream(3, "paste");
        let mut kinds = std::collections::HashSet::new();
        for round in 0..200 {
            let kept = f64::from(round) / 199.0;
            let mut own = vec![0.0; 6 * 9 * 2];
            let share = paste(&mut own, &[1.0; 6 * 9 * 2], (6, 9, 2), kept, &mut rng);
            let ones = own.iter().filter(|&&x| x == 1.0).count() as f64;
            assert!((1.0 - share - ones / own.len() as f64).abs() < 1e-9);
            // The rectangle is no larger than asked, and smaller where it was cut off or rounded.
            assert!(share >= kept - 1e-9, "{share} of {kept}");
            kinds.insert(ones as u64);
        }
        assert!(kinds.len() > 8, "{kinds:?}");
    }
}
