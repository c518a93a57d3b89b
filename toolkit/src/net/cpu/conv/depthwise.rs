//! Depthwise convolutions, where each channel sees itself only: registers hold neighbouring channels, and a tile of
//! outputs is summed over the taps. Every number is summed in one order, whatever the number of threads.

use std::ops::Range;

use rayon::prelude::*;

use super::gather::Gather;
use super::gradient::{even_parts, sum_in_parts};
use super::product::{Gate, Shared};
use super::tile::{Finish, WIDEST, finish};
use super::{PixelsMut, WORTH_THREADS};
use crate::net::cpu::lanes::{LANES, Lanes};

/// Outputs of a tile.
const PIXELS: usize = 4;

/// Outputs whose pointers are made together.
const TOGETHER: usize = 128;

/// The most taps whose gradients are summed in registers together.
const TAPS: usize = 9;

/// Weights of each channel, taps x channels, with the rows that a gather's taps are about.
pub struct Weights<'a> {
    pub numbers: &'a [f32],
    pub taps: &'a [usize],
    pub bias: Option<&'a [f32]>,
}

/// Channels in blocks of a few vectors: the first channel, the vectors, and how many of the channels the block before
/// had already. `channels` is a vector at least, `most` 1, 2 or 4.
fn blocks(channels: usize, most: usize) -> impl Iterator<Item = (usize, usize, usize)> {
    let mut first = 0;
    std::iter::from_fn(move || {
        let left = channels - first;
        let (block, next) = match left / LANES {
            _ if left == 0 => return None,
            0 => ((channels - LANES, 1, LANES - left), channels),
            vectors => {
                let wide = match vectors.min(most) {
                    3 => 2,
                    wide => wide,
                };
                ((first, wide, 0), first + wide * LANES)
            }
        };
        first = next;
        Some(block)
    })
}

/// What each output of a gather sums from images `x`, channel by channel.
pub fn run(
    gather: &Gather,
    images: usize,
    x: &[f32],
    channels: usize,
    weights: &Weights<'_>,
    finish: Finish,
    y: PixelsMut<'_>,
) {
    let pixels = images * gather.pixels();
    let taps = gather.taps.len();
    assert!(weights.taps.len() == taps && channels >= LANES);
    assert!(
        weights
            .taps
            .iter()
            .all(|tap| (tap + 1) * channels <= weights.numbers.len())
    );
    assert!(weights.bias.is_none_or(|bias| bias.len() >= channels));
    let many = pixels * taps * channels >= WORTH_THREADS;
    let count = pixels.div_ceil(TOGETHER).max(if many { 8 } else { 1 });
    let each = pixels.div_ceil(count).next_multiple_of(PIXELS);
    let zeros = vec![0.0f32; channels];
    let (pitch, result, gate) = (y.pitch, Shared(y.numbers.as_mut_ptr()), Gate(finish));
    let item = |item: usize| {
        let range = item * each..((item + 1) * each).min(pixels);
        if range.is_empty() {
            return;
        }
        let tiles = range.len().div_ceil(PIXELS);
        let mut rows = vec![zeros.as_ptr(); tiles * PIXELS * taps];
        gather.point(
            range.start,
            range.len(),
            (x, channels),
            &zeros,
            (&mut rows, PIXELS),
        );
        let mut output = gather.output(range.start);
        let mut places = Vec::with_capacity(range.len());
        for _ in range.clone() {
            places.push(gather.place(output) * pitch);
            output = gather.next(output, 1);
        }
        for (first, wide, _) in blocks(channels, WIDEST) {
            for tile in 0..tiles {
                let from = tile * PIXELS;
                // Where strides are larger than the kernel there may be no taps.
                let rows = &rows[from * taps..(from + PIXELS) * taps];
                let places = &places[from..places.len().min(from + PIXELS)];
                // SAFETY: rows are pixels of all channels, or as many zeros; the callers checked that the result has
                // the places; items differ in them.
                unsafe {
                    let job = Tile {
                        rows,
                        weights,
                        channels,
                        first,
                        places,
                        result: result.at(),
                        finish: gate.finish(),
                    };
                    match wide {
                        1 => job.run::<1>(),
                        2 => job.run::<2>(),
                        _ => job.run::<4>(),
                    }
                }
            }
        }
    };
    if many {
        (0..count).into_par_iter().for_each(item);
    } else {
        (0..count).for_each(item);
    }
}

/// A few outputs by a few vectors of channels.
struct Tile<'a> {
    /// For each tap the pixel of each output.
    rows: &'a [*const f32],
    weights: &'a Weights<'a>,
    channels: usize,
    /// The first channel.
    first: usize,
    /// Where the outputs that are wanted stand in the result (and gate).
    places: &'a [usize],
    result: *mut f32,
    finish: Finish,
}

impl Tile<'_> {
    /// # Safety
    /// Everything that is pointed to is there, for `W` vectors from the first channel on.
    #[inline(always)]
    unsafe fn run<const W: usize>(&self) {
        // SAFETY: the caller's promise.
        unsafe {
            let mut sum = [[Lanes::splat(0.0); W]; PIXELS];
            if let Some(bias) = self.weights.bias {
                let from = bias.as_ptr().add(self.first);
                sum = [std::array::from_fn(|v| Lanes::load(from.add(v * LANES))); PIXELS];
            }
            for (rows, tap) in self.rows.chunks_exact(PIXELS).zip(self.weights.taps) {
                let from = self
                    .weights
                    .numbers
                    .as_ptr()
                    .add(tap * self.channels + self.first);
                let weights: [Lanes; W] = std::array::from_fn(|v| Lanes::load(from.add(v * LANES)));
                for (line, row) in sum.iter_mut().zip(rows) {
                    let x = row.add(self.first);
                    for (v, (lanes, weights)) in line.iter_mut().zip(weights).enumerate() {
                        *lanes = lanes.add_product(Lanes::load(x.add(v * LANES)), weights);
                    }
                }
            }
            for (line, place) in sum.into_iter().zip(self.places) {
                for (v, lanes) in line.into_iter().enumerate() {
                    let at = place + self.first + v * LANES;
                    finish(lanes, self.finish, at).store(self.result.add(at));
                }
            }
        }
    }
}

/// dw = the gradient of the weights, taps x channels, and db = that of the biases, for images `x` that a gather reads.
pub fn weight_gradient(
    gather: &Gather,
    images: usize,
    x: &[f32],
    channels: usize,
    dy: &[f32],
    dw: &mut [f32],
    db: Option<&mut [f32]>,
) {
    let pixels = images * gather.pixels();
    let size = gather.taps.len() * channels;
    assert!(dw.len() == size && channels >= LANES && dy.len() >= pixels * channels);
    // By the sizes alone, never by the number of threads.
    let parts = (pixels / 64).clamp(1, 16);
    let each = pixels.div_ceil(parts).max(1);
    let many = pixels * size >= WORTH_THREADS;
    let (sums, biases) = sum_in_parts(parts, (size, channels), many, |part, sum, bias| {
        let range = (part * each).min(pixels)..((part + 1) * each).min(pixels);
        part_of_gradient(gather, range, (x, channels), dy, sum, bias);
    });
    dw.copy_from_slice(&sums);
    if let Some(db) = db {
        db.copy_from_slice(&biases);
    }
}

/// Adds what the pixels of `range` give.
fn part_of_gradient(
    gather: &Gather,
    range: Range<usize>,
    (x, channels): (&[f32], usize),
    dy: &[f32],
    dw: &mut [f32],
    db: &mut [f32],
) {
    let taps = gather.taps.len();
    let zeros = vec![0.0f32; channels];
    let mut rows = vec![zeros.as_ptr(); taps * TOGETHER];
    let mut next = range.start;
    while next < range.end {
        let count = TOGETHER.min(range.end - next);
        gather.point(next, count, (x, channels), &zeros, (&mut rows, TOGETHER));
        let grads = &dy[next * channels..][..count * channels];
        for grad in grads.chunks_exact(channels) {
            db.iter_mut().zip(grad).for_each(|(sum, grad)| *sum += grad);
        }
        for (first, wide, before) in blocks(channels, WIDEST / 2) {
            for (tap, many) in even_parts(taps, TAPS) {
                let job = Outer {
                    rows: &rows[tap * TOGETHER..],
                    count,
                    first,
                    before,
                    grads,
                    channels,
                };
                let to = &mut dw[tap * channels..][..many * channels];
                // SAFETY: rows are pixels of all channels, or as many zeros; the lengths were checked.
                unsafe { job.by_taps(wide, many, to) };
            }
        }
        next += count;
    }
}

/// The gradients of a few taps by a few vectors of channels, over some pixels.
struct Outer<'a> {
    /// For each tap, [`TOGETHER`] pointers to pixels.
    rows: &'a [*const f32],
    /// Pixels that there are.
    count: usize,
    first: usize,
    /// Channels from the first on that another block has.
    before: usize,
    /// The gradients of the pixels.
    grads: &'a [f32],
    channels: usize,
}

impl Outer<'_> {
    /// # Safety
    /// As [`Outer::run`].
    unsafe fn by_taps(&self, wide: usize, taps: usize, to: &mut [f32]) {
        macro_rules! by_taps {
            ($wide:literal: $($taps:literal)*) => {
                match taps {
                    // SAFETY: the caller's promise.
                    $($taps => unsafe { self.run::<$wide, $taps>(to) },)*
                    _ => unreachable!("{taps} taps at once"),
                }
            };
        }
        match wide {
            1 => by_taps!(1: 1 2 3 4 5 6 7 8 9),
            _ => by_taps!(2: 1 2 3 4 5 6 7 8 9),
        }
    }

    /// # Safety
    /// Rows and gradients are there, for `W` vectors from the first channel on.
    unsafe fn run<const W: usize, const T: usize>(&self, to: &mut [f32]) {
        let mut sum = [[Lanes::splat(0.0); W]; T];
        // SAFETY: the caller's promise.
        unsafe {
            for p in 0..self.count {
                let from = self.grads.as_ptr().add(p * self.channels + self.first);
                let grad: [Lanes; W] = std::array::from_fn(|v| Lanes::load(from.add(v * LANES)));
                for (tap, line) in sum.iter_mut().enumerate() {
                    let x = (*self.rows.get_unchecked(tap * TOGETHER + p)).add(self.first);
                    for (v, (lanes, grad)) in line.iter_mut().zip(grad).enumerate() {
                        *lanes = lanes.add_product(Lanes::load(x.add(v * LANES)), grad);
                    }
                }
            }
        }
        for (line, to) in sum.into_iter().zip(to.chunks_exact_mut(self.channels)) {
            let mut numbers = [[0.0f32; LANES]; W];
            for (lanes, numbers) in line.into_iter().zip(&mut numbers) {
                // SAFETY: as many numbers as lanes.
                unsafe { lanes.store(numbers.as_mut_ptr()) };
            }
            let own = &numbers.as_flattened()[self.before..];
            let to = &mut to[self.first + self.before..];
            to.iter_mut().zip(own).for_each(|(to, own)| *to += own);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_have_every_channel_once() {
        for channels in [LANES, LANES + 1, 2 * LANES, 3 * LANES, 7 * LANES - 1, 9 * LANES] {
            for most in [1, 2, 4] {
                let mut next = 0;
                for (first, wide, before) in blocks(channels, most) {
                    assert!([1, 2, 4].contains(&wide) && wide <= most);
                    assert_eq!(first + before, next);
                    next = first + wide * LANES;
                }
                assert_eq!(next, channels);
            }
        }
    }
}
