//! Convolutions, forward and backward, on images of height x width x channels.
//!
//! A convolution is a product of gathered rows with the weights. No image is unfolded into a matrix: the
//! rows are read where they lie, through pointers made once for a block of pixels and used for all its
//! channels. The gradient of the inputs is the same product the other way round; that of the weights sums
//! over pixels in parts of fixed size. So every number is summed in one order, whatever the number of
//! threads.

mod gather;
mod pack;
mod tile;
mod winograd;

use std::ops::Range;

use rayon::prelude::*;

use super::lanes::LANES;
use crate::net::Window;
use gather::Gather;
pub use pack::Packed;
use tile::{Finish, Job, Outer, Start, pixels_of};
use winograd::Winograd;

/// Products below this many multiplications are not worth a second thread.
const WORTH_THREADS: usize = 1 << 21;

/// Numbers of the source that a block of pixels should not exceed: a quarter of a second cache.
const BLOCK: usize = 1 << 16;

/// Every tile's pixels divide it.
const STEP: usize = 24;

/// A convolution of images of one size.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv {
    pub window: Window,
    pub groups: usize,
    /// Rows and columns of the input, and of the output.
    pub source: [usize; 2],
    pub grid: [usize; 2],
    /// Channels of the input, and of the output.
    pub inputs: usize,
    pub outputs: usize,
}

/// Images in a buffer: the numbers of a pixel begin `pitch` after those of the one before.
#[derive(Clone, Copy)]
pub struct Pixels<'a> {
    pub numbers: &'a [f32],
    pub pitch: usize,
}

/// Images to write.
pub struct PixelsMut<'a> {
    pub numbers: &'a mut [f32],
    pub pitch: usize,
}

/// A pointer that threads may share: each writes places of its own.
#[derive(Clone, Copy)]
struct Shared(*mut f32);
// SAFETY: see above; who uses it says why the places differ.
unsafe impl Send for Shared {}
unsafe impl Sync for Shared {}

impl Shared {
    /// Taken by a method, so that closures capture the whole.
    fn at(self) -> *mut f32 {
        self.0
    }
}

impl Conv {
    /// A dense layer: images of one pixel.
    pub fn dense(inputs: usize, outputs: usize) -> Self {
        Self {
            window: Window::square(1),
            groups: 1,
            source: [1, 1],
            grid: [1, 1],
            inputs,
            outputs,
        }
    }

    /// Multiplications for one image.
    fn work(&self) -> usize {
        self.grid[0] * self.grid[1] * self.outputs * self.rows()
    }

    /// Weights that meet in one output.
    fn rows(&self) -> usize {
        self.window.area() * (self.inputs / self.groups)
    }

    /// Few channels in padded images: reading them needs a copy with the padding in it, so that a whole row
    /// of the kernel is one run of numbers.
    pub fn wants_padding(&self) -> bool {
        self.groups == 1 && self.window.padding[1] > 0 && self.window.dilation[1] == 1 && self.inputs < LANES
    }

    /// The same convolution of images that have the columns of their padding.
    pub fn padded(&self) -> Self {
        let mut padded = self.clone();
        padded.source[1] += 2 * self.window.padding[1];
        padded.window.padding[1] = 0;
        padded
    }

    /// Copies images into ones that have the columns of their padding, all zeros before.
    pub fn pad(&self, images: usize, x: &[f32], padded: &mut [f32]) {
        let row = self.source[1] * self.inputs;
        let side = self.window.padding[1] * self.inputs;
        let rows = images * self.source[0];
        for (to, from) in padded
            .chunks_exact_mut(row + 2 * side)
            .zip(x.chunks_exact(row))
            .take(rows)
        {
            to[side..side + row].copy_from_slice(from);
        }
    }

    /// The fast way, where there is one and it pays.
    fn winograd(&self) -> Option<Winograd> {
        let window = &self.window;
        if window.stride != [1, 1] || window.dilation != [1, 1] || self.groups != 1 {
            return None;
        }
        Winograd::new(
            window.kernel,
            (self.source, self.grid),
            window.padding,
            (self.inputs, self.outputs),
        )
    }

    /// The fast way for the gradient of the inputs: the same convolution with the kernel turned around.
    fn winograd_back(&self) -> Option<Winograd> {
        self.winograd()?;
        let [kernel, padding] = [self.window.kernel, self.window.padding];
        let turned = |axis: usize| (kernel[axis] - 1).checked_sub(padding[axis]);
        Winograd::new(
            kernel,
            (self.grid, self.source),
            [turned(0)?, turned(1)?],
            (self.outputs, self.inputs),
        )
    }

    /// The weights as [`Conv::forward`] reads them.
    pub fn pack(&self, weights: &[f32], bias: Option<&[f32]>) -> Packed {
        if let Some(fast) = self.winograd() {
            return fast.pack(bias, |tap, input, output, to| {
                let from = (tap * self.inputs + input) * self.outputs + output;
                to.copy_from_slice(&weights[from..from + LANES]);
            });
        }
        let rows: Vec<usize> = (0..self.rows()).collect();
        Packed::new(self.groups, self.outputs, &rows, bias, |row, to, column| {
            let from = row * self.outputs + column;
            to.copy_from_slice(&weights[from..from + to.len()]);
        })
    }

    fn gather(&self, pitch: usize) -> Gather {
        let joined = self.groups == 1
            && self.window.padding[1] == 0
            && (self.window.kernel[1] == 1 || (self.window.dilation[1] == 1 && pitch == self.inputs));
        Gather::outputs(
            &self.window,
            self.source,
            self.grid,
            self.inputs / self.groups,
            joined,
        )
    }

    /// y = x * w + b, then ReLU if asked.
    pub fn forward(&self, images: usize, x: Pixels<'_>, weights: &Packed, relu: bool, y: PixelsMut<'_>) {
        let finish = if relu { Finish::Relu } else { Finish::Nothing };
        let gather = self.gather(x.pitch);
        check(x.numbers.len(), images, self.source, x.pitch, self.inputs);
        check(y.numbers.len(), images, self.grid, y.pitch, self.outputs);
        match self.winograd() {
            Some(fast) => fast.run(images, x, weights, finish, y),
            None => product(&gather, images, x, self.inputs / self.groups, weights, finish, y),
        }
    }

    /// dx = the gradient that flows back to the inputs, zero where `gate` (laid out as dx) is not above 0.
    pub fn input_gradient(
        &self,
        images: usize,
        dy: Pixels<'_>,
        weights: &[f32],
        gate: Option<&[f32]>,
        dx: PixelsMut<'_>,
    ) {
        check(dy.numbers.len(), images, self.grid, dy.pitch, self.outputs);
        check(dx.numbers.len(), images, self.source, dx.pitch, self.inputs);
        assert!(gate.is_none_or(|gate| gate.len() >= dx.numbers.len()));
        let finish = gate.map_or(Finish::Nothing, |gate| Finish::Gate(gate.as_ptr()));
        if let Some(fast) = self.winograd_back() {
            let last = self.window.area() - 1;
            let packed = fast.pack(None, |tap, output, input, to| {
                for (i, to) in to.iter_mut().enumerate() {
                    *to = weights[((last - tap) * self.inputs + input + i) * self.outputs + output];
                }
            });
            return fast.run(images, dy, &packed, finish, dx);
        }
        let (inputs, outputs) = (self.inputs / self.groups, self.outputs / self.groups);
        for (gather, taps) in Gather::inputs(&self.window, self.source, self.grid, outputs) {
            let rows: Vec<usize> = taps
                .iter()
                .flat_map(|tap| (0..outputs).map(move |output| tap * outputs + output))
                .collect();
            let packed = Packed::new(self.groups, self.inputs, &rows, None, |row, to, column| {
                let (tap, output) = (row / outputs, row % outputs);
                let (group, first) = (column / inputs, column % inputs);
                for (i, to) in to.iter_mut().enumerate() {
                    let from = (tap * inputs + first + i) * self.outputs + group * outputs + output;
                    *to = weights[from];
                }
            });
            let dx = PixelsMut {
                numbers: &mut *dx.numbers,
                pitch: dx.pitch,
            };
            product(&gather, images, dy, outputs, &packed, finish, dx);
        }
    }

    /// dw = the gradient of the weights, db = that of the biases.
    pub fn weight_gradient(
        &self,
        images: usize,
        x: Pixels<'_>,
        dy: Pixels<'_>,
        dw: &mut [f32],
        db: Option<&mut [f32]>,
    ) {
        check(x.numbers.len(), images, self.source, x.pitch, self.inputs);
        check(dy.numbers.len(), images, self.grid, dy.pitch, self.outputs);
        if let Some(fast) = self.winograd() {
            return fast.weight_gradient(images, x, dy, dw, db);
        }
        let gather = self.gather(x.pitch);
        let pixels = images * gather.pixels();
        if self.window.area() == 1
            && self.groups == 1
            && images * self.work() >= WORTH_THREADS
            && pixels < 512
        {
            return self.gradient_by_rows(&gather, pixels, x, dy, dw, db);
        }
        let parts = self.parts(pixels);
        let each = pixels.div_ceil(parts).max(1);
        let size = self.rows() * self.outputs;
        assert!(dw.len() == size);
        // Each part sums for itself; the sums are then added in order.
        let mut sums = vec![0.0f32; size * parts];
        let mut biases = vec![0.0f32; self.outputs * parts];
        let one = |(part, (sum, bias)): (usize, (&mut [f32], &mut [f32]))| {
            let range = (part * each).min(pixels)..((part + 1) * each).min(pixels);
            self.part_of_gradient(&gather, range, 0..gather.run, x, dy, sum, bias);
        };
        if parts == 1 || images * self.work() < WORTH_THREADS {
            sums.chunks_exact_mut(size)
                .zip(biases.chunks_exact_mut(self.outputs))
                .enumerate()
                .for_each(one);
        } else {
            sums.par_chunks_exact_mut(size)
                .zip(biases.par_chunks_exact_mut(self.outputs))
                .enumerate()
                .for_each(one);
        }
        add_parts(dw, &sums);
        if let Some(db) = db {
            add_parts(db, &biases);
        }
    }

    /// The gradient of the weights of few pixels, where each thread takes inputs of its own.
    fn gradient_by_rows(
        &self,
        gather: &Gather,
        pixels: usize,
        x: Pixels<'_>,
        dy: Pixels<'_>,
        dw: &mut [f32],
        db: Option<&mut [f32]>,
    ) {
        let each = self.inputs.div_ceil(8).next_multiple_of(12);
        dw.par_chunks_mut(each * self.outputs)
            .enumerate()
            .for_each(|(i, dw)| {
                dw.fill(0.0);
                let rows = i * each..(i * each + dw.len() / self.outputs);
                self.part_of_gradient(gather, 0..pixels, rows, x, dy, dw, &mut []);
            });
        if let Some(db) = db {
            db.fill(0.0);
            for grad in dy.numbers.chunks(dy.pitch).take(pixels) {
                db.iter_mut().zip(grad).for_each(|(sum, grad)| *sum += grad);
            }
        }
    }

    /// Parts in which the pixels are summed: by the sizes alone, never by the number of threads.
    fn parts(&self, pixels: usize) -> usize {
        const MOST: usize = 1 << 22;
        let size = (self.rows() * self.outputs).max(1);
        (pixels / 256).min(MOST / size).clamp(1, 16)
    }

    /// Adds what the pixels of `range` give to the weights of these of the `numbers` that a tap reads, and to the
    /// biases that are there.
    #[allow(clippy::too_many_arguments)]
    fn part_of_gradient(
        &self,
        gather: &Gather,
        range: Range<usize>,
        numbers: Range<usize>,
        x: Pixels<'_>,
        dy: Pixels<'_>,
        dw: &mut [f32],
        db: &mut [f32],
    ) {
        const TOGETHER: usize = 256;
        let taps = gather.taps.len();
        let (run, outputs) = (gather.run, self.outputs / self.groups);
        let wide = if outputs > LANES { 2 } else { 1 };
        let zeros = vec![0.0f32; run + self.inputs];
        let mut rows = vec![zeros.as_ptr(); taps * TOGETHER];
        let mut panel = vec![0.0f32; TOGETHER * wide * LANES];
        let mut next = range.start;
        while next < range.end {
            let count = TOGETHER.min(range.end - next);
            let mut output = gather.output(next);
            for i in 0..count {
                gather.rows(output, |tap, row| {
                    rows[tap * TOGETHER + i] = match row {
                        Some(pixel) => x.numbers[pixel * x.pitch..].as_ptr(),
                        None => zeros.as_ptr(),
                    };
                });
                output = gather.next(output);
            }
            for i in 0..count {
                let from = (next + i) * dy.pitch;
                let grad = &dy.numbers[from..from + self.outputs];
                db.iter_mut().zip(grad).for_each(|(sum, grad)| *sum += grad);
            }
            for group in 0..self.groups {
                for first in (0..outputs).step_by(wide * LANES) {
                    let columns = outputs.min(first + wide * LANES) - first;
                    let column = group * outputs + first;
                    let whole = columns == wide * LANES;
                    if !whole {
                        for i in 0..count {
                            let from = (next + i) * dy.pitch + column;
                            panel[i * wide * LANES..][..columns]
                                .copy_from_slice(&dy.numbers[from..from + columns]);
                        }
                    }
                    let (grad, stride) = if whole {
                        (dy.numbers[next * dy.pitch + column..].as_ptr(), dy.pitch)
                    } else {
                        (panel.as_ptr(), wide * LANES)
                    };
                    for tap in 0..taps {
                        for (k, many) in even_parts(numbers.len(), pixels_of(wide)) {
                            let job = Outer {
                                pixels: count,
                                rows: rows[tap * TOGETHER..].as_ptr(),
                                // The zeros are as long as an image's row of numbers.
                                shift: group * run * usize::from(self.groups > 1) + numbers.start + k,
                                grad,
                                stride,
                                result: dw[(tap * numbers.len() + k) * self.outputs + column..].as_mut_ptr(),
                                result_row: self.outputs,
                                columns,
                            };
                            // SAFETY: the lengths were checked by the caller; a row has run numbers from its
                            // group's first on, also among the zeros.
                            unsafe { tile::run_outer(wide, many, &job) };
                        }
                    }
                }
            }
            next += count;
        }
    }
}

/// Splits `count` into parts of at most `most`, as even as can be: (first, length).
fn even_parts(count: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let parts = count.div_ceil(most);
    (0..parts).map(move |i| {
        let (first, end) = (i * count / parts, (i + 1) * count / parts);
        (first, end - first)
    })
}

fn add_parts(sum: &mut [f32], parts: &[f32]) {
    sum.fill(0.0);
    for part in parts.chunks_exact(sum.len().max(1)) {
        sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
    }
}

fn check(length: usize, images: usize, size: [usize; 2], pitch: usize, channels: usize) {
    let pixels = images * size[0] * size[1];
    assert!(
        pixels == 0 || (pitch >= channels && length >= (pixels - 1) * pitch + channels),
        "{images} images of {size:?} pixels at a pitch of {pitch} in {length} numbers"
    );
}

/// The product of gathered rows with weights, for all images; `inputs` channels a group.
fn product(
    gather: &Gather,
    images: usize,
    x: Pixels<'_>,
    inputs: usize,
    weights: &Packed,
    finish: Finish,
    y: PixelsMut<'_>,
) {
    let pixels = images * gather.pixels();
    let taps = gather.taps.len();
    let steps = pixels.div_ceil(STEP);
    let work = pixels * taps * gather.run * weights.columns();
    let each = x.pitch * gather.step[0] * gather.step[1];
    let fits = (BLOCK / each.max(1) / STEP).clamp(1, 8);
    let threads = work >= WORTH_THREADS;
    // Enough items to share, first by pixels, then by panels.
    let block = if threads {
        fits.min(steps.div_ceil(8)).max(1)
    } else {
        fits
    };
    let blocks = steps.div_ceil(block);
    let cuts = if threads {
        8usize.div_ceil(blocks).min(weights.panels().len()).max(1)
    } else {
        1
    };
    let pitch = y.pitch;
    let result = Shared(y.numbers.as_mut_ptr());
    let gate = Gate(finish);
    let zeros = vec![0.0f32; gather.run + inputs * weights.groups()];
    let item = |item: usize| {
        let (at, cut) = (item / cuts, item % cuts);
        let range = at * block * STEP..((at + 1) * block * STEP).min(pixels);
        let count = weights.panels().len();
        let panels = cut * count / cuts..(cut + 1) * count / cuts;
        let mut block = Block::new(gather, range, x, pitch, &zeros);
        let mut made_for = 0;
        for panel in &weights.panels()[panels] {
            if made_for != panel.wide {
                block.point(pixels_of(panel.wide));
                made_for = panel.wide;
            }
            // SAFETY: the callers checked the lengths. Items differ in pixels or in channels.
            unsafe { block.run(panel, weights, panel.group * inputs, result.at(), gate.finish()) };
        }
    };
    if threads && blocks * cuts > 1 {
        (0..blocks * cuts).into_par_iter().for_each(item);
    } else {
        (0..blocks * cuts).for_each(item);
    }
}

/// A finish that threads may share: they only read what it points to.
#[derive(Clone, Copy)]
struct Gate(Finish);
// SAFETY: see above.
unsafe impl Send for Gate {}
unsafe impl Sync for Gate {}

impl Gate {
    fn finish(self) -> Finish {
        self.0
    }
}

/// Some pixels of a product, with the pointers to what they gather.
struct Block<'a> {
    gather: &'a Gather,
    range: Range<usize>,
    x: Pixels<'a>,
    zeros: &'a [f32],
    places: Vec<usize>,
    /// For each tile, taps x its pixels.
    rows: Vec<*const f32>,
    tile: usize,
}

impl<'a> Block<'a> {
    fn new(gather: &'a Gather, range: Range<usize>, x: Pixels<'a>, pitch: usize, zeros: &'a [f32]) -> Self {
        let mut output = gather.output(range.start);
        let mut places = Vec::with_capacity(range.len().next_multiple_of(STEP));
        for _ in range.clone() {
            places.push(gather.place(output) * pitch);
            output = gather.next(output);
        }
        places.resize(range.len().next_multiple_of(STEP), 0);
        Self {
            rows: vec![zeros.as_ptr(); places.len() * gather.taps.len()],
            gather,
            range,
            x,
            zeros,
            places,
            tile: 1,
        }
    }

    /// Makes the pointers for tiles of this many pixels.
    fn point(&mut self, tile: usize) {
        self.tile = tile;
        let taps = self.gather.taps.len();
        let mut output = self.gather.output(self.range.start);
        let (numbers, pitch) = (self.x.numbers, self.x.pitch);
        for i in 0..self.range.len() {
            let rows = &mut self.rows[i / tile * tile * taps..][..tile * taps];
            self.gather.rows(output, |tap, row| {
                rows[i % tile + tap * tile] = match row {
                    // The caller checked that all pixels are there.
                    Some(pixel) => numbers.as_ptr().wrapping_add(pixel * pitch),
                    None => self.zeros.as_ptr(),
                };
            });
            output = self.gather.next(output);
        }
        // What is left of the last tile reads zeros.
        for i in self.range.len()..self.places.len() {
            for tap in 0..taps {
                self.rows[i / tile * tile * taps + i % tile + tap * tile] = self.zeros.as_ptr();
            }
        }
    }

    /// Runs all tiles with one panel.
    ///
    /// # Safety
    /// Result and gate have the places of the pixels, and nobody else writes these channels of them.
    unsafe fn run(
        &self,
        panel: &pack::Panel,
        weights: &Packed,
        shift: usize,
        result: *mut f32,
        finish: Finish,
    ) {
        let taps = self.gather.taps.len();
        for first in (0..self.range.len()).step_by(self.tile) {
            // SAFETY: the caller's promise.
            unsafe {
                let job = Job {
                    taps,
                    run: self.gather.run,
                    rows: self.rows[first * taps..].as_ptr(),
                    shift,
                    panel: weights.numbers(panel),
                    result: result.add(panel.column),
                    places: self.places[first..].as_ptr(),
                    live: self.tile.min(self.range.len() - first),
                    columns: panel.columns,
                    start: weights.bias(panel).map_or(Start::Zero, Start::Row),
                    finish: match finish {
                        Finish::Gate(gate) => Finish::Gate(gate.add(panel.column)),
                        other => other,
                    },
                };
                tile::run(panel.wide, &job);
            }
        }
    }
}
