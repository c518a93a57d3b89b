//! Gradient reversal.

use std::fmt;

use super::{Behind, Places, Read, Rules};
use crate::data::Shape;
use crate::{Error, Result};

pub(super) struct ReverseGradient(pub f32);

impl Rules for ReverseGradient {
    fn validate(&self) -> Result<()> {
        let strength = self.0;
        if strength >= 0.0 && strength.is_finite() {
            return Ok(());
        }
        Err(Error::spec(format!(
            "the strength of a gradient's reversal is {strength}: expected a finite number of 0 or more"
        )))
    }

    fn shape(&self, read: &Read<'_>) -> Result<Shape> {
        Ok(read.first)
    }

    fn words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reverse gradient {}", self.0)
    }

    fn order(&self, behind: &Behind<'_>) -> Result<Places> {
        behind.first()
    }
}
