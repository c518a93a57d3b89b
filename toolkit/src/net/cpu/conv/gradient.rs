//! The gradient of a convolution's weights and biases.

use std::ops::Range;

use rayon::prelude::*;

use super::gather::Gather;
use super::tile::{self, Outer, pixels_of};
use super::{Conv, WORTH_THREADS, check};
use crate::net::cpu::lanes::LANES;

impl Conv {
    /// dw = the gradient of the weights, db = that of the biases. `room` is that of the forward pass of `x`.
    pub fn weight_gradient(
        &self,
        images: usize,
        x: &[f32],
        dy: &[f32],
        dw: &mut [f32],
        db: Option<&mut [f32]>,
        room: &[f32],
    ) {
        check(x.len(), images, self.source, self.inputs, self.inputs);
        check(dy.len(), images, self.grid, self.outputs, self.outputs);
        let (conv, x) = self.reading(x, room);
        check(x.len(), images, conv.source, conv.inputs, conv.inputs);
        match conv.winograd() {
            Some(fast) => fast.weight_gradient(images, x, dy, dw, db),
            None => conv.plain_weight_gradient(images, x, dy, dw, db),
        }
    }

    fn plain_weight_gradient(
        &self,
        images: usize,
        x: &[f32],
        dy: &[f32],
        dw: &mut [f32],
        db: Option<&mut [f32]>,
    ) {
        if self.is_depthwise() {
            return self.depthwise().weight_gradient(images, x, dy, dw, db);
        }
        let gather = self.gather();
        let pixels = images * gather.pixels();
        let many = images * self.work() >= WORTH_THREADS;
        if self.window.area() == 1 && self.groups == 1 && many && pixels < 512 {
            return self.gradient_by_rows(&gather, pixels, x, dy, dw, db);
        }
        let parts = self.parts(pixels);
        let each = pixels.div_ceil(parts).max(1);
        let size = self.rows() * self.outputs;
        assert!(dw.len() == size);
        let (sums, biases) = sum_in_parts(parts, (size, self.outputs), many, |part, sum, bias| {
            let range = (part * each).min(pixels)..((part + 1) * each).min(pixels);
            self.part_of_gradient(&gather, range, 0..gather.run, x, dy, sum, bias);
        });
        dw.copy_from_slice(&sums);
        if let Some(db) = db {
            db.copy_from_slice(&biases);
        }
    }

    /// The gradient of the weights of few pixels, where each thread takes inputs of its own.
    fn gradient_by_rows(
        &self,
        gather: &Gather,
        pixels: usize,
        x: &[f32],
        dy: &[f32],
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
            for grad in dy.chunks_exact(self.outputs).take(pixels) {
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
        x: &[f32],
        dy: &[f32],
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
            gather.point(next, count, (x, self.inputs), &zeros, (&mut rows, TOGETHER));
            for i in 0..count {
                let grad = &dy[(next + i) * self.outputs..][..self.outputs];
                db.iter_mut().zip(grad).for_each(|(sum, grad)| *sum += grad);
            }
            for group in 0..self.groups {
                for first in (0..outputs).step_by(wide * LANES) {
                    let columns = outputs.min(first + wide * LANES) - first;
                    let column = group * outputs + first;
                    let whole = columns == wide * LANES;
                    if !whole {
                        for i in 0..count {
                            let from = (next + i) * self.outputs + column;
                            panel[i * wide * LANES..][..columns].copy_from_slice(&dy[from..from + columns]);
                        }
                    }
                    let (grad, stride) = if whole {
                        (dy[next * self.outputs + column..].as_ptr(), self.outputs)
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
pub fn even_parts(count: usize, most: usize) -> impl Iterator<Item = (usize, usize)> {
    let parts = count.div_ceil(most);
    (0..parts).map(move |i| {
        let (first, end) = (i * count / parts, (i + 1) * count / parts);
        (first, end - first)
    })
}

/// Gradients of weights and of biases, of these sizes, summed in parts: `part(number, weights, biases)` adds to
/// sums of its own, each in a thread of the pool where that is worth it, and the parts are added in order.
pub fn sum_in_parts(
    parts: usize,
    (weights, biases): (usize, usize),
    worth_threads: bool,
    part: impl Fn(usize, &mut [f32], &mut [f32]) + Sync,
) -> (Vec<f32>, Vec<f32>) {
    let mut of_weights = vec![0.0f32; weights * parts];
    let mut of_biases = vec![0.0f32; biases * parts];
    let run = |(number, (weights, biases)): (usize, (&mut [f32], &mut [f32]))| part(number, weights, biases);
    if parts > 1 && worth_threads {
        of_weights
            .par_chunks_exact_mut(weights)
            .zip(of_biases.par_chunks_exact_mut(biases))
            .enumerate()
            .for_each(run);
    } else {
        of_weights
            .chunks_exact_mut(weights)
            .zip(of_biases.chunks_exact_mut(biases))
            .enumerate()
            .for_each(run);
    }
    add_parts(&mut of_weights, weights);
    add_parts(&mut of_biases, biases);
    (of_weights, of_biases)
}

/// Adds all parts of this size to the first, which is what is left.
fn add_parts(parts: &mut Vec<f32>, size: usize) {
    const PIECE: usize = 1 << 13;
    let (sum, rest) = parts.split_at_mut(size);
    let add = |(i, sum): (usize, &mut [f32])| {
        for part in rest.chunks_exact(size) {
            let part = &part[i * PIECE..];
            sum.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
    };
    if rest.len() > 8 * PIECE {
        sum.par_chunks_mut(PIECE).enumerate().for_each(add);
    } else {
        sum.chunks_mut(PIECE).enumerate().for_each(add);
    }
    parts.truncate(size);
}
