//! [`NetSpec`]: a network as data. It says everything about a network but its numbers.

use serde::{Deserialize, Serialize};

use super::{Activation, Init};

/// A chain of layers, first to last.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NetSpec {
    /// Numbers in one example.
    pub input: usize,
    /// The layers, in order.
    pub layers: Vec<Layer>,
}

/// A layer with its name, unique in its network (`dense1`, `batch_norm1`, ..., and `logits` for the last
/// dense layer).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Layer {
    /// Names the layer in errors, checkpoints and `freeze`.
    pub name: String,
    /// What it computes.
    pub kind: LayerKind,
    /// A frozen layer takes no update; batch norm then also normalizes with its running statistics,
    /// which stay as they are.
    #[serde(default)]
    pub frozen: bool,
}

/// What a layer computes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum LayerKind {
    /// x W + b, with W of shape inputs x units, row-major.
    Dense {
        units: usize,
        bias: bool,
        init: Init,
        bias_init: Init,
    },
    /// An activation.
    Activation(Activation),
    /// In training each number becomes 0 with this probability, else is divided by 1 - p.
    Dropout(f32),
    /// Batch normalization (Ioffe and Szegedy 2015) with PyTorch's conventions: running = (1 - momentum) *
    /// running + momentum * batch, the running variance unbiased.
    BatchNorm { momentum: f32, epsilon: f32 },
}
