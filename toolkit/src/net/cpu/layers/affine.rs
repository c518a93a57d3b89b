//! Constant factors and summands, one of each a channel: also what batch norm is in evaluation.

use super::{Op, Still};
use crate::net::Network;
use crate::net::cpu::block::{Gradient, Reading};
use crate::net::cpu::conv::PixelsMut;
use crate::net::cpu::rows;

pub struct Affine {
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Affine {
    pub fn new(scale: &[f32], shift: &[f32]) -> Self {
        Self {
            scale: scale.to_vec(),
            shift: shift.to_vec(),
        }
    }
}

impl Op for Affine {
    fn evaluate(&mut self, read: Reading<'_>, _network: &Network, y: &mut [f32]) {
        rows::affine(read.x(), (&self.scale, &self.shift), y, self.scale.len());
    }

    fn backward(&mut self, _read: Reading<'_>, _network: &Network, mut gradient: Gradient<'_>) {
        for grad in gradient.grad().chunks_exact_mut(self.scale.len()) {
            grad.iter_mut()
                .zip(&self.scale)
                .for_each(|(grad, scale)| *grad *= scale);
        }
    }
}

impl Still for Affine {
    fn run(&self, _rows: usize, reads: &[&[f32]], y: PixelsMut<'_>, _room: &mut Vec<f32>) {
        rows::affine(reads[0], (&self.scale, &self.shift), y.numbers, y.pitch);
    }
}
