//! Images whose rows are columns.

use super::{Dataset, Shape};
use crate::{Error, Result};

/// What is told of images that lie so in their file, until they are set right.
pub(super) const LIE_TRANSPOSED: &str = "by their file's name these are EMNIST's images, which lie transposed in their files \
    (rows are columns): set them right with Dataset::transposed";

impl Dataset {
    /// The same images with rows as columns: h x w becomes w x h. EMNIST's files hold its images so.
    ///
    /// # Errors
    /// When the examples are no images.
    pub fn transposed(&self) -> Result<Self> {
        let Shape::Image {
            height,
            width,
            channels,
        } = self.shape()
        else {
            return Err(Error::data(format!("expected images, found {}", self.shape()))
                .at(format!("dataset {}", self.name()))
                .fix("if the numbers are images, row by row, say so with Dataset::with_shape"));
        };
        // The place in the old image of each number of the new one.
        let mut from = Vec::with_capacity(self.width());
        for x in 0..width {
            for y in 0..height {
                from.extend((0..channels).map(|c| (y * width + x) * channels + c));
            }
        }
        let features = self
            .rows()
            .flat_map(|row| from.iter().map(|&at| row[at]))
            .collect();
        let made = self
            .with_features(features)?
            .with_shape((width, height, channels))?
            .without_notes(|note| note == LIE_TRANSPOSED);
        let names = self.feature_names();
        if names.is_empty() {
            return Ok(made);
        }
        made.with_feature_names(from.iter().map(|&at| names[at].clone()).collect())
    }
}
