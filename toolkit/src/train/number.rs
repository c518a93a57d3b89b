//! [`Number`]: what a setter of a recipe takes, so that literals, counts and study settings all fit.

use crate::{Error, Result};

/// A number given to a setter. Plain literals fit, and so do settings of a study, which may turn out
/// not to be numbers: the setter keeps the error and the training call reports it.
pub trait Number {
    /// The value as `f64`.
    ///
    /// # Errors
    /// When it is no number, or an integer that `f64` cannot hold exactly.
    fn number(self) -> Result<f64>;
}

macro_rules! exact {
    ($($kind:ty),*) => {$(
        impl Number for $kind {
            fn number(self) -> Result<f64> {
                Ok(f64::from(self))
            }
        }
    )*};
}

macro_rules! checked {
    ($($kind:ty),*) => {$(
        impl Number for $kind {
            fn number(self) -> Result<f64> {
                let value = self as f64;
                // Above 2^53 neighbouring integers fall together.
                if value.abs() <= 9_007_199_254_740_992.0 {
                    Ok(value)
                } else {
                    Err(Error::spec(format!("expected a number up to 2^53, found {self}")))
                }
            }
        }
    )*};
}

exact!(f64, u8, u16, u32, i8, i16, i32);
checked!(u64, i64, usize, isize);

impl Number for f32 {
    /// Through the shortest decimal form, so that `0.1_f32` means 0.1.
    fn number(self) -> Result<f64> {
        Ok(self.to_string().parse().unwrap_or(f64::from(self)))
    }
}

/// `value` as a whole number of at least `least`; `what` names the setter in the error.
pub(super) fn whole(what: &str, value: f64, least: usize) -> Result<usize> {
    let fits = value.fract() == 0.0 && value >= least as f64 && value <= 9_007_199_254_740_992.0;
    if fits {
        Ok(value as usize)
    } else {
        Err(Error::spec(format!(
            "expected a whole number of at least {least}, found {value}"
        ))
        .at(what))
    }
}
