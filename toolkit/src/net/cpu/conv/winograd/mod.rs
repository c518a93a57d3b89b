//! Convolutions of stride 1 by Winograd's minimal filtering: Lavin and Gray, "Fast Algorithms for Convolutional
//! Neural Networks" (CVPR 2016, arXiv:1509.09308). A tile of a few neighbouring outputs takes fewer products than
//! the plain sums: a quarter of them for 3x3 kernels, a sixth for 5x5, four sevenths for 1x7 and 7x1.

mod axis;

use std::cell::RefCell;

use rayon::prelude::*;

use super::gradient::{even_parts, sum_in_parts};
use super::pack::{Packed, Panel};
use super::product::{Gate, Shared};
use super::tile::{self, Finish, Job, Outer, Start, pixels_of};
use super::{PixelsMut, STEP, WORTH_THREADS};
use crate::net::cpu::lanes::{LANES, Lanes};
use axis::{Axis, Five, One, Seven, Three};

/// What stands between two points in memory, so that they do not all want the same lines of a cache.
const GAP: usize = LANES;

/// Tiles whose products are summed at once for the gradient of the weights: as many as a second cache has room for,
/// since each time all sums are read and written.
const SUMMED: usize = 32;

/// The kernels for which there is a way, rows by columns.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kernel {
    Three,
    Five,
    Wide,
    Tall,
}

/// Calls a method for the two axes of a kernel.
macro_rules! with_axes {
    ($kernel:expr, $self:ident.$method:ident($($argument:expr),*)) => {
        match $kernel {
            Kernel::Three => $self.$method::<6, Three, Three>($($argument),*),
            Kernel::Five => $self.$method::<8, Five, Five>($($argument),*),
            Kernel::Wide => $self.$method::<8, One, Seven>($($argument),*),
            Kernel::Tall => $self.$method::<8, Seven, One>($($argument),*),
        }
    };
}

thread_local! {
    /// Room for transformed inputs and for products, kept from call to call.
    static ROOM: RefCell<(Vec<f32>, Vec<f32>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// A convolution of stride 1 from `source` to `grid` pixels.
#[derive(Clone, Copy)]
pub struct Winograd {
    kernel: Kernel,
    pub source: [usize; 2],
    pub grid: [usize; 2],
    pub padding: [usize; 2],
    pub inputs: usize,
    pub outputs: usize,
}

impl Winograd {
    /// A convolution with a kernel of this size, if there is a way for it.
    pub fn new(
        kernel: [usize; 2],
        (source, grid): ([usize; 2], [usize; 2]),
        padding: [usize; 2],
        (inputs, outputs): (usize, usize),
    ) -> Option<Self> {
        let kernel = match kernel {
            [3, 3] => Kernel::Three,
            [5, 5] => Kernel::Five,
            [1, 7] => Kernel::Wide,
            [7, 1] => Kernel::Tall,
            _ => return None,
        };
        let fast = Self {
            kernel,
            source,
            grid,
            padding,
            inputs,
            outputs,
        };
        fast.pays().then_some(fast)
    }

    /// Whether it pays: whole vectors of channels, and enough tiles in an image for the weights, of which there
    /// are up to four times as many.
    fn pays(&self) -> bool {
        let tiles = self.tiles();
        self.inputs.is_multiple_of(LANES)
            && self.outputs.is_multiple_of(LANES)
            && self.inputs * self.outputs <= 2048 * tiles[0] * tiles[1]
            // Tiles that are mostly outside the image cost more than they save.
            && self.grid[0] * self.grid[1] * 2 >= tiles[0] * tiles[1] * self.out()[0] * self.out()[1]
    }

    /// Rows and columns of a tile's outputs.
    fn out(&self) -> [usize; 2] {
        match self.kernel {
            Kernel::Three => [Three::OUT; 2],
            Kernel::Five => [Five::OUT; 2],
            Kernel::Wide => [1, Seven::OUT],
            Kernel::Tall => [Seven::OUT, 1],
        }
    }

    /// Products of a tile.
    fn points(&self) -> usize {
        match self.kernel {
            Kernel::Three => Three::IN * Three::IN,
            Kernel::Five => Five::IN * Five::IN,
            Kernel::Wide | Kernel::Tall => Seven::IN,
        }
    }

    fn tiles(&self) -> [usize; 2] {
        let out = self.out();
        [self.grid[0].div_ceil(out[0]), self.grid[1].div_ceil(out[1])]
    }

    /// The transformed weights, one product after another, of `weights`: taps x inputs x outputs.
    pub fn pack(&self, bias: Option<&[f32]>, weights: &[f32]) -> Packed {
        let mut packed = Packed::zeros(1, self.outputs, self.points() * self.inputs, bias);
        packed.fill(|panel, numbers| {
            with_axes!(self.kernel, self.transform_weights(weights, panel, numbers));
        });
        packed
    }

    /// The transformed weights of a panel: points x inputs x its channels.
    fn transform_weights<const N: usize, R: Axis<N>, C: Axis<N>>(
        &self,
        weights: &[f32],
        panel: &Panel,
        numbers: &mut [f32],
    ) {
        let wide = panel.wide * LANES;
        for input in 0..self.inputs {
            for first in (0..wide).step_by(LANES) {
                let weight = |y: usize, x: usize| {
                    let row = (y * C::TAPS + x) * self.inputs + input;
                    let from = &weights[row * self.outputs + panel.column + first..][..LANES];
                    // SAFETY: a slice of LANES numbers.
                    unsafe { Lanes::load(from.as_ptr()) }
                };
                let write = |y: usize, x: usize, lanes: Lanes| {
                    let place = ((y * C::IN + x) * self.inputs + input) * wide + first;
                    let to = &mut numbers[place..place + LANES];
                    // SAFETY: a slice of LANES numbers.
                    unsafe { lanes.store(to.as_mut_ptr()) };
                };
                both(
                    (R::TAPS, C::TAPS),
                    (R::IN, C::IN),
                    weight,
                    R::weights,
                    C::weights,
                    write,
                );
            }
        }
    }

    /// Runs all tiles of all images.
    pub fn run(&self, images: usize, x: &[f32], weights: &Packed, finish: Finish, y: PixelsMut<'_>) {
        let [down, across] = self.tiles();
        let tiles = images * down * across;
        let together = (2048 / self.inputs / STEP).clamp(1, 4) * STEP;
        let items = tiles.div_ceil(together);
        let pitch = y.pitch;
        let result = Shared(y.numbers.as_mut_ptr());
        let gate = Gate(finish);
        let item = |item: usize| {
            let first = item * together;
            let count = together.min(tiles - first);
            ROOM.with_borrow_mut(|(inputs, products)| {
                // SAFETY: the caller checked the lengths; items have tiles of their own.
                unsafe {
                    with_axes!(self.kernel, self.transform_inputs(first, count, x, inputs));
                    let to = (result.at(), pitch);
                    let finish = gate.finish();
                    with_axes!(
                        self.kernel,
                        self.multiply(first, count, inputs, products, weights, to, finish)
                    );
                }
            });
        };
        if items > 1 && tiles * self.points() * self.inputs * self.outputs >= WORTH_THREADS {
            (0..items).into_par_iter().for_each(item);
        } else {
            (0..items).for_each(item);
        }
    }

    /// The gradient of the weights and of the biases: the same products, each summed over the tiles, and the
    /// transforms the other way round. Tiles are summed in parts of fixed size, the parts then in order.
    pub fn weight_gradient(
        &self,
        images: usize,
        x: &[f32],
        dy: &[f32],
        dw: &mut [f32],
        db: Option<&mut [f32]>,
    ) {
        const ROOM_FOR: usize = 1 << 19;
        let [down, across] = self.tiles();
        let tiles = images * down * across;
        let size = self.inputs * self.outputs;
        let points = self.points();
        // A power of two, for as many threads.
        let parts = (tiles / SUMMED)
            .min((ROOM_FOR / (points * size)).max(4))
            .clamp(1, 16)
            .next_power_of_two();
        let each = tiles.div_ceil(parts).max(1);
        let many = tiles * points * size >= WORTH_THREADS;
        let (sums, biases) = sum_in_parts(
            parts,
            (points * size, self.outputs),
            many,
            |part, sums, biases| {
                let (start, end) = ((part * each).min(tiles), ((part + 1) * each).min(tiles));
                for first in (start..end).step_by(SUMMED) {
                    let count = SUMMED.min(end - first);
                    ROOM.with_borrow_mut(|(inputs, grads)| {
                        // SAFETY: the caller checked the lengths.
                        unsafe {
                            with_axes!(self.kernel, self.transform_inputs(first, count, x, inputs));
                            with_axes!(self.kernel, self.transform_grads(first, count, dy, grads));
                            self.add_products(count, inputs, grads, sums);
                        }
                        // This point of both axes sums the gradients of a tile.
                        let one = with_axes!(self.kernel, self.point_of_ones());
                        let whole = &grads[one * (SUMMED * self.outputs + GAP)..];
                        for grad in whole.chunks_exact(self.outputs).take(count) {
                            biases.iter_mut().zip(grad).for_each(|(sum, grad)| *sum += grad);
                        }
                    });
                }
            },
        );
        with_axes!(self.kernel, self.transform_sums(&sums, dw));
        if let Some(db) = db {
            db.copy_from_slice(&biases);
        }
    }

    fn point_of_ones<const N: usize, R: Axis<N>, C: Axis<N>>(&self) -> usize {
        R::ONE * C::IN + C::ONE
    }

    /// From sums at the points to the gradient of the weights.
    fn transform_sums<const N: usize, R: Axis<N>, C: Axis<N>>(&self, sums: &[f32], dw: &mut [f32]) {
        let size = self.inputs * self.outputs;
        for from in (0..size).step_by(LANES) {
            let sum = |y: usize, x: usize| {
                let at = &sums[(y * C::IN + x) * size + from..][..LANES];
                // SAFETY: a slice of LANES numbers.
                unsafe { Lanes::load(at.as_ptr()) }
            };
            let write = |y: usize, x: usize, lanes: Lanes| {
                let to = &mut dw[(y * C::TAPS + x) * size + from..][..LANES];
                // SAFETY: a slice of LANES numbers.
                unsafe { lanes.store(to.as_mut_ptr()) };
            };
            both((R::IN, C::IN), (R::TAPS, C::TAPS), sum, R::sums, C::sums, write);
        }
    }

    /// The gradients of `count` tiles, at most [`SUMMED`], transformed: points x tiles x channels.
    unsafe fn transform_grads<const N: usize, R: Axis<N>, C: Axis<N>>(
        &self,
        first: usize,
        count: usize,
        dy: &[f32],
        to: &mut Vec<f32>,
    ) {
        let point = SUMMED * self.outputs + GAP;
        if to.len() < self.points() * point {
            to.resize(self.points() * point, 0.0);
        }
        for t in 0..count {
            let (image, top, left) = self.tile(first + t);
            for channel in (0..self.outputs).step_by(LANES) {
                let grad = |i: usize, j: usize| {
                    if top + i >= self.grid[0] || left + j >= self.grid[1] {
                        return Lanes::splat(0.0);
                    }
                    let pixel = (image * self.grid[0] + top + i) * self.grid[1] + left + j;
                    // SAFETY: the caller's promise; the pixel lies in its image.
                    unsafe { Lanes::load(dy.as_ptr().add(pixel * self.outputs + channel)) }
                };
                let write = |i: usize, j: usize, lanes: Lanes| {
                    let place = (i * C::IN + j) * point + t * self.outputs + channel;
                    // SAFETY: within the length made above.
                    unsafe { lanes.store(to.as_mut_ptr().add(place)) };
                };
                both((R::OUT, C::OUT), (R::IN, C::IN), grad, R::grads, C::grads, write);
            }
        }
    }

    /// Adds the products of transformed inputs and gradients, summed over tiles, to points x inputs x outputs.
    unsafe fn add_products(&self, count: usize, inputs: &[f32], grads: &[f32], sums: &mut [f32]) {
        let rows = count.next_multiple_of(STEP);
        let wide = if self.outputs > LANES { 2 } else { 1 };
        for point in 0..self.points() {
            let from = point * (rows * self.inputs + GAP);
            let pointers: [*const f32; SUMMED] =
                std::array::from_fn(|t| inputs.as_ptr().wrapping_add(from + t * self.inputs));
            let grads = &grads[point * (SUMMED * self.outputs + GAP)..];
            for column in (0..self.outputs).step_by(wide * LANES) {
                let vectors = wide.min((self.outputs - column) / LANES);
                for (k, many) in even_parts(self.inputs, pixels_of(vectors)) {
                    let job = Outer {
                        pixels: count,
                        rows: pointers.as_ptr(),
                        shift: k,
                        grad: grads[column..].as_ptr(),
                        stride: self.outputs,
                        result: sums[(point * self.inputs + k) * self.outputs + column..].as_mut_ptr(),
                        result_row: self.outputs,
                        columns: vectors * LANES,
                    };
                    // SAFETY: whole vectors of channels, all there.
                    unsafe { tile::run_outer(vectors, many, &job) };
                }
            }
        }
    }

    /// The image of a tile, and its first output's row and column.
    fn tile(&self, tile: usize) -> (usize, usize, usize) {
        let [down, across] = self.tiles();
        let (image, rest) = (tile / (down * across), tile % (down * across));
        (
            image,
            rest / across * self.out()[0],
            rest % across * self.out()[1],
        )
    }

    /// The inputs of `count` tiles, transformed: points x tiles x channels, tiles rounded up to whole steps.
    unsafe fn transform_inputs<const N: usize, R: Axis<N>, C: Axis<N>>(
        &self,
        first: usize,
        count: usize,
        x: &[f32],
        to: &mut Vec<f32>,
    ) {
        let rows = count.next_multiple_of(STEP);
        let point = rows * self.inputs + GAP;
        if to.len() < self.points() * point {
            to.resize(self.points() * point, 0.0);
        }
        let zeros = vec![0.0f32; self.inputs];
        for t in 0..count {
            let (image, top, left) = self.tile(first + t);
            // Where the pixels of the tile are, or zeros where it hangs over the image.
            let mut places = [[zeros.as_ptr(); N]; N];
            for (i, row) in places.iter_mut().enumerate().take(R::IN) {
                let y = (top + i).wrapping_sub(self.padding[0]);
                if y >= self.source[0] {
                    continue;
                }
                for (j, place) in row.iter_mut().enumerate().take(C::IN) {
                    let across = (left + j).wrapping_sub(self.padding[1]);
                    if across < self.source[1] {
                        let pixel = (image * self.source[0] + y) * self.source[1] + across;
                        *place = x[pixel * self.inputs..].as_ptr();
                    }
                }
            }
            for channel in (0..self.inputs).step_by(LANES) {
                // SAFETY: the caller's promise; the pixel lies in its image, or the numbers among the zeros.
                let input = |i: usize, j: usize| unsafe { Lanes::load(places[i][j].add(channel)) };
                let write = |i: usize, j: usize, lanes: Lanes| {
                    let place = (i * C::IN + j) * point + t * self.inputs + channel;
                    // SAFETY: within the length made above.
                    unsafe { lanes.store(to.as_mut_ptr().add(place)) };
                };
                both((R::IN, C::IN), (R::IN, C::IN), input, R::inputs, C::inputs, write);
            }
        }
    }

    /// The products at each point, and what comes out of them, panel after panel.
    #[allow(clippy::too_many_arguments)]
    unsafe fn multiply<const N: usize, R: Axis<N>, C: Axis<N>>(
        &self,
        first: usize,
        count: usize,
        inputs: &[f32],
        products: &mut Vec<f32>,
        weights: &Packed,
        (result, pitch): (*mut f32, usize),
        finish: Finish,
    ) {
        let rows = count.next_multiple_of(STEP);
        let pointers: Vec<*const f32> = inputs
            .chunks_exact(rows * self.inputs + GAP)
            .take(self.points())
            .flat_map(|point| point.chunks_exact(self.inputs).take(rows))
            .map(<[f32]>::as_ptr)
            .collect();
        for panel in weights.panels() {
            let wide = panel.wide * LANES;
            let apart = rows * wide + GAP;
            if products.len() < self.points() * apart {
                products.resize(self.points() * apart, 0.0);
            }
            let places: Vec<usize> = (0..rows).map(|t| t * wide).collect();
            let tile = pixels_of(panel.wide);
            for point in 0..self.points() {
                for from in (0..count).step_by(tile) {
                    // SAFETY: rows is a whole number of tiles, and the room was made above.
                    unsafe {
                        let job = Job {
                            taps: 1,
                            run: self.inputs,
                            rows: pointers.as_ptr().add(point * rows + from),
                            shift: 0,
                            panel: weights.numbers(panel).add(point * self.inputs * wide),
                            result: products.as_mut_ptr().add(point * apart),
                            places: places.as_ptr().add(from),
                            live: tile,
                            columns: wide,
                            start: Start::Zero,
                            finish: Finish::Nothing,
                        };
                        tile::run(panel.wide, &job);
                    }
                }
            }
            for t in 0..count {
                let (image, top, left) = self.tile(first + t);
                for v in (0..wide).step_by(LANES) {
                    // SAFETY: as many biases as the panel has channels.
                    let bias = weights
                        .bias(panel)
                        .map_or(Lanes::splat(0.0), |bias| unsafe { Lanes::load(bias.add(v)) });
                    let at = products[t * wide + v..].as_ptr();
                    // SAFETY: what was written above.
                    let read = |i: usize, j: usize| unsafe { Lanes::load(at.add((i * C::IN + j) * apart)) };
                    let write = |i: usize, j: usize, lanes: Lanes| {
                        if top + i >= self.grid[0] || left + j >= self.grid[1] {
                            return;
                        }
                        let pixel = (image * self.grid[0] + top + i) * self.grid[1] + left + j;
                        let place = pixel * pitch + panel.column + v;
                        let lanes = lanes.plus(bias);
                        // SAFETY: the caller's promise for the result and the gate.
                        unsafe {
                            let lanes = match finish {
                                Finish::Nothing => lanes,
                                Finish::Relu => lanes.relu(),
                                Finish::Gate(gate) => lanes.where_positive(Lanes::load(gate.add(place))),
                            };
                            lanes.store(result.add(place));
                        }
                    };
                    both(
                        (R::IN, C::IN),
                        (R::OUT, C::OUT),
                        read,
                        R::outputs,
                        C::outputs,
                        write,
                    );
                }
            }
        }
    }
}

/// Transforms each column of a tile, then each row: from sizes `from`, read one by one, to sizes `to`, written
/// row by row.
#[inline(always)]
fn both<const N: usize>(
    from: (usize, usize),
    to: (usize, usize),
    read: impl Fn(usize, usize) -> Lanes,
    down: impl Fn([Lanes; N]) -> [Lanes; N],
    across: impl Fn([Lanes; N]) -> [Lanes; N],
    mut write: impl FnMut(usize, usize, Lanes),
) {
    let nothing = Lanes::splat(0.0);
    let mut half = [[nothing; N]; N];
    // By index, and arrays made at once: only so does all of it stay in registers.
    #[allow(clippy::needless_range_loop)]
    for j in 0..from.1 {
        let column = down(std::array::from_fn(
            |i| if i < from.0 { read(i, j) } else { nothing },
        ));
        for i in 0..to.0 {
            half[i][j] = column[i];
        }
    }
    for (i, row) in half.into_iter().enumerate().take(to.0) {
        let row = across(row);
        for (j, lanes) in row.into_iter().enumerate().take(to.1) {
            write(i, j, lanes);
        }
    }
}
