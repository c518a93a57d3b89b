//! Pooling: of windows, and of whole images.

use super::conv::size_of;
use super::{Op, Site, Still};
use crate::net::cpu::block::{Gradient, Reading};
use crate::net::cpu::conv::PixelsMut;
use crate::net::cpu::pool::{self, Pool, PoolKind};
use crate::net::{LayerKind, Network, Window};

pub struct Pooled {
    pool: Pool,
    chosen: Vec<u32>,
}

impl Pooled {
    pub fn new(site: &Site<'_>, kind: &LayerKind, rows: usize) -> Self {
        let (window, kind) = match kind {
            LayerKind::AvgPool2d {
                window,
                count_include_pad,
                ..
            } => (
                *window,
                PoolKind::Average {
                    count_include_pad: *count_include_pad,
                },
            ),
            LayerKind::MaxPool2d { window, .. } => (*window, PoolKind::Max),
            LayerKind::GlobalMaxPool => (Window::new(size_of(site.read[0])), PoolKind::Max),
            other => unreachable!("{other} is no pooling by windows"),
        };
        let pool = Pool {
            window,
            source: size_of(site.read[0]),
            grid: size_of(site.shape),
            channels: site.channels(),
            kind,
        };
        Self {
            chosen: vec![0; rows * pool.saved()],
            pool,
        }
    }
}

impl Op for Pooled {
    fn evaluate(&mut self, read: Reading<'_>, _network: &Network, y: &mut [f32]) {
        let y = PixelsMut {
            numbers: y,
            pitch: self.pool.channels,
        };
        let chosen = (self.pool.kind == PoolKind::Max).then_some(&mut self.chosen[..]);
        self.pool.forward(read.rows(), read.x(), y, chosen);
    }

    fn backward(&mut self, read: Reading<'_>, _network: &Network, gradient: Gradient<'_>) {
        let y = gradient.y;
        let grad = &mut gradient.flowing[..y.len()];
        let dx = &mut gradient.spare[..read.x().len()];
        let gate = gradient.gate.then_some(y);
        self.pool.backward(read.rows(), grad, &self.chosen, gate, dx);
        std::mem::swap(gradient.flowing, gradient.spare);
    }

    fn takes_gate(&self) -> bool {
        self.pool.takes_gate()
    }

    fn floats(&self) -> usize {
        self.chosen.len()
    }
}

impl Still for Pooled {
    fn run(&self, rows: usize, reads: &[&[f32]], y: PixelsMut<'_>, _room: &mut Vec<f32>) {
        self.pool.forward(rows, reads[0], y, None);
    }
}

pub struct GlobalMean {
    pixels: usize,
    channels: usize,
}

impl GlobalMean {
    pub fn new(site: &Site<'_>) -> Self {
        Self {
            pixels: site.read[0].width() / site.channels(),
            channels: site.channels(),
        }
    }
}

impl Op for GlobalMean {
    fn evaluate(&mut self, read: Reading<'_>, _network: &Network, y: &mut [f32]) {
        pool::global_mean(self.pixels, self.channels, read.x(), y);
    }

    fn backward(&mut self, read: Reading<'_>, _network: &Network, gradient: Gradient<'_>) {
        let grad = &gradient.flowing[..gradient.y.len()];
        let dx = &mut gradient.spare[..read.x().len()];
        pool::global_mean_backward(self.pixels, self.channels, grad, dx);
        std::mem::swap(gradient.flowing, gradient.spare);
    }
}

impl Still for GlobalMean {
    fn run(&self, _rows: usize, reads: &[&[f32]], y: PixelsMut<'_>, _room: &mut Vec<f32>) {
        let (pixels, channels) = (self.pixels, self.channels);
        let images = reads[0].chunks_exact(pixels * channels);
        for (x, y) in images.zip(y.numbers.chunks_mut(y.pitch)) {
            pool::global_mean(pixels, channels, x, &mut y[..channels]);
        }
    }
}
