//! The gradients of the weights and of the biases.

use std::ops::Range;

use super::reader::{Reader, Row};
use super::{Depthwise, LANES, PIXELS, by_taps, each_vector, vectors};
use crate::net::cpu::aligned::Aligned;
use crate::net::cpu::conv::gradient::sum_in_parts;
use crate::net::cpu::lanes::Lanes;

impl Depthwise {
    /// dw = the gradient of the weights, taps x channels, and db = that of the biases, of a convolution of images `x`.
    pub fn weight_gradient(
        &self,
        images: usize,
        x: &[f32],
        dy: &[f32],
        dw: &mut [f32],
        db: Option<&mut [f32]>,
    ) {
        let (channels, area) = (self.channels, self.area());
        assert!(channels >= LANES && dw.len() == area * channels);
        assert!(dy.len() >= images * self.result[0] * self.result[1] * channels);
        let pieces = self.pieces(images);
        // By the sizes alone, never by the number of threads.
        let parts = pieces.len().clamp(1, 16);
        let sizes = (area * channels, channels);
        let (sums, biases) = sum_in_parts(parts, sizes, self.worth_threads(images), |part, dw, db| {
            let pieces = &pieces[part * pieces.len() / parts..(part + 1) * pieces.len() / parts];
            let (together, size) = (self.together(), (area + 1) * LANES);
            // For each block a vector for each tap and one for the bias.
            let mut reader = Reader::new(self, x);
            let mut sums = Aligned::zeros(together * (area + 1) * LANES);
            for first in (0..self.blocks()).step_by(together) {
                let blocks = first..(first + together).min(self.blocks());
                sums.fill(0.0);
                for piece in pieces {
                    reader.begin(piece.image, blocks.clone());
                    for row in piece.turns.clone() {
                        reader.turn(row);
                        self.add_row((piece.image, row), &reader, &dy[self.channel(first)..], &mut sums);
                    }
                }
                for (block, sums) in blocks.zip(sums.chunks_exact(size)) {
                    // Channels that the block before has are not taken again.
                    let own = block * LANES - self.channel(block)..LANES;
                    let place = block * LANES..self.channel(block) + LANES;
                    let rows = dw.chunks_exact_mut(channels).chain([&mut *db]);
                    for (to, sum) in rows.zip(sums.chunks_exact(LANES)) {
                        to[place.clone()].copy_from_slice(&sum[own.clone()]);
                    }
                }
            }
        });
        dw.copy_from_slice(&sums);
        if let Some(db) = db {
            db.copy_from_slice(&biases);
        }
    }

    /// Adds what a row of the gradient, which begins at the reader's first channel, gives.
    fn add_row(&self, (image, row): (usize, usize), reader: &Reader<'_>, dy: &[f32], sums: &mut [f32]) {
        let (down, across) = (&self.axes[0][0], &self.axes[1][0]);
        let sums = sums.as_mut_ptr();
        let place = |tap: usize| reader.place(down.start(row) + (tap * down.gap) as isize, across);
        let rows = down.inside(row, self.source[0]);
        let rows: Vec<_> = rows
            .map(|tap| (place(tap), sums.wrapping_add(tap * self.kernel[1] * LANES)))
            .collect();
        let line = Line {
            row: reader.row(0),
            rows: &rows,
            dy: dy[(image * self.result[0] + row) * self.result[1] * self.channels..].as_ptr(),
            apart: self.channels,
            bias: sums.wrapping_add(self.area() * LANES),
            kernel: (self.area() + 1) * LANES,
        };
        // SAFETY: the callers checked that images and gradient have all pixels; there are sums for every block.
        unsafe { by_taps!(across, line.run()) };
    }
}

/// What one row of the gradient adds.
struct Line<'a> {
    row: Row<'a>,
    /// For each row of taps the place where the first output reads, and the sums.
    rows: &'a [(*const f32, *mut f32)],
    /// The gradient of the first output, and numbers from there to the next.
    dy: *const f32,
    apart: usize,
    /// The sum of the first block's biases, and numbers from its sums to those of the next.
    bias: *mut f32,
    kernel: usize,
}

impl Line<'_> {
    /// # Safety
    /// Everything that is pointed to is there.
    unsafe fn run<const K: usize, const S: usize>(&self) {
        let row = &self.row;
        // SAFETY: the caller's promise.
        unsafe {
            for output in (0..row.inner.start).chain(row.inner.end..row.outputs) {
                let taps = row.across.inside(output, row.columns);
                for block in 0..row.blocks {
                    self.edge(output, taps.clone(), block);
                }
            }
            for blocks in row.sweeps() {
                let mut at = row.inner.start;
                while at < row.inner.end {
                    at += match row.inner.end - at {
                        left if left >= PIXELS[0] && row.alone => {
                            self.tiles::<{ PIXELS[0] }, K, S>(at, blocks.clone())
                        }
                        left if left >= PIXELS[1] => self.tiles::<{ PIXELS[1] }, K, S>(at, blocks.clone()),
                        left if left >= PIXELS[2] => self.tiles::<{ PIXELS[2] }, K, S>(at, blocks.clone()),
                        _ => self.tiles::<{ PIXELS[3] }, K, S>(at, blocks.clone()),
                    };
                }
            }
        }
    }

    /// An output that sees only some columns of its taps.
    ///
    /// # Safety
    /// As [`Line::run`].
    #[inline(always)]
    unsafe fn edge(&self, output: usize, taps: Range<usize>, block: usize) {
        let axis = self.row.across;
        // SAFETY: the caller's promise.
        unsafe {
            let [dy] = self.gradients(output, block);
            for (x, sums) in self.rows {
                for tap in taps.clone() {
                    let ahead =
                        (output * axis.step + tap * axis.gap) * self.row.pixel + self.row.offset(block);
                    let sum = sums.add(tap * LANES + block * self.kernel);
                    let x = Lanes::load(x.wrapping_add(ahead));
                    Lanes::load(sum).add_product(x, dy).store(sum);
                }
            }
        }
    }

    /// A tile for each of some blocks; gives its outputs.
    ///
    /// # Safety
    /// As [`Line::run`].
    #[inline(always)]
    unsafe fn tiles<const P: usize, const K: usize, const S: usize>(
        &self,
        output: usize,
        blocks: Range<usize>,
    ) -> usize {
        for block in blocks {
            // SAFETY: the caller's promise.
            unsafe { self.tile::<P, K, S>(output, block) };
        }
        P
    }

    /// # Safety
    /// As [`Line::run`].
    #[inline(always)]
    unsafe fn tile<const P: usize, const K: usize, const S: usize>(&self, output: usize, block: usize) {
        let axis = self.row.across;
        let step = if K == 1 { axis.step } else { 1 } * self.row.pixel;
        let first = output * axis.step * self.row.pixel + self.row.offset(block);
        self.row.prefetch(output, P, block);
        // SAFETY: the caller's promise.
        unsafe {
            let dy: [Lanes; P] = self.gradients(output, block);
            for (x, sums) in self.rows {
                let (x, sums) = (x.wrapping_add(first), sums.add(block * self.kernel));
                for tap in (0..axis.taps).step_by(K) {
                    let sums = sums.add(tap * LANES);
                    let mut sum: [Lanes; K] = std::array::from_fn(|k| Lanes::load(sums.add(k * LANES)));
                    let x = x.add(tap * axis.gap * self.row.pixel);
                    each_vector!(vectors(P, K, S), ahead => {
                        let x = Lanes::load(x.add(ahead * step));
                        for (p, dy) in dy.iter().enumerate() {
                            let k = ahead.wrapping_sub(p * if K == 1 { 1 } else { S });
                            if k < K {
                                sum[k] = sum[k].add_product(x, *dy);
                            }
                        }
                    });
                    for (k, sum) in sum.into_iter().enumerate() {
                        sum.store(sums.add(k * LANES));
                    }
                }
            }
        }
    }

    /// The gradients of outputs from the first on, which are added to the bias's.
    ///
    /// # Safety
    /// As [`Line::run`].
    #[inline(always)]
    unsafe fn gradients<const P: usize>(&self, output: usize, block: usize) -> [Lanes; P] {
        let first = output * self.apart + self.row.channel(block);
        // SAFETY: the caller's promise.
        unsafe {
            let dy: [Lanes; P] = std::array::from_fn(|p| Lanes::load(self.dy.add(first + p * self.apart)));
            let bias = self.bias.add(block * self.kernel);
            let sum = dy.iter().fold(Lanes::load(bias), |sum, dy| sum.plus(*dy));
            sum.store(bias);
            dy
        }
    }
}
