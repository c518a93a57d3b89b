//! Embeddings: rows of a table, and the gradient of the rows that were looked up.

use std::ops::Range;

use super::{Op, Site, Still};
use crate::net::Network;
use crate::net::cpu::block::{Gradient, Reading};
use crate::net::cpu::conv::PixelsMut;
use crate::net::layers::is_index;

pub struct Embedding {
    table: Range<usize>,
    vocabulary: usize,
    width: usize,
}

impl Embedding {
    pub fn new(site: &Site<'_>, vocabulary: usize, width: usize) -> Self {
        Self {
            table: site.tensors[0].clone(),
            vocabulary,
            width,
        }
    }
}

impl Op for Embedding {
    fn evaluate(&mut self, read: Reading<'_>, network: &Network, y: &mut [f32]) {
        let table = &network.parameters()[self.table.clone()];
        look_up(table, self.vocabulary, read.x(), y, self.width);
    }

    fn backward(&mut self, read: Reading<'_>, _network: &Network, gradient: Gradient<'_>) {
        let (x, width) = (read.x(), self.width);
        if gradient.learns {
            let table = &mut gradient.learned[self.table.clone()];
            table.fill(0.0);
            let grad = gradient.flowing[..gradient.y.len()].chunks_exact(width);
            for (&x, grad) in x.iter().zip(grad) {
                if is_index(x, self.vocabulary) {
                    let row = &mut table[x as usize * width..][..width];
                    row.iter_mut().zip(grad).for_each(|(sum, grad)| *sum += grad);
                }
            }
        }
        // Which index it is has no slope.
        gradient.spare[..x.len()].fill(0.0);
        std::mem::swap(gradient.flowing, gradient.spare);
    }

    fn learned(&self) -> Option<Range<usize>> {
        Some(self.table.clone())
    }
}

/// The layer for evaluation.
pub struct Ready {
    table: Vec<f32>,
    vocabulary: usize,
}

impl Still for Ready {
    fn run(&self, _rows: usize, reads: &[&[f32]], y: PixelsMut<'_>, _room: &mut Vec<f32>) {
        look_up(&self.table, self.vocabulary, reads[0], y.numbers, y.pitch);
    }
}

/// The layer for evaluation.
pub fn still(site: &Site<'_>, vocabulary: usize) -> Ready {
    Ready {
        table: site.parameters(0).to_vec(),
        vocabulary,
    }
}

/// The table's row for each index; rows of y begin `pitch` apart. What is no index gives NaN: data are checked before,
/// but what is made of them on the way may be anything.
fn look_up(table: &[f32], vocabulary: usize, x: &[f32], y: &mut [f32], pitch: usize) {
    let width = table.len() / vocabulary;
    for (&x, y) in x.iter().zip(y.chunks_mut(pitch)) {
        let y = &mut y[..width];
        match is_index(x, vocabulary) {
            true => y.copy_from_slice(&table[x as usize * width..][..width]),
            false => y.fill(f32::NAN),
        }
    }
}
