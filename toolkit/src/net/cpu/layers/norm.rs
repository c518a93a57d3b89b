//! Layer, group and instance norm, forward and backward. All are one: the numbers of a place (an image, or for layer
//! norm a pixel or an example of plain numbers) in groups of neighbouring channels, each normalized by its own mean and
//! variance. Sums are in f64.

use std::ops::Range;

use super::{Op, Site, Still};
use crate::net::cpu::block::{Gradient, Reading};
use crate::net::cpu::conv::PixelsMut;
use crate::net::{LayerKind, Network};

/// What is normalized together.
#[derive(Clone, Copy)]
struct Groups {
    /// Pixels of a place.
    pixels: usize,
    channels: usize,
    /// Groups of channels.
    count: usize,
    epsilon: f32,
}

/// Scratch for one place: a number a channel each.
#[derive(Default)]
struct Scratch {
    sums: Vec<f64>,
    products: Vec<f64>,
    first: Vec<f32>,
    second: Vec<f32>,
}

impl Groups {
    fn of(site: &Site<'_>, kind: &LayerKind) -> Self {
        let channels = site.channels();
        let pixels = site.shape.width() / channels;
        let (pixels, count, epsilon) = match *kind {
            LayerKind::LayerNorm { epsilon } => (1, 1, epsilon),
            LayerKind::GroupNorm { groups, epsilon } => (pixels, groups, epsilon),
            LayerKind::InstanceNorm { epsilon } => (pixels, channels, epsilon),
            ref other => unreachable!("{other} is no norm by the statistics of an example"),
        };
        Self {
            pixels,
            channels,
            count,
            epsilon,
        }
    }

    /// Numbers of a place.
    fn width(&self) -> usize {
        self.pixels * self.channels
    }

    /// Writes for each channel f(of the sum over its group).
    fn spread(&self, sums: &[f64], to: &mut [f32], f: impl Fn(f64) -> f64) {
        let each = self.channels / self.count;
        for (sums, to) in sums.chunks_exact(each).zip(to.chunks_exact_mut(each)) {
            to.fill(f(total(sums)) as f32);
        }
    }

    /// The mean of each channel's group to `first`, 1 / sd to `second`.
    fn measure(&self, x: &[f32], scratch: &mut Scratch) {
        let numbers = (self.width() / self.count) as f64;
        let Scratch {
            sums, first, second, ..
        } = scratch;
        sums.clear();
        sums.resize(self.channels, 0.0);
        first.resize(self.channels, 0.0);
        second.resize(self.channels, 0.0);
        for x in x.chunks_exact(self.channels) {
            sums.iter_mut().zip(x).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        self.spread(sums, first, |sum| sum / numbers);
        sums.fill(0.0);
        for x in x.chunks_exact(self.channels) {
            for ((sum, &x), &mean) in sums.iter_mut().zip(x).zip(first.iter()) {
                let away = f64::from(x - mean);
                *sum += away * away;
            }
        }
        let epsilon = f64::from(self.epsilon);
        self.spread(sums, second, |sum| 1.0 / (sum / numbers + epsilon).sqrt());
    }
}

/// The sum of numbers in an order that eight lanes can follow.
fn total(numbers: &[f64]) -> f64 {
    let mut lanes = [0.0; 8];
    let chunks = numbers.chunks_exact(8);
    let rest: f64 = chunks.remainder().iter().sum();
    for chunk in chunks {
        lanes.iter_mut().zip(chunk).for_each(|(lane, x)| *lane += x);
    }
    lanes.iter().sum::<f64>() + rest
}

pub struct Normed {
    groups: Groups,
    scale: Range<usize>,
    shift: Range<usize>,
    /// (x - mean) / sd.
    normal: Vec<f32>,
    /// 1 / sd of each group.
    inverse: Vec<f32>,
    scratch: Scratch,
}

impl Normed {
    pub fn new(site: &Site<'_>, kind: &LayerKind, rows: usize) -> Self {
        let groups = Groups::of(site, kind);
        let numbers = rows * site.shape.width();
        Self {
            normal: vec![0.0; numbers],
            inverse: vec![0.0; numbers / groups.width() * groups.count],
            groups,
            scale: site.tensors[0].clone(),
            shift: site.tensors[1].clone(),
            scratch: Scratch::default(),
        }
    }
}

impl Op for Normed {
    fn evaluate(&mut self, read: Reading<'_>, network: &Network, y: &mut [f32]) {
        let groups = self.groups;
        let [scale, shift] = [&self.scale, &self.shift].map(|range| &network.parameters()[range.clone()]);
        let each = groups.channels / groups.count;
        let places = read.x().chunks_exact(groups.width());
        let kept = self.normal.chunks_exact_mut(groups.width());
        let inverses = self.inverse.chunks_exact_mut(groups.count);
        let written = y.chunks_exact_mut(groups.width());
        for (((x, y), normal), inverse) in places.zip(written).zip(kept).zip(inverses) {
            groups.measure(x, &mut self.scratch);
            let (mean, by) = (&self.scratch.first, &self.scratch.second);
            let firsts = by.iter().step_by(each);
            inverse.iter_mut().zip(firsts).for_each(|(to, by)| *to = *by);
            let pixels = x
                .chunks_exact(groups.channels)
                .zip(y.chunks_exact_mut(groups.channels))
                .zip(normal.chunks_exact_mut(groups.channels));
            for ((x, y), normal) in pixels {
                for j in 0..groups.channels {
                    normal[j] = (x[j] - mean[j]) * by[j];
                    y[j] = normal[j] * scale[j] + shift[j];
                }
            }
        }
    }

    fn backward(&mut self, _read: Reading<'_>, network: &Network, gradient: Gradient<'_>) {
        let groups = self.groups;
        let channels = groups.channels;
        let numbers = (groups.width() / groups.count) as f64;
        let scale = &network.parameters()[self.scale.clone()];
        let grad = &mut gradient.flowing[..gradient.y.len()];
        let Scratch {
            sums,
            products,
            first,
            second,
        } = &mut self.scratch;
        first.resize(channels, 0.0);
        second.resize(channels, 0.0);
        let (mut by_scale, mut by_shift) = (vec![0.0f64; channels], vec![0.0f64; channels]);
        let places = grad
            .chunks_exact_mut(groups.width())
            .zip(self.normal.chunks_exact(groups.width()))
            .zip(self.inverse.chunks_exact(groups.count));
        for ((grad, normal), inverse) in places {
            for sum in [&mut *sums, &mut *products] {
                sum.clear();
                sum.resize(channels, 0.0);
            }
            let pixels = grad.chunks_exact(channels).zip(normal.chunks_exact(channels));
            for (grad, normal) in pixels {
                for j in 0..channels {
                    sums[j] += f64::from(grad[j]);
                    products[j] += f64::from(grad[j]) * f64::from(normal[j]);
                }
            }
            for j in 0..channels {
                by_shift[j] += sums[j];
                by_scale[j] += products[j];
                sums[j] *= f64::from(scale[j]);
                products[j] *= f64::from(scale[j]);
            }
            // Mean and deviation depend on every number of the group.
            groups.spread(sums, first, |sum| sum / numbers);
            groups.spread(products, second, |sum| sum / numbers);
            let pixels = grad.chunks_exact_mut(channels).zip(normal.chunks_exact(channels));
            let each = channels / groups.count;
            for (grad, normal) in pixels {
                for (group, &inverse) in inverse.iter().enumerate() {
                    for j in group * each..(group + 1) * each {
                        grad[j] = inverse * (grad[j] * scale[j] - first[j] - normal[j] * second[j]);
                    }
                }
            }
        }
        if gradient.learns {
            let all = [(&self.scale, by_scale), (&self.shift, by_shift)];
            for (range, sums) in all {
                let to = &mut gradient.learned[range.clone()];
                to.iter_mut().zip(sums).for_each(|(to, sum)| *to = sum as f32);
            }
        }
    }

    fn learned(&self) -> Option<Range<usize>> {
        Some(self.scale.start..self.shift.end)
    }

    fn floats(&self) -> usize {
        self.normal.len() + self.inverse.len()
    }
}

/// The layer for evaluation.
pub struct Ready {
    groups: Groups,
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Still for Ready {
    fn run(&self, _rows: usize, reads: &[&[f32]], y: PixelsMut<'_>, _room: &mut Vec<f32>) {
        let groups = self.groups;
        let mut scratch = Scratch::default();
        let pitch = y.pitch;
        let places = reads[0].chunks_exact(groups.width());
        for (x, y) in places.zip(y.numbers.chunks_mut(groups.pixels * pitch)) {
            groups.measure(x, &mut scratch);
            let (mean, by) = (&scratch.first, &scratch.second);
            for (x, y) in x.chunks_exact(groups.channels).zip(y.chunks_mut(pitch)) {
                for j in 0..groups.channels {
                    y[j] = (x[j] - mean[j]) * by[j] * self.scale[j] + self.shift[j];
                }
            }
        }
    }
}

/// The layer for evaluation.
pub fn still(site: &Site<'_>, kind: &LayerKind) -> Ready {
    Ready {
        groups: Groups::of(site, kind),
        scale: site.parameters(0).to_vec(),
        shift: site.parameters(1).to_vec(),
    }
}
