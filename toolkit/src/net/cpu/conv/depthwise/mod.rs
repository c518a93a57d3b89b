//! Depthwise convolutions, where each channel sees itself only.
//!
//! A row of outputs is summed in tiles: some neighbouring outputs of a vector's worth of channels, in registers. Rows of
//! the source are read where they lie, and outputs at the edges, which see padding, are summed apart; only where kernels
//! have many rows these are first copied to where they lie close together. Every number is summed in one order, whatever
//! the number of threads.

mod gradient;
mod reader;
mod sums;
#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::net::Window;
use crate::net::cpu::lanes::LANES;

/// Outputs of tiles, from large to small: images are often seven times a power of two wide.
const PIXELS: [usize; 4] = [if LANES == 16 { 14 } else { 7 }, 7, 3, 1];

/// Vectors of channels whose rows are copied together where pixels have more than twice as many.
const TOGETHER: usize = 4;

/// Products from which on a second thread is worth it: few, for as many numbers are read.
const WORTH_THREADS: usize = 1 << 20;

/// A depthwise convolution, or the way back to its inputs: what each number of a result sums from a source.
pub struct Depthwise {
    /// Rows and columns.
    source: [usize; 2],
    result: [usize; 2],
    channels: usize,
    /// Rows of the result take turns with the first of these, columns with the second.
    axes: [Vec<Axis>; 2],
    kernel: [usize; 2],
}

/// How results along one axis look at a source: number `a` reads at tap `i` the place `first + a * step + i * gap`,
/// whose weight stands at `weight + i * next` of the kernel.
#[derive(Clone, Copy, Debug)]
struct Axis {
    first: isize,
    step: usize,
    gap: usize,
    taps: usize,
    weight: usize,
    next: isize,
}

/// A part of an image: turns of its rows.
struct Piece {
    image: usize,
    turns: Range<usize>,
}

impl Depthwise {
    /// The convolution itself.
    pub fn outputs(window: &Window, source: [usize; 2], grid: [usize; 2], channels: usize) -> Self {
        let axis = |axis: usize| Axis {
            first: -(window.padding[axis] as isize),
            step: window.stride[axis],
            gap: window.dilation[axis],
            taps: window.kernel[axis],
            weight: 0,
            next: 1,
        };
        Self {
            source,
            result: grid,
            channels,
            axes: [vec![axis(0)], vec![axis(1)]],
            kernel: window.kernel,
        }
    }

    /// The gradient of its inputs, as sums over the gradient of the outputs.
    pub fn inputs(window: &Window, source: [usize; 2], grid: [usize; 2], channels: usize) -> Self {
        let axes = |axis: usize| {
            let phases = 0..window.stride[axis];
            phases.map(|phase| Axis::back(window, axis, phase)).collect()
        };
        Self {
            source: grid,
            result: source,
            channels,
            axes: [axes(0), axes(1)],
            kernel: window.kernel,
        }
    }

    /// Weights of each channel.
    fn area(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Whether so many images are worth a second thread.
    fn worth_threads(&self, images: usize) -> bool {
        let numbers = images * self.result[0] * self.result[1] * self.channels;
        numbers * self.area() / (self.axes[0].len() * self.axes[1].len()) >= WORTH_THREADS
    }

    /// Whether rows of the source are copied, which pays where each number is read often. Where rows overlap less it
    /// pays when the channels of a pixel are so many that neighbouring pixels displace one another in the nearest cache.
    fn copies(&self) -> bool {
        let many = self.channels > 128;
        let pays = |axis: &Axis| match (axis.step, axis.taps) {
            (1, 4..) => true,
            (1, 3) | (_, 4..) => many,
            _ => false,
        };
        self.axes[0].iter().any(pays)
    }

    /// The images in pieces of rows, by the sizes alone: enough of them to share.
    fn pieces(&self, images: usize) -> Vec<Piece> {
        const PIECES: usize = 32;
        let turns = self.result[0].div_ceil(self.axes[0].len());
        let rows = if self.copies() { 14 } else { 4 };
        let parts = PIECES.div_ceil(images.max(1)).min(turns / rows).max(1);
        (0..images * parts)
            .map(|i| Piece {
                image: i / parts,
                turns: i % parts * turns / parts..(i % parts + 1) * turns / parts,
            })
            .collect()
    }

    /// Vectors of channels; the last may have some channels of the one before once more.
    fn blocks(&self) -> usize {
        self.channels.div_ceil(LANES)
    }

    /// As many of them as are read together.
    fn together(&self) -> usize {
        match self.blocks() {
            blocks if self.copies() && blocks > 2 * TOGETHER => TOGETHER,
            blocks => blocks,
        }
    }

    /// The first channel of a block.
    fn channel(&self, block: usize) -> usize {
        (block * LANES).min(self.channels - LANES)
    }
}

impl Axis {
    /// The way back to the inputs that are `phase` behind a multiple of the stride.
    fn back(window: &Window, axis: usize, phase: usize) -> Self {
        let stride = window.stride[axis] as isize;
        let place = |k: usize| {
            let ahead = (phase + window.padding[axis]) as isize - (k * window.dilation[axis]) as isize;
            (ahead.rem_euclid(stride) == 0).then(|| (k, ahead.div_euclid(stride)))
        };
        // From the first place to the last; they are evenly spaced.
        let seen: Vec<(usize, isize)> = (0..window.kernel[axis]).rev().filter_map(place).collect();
        let (weight, first) = seen.first().copied().unwrap_or_default();
        let (below, second) = seen.get(1).copied().unwrap_or((weight, first + 1));
        Self {
            first,
            step: 1,
            gap: (second - first) as usize,
            taps: seen.len(),
            weight,
            next: below as isize - weight as isize,
        }
    }

    /// The place of the first tap of a number.
    fn start(&self, number: usize) -> isize {
        self.first + (number * self.step) as isize
    }

    /// From the first tap's place to behind the last one's.
    fn reach(&self) -> isize {
        match self.taps {
            0 => 0,
            taps => ((taps - 1) * self.gap + 1) as isize,
        }
    }

    /// Where the kernel has the weight of this tap.
    #[inline(always)]
    fn weight(&self, tap: usize) -> usize {
        (self.weight as isize + tap as isize * self.next) as usize
    }

    /// Of so many numbers those that see nothing outside of a source of this length.
    fn inner(&self, numbers: usize, length: usize) -> Range<usize> {
        let until = |end: isize| (end.max(0) as usize).div_ceil(self.step).min(numbers);
        let start = until(-self.first);
        start..until(length as isize - self.reach() - self.first + 1).max(start)
    }

    /// The taps of a number that lie inside of a source of this length.
    fn inside(&self, number: usize, length: usize) -> Range<usize> {
        let start = self.start(number);
        let before = |end: isize| (end.max(0) as usize).div_ceil(self.gap).min(self.taps);
        before(-start)..before(length as isize - start)
    }
}

/// Runs `object.run::<K, S>()`, where the taps of a row are taken `K` neighbours at a time and a step from one output
/// to the next is `S`; `K` of 1 takes any taps, with any step.
macro_rules! by_taps {
    ($axis:expr, $object:ident.$run:ident()) => {{
        let axis = $axis;
        let neighbours = |count: usize| axis.gap == 1 && axis.taps > 0 && axis.taps.is_multiple_of(count);
        match axis.step {
            1 if neighbours(5) => $object.$run::<5, 1>(),
            1 if neighbours(3) => $object.$run::<3, 1>(),
            1 if neighbours(7) => $object.$run::<7, 1>(),
            1 if neighbours(2) => $object.$run::<2, 1>(),
            2 if neighbours(5) => $object.$run::<5, 2>(),
            2 if neighbours(3) => $object.$run::<3, 2>(),
            _ => $object.$run::<1, 0>(),
        }
    }};
}
use by_taps;

/// Says the same of each of so many vectors that a tile reads in a row, in order.
macro_rules! each_vector {
    ($count:expr, $at:ident => $body:block) => {
        each_vector!(@ $count, $at, $body, 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20 21 22 23 24 25 26 27 28 29 30)
    };
    (@ $count:expr, $at:ident, $body:block, $($number:literal)*) => {
        $(if $number < $count {
            let $at: usize = $number;
            $body
        })*
    };
}
use each_vector;

/// The vectors that `p` outputs, `s` apart, read in a row at `k` neighbouring taps; of a single tap those apart by any
/// step.
const fn vectors(p: usize, k: usize, s: usize) -> usize {
    if k == 1 { p } else { (p - 1) * s + k }
}
