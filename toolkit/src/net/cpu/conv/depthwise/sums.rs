//! Sums over the taps: the outputs of a convolution, or the gradient of its inputs.

use std::ops::Range;

use rayon::prelude::*;

use super::reader::{Reader, Row};
use super::{Axis, Depthwise, LANES, PIXELS, by_taps, each_vector, vectors};
use crate::net::cpu::aligned::Aligned;
use crate::net::cpu::conv::PixelsMut;
use crate::net::cpu::conv::product::{Gate, Shared};
use crate::net::cpu::conv::tile::Finish;
use crate::net::cpu::lanes::Lanes;

impl Depthwise {
    /// The result for images `x`; `weights` are taps x channels.
    pub fn run(
        &self,
        images: usize,
        x: &[f32],
        weights: &[f32],
        bias: Option<&[f32]>,
        finish: Finish,
        y: PixelsMut<'_>,
    ) {
        assert!(self.channels >= LANES && weights.len() == self.area() * self.channels);
        assert!(bias.is_none_or(|bias| bias.len() == self.channels));
        let kernel = self.kernel(weights, bias);
        let size = (self.area() + 1) * LANES;
        let pieces = self.pieces(images);
        let parts = self.blocks().div_ceil(self.together());
        let (pitch, result, gate) = (y.pitch, Shared(y.numbers.as_mut_ptr()), Gate(finish));
        let item = |reader: &mut Reader<'_>, item: usize| {
            let (piece, part) = (&pieces[item / parts], item % parts);
            let blocks = part * self.together()..((part + 1) * self.together()).min(self.blocks());
            let kernel = kernel[blocks.start * size..].as_ptr();
            let first = self.channel(blocks.start);
            let mut rows = Vec::with_capacity(self.kernel[0]);
            reader.begin(piece.image, blocks);
            for turn in piece.turns.clone() {
                reader.turn(turn);
                let mut weights = kernel;
                for (row, down) in (turn * self.axes[0].len()..self.result[0]).zip(&self.axes[0]) {
                    for (column, across) in self.axes[1].iter().enumerate() {
                        let taps = across.taps * LANES;
                        rows.clear();
                        rows.extend(down.inside(turn, self.source[0]).map(|tap| {
                            let place = down.start(turn) + (tap * down.gap) as isize;
                            (reader.place(place, across), weights.wrapping_add(tap * taps))
                        }));
                        weights = weights.wrapping_add(down.taps * taps);
                        let pixel = (piece.image * self.result[0] + row) * self.result[1] + column;
                        let line = Line {
                            row: reader.row(column),
                            rows: &rows,
                            kernel: size,
                            bias: kernel.wrapping_add(size - LANES),
                            result: result.at(),
                            place: pixel * pitch + first,
                            apart: self.axes[1].len() * pitch,
                            finish: gate.finish(),
                        };
                        // SAFETY: the callers checked that images and result have all pixels; items differ in rows or
                        // channels.
                        unsafe { by_taps!(across, line.run()) };
                    }
                }
            }
        };
        let reader = || Reader::new(self, x);
        let items = pieces.len() * parts;
        match self.worth_threads(images) {
            true => (0..items).into_par_iter().for_each_init(reader, item),
            false => {
                let mut reader = reader();
                (0..items).for_each(|number| item(&mut reader, number));
            }
        }
    }

    /// For each block a vector for each tap, in the order in which they are read, and one for the bias.
    fn kernel(&self, weights: &[f32], bias: Option<&[f32]>) -> Aligned {
        let taps = |axis: &Axis| (0..axis.taps).map(|tap| axis.weight(tap)).collect::<Vec<_>>();
        let [rows, columns] = &self.axes;
        let turns = rows
            .iter()
            .flat_map(|down| columns.iter().map(move |across| (down, across)));
        let order: Vec<usize> = turns
            .flat_map(|(down, across)| {
                let across = taps(across);
                let row = move |row: usize| across.clone().into_iter().map(move |column| (row, column));
                taps(down).into_iter().flat_map(row)
            })
            .map(|(row, column)| row * self.kernel[1] + column)
            .collect();
        let mut kernel = Aligned::zeros(self.blocks() * (self.area() + 1) * LANES);
        let blocks = kernel.chunks_exact_mut((self.area() + 1) * LANES);
        for (block, to) in blocks.enumerate().take(self.blocks()) {
            let rows = order
                .iter()
                .map(|tap| &weights[tap * self.channels..][..self.channels]);
            for (to, from) in to.chunks_exact_mut(LANES).zip(rows.chain(bias)) {
                to.copy_from_slice(&from[self.channel(block)..][..LANES]);
            }
        }
        kernel
    }
}

/// What one row of the result sums.
struct Line<'a> {
    row: Row<'a>,
    /// For each row of taps the place where the first output reads, and the weights.
    rows: &'a [(*const f32, *const f32)],
    /// Weights and biases of the first block, and numbers from there to those of the next.
    bias: *const f32,
    kernel: usize,
    result: *mut f32,
    /// Where the first output stands in the result (and gate), and numbers from there to the next.
    place: usize,
    apart: usize,
    finish: Finish,
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
            let mut sum = Lanes::load(self.bias.add(block * self.kernel));
            for (x, weights) in self.rows {
                for tap in taps.clone() {
                    let ahead =
                        (output * axis.step + tap * axis.gap) * self.row.pixel + self.row.offset(block);
                    let weights = weights.add(tap * LANES + block * self.kernel);
                    sum = sum.add_product(Lanes::load(x.wrapping_add(ahead)), Lanes::load(weights));
                }
            }
            self.store([sum], output, block);
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
            let mut sum = [Lanes::load(self.bias.add(block * self.kernel)); P];
            for (x, weights) in self.rows {
                let (x, weights) = (x.wrapping_add(first), weights.add(block * self.kernel));
                for tap in (0..axis.taps).step_by(K) {
                    let weights: [Lanes; K] =
                        std::array::from_fn(|k| Lanes::load(weights.add((tap + k) * LANES)));
                    let x = x.add(tap * axis.gap * self.row.pixel);
                    each_vector!(vectors(P, K, S), ahead => {
                        let x = Lanes::load(x.add(ahead * step));
                        for (p, sum) in sum.iter_mut().enumerate() {
                            // The tap at which this output reads it, if there is one.
                            let k = ahead.wrapping_sub(p * if K == 1 { 1 } else { S });
                            if k < K {
                                *sum = sum.add_product(x, weights[k]);
                            }
                        }
                    });
                }
            }
            self.store(sum, output, block);
        }
    }

    /// Stores the sums of outputs from the first on.
    ///
    /// # Safety
    /// As [`Line::run`].
    #[inline(always)]
    unsafe fn store<const P: usize>(&self, sums: [Lanes; P], output: usize, block: usize) {
        let place = self.place + output * self.apart + self.row.channel(block);
        let places = (0..P).map(|p| place + p * self.apart);
        // SAFETY: the caller's promise. One loop for each finish, and no branch in it.
        unsafe {
            match self.finish {
                Finish::Nothing => (places.zip(sums)).for_each(|(at, sum)| sum.store(self.result.add(at))),
                Finish::Relu => {
                    (places.zip(sums)).for_each(|(at, sum)| sum.relu().store(self.result.add(at)))
                }
                Finish::Gate(gate) => (places.zip(sums)).for_each(|(at, sum)| {
                    sum.where_positive(Lanes::load(gate.add(at)))
                        .store(self.result.add(at));
                }),
            }
        }
    }
}
