//! Optimizers: how gradients change parameters. [`Rule`] has the rules that come with Jook, as data for a recipe;
//! [`UpdateRule`] is what they implement, and what a rule of one's own implements; [`Optimizer`] applies one to the
//! tensors of a model, with rates and penalties by [`Group`], and clipping.
//!
//! Penalties (`l1`, `l2`, `decay`) act on weights alone, not on biases and not on the scales and shifts of norms, which
//! they would only harm (as timm and fastai have it; PyTorch's `weight_decay` acts on all). A group that names them
//! says otherwise: `recipe.l2_of("*", 1e-4)` is PyTorch's.

mod fused;
mod group;
mod lamb;
mod muon;
mod optimizer;
mod rule;
mod schedule_free;
#[cfg(test)]
mod tests;

pub use group::Group;
pub(crate) use group::Settings;
pub use optimizer::{Optimizer, Update};
pub use rule::Rule;

/// One tensor at one update, or a run of neighbours that are treated alike.
pub struct TensorStep<'a> {
    /// The parameters, to change.
    pub parameters: &'a mut [f32],
    /// d loss / d parameters, after clipping. A rule that does not [penalize](UpdateRule::penalizes) finds the penalties'
    /// gradients in it.
    pub gradients: &'a [f32],
    /// What the rule remembers, each as long as the parameters; zeros at first.
    pub states: &'a mut [&'a mut [f32]],
    /// The tensor's sizes, row-major (inputs x units of a dense layer); of a run of neighbours its length alone.
    pub shape: &'a [usize],
    /// Rows and columns of the tensor as a matrix, where it is the weights of a hidden layer: not those of an embedding or
    /// of the last layer that has any, and of two sizes or more. Of a convolution, the columns are its channels.
    pub hidden: Option<(usize, usize)>,
    /// The rate of this update: schedule and group are in it.
    pub rate: f64,
    /// The momentum (or beta1) of this update, where the schedule changes it; none: the rule's own.
    pub momentum: Option<f64>,
    /// The number of the update, from 1.
    pub step: u64,
    /// Weight of the penalty l1 * sum |p|, for rules that penalize to add; 0 for others.
    pub l1: f32,
    /// Weight of the penalty l2 / 2 * sum p^2, for rules that penalize to add; 0 for others.
    pub l2: f32,
    /// Decoupled decay (Loshchilov and Hutter 2019): p -= rate * decay * p before the update, for rules that
    /// penalize; 0 for others.
    pub decay: f32,
}

/// How a gradient changes a tensor. Implement it for a rule of one's own.
///
/// ```
/// use jook::optim::{TensorStep, UpdateRule};
///
/// /// Takes the sign of the gradient alone (Bernstein et al. 2018).
/// struct SignSgd;
///
/// impl UpdateRule for SignSgd {
///     fn states(&self) -> usize {
///         0
///     }
///
///     fn update(&self, tensor: TensorStep<'_>) {
///         for (p, g) in tensor.parameters.iter_mut().zip(tensor.gradients) {
///             *p -= tensor.rate as f32 * g.signum();
///         }
///     }
/// }
/// ```
pub trait UpdateRule: Send + Sync {
    /// How many numbers a parameter it remembers between updates.
    fn states(&self) -> usize;

    /// One update of one tensor.
    fn update(&self, tensor: TensorStep<'_>);

    /// Whether each parameter's update depends on its own numbers alone, and the rule itself adds the penalties:
    /// neighbouring tensors are then updated in one pass.
    fn elementwise(&self) -> bool {
        false
    }

    /// Whether the rule itself adds the penalties; for others the optimizer does before the update. An
    /// [elementwise](Self::elementwise) rule must.
    fn penalizes(&self) -> bool {
        self.elementwise()
    }

    /// The parameters that are given instead of those that are trained, at checks and in the result: of a rule that takes
    /// its gradients at one point and answers with another, from what it remembers; empty states are those before the first
    /// update. None: those that are trained.
    fn given(&self, _parameters: &[f32], _states: &[Vec<f32>]) -> Option<Vec<f32>> {
        None
    }
}

/// -1, 0 or 1; `f32::signum` calls 0 positive, which would push a zero weight away from zero.
fn sign(x: f32) -> f32 {
    f32::from(i8::from(x > 0.0) - i8::from(x < 0.0))
}
