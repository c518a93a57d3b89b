//! [`Augmentation`]: changes of an example that leave its target as it is, made anew each time it is shown.

use std::fmt;

use rand::Rng as _;
use serde::{Deserialize, Serialize};

use crate::data::{Dataset, Shape};
use crate::seed::{Rng, normal};
use crate::{Error, Result};

/// A random change of an example. It depends on seed, epoch and row alone, so that a resumed training sees the same.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Augmentation {
    /// Adds noise with this standard deviation to each number (Bishop 1995).
    Noise(f64),
    /// Mirrors an image left to right, half the time.
    Mirror,
}

impl Augmentation {
    pub(super) fn validate(&self) -> Result<()> {
        match self {
            Augmentation::Noise(deviation) if !(*deviation >= 0.0 && deviation.is_finite()) => Err(
                Error::spec(format!("expected noise of 0 or more, found {deviation}"))
                    .at("recipe, augmentation"),
            ),
            _ => Ok(()),
        }
    }

    /// Refuses examples of a shape that it does not change.
    pub(super) fn check(&self, data: &Dataset) -> Result<()> {
        match (self, data.shape()) {
            (Augmentation::Mirror, Shape::Flat(width)) => Err(Error::spec(format!(
                "mirroring is for images, found examples of {width} numbers"
            ))
            .at(format!("recipe, augmentation; dataset {}", data.name()))
            .fix("if the numbers are images, row by row, say so with Dataset::with_shape")),
            _ => Ok(()),
        }
    }

    /// Changes one example.
    pub(super) fn apply(&self, example: &mut [f32], shape: Shape, rng: &mut Rng) {
        match *self {
            Augmentation::Noise(deviation) => {
                example
                    .iter_mut()
                    .for_each(|x| *x += (deviation * normal(rng)) as f32);
            }
            Augmentation::Mirror => {
                if let Shape::Image { width, channels, .. } = shape
                    && rng.random::<bool>()
                {
                    for line in example.chunks_exact_mut(width * channels) {
                        for x in 0..width / 2 {
                            for c in 0..channels {
                                line.swap(x * channels + c, (width - 1 - x) * channels + c);
                            }
                        }
                    }
                }
            }
        }
    }
}

impl fmt::Display for Augmentation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Augmentation::Noise(deviation) => write!(f, "noise {deviation}"),
            Augmentation::Mirror => f.write_str("mirrored"),
        }
    }
}
