//! The ReLU with learned slopes.

use std::ops::Range;

use super::{Op, Site, Still};
use crate::net::Network;
use crate::net::cpu::block::{Gradient, Reading};
use crate::net::cpu::conv::PixelsMut;

pub struct PRelu {
    /// One slope, or one for each channel.
    slope: Range<usize>,
    channels: usize,
}

impl PRelu {
    pub fn new(site: &Site<'_>) -> Self {
        Self {
            slope: site.tensors[0].clone(),
            channels: site.channels(),
        }
    }

    /// The slope of each channel.
    fn slopes(&self, network: &Network) -> Vec<f32> {
        each_channel(&network.parameters()[self.slope.clone()], self.channels)
    }
}

impl Op for PRelu {
    fn evaluate(&mut self, read: Reading<'_>, network: &Network, y: &mut [f32]) {
        forward(&self.slopes(network), read.x(), y, self.channels);
    }

    fn backward(&mut self, read: Reading<'_>, network: &Network, mut gradient: Gradient<'_>) {
        let slopes = self.slopes(network);
        let mut sums = vec![0.0f64; self.channels];
        let pixels = read.x().chunks_exact(self.channels);
        for (x, grad) in pixels.zip(gradient.grad().chunks_exact_mut(self.channels)) {
            for j in 0..self.channels {
                let below = if x[j] > 0.0 { 0.0 } else { x[j] };
                sums[j] += f64::from(grad[j]) * f64::from(below);
                grad[j] *= if x[j] > 0.0 { 1.0 } else { slopes[j] };
            }
        }
        if gradient.learns {
            match &mut gradient.learned[self.slope.clone()] {
                [one] => *one = sums.iter().sum::<f64>() as f32,
                each => each.iter_mut().zip(sums).for_each(|(to, sum)| *to = sum as f32),
            }
        }
    }

    fn learned(&self) -> Option<Range<usize>> {
        Some(self.slope.clone())
    }
}

/// The layer for evaluation: the slope of each channel.
pub struct Ready(Vec<f32>);

impl Still for Ready {
    fn run(&self, _rows: usize, reads: &[&[f32]], y: PixelsMut<'_>, _room: &mut Vec<f32>) {
        forward(&self.0, reads[0], y.numbers, y.pitch);
    }
}

/// The layer for evaluation.
pub fn still(site: &Site<'_>) -> Ready {
    Ready(each_channel(site.parameters(0), site.channels()))
}

fn each_channel(slopes: &[f32], channels: usize) -> Vec<f32> {
    match slopes {
        [one] => vec![*one; channels],
        each => each.to_vec(),
    }
}

/// Rows of y begin `pitch` apart.
fn forward(slopes: &[f32], x: &[f32], y: &mut [f32], pitch: usize) {
    for (x, y) in x.chunks_exact(slopes.len()).zip(y.chunks_mut(pitch)) {
        for ((y, &x), slope) in y.iter_mut().zip(x).zip(slopes) {
            *y = if x > 0.0 { x } else { slope * x };
        }
    }
}
