//! Norms by the statistics of each example alone: layer, group and instance norm.

use std::fmt;

use super::batch_norm::scale_and_shift;
use super::{Behind, Order, Places, Read, Rules, Tensor, check_epsilon, image};
use crate::data::Shape;
use crate::net::graph::channels_of;
use crate::{Error, Result};

/// Over the channels of each pixel, or over plain numbers.
pub(super) struct LayerNorm {
    pub epsilon: f32,
}

/// Over all pixels of an image, group by group of its channels.
pub(super) struct GroupNorm {
    pub groups: usize,
    pub epsilon: f32,
}

/// Over all pixels of an image, channel by channel.
pub(super) struct InstanceNorm {
    pub epsilon: f32,
}

impl Rules for LayerNorm {
    fn validate(&self) -> Result<()> {
        check_epsilon(self.epsilon, "layer norm")
    }

    fn shape(&self, read: &Read<'_>) -> Result<Shape> {
        several(channels_of(read.first), "layer norm")?;
        Ok(read.first)
    }

    fn tensors(&self, read: Shape) -> Vec<Tensor> {
        scale_and_shift(read)
    }

    fn words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("layer norm")
    }

    fn order(&self, behind: &Behind<'_>) -> Result<Places> {
        behind.first()
    }
}

impl Rules for GroupNorm {
    fn validate(&self) -> Result<()> {
        check_epsilon(self.epsilon, "group norm")
    }

    fn shape(&self, read: &Read<'_>) -> Result<Shape> {
        let (groups, channels) = (self.groups, channels_of(read.first));
        if groups == 0 || !channels.is_multiple_of(groups) {
            return Err(Error::spec(format!(
                "{groups} groups of a group norm do not divide {channels} channels"
            ))
            .fix("choose groups that divide the channels, 1 for all together"));
        }
        several(read.first.width() / groups, "group norm")?;
        Ok(read.first)
    }

    fn tensors(&self, read: Shape) -> Vec<Tensor> {
        let mut tensors = scale_and_shift(read);
        if matches!(read, Shape::Flat(_)) && self.groups != 1 {
            // A group has its numbers side by side: in another order it would have others.
            tensors.iter_mut().for_each(|tensor| tensor.order = Order::Strict);
        }
        tensors
    }

    fn words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "group norm in {} groups", self.groups)
    }

    fn order(&self, behind: &Behind<'_>) -> Result<Places> {
        behind.first()
    }
}

impl Rules for InstanceNorm {
    fn validate(&self) -> Result<()> {
        check_epsilon(self.epsilon, "instance norm")
    }

    fn shape(&self, read: &Read<'_>) -> Result<Shape> {
        let ([height, width], _) = image(read.first, "instance norm")?;
        several(height * width, "instance norm")?;
        Ok(read.first)
    }

    fn tensors(&self, read: Shape) -> Vec<Tensor> {
        scale_and_shift(read)
    }

    fn words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("instance norm")
    }

    fn order(&self, behind: &Behind<'_>) -> Result<Places> {
        behind.first()
    }
}

/// Refuses to normalize a number by itself: it would always be 0.
fn several(numbers: usize, who: &str) -> Result<()> {
    if numbers > 1 {
        return Ok(());
    }
    Err(Error::spec(format!(
        "{who} normalizes {numbers} number by its own mean: expected 2 or more"
    ))
    .fix("use fewer groups, more units or channels, or leave the norm out"))
}
