//! Images blurred by a Gaussian bell.

use super::Image;

/// Blurs by a bell of this standard deviation in pixels, cut off after three of them; beyond an edge stands its mirror
/// image.
pub(super) fn blur(image: &mut Image<'_>, deviation: f64) {
    let (height, width, channels) = (image.height, image.width, image.channels);
    for (step, count, lines) in [(channels, width, height), (width * channels, height, width)] {
        let bell = bell(deviation, count);
        if bell.len() == 1 {
            continue;
        }
        let across = if step == channels {
            width * channels
        } else {
            channels
        };
        let (from, to) = image.copy();
        for line in 0..lines {
            for c in 0..channels {
                let start = line * across + c;
                for i in 0..count {
                    let sum: f32 = bell
                        .iter()
                        .enumerate()
                        .map(|(k, weight)| {
                            weight * from[start + mirrored(i + k, bell.len() / 2, count) * step]
                        })
                        .sum();
                    to[start + i * step] = sum;
                }
            }
        }
    }
}

/// The weights of a bell, which add up to 1; no wider than a mirrored line of `count` pixels can be.
pub(super) fn bell(deviation: f64, count: usize) -> Vec<f32> {
    let radius = ((3.0 * deviation).ceil() as usize).min(count.saturating_sub(1));
    if deviation == 0.0 || radius == 0 {
        return vec![1.0];
    }
    let height = |i: usize| (-0.5 * ((i as f64 - radius as f64) / deviation).powi(2)).exp();
    let total: f64 = (0..=2 * radius).map(height).sum();
    (0..=2 * radius).map(|i| (height(i) / total) as f32).collect()
}

/// Place `i - radius` in a line of `count`, mirrored at its ends, where the outermost pixels stand once.
fn mirrored(i: usize, radius: usize, count: usize) -> usize {
    let place = i.abs_diff(radius);
    match i >= radius && place >= count {
        true => 2 * (count - 1) - place,
        false => place,
    }
}
