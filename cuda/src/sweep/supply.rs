//! [`Supply`]: what a segment brings along, as `net.cuh` has it.

use super::job::{Job, Pace};
use super::plan::Shape;

/// What weights begin at where there are none.
pub(super) const NOWHERE: u32 = u32::MAX;

/// What a segment brings along.
#[derive(Default)]
pub(super) struct Supply {
    pub settings: Vec<u32>,
    pub order: Vec<u32>,
    pub batches: Vec<u32>,
    pub keys: Vec<u32>,
    pub paces: Vec<Pace>,
    /// Which jobs it is for.
    pub live: Vec<usize>,
    /// Updates of each, at most.
    pub steps: u32,
}

impl Supply {
    /// Draws a job's batches and keys; gives where they begin.
    pub fn draw(&mut self, job: &Job, steps: std::ops::Range<u32>) -> (u32, u32, u32) {
        let places = (
            self.order.len() as u32,
            self.batches.len() as u32,
            self.keys.len() as u32,
        );
        for step in steps {
            self.batches.push(self.order.len() as u32 - places.0);
            job.batches.rows(step, &mut self.order);
            // A layer without dropout has words that nobody reads.
            let mut drawn = job.batches.keys(step).into_iter();
            for layer in &job.layers {
                let key = layer.dropout.and_then(|_| drawn.next()).unwrap_or_default();
                self.keys.extend(key);
            }
        }
        self.batches.push(self.order.len() as u32 - places.0);
        places
    }
}

/// A job's settings, as `net.cuh` has them, added to those of the others.
pub(super) fn settings(job: &Job, shape: &Shape, begins: [u32; 12], to: &mut Vec<u32>) {
    let max_norm = job.max_norm.unwrap_or(0.0).to_bits();
    to.extend([max_norm as u32, (max_norm >> 32) as u32]);
    let numbers = job.constants.into_iter().chain([job.l1, job.l2]);
    to.extend(numbers.map(f32::to_bits));
    let patience = job.watch.as_ref().map_or(0, |watch| watch.patience);
    to.extend([
        job.loss as u32,
        u32::from(job.watch.is_some()),
        patience,
        job.total,
        job.check_every,
    ]);
    to.extend(begins);
    for (layer, dense) in job.layers.iter().zip(&shape.layers) {
        let (activation, slope) = layer.activation.numbered();
        let p = layer.dropout.unwrap_or(0.0);
        // As toolkit/src/net/cpu/layers/dropout.rs has them.
        let (keep, threshold) = (1.0 / (1.0 - p), (f64::from(p) * 4_294_967_296.0) as u32);
        to.extend([
            activation,
            f32::to_bits(slope),
            u32::from(layer.dropout.is_some()),
            threshold,
            keep.to_bits(),
            u32::from(layer.frozen),
            u32::from(layer.norm_frozen),
            u32::from(dense.bias),
            layer.momentum.to_bits(),
            layer.epsilon.to_bits(),
        ]);
    }
    // A multiple of the alignment of a double.
    if to.len() % 2 == 1 {
        to.push(0);
    }
}
