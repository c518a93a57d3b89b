//! What a network is trained to make small.

mod fused;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::show::{Bundle, Show};
use crate::{Error, Result};

/// A loss, averaged over the batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Loss {
    /// -log softmax(logits)\[class\], the mean over the rows: PyTorch's `CrossEntropyLoss`.
    #[default]
    SoftmaxCrossEntropy,
    /// (output - target)^2, the mean over rows and outputs: PyTorch's `MSELoss`. With classes as targets
    /// the target is 1 for the class and 0 elsewhere.
    MeanSquaredError,
}

/// What the outputs should be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Targets<'a> {
    /// The class of each row, 0 to outputs - 1.
    Classes(&'a [u32]),
    /// The value of each output, rows x outputs.
    Values(&'a [f32]),
}

impl Show for Loss {
    fn bundle(&self) -> Bundle {
        Bundle::text(format!("{self:?}"))
    }
}

impl Loss {
    /// Whether these targets fit a batch of `rows` with `outputs` each: as many as rows, classes in range,
    /// finite values for a loss on values. Check once, before training.
    ///
    /// # Errors
    /// When they do not fit.
    pub fn check(&self, rows: usize, outputs: usize, targets: Targets<'_>) -> Result<()> {
        match (self, targets) {
            (_, Targets::Classes(classes)) => {
                if classes.len() != rows {
                    return Err(Error::data(format!(
                        "{} labels for {rows} examples",
                        classes.len()
                    )));
                }
                match classes.iter().enumerate().find(|&(_, &class)| class as usize >= outputs) {
                    Some((row, class)) => Err(Error::data(format!(
                        "label {class} is out of range: the network has {outputs} outputs, so expected 0 to {}",
                        outputs.saturating_sub(1)
                    ))
                    .at(format!("example {}", row + 1))
                    .fix("give the last layer as many units as there are classes")),
                    None => Ok(()),
                }
            }
            (Loss::SoftmaxCrossEntropy, Targets::Values(_)) => Err(Error::spec(
                "softmax cross entropy needs classes as targets, and got values",
            )
            .fix("use Loss::MeanSquaredError, or targets that are classes")),
            (Loss::MeanSquaredError, Targets::Values(values)) => {
                if rows.checked_mul(outputs) != Some(values.len()) {
                    return Err(Error::data(format!(
                        "{} target values for {rows} examples of {outputs} outputs each",
                        values.len()
                    )));
                }
                match values.iter().position(|value| !value.is_finite()) {
                    Some(i) => Err(Error::data(format!(
                        "expected finite target values, found {}",
                        values[i]
                    ))
                    .at(format!("example {}, output {}", i / outputs + 1, i % outputs + 1))
                    .fix("drop or fill missing values first")),
                    None => Ok(()),
                }
            }
        }
    }
}
