//! Bilinear resizing with antialiasing, to the bit as Pillow does it for 8-bit images.
//!
//! Each output pixel is a weighted mean of the input pixels under a triangle, which is as wide as an output pixel
//! when the image shrinks (`Resample.c` of Pillow, filter BILINEAR; torchvision's `resize` of a PIL image is this).
//! First along the rows, then along the columns, in fixed point, rounded to 8 bits after each: Pillow up to 12 does
//! so always; 13 takes the columns first where that is quicker, and is then off by one of 255 here and there.

use rayon::prelude::*;

/// Channels of a pixel.
pub(super) const RGB: usize = 3;
/// Bits after the point of a weight: what is left of 32 after 8 of the pixel and 2 for the sum.
const PRECISION: u32 = 32 - 8 - 2;

/// A red, green and blue image of 8 bits a channel, row by row.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Pixels {
    pub height: usize,
    pub width: usize,
    pub rgb: Vec<u8>,
}

impl Pixels {
    pub fn resize(self, height: usize, width: usize) -> Self {
        let wide = if width == self.width {
            self
        } else {
            let taps = taps(self.width, width);
            let mut rgb = vec![0; self.height * width * RGB];
            let rows = rgb.par_chunks_exact_mut(width * RGB);
            rows.zip(self.rgb.par_chunks_exact(self.width * RGB))
                .for_each(|(out, row)| {
                    for (pixel, tap) in out.chunks_exact_mut(RGB).zip(&taps) {
                        for (c, value) in pixel.iter_mut().enumerate() {
                            let under = row[tap.first * RGB + c..].iter().step_by(RGB);
                            *value = weighted(under, &tap.weights);
                        }
                    }
                });
            Self { width, rgb, ..self }
        };
        if height == wide.height {
            return wide;
        }
        let taps = taps(wide.height, height);
        let line = width * RGB;
        let mut rgb = vec![0; height * line];
        rgb.par_chunks_exact_mut(line).zip(&taps).for_each(|(out, tap)| {
            for (x, value) in out.iter_mut().enumerate() {
                let under = wide.rgb[tap.first * line + x..].iter().step_by(line);
                *value = weighted(under, &tap.weights);
            }
        });
        Self { height, width, rgb }
    }

    /// The part of `height` x `width` from row `top` and column `left`, which must lie inside.
    pub fn crop(self, top: usize, left: usize, height: usize, width: usize) -> Self {
        if (height, width) == (self.height, self.width) {
            return self;
        }
        let rows = self.rgb.chunks_exact(self.width * RGB).skip(top).take(height);
        let rgb = rows
            .flat_map(|row| &row[left * RGB..(left + width) * RGB])
            .copied()
            .collect();
        Self { height, width, rgb }
    }
}

fn weighted<'a>(under: impl Iterator<Item = &'a u8>, weights: &[i32]) -> u8 {
    let half = 1 << (PRECISION - 1);
    let sum = under
        .zip(weights)
        .fold(half, |sum, (&x, &w)| sum + i32::from(x) * w);
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// The first input pixel under an output pixel's triangle, and the weights from there.
struct Taps {
    first: usize,
    weights: Vec<i32>,
}

/// The taps of each pixel of a line that is brought from `from` to `to` pixels.
fn taps(from: usize, to: usize) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    let reach = scale.max(1.0);
    let of = |i: usize| {
        let center = (i as f64 + 0.5) * scale;
        let first = (center - reach + 0.5).max(0.0) as usize;
        let last = ((center + reach + 0.5) as usize).min(from);
        let triangle = |x: usize| {
            let distance = (x as f64 - center + 0.5) / reach;
            (1.0 - distance.abs()).max(0.0)
        };
        let weights: Vec<f64> = (first..last).map(triangle).collect();
        let sum: f64 = weights.iter().sum();
        let fixed = |w: f64| (w / sum * f64::from(1 << PRECISION) + 0.5) as i32;
        Taps {
            first,
            weights: weights.into_iter().map(fixed).collect(),
        }
    };
    (0..to).map(of).collect()
}
