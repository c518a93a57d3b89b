//! Constant factors and summands, one of each a channel.

use std::fmt;

use super::{Behind, Places, Read, Rules};
use crate::data::Shape;
use crate::net::graph::channels_of;
use crate::{Error, Result};

pub(super) struct Affine<'a> {
    pub scale: &'a [f32],
    pub shift: &'a [f32],
}

impl Rules for Affine<'_> {
    fn validate(&self) -> Result<()> {
        match self.scale.iter().chain(self.shift).find(|x| !x.is_finite()) {
            None => Ok(()),
            Some(x) => Err(Error::spec(format!(
                "affine has the constant {x}: expected finite numbers"
            ))),
        }
    }

    fn shape(&self, read: &Read<'_>) -> Result<Shape> {
        let channels = channels_of(read.first);
        if self.scale.len() != channels || self.shift.len() != channels {
            return Err(Error::spec(format!(
                "affine has {} factors and {} summands for {channels} channels",
                self.scale.len(),
                self.shift.len()
            )));
        }
        Ok(read.first)
    }

    fn words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("affine")
    }

    fn order(&self, behind: &Behind<'_>) -> Result<Places> {
        behind.first()
    }
}
