//! Activation functions.

use serde::{Deserialize, Serialize};

/// What a unit does with its sum. Element-wise, except maxout.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Activation {
    /// The sum itself.
    Identity,
    /// max(0, x).
    Relu,
    /// x for x > 0, else `slope` * x (Maas et al. 2013).
    LeakyRelu(f32),
    /// Hyperbolic tangent.
    Tanh,
    /// 1 / (1 + exp(-x)).
    Sigmoid,
    /// x * Phi(x), exact form with erf (Hendrycks and Gimpel 2016).
    Gelu,
    /// The largest of `k` linear pieces (Goodfellow et al. 2013): the dense layer before it has k times
    /// as many columns, piece j of unit i in column i * k + j.
    Maxout(usize),
}
