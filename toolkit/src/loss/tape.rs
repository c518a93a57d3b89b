//! Objectives written in dfdx: closures over tensors with a tape.

use dfdx::prelude::{Cpu, Tensor, TensorFromVec};

use super::{Objective, Seen};
use crate::data::{Dataset, Targets};
use crate::net::tape::{Logits, LossValue, value_and_gradient, value_and_gradients};
use crate::{Error, Result};

/// The targets of a batch for a loss written in dfdx, rows x classes: 1 for the class of the row, else 0; shares and
/// values as they are.
#[doc(alias = "one_hot")]
pub type OneHot = Tensor<(usize, usize), f32, Cpu>;

/// A loss of the network's outputs and the targets as a table: what `train_with` takes.
pub(crate) struct WithTable<F> {
    loss: F,
    device: Cpu,
}

impl<F: FnMut(Logits, OneHot) -> LossValue> WithTable<F> {
    pub fn new(loss: F) -> Self {
        Self {
            loss,
            device: Cpu::default(),
        }
    }
}

impl<F: FnMut(Logits, OneHot) -> LossValue> Objective for WithTable<F> {
    fn check(&mut self, data: &[&Dataset], widths: &[usize]) -> Result<()> {
        match data[0].targets() {
            Targets::None => Err(super::lacking(data[0])),
            Targets::Classes(labels) => super::in_range(data[0], labels, widths[0]),
            _ => Ok(()),
        }
    }

    fn value(&mut self, seen: &Seen<'_>, slopes: &mut [&mut [f32]]) -> Result<f64> {
        let part = &seen.streams[0];
        super::unweighted(part)?;
        let rows = part.range.len();
        let (table, width) = match part.targets {
            Targets::Classes(labels) => (one_hot(labels, seen.widths[0]), seen.widths[0]),
            Targets::Shares { shares: table, .. } | Targets::Values(table) => {
                (table.to_vec(), table.len() / rows.max(1))
            }
            Targets::None => return Err(Error::data("expected targets, found none")),
        };
        let targets = self.device.tensor_from_vec(table, (rows, width));
        let loss = |logits| (self.loss)(logits, targets);
        value_and_gradient(seen.output(0, 0), seen.widths[0], slopes[0], loss).map(f64::from)
    }
}

/// A closure over dfdx tensors as an objective: see [`on_tape`].
pub struct OnTape<F> {
    taps: Vec<String>,
    streams: usize,
    loss: F,
}

/// An objective written in dfdx: `loss` is given what the layers `taps` (none: the network) put out for the batch, each
/// rows x width on dfdx's tape, and what else is [`Seen`] of it, and gives the mean loss. It must come from those tensors:
/// a loss that leaves their tape is refused.
///
/// ```
/// use jook::loss::{Seen, on_tape};
/// use jook::net::tape::Logits;
/// use dfdx::prelude::*;
/// let small = on_tape(["dense1"], |outputs: Vec<Logits>, _: &Seen<'_>| outputs[0].with_empty_tape().square().mean());
/// # let _ = small;
/// ```
pub fn on_tape<S, F>(taps: impl IntoIterator<Item = S>, loss: F) -> OnTape<F>
where
    S: Into<String>,
    F: FnMut(Vec<Logits>, &Seen<'_>) -> LossValue,
{
    OnTape {
        taps: taps.into_iter().map(Into::into).collect(),
        streams: 1,
        loss,
    }
}

impl<F> OnTape<F> {
    /// Looks at so many streams of data.
    pub fn of_streams(mut self, streams: usize) -> Self {
        self.streams = streams;
        self
    }
}

impl<F: FnMut(Vec<Logits>, &Seen<'_>) -> LossValue> Objective for OnTape<F> {
    fn taps(&self) -> Vec<String> {
        self.taps.clone()
    }

    fn streams(&self) -> usize {
        self.streams
    }

    fn value(&mut self, seen: &Seen<'_>, slopes: &mut [&mut [f32]]) -> Result<f64> {
        let outputs: Vec<(&[f32], usize)> = seen
            .outputs
            .iter()
            .copied()
            .zip(seen.widths.iter().copied())
            .collect();
        value_and_gradients(&outputs, slopes, |outputs| (self.loss)(outputs, seen))
    }

    fn classifies(&self) -> Option<usize> {
        self.taps.is_empty().then_some(0)
    }
}

/// Labels as rows of zeros with a 1.
pub(crate) fn one_hot(labels: &[u32], classes: usize) -> Vec<f32> {
    let mut values = vec![0.0; labels.len() * classes];
    for (row, &label) in values.chunks_exact_mut(classes).zip(labels) {
        row[label as usize] = 1.0;
    }
    values
}
