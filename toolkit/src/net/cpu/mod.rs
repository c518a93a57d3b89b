//! The CPU executor: a whole network forward and backward, on buffers made once.
//!
//! A dense or convolutional layer and the ReLU behind it are one product; the derivative of a ReLU joins the
//! product that passes the gradient back. Layers on plain numbers run in the thread that calls; convolutions
//! and pooling of more than a few images share the pool. Every sum has a fixed order: the same numbers in give
//! the same bits out, whatever the number of threads.

mod activation;
mod batch_norm;
mod block;
pub(crate) mod conv;
mod dropout;
mod gemm;
pub(crate) mod inference;
mod lanes;
pub(crate) mod math;
mod pool;
mod rows;

use std::ops::Range;

use block::{Block, Gradient, Pass};
use gemm::{PADDING, Workspace};

use super::{LayerKind, Network, Role};
use crate::seed::Rng;
use crate::{Error, Result, memory};

/// How a forward pass treats dropout and batch norm.
pub enum Mode<'a> {
    /// Dropout drops by this generator; batch norm uses the batch's statistics and moves the running ones.
    Train(&'a mut Rng),
    /// No dropout; batch norm uses its running statistics.
    Evaluate,
}

/// Runs a network, or others of the same layers, on batches of up to `max_rows` examples. Which layers are
/// frozen may differ from pass to pass.
///
/// A step of training fills [`Executor::input`], calls [`Executor::run`], computes a loss and its gradient
/// by the outputs, and calls [`Executor::backward`]; then [`Executor::gradients`] are there.
pub struct Executor {
    inputs: usize,
    /// The layers it was made for, to know another network by.
    kinds: Vec<LayerKind>,
    max_rows: usize,
    rows: usize,
    x: Vec<f32>,
    blocks: Vec<Block>,
    gradients: Vec<f32>,
    /// What no block writes gradients of: layers that the last one does not need.
    unread: Vec<Range<usize>>,
    /// For each block, d loss / d output once a block behind has put it there; the last is the input's.
    flowing: Vec<Option<Vec<f32>>>,
    /// Buffers for the next ones.
    spare: Vec<Vec<f32>>,
    /// Numbers in such a buffer.
    widest: usize,
    input_gradient: usize,
    work: Workspace,
}

impl Executor {
    /// Buffers for batches of up to `max_rows` examples.
    pub fn new(network: &Network, max_rows: usize) -> Self {
        let widest = widest(network);
        let blocks = block::compile(network, max_rows);
        let spec = network.spec();
        let sources = spec.sources().unwrap_or_default();
        let needed = spec.needed(&sources, &[spec.layers.len() - 1]);
        let unread = spec
            .layers
            .iter()
            .zip(needed)
            .filter(|(_, needed)| !needed)
            .flat_map(|(layer, _)| network.tensors_of(&layer.name))
            .filter(|tensor| tensor.role != Role::Running)
            .map(|tensor| tensor.range.clone())
            .collect();
        Self {
            inputs: network.inputs(),
            kinds: spec.layers.iter().map(|layer| layer.kind.clone()).collect(),
            max_rows,
            rows: 0,
            x: vec![0.0; max_rows * network.inputs() + PADDING],
            flowing: vec![None; blocks.len() + 1],
            blocks,
            gradients: vec![0.0; network.parameters().len()],
            unread,
            spare: Vec::new(),
            widest: max_rows * widest,
            input_gradient: 0,
            work: Workspace::new(),
        }
    }

    /// Numbers that an executor of `network` holds for each example.
    pub(crate) fn floats_per_row(network: &Network) -> usize {
        // The input, the blocks, and the gradient between two of them with the place of the next; where
        // branches meet, those of several blocks wait.
        let branches = network
            .spec()
            .layers
            .iter()
            .map(|layer| layer.from.len())
            .max()
            .unwrap_or(0);
        network.inputs() + block::floats_per_row(network.spec()) + (2 + branches) * widest(network)
    }

    /// Refuses batches of `rows` examples whose numbers do not fit the memory that is free now. Ask before
    /// [`Executor::new`], which takes what it needs, and keep what is given as long as the executor: until then
    /// the memory is promised to it.
    ///
    /// # Errors
    /// When there is too little memory.
    pub(crate) fn check_rows(network: &Network, rows: usize) -> Result<memory::Reserved> {
        let per_row = Self::floats_per_row(network) as u64;
        let floats = per_row
            .saturating_mul(rows as u64)
            .saturating_add(network.parameters().len() as u64);
        memory::reserve(floats.saturating_mul(4)).map_err(|lack| {
            Error::spec(format!(
                "a batch of {rows} examples does not fit the memory, at {per_row} numbers each on the way \
                 through the network: {lack}"
            ))
            .fix("use smaller batches, fewer units or fewer layers")
        })
    }

    /// The most examples a batch may have.
    pub fn max_rows(&self) -> usize {
        self.max_rows
    }

    /// The place of the next batch, `rows` x inputs: fill it and call [`Executor::run`]. This saves the
    /// copy that [`Executor::forward`] makes.
    ///
    /// # Panics
    /// If `rows` is more than the executor was made for.
    pub fn input(&mut self, rows: usize) -> &mut [f32] {
        assert!(
            rows <= self.max_rows,
            "{rows} rows in an executor made for {}",
            self.max_rows
        );
        self.rows = rows;
        &mut self.x[..rows * self.inputs]
    }

    /// Forward pass over what was put in [`Executor::input`]; the outputs are rows x outputs. In training
    /// mode it moves the network's running statistics, except those of frozen layers.
    ///
    /// # Panics
    /// If `network` has other layers than the one the executor was made for.
    pub fn run(&mut self, network: &mut Network, mode: Mode<'_>) -> &[f32] {
        self.fits(network);
        match mode {
            Mode::Train(rng) => {
                for i in 0..self.blocks.len() {
                    let (block, pass) = self.at(i);
                    block.train(pass, network, rng);
                }
            }
            Mode::Evaluate => self.still(network),
        }
        self.outputs()
    }

    /// Forward pass over a batch `x`, rows x inputs; else as [`Executor::run`].
    ///
    /// # Panics
    /// As [`Executor::input`] and [`Executor::run`], and if `x` is no whole number of rows.
    pub fn forward(&mut self, network: &mut Network, x: &[f32], mode: Mode<'_>) -> &[f32] {
        self.fill(x);
        self.run(network, mode)
    }

    /// Forward pass in evaluation mode over a batch `x`, rows x inputs.
    ///
    /// # Panics
    /// As [`Executor::forward`].
    pub fn evaluate(&mut self, network: &Network, x: &[f32]) -> &[f32] {
        self.fill(x);
        self.run_still(network)
    }

    /// The outputs of the last forward pass, rows x outputs.
    pub fn outputs(&self) -> &[f32] {
        match self.blocks.last() {
            Some(block) => block.output(self.rows),
            None => &self.x[..self.rows * self.inputs],
        }
    }

    /// Backward pass for the last forward pass: from d loss / d outputs, rows x outputs, to
    /// [`Executor::gradients`].
    ///
    /// # Panics
    /// If `grad_outputs` is not as long as the last outputs.
    pub fn backward(&mut self, network: &Network, grad_outputs: &[f32]) {
        self.back(network, grad_outputs, false);
    }

    /// As [`Executor::backward`], and also computes [`Executor::input_gradient`].
    ///
    /// # Panics
    /// As [`Executor::backward`].
    pub fn backward_to_input(&mut self, network: &Network, grad_outputs: &[f32]) {
        self.back(network, grad_outputs, true);
    }

    /// d loss / d parameters of the last backward pass, laid out as [`Network::parameters`]; zero for
    /// frozen layers.
    pub fn gradients(&self) -> &[f32] {
        &self.gradients
    }

    /// As [`Executor::gradients`], to add penalties or to clip in place.
    pub fn gradients_mut(&mut self) -> &mut [f32] {
        &mut self.gradients
    }

    /// d loss / d input, rows x inputs, if the last backward pass was [`Executor::backward_to_input`];
    /// else empty.
    pub fn input_gradient(&self) -> &[f32] {
        match self.flowing.last() {
            Some(Some(gradient)) => &gradient[..self.input_gradient],
            _ => &[],
        }
    }

    fn fill(&mut self, x: &[f32]) {
        assert!(
            x.len().is_multiple_of(self.inputs),
            "{} numbers in rows of {}",
            x.len(),
            self.inputs
        );
        self.input(x.len() / self.inputs).copy_from_slice(x);
    }

    fn fits(&self, network: &Network) {
        assert!(
            network.inputs() == self.inputs
                && network
                    .spec()
                    .layers
                    .iter()
                    .map(|layer| &layer.kind)
                    .eq(&self.kinds),
            "an executor made for another network"
        );
    }

    /// Forward pass in evaluation mode over what was put in [`Executor::input`].
    ///
    /// # Panics
    /// As [`Executor::run`].
    pub fn run_still(&mut self, network: &Network) -> &[f32] {
        self.fits(network);
        self.still(network);
        self.outputs()
    }

    /// A forward pass that moves nothing.
    fn still(&mut self, network: &Network) {
        for i in 0..self.blocks.len() {
            let (block, pass) = self.at(i);
            block.evaluate(pass, network);
        }
    }

    /// Block `i` and what goes into it.
    fn at(&mut self, i: usize) -> (&mut Block, Pass<'_>) {
        let (before, rest) = self.blocks.split_at_mut(i);
        let pass = Pass {
            rows: self.rows,
            input: &self.x,
            before,
            work: &mut self.work,
        };
        (&mut rest[0], pass)
    }

    fn back(&mut self, network: &Network, grad_outputs: &[f32], to_input: bool) {
        self.fits(network);
        assert!(
            grad_outputs.len() == self.outputs().len(),
            "a gradient of {} numbers for {} outputs",
            grad_outputs.len(),
            self.outputs().len()
        );
        for tensor in network
            .tensors()
            .iter()
            .filter(|t| t.frozen && t.role != Role::Running)
        {
            self.gradients[tensor.range.clone()].fill(0.0);
        }
        for range in &self.unread {
            self.gradients[range.clone()].fill(0.0);
        }
        for place in &mut self.flowing {
            self.spare.extend(place.take());
        }
        self.input_gradient = if to_input { self.rows * self.inputs } else { 0 };
        let Some(last) = self.blocks.len().checked_sub(1) else {
            let mut same = self.buffer();
            same[..grad_outputs.len()].copy_from_slice(grad_outputs);
            self.flowing[0] = Some(same);
            return;
        };
        let mut gradient = self.buffer();
        gradient[..grad_outputs.len()].copy_from_slice(grad_outputs);
        self.flowing[last] = Some(gradient);
        // The gradient need not flow into blocks before which nothing learns.
        let mut wanted: Vec<bool> = Vec::with_capacity(self.blocks.len());
        for block in &self.blocks {
            let before = block
                .sources
                .iter()
                .any(|source| source.map_or(to_input, |at| wanted[at]));
            wanted.push(before || block.learns(network));
        }
        let mut gated = vec![false; self.blocks.len()];
        for i in (0..self.blocks.len()).rev() {
            let Some(mut flowing) = self.flowing[i].take() else {
                continue;
            };
            if !wanted[i] {
                self.spare.push(flowing);
                continue;
            }
            if let [_, _, ..] = self.blocks[i].sources[..] {
                self.pass_on_in_parts(i, &flowing, &wanted, to_input);
                self.spare.push(flowing);
                continue;
            }
            let source = self.blocks[i].sources[0];
            let onward = source.map_or(to_input, |at| wanted[at]);
            let mut spare = self.buffer();
            let (before, rest) = self.blocks.split_at_mut(i);
            let block = &mut rest[0];
            // A product going back can take the derivative of the ReLU before it along.
            let gate = source
                .is_some_and(|at| block.takes_gate() && before[at].ends_in_relu() && before[at].readers == 1);
            let gradient = Gradient {
                flowing: &mut flowing,
                spare: &mut spare,
                learned: &mut self.gradients,
                onward,
                gate,
                gated: gated[i],
            };
            let pass = Pass {
                rows: self.rows,
                input: &self.x,
                before,
                work: &mut self.work,
            };
            block.backward(pass, network, gradient);
            self.spare.push(spare);
            if onward {
                let numbers = self.rows * self.blocks[i].inputs;
                self.pass_on(source, flowing, numbers);
                if let Some(at) = source {
                    gated[at] = gate;
                }
            } else {
                self.spare.push(flowing);
            }
        }
    }

    /// Hands each source of block `i` its part of the gradient.
    fn pass_on_in_parts(&mut self, i: usize, grad: &[f32], wanted: &[bool], to_input: bool) {
        for place in 0..self.blocks[i].sources.len() {
            let source = self.blocks[i].sources[place];
            if source.map_or(to_input, |at| wanted[at]) {
                let mut part = self.buffer();
                let numbers = self.rows * source.map_or(self.inputs, |at| self.blocks[at].outputs());
                let outputs = self.rows * self.blocks[i].outputs();
                self.blocks[i].part(place, &grad[..outputs], &mut part[..numbers]);
                self.pass_on(source, part, numbers);
            }
        }
    }

    /// Puts a gradient of so many numbers where its block finds it, or adds it to what others put there.
    fn pass_on(&mut self, source: Option<usize>, gradient: Vec<f32>, numbers: usize) {
        let place = source.unwrap_or(self.blocks.len());
        match &mut self.flowing[place] {
            None => self.flowing[place] = Some(gradient),
            Some(sum) => {
                let pairs = sum[..numbers].iter_mut().zip(&gradient);
                pairs.for_each(|(sum, more)| *sum += more);
                self.spare.push(gradient);
            }
        }
    }

    /// A buffer for a gradient, with rubbish in it.
    fn buffer(&mut self) -> Vec<f32> {
        self.spare.pop().unwrap_or_else(|| vec![0.0; self.widest])
    }
}

/// The most numbers for one example between two layers.
fn widest(network: &Network) -> usize {
    let widths = network.spec().widths();
    widths.into_iter().fold(network.inputs(), usize::max)
}
