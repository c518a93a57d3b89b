//! Standard losses fused: the value and the gradient by the logits in one pass.

use super::{Loss, Targets};

impl Loss {
    /// The loss of a batch, and d loss / d logits into `grad`. `logits` and `grad` are rows x outputs.
    /// Targets that [`Loss::check`] refuses give NaN.
    pub fn value_and_gradient(&self, logits: &[f32], targets: Targets<'_>, grad: &mut [f32]) -> f32 {
        let _ = (logits, targets, grad);
        todo!()
    }

    /// The loss of a batch alone.
    pub fn value(&self, logits: &[f32], targets: Targets<'_>) -> f32 {
        let _ = (logits, targets);
        todo!()
    }
}
