//! The CPU executor: a whole network forward and backward, in one thread, on buffers made once.

use super::Network;
use crate::seed::Rng;

/// How a forward pass treats dropout and batch norm.
pub enum Mode<'a> {
    /// Dropout drops by this generator; batch norm uses the batch's statistics and moves the running ones.
    Train(&'a mut Rng),
    /// No dropout; batch norm uses its running statistics.
    Evaluate,
}

/// Runs networks of one spec on batches of up to `max_rows` examples.
pub struct Executor {
    gradients: Vec<f32>,
}

impl Executor {
    /// Buffers for batches of up to `max_rows` examples.
    pub fn new(network: &Network, max_rows: usize) -> Self {
        let _ = max_rows;
        Self {
            gradients: vec![0.0; network.parameters().len()],
        }
    }

    /// The place of the next batch, `rows` x inputs: fill it and call [`Executor::run`]. Saves a copy.
    pub fn input(&mut self, rows: usize) -> &mut [f32] {
        let _ = rows;
        todo!()
    }

    /// Forward pass over what was put in [`Executor::input`]; outputs are rows x outputs. In training
    /// mode it moves the network's running statistics.
    pub fn run(&mut self, network: &mut Network, mode: Mode<'_>) -> &[f32] {
        let _ = (network, mode);
        todo!()
    }

    /// Forward pass over a batch `x`, rows x inputs. In training mode it moves the running statistics.
    pub fn forward(&mut self, network: &mut Network, x: &[f32], mode: Mode<'_>) -> &[f32] {
        let _ = (network, x, mode);
        todo!()
    }

    /// Forward pass in evaluation mode.
    pub fn evaluate(&mut self, network: &Network, x: &[f32]) -> &[f32] {
        let _ = (network, x);
        todo!()
    }

    /// Backward pass for the last forward pass: from d loss / d outputs, rows x outputs, to
    /// [`Executor::gradients`].
    pub fn backward(&mut self, network: &Network, grad_outputs: &[f32]) {
        let _ = (network, grad_outputs);
        todo!()
    }

    /// As [`Executor::backward`], and also computes [`Executor::input_gradient`].
    pub fn backward_to_input(&mut self, network: &Network, grad_outputs: &[f32]) {
        let _ = (network, grad_outputs);
        todo!()
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

    /// d loss / d input, rows x inputs, of the last [`Executor::backward_to_input`].
    pub fn input_gradient(&self) -> &[f32] {
        todo!()
    }
}
