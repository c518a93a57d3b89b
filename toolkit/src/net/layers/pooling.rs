//! Pooling: of windows, and of whole images.

use std::fmt;

use super::conv::{check_window, sized};
use super::{Read, Rules, image};
use crate::data::Shape;
use crate::net::Window;
use crate::{Error, Result};

pub(super) struct MaxPool {
    pub window: Window,
    pub ceil: bool,
}

pub(super) struct AvgPool {
    pub window: Window,
    pub ceil: bool,
    pub count_include_pad: bool,
}

/// One number a channel, of the whole image: its `average`, say.
pub(super) struct Global(pub &'static str);

impl Rules for MaxPool {
    fn validate(&self) -> Result<()> {
        check_pool(&self.window)
    }

    fn shape(&self, read: &Read<'_>) -> Result<Shape> {
        pooled(read, &self.window, self.ceil)
    }

    fn words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "max pool {}{}", self.window, rounded(self.ceil))
    }
}

impl Rules for AvgPool {
    fn validate(&self) -> Result<()> {
        check_pool(&self.window)?;
        if self.window.dilation != [1, 1] {
            return Err(Error::spec(format!(
                "the window {} of an average pool is dilated: expected dilation 1",
                self.window
            )));
        }
        Ok(())
    }

    fn shape(&self, read: &Read<'_>) -> Result<Shape> {
        pooled(read, &self.window, self.ceil)
    }

    fn words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "average pool {}{}", self.window, rounded(self.ceil))?;
        f.write_str(if self.count_include_pad || self.window.padding == [0, 0] {
            ""
        } else {
            " without padding's zeros"
        })
    }
}

impl Rules for Global {
    fn shape(&self, read: &Read<'_>) -> Result<Shape> {
        Ok(Shape::Flat(image(read.first, "a global pooling")?.1))
    }

    fn words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "global {} pool", self.0)
    }
}

fn pooled(read: &Read<'_>, window: &Window, ceil: bool) -> Result<Shape> {
    let (size, channels) = image(read.first, "a pooling")?;
    sized(window.outputs(size, ceil), channels, read.first, window)
}

fn rounded(ceil: bool) -> &'static str {
    if ceil { " ceil" } else { "" }
}

/// A pooling's window must have a number of the image in each place, as PyTorch asks.
fn check_pool(window: &Window) -> Result<()> {
    check_window(window)?;
    if (0..2).all(|axis| window.padding[axis] <= window.kernel[axis] / 2) {
        return Ok(());
    }
    Err(Error::spec(format!(
        "the padding of the pooling {window} is more than half its kernel: a window could lie outside the image"
    ))
    .fix("use less padding"))
}
