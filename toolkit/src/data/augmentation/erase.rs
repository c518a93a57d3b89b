//! A part of an image set to 0.

use super::geometry::rectangle;
use super::{Image, geometry::Part};
use crate::seed::Rng;

/// The least share of the area that is erased, and the ratio of the sides at most.
const LEAST: f64 = 0.02;
const RATIO: f64 = 10.0 / 3.0;

/// Erases 2% of the area up to a share of `most`.
pub(super) fn erase(image: &mut Image<'_>, most: f64, rng: &mut Rng) {
    if let Some(part) = rectangle(image.height, image.width, (LEAST, most), RATIO, rng) {
        fill(image, part);
    }
}

fn fill(image: &mut Image<'_>, part: Part) {
    for y in part.top..part.top + part.height {
        let start = (y * image.width + part.left) * image.channels;
        image.pixels[start..start + part.width * image.channels].fill(0.0);
    }
}
