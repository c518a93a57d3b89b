//! Pictures of everyday objects, drawn by the program: colour images with domains that can be chosen, for lessons in
//! which photographs cannot ship.

mod figures;
mod forms;
mod paint;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::data::{Dataset, Shape};
use crate::show::Progress;
use crate::{Error, Result, interrupt, memory, seed};
use figures::CLASSES;
use forms::Pose;
use paint::CHANNELS;

/// Pixels a side between which objects can be told apart and memory is not wasted.
const SMALLEST: usize = 8;
const LARGEST: usize = 2048;
/// Numbers above which drawing takes seconds.
const WORTH_A_BAR: usize = 1 << 24;

/// How the objects of [`objects`] are drawn: the same things, as different sources would show them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ImageDomain {
    /// Even colours on a light background of one colour.
    Flat,
    /// Dark outlines on paper.
    LineDrawing,
    /// Stripes, checks and dots instead of even colours, also behind the object.
    Textured,
    /// Light and shadow, an uneven background, soft edges and the noise of a sensor.
    Photo,
    /// `Flat` with every colour turned into its opposite: light objects on dark.
    Inverted,
    /// `Flat` turned by 60 to 180 degrees to either side.
    Rotated,
}

impl ImageDomain {
    /// Every domain.
    pub const ALL: [Self; 6] = [
        Self::Flat,
        Self::LineDrawing,
        Self::Textured,
        Self::Photo,
        Self::Inverted,
        Self::Rotated,
    ];

    /// The domain's name in words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Flat => "flat",
            Self::LineDrawing => "line drawing",
            Self::Textured => "textured",
            Self::Photo => "photo",
            Self::Inverted => "inverted",
            Self::Rotated => "rotated",
        }
    }
}

/// `n` images of `side` x `side` pixels with red, green and blue in 0..1: ten classes of objects, the classes in turn.
///
/// Place, size, tilt, proportions, details and colours vary; a colour says nothing about the class. Example i shows
/// the same object in the same place in every domain (turned in [`Rotated`](ImageDomain::Rotated)), so that domains
/// can be compared image by image. It depends on the seed and i alone: not on `n`, nor on the number of threads.
///
/// ```
/// use jook::prelude::*;
/// let drawings = datasets::objects(40, 32, ImageDomain::LineDrawing, 7)?;
/// assert_eq!(drawings.to_string(), "objects, line drawing: 40 examples, 32 x 32 x 3 images, 10 classes");
/// let photos = datasets::objects(40, 32, ImageDomain::Photo, 7)?; // the same objects
/// # Ok::<(), jook::Error>(())
/// ```
///
/// # Errors
/// When `n` is below 10, `side` is not between 8 and 2,048, the images do not fit the memory, or it was stopped.
pub fn objects(n: usize, side: usize, domain: ImageDomain, seed: u64) -> Result<Dataset> {
    let place = "objects";
    let classes = CLASSES.len();
    if n < classes {
        return Err(Error::data(format!(
            "expected at least {classes} images, one a class, found {n}"
        ))
        .at(place));
    }
    if !(SMALLEST..=LARGEST).contains(&side) {
        return Err(Error::data(format!(
            "expected images of {SMALLEST} to {LARGEST} pixels a side, found {side}"
        ))
        .at(place));
    }
    let width = side * side * CHANNELS;
    // Each number for a moment twice.
    if let Some(lack) = memory::lacking((n as u64).saturating_mul(8 * width as u64)) {
        return Err(
            Error::data(format!("expected images that fit the memory, found {n}: {lack}"))
                .at(place)
                .fix("ask for fewer or smaller images"),
        );
    }
    let mut features = vec![0.0; n * width];
    let scope = interrupt::scope();
    // A bar only where there is something to wait for.
    let progress = (features.len() >= WORTH_A_BAR).then(|| Progress::new("objects", n));
    let done = AtomicUsize::new(0);
    features
        .par_chunks_exact_mut(width)
        .enumerate()
        .for_each(|(i, image)| {
            if scope.requested() {
                return;
            }
            let mut rng = seed::stream(seed, &format!("objects: figure {i}"));
            let parts = (CLASSES[i % classes].draw)(&mut rng);
            let pose = Pose::draw(&mut rng, domain == ImageDomain::Rotated);
            let parts: Vec<_> = parts.into_iter().map(|part| part.moved(&pose)).collect();
            let mut rng = seed::stream(seed, &format!("objects: colours {i}"));
            paint::paint(&parts, domain, side, &mut rng, image);
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            if let Some(progress) = &progress {
                progress.step(done, "");
            }
        });
    if let Some(progress) = progress {
        progress.finish("");
    }
    let done = done.into_inner();
    if done < n {
        return Err(
            Error::data(format!("stopped as asked, after {done} of {n} images"))
                .at(place)
                .fix("run it again, or ask for fewer: the first images of a seed are always the same"),
        );
    }
    let labels = (0..n).map(|i| (i % classes) as u32).collect();
    let names = CLASSES.iter().map(|class| class.name.to_owned()).collect();
    let shape = Shape::Image {
        height: side,
        width: side,
        channels: CHANNELS,
    };
    Dataset::new(format!("objects, {}", domain.name()), shape, features)?
        .with_origin("generated by Jook", "public domain (CC0 1.0)")
        .with_labels(labels, names)
}
