//! Batch normalization (Ioffe and Szegedy 2015), forward and backward, over rows x width.

use std::ops::Range;

use super::{Op, Site};
use crate::net::Network;
use crate::net::cpu::block::{Gradient, Reading};
use crate::net::executor::{How, Norm};

/// Numbers added one after another in f32 before their sum joins the others in f64. An image layer has hundreds of
/// thousands of numbers a column: in f32 alone equal ones, such as a background, round alike every time, and the
/// variance comes out wrong by up to 2.5e-3.
const RUN: usize = 32;
/// Numbers that a loop over short rows takes at least, several rows as one.
const LONG: usize = 64;

pub struct BatchNorm {
    scale: Range<usize>,
    shift: Range<usize>,
    /// The running means, then the running variances.
    running: Range<usize>,
    channels: usize,
    constants: Constants,
    saved: Saved,
}

impl BatchNorm {
    pub fn new(site: &Site<'_>, momentum: f32, epsilon: f32, rows: usize) -> Self {
        let channels = site.channels();
        Self {
            scale: site.tensors[0].clone(),
            shift: site.tensors[1].clone(),
            running: site.tensors[2].start..site.tensors[3].end,
            channels,
            constants: Constants { momentum, epsilon },
            saved: Saved::new(rows * site.shape.width() / channels, channels),
        }
    }

    fn normalize(&mut self, x: &[f32], network: &Network, y: &mut [f32]) {
        let parameters = network.parameters();
        let (scale, shift) = (self.scale.clone(), self.shift.clone());
        self.saved.normalize(x, &parameters[scale], &parameters[shift], y);
    }
}

impl Op for BatchNorm {
    fn evaluate(&mut self, read: Reading<'_>, network: &Network, y: &mut [f32]) {
        let running = network.buffers()[self.running.clone()].split_at(self.channels);
        self.saved.recall(self.constants, running);
        self.normalize(read.x(), network, y);
    }

    fn train(
        &mut self,
        read: Reading<'_>,
        network: &mut Network,
        how: &mut How<'_>,
        frozen: bool,
        y: &mut [f32],
    ) {
        let x = read.x();
        let mut constants = self.constants;
        let moves = match how.norm {
            // A single row has no variance.
            _ if x.len() <= self.channels || frozen => return self.evaluate(read, network, y),
            Norm::Batch { moves } => moves,
            Norm::Mean { seen } => {
                constants.momentum = 1.0 / (seen + 1) as f32;
                true
            }
            Norm::Running => return self.evaluate(read, network, y),
        };
        let running = self.running.clone();
        if moves {
            let running = network.buffers_mut()[running].split_at_mut(self.channels);
            self.saved.measure(x, constants, running);
        } else {
            let mut aside = network.buffers()[running].to_vec();
            self.saved
                .measure(x, self.constants, aside.split_at_mut(self.channels));
        }
        self.normalize(x, network, y);
    }

    fn backward(&mut self, _read: Reading<'_>, network: &Network, gradient: Gradient<'_>) {
        let grad = &mut gradient.flowing[..gradient.y.len()];
        let all = &mut gradient.learned[self.scale.start..self.shift.end];
        let learned = gradient.learns.then(|| all.split_at_mut(self.scale.len()));
        let scale = &network.parameters()[self.scale.clone()];
        self.saved.backward(scale, grad, learned);
    }

    fn learned(&self) -> Option<Range<usize>> {
        Some(self.scale.start..self.shift.end)
    }

    fn floats(&self) -> usize {
        self.saved.normal.len()
    }
}

/// What batch norm multiplies each channel by and adds to it in evaluation.
pub fn factors(site: &Site<'_>, epsilon: f32) -> (Vec<f32>, Vec<f32>) {
    let buffers = site.network.buffers();
    let [mean, variance] = [2, 3].map(|at| &buffers[site.tensors[at].clone()]);
    let factor: Vec<f32> = site
        .parameters(0)
        .iter()
        .zip(variance)
        .map(|(scale, variance)| scale / (variance + epsilon).sqrt())
        .collect();
    let summand = site
        .parameters(1)
        .iter()
        .zip(mean)
        .zip(&factor)
        .map(|((shift, mean), factor)| shift - mean * factor)
        .collect();
    (factor, summand)
}

/// The constants of a layer.
#[derive(Clone, Copy, Debug)]
struct Constants {
    /// Share of the newest batch in the running statistics.
    momentum: f32,
    /// Added to the variance before the root.
    epsilon: f32,
}

/// What the backward pass needs, and scratch, one place per column or per number.
#[derive(Clone, Debug)]
struct Saved {
    /// (x - mean) / sd.
    normal: Vec<f32>,
    /// 1 / sd.
    inverse: Vec<f32>,
    mean: Vec<f32>,
    /// Column sums: of the numbers or their squares forward; of gradients, and of their products with `normal`,
    /// backward.
    sums: [Sums; 2],
    /// The mean, as often as the sums take rows together.
    tile: Vec<f32>,
    /// Whether the statistics were the batch's, through which the gradient then flows.
    from_batch: bool,
}

impl Saved {
    fn new(max_rows: usize, width: usize) -> Self {
        let sums = Sums::new(width);
        Self {
            tile: vec![0.0; sums.part.len()],
            normal: vec![0.0; max_rows * width],
            inverse: vec![0.0; width],
            mean: vec![0.0; width],
            sums: [sums.clone(), sums],
            from_batch: false,
        }
    }

    /// Takes the batch's statistics: the mean, and the root of the biased variance; moves the running
    /// ones, the variance unbiased. Needs two rows or more.
    fn measure(&mut self, x: &[f32], constants: Constants, running: (&mut [f32], &mut [f32])) {
        let width = self.mean.len();
        let rows = x.len() / width;
        let share = 1.0 / rows as f64;
        let (mean, sums) = (&mut self.mean, &mut self.sums[0]);
        sums.clear();
        for block in x.chunks(sums.block()) {
            sums.add(&self.tile, block, |_, x| x);
        }
        for (mean, sum) in mean.iter_mut().zip(&sums.total) {
            *mean = (sum * share) as f32;
        }
        self.tile
            .chunks_exact_mut(width)
            .for_each(|tile| tile.copy_from_slice(mean));
        sums.clear();
        for block in x.chunks(sums.block()) {
            sums.add(&self.tile, block, |mean, x| (x - mean) * (x - mean));
        }
        let keep = 1.0 - constants.momentum;
        let unbiased = 1.0 / (rows - 1) as f64;
        for (((inverse, sum), mean), (running_mean, running_var)) in self
            .inverse
            .iter_mut()
            .zip(&sums.total)
            .zip(&*mean)
            .zip(running.0.iter_mut().zip(running.1))
        {
            *running_mean = keep * *running_mean + constants.momentum * mean;
            *running_var = keep * *running_var + constants.momentum * (sum * unbiased) as f32;
            *inverse = 1.0 / ((sum * share) as f32 + constants.epsilon).sqrt();
        }
        self.from_batch = true;
    }

    /// Takes the running statistics.
    fn recall(&mut self, constants: Constants, running: (&[f32], &[f32])) {
        self.mean.copy_from_slice(running.0);
        for (inverse, &variance) in self.inverse.iter_mut().zip(running.1) {
            *inverse = 1.0 / (variance + constants.epsilon).sqrt();
        }
        self.from_batch = false;
    }

    /// y = (x - mean) / sd * scale + shift, with the statistics last taken.
    fn normalize(&mut self, x: &[f32], scale: &[f32], shift: &[f32], y: &mut [f32]) {
        let width = self.mean.len();
        let rows = x
            .chunks_exact(width)
            .zip(y.chunks_exact_mut(width))
            .zip(self.normal.chunks_exact_mut(width));
        // Slices of one length, which the compiler sees: the loop is made of vectors.
        let (mean, inverse) = (&self.mean[..width], &self.inverse[..width]);
        let (scale, shift) = (&scale[..width], &shift[..width]);
        for ((x, y), normal) in rows {
            for j in 0..width {
                let z = (x[j] - mean[j]) * inverse[j];
                normal[j] = z;
                y[j] = z * scale[j] + shift[j];
            }
        }
    }

    /// Turns d loss / d y in `grad` into d loss / d x; d loss / d scale and d shift go to `learned` unless
    /// the layer is frozen.
    fn backward(&mut self, scale: &[f32], grad: &mut [f32], learned: Option<(&mut [f32], &mut [f32])>) {
        let width = self.mean.len();
        let rows = grad.len() / width;
        let [sum, product] = &mut self.sums;
        sum.clear();
        product.clear();
        let block = sum.block();
        for (grad, normal) in grad.chunks(block).zip(self.normal.chunks(block)) {
            Sums::add_products(sum, product, grad, normal);
        }
        if let Some((by_scale, by_shift)) = learned {
            by_scale.copy_from_slice(product.times(1.0));
            by_shift.copy_from_slice(sum.times(1.0));
        }
        // Mean and deviation of the batch depend on every row; running statistics on none.
        let share = if self.from_batch { 1.0 / rows as f64 } else { 0.0 };
        let (sum, product) = (&sum.times(share)[..width], &product.times(share)[..width]);
        let (scale, inverse) = (&scale[..width], &self.inverse[..width]);
        for (grad, normal) in grad.chunks_exact_mut(width).zip(self.normal.chunks_exact(width)) {
            for j in 0..width {
                grad[j] = scale[j] * inverse[j] * (grad[j] - sum[j] - normal[j] * product[j]);
            }
        }
    }
}

/// Sums of columns, precise for any number of rows.
#[derive(Clone, Debug)]
struct Sums {
    total: Vec<f64>,
    /// The sums of one block, for a few rows side by side where they are short; then scratch.
    part: Vec<f32>,
}

impl Sums {
    fn new(width: usize) -> Self {
        Self {
            total: vec![0.0; width],
            part: vec![0.0; width * LONG.div_ceil(width)],
        }
    }

    /// Numbers that one call of [`Sums::add`] takes.
    fn block(&self) -> usize {
        RUN * self.part.len()
    }

    fn clear(&mut self) {
        self.total.fill(0.0);
    }

    /// Adds `term(tile, x)` of a block of rows; `tile` has a number a column, as often as there are parts.
    #[inline(always)]
    fn add(&mut self, tile: &[f32], x: &[f32], term: impl Fn(f32, f32) -> f32) {
        let part = self.part.as_mut_slice();
        let (long, tile) = (part.len(), &tile[..part.len()]);
        part.fill(0.0);
        let mut whole = x.chunks_exact(long);
        for x in whole.by_ref() {
            // Of one length, which the compiler sees: the loop is made of vectors.
            let x = &x[..long];
            for i in 0..long {
                part[i] += term(tile[i], x[i]);
            }
        }
        for ((part, &tile), &x) in part.iter_mut().zip(tile).zip(whole.remainder()) {
            *part += term(tile, x);
        }
        self.join();
    }

    /// Adds a block of `a` to `sum`, and its products with `b` to `product`, in one pass over both.
    fn add_products(sum: &mut Self, product: &mut Self, a: &[f32], b: &[f32]) {
        let (sums, products) = (sum.part.as_mut_slice(), product.part.as_mut_slice());
        sums.fill(0.0);
        products.fill(0.0);
        for (a, b) in a.chunks(sums.len()).zip(b.chunks(sums.len())) {
            for (((sum, product), &a), &b) in sums.iter_mut().zip(&mut *products).zip(a).zip(b) {
                *sum += a;
                *product += a * b;
            }
        }
        sum.join();
        product.join();
    }

    /// Brings the sums of a block to those before.
    fn join(&mut self) {
        for part in self.part.chunks_exact(self.total.len()) {
            for (total, &part) in self.total.iter_mut().zip(part) {
                *total += f64::from(part);
            }
        }
    }

    /// The sums times `factor`, rounded to f32.
    fn times(&mut self, factor: f64) -> &[f32] {
        for (part, total) in self.part.iter_mut().zip(&self.total) {
            *part = (total * factor) as f32;
        }
        &self.part[..self.total.len()]
    }
}

#[cfg(test)]
mod tests {
    use rand::Rng as _;

    use super::*;
    use crate::seed::stream;

    const CONSTANTS: Constants = Constants {
        momentum: 1.0,
        epsilon: 0.0,
    };

    /// Rows x 3: normal numbers far from zero; nine in ten of one background value; a background of zeros, as behind
    /// ReLU.
    fn columns(rows: usize) -> Vec<f32> {
        let mut rng = stream(3, "batch norm");
        let mut x = Vec::with_capacity(3 * rows);
        for _ in 0..rows {
            // A sum of twelve uniform numbers is nearly normal.
            let normal = (0..12).map(|_| rng.random::<f32>()).sum::<f32>() - 6.0;
            let (dark, bare) = (rng.random_bool(0.9), rng.random_bool(0.7));
            x.push(3.3 + normal);
            x.push(if dark { -0.424_212_9 } else { normal });
            x.push(if bare { 0.0 } else { normal.abs() });
        }
        x
    }

    /// Mean and sum of squared distances from it, in f64 throughout.
    fn reference(x: &[f32], column: usize) -> (f64, f64) {
        let column = || x.iter().skip(column).step_by(3).map(|&x| f64::from(x));
        let mean = column().sum::<f64>() / column().count() as f64;
        (mean, column().map(|x| (x - mean).powi(2)).sum())
    }

    fn relative(found: f32, expected: f64) -> f64 {
        (f64::from(found) / expected - 1.0).abs()
    }

    #[test]
    fn statistics_of_many_numbers_are_those_of_doubles() {
        // Whole blocks, and what is left of one.
        for rows in [710_000, 200_003, 131, 2] {
            let x = columns(rows);
            let mut saved = Saved::new(1, 3);
            let (mut mean, mut variance) = ([0.0; 3], [0.0; 3]);
            saved.measure(&x, CONSTANTS, (&mut mean, &mut variance));
            for column in 0..3 {
                let (expected, squares) = reference(&x, column);
                if squares == 0.0 {
                    continue;
                }
                let deviation = (squares / rows as f64).sqrt();
                let off = (f64::from(mean[column]) - expected).abs() / deviation;
                assert!(
                    off < 1e-6,
                    "mean of column {column} of {rows}: off by {off} deviations"
                );
                let off = relative(variance[column], squares / (rows - 1) as f64);
                assert!(off < 1e-6, "variance of column {column} of {rows}: {off}");
                let off = relative(saved.inverse[column], 1.0 / deviation);
                assert!(off < 1e-6, "1 / deviation of column {column} of {rows}: {off}");
            }
        }
    }

    #[test]
    fn gradients_of_many_numbers_are_those_of_doubles() {
        let rows = 200_003;
        let x = columns(rows);
        let mut saved = Saved::new(rows, 3);
        saved.measure(&x, CONSTANTS, (&mut [0.0; 3], &mut [0.0; 3]));
        saved.normalize(&x, &[1.0; 3], &[0.0; 3], &mut vec![0.0; x.len()]);
        // Two thirds of the gradients are one number, as where most of a picture is background.
        let before: Vec<f32> = (0..x.len())
            .map(|i| if i / 3 % 3 == 0 { (i % 7) as f32 * 0.1 } else { 0.1 })
            .collect();
        let mut grad = before.clone();
        let (mut by_scale, mut by_shift) = ([0.0; 3], [0.0; 3]);
        let scale = [0.5, 1.5, -2.0];
        saved.backward(&scale, &mut grad, Some((&mut by_scale, &mut by_shift)));
        for column in 0..3 {
            let pairs = || {
                (column..x.len())
                    .step_by(3)
                    .map(|i| (f64::from(before[i]), f64::from(saved.normal[i])))
            };
            let sum: f64 = pairs().map(|p| p.0).sum();
            let product: f64 = pairs().map(|p| p.0 * p.1).sum();
            // Products of either sign cancel: what counts is the size of what was added.
            let size: f64 = pairs().map(|p| (p.0 * p.1).abs()).sum();
            assert!(relative(by_shift[column], sum) < 1e-6, "shift {column}");
            assert!(
                (f64::from(by_scale[column]) - product).abs() < 1e-6 * size,
                "scale {column}"
            );
            let factor = f64::from(scale[column]) * f64::from(saved.inverse[column]);
            let n = rows as f64;
            for (i, (g, z)) in (column..x.len()).step_by(3).zip(pairs()).step_by(997) {
                let expected = factor * (g - sum / n - z * product / n);
                let off = (f64::from(grad[i]) - expected).abs();
                assert!(
                    off < 1e-6 * factor.abs() * (g.abs() + z.abs() + 1.0),
                    "gradient {i}: {off}"
                );
            }
        }
    }
}
