//! Activation functions.

mod curves;

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
    /// x, but -1 below -1 and 1 above 1 (Collobert 2004).
    #[doc(alias = "Hardtanh")]
    #[doc(alias = "hard_tanh")]
    HardTanh,
    /// x / (1 + |x|) (Bergstra et al. 2009).
    Softsign,
    /// x for x > 0, else `alpha` * (exp(x) - 1), usually with `alpha` 1 (Clevert et al. 2016).
    #[doc(alias = "ELU")]
    Elu(f32),
    /// [`SELU_SCALE`] times the ELU of `alpha` [`SELU_ALPHA`]: activations near mean 0 and variance 1 are drawn to both
    /// (Klambauer et al. 2017). It wants weights that start as [`Init::LecunNormal`](super::Init::LecunNormal).
    #[doc(alias = "SELU")]
    Selu,
    /// x * sigmoid(x) (Elfwing et al. 2018), also known as swish (Ramachandran et al. 2017).
    #[doc(alias = "SiLU")]
    #[doc(alias = "swish")]
    #[doc(alias = "Swish")]
    Silu,
    /// x * tanh(ln(1 + exp(x))) (Misra 2020).
    Mish,
    /// The largest of `k` linear pieces (Goodfellow et al. 2013): the dense layer before it has k times
    /// as many columns, piece j of unit i in column i * k + j.
    Maxout(usize),
}

/// The slope of [`Activation::Selu`] above 0: lambda of Klambauer et al. 2017, equation 14.
pub const SELU_SCALE: f32 = 1.050_701;

/// The alpha of [`Activation::Selu`] (Klambauer et al. 2017, equation 14).
pub const SELU_ALPHA: f32 = 1.673_263_2;

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
names!(Identity Relu Tanh Sigmoid Gelu HardTanh Softsign Selu Silu Mish);

impl Activation {
    /// How many columns of input make one unit: `k` for maxout, else 1.
    pub fn pieces(self) -> usize {
        match self {
            Activation::Maxout(k) => k,
            _ => 1,
        }
    }

    /// Refuses maxout of no pieces, a slope that is not a finite number, and an alpha that is not or is below 0.
    pub(super) fn validate(self) -> Result<()> {
        match self {
            Activation::Maxout(0) => Err(Error::spec("maxout of 0 pieces has no value: expected 1 or more")
                .fix("use Maxout(2) or more; Maxout(1) is linear")),
            Activation::LeakyRelu(slope) if !slope.is_finite() => Err(Error::spec(format!(
                "the slope of a leaky ReLU is {slope}: expected a finite number, usually 0.01"
            ))),
            Activation::Elu(alpha) if !(alpha.is_finite() && alpha >= 0.0) => Err(Error::spec(format!(
                "the alpha of an ELU is {alpha}: expected a finite number from 0 on, usually 1"
            ))
            .fix("use Elu(1.0)")),
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
            Activation::HardTanh => f.write_str("hard tanh"),
            Activation::Softsign => f.write_str("softsign"),
            Activation::Elu(alpha) => write!(f, "elu {alpha}"),
            Activation::Selu => f.write_str("selu"),
            Activation::Silu => f.write_str("silu"),
            Activation::Mish => f.write_str("mish"),
            Activation::Maxout(k) => write!(f, "maxout {k}"),
        }
    }
}
