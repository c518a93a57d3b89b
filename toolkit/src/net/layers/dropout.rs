//! Dropout.

use std::fmt;

use super::{Behind, Places, Read, Rules};
use crate::data::Shape;
use crate::{Error, Result};

pub(super) struct Dropout(pub f32);

impl Rules for Dropout {
    fn validate(&self) -> Result<()> {
        check_dropout(f64::from(self.0))
    }

    fn shape(&self, read: &Read<'_>) -> Result<Shape> {
        Ok(read.first)
    }

    fn words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "dropout {}", self.0)
    }

    fn order(&self, behind: &Behind<'_>) -> Result<Places> {
        behind.first()
    }
}

/// Whether `p` is a probability below 1: with p = 1 nothing would be left.
pub(in crate::net) fn check_dropout(p: f64) -> Result<()> {
    if (0.0..1.0).contains(&p) {
        return Ok(());
    }
    Err(Error::spec(format!(
        "the dropout probability is {p}: expected at least 0 and less than 1"
    ))
    .fix("0.2 to 0.5 is usual"))
}
