//! The CPU executor: a whole network forward and backward, in one thread, on buffers made once.
//!
//! A dense layer and the ReLU behind it are one product; the derivative of a ReLU joins the product that
//! passes the gradient back. Nothing is allocated per step and every sum has a fixed order: the same
//! numbers in give the same bits out, in any thread.

mod activation;
mod batch_norm;
mod block;
mod dropout;
mod gemm;
mod lanes;
pub(crate) mod math;

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
    /// d loss / d what lies between the layers; `spare` takes the next one.
    flowing: Vec<f32>,
    spare: Vec<f32>,
    input_gradient: Option<usize>,
    work: Workspace,
}

impl Executor {
    /// Buffers for batches of up to `max_rows` examples.
    pub fn new(network: &Network, max_rows: usize) -> Self {
        let widths = network.spec().widths();
        let widest = widths.iter().copied().fold(network.inputs(), usize::max);
        let blocks = block::compile(network, max_rows);
        Self {
            inputs: network.inputs(),
            kinds: network
                .spec()
                .layers
                .iter()
                .map(|layer| layer.kind.clone())
                .collect(),
            max_rows,
            rows: 0,
            x: vec![0.0; max_rows * network.inputs() + PADDING],
            blocks,
            gradients: vec![0.0; network.parameters().len()],
            flowing: vec![0.0; max_rows * widest],
            spare: vec![0.0; max_rows * widest],
            input_gradient: None,
            work: Workspace::new(),
        }
    }

    /// Numbers that an executor of `network` holds for each example.
    pub(crate) fn floats_per_row(network: &Network) -> usize {
        let widths = network.spec().widths();
        let widest = widths.into_iter().fold(network.inputs(), usize::max);
        // The input, the blocks, and the gradient between two of them with the place of the next.
        network.inputs() + block::floats_per_row(network.spec()) + 2 * widest
    }

    /// Refuses batches of `rows` examples whose numbers do not fit the memory that is free now. Ask before
    /// [`Executor::new`], which takes what it needs.
    ///
    /// # Errors
    /// When there is too little memory.
    pub(crate) fn check_rows(network: &Network, rows: usize) -> Result<()> {
        let per_row = Self::floats_per_row(network) as u64;
        let floats = per_row
            .saturating_mul(rows as u64)
            .saturating_add(network.parameters().len() as u64);
        match memory::lacking(floats.saturating_mul(4)) {
            None => Ok(()),
            Some(lack) => Err(Error::spec(format!(
                "a batch of {rows} examples does not fit the memory, at {per_row} numbers each on the way \
                 through the network: {lack}"
            ))
            .fix("use smaller batches, fewer units or fewer layers")),
        }
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
        &self.flowing[..self.input_gradient.unwrap_or(0)]
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
        let x = before.last().map_or(&self.x[..], Block::padded_output);
        (
            &mut rest[0],
            Pass {
                rows: self.rows,
                x,
                work: &mut self.work,
            },
        )
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
        self.flowing[..grad_outputs.len()].copy_from_slice(grad_outputs);
        self.input_gradient = to_input.then_some(self.rows * self.inputs);
        // The gradient need not flow past the first block that learns.
        let learns = |block: &Block| block.learns(network);
        let first = if to_input {
            Some(0)
        } else {
            self.blocks.iter().position(learns)
        };
        let Some(first) = first else {
            return;
        };
        let mut gated = false;
        for i in (first..self.blocks.len()).rev() {
            let (before, rest) = self.blocks.split_at_mut(i);
            let (block, before) = (&mut rest[0], before.last());
            // A product going back can take the derivative of the ReLU before it along.
            let gate = block.takes_gate() && before.is_some_and(Block::ends_in_relu);
            let x = before.map_or(&self.x[..], Block::padded_output);
            let gradient = Gradient {
                flowing: &mut self.flowing,
                spare: &mut self.spare,
                learned: &mut self.gradients,
                onward: to_input || i > first,
                gate,
                gated,
            };
            block.backward(
                Pass {
                    rows: self.rows,
                    x,
                    work: &mut self.work,
                },
                network,
                gradient,
            );
            gated = gate;
        }
    }
}
