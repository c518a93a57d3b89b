//! Activations as layers.

use std::fmt;

use super::{Behind, Places, Read, Rules, with_channels};
use crate::data::Shape;
use crate::net::Activation;
use crate::net::graph::channels_of;
use crate::{Error, Result};

impl Rules for Activation {
    fn validate(&self) -> Result<()> {
        Activation::validate(*self)
    }

    fn shape(&self, read: &Read<'_>) -> Result<Shape> {
        let k = self.pieces().max(1);
        let channels = channels_of(read.first);
        if !channels.is_multiple_of(k) {
            return Err(Error::spec(format!(
                "maxout of {k} pieces gets {channels} columns: expected a multiple of {k}"
            ))
            .fix(format!("give the layer before it units x {k} columns")));
        }
        Ok(with_channels(read.first, channels / k))
    }

    fn words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }

    fn order(&self, behind: &Behind<'_>) -> Result<Places> {
        match behind.first()? {
            Some(_) if self.pieces() > 1 => Err(behind.untold("maxout of what a flatten layer puts out")),
            order => Ok(order),
        }
    }
}
