//! Inference: a network's forward pass with everything done beforehand that can be.
//!
//! Batch norm is folded into the weights before it, a ReLU happens while numbers are in registers, branches
//! write their channels straight into the concat that joins them, weights are packed once, and a buffer is
//! used again as soon as nobody reads it.

mod plan;

use super::conv::{Conv, Packed, PixelsMut};
use super::pool::{self, Pool};
use super::{activation, rows as by_row};
use crate::net::{Activation, Network};
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
    work: Work,
    /// Where it reads; none is the network's input.
    reads: Vec<Option<Place>>,
    writes: Option<Place>,
    /// Of a concat: which of its parts must be copied.
    copies: Vec<bool>,
}

enum Work {
    Conv { conv: Conv, packed: Packed, relu: bool },
    Pool(Pool),
    GlobalAvgPool { pixels: usize },
    Activation(Activation),
    Affine { scale: Vec<f32>, shift: Vec<f32> },
    Concat(Vec<usize>),
    Add { relu: bool },
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
            let Some(writes) = step.writes else { continue };
            let Some(to) = writes.slot else { continue };
            // Nobody reads the slot that is written.
            let mut slot = std::mem::take(&mut self.slots[to]);
            let read = |place: &Option<Place>, inputs: usize| match place {
                Some(Place {
                    slot: Some(slot),
                    width,
                    ..
                }) => &self.slots[*slot][..rows * width],
                _ => &x[..rows * inputs],
            };
            step.run(
                rows,
                self.inputs,
                &read,
                &mut slot[..rows * writes.width],
                writes,
                &mut self.padded,
            );
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

impl Step {
    fn run<'a>(
        &self,
        rows: usize,
        inputs: usize,
        read: &impl Fn(&Option<Place>, usize) -> &'a [f32],
        slot: &mut [f32],
        writes: Place,
        padded: &mut Vec<f32>,
    ) {
        // The parts of a concat may lie in the slot itself.
        let x = match self.work {
            Work::Concat(_) => &[],
            _ => read(&self.reads[0], inputs),
        };
        // What is only a part of the slot's channels goes there by its pitch.
        let y = PixelsMut {
            numbers: &mut slot[writes.first..],
            pitch: writes.pitch,
        };
        match &self.work {
            Work::Conv { conv, packed, relu } => conv.forward(rows, x, packed, *relu, y, padded),
            Work::Pool(pool) => pool.forward(rows, x, y, None),
            Work::GlobalAvgPool { pixels } => {
                let channels = x.len() / rows.max(1) / pixels;
                for (x, y) in x
                    .chunks_exact(pixels * channels)
                    .zip(y.numbers.chunks_mut(y.pitch))
                {
                    pool::global_mean(*pixels, channels, x, &mut y[..channels]);
                }
            }
            Work::Activation(activation) => {
                // A maxout puts out fewer numbers than it reads.
                let pieces = activation.pieces().max(1);
                let channels = self.channels_out(x.len() / pieces, rows, writes);
                let mut saved = vec![0.0; activation::saved(*activation, channels)];
                for (x, y) in x
                    .chunks_exact(channels * pieces)
                    .zip(y.numbers.chunks_mut(y.pitch))
                {
                    activation::forward(*activation, x, &mut y[..channels], &mut saved);
                }
            }
            Work::Affine { scale, shift } => by_row::affine(x, (scale, shift), y.numbers, y.pitch),
            Work::Concat(widths) => {
                let mut first = 0;
                for ((place, &width), &copied) in self.reads.iter().zip(widths).zip(&self.copies) {
                    if copied {
                        by_row::put(read(place, inputs), width, y.numbers, first, y.pitch);
                    }
                    first += width;
                }
            }
            Work::Add { relu } => {
                let channels = self.channels_out(x.len(), rows, writes);
                let others: Vec<&[f32]> = self.reads[1..].iter().map(|place| read(place, inputs)).collect();
                for (i, y) in y.numbers.chunks_mut(y.pitch).take(x.len() / channels).enumerate() {
                    let range = i * channels..(i + 1) * channels;
                    let y = &mut y[..channels];
                    y.copy_from_slice(&x[range.clone()]);
                    for other in &others {
                        y.iter_mut().zip(&other[range.clone()]).for_each(|(y, x)| *y += x);
                    }
                    if *relu {
                        // Written so that NaN stays NaN.
                        y.iter_mut().for_each(|y| *y = if *y < 0.0 { 0.0 } else { *y });
                    }
                }
            }
        }
    }

    /// Channels of an output of so many numbers in all.
    fn channels_out(&self, numbers: usize, rows: usize, writes: Place) -> usize {
        let pixels = rows * writes.width / writes.pitch;
        numbers / pixels.max(1)
    }
}
