//! Batch normalization (Ioffe and Szegedy 2015), forward and backward, over rows x width.

use std::ops::Range;

use super::{Op, Site};
use crate::net::Network;
use crate::net::cpu::block::{Gradient, Reading};
use crate::net::executor::{How, Norm};

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
        let moves = match how.norm {
            // A single row has no variance.
            Norm::Batch { moves } if x.len() > self.channels && !frozen => moves,
            _ => return self.evaluate(read, network, y),
        };
        let running = self.running.clone();
        if moves {
            let running = network.buffers_mut()[running].split_at_mut(self.channels);
            self.saved.measure(x, self.constants, running);
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
    /// Column sums of the backward pass.
    sums: Vec<f32>,
    /// Whether the statistics were the batch's, through which the gradient then flows.
    from_batch: bool,
}

impl Saved {
    fn new(max_rows: usize, width: usize) -> Self {
        Self {
            normal: vec![0.0; max_rows * width],
            inverse: vec![0.0; width],
            mean: vec![0.0; width],
            sums: vec![0.0; 2 * width],
            from_batch: false,
        }
    }

    /// Takes the batch's statistics: the mean, and the root of the biased variance; moves the running
    /// ones, the variance unbiased. Needs two rows or more.
    fn measure(&mut self, x: &[f32], constants: Constants, running: (&mut [f32], &mut [f32])) {
        let width = self.mean.len();
        let rows = x.len() / width;
        let share = 1.0 / rows as f32;
        self.mean.fill(0.0);
        for row in x.chunks_exact(width) {
            self.mean.iter_mut().zip(row).for_each(|(mean, &x)| *mean += x);
        }
        self.mean.iter_mut().for_each(|mean| *mean *= share);
        self.inverse.fill(0.0);
        for row in x.chunks_exact(width) {
            for ((sum, &mean), &x) in self.inverse.iter_mut().zip(&self.mean).zip(row) {
                *sum += (x - mean) * (x - mean);
            }
        }
        let keep = 1.0 - constants.momentum;
        let unbiased = 1.0 / (rows - 1) as f32;
        for ((sum, mean), (running_mean, running_var)) in self
            .inverse
            .iter_mut()
            .zip(&self.mean)
            .zip(running.0.iter_mut().zip(running.1))
        {
            *running_mean = keep * *running_mean + constants.momentum * mean;
            *running_var = keep * *running_var + constants.momentum * (*sum * unbiased);
            *sum = 1.0 / (*sum * share + constants.epsilon).sqrt();
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
        for ((x, y), normal) in rows {
            for j in 0..width {
                let z = (x[j] - self.mean[j]) * self.inverse[j];
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
        let (sum, product) = self.sums.split_at_mut(width);
        sum.fill(0.0);
        product.fill(0.0);
        for (grad, normal) in grad.chunks_exact(width).zip(self.normal.chunks_exact(width)) {
            for j in 0..width {
                sum[j] += grad[j];
                product[j] += grad[j] * normal[j];
            }
        }
        if let Some((by_scale, by_shift)) = learned {
            by_scale.copy_from_slice(product);
            by_shift.copy_from_slice(sum);
        }
        // Mean and deviation of the batch depend on every row; running statistics on none.
        let share = if self.from_batch { 1.0 / rows as f32 } else { 0.0 };
        sum.iter_mut().for_each(|sum| *sum *= share);
        product.iter_mut().for_each(|product| *product *= share);
        for (grad, normal) in grad.chunks_exact_mut(width).zip(self.normal.chunks_exact(width)) {
            for j in 0..width {
                grad[j] = scale[j] * self.inverse[j] * (grad[j] - sum[j] - normal[j] * product[j]);
            }
        }
    }
}
