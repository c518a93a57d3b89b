//! Inference: a network's forward pass with everything done beforehand that can be.
//!
//! Batch norm is folded into the weights before it, a ReLU happens while numbers are in registers, branches
//! write their channels straight into the concat that joins them, weights are packed once, and a buffer is
//! used again as soon as nobody reads it.

mod plan;

use super::conv::PixelsMut;
use super::layers::Still;
use crate::net::Network;
use plan::{Place, Plan};

/// A network ready to run, for some of its layers.
pub struct Inference {
    plan: Plan,
    inputs: usize,
    /// Numbers that come out of each target for one example.
    widths: Vec<usize>,
    slots: Vec<Vec<f32>>,
    /// Images with the columns of their padding, for layers that want that.
    padded: Vec<f32>,
}

/// Something to compute.
struct Step {
    work: Box<dyn Still>,
    /// Where it reads; none is the network's input.
    reads: Vec<Option<Place>>,
    writes: Place,
    /// Of what joins layers side by side: which of them stand where they shall be.
    in_place: Vec<bool>,
}

impl Inference {
    /// Prepares the outputs of the layers at these places of the spec.
    pub fn new(network: &Network, targets: &[usize]) -> Self {
        let plan = plan::plan(network, targets);
        let widths = network.spec().widths();
        Self {
            slots: vec![Vec::new(); plan.slots.len()],
            plan,
            inputs: network.inputs(),
            widths: targets.iter().map(|&target| widths[target]).collect(),
            padded: Vec::new(),
        }
    }

    /// Numbers held for each example.
    pub fn floats_per_row(&self) -> usize {
        self.plan.slots.iter().sum::<usize>() + self.inputs
    }

    /// Runs a batch, rows x inputs; then [`Inference::output`] has what comes out.
    ///
    /// # Panics
    /// If `x` is no whole number of rows.
    pub fn run(&mut self, x: &[f32]) {
        assert!(x.len().is_multiple_of(self.inputs));
        let rows = x.len() / self.inputs;
        for (slot, width) in self.slots.iter_mut().zip(&self.plan.slots) {
            if slot.len() < rows * width {
                slot.resize(rows * width, 0.0);
            }
        }
        for step in &self.plan.steps {
            let Some(to) = step.writes.slot else { continue };
            // Nobody reads the slot that is written.
            let mut slot = std::mem::take(&mut self.slots[to]);
            let read = |(place, in_place): (&Option<Place>, &bool)| match place {
                _ if *in_place => &[],
                Some(Place {
                    slot: Some(slot),
                    width,
                    ..
                }) => &self.slots[*slot][..rows * width],
                _ => x,
            };
            let reads: Vec<&[f32]> = step.reads.iter().zip(&step.in_place).map(read).collect();
            // What is only a part of the slot's channels goes there by its pitch.
            let y = PixelsMut {
                numbers: &mut slot[step.writes.first..rows * step.writes.width],
                pitch: step.writes.pitch,
            };
            if rows > 0 {
                step.work.run(rows, &reads, y, &mut self.padded);
            }
            self.slots[to] = slot;
        }
    }

    /// Gives back the buffers when they hold more numbers than `most`; the packed weights stay.
    pub fn release(&mut self, most: usize) {
        let held: usize = self.slots.iter().map(Vec::capacity).sum();
        if held + self.padded.capacity() > most {
            self.slots.fill(Vec::new());
            self.padded = Vec::new();
        }
    }

    /// What the target of this number put out for the batch `x` of the last run, rows x width.
    pub fn output<'a>(&'a self, target: usize, x: &'a [f32]) -> &'a [f32] {
        let numbers = x.len() / self.inputs * self.widths[target];
        match self.plan.targets[target].slot {
            Some(slot) => &self.slots[slot][..numbers],
            None => &x[..numbers],
        }
    }
}
