//! [`Group`]: tensors that are treated in another way than the rest.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::base::tensor::{Role, TensorInfo};
use crate::{Error, Result};

/// What a recipe says of the tensors whose name fits a pattern. What it leaves out stays as it is; of several groups
/// that fit, the later one's word counts.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Group {
    /// Names such as `conv1.weight`, where `*` stands for any characters: `conv*`, `*.bias`, `logits.*`. A name
    /// without a point or star is a layer's: `conv1` means `conv1.*`.
    pub tensors: String,
    /// The recipe's rate times this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// Decoupled decay.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decay: Option<f64>,
    /// Weight of the penalty sum |p|.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l1: Option<f64>,
    /// Weight of the penalty (sum p^2) / 2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub l2: Option<f64>,
    /// The largest norm of the weights that meet in one unit; larger ones are scaled down after each update
    /// (Srebro et al. 2005; Srivastava et al. 2014).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_norm: Option<f64>,
    /// Whether they take no update.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frozen: Option<bool>,
}

impl fmt::Display for Group {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:", self.tensors)?;
        let numbers = [
            ("rate x", self.rate),
            ("decay", self.decay),
            ("L1", self.l1),
            ("L2", self.l2),
            ("max norm", self.max_norm),
        ];
        for (what, number) in numbers {
            if let Some(x) = number {
                write!(f, " {what} {x}")?;
            }
        }
        f.write_str(match self.frozen {
            Some(true) => " frozen",
            Some(false) => " learning",
            None => "",
        })
    }
}

/// What counts for one tensor.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Settings {
    pub rate: f64,
    pub decay: f64,
    pub l1: f64,
    /// Whether the L1 penalty is a step of its own behind the rule's.
    pub proximal: bool,
    pub l2: f64,
    pub max_norm: Option<f64>,
    pub frozen: bool,
}

impl Group {
    /// Whether the pattern fits this name.
    pub fn fits(&self, name: &str) -> bool {
        match self.tensors.contains(['.', '*']) {
            true => fits(&self.tensors, name),
            // A tensor of its own in a dfdx model has no layer.
            false => name == self.tensors || fits(&format!("{}.*", self.tensors), name),
        }
    }

    /// Whether the numbers are in their ranges.
    pub(crate) fn validate(&self) -> Result<()> {
        let numbers = [
            ("rate", self.rate),
            ("decay", self.decay),
            ("l1", self.l1),
            ("l2", self.l2),
            ("max_norm", self.max_norm),
        ];
        for (what, number) in numbers {
            if let Some(x) = number
                && !(x >= 0.0 && (x as f32).is_finite() && (what != "max_norm" || x > 0.0))
            {
                let least = if what == "max_norm" {
                    "above 0"
                } else {
                    "0 or more"
                };
                return Err(Error::spec(format!("expected {what} {least}, found {x}"))
                    .at(format!("recipe, group {}", self.tensors)));
            }
        }
        Ok(())
    }
}

/// The recipe's rate and nothing else.
impl Default for Settings {
    fn default() -> Self {
        Self {
            rate: 1.0,
            decay: 0.0,
            l1: 0.0,
            proximal: false,
            l2: 0.0,
            max_norm: None,
            frozen: false,
        }
    }
}

impl Settings {
    /// What counts for `tensor`: `base` for weights, without its penalties for biases and norms, then the groups.
    pub fn of(tensor: &TensorInfo, base: Settings, groups: &[Group]) -> Self {
        let mut own = base;
        if tensor.role != Role::Weight {
            (own.decay, own.l1, own.l2, own.max_norm) = (0.0, 0.0, 0.0, None);
        }
        for group in groups.iter().filter(|group| group.fits(&tensor.name)) {
            own.rate = group.rate.unwrap_or(own.rate);
            own.decay = group.decay.unwrap_or(own.decay);
            own.l1 = group.l1.unwrap_or(own.l1);
            own.l2 = group.l2.unwrap_or(own.l2);
            own.max_norm = group.max_norm.or(own.max_norm);
            own.frozen = group.frozen.unwrap_or(own.frozen);
        }
        own.frozen |= tensor.frozen;
        own
    }
}

/// Whether `name` is `pattern` with any characters for each `*`.
fn fits(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else {
        return pattern == name;
    };
    let Some(name) = name.strip_prefix(start) else {
        return false;
    };
    (0..=name.len())
        .filter(|&at| name.is_char_boundary(at))
        .any(|at| fits(rest, &name[at..]))
}
