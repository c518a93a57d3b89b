//! Images as plain numbers.

use std::fmt;

use super::{Behind, Places, Read, Rules};
use crate::Result;
use crate::data::Shape;

pub(super) struct Flatten;

impl Rules for Flatten {
    fn shape(&self, read: &Read<'_>) -> Result<Shape> {
        Ok(Shape::Flat(read.first.width()))
    }

    fn words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("flatten")
    }

    /// Channel by channel there, pixel by pixel here; but for what an embedding looked up.
    fn order(&self, behind: &Behind<'_>) -> Result<Places> {
        match (behind.read[0], behind.first()?) {
            (Shape::Flat(_), order) | (_, order @ Some(_)) => Ok(order),
            (
                Shape::Image {
                    height,
                    width,
                    channels,
                },
                None,
            ) => {
                let pixels = height * width;
                let order = |channel| (0..pixels).map(move |pixel| pixel * channels + channel);
                Ok((pixels > 1 && channels > 1).then(|| (0..channels).flat_map(order).collect()))
            }
        }
    }
}
