//! [`NetSpec`]: a network as data. It says everything about a network but its numbers.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{Activation, Init};

/// A chain of layers, first to last. Displays as one line: `64 > dense 128 > relu > dense 10`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetSpec {
    /// Numbers in one example.
    pub input: usize,
    /// The layers, in order.
    pub layers: Vec<Layer>,
}

/// A layer with its name, unique in its network (`dense1`, `batch_norm1`, ..., and `logits` for the last
/// dense layer).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// Names the layer in errors, checkpoints and `freeze`: letters, digits, `_` and `-`.
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
#[serde(deny_unknown_fields)]
pub enum LayerKind {
    /// x W + b, with W of shape inputs x units, row-major.
    Dense {
        /// Columns of W.
        units: usize,
        /// Whether b is there.
        bias: bool,
        /// How W starts.
        init: Init,
        /// How b starts.
        bias_init: Init,
    },
    /// An activation.
    Activation(Activation),
    /// In training each number becomes 0 with this probability, else is divided by 1 - p.
    Dropout(f32),
    /// Batch normalization (Ioffe and Szegedy 2015) with PyTorch's conventions: running = (1 - momentum) *
    /// running + momentum * batch, the running variance unbiased. A batch of a single row has no variance:
    /// it is normalized with the running statistics, which then stay.
    BatchNorm {
        /// Share of the newest batch in the running statistics, 0 to 1.
        momentum: f32,
        /// Added to the variance before the root.
        epsilon: f32,
    },
}

impl LayerKind {
    /// Columns that come out when `width` go in. Meaningful for a valid spec.
    pub(super) fn outputs(&self, width: usize) -> usize {
        match self {
            LayerKind::Dense { units, .. } => *units,
            LayerKind::Activation(activation) => width / activation.pieces().max(1),
            LayerKind::Dropout(_) | LayerKind::BatchNorm { .. } => width,
        }
    }
}

impl NetSpec {
    /// Numbers that come out for one example: the logits of a classifier.
    pub fn outputs(&self) -> usize {
        self.widths().last().copied().unwrap_or(self.input)
    }

    /// Numbers that come out of each layer for one example.
    pub fn widths(&self) -> Vec<usize> {
        self.layers
            .iter()
            .scan(self.input, |width, layer| {
                *width = layer.kind.outputs(*width);
                Some(*width)
            })
            .collect()
    }

    /// The SHA-256, in hex, of the spec as JSON with sorted keys: equal for equal specs, on every machine
    /// and in every version that reads the same spec.
    pub fn digest(&self) -> String {
        let mut text = String::new();
        if let Ok(value) = serde_json::to_value(self) {
            canonical(&value, &mut text);
        }
        Sha256::digest(text.as_bytes())
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// JSON without spaces and with the keys of every object in order, whatever serde_json's features are.
fn canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut keys: Vec<&String> = map.keys().collect();
            keys.sort();
            out.push('{');
            for (i, key) in keys.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                canonical(&map[key], out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                canonical(item, out);
            }
            out.push(']');
        }
        leaf => out.push_str(&leaf.to_string()),
    }
}

impl fmt::Display for NetSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.input)?;
        let mut after_dense = false;
        for layer in &self.layers {
            // An activation reads as part of the dense layer it follows.
            let joined = after_dense && !layer.frozen && matches!(layer.kind, LayerKind::Activation(_));
            f.write_str(if joined { " " } else { " > " })?;
            write!(f, "{}", layer.kind)?;
            if layer.frozen {
                f.write_str(" (frozen)")?;
            }
            after_dense = matches!(layer.kind, LayerKind::Dense { .. });
        }
        Ok(())
    }
}

impl fmt::Display for LayerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LayerKind::Dense { units, bias, .. } => {
                write!(f, "dense {units}{}", if *bias { "" } else { " without bias" })
            }
            LayerKind::Activation(activation) => activation.fmt(f),
            LayerKind::Dropout(p) => write!(f, "dropout {p}"),
            LayerKind::BatchNorm { .. } => f.write_str("batch norm"),
        }
    }
}
