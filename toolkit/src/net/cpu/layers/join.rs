//! What reads several layers: concat and add.

use super::{Op, Site, Still};
use crate::net::Network;
use crate::net::cpu::block::{Gradient, Reading};
use crate::net::cpu::conv::PixelsMut;
use crate::net::cpu::rows;
use crate::net::graph::channels_of;

pub struct Concat {
    /// The channels of each source.
    widths: Vec<usize>,
    channels: usize,
}

impl Concat {
    pub fn new(site: &Site<'_>) -> Self {
        Self {
            widths: site.read.iter().map(|&shape| channels_of(shape)).collect(),
            channels: site.channels(),
        }
    }
}

impl Op for Concat {
    fn evaluate(&mut self, read: Reading<'_>, _network: &Network, y: &mut [f32]) {
        let mut first = 0;
        for (place, &width) in self.widths.iter().enumerate() {
            let from = &read.source(place)[..y.len() / self.channels * width];
            rows::put(from, width, y, first, self.channels);
            first += width;
        }
    }

    fn backward(&mut self, _read: Reading<'_>, _network: &Network, _gradient: Gradient<'_>) {
        unreachable!("what reads several layers passes its gradient on in parts")
    }

    fn part(&self, place: usize, grad: &[f32], part: &mut [f32]) {
        let (first, width) = (self.widths[..place].iter().sum::<usize>(), self.widths[place]);
        rows::take(grad, first, self.channels, part, width);
    }
}

impl Still for Concat {
    fn run(&self, _rows: usize, reads: &[&[f32]], y: PixelsMut<'_>, _room: &mut Vec<f32>) {
        let mut first = 0;
        for (x, &width) in reads.iter().zip(&self.widths) {
            if !x.is_empty() {
                rows::put(x, width, y.numbers, first, y.pitch);
            }
            first += width;
        }
    }

    fn parts(&self) -> Option<&[usize]> {
        Some(&self.widths)
    }
}

pub struct Add {
    sources: usize,
    channels: usize,
    /// Whether the ReLU behind it is part of it: in evaluation only.
    relu: bool,
}

impl Add {
    pub fn new(site: &Site<'_>) -> Self {
        Self {
            sources: site.read.len(),
            channels: site.channels(),
            relu: false,
        }
    }
}

impl Op for Add {
    fn evaluate(&mut self, read: Reading<'_>, _network: &Network, y: &mut [f32]) {
        y.copy_from_slice(read.x());
        for place in 1..self.sources {
            y.iter_mut().zip(read.source(place)).for_each(|(y, x)| *y += x);
        }
    }

    fn backward(&mut self, _read: Reading<'_>, _network: &Network, _gradient: Gradient<'_>) {
        unreachable!("what reads several layers passes its gradient on in parts")
    }
}

impl Still for Add {
    fn run(&self, _rows: usize, reads: &[&[f32]], y: PixelsMut<'_>, _room: &mut Vec<f32>) {
        let channels = self.channels;
        let pixels = reads[0].chunks_exact(channels).zip(y.numbers.chunks_mut(y.pitch));
        for (i, (x, y)) in pixels.enumerate() {
            let y = &mut y[..channels];
            y.copy_from_slice(x);
            for other in &reads[1..] {
                let other = &other[i * channels..][..channels];
                y.iter_mut().zip(other).for_each(|(y, x)| *y += x);
            }
            if self.relu {
                // Written so that NaN stays NaN.
                y.iter_mut().for_each(|y| *y = if *y < 0.0 { 0.0 } else { *y });
            }
        }
    }

    fn join_relu(&mut self) -> bool {
        self.relu = true;
        true
    }
}
