//! 3x3 convolutions of stride 1 by Winograd's minimal filtering, F(4x4, 3x3): Lavin and Gray, "Fast Algorithms
//! for Convolutional Neural Networks" (CVPR 2016, arXiv:1509.09308), section 4.3. A tile of 6x6 inputs gives
//! 4x4 outputs with 36 multiplications a channel pair where the plain sum takes 144.

use std::cell::RefCell;

use rayon::prelude::*;

use super::pack::Packed;
use super::tile::{self, Finish, Job, Outer, Start, pixels_of};
use super::{Gate, Pixels, PixelsMut, STEP, Shared, WORTH_THREADS};
use crate::net::cpu::lanes::{LANES, Lanes};

/// Rows and columns of a tile's outputs, and of its inputs.
const OUT: usize = 4;
const IN: usize = 6;
const POINTS: usize = IN * IN;

/// What stands between two points in memory, so that they do not all want the same lines of a cache.
const GAP: usize = LANES;

thread_local! {
    /// Room for transformed inputs and for products, kept from call to call.
    static ROOM: RefCell<(Vec<f32>, Vec<f32>)> = const { RefCell::new((Vec::new(), Vec::new())) };
}

/// A 3x3 convolution of stride 1 from `source` to `grid` pixels.
#[derive(Clone, Copy)]
pub struct Winograd {
    pub source: [usize; 2],
    pub grid: [usize; 2],
    pub padding: [usize; 2],
    pub inputs: usize,
    pub outputs: usize,
}

impl Winograd {
    /// Whether it pays: whole vectors of channels, and enough tiles in an image for the weights, of which there
    /// are four times as many.
    pub fn pays(&self) -> bool {
        let tiles = self.tiles();
        self.inputs.is_multiple_of(LANES)
            && self.outputs.is_multiple_of(LANES)
            && self.inputs * self.outputs <= 2048 * tiles[0] * tiles[1]
            // Tiles that are mostly outside the image cost more than they save.
            && self.grid[0] * self.grid[1] * 2 >= tiles[0] * tiles[1] * OUT * OUT
    }

    fn tiles(&self) -> [usize; 2] {
        self.grid.map(|side| side.div_ceil(OUT))
    }

    /// The transformed weights, G g G^T, one product after another; `read(tap, input, output, to)` gives the
    /// weights of neighbouring outputs.
    pub fn pack(
        &self,
        bias: Option<&[f32]>,
        read: impl Fn(usize, usize, usize, &mut [f32; LANES]),
    ) -> Packed {
        let size = self.inputs * self.outputs;
        let mut numbers = vec![0.0f32; POINTS * size];
        let mut weights = [0.0f32; LANES];
        for input in 0..self.inputs {
            for output in (0..self.outputs).step_by(LANES) {
                let mut g = [[Lanes::splat(0.0); 3]; 3];
                for (tap, lanes) in g.as_flattened_mut().iter_mut().enumerate() {
                    read(tap, input, output, &mut weights);
                    // SAFETY: an array of LANES numbers.
                    *lanes = unsafe { Lanes::load(weights.as_ptr()) };
                }
                let columns: [[Lanes; IN]; 3] =
                    std::array::from_fn(|x| transform_weights(std::array::from_fn(|y| g[y][x])));
                for y in 0..IN {
                    let row = transform_weights(std::array::from_fn(|x| columns[x][y]));
                    for (x, lanes) in row.into_iter().enumerate() {
                        let place = (y * IN + x) * size + input * self.outputs + output;
                        let to = &mut numbers[place..place + LANES];
                        // SAFETY: a slice of LANES numbers.
                        unsafe { lanes.store(to.as_mut_ptr()) };
                    }
                }
            }
        }
        let rows: Vec<usize> = (0..POINTS * self.inputs).collect();
        Packed::new(1, self.outputs, &rows, bias, |row, to, column| {
            let from = row * self.outputs + column;
            to.copy_from_slice(&numbers[from..from + to.len()]);
        })
    }

    /// Runs all tiles of all images.
    pub fn run(&self, images: usize, x: Pixels<'_>, weights: &Packed, finish: Finish, y: PixelsMut<'_>) {
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
                    self.transform_inputs(first, count, x, inputs);
                    self.multiply(
                        first,
                        count,
                        inputs,
                        products,
                        weights,
                        (result.at(), pitch),
                        gate.finish(),
                    );
                }
            });
        };
        if items > 1 && tiles * POINTS * self.inputs * self.outputs >= WORTH_THREADS {
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
        x: Pixels<'_>,
        dy: Pixels<'_>,
        dw: &mut [f32],
        db: Option<&mut [f32]>,
    ) {
        const MOST: usize = 1 << 23;
        let [down, across] = self.tiles();
        let tiles = images * down * across;
        let size = self.inputs * self.outputs;
        let parts = (tiles / STEP).min(MOST / (POINTS * size)).clamp(1, 16);
        let each = tiles.div_ceil(parts).max(1);
        let mut sums = vec![0.0f32; parts * POINTS * size];
        let mut biases = vec![0.0f32; parts * self.outputs];
        let one = |(part, (sums, biases)): (usize, (&mut [f32], &mut [f32]))| {
            let (start, end) = ((part * each).min(tiles), ((part + 1) * each).min(tiles));
            for first in (start..end).step_by(STEP) {
                let count = STEP.min(end - first);
                ROOM.with_borrow_mut(|(inputs, grads)| {
                    // SAFETY: the caller checked the lengths.
                    unsafe {
                        self.transform_inputs(first, count, x, inputs);
                        self.transform_grads(first, count, dy, grads);
                        self.add_products(count, inputs, grads, sums);
                    }
                    // The second point of both axes sums the tile's gradients.
                    let whole = &grads[(IN + 1) * (STEP * self.outputs + GAP)..];
                    for grad in whole.chunks_exact(self.outputs).take(count) {
                        biases.iter_mut().zip(grad).for_each(|(sum, grad)| *sum += grad);
                    }
                });
            }
        };
        let numbers = sums.par_chunks_exact_mut(POINTS * size);
        let pairs = numbers.zip(biases.par_chunks_exact_mut(self.outputs)).enumerate();
        if parts > 1 && tiles * POINTS * size >= WORTH_THREADS {
            pairs.for_each(one);
        } else {
            sums.chunks_exact_mut(POINTS * size)
                .zip(biases.chunks_exact_mut(self.outputs))
                .enumerate()
                .for_each(one);
        }
        let (total, rest) = sums.split_at_mut(POINTS * size);
        for part in rest.chunks_exact(POINTS * size) {
            total.iter_mut().zip(part).for_each(|(sum, part)| *sum += part);
        }
        for from in (0..size).step_by(LANES) {
            // SAFETY: whole vectors of channels, all within `total` and `dw`.
            unsafe {
                let u = total.as_ptr().add(from);
                let columns: [[Lanes; 3]; IN] = std::array::from_fn(|x| {
                    transform_sums(std::array::from_fn(|y| Lanes::load(u.add((y * IN + x) * size))))
                });
                for y in 0..3 {
                    let row = transform_sums(std::array::from_fn(|x| columns[x][y]));
                    for (x, lanes) in row.into_iter().enumerate() {
                        lanes.store(dw[(3 * y + x) * size + from..][..LANES].as_mut_ptr());
                    }
                }
            }
        }
        if let Some(db) = db {
            super::add_parts(db, &biases);
        }
    }

    /// A dy A^T of `count` tiles, at most [`STEP`]: points x tiles x channels.
    unsafe fn transform_grads(&self, first: usize, count: usize, dy: Pixels<'_>, to: &mut Vec<f32>) {
        let point = STEP * self.outputs + GAP;
        if to.len() < POINTS * point {
            to.resize(POINTS * point, 0.0);
        }
        for t in 0..count {
            let (image, top, left) = self.tile(first + t);
            let (rows, columns) = (OUT.min(self.grid[0] - top), OUT.min(self.grid[1] - left));
            for channel in (0..self.outputs).step_by(LANES) {
                let mut half = [[Lanes::splat(0.0); OUT]; IN];
                for j in 0..columns {
                    let mut column = [Lanes::splat(0.0); OUT];
                    for (i, lanes) in column.iter_mut().enumerate().take(rows) {
                        let pixel = (image * self.grid[0] + top + i) * self.grid[1] + left + j;
                        // SAFETY: the caller's promise; the pixel lies in its image.
                        *lanes = unsafe { Lanes::load(dy.numbers.as_ptr().add(pixel * dy.pitch + channel)) };
                    }
                    for (i, lanes) in transform_grads(column).into_iter().enumerate() {
                        half[i][j] = lanes;
                    }
                }
                for (i, row) in half.into_iter().enumerate() {
                    for (j, lanes) in transform_grads(row).into_iter().enumerate() {
                        let place = (i * IN + j) * point + t * self.outputs + channel;
                        // SAFETY: within the length made above.
                        unsafe { lanes.store(to.as_mut_ptr().add(place)) };
                    }
                }
            }
        }
    }

    /// Adds the products of transformed inputs and gradients, summed over tiles, to points x inputs x outputs.
    unsafe fn add_products(&self, count: usize, inputs: &[f32], grads: &[f32], sums: &mut [f32]) {
        let rows = count.next_multiple_of(STEP);
        let wide = if self.outputs > LANES { 2 } else { 1 };
        for point in 0..POINTS {
            let from = point * (rows * self.inputs + GAP);
            let pointers: [*const f32; STEP] =
                std::array::from_fn(|t| inputs[from + t * self.inputs..].as_ptr());
            let grads = &grads[point * (STEP * self.outputs + GAP)..];
            for column in (0..self.outputs).step_by(wide * LANES) {
                let vectors = wide.min((self.outputs - column) / LANES);
                for (k, many) in super::even_parts(self.inputs, pixels_of(vectors)) {
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
        (image, rest / across * OUT, rest % across * OUT)
    }

    /// B^T d B of `count` tiles: points x tiles x channels, tiles rounded up to whole steps.
    unsafe fn transform_inputs(&self, first: usize, count: usize, x: Pixels<'_>, to: &mut Vec<f32>) {
        let rows = count.next_multiple_of(STEP);
        let point = rows * self.inputs + GAP;
        if to.len() < POINTS * point {
            to.resize(POINTS * point, 0.0);
        }
        let at = x.numbers.as_ptr();
        for t in 0..count {
            let (image, top, left) = self.tile(first + t);
            // The pixels of the tile, or none where it hangs over the image.
            let pixel: [[Option<usize>; IN]; IN] = std::array::from_fn(|i| {
                std::array::from_fn(|j| {
                    let (y, x) = (
                        (top + i).wrapping_sub(self.padding[0]),
                        (left + j).wrapping_sub(self.padding[1]),
                    );
                    (y < self.source[0] && x < self.source[1])
                        .then(|| (image * self.source[0] + y) * self.source[1] + x)
                })
            });
            for channel in (0..self.inputs).step_by(LANES) {
                let mut d = [[Lanes::splat(0.0); IN]; IN];
                for (row, pixels) in d.iter_mut().zip(&pixel) {
                    for (lanes, pixel) in row.iter_mut().zip(pixels) {
                        if let Some(pixel) = pixel {
                            // SAFETY: the caller's promise; the pixel lies in its image.
                            *lanes = unsafe { Lanes::load(at.add(pixel * x.pitch + channel)) };
                        }
                    }
                }
                for j in 0..IN {
                    let column = transform_inputs(std::array::from_fn(|i| d[i][j]));
                    for (i, lanes) in column.into_iter().enumerate() {
                        d[i][j] = lanes;
                    }
                }
                for (i, row) in d.into_iter().enumerate() {
                    for (j, lanes) in transform_inputs(row).into_iter().enumerate() {
                        let place = (i * IN + j) * point + t * self.inputs + channel;
                        // SAFETY: within the length made above.
                        unsafe { lanes.store(to.as_mut_ptr().add(place)) };
                    }
                }
            }
        }
    }

    /// The products at each point, then A^T m A, panel after panel.
    #[allow(clippy::too_many_arguments)]
    unsafe fn multiply(
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
            .take(POINTS)
            .flat_map(|point| point.chunks_exact(self.inputs).take(rows))
            .map(<[f32]>::as_ptr)
            .collect();
        for panel in weights.panels() {
            let wide = panel.wide * LANES;
            let apart = rows * wide + GAP;
            if products.len() < POINTS * apart {
                products.resize(POINTS * apart, 0.0);
            }
            let places: Vec<usize> = (0..rows).map(|t| t * wide).collect();
            let tile = pixels_of(panel.wide);
            for point in 0..POINTS {
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
                    // SAFETY: what was written above, and the caller's promise for the result.
                    unsafe {
                        let bias = weights
                            .bias(panel)
                            .map_or(Lanes::splat(0.0), |bias| Lanes::load(bias.add(v)));
                        let m = products.as_ptr().add(t * wide + v);
                        let mut half = [[Lanes::splat(0.0); IN]; OUT];
                        for j in 0..IN {
                            let column = std::array::from_fn(|i| Lanes::load(m.add((i * IN + j) * apart)));
                            for (i, lanes) in transform_outputs(column).into_iter().enumerate() {
                                half[i][j] = lanes;
                            }
                        }
                        for (i, row) in half.into_iter().enumerate().take(self.grid[0] - top) {
                            let pixels = (image * self.grid[0] + top + i) * self.grid[1] + left;
                            for (j, lanes) in transform_outputs(row)
                                .into_iter()
                                .enumerate()
                                .take(self.grid[1] - left)
                            {
                                let place = (pixels + j) * pitch + panel.column + v;
                                let lanes = lanes.plus(bias);
                                let lanes = match finish {
                                    Finish::Nothing => lanes,
                                    Finish::Relu => lanes.relu(),
                                    Finish::Gate(gate) => lanes.where_positive(Lanes::load(gate.add(place))),
                                };
                                lanes.store(result.add(place));
                            }
                        }
                    }
                }
            }
        }
    }
}

/// G g.
#[inline(always)]
fn transform_weights(g: [Lanes; 3]) -> [Lanes; IN] {
    let times = |factor: f32, lanes: Lanes, more: Lanes| more.add_product(Lanes::splat(factor), lanes);
    let zero = Lanes::splat(0.0);
    let outer = times(-1.0 / 6.0, g[0].plus(g[2]), zero);
    let far = times(1.0 / 24.0, g[0], times(1.0 / 6.0, g[2], zero));
    [
        times(0.25, g[0], zero),
        times(-1.0 / 6.0, g[1], outer),
        times(1.0 / 6.0, g[1], outer),
        times(1.0 / 12.0, g[1], far),
        times(-1.0 / 12.0, g[1], far),
        g[2],
    ]
}

/// B^T d.
#[inline(always)]
fn transform_inputs(d: [Lanes; IN]) -> [Lanes; IN] {
    let times = |factor: f32, lanes: Lanes, more: Lanes| more.add_product(Lanes::splat(factor), lanes);
    let (a, b) = (times(-4.0, d[2], d[4]), times(-4.0, d[1], d[3]));
    let (c, e) = (times(-1.0, d[2], d[4]), times(-1.0, d[1], d[3]));
    [
        times(4.0, d[0], times(-5.0, d[2], d[4])),
        a.plus(b),
        times(-1.0, b, a),
        times(2.0, e, c),
        times(-2.0, e, c),
        times(4.0, d[1], times(-5.0, d[3], d[5])),
    ]
}

/// A^T m.
#[inline(always)]
fn transform_outputs(m: [Lanes; IN]) -> [Lanes; OUT] {
    let times = |factor: f32, lanes: Lanes, more: Lanes| more.add_product(Lanes::splat(factor), lanes);
    let (near, far) = (m[1].plus(m[2]), m[3].plus(m[4]));
    let (left, right) = (times(-1.0, m[2], m[1]), times(-1.0, m[4], m[3]));
    [
        m[0].plus(near).plus(far),
        times(2.0, right, left),
        times(4.0, far, near),
        times(8.0, right, left).plus(m[5]),
    ]
}

/// A dy.
#[inline(always)]
fn transform_grads(d: [Lanes; OUT]) -> [Lanes; IN] {
    let times = |factor: f32, lanes: Lanes, more: Lanes| more.add_product(Lanes::splat(factor), lanes);
    let (even, odd) = (d[0].plus(d[2]), d[1].plus(d[3]));
    let zero = Lanes::splat(0.0);
    let (far, twice) = (times(4.0, d[2], d[0]), times(8.0, d[3], times(2.0, d[1], zero)));
    [
        d[0],
        even.plus(odd),
        times(-1.0, odd, even),
        far.plus(twice),
        times(-1.0, twice, far),
        d[3],
    ]
}

/// G^T u.
#[inline(always)]
fn transform_sums(u: [Lanes; IN]) -> [Lanes; 3] {
    let times = |factor: f32, lanes: Lanes, more: Lanes| more.add_product(Lanes::splat(factor), lanes);
    let zero = Lanes::splat(0.0);
    let near = times(-1.0 / 6.0, u[1].plus(u[2]), zero);
    let far = u[3].plus(u[4]);
    let middle = times(-1.0 / 6.0, u[1], times(1.0 / 6.0, u[2], zero));
    [
        times(0.25, u[0], times(1.0 / 24.0, far, near)),
        times(1.0 / 12.0, u[3], times(-1.0 / 12.0, u[4], middle)),
        times(1.0 / 6.0, far, near).plus(u[5]),
    ]
}
