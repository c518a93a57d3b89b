//! [`Executor`]: what runs a network and moves its numbers, on whatever device they live.

use super::TensorInfo;
use crate::Result;
use crate::optim::{Optimizer, Update};
use crate::seed::Rng;

/// Whose statistics batch norm normalizes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// Those of the batch; the running ones move towards them, if `moves`.
    Batch {
        /// Whether the running statistics move.
        moves: bool,
    },
    /// Those of the batch, without a trace of what the running ones were before so many batches: they become the mean over
    /// these and this one.
    Mean {
        /// Batches since then.
        seen: usize,
    },
    /// The running ones, which stay.
    Running,
}

/// How a forward pass treats dropout and batch norm.
pub struct How<'a> {
    /// Dropout drops by this generator; without one it drops nothing.
    pub dropout: Option<&'a mut Rng>,
    /// Of layers that are not frozen; frozen ones always use the running statistics.
    pub norm: Norm,
}

impl<'a> How<'a> {
    /// As in training: dropout drops, batch norm uses the batch's statistics and moves the running ones.
    pub fn train(rng: &'a mut Rng) -> Self {
        Self {
            dropout: Some(rng),
            norm: Norm::Batch { moves: true },
        }
    }

    /// As in evaluation: no dropout, running statistics.
    pub fn evaluate() -> Self {
        Self {
            dropout: None,
            norm: Norm::Running,
        }
    }

    /// Dropout drops, and batch norm uses its running statistics: Monte-Carlo dropout (Gal and Ghahramani 2016).
    pub fn sample(rng: &'a mut Rng) -> Self {
        Self {
            dropout: Some(rng),
            norm: Norm::Running,
        }
    }

    /// No dropout, and batch norm by the batch's statistics: adaptation at test time.
    pub fn adapt(moves: bool) -> Self {
        Self {
            dropout: None,
            norm: Norm::Batch { moves },
        }
    }

    /// No dropout, and batch norm by the batch's statistics, of which the running ones become the mean: the statistics of
    /// other parameters than those that were trained. `seen` batches went before.
    pub fn count(seen: usize) -> Self {
        Self {
            dropout: None,
            norm: Norm::Mean { seen },
        }
    }

    /// Whether the pass draws and moves nothing.
    pub fn is_still(&self) -> bool {
        self.dropout.is_none() && self.norm == Norm::Running
    }
}

/// A model with its numbers on a device: parameters, running statistics, and what the optimizer remembers. Batches go
/// in, outputs come out at taps (layers whose outputs were asked for), gradients are put in at the taps, and updates
/// are made where the numbers live.
///
/// A step: fill [`input`](Self::input), [`forward`](Self::forward), look at [`taps`](Self::taps) and write d loss /
/// d output of each, [`backward`](Self::backward), [`update`](Self::update).
pub trait Executor {
    /// Numbers in one example.
    fn inputs(&self) -> usize;

    /// Numbers that come out at each tap for one example.
    fn widths(&self) -> Vec<usize>;

    /// The place of the next batch, `rows` x inputs, on the host.
    fn input(&mut self, rows: usize) -> &mut [f32];

    /// Forward pass over the batch in [`input`](Self::input).
    ///
    /// # Errors
    /// When the device cannot do it, or has no such manner.
    fn forward(&mut self, how: How<'_>) -> Result<()>;

    /// The outputs of the last forward pass at each tap, rows x width, and the places of d loss / d output, which hold
    /// what was last written there.
    fn taps(&mut self) -> (Vec<&[f32]>, Vec<&mut [f32]>);

    /// Backward pass from what stands at the taps to the gradients of the parameters, in place of those that are there
    /// or added to them.
    ///
    /// # Errors
    /// When the device cannot do it.
    fn backward(&mut self, add: bool) -> Result<()>;

    /// The gradients of the last backward pass, flat as the parameters; zero for frozen layers.
    fn gradients(&mut self) -> &[f32];

    /// One update of the parameters from the gradients.
    ///
    /// # Errors
    /// When the device cannot do it.
    fn update(&mut self, optimizer: &Optimizer, update: Update) -> Result<()>;

    /// The parameters, one flat vector.
    fn parameters(&mut self) -> &[f32];

    /// The running statistics, one flat vector.
    fn buffers(&mut self) -> &[f32];

    /// What the optimizer remembers, each as long as the parameters; empty before the first update.
    fn states(&mut self) -> Vec<Vec<f32>>;

    /// The parameters that the optimizer's rule gives instead of the trained ones, where it has others.
    fn given(&mut self, optimizer: &Optimizer) -> Option<Vec<f32>>;

    /// Puts parameters and buffers back; their lengths are those of this model.
    fn restore(&mut self, parameters: &[f32], buffers: &[f32]);

    /// Puts back what the optimizer remembers.
    fn restore_states(&mut self, states: Vec<Vec<f32>>);

    /// Where each tensor lies.
    fn tensors(&self) -> &[TensorInfo];

    /// Freezes these layers from now on, or lets them take updates.
    ///
    /// # Errors
    /// When there is no such layer, or the model has none.
    fn set_frozen(&mut self, layer: &str, frozen: bool) -> Result<()>;
}
