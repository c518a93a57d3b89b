//! [`Job`]: one network's training as plain numbers, and [`Done`]: what came of it.

use std::sync::Arc;

use crate::memory::Plain;

/// Examples on their way to a card. Jobs that share one by its `Arc` share it there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Data {
    /// Rows x inputs.
    pub features: Vec<f32>,
    /// A class a row, for losses on classes.
    pub labels: Vec<u32>,
    /// Rows x outputs, for losses on values or shares.
    pub targets: Vec<f32>,
}

/// What the outputs are held against, in the order of `shape.cuh`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Softmax cross entropy to classes.
    Classes,
    /// Softmax cross entropy to shares of classes.
    Shares,
    /// Mean squared error to values.
    Values,
    /// Mean squared error to 1 for the class and 0 elsewhere.
    ValuesOfClasses,
}

/// What a unit does with its sum; the pieces of a maxout are the layer's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// The sum itself.
    Identity,
    /// max(0, x).
    Relu,
    /// x above 0, else a slope times x.
    LeakyRelu(f32),
    /// Hyperbolic tangent.
    Tanh,
    /// Logistic function.
    Sigmoid,
    /// x Phi(x).
    Gelu,
    /// The largest of the layer's pieces.
    Maxout,
}

impl Activation {
    /// Its number in `shape.cuh`, and its slope where it has one.
    pub(super) fn numbered(self) -> (u32, f32) {
        match self {
            Activation::Identity => (0, 0.0),
            Activation::Relu => (1, 0.0),
            Activation::LeakyRelu(slope) => (2, slope),
            Activation::Tanh => (3, 0.0),
            Activation::Sigmoid => (4, 0.0),
            Activation::Gelu => (5, 0.0),
            Activation::Maxout => (6, 0.0),
        }
    }
}

/// What may differ from network to network in a layer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Layer {
    /// What its units do with their sums; the last layer has the identity.
    pub activation: Activation,
    /// The probability of the dropout behind it.
    pub dropout: Option<f32>,
    /// Whether weights and biases take no update.
    pub frozen: bool,
    /// Whether its norm takes no update and normalizes with its running statistics.
    pub norm_frozen: bool,
    /// Share of the newest batch in the running statistics.
    pub momentum: f32,
    /// Added to the variance before the root.
    pub epsilon: f32,
}

impl Default for Layer {
    fn default() -> Self {
        Self {
            activation: Activation::Identity,
            dropout: None,
            frozen: false,
            norm_frozen: false,
            momentum: 0.1,
            epsilon: 1e-5,
        }
    }
}

/// What an update takes from its step.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub struct Pace {
    /// The rate.
    pub rate: f32,
    /// Adam's: the rate over 1 - beta1^t.
    pub scale: f32,
    /// Adam's: 1 over the root of 1 - beta2^t.
    pub spread: f32,
    /// What decay leaves of a weight: 1 without.
    pub keep: f32,
}

// SAFETY: four numbers.
unsafe impl Plain for Pace {}

/// What a training draws by chance. Jobs that share one by its `Arc` share what it has drawn.
pub trait Batches: Send + Sync {
    /// The rows of the batch of step `step`, counted from 0, added to `rows`.
    fn rows(&self, step: u32, rows: &mut Vec<u32>);

    /// The two words that decide dropout at a step, for each of the layers that have it, in their order.
    fn keys(&self, step: u32) -> Vec<[u32; 2]>;
}

/// A held-out part.
#[derive(Clone)]
pub struct Watch {
    /// Its examples.
    pub data: Arc<Data>,
    /// Which of them, in the order in which they are looked at.
    pub rows: Arc<Vec<u32>>,
    /// How much each of the rows counts; none: all alike.
    pub weights: Option<Vec<f32>>,
    /// Checks without a lower loss before the training stops.
    pub patience: u32,
}

/// One network's training.
#[derive(Clone)]
pub struct Job {
    /// What it learns, layer after layer: weights, biases, scales, shifts.
    pub parameters: Vec<f32>,
    /// Running means and variances of its norms.
    pub buffers: Vec<f32>,
    /// One for each dense layer.
    pub layers: Vec<Layer>,
    /// The rule's constants: momentum; or 1 - beta1, beta2, 1 - beta2 and epsilon.
    pub constants: [f32; 4],
    /// Weight of the penalty sum |p| over weights.
    pub l1: f32,
    /// Weight of the penalty (sum p^2) / 2 over weights.
    pub l2: f32,
    /// The largest norm of the weights that meet in one unit.
    pub max_norm: Option<f64>,
    /// What the outputs are held against.
    pub loss: Loss,
    /// Updates in all.
    pub total: u32,
    /// Updates between checks.
    pub check_every: u32,
    /// What it learns from.
    pub data: Arc<Data>,
    /// How much each row of the data counts; none: all alike.
    pub weights: Option<Arc<Vec<f32>>>,
    /// What is watched.
    pub watch: Option<Watch>,
    /// Which rows make a batch, and what dropout takes.
    pub batches: Arc<dyn Batches>,
    /// What an update takes from its step, for steps counted from 0.
    pub pace: Arc<dyn Fn(u32) -> Pace + Send + Sync>,
}

/// Why a network's training ended, in the order of `shape.cuh`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// It has not: it was stopped between two segments.
    Running,
    /// All updates are made.
    Completed,
    /// The held-out loss stopped falling.
    StoppedEarly,
    /// The loss of a batch was not finite.
    LossDiverged,
    /// A check found numbers that are not finite.
    CheckDiverged,
}

impl Ending {
    /// The one of this number in `shape.cuh`.
    pub(super) fn numbered(number: u32) -> Self {
        match number {
            0 => Ending::Running,
            1 => Ending::Completed,
            2 => Ending::StoppedEarly,
            3 => Ending::LossDiverged,
            _ => Ending::CheckDiverged,
        }
    }
}

/// What a check saw.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
pub struct Check {
    /// Mean loss over the held-out part; NaN without one.
    pub loss: f64,
    /// Updates made before it.
    pub step: u32,
    /// Examples of the held-out part whose largest output is their class.
    pub correct: u32,
    /// Whether a parameter or a running statistic was not finite.
    pub broken: u32,
    /// Whether all outputs that it looked at were finite.
    pub outputs_finite: u32,
}

// SAFETY: numbers, 8 and 4 times 4 bytes.
unsafe impl Plain for Check {}

/// Where a training stands, as `net.cuh` has it.
#[derive(Clone, Copy, Debug, PartialEq)]
#[repr(C)]
pub(super) struct Standing {
    pub kept_loss: f64,
    pub step: u32,
    pub checks: u32,
    pub ending: u32,
    pub stale: u32,
    pub kept_step: u32,
    pub outputs_finite: u32,
}

// SAFETY: numbers, 8 and 6 times 4 bytes.
unsafe impl Plain for Standing {}

impl Standing {
    pub const START: Self = Self {
        kept_loss: f64::INFINITY,
        step: 0,
        checks: 0,
        ending: 0,
        stale: 0,
        kept_step: 0,
        outputs_finite: 1,
    };

    pub fn ending(&self) -> Ending {
        Ending::numbered(self.ending)
    }
}

/// A network after its training.
#[derive(Clone, Debug, PartialEq)]
pub struct Done {
    /// What it learned, at the last update.
    pub parameters: Vec<f32>,
    /// Its running statistics then.
    pub buffers: Vec<f32>,
    /// What the rule remembers, each as long as the parameters.
    pub states: Vec<Vec<f32>>,
    /// Parameters and buffers of the best check, or of the last one that was well where nothing is watched.
    pub kept: (Vec<f32>, Vec<f32>),
    /// The loss of each batch.
    pub losses: Vec<f32>,
    /// What each check saw.
    pub checks: Vec<Check>,
    /// Why it ended.
    pub ending: Ending,
    /// Updates made.
    pub steps: u32,
    /// The step of the check whose numbers are kept, and its held-out loss.
    pub kept_at: (u32, f64),
    /// Checks since then without a better loss.
    pub stale: u32,
    /// Where it diverged, whether the outputs were finite.
    pub outputs_finite: bool,
}
