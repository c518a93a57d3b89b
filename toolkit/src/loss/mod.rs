//! What a network is trained to make small: [`Loss`] has the standard ones, [`Objective`] is what they are and what one
//! of one's own is: over plain numbers ([`objective`]), over dfdx tensors ([`on_tape`]), or a [`Sum`] of several.

mod fused;
mod objective;
mod tape;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::data::{Dataset, Targets};
use crate::show::{Bundle, Show};
use crate::{Error, Result};
pub use objective::{Learned, Objective, Own, Part, Seen, Sum, objective};
pub use tape::{OnTape, OneHot, on_tape};
pub(crate) use tape::{WithTable, one_hot};

/// A loss, averaged over the batch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Loss {
    /// -log softmax(logits)\[class\], the mean over the rows: PyTorch's `CrossEntropyLoss`. With shares as targets
    /// -sum share log softmax(logits).
    #[default]
    #[doc(alias = "CrossEntropyLoss")]
    SoftmaxCrossEntropy,
    /// (output - target)^2, the mean over rows and outputs: PyTorch's `MSELoss`. With classes as targets
    /// the target is 1 for the class and 0 elsewhere.
    #[doc(alias = "MSELoss")]
    MeanSquaredError,
}

impl Show for Loss {
    fn bundle(&self) -> Bundle {
        Bundle::text(format!("{self:?}"))
    }
}

/// A [`Loss`] at a layer, for one of several streams: see [`Loss::at`].
#[derive(Clone, Debug, PartialEq)]
pub struct At {
    loss: Loss,
    tap: String,
    stream: usize,
}

impl Loss {
    /// The loss of what the layer of this name puts out, on the first stream.
    pub fn at(self, layer: impl Into<String>) -> At {
        At {
            loss: self,
            tap: layer.into(),
            stream: 0,
        }
    }

    /// Whether these targets fit a batch of `rows` with `outputs` each: as many as rows, classes in range,
    /// finite values for a loss on values. Check once, before training.
    ///
    /// # Errors
    /// When they do not fit.
    pub fn check(&self, rows: usize, outputs: usize, targets: Targets<'_>) -> Result<()> {
        match (self, targets) {
            (_, Targets::None) => Err(Error::data("expected targets to learn, found none")),
            (_, Targets::Classes(classes)) => {
                if classes.len() != rows {
                    return Err(Error::data(format!(
                        "{} labels for {rows} examples",
                        classes.len()
                    )));
                }
                classes_below(classes, outputs)
            }
            (Loss::SoftmaxCrossEntropy, Targets::Values(_)) => Err(Error::spec(
                "softmax cross entropy needs classes as targets, and got values",
            )
            .fix("use Loss::MeanSquaredError, or targets that are classes")),
            (_, Targets::Shares { shares: values, .. })
            | (Loss::MeanSquaredError, Targets::Values(values)) => {
                if rows.checked_mul(outputs) != Some(values.len()) {
                    return Err(Error::data(format!(
                        "{} target values for {rows} examples of {outputs} outputs each",
                        values.len()
                    ))
                    .fix("give the last layer as many units as an example has targets"));
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

impl At {
    /// Of this stream, counted from 0.
    pub fn stream(mut self, stream: usize) -> Self {
        self.stream = stream;
        self
    }
}

impl Objective for Loss {
    fn check(&mut self, data: &[&Dataset], widths: &[usize]) -> Result<()> {
        self.fits(data[0], widths[0])
    }

    fn value(&mut self, seen: &Seen<'_>, slopes: &mut [&mut [f32]]) -> Result<f64> {
        self.of_stream(seen, 0, slopes)
    }

    fn is_own(&self) -> bool {
        false
    }
}

impl Objective for At {
    fn taps(&self) -> Vec<String> {
        vec![self.tap.clone()]
    }

    fn streams(&self) -> usize {
        self.stream + 1
    }

    fn check(&mut self, data: &[&Dataset], widths: &[usize]) -> Result<()> {
        match data.get(self.stream) {
            Some(data) => self.loss.fits(data, widths[0]),
            None => Err(Error::spec(format!(
                "the loss at {} is of stream {}, and there are {}",
                self.tap,
                self.stream,
                data.len()
            ))),
        }
    }

    fn value(&mut self, seen: &Seen<'_>, slopes: &mut [&mut [f32]]) -> Result<f64> {
        self.loss.of_stream(seen, self.stream, slopes)
    }
}

impl Loss {
    fn fits(&self, data: &Dataset, outputs: usize) -> Result<()> {
        if data.targets() == Targets::None {
            return Err(lacking(data));
        }
        self.check(data.len(), outputs, data.targets())
            .map_err(|error| error.at(format!("dataset {}", data.name())))
    }

    /// The value on one stream's rows at the first tap, with the slopes there.
    ///
    /// # Errors
    /// When the targets do not fit the outputs: of data that were checked before training they do.
    fn of_stream(&self, seen: &Seen<'_>, stream: usize, slopes: &mut [&mut [f32]]) -> Result<f64> {
        let part = &seen.streams[stream];
        self.check(part.range.len(), seen.widths[0], part.targets)?;
        let slope = &mut slopes[0][seen.place(0, stream)];
        let value = self.of_rows(
            seen.output(0, stream),
            seen.widths[0],
            part.targets,
            part.weights,
            slope,
        );
        Ok(f64::from(value))
    }
}

/// An error for data without targets.
pub(crate) fn lacking(data: &Dataset) -> Error {
    Error::data("expected labels to learn, found none")
        .at(format!("dataset {}", data.name()))
        .fix("add them with Dataset::with_labels, or values with Dataset::with_values")
}

/// Refuses weights, for a loss that is not given them.
pub(crate) fn unweighted(part: &Part<'_>) -> Result<()> {
    match part.weights {
        None => Ok(()),
        Some(_) => Err(Error::data(
            "expected examples that all count alike, found weights, which this loss is not given",
        )
        .at("train_with")
        .fix(
            "leave them out with Dataset::without_weights, draw by them with Sampler::Weighted, or weigh in an \
             objective: net.training().objective(on_tape([\"logits\"], |outputs, seen| ..)) sees them as \
             seen.streams[0].weights",
        )),
    }
}

/// Refuses labels that an output is lacking for.
pub(crate) fn in_range(data: &Dataset, labels: &[u32], outputs: usize) -> Result<()> {
    classes_below(labels, outputs).map_err(|error| error.at(format!("dataset {}", data.name())))
}

fn classes_below(classes: &[u32], outputs: usize) -> Result<()> {
    match classes
        .iter()
        .enumerate()
        .find(|&(_, &class)| class as usize >= outputs)
    {
        Some((row, class)) => Err(Error::data(format!(
            "label {class} is out of range: the network has {outputs} outputs, so expected 0 to {}",
            outputs.saturating_sub(1)
        ))
        .at(format!("example {}", row + 1))
        .fix("give the last layer as many units as there are classes")),
        None => Ok(()),
    }
}
