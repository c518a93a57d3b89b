//! Activation functions.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

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

// The plain names. Constants rather than the variants themselves: a constant leaves the name free as a type, so that
// `(Linear<32, 2>, Tanh)` from dfdx's documentation still means dfdx's layer. dfdx has `Tanh` and `Sigmoid` as values too:
// those two are not in the prelude.
macro_rules! names {
    ($($name:ident)*) => {$(
        #[doc = concat!("[`Activation::", stringify!($name), "`] by its plain name.")]
        #[allow(non_upper_case_globals)]
        pub const $name: Activation = Activation::$name;
    )*};
}
names!(Identity Relu Tanh Sigmoid Gelu);

impl Activation {
    /// How many columns of input make one unit: `k` for maxout, else 1.
    pub fn pieces(self) -> usize {
        match self {
            Activation::Maxout(k) => k,
            _ => 1,
        }
    }

    /// Refuses maxout of no pieces and a slope that is not a finite number.
    pub(super) fn validate(self) -> Result<()> {
        match self {
            Activation::Maxout(0) => Err(Error::spec("maxout of 0 pieces has no value: expected 1 or more")
                .fix("use Maxout(2) or more; Maxout(1) is linear")),
            Activation::LeakyRelu(slope) if !slope.is_finite() => Err(Error::spec(format!(
                "the slope of a leaky ReLU is {slope}: expected a finite number, usually 0.01"
            ))),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Activation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Activation::Identity => f.write_str("identity"),
            Activation::Relu => f.write_str("relu"),
            Activation::LeakyRelu(slope) => write!(f, "leaky relu {slope}"),
            Activation::Tanh => f.write_str("tanh"),
            Activation::Sigmoid => f.write_str("sigmoid"),
            Activation::Gelu => f.write_str("gelu"),
            Activation::Maxout(k) => write!(f, "maxout {k}"),
        }
    }
}
