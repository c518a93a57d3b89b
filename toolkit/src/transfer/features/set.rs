//! [`FeatureSet`]: features as a dataset, and how they came about.

use std::fmt;
use std::ops::Deref;

use crate::Error;
use crate::data::{DamagedImage, Dataset};
use crate::show::{Bundle, Show};

/// What a layer put out for images: a [`Dataset`], for which it can stand wherever one is read, with the labels and
/// class names of the images; and how it came about.
#[derive(Clone)]
pub struct FeatureSet {
    /// An example for each image, in their order; without damaged images, and without those that a stop left over.
    pub data: Dataset,
    /// The images that were asked for.
    pub images: usize,
    /// How many of them were found in the cache.
    pub cached: usize,
    /// How many were computed.
    pub computed: usize,
    /// How many image files that were read were turned upright, as their EXIF or XMP marks say.
    pub turned: usize,
    /// Whether it was stopped before all were there.
    pub stopped: bool,
    /// Files that were passed over.
    pub damaged: Vec<DamagedImage>,
    /// What was wrong with the cache: damaged files, which were computed anew, or a folder that cannot be used.
    pub problems: Vec<Error>,
    /// Time it took, in seconds.
    pub seconds: f64,
}

impl Deref for FeatureSet {
    type Target = Dataset;

    fn deref(&self) -> &Dataset {
        &self.data
    }
}

impl fmt::Display for FeatureSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({} from the cache, {} computed, {:.2} s)",
            self.data, self.cached, self.computed, self.seconds
        )?;
        if self.turned > 0 {
            write!(
                f,
                "\n  \u{26a0} {} turned upright, as the EXIF or XMP mark says",
                self.turned
            )?;
        }
        if self.stopped {
            let done = self.cached + self.computed;
            write!(
                f,
                "\n  \u{26a0} stopped as asked, after {done} of {} images",
                self.images
            )?;
        }
        if let Some(first) = self.damaged.first() {
            write!(
                f,
                "\n  \u{26a0} {} damaged, passed over; the first: {first}",
                self.damaged.len()
            )?;
        }
        for problem in &self.problems {
            write!(f, "\n  \u{26a0} cache: {problem}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for FeatureSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Show for FeatureSet {
    fn bundle(&self) -> Bundle {
        Bundle::text(self.to_string())
    }
}
