//! Examples mixed with others of their batch: mixup and CutMix.

use std::ops::Range;

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
        let draws = rows.iter().map(|row| {
            let mut rng = stream(seed, &format!("{self}/{epoch}/{row}"));
            let other = rng.random_range(0..rows.len() as u32) as usize;
            (other, beta(alpha, &mut rng), rng)
        });
        let partners: Vec<(usize, f64)> = match (self, shape) {
            (
                Augmentation::CutMix(_),
                Shape::Image {
                    height,
                    width,
                    channels,
                },
            ) => {
                let size = (height, width, channels);
                let cuts: Vec<(usize, Cut)> = draws
                    .map(|(other, kept, mut rng)| (other, Cut::draw(size, kept, &mut rng)))
                    .collect();
                paste(examples, size, &cuts);
                cuts.iter().map(|(other, cut)| (*other, cut.kept(size))).collect()
            }
            _ => {
                let (before, numbers) = (examples.to_vec(), shape.width());
                let all = examples.chunks_exact_mut(numbers).zip(draws);
                all.map(|(example, (other, kept, _))| {
                    blend(example, &before[other * numbers..][..numbers], kept);
                    (other, kept)
                })
                .collect()
            }
        };
        if let Some((numbers, width)) = &mut table {
            let targets = numbers.to_vec();
            for (own, (other, kept)) in numbers.chunks_exact_mut(*width).zip(partners) {
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

/// The part of an image that another one's takes the place of.
struct Cut {
    lines: Range<usize>,
    columns: Range<usize>,
}

impl Cut {
    /// A rectangle of 1 - `kept` of the area, about a drawn centre, as far as it lies in the image.
    fn draw((height, width, _): (usize, usize, usize), kept: f64, rng: &mut Rng) -> Self {
        let half = 0.5 * (1.0 - kept).sqrt();
        let mut span = |whole: usize| {
            let middle = rng.random_range(0..whole as u32) as usize;
            let reach = (half * whole as f64) as usize;
            middle.saturating_sub(reach)..(middle + reach).min(whole)
        };
        let (columns, lines) = (span(width), span(height));
        Self { lines, columns }
    }

    /// The share of the area that is left.
    fn kept(&self, (height, width, _): (usize, usize, usize)) -> f64 {
        1.0 - (self.lines.len() * self.columns.len()) as f64 / (height * width) as f64
    }

    /// Where its lines stand in an image.
    fn places(&self, (_, width, channels): (usize, usize, usize)) -> impl Iterator<Item = Range<usize>> {
        let columns = self.columns.clone();
        let line =
            move |y: usize| (y * width + columns.start) * channels..(y * width + columns.end) * channels;
        self.lines.clone().map(line)
    }
}

/// Puts into each image the part of the other that its cut says, as that one was before.
fn paste(images: &mut [f32], size: (usize, usize, usize), cuts: &[(usize, Cut)]) {
    let numbers = size.0 * size.1 * size.2;
    let mut parts = Vec::new();
    for (other, cut) in cuts {
        let from = &images[other * numbers..][..numbers];
        cut.places(size)
            .for_each(|place| parts.extend_from_slice(&from[place]));
    }
    let mut rest = &parts[..];
    for (image, (_, cut)) in images.chunks_exact_mut(numbers).zip(cuts) {
        for place in cut.places(size) {
            let (line, behind) = rest.split_at(place.len());
            image[place].copy_from_slice(line);
            rest = behind;
        }
    }
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
        let (size, mut rng) = ((6, 9, 2), stream(3, "paste"));
        let numbers = 6 * 9 * 2;
        let mut kinds = std::collections::HashSet::new();
        for round in 0..200 {
            let kept = f64::from(round) / 199.0;
            let mut images: Vec<f32> = (0..3 * numbers).map(|i| (i / numbers) as f32).collect();
            let cuts: Vec<(usize, Cut)> = [1, 2, 0]
                .map(|other| (other, Cut::draw(size, kept, &mut rng)))
                .into();
            paste(&mut images, size, &cuts);
            for (own, (image, (other, cut))) in images.chunks_exact(numbers).zip(&cuts).enumerate() {
                let share = cut.kept(size);
                let of = |which: usize| image.iter().filter(|&&x| x == which as f32).count() as f64;
                // What is put in is of the other as it was before anything was put into that one.
                assert_eq!(of(*other) + of(own), numbers as f64);
                assert!((1.0 - share - of(*other) / numbers as f64).abs() < 1e-9);
                // The rectangle is no larger than asked, and smaller where it was cut off or rounded.
                assert!(share >= kept - 1e-9, "{share} of {kept}");
                kinds.insert(of(*other) as u64);
            }
        }
        assert!(kinds.len() > 8, "{kinds:?}");
    }
}
