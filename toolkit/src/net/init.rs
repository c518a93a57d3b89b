//! Initial weights.

mod matrix;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::seed::{Rng, normal_pair, uniform};
use crate::{Error, Result};

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
    /// Uniform in [-a, a), drawn in f64: rounded to f32, a number next to a may become a itself. So for the
    /// other uniform laws.
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
    /// Uniform in +-sqrt(3 / fan-in) (LeCun et al. 1998).
    #[doc(alias = "lecun_uniform")]
    LecunUniform,
    /// Normal with sd sqrt(1 / fan-in) (LeCun et al. 1998): what [`Activation::Selu`](super::Activation::Selu) wants.
    #[doc(alias = "lecun_normal")]
    LecunNormal,
    /// `gain` times a random matrix whose columns, one a unit, have length 1 and stand at right angles to each other, or its
    /// rows where there are fewer inputs than units (Saxe et al. 2014), uniform among all such matrices (Mezzadri 2007).
    /// The gain is usually 1, and sqrt(2) before a ReLU. The kernels of a convolution are the columns, each of
    /// height x width x channels in; with groups as well, as PyTorch has it.
    #[doc(alias = "orthogonal_")]
    Orthogonal(f32),
    /// For each unit so many inputs, drawn without repetition, with normal weights of this standard deviation; all other
    /// weights are 0 (Martens 2010, section 5: 15 and 1). Where there are fewer inputs, all have one.
    #[doc(alias = "sparse_")]
    Sparse(usize, f32),
    /// Uniform in +-0.5 / width, width being the embedding's (word2vec, Mikolov et al. 2013).
    Word2Vec,
}

/// The largest spread: every draw stays finite in f32 (a normal one is at most 8.6 standard deviations out).
const MAX_SPREAD: f32 = 1e30;

/// What an [`Init`] comes down to once the shape is known.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Law {
    Constant(f32),
    Normal { sd: f64 },
    Uniform { bound: f64 },
    Orthogonal { gain: f32 },
    Sparse { count: usize, sd: f32 },
}

impl Init {
    /// Fills `values`, a tensor of a layer with `inputs` inputs and `units` units, from `rng`. The width
    /// that [`Init::Word2Vec`] asks for is `units`. [`Init::Orthogonal`] and [`Init::Sparse`] take `values` for a matrix of
    /// `inputs` rows, row-major, as dense layers and convolutions have their weights.
    pub fn fill(self, values: &mut [f32], inputs: usize, units: usize, rng: &mut Rng) {
        match self.law(inputs, units) {
            Law::Orthogonal { gain } => matrix::orthogonal(values, inputs, gain, rng),
            Law::Sparse { count, sd } => matrix::sparse(values, inputs, count, sd, rng),
            Law::Constant(value) => values.fill(value),
            Law::Uniform { bound } => values
                .iter_mut()
                .for_each(|v| *v = (bound * (2.0 * uniform(rng) - 1.0)) as f32),
            Law::Normal { sd } => {
                for pair in values.chunks_mut(2) {
                    let (a, b) = normal_pair(rng);
                    pair[0] = (sd * a) as f32;
                    if let Some(second) = pair.get_mut(1) {
                        *second = (sd * b) as f32;
                    }
                }
            }
        }
    }

    fn law(self, inputs: usize, units: usize) -> Law {
        let (fan_in, fan_out) = (inputs.max(1) as f64, units.max(1) as f64);
        match self {
            Init::Zeros => Law::Constant(0.0),
            Init::Constant(value) => Law::Constant(value),
            Init::Normal(sd) => Law::Normal { sd: sd as f64 },
            Init::Uniform(bound) => Law::Uniform { bound: bound as f64 },
            Init::FanUniform => Law::Uniform {
                bound: (1.0 / fan_in).sqrt(),
            },
            Init::XavierUniform => Law::Uniform {
                bound: (6.0 / (fan_in + fan_out)).sqrt(),
            },
            Init::XavierNormal => Law::Normal {
                sd: (2.0 / (fan_in + fan_out)).sqrt(),
            },
            Init::HeUniform => Law::Uniform {
                bound: (6.0 / fan_in).sqrt(),
            },
            Init::HeNormal => Law::Normal {
                sd: (2.0 / fan_in).sqrt(),
            },
            Init::LecunUniform => Law::Uniform {
                bound: (3.0 / fan_in).sqrt(),
            },
            Init::LecunNormal => Law::Normal {
                sd: (1.0 / fan_in).sqrt(),
            },
            Init::Orthogonal(gain) => Law::Orthogonal { gain },
            Init::Sparse(count, sd) => Law::Sparse { count, sd },
            Init::Word2Vec => Law::Uniform { bound: 0.5 / fan_out },
        }
    }

    /// Refuses numbers that are not finite, and spreads below zero or so large that draws would not be.
    pub(super) fn validate(self) -> Result<()> {
        match self {
            Init::Constant(value) if !value.is_finite() => Err(Error::spec(format!(
                "the initial constant is {value}: expected a finite number"
            ))),
            Init::Normal(sd) if !(0.0..=MAX_SPREAD).contains(&sd) => Err(Error::spec(format!(
                "the standard deviation of the initial weights is {sd}: expected 0 to {MAX_SPREAD:e}"
            ))),
            Init::Uniform(a) if !(0.0..=MAX_SPREAD).contains(&a) => Err(Error::spec(format!(
                "the bound of the initial weights is {a}: expected 0 to {MAX_SPREAD:e}"
            ))),
            Init::Orthogonal(gain) if !(0.0..=MAX_SPREAD).contains(&gain) => Err(Error::spec(format!(
                "the gain of the orthogonal initial weights is {gain}: expected 0 to {MAX_SPREAD:e}, usually 1"
            ))),
            Init::Sparse(0, _) => Err(Error::spec(
                "sparse initial weights of 0 inputs for each unit are all 0: expected 1 or more",
            )
            .fix("use Sparse(15, 1.0)")),
            Init::Sparse(_, sd) if !(0.0..=MAX_SPREAD).contains(&sd) => Err(Error::spec(format!(
                "the standard deviation of the sparse initial weights is {sd}: expected 0 to {MAX_SPREAD:e}"
            ))),
            _ => Ok(()),
        }
    }

    /// As [`validate`](Self::validate), for numbers that are no matrix: biases and slopes.
    pub(super) fn validate_plain(self, what: &str) -> Result<()> {
        match self {
            Init::Orthogonal(_) | Init::Sparse(..) => Err(Error::spec(format!(
                "{what} cannot start {self}: that is for a matrix of weights"
            ))
            .fix("start them as Zeros or Constant(value)")),
            _ => self.validate(),
        }
    }
}

impl fmt::Display for Init {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Init::Zeros => f.write_str("zeros"),
            Init::Constant(value) => write!(f, "constant {value}"),
            Init::Normal(sd) => write!(f, "normal {sd}"),
            Init::Uniform(a) => write!(f, "uniform {a}"),
            Init::FanUniform => f.write_str("fan uniform"),
            Init::XavierUniform => f.write_str("xavier uniform"),
            Init::XavierNormal => f.write_str("xavier normal"),
            Init::HeUniform => f.write_str("he uniform"),
            Init::HeNormal => f.write_str("he normal"),
            Init::LecunUniform => f.write_str("lecun uniform"),
            Init::LecunNormal => f.write_str("lecun normal"),
            Init::Orthogonal(gain) => write!(f, "orthogonal {gain}"),
            Init::Sparse(count, sd) => write!(f, "sparse {count} of {sd}"),
            Init::Word2Vec => f.write_str("word2vec"),
        }
    }
}
