//! Convolutions, and what their windows must fulfil.

use std::fmt;

use super::dense::weights_and_bias;
use super::{Order, Read, Rules, Tensor, image, without_bias};
use crate::data::Shape;
use crate::net::graph::channels_of;
use crate::net::validate::{MAX_WIDTH, width_in_range};
use crate::net::{Init, Window};
use crate::{Error, Result};

/// PyTorch's dimensions of a kernel, as places in ours: height x width x channels in x channels out here, channels
/// out x channels in x height x width there.
const KERNEL: [usize; 4] = [3, 2, 0, 1];

pub(super) struct Conv2d {
    pub channels: usize,
    pub window: Window,
    pub groups: usize,
    pub bias: bool,
    pub init: Init,
    pub bias_init: Init,
}

impl Rules for Conv2d {
    fn validate(&self) -> Result<()> {
        width_in_range(self.channels, "a convolution has", "channels")?;
        check_window(&self.window)?;
        self.init.validate()?;
        self.bias_init.validate_plain("biases")
    }

    fn shape(&self, read: &Read<'_>) -> Result<Shape> {
        let (size, inputs) = image(read.first, "a convolution")?;
        let (groups, channels) = (self.groups, self.channels);
        if groups == 0 || !inputs.is_multiple_of(groups) || !channels.is_multiple_of(groups) {
            return Err(Error::spec(format!(
                "{groups} groups do not divide {inputs} input and {channels} output channels"
            ))
            .fix("choose groups that divide both, 1 for all together"));
        }
        sized(
            self.window.outputs(size, false),
            channels,
            read.first,
            &self.window,
        )
    }

    fn tensors(&self, read: Shape) -> Vec<Tensor> {
        let [height, width] = self.window.kernel;
        let groups = self.groups.max(1);
        let (inputs, area) = (channels_of(read) / groups, self.window.area());
        let fans = [
            area.saturating_mul(inputs),
            area.saturating_mul(self.channels) / groups,
        ];
        weights_and_bias(
            vec![height, width, inputs, self.channels],
            Order::Axes(&KERNEL),
            fans,
            self.init,
            self.bias.then_some(self.bias_init),
        )
    }

    fn words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "conv {} to {}", self.window, self.channels)?;
        if self.groups != 1 {
            write!(f, " in {} groups", self.groups)?;
        }
        f.write_str(without_bias(self.bias))
    }
}

/// Sizes from 1 on, and none past what an image may have.
pub(super) fn check_window(window: &Window) -> Result<()> {
    let sizes = [window.kernel, window.stride, window.dilation].concat();
    let fits = sizes.iter().all(|size| (1..=MAX_WIDTH).contains(size))
        && window.padding.iter().all(|padding| *padding <= MAX_WIDTH);
    if fits {
        return Ok(());
    }
    Err(Error::spec(format!(
        "the window {window} has a size out of range: expected 1 to {MAX_WIDTH}, padding from 0"
    )))
}

/// The image that comes out where a window gives so many outputs, if it fits.
pub(super) fn sized(
    outputs: Option<[usize; 2]>,
    channels: usize,
    from: Shape,
    window: &Window,
) -> Result<Shape> {
    match outputs {
        Some([height, width]) => Ok(Shape::Image {
            height,
            width,
            channels,
        }),
        None => Err(Error::spec(format!(
            "the window {window} does not fit {from} with its padding"
        ))
        .fix("use a smaller kernel or dilation, more padding, or fewer layers that shrink the image")),
    }
}
