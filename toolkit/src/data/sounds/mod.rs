//! Sounds as rows of samples, and spectrograms that remember the sounds they are of.

mod picture;
mod spectrogram;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use rayon::prelude::*;

use super::content::Content;
use super::{Dataset, Shape};
use crate::{Error, Result, interrupt, memory};
pub(super) use picture::{SIZE, picture};
pub use spectrogram::Spectrogram;
pub(super) use spectrogram::Transform;

/// What the pictures of a dataset are pictures of.
#[derive(Clone)]
pub(super) struct Sounds {
    /// Samples a second.
    pub rate: f64,
    /// Samples of one sound.
    pub samples: usize,
    /// The sounds of all rows, one after another.
    pub waves: Arc<[f32]>,
    pub transform: Arc<Transform>,
}

impl Sounds {
    pub fn wave(&self, row: usize) -> &[f32] {
        &self.waves[row * self.samples..][..self.samples]
    }

    pub fn spec(&self) -> &Spectrogram {
        self.transform.spec()
    }

    pub fn same_kind(&self, other: &Self) -> bool {
        (self.rate, self.samples) == (other.rate, other.samples) && self.spec() == other.spec()
    }
}

impl Dataset {
    /// The same examples, taken as sounds: samples about 0 at so many a second.
    ///
    /// ```
    /// use jook::prelude::*;
    /// let tone = (0..800).map(|i| (i as f32 * 0.3).sin()).collect();
    /// let sounds = Dataset::new("tone", 800, tone)?.with_rate(8000.0)?;
    /// let pictures = sounds.spectrogram(&Spectrogram::new(128, 64).mel(20))?;
    /// assert_eq!(pictures.shape(), (20, 11, 1).into());
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the rate is no number above 0, or the examples are images or texts.
    pub fn with_rate(self, rate: f64) -> Result<Self> {
        let place = || format!("dataset {}", self.name());
        if !(rate > 0.0 && rate.is_finite()) {
            return Err(Error::data(format!("expected a rate above 0, found {rate}")).at(place()));
        }
        if let (Shape::Flat(_), Content::Numbers | Content::Sound(_)) = (self.shape(), self.content()) {
            return Ok(self.with_content(Content::Sound(rate)));
        }
        Err(Error::data("expected samples of sounds, found images or texts").at(place()))
    }

    /// Samples a second of sounds, and of spectrograms that remember theirs; none where the examples are no sounds.
    #[doc(alias = "sample_rate")]
    pub fn rate(&self) -> Option<f64> {
        match self.content() {
            Content::Sound(rate) => Some(*rate),
            Content::Spectrogram(sounds) => Some(sounds.rate),
            _ => None,
        }
    }

    /// The spectrograms of sounds: images of bands x frames, low bands at the bottom, with the targets of the sounds.
    ///
    /// They remember the sounds: [`Augmentation`](crate::data::Augmentation)s of sounds in a training on them change the
    /// sound of each example and make its picture anew. Pictures that were worked on, standardized ones say, do not.
    ///
    /// # Errors
    /// When the examples are no sounds, shorter than a window, or have too few frequencies for the bands; when the
    /// pictures do not fit the memory; or when it was stopped.
    pub fn spectrogram(&self, spec: &Spectrogram) -> Result<Self> {
        let place = || format!("{spec} of dataset {}", self.name());
        let Content::Sound(rate) = *self.content() else {
            return Err(Error::data("expected sounds, found other examples")
                .at(place())
                .fix("if the numbers are samples, say at which rate with Dataset::with_rate"));
        };
        let transform = Transform::new(spec, self.width(), rate).map_err(|e| e.at(place()))?;
        let width = transform.bands() * transform.frames();
        if let Some(lack) = memory::lacking((self.len() as u64).saturating_mul(8 * width as u64)) {
            return Err(Error::data(lack)
                .at(place())
                .fix("take fewer sounds, or a longer hop"));
        }
        let mut pictures = vec![0.0; self.len() * width];
        let scope = interrupt::scope();
        pictures
            .par_chunks_exact_mut(width)
            .zip(self.features().par_chunks_exact(self.width()))
            .for_each(|(picture, wave)| {
                if !scope.requested() {
                    transform.run(wave, picture);
                }
            });
        if scope.requested() {
            return Err(Error::data("stopped as asked").at(place()));
        }
        let shape = (transform.bands(), transform.frames(), 1);
        let content = Content::Spectrogram(Sounds {
            rate,
            samples: self.width(),
            waves: self.features().into(),
            transform: Arc::new(transform),
        });
        Ok(Self::new(self.name(), shape, pictures)?
            .standing_for(self)?
            .with_origin(self.source(), self.licence())
            .with_notes(self.notes().to_vec())
            .with_content(content))
    }
}
