//! Larger images by repetition.

use std::fmt;

use super::{Read, Rules, image};
use crate::data::Shape;
use crate::net::validate::MAX_WIDTH;
use crate::{Error, Result};

pub(super) struct Upsample(pub [usize; 2]);

impl Rules for Upsample {
    fn validate(&self) -> Result<()> {
        let [down, across] = self.0;
        if self.0.iter().all(|factor| (1..=MAX_WIDTH).contains(factor)) {
            return Ok(());
        }
        Err(Error::spec(format!(
            "an image cannot be made {down} x {across} times as large: expected factors from 1 to {MAX_WIDTH}"
        )))
    }

    fn shape(&self, read: &Read<'_>) -> Result<Shape> {
        let ([height, width], channels) = image(read.first, "upsampling")?;
        Ok(Shape::Image {
            height: height.saturating_mul(self.0[0]),
            width: width.saturating_mul(self.0[1]),
            channels,
        })
    }

    fn words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "upsample {}x{}", self.0[0], self.0[1])
    }
}
