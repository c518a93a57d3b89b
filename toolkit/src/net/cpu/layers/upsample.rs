//! Larger images by repetition.

use super::conv::size_of;
use super::{Op, Site, Still};
use crate::net::Network;
use crate::net::cpu::block::{Gradient, Reading};
use crate::net::cpu::conv::PixelsMut;

pub struct Upsample {
    factor: [usize; 2],
    /// Columns and channels of the image that goes in.
    columns: usize,
    channels: usize,
}

impl Upsample {
    pub fn new(site: &Site<'_>, factor: [usize; 2]) -> Self {
        Self {
            factor,
            columns: size_of(site.read[0])[1],
            channels: site.channels(),
        }
    }

    /// For each pixel that goes in, those that come out of it.
    fn pairs(&self, pixels: usize) -> impl Iterator<Item = (usize, usize)> {
        let ([down, across], columns) = (self.factor, self.columns);
        (0..pixels).flat_map(move |pixel| {
            let (row, column) = (pixel / columns, pixel % columns);
            (0..down * across).map(move |part| {
                let (y, x) = (row * down + part / across, column * across + part % across);
                (pixel, y * columns * across + x)
            })
        })
    }

    fn forward(&self, x: &[f32], y: &mut [f32], pitch: usize) {
        let c = self.channels;
        for (from, to) in self.pairs(x.len() / c) {
            y[to * pitch..][..c].copy_from_slice(&x[from * c..][..c]);
        }
    }
}

impl Op for Upsample {
    fn evaluate(&mut self, read: Reading<'_>, _network: &Network, y: &mut [f32]) {
        self.forward(read.x(), y, self.channels);
    }

    fn backward(&mut self, read: Reading<'_>, _network: &Network, gradient: Gradient<'_>) {
        let (c, grad) = (self.channels, &gradient.flowing[..gradient.y.len()]);
        let dx = &mut gradient.spare[..read.x().len()];
        dx.fill(0.0);
        for (to, from) in self.pairs(dx.len() / c) {
            let dx = &mut dx[to * c..][..c];
            dx.iter_mut()
                .zip(&grad[from * c..][..c])
                .for_each(|(sum, grad)| *sum += grad);
        }
        std::mem::swap(gradient.flowing, gradient.spare);
    }
}

impl Still for Upsample {
    fn run(&self, _rows: usize, reads: &[&[f32]], y: PixelsMut<'_>, _room: &mut Vec<f32>) {
        self.forward(reads[0], y.numbers, y.pitch);
    }
}
