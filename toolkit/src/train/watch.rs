//! [`Watcher`]: what looks at a training while it runs, and may steer it.

use super::engine::Work;
use super::{History, Record};
use crate::Result;

/// How a training goes on.
#[derive(Clone, Debug, PartialEq)]
pub enum Flow {
    /// As before.
    On,
    /// Not at all: it ends here, for this reason.
    Stop(String),
    /// As before, with a checkpoint written now, where the recipe says where.
    Save,
    /// At the schedule's rate times this, from the next update on.
    Rate(f64),
}

/// Looks at a training after each update and after each check, and may stop it, change its rate, freeze layers and let
/// them learn again.
///
/// ```
/// use jook::train::{Flow, Moment, Watcher};
///
/// /// Stops when the loss of a batch is low enough.
/// struct Enough(f64);
///
/// impl Watcher for Enough {
///     fn name(&self) -> Option<String> {
///         Some(format!("stops below {}", self.0))
///     }
///
///     fn after_step(&mut self, at: &mut Moment<'_, '_>) -> jook::Result<Flow> {
///         match at.loss() < self.0 {
///             true => Ok(Flow::Stop(format!("the loss was below {}", self.0))),
///             false => Ok(Flow::On),
///         }
///     }
/// }
/// ```
#[doc(alias = "callbacks")]
#[doc(alias = "Callback")]
pub trait Watcher {
    /// Of a watcher that changes results: its name, with its settings. It is part of what was trained, in files and keys.
    fn name(&self) -> Option<String> {
        None
    }

    /// After an update.
    ///
    /// # Errors
    /// What ends the training as an error.
    fn after_step(&mut self, _at: &mut Moment<'_, '_>) -> Result<Flow> {
        Ok(Flow::On)
    }

    /// After a check: a new row is in the history.
    ///
    /// # Errors
    /// What ends the training as an error.
    fn after_check(&mut self, _at: &mut Moment<'_, '_>) -> Result<Flow> {
        Ok(Flow::On)
    }

    /// Parameters that stand in for the trained ones at checks and in the result: averages.
    fn stand_in(&self) -> Option<&[f32]> {
        None
    }

    /// What it remembers, for a checkpoint.
    fn state(&self) -> Vec<f32> {
        Vec::new()
    }

    /// Goes on from what it remembered.
    fn restore(&mut self, _state: &[f32]) {}
}

/// A moment of a training, as a [`Watcher`] sees it.
pub struct Moment<'m, 'w> {
    pub(super) work: &'m mut Work<'w>,
    pub(super) rate: f64,
    pub(super) loss: f64,
}

impl Moment<'_, '_> {
    /// Updates made.
    pub fn step(&self) -> u64 {
        self.work.state.counters.step
    }

    /// Updates of the whole training.
    pub fn steps(&self) -> u64 {
        self.work.total()
    }

    /// Passes over the training part, with the fraction.
    pub fn epoch(&self) -> f64 {
        self.step() as f64 / self.work.per_epoch as f64
    }

    /// The rate of the last update.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// The loss of the last batch, without penalties.
    pub fn loss(&self) -> f64 {
        self.loss
    }

    /// The rows so far.
    pub fn history(&self) -> &History {
        &self.work.state.history
    }

    /// The newest row.
    pub fn row(&self) -> Option<&Record> {
        self.history().last()
    }

    /// The parameters, flat.
    pub fn parameters(&mut self) -> &[f32] {
        self.work.executor.parameters()
    }

    /// The gradients of the last update, flat as the parameters.
    pub fn gradients(&mut self) -> &[f32] {
        self.work.executor.gradients()
    }

    /// Freezes the layer of this name from now on.
    ///
    /// # Errors
    /// When there is no such layer.
    pub fn freeze(&mut self, layer: &str) -> Result<()> {
        self.work.set_frozen(layer, true)
    }

    /// Lets the layer of this name learn from now on.
    ///
    /// # Errors
    /// When there is no such layer.
    pub fn unfreeze(&mut self, layer: &str) -> Result<()> {
        self.work.set_frozen(layer, false)
    }
}
