//! [`Number`]: what a setter takes, so that literals, counts and study settings all fit.

use crate::{Error, Result};

/// 2^53: beyond it neighbouring whole numbers are one and the same `f64`.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A number given to a setter of a network, a recipe or a study. Plain literals fit, and so do settings of a study
/// ([`Value`](crate::study::Value)), which may turn out not to be numbers: the setter keeps the error and the call that
/// needs the number reports it.
pub trait Number: Sized {
    /// The value as `f64`.
    ///
    /// # Errors
    /// When it is no number, or an integer that `f64` cannot hold exactly.
    fn number(self) -> Result<f64>;

    /// The value as a whole number of `least` or more, exactly.
    ///
    /// # Errors
    /// When it is none.
    fn whole(self, least: u64) -> Result<u64>;
}

macro_rules! integers {
    ($($kind:ty),*) => {$(
        impl Number for $kind {
            fn number(self) -> Result<f64> {
                let value = self as f64;
                match value.abs() <= EXACT && value as i128 == self as i128 {
                    true => Ok(value),
                    false => Err(Error::spec(format!("expected a number up to 2^53, found {self}"))),
                }
            }

            fn whole(self, least: u64) -> Result<u64> {
                let whole = u64::try_from(self).ok().filter(|&whole| whole >= least);
                whole.ok_or_else(|| not_whole(least, self))
            }
        }
    )*};
}

integers!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);

impl Number for f64 {
    fn number(self) -> Result<f64> {
        Ok(self)
    }

    fn whole(self, least: u64) -> Result<u64> {
        let fits = self.fract() == 0.0 && (0.0..=EXACT).contains(&self) && self as u64 >= least;
        match fits {
            true => Ok(self as u64),
            false => Err(not_whole(least, self)),
        }
    }
}

impl Number for f32 {
    /// Through the shortest decimal form, so that `0.1_f32` means 0.1.
    fn number(self) -> Result<f64> {
        Ok(self.to_string().parse().unwrap_or(f64::from(self)))
    }

    fn whole(self, least: u64) -> Result<u64> {
        f64::from(self).whole(least)
    }
}

fn not_whole(least: u64, found: impl std::fmt::Display) -> Error {
    Error::spec(format!(
        "expected a whole number of at least {least}, found {found}"
    ))
}

/// `value` for the setter that `place` names in an error.
pub(crate) fn number(place: &str, value: impl Number) -> Result<f64> {
    value.number().map_err(|error| error.within(place))
}

/// `value` as a count of at least `least`, for the setter that `place` names in an error.
pub(crate) fn count(place: &str, value: impl Number, least: usize) -> Result<usize> {
    let whole = value.whole(least as u64);
    // Where a usize is shorter, what it cannot hold is more than there can be of anything.
    whole
        .map(|whole| usize::try_from(whole).unwrap_or(usize::MAX))
        .map_err(|error| error.within(place))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::Value;

    #[test]
    fn numbers_of_every_type_arrive_exactly() {
        assert_eq!(0.1_f32.number(), Ok(0.1));
        assert_eq!((3_u8).number(), Ok(3.0));
        assert_eq!(u64::MAX.whole(0), Ok(u64::MAX));
        assert_eq!(16.0.whole(1), Ok(16));
        assert_eq!(Value::from(16.0).whole(1), Ok(16));
        assert_eq!(Number::number(Value::from(3)), Ok(3.0));
        assert!(u64::MAX.number().is_err() && (EXACT as u64 + 1).number().is_err());
    }

    #[test]
    fn what_is_no_such_number_is_an_error_with_its_places() {
        for error in [
            (-1).whole(0).unwrap_err(),
            0.whole(1).unwrap_err(),
            0.5.whole(0).unwrap_err(),
            f64::NAN.whole(0).unwrap_err(),
            f64::INFINITY.whole(0).unwrap_err(),
            Value::from(0.5).whole(0).unwrap_err(),
            Value::from(-1).whole(0).unwrap_err(),
        ] {
            assert!(error.to_string().contains("whole number of at least"), "{error}");
        }
        let error = count("recipe, batch", Value::from(0.5).named("rows"), 1)
            .unwrap_err()
            .to_string();
        for word in ["at least 1, found 0.5", "recipe, batch, setting \"rows\""] {
            assert!(error.contains(word), "no {word:?} in: {error}");
        }
        let error = number("recipe, l2", Value::from("much").named("l2"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("expected a number, found much"), "{error}");
    }
}
