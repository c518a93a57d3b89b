//! [`Shape`]: how the numbers of one example are to be taken.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The shape of one example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Shape {
    /// A plain vector of this many features.
    Flat(usize),
    /// An image, stored row by row with the channels of a pixel side by side (h x w x c).
    Image {
        height: usize,
        width: usize,
        channels: usize,
    },
}

impl Shape {
    /// Numbers in one example; none when they are too many for `usize`.
    pub(super) fn checked_width(self) -> Option<usize> {
        match self {
            Shape::Flat(width) => Some(width),
            Shape::Image {
                height,
                width,
                channels,
            } => height.checked_mul(width)?.checked_mul(channels),
        }
    }

    /// Numbers in one example. A product too large for `usize` stays at its maximum, which no data have.
    pub fn width(self) -> usize {
        self.checked_width().unwrap_or(usize::MAX)
    }
}

/// So many plain numbers.
impl From<usize> for Shape {
    fn from(width: usize) -> Self {
        Shape::Flat(width)
    }
}

/// An image of (height, width, channels).
impl From<(usize, usize, usize)> for Shape {
    fn from((height, width, channels): (usize, usize, usize)) -> Self {
        Shape::Image {
            height,
            width,
            channels,
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Shape::Flat(1) => f.write_str("1 feature"),
            Shape::Flat(width) => write!(f, "{width} features"),
            Shape::Image {
                height,
                width,
                channels: 1,
            } => write!(f, "{height} x {width} images"),
            Shape::Image {
                height,
                width,
                channels,
            } => write!(f, "{height} x {width} x {channels} images"),
        }
    }
}
