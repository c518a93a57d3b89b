//! Images moved: mirrored, shifted, cut, turned, sheared.

use rand::Rng as _;

use super::Image;
use crate::seed::{Rng, uniform};

/// Left becomes right.
pub(super) fn mirror(image: &mut Image<'_>) {
    let (width, channels) = (image.width, image.channels);
    for line in image.pixels.chunks_exact_mut(width * channels) {
        for x in 0..width / 2 {
            for c in 0..channels {
                line.swap(x * channels + c, (width - 1 - x) * channels + c);
            }
        }
    }
}

/// The top becomes the bottom.
pub(super) fn flip(image: &mut Image<'_>) {
    let line = image.width * image.channels;
    let (top, rest) = image.pixels.split_at_mut(image.height / 2 * line);
    let bottom = rest.len() - top.len();
    let lines = top.chunks_exact_mut(line);
    for (upper, lower) in lines.zip(rest[bottom..].chunks_exact_mut(line).rev()) {
        upper.swap_with_slice(lower);
    }
}

/// Moves an image to the right and down by so many pixels, with 0 where nothing is left.
pub(super) fn shift(image: &mut Image<'_>, right: i64, down: i64) {
    if right == 0 && down == 0 {
        return;
    }
    let (height, width, channels) = (image.height as i64, image.width as i64, image.channels as i64);
    let (from, to) = image.copy();
    to.fill(0.0);
    let (first, count) = (right.clamp(0, width), (width - right.abs()).max(0) * channels);
    for y in down.max(0)..(height + down).min(height) {
        let start = ((y - down) * width + (first - right).clamp(0, width)) * channels;
        let target = (y * width + first) * channels;
        if count > 0 {
            to[target as usize..(target + count) as usize]
                .copy_from_slice(&from[start as usize..(start + count) as usize]);
        }
    }
}

/// A rectangle of an image.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Part {
    pub top: usize,
    pub left: usize,
    pub height: usize,
    pub width: usize,
}

/// A part of at least this share of the area and sides of 3:4 to 4:3 of the image's; all of it where ten draws find none
/// that fits.
pub(super) fn part(height: usize, width: usize, least: f64, rng: &mut Rng) -> Part {
    rectangle(height, width, (least, 1.0), 4.0 / 3.0, rng).unwrap_or(Part {
        top: 0,
        left: 0,
        height,
        width,
    })
}

/// A rectangle of a share of the area within `shares`, whose sides are in a ratio of up to `ratio`, either way, to those of
/// the image; none where ten draws find none that fits.
pub(super) fn rectangle(
    height: usize,
    width: usize,
    (least, most): (f64, f64),
    ratio: f64,
    rng: &mut Rng,
) -> Option<Part> {
    (0..10).find_map(|_| {
        let share = least + (most - least) * uniform(rng);
        let stretch = (ratio.ln() * (2.0 * uniform(rng) - 1.0)).exp().sqrt();
        let side = |whole: usize, by: f64| ((whole as f64 * share.sqrt() * by).round() as usize).max(1);
        let (h, w) = (side(height, 1.0 / stretch), side(width, stretch));
        (h <= height && w <= width).then(|| Part {
            top: rng.random_range(0..=(height - h) as u32) as usize,
            left: rng.random_range(0..=(width - w) as u32) as usize,
            height: h,
            width: w,
        })
    })
}

/// Fills an image with a part of it, by linear interpolation between the centres of pixels; beyond the outermost centres
/// stands the edge.
pub(super) fn enlarge(image: &mut Image<'_>, part: Part) {
    let (height, width, channels) = (image.height, image.width, image.channels);
    // Where the centre of pixel `i` of `whole` lies among `n` pixels: the two next to it, and the share of the second.
    let between = |i: usize, whole: usize, n: usize| {
        let at = ((i as f64 + 0.5) * n as f64 / whole as f64 - 0.5).clamp(0.0, (n - 1) as f64);
        let first = at as usize;
        (first, (first + 1).min(n - 1), (at - first as f64) as f32)
    };
    let columns: Vec<(usize, usize, f32)> = (0..width).map(|x| between(x, width, part.width)).collect();
    let (from, to) = image.copy();
    for (y, line) in to.chunks_exact_mut(width * channels).enumerate() {
        let (above, below, v) = between(y, height, part.height);
        let row =
            |y: usize| &from[((part.top + y) * width + part.left) * channels..][..part.width * channels];
        let (above, below) = (row(above), row(below));
        for (pixel, &(left, right, u)) in line.chunks_exact_mut(channels).zip(&columns) {
            for (c, value) in pixel.iter_mut().enumerate() {
                let mixed = |line: &[f32]| {
                    let (a, b) = (line[left * channels + c], line[right * channels + c]);
                    a + u * (b - a)
                };
                let (a, b) = (mixed(above), mixed(below));
                *value = a + v * (b - a);
            }
        }
    }
}

/// A turn, a lean, a scale and a shift of an image about its middle.
pub(super) struct Affine {
    /// Against the clock.
    pub degrees: f64,
    /// Pixels.
    pub right: f64,
    pub down: f64,
    pub scale: f64,
    /// Degrees by which upright lines lean to the left above the middle.
    pub shear: f64,
}

impl Affine {
    pub fn rotation(degrees: f64) -> Self {
        Self {
            degrees,
            right: 0.0,
            down: 0.0,
            scale: 1.0,
            shear: 0.0,
        }
    }

    /// From where a pixel at (x, y) from the middle comes: (a x + b y, c x + d y), after the shift is taken off.
    fn inverse(&self) -> [f64; 4] {
        let (sin, cos) = self.degrees.to_radians().sin_cos();
        let lean = self.shear.to_radians().tan();
        // Forward: x to the right and y down, first leaned (x + lean y), then turned against the clock, then scaled.
        let forward = [
            self.scale * cos,
            self.scale * (cos * lean + sin),
            -self.scale * sin,
            self.scale * (cos - sin * lean),
        ];
        let [a, b, c, d] = forward;
        let determinant = a * d - b * c;
        [
            d / determinant,
            -b / determinant,
            -c / determinant,
            a / determinant,
        ]
    }
}

/// Moves an image by linear interpolation; outside it is 0.
pub(super) fn warp(image: &mut Image<'_>, affine: &Affine) {
    let (height, width, channels) = (image.height, image.width, image.channels);
    let [a, b, c, d] = affine.inverse();
    let middle = ((width as f64 - 1.0) / 2.0, (height as f64 - 1.0) / 2.0);
    let (from, to) = image.copy();
    for (y, line) in to.chunks_exact_mut(width * channels).enumerate() {
        let dy = y as f64 - middle.1 - affine.down;
        for (x, pixel) in line.chunks_exact_mut(channels).enumerate() {
            let dx = x as f64 - middle.0 - affine.right;
            let (at_x, at_y) = (a * dx + b * dy + middle.0, c * dx + d * dy + middle.1);
            let (left, top) = (at_x.floor(), at_y.floor());
            let (u, v) = ((at_x - left) as f32, (at_y - top) as f32);
            pixel.fill(0.0);
            for (row, part) in [(top, 1.0 - v), (top + 1.0, v)] {
                for (column, share) in [(left, part * (1.0 - u)), (left + 1.0, part * u)] {
                    let inside = row >= 0.0 && column >= 0.0 && row < height as f64 && column < width as f64;
                    if inside {
                        let source = (row as usize * width + column as usize) * channels;
                        for (value, x) in pixel.iter_mut().zip(&from[source..source + channels]) {
                            *value += share * x;
                        }
                    }
                }
            }
        }
    }
}
