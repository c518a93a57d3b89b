//! Initial weights.

use serde::{Deserialize, Serialize};

/// How the weights of a layer start. Fan-in is the number of inputs of a unit, fan-out the number of
/// units it feeds.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Init {
    /// All zero.
    Zeros,
    /// All this value.
    Constant(f32),
    /// Normal with mean 0 and this standard deviation.
    Normal(f32),
    /// Uniform in [-a, a).
    Uniform(f32),
    /// Uniform in +-1/sqrt(fan-in) (LeCun et al. 1998; PyTorch's default for linear layers).
    FanUniform,
    /// Uniform in +-sqrt(6 / (fan-in + fan-out)) (Glorot and Bengio 2010).
    XavierUniform,
    /// Normal with sd sqrt(2 / (fan-in + fan-out)) (Glorot and Bengio 2010).
    XavierNormal,
    /// Uniform in +-sqrt(6 / fan-in) (He et al. 2015).
    HeUniform,
    /// Normal with sd sqrt(2 / fan-in) (He et al. 2015).
    HeNormal,
    /// Uniform in +-0.5 / width, width being the embedding's (word2vec, Mikolov et al. 2013).
    Word2Vec,
}
