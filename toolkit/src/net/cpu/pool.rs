//! Pooling, forward and backward, on images of height x width x channels.

use std::ops::Range;

use rayon::prelude::*;

use super::conv::PixelsMut;
use crate::net::Window;

/// Numbers below which a second thread is not worth it.
const WORTH_THREADS: usize = 1 << 17;

/// A pooling of images of one size.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    pub window: Window,
    /// Rows and columns of the input, and of the output.
    pub source: [usize; 2],
    pub grid: [usize; 2],
    pub channels: usize,
    pub kind: PoolKind,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum PoolKind {
    Max,
    Average { count_include_pad: bool },
}

/// Stands for "no number chosen yet".
const NOWHERE: u32 = u32::MAX;

impl Pool {
    /// Numbers that the backward pass needs of each image besides x and y.
    pub fn saved(&self) -> usize {
        match self.kind {
            PoolKind::Max => self.grid[0] * self.grid[1] * self.channels,
            PoolKind::Average { .. } => 0,
        }
    }

    /// The forward pass. `chosen`, when it is there, takes for each output of a max pooling the pixel of its
    /// image that won, the first of equals; a NaN wins always.
    pub fn forward(&self, images: usize, x: &[f32], y: PixelsMut<'_>, chosen: Option<&mut [u32]>) {
        let size = self.source[0] * self.source[1] * self.channels;
        let row = self.grid[1] * y.pitch;
        let many = images * self.grid[0] * self.grid[1] * self.channels * self.window.area() >= WORTH_THREADS;
        let pitch = y.pitch;
        let rows = images * self.grid[0];
        let line = |i: usize, y: &mut [f32], chosen: Option<&mut [u32]>| {
            let image = &x[i / self.grid[0] * size..][..size];
            match self.kind {
                PoolKind::Max => self.max_row(image, i % self.grid[0], y, pitch, chosen),
                PoolKind::Average { count_include_pad } => {
                    self.mean_row(image, i % self.grid[0], y, pitch, count_include_pad);
                }
            }
        };
        // The last row of a slice of a wider buffer ends early.
        let end = y.numbers.len().min(rows * row);
        let numbers = &mut y.numbers[..end];
        match chosen {
            Some(chosen) => {
                let width = self.grid[1] * self.channels;
                let one = |(i, (y, chosen)): (usize, (&mut [f32], &mut [u32]))| line(i, y, Some(chosen));
                if many {
                    numbers
                        .par_chunks_mut(row)
                        .zip(chosen.par_chunks_mut(width))
                        .enumerate()
                        .for_each(one);
                } else {
                    numbers
                        .chunks_mut(row)
                        .zip(chosen.chunks_mut(width))
                        .enumerate()
                        .for_each(one);
                }
            }
            None => {
                let one = |(i, y): (usize, &mut [f32])| line(i, y, None);
                if many {
                    numbers.par_chunks_mut(row).enumerate().for_each(one);
                } else {
                    numbers.chunks_mut(row).enumerate().for_each(one);
                }
            }
        }
    }

    fn max_row(&self, image: &[f32], oy: usize, y: &mut [f32], pitch: usize, chosen: Option<&mut [u32]>) {
        match self.window.area() {
            4 => self.max_row_of::<4>(image, oy, y, pitch, chosen),
            9 => self.max_row_of::<9>(image, oy, y, pitch, chosen),
            _ => self.max_row_of::<1>(image, oy, y, pitch, chosen),
        }
    }

    /// Of windows of N places those that lie in the image at once, others one by one.
    fn max_row_of<const N: usize>(
        &self,
        image: &[f32],
        oy: usize,
        y: &mut [f32],
        pitch: usize,
        mut chosen: Option<&mut [u32]>,
    ) {
        let c = self.channels;
        let places = self.places::<N>();
        for ox in 0..self.grid[1] {
            let y = &mut y[ox * pitch..][..c];
            let chosen = chosen.as_mut().map(|chosen| &mut chosen[ox * c..][..c]);
            match (places, self.first(oy, ox)) {
                (Some(places), Some(first)) => winners(places.map(|place| first + place), image, y, chosen),
                _ => self.winners_one_by_one(image, [oy, ox], y, chosen),
            }
        }
    }

    /// Where the pixels of a window stand behind its first, if it has N.
    fn places<const N: usize>(&self) -> Option<[usize; N]> {
        let ([_, wide], [down, across]) = (self.window.kernel, self.window.dilation);
        (self.window.area() == N)
            .then(|| std::array::from_fn(|i| i / wide * down * self.source[1] + i % wide * across))
    }

    /// The first pixel of a window that lies in the image as a whole.
    fn first(&self, oy: usize, ox: usize) -> Option<usize> {
        let along = |axis: usize, out: usize| {
            let start = (out * self.window.stride[axis]).checked_sub(self.window.padding[axis])?;
            let last = start + (self.window.kernel[axis] - 1) * self.window.dilation[axis];
            (last < self.source[axis]).then_some(start)
        };
        Some(along(0, oy)? * self.source[1] + along(1, ox)?)
    }

    /// As [`winners`], of a window of any size, also of one that sees no pixel.
    fn winners_one_by_one(
        &self,
        image: &[f32],
        [oy, ox]: [usize; 2],
        y: &mut [f32],
        chosen: Option<&mut [u32]>,
    ) {
        let c = self.channels;
        y.fill(f32::NEG_INFINITY);
        match chosen {
            None => self.visit(oy, ox, |pixel| {
                let x = &image[pixel * c..][..c];
                y.iter_mut().zip(x).for_each(|(y, &x)| *y = larger(*y, x));
            }),
            Some(chosen) => {
                chosen.fill(NOWHERE);
                self.visit(oy, ox, |pixel| {
                    let x = &image[pixel * c..][..c];
                    for ((y, chosen), &x) in y.iter_mut().zip(chosen.iter_mut()).zip(x) {
                        let wins = x > *y || x.is_nan() || *chosen == NOWHERE;
                        *y = if wins { x } else { *y };
                        *chosen = if wins { pixel as u32 } else { *chosen };
                    }
                });
            }
        }
    }

    fn mean_row(&self, image: &[f32], oy: usize, y: &mut [f32], pitch: usize, count_include_pad: bool) {
        let c = self.channels;
        for ox in 0..self.grid[1] {
            let y = &mut y[ox * pitch..][..c];
            y.fill(0.0);
            self.visit(oy, ox, |pixel| {
                let x = &image[pixel * c..][..c];
                y.iter_mut().zip(x).for_each(|(y, x)| *y += x);
            });
            let share = 1.0 / self.count(oy, ox, count_include_pad) as f32;
            y.iter_mut().for_each(|y| *y *= share);
        }
    }

    /// Whether the backward pass can take the derivative of a ReLU before it along: what a max pooling puts out
    /// is above 0 where the number it chose is.
    pub fn takes_gate(&self) -> bool {
        self.kind == PoolKind::Max
    }

    /// d loss / d x from d loss / d y; with a `gate`, the outputs of a max pooling, only where that is above 0.
    pub fn backward(
        &self,
        images: usize,
        dy: &mut [f32],
        chosen: &[u32],
        gate: Option<&[f32]>,
        dx: &mut [f32],
    ) {
        let c = self.channels;
        let size = self.source[0] * self.source[1] * c;
        let outputs = self.grid[0] * self.grid[1] * c;
        let one = |(dx, (i, dy)): (&mut [f32], (usize, &mut [f32]))| {
            if let Some(gate) = gate {
                let open = dy.iter_mut().zip(&gate[i * outputs..]);
                open.for_each(|(dy, &y)| *dy = if y > 0.0 { *dy } else { 0.0 });
            }
            if self.kind == PoolKind::Max && self.tiles() {
                return self.max_backward(dy, &chosen[i * outputs..][..outputs], dx);
            }
            dx.fill(0.0);
            match self.kind {
                PoolKind::Max => {
                    let chosen = &chosen[i * outputs..][..outputs];
                    for (dy, chosen) in dy.chunks_exact(c).zip(chosen.chunks_exact(c)) {
                        for (channel, (dy, &pixel)) in dy.iter().zip(chosen).enumerate() {
                            // A dilated window may have no place in the image at all.
                            if pixel != NOWHERE {
                                dx[pixel as usize * c + channel] += dy;
                            }
                        }
                    }
                }
                PoolKind::Average { count_include_pad } => {
                    for (at, dy) in dy.chunks_exact(c).enumerate() {
                        let (oy, ox) = (at / self.grid[1], at % self.grid[1]);
                        let share = 1.0 / self.count(oy, ox, count_include_pad) as f32;
                        self.visit(oy, ox, |pixel| {
                            let dx = &mut dx[pixel * c..][..c];
                            dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx += dy * share);
                        });
                    }
                }
            }
        };
        if images * outputs * self.window.area() >= WORTH_THREADS {
            dx.par_chunks_mut(size)
                .zip(dy.par_chunks_mut(outputs).enumerate())
                .for_each(one);
        } else {
            dx.chunks_mut(size)
                .zip(dy.chunks_mut(outputs).enumerate())
                .for_each(one);
        }
    }

    /// Whether no two windows share a pixel.
    fn tiles(&self) -> bool {
        (0..2).all(|axis| self.window.stride[axis] >= self.window.kernel[axis])
            && self.window.dilation == [1, 1]
    }

    /// The gradient of one image through windows that share no pixel: each pixel is written once.
    fn max_backward(&self, dy: &[f32], chosen: &[u32], dx: &mut [f32]) {
        let c = self.channels;
        let covered = (0..2).all(|axis| self.grid[axis] * self.window.kernel[axis] == self.source[axis]);
        if !covered {
            dx.fill(0.0);
        }
        let places = self.places::<4>();
        for (at, (dy, chosen)) in dy.chunks_exact(c).zip(chosen.chunks_exact(c)).enumerate() {
            let (oy, ox) = (at / self.grid[1], at % self.grid[1]);
            if let (Some(places), Some(first)) = (places, self.first(oy, ox)) {
                spread(places.map(|place| first + place), dy, chosen, dx);
                continue;
            }
            self.visit(oy, ox, |pixel| {
                let dx = &mut dx[pixel * c..][..c];
                for ((dx, dy), &chosen) in dx.iter_mut().zip(dy).zip(chosen) {
                    *dx = if chosen == pixel as u32 { *dy } else { 0.0 };
                }
            });
        }
    }

    /// The places along an axis that a window sees, `dilation` apart.
    fn seen(&self, axis: usize, out: usize) -> Range<usize> {
        let (dilation, padding) = (self.window.dilation[axis], self.window.padding[axis]);
        let start = (out * self.window.stride[axis]) as isize - padding as isize;
        let end = start + (self.window.kernel[axis] * dilation) as isize;
        // The first of the window's places that lies in the image.
        let first = if start < 0 {
            (start.rem_euclid(dilation as isize)) as usize
        } else {
            start as usize
        };
        first..(end.max(0) as usize).min(self.source[axis])
    }

    fn visit(&self, oy: usize, ox: usize, mut pixel: impl FnMut(usize)) {
        for y in self.seen(0, oy).step_by(self.window.dilation[0]) {
            for x in self.seen(1, ox).step_by(self.window.dilation[1]) {
                pixel(y * self.source[1] + x);
            }
        }
    }

    /// What a mean divides by: the window's places in the image, or those in the padded image.
    fn count(&self, oy: usize, ox: usize, count_include_pad: bool) -> usize {
        if !count_include_pad {
            return self.seen(0, oy).len() * self.seen(1, ox).len();
        }
        let along = |axis: usize, out: usize| {
            let start = out * self.window.stride[axis];
            let end = self.source[axis] + 2 * self.window.padding[axis];
            self.window.kernel[axis].min(end - start)
        };
        along(0, oy) * along(1, ox)
    }
}

/// The larger, or NaN where one is.
fn larger(y: f32, x: f32) -> f32 {
    if y >= x || y.is_nan() { y } else { x }
}

/// Channels that are done together.
const TOGETHER: usize = 16;

/// For each channel, the largest of the numbers at these pixels, and if asked which of them it is.
fn winners<const N: usize>(pixels: [usize; N], image: &[f32], y: &mut [f32], mut chosen: Option<&mut [u32]>) {
    let c = y.len();
    let x = pixels.map(|pixel| &image[pixel * c..][..c]);
    let pixels = pixels.map(|pixel| pixel as u32);
    let whole = c / TOGETHER * TOGETHER;
    for first in (0..whole).step_by(TOGETHER) {
        let chosen = chosen.as_deref_mut();
        winners_of_some::<N, TOGETHER>(pixels, x, first, y, chosen);
    }
    for first in whole..c {
        winners_of_some::<N, 1>(pixels, x, first, y, chosen.as_deref_mut());
    }
}

/// The same for `C` channels from `first` on.
#[inline(always)]
fn winners_of_some<const N: usize, const C: usize>(
    pixels: [u32; N],
    x: [&[f32]; N],
    first: usize,
    y: &mut [f32],
    chosen: Option<&mut [u32]>,
) {
    let (mut best, mut at): ([f32; C], _) = (some(x[0], first), [pixels[0]; C]);
    for (x, pixel) in x.iter().zip(pixels).skip(1) {
        let x: [f32; C] = some(x, first);
        for i in 0..C {
            let wins = x[i] > best[i] || x[i].is_nan();
            best[i] = if wins { x[i] } else { best[i] };
            at[i] = if wins { pixel } else { at[i] };
        }
    }
    y[first..first + C].copy_from_slice(&best);
    if let Some(chosen) = chosen {
        chosen[first..first + C].copy_from_slice(&at);
    }
}

#[inline(always)]
fn some<T: Copy, const C: usize>(numbers: &[T], first: usize) -> [T; C] {
    let Some(some) = numbers[first..].first_chunk() else {
        unreachable!("numbers of {C} channels")
    };
    *some
}

/// Writes to each pixel of a window what flows back to it: for each channel `dy`, at the pixel that was chosen.
fn spread<const N: usize>(pixels: [usize; N], dy: &[f32], chosen: &[u32], dx: &mut [f32]) {
    let c = dy.len();
    let Ok(mut dx) = dx.get_disjoint_mut(pixels.map(|pixel| pixel * c..(pixel + 1) * c)) else {
        unreachable!("pixels differ, and lie in their image")
    };
    let whole = c / TOGETHER * TOGETHER;
    for first in (0..whole).step_by(TOGETHER) {
        spread_some::<N, TOGETHER>(pixels, dy, chosen, first, &mut dx);
    }
    for first in whole..c {
        spread_some::<N, 1>(pixels, dy, chosen, first, &mut dx);
    }
}

/// The same for `C` channels from `first` on.
#[inline(always)]
fn spread_some<const N: usize, const C: usize>(
    pixels: [usize; N],
    dy: &[f32],
    chosen: &[u32],
    first: usize,
    dx: &mut [&mut [f32]; N],
) {
    let (dy, chosen): ([f32; C], [u32; C]) = (some(dy, first), some(chosen, first));
    for (dx, pixel) in dx.iter_mut().zip(pixels) {
        let here: [f32; C] = std::array::from_fn(|i| if chosen[i] == pixel as u32 { dy[i] } else { 0.0 });
        dx[first..first + C].copy_from_slice(&here);
    }
}

/// y = the mean of each channel over all pixels of an image.
pub fn global_mean(pixels: usize, channels: usize, x: &[f32], y: &mut [f32]) {
    let share = 1.0 / pixels as f32;
    for (x, y) in x
        .chunks_exact(pixels * channels)
        .zip(y.chunks_exact_mut(channels))
    {
        y.fill(0.0);
        for x in x.chunks_exact(channels) {
            y.iter_mut().zip(x).for_each(|(y, x)| *y += x);
        }
        y.iter_mut().for_each(|y| *y *= share);
    }
}

/// d loss / d x of [`global_mean`].
pub fn global_mean_backward(pixels: usize, channels: usize, dy: &[f32], dx: &mut [f32]) {
    let share = 1.0 / pixels as f32;
    for (dx, dy) in dx
        .chunks_exact_mut(pixels * channels)
        .zip(dy.chunks_exact(channels))
    {
        for dx in dx.chunks_exact_mut(channels) {
            dx.iter_mut().zip(dy).for_each(|(dx, dy)| *dx = dy * share);
        }
    }
}
