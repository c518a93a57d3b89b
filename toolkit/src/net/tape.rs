//! The bridge to dfdx: a whole network as one op on its tape, and losses written in dfdx.

use dfdx::prelude::{AsArray, Backward, Cpu, OwnedTape, Rank0, Tensor, TensorFromVec, Trace};

use crate::{Error, Result};

/// Logits on their way into a loss written in dfdx.
pub type Logits = Tensor<(usize, usize), f32, Cpu, OwnedTape<f32, Cpu>>;

/// What a loss written in dfdx returns.
pub type LossValue = Tensor<Rank0, f32, Cpu, OwnedTape<f32, Cpu>>;

/// Runs a loss written in dfdx on `logits`, rows x `outputs`, and gives its value; d loss / d logits goes
/// to `gradient`, as long as `logits`.
pub fn value_and_gradient(
    logits: &[f32],
    outputs: usize,
    gradient: &mut [f32],
    loss: impl FnOnce(Logits) -> LossValue,
) -> Result<f32> {
    if outputs == 0 || !logits.len().is_multiple_of(outputs) || gradient.len() != logits.len() {
        return Err(Error::data(format!(
            "{} logits and a gradient of {} numbers: expected the same count, a multiple of {outputs}",
            logits.len(),
            gradient.len()
        )));
    }
    let device = Cpu::default();
    let shape = (logits.len() / outputs, outputs);
    let leaf = device.tensor_from_vec(logits.to_vec(), shape);
    let result = loss(leaf.leaky_trace());
    let value = result.array();
    let mut gradients = result.backward();
    let found = gradients
        .get_or_alloc_mut(&leaf)
        .map_err(|e| Error::spec(format!("{e:?}")))?;
    gradient.copy_from_slice(found);
    Ok(value)
}
