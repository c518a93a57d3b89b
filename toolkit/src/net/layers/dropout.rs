//! What drops at random in training: single numbers, whole channels, or all an example has in a branch.

use std::fmt;

use super::{Behind, Places, Read, Rules, image};
use crate::data::Shape;
use crate::net::LayerKind;
use crate::{Error, Result};

/// Each number by itself.
pub(super) struct Dropout(pub f32);

/// Each channel of an image as a whole.
pub(super) struct SpatialDropout(pub f32);

/// An example as a whole.
pub(super) struct DropPath(pub f32);

impl Rules for Dropout {
    fn validate(&self) -> Result<()> {
        check_dropout("dropout", f64::from(self.0))
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

impl Rules for SpatialDropout {
    fn validate(&self) -> Result<()> {
        check_dropout("spatial dropout", f64::from(self.0))
    }

    fn shape(&self, read: &Read<'_>) -> Result<Shape> {
        image(read.first, "spatial dropout")?;
        Ok(read.first)
    }

    fn words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "spatial dropout {}", self.0)
    }

    fn order(&self, behind: &Behind<'_>) -> Result<Places> {
        behind.first()
    }
}

impl Rules for DropPath {
    fn validate(&self) -> Result<()> {
        check_dropout("drop path", f64::from(self.0))
    }

    fn shape(&self, read: &Read<'_>) -> Result<Shape> {
        Ok(read.first)
    }

    fn words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "drop path {}", self.0)
    }

    fn order(&self, behind: &Behind<'_>) -> Result<Places> {
        behind.first()
    }
}

impl LayerKind {
    /// The probability with which it drops what it reads in training, and does nothing else; none for other kinds.
    pub(crate) fn drops(&self) -> Option<f32> {
        match *self {
            LayerKind::Dropout(p) | LayerKind::SpatialDropout(p) | LayerKind::DropPath(p) => Some(p),
            _ => None,
        }
    }
}

/// Whether `p`, of what is called `what`, is a probability below 1: with p = 1 nothing would be left.
pub(in crate::net) fn check_dropout(what: &str, p: f64) -> Result<()> {
    if (0.0..1.0).contains(&p) {
        return Ok(());
    }
    Err(Error::spec(format!(
        "the {what} probability is {p}: expected at least 0 and less than 1"
    ))
    .fix("0.2 to 0.5 is usual"))
}
