//! [`Augmentation`]: random changes of examples, made anew each time they are shown.
//!
//! A training is given them by its recipe ([`Recipe::augment`](crate::train::Recipe::augment)), in the order in which they
//! follow one another. [`Dataset::preview`](super::Dataset::preview) shows what they make,
//! [`Dataset::augmented`](super::Dataset::augmented) gives it as data, and
//! [`Network::predict_augmented`](crate::net::Network::predict_augmented) averages predictions over them.
//!
//! Texts have their words changed, by the numbers of the dataset's [`Vocabulary`]. Sounds have their samples changed, also
//! beneath a [`spectrogram`](super::Dataset::spectrogram): of each example to be shown the sound is changed first and its picture
//! made anew, then the changes of pictures follow.
//!
//! Images are changed as they stand: what comes in from outside them is 0, which is black, or the mean of standardized
//! pixels. Each change of a row draws from a random stream of that row and epoch, so that it depends on neither the threads
//! nor the other changes' rows; [`Mixup`](Augmentation::Mixup) and [`CutMix`](Augmentation::CutMix) look at the batch as well.

mod blur;
mod colour;
mod erase;
mod fits;
mod geometry;
mod mix;
mod preview;
mod sound;
#[cfg(test)]
mod tests;
mod text;

use std::fmt;

use rand::Rng as _;
use serde::{Deserialize, Serialize};

use super::{Shape, Vocabulary};
use crate::seed::{Rng, add_normal, uniform};
use crate::{Error, Result};
pub(crate) use fits::check_all;
use geometry::Affine;
pub(crate) use mix::mix_batch;
pub use preview::Preview;
pub(crate) use preview::change_each;

/// A random change of an example. All but the two that mix examples leave the target as it is.
///
/// ```
/// use jook::prelude::*;
/// let few = datasets::digits()?.few_shot(10, 0)?;
/// let recipe = Recipe::new()
///     .epochs(20)
///     .augment(Augmentation::Crop(1))
///     .augment(Augmentation::Rotate(10.0).sometimes(0.5));
/// let run = Mlp::new([64, 64, 10]).fit(&few, recipe)?;
/// # let _ = run;
/// # Ok::<(), jook::Error>(())
/// ```
#[doc(alias = "transforms")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Augmentation {
    /// Adds noise with this standard deviation to each number (Bishop 1995).
    Noise(f64),
    /// Mirrors an image left to right, half the time.
    #[doc(alias = "RandomHorizontalFlip")]
    Mirror,
    /// Turns an image upside down, as in a mirror below it, half the time.
    #[doc(alias = "RandomVerticalFlip")]
    Flip,
    /// Pads an image with so many pixels on each side and cuts its size out at random: shifts it by up to as many (He et
    /// al. 2016).
    #[doc(alias = "RandomCrop")]
    Crop(usize),
    /// Cuts out at least this share of the area, with sides of 3:4 to 4:3 of the image's own, and enlarges it to the
    /// image's size (Szegedy et al. 2015).
    #[doc(alias = "RandomResizedCrop")]
    ResizedCrop(f64),
    /// Turns an image by up to so many degrees either way about its middle.
    #[doc(alias = "RandomRotation")]
    Rotate(f64),
    /// Turns, shears, scales and shifts an image, each at random.
    #[doc(alias = "RandomAffine")]
    Affine {
        /// Degrees either way.
        degrees: f64,
        /// Share of height and width either way.
        shift: f64,
        /// The size is multiplied by 1 - scale to 1 + scale.
        scale: f64,
        /// Degrees either way, by which upright lines lean.
        shear: f64,
    },
    /// Multiplies all pixels by 1 - b to 1 + b, and keeps them within 0..1.
    #[doc(alias = "ColorJitter")]
    Brightness(f64),
    /// Moves all pixels away from the image's mean grey, or to it, by a factor of 1 - c to 1 + c; they stay within 0..1.
    #[doc(alias = "ColorJitter")]
    Contrast(f64),
    /// Raises all pixels to a power of 1 / (1 + g) to 1 + g.
    Gamma(f64),
    /// Moves the colours of each pixel away from its grey, or to it, by a factor of 1 - s to 1 + s; within 0..1.
    #[doc(alias = "ColorJitter")]
    Saturation(f64),
    /// Turns the colours of an image by up to this share of the colour circle either way, 0.5 being the opposite colour.
    #[doc(alias = "ColorJitter")]
    Hue(f64),
    /// Blurs by a Gaussian bell with a standard deviation of up to so many pixels.
    #[doc(alias = "GaussianBlur")]
    Blur(f64),
    /// Sets a rectangle of 2% up to this share of the area to 0, with sides of 3:10 to 10:3 (Zhong et al. 2020).
    #[doc(alias = "RandomErasing")]
    #[doc(alias = "Cutout")]
    Erase(f64),
    /// Replaces so many of the words of a text, a share but one at least, each by a synonym: words that have some, as far as
    /// there are (Wei and Zou 2019). Synonyms are those of the texts' [`Vocabulary`].
    Synonyms(f64),
    /// So many times puts a synonym of a word of the text somewhere into it (Wei and Zou 2019), as long as the row has room:
    /// see [`Dataset::with_length`](super::Dataset::with_length).
    InsertSynonyms(f64),
    /// So many times swaps two words of a text (Wei and Zou 2019).
    SwapWords(f64),
    /// Leaves each word of a text out with this chance, but one (Wei and Zou 2019).
    DeleteWords(f64),
    /// Moves a sound by up to this share of its length to either side; silence comes in.
    TimeShift(f64),
    /// Adds white noise to a sound, so strong that the signal-to-noise ratio, in decibels, lies within these, drawn evenly.
    WhiteNoise {
        /// The strongest noise: 0 is as loud as the sound.
        least: f64,
        /// The weakest.
        most: f64,
    },
    /// Makes a sound louder or softer by up to so many decibels.
    Gain(f64),
    /// Plays a sound at 1 - s to 1 + s times its speed, higher or lower with it (Ko et al. 2015), about its middle and by
    /// linear interpolation; its length stays.
    #[doc(alias = "speed_perturb")]
    Speed(f64),
    /// Covers up to this share of the frames of a spectrogram, or of the columns of an image, by the mean of it (Park et al.
    /// 2019).
    #[doc(alias = "SpecAugment")]
    TimeMask(f64),
    /// Covers up to this share of the bands of a spectrogram, or of the lines of an image, by the mean of it (Park et al.
    /// 2019).
    #[doc(alias = "SpecAugment")]
    FrequencyMask(f64),
    /// Mixes each example with another of its batch, and their targets likewise: lambda of the one and 1 - lambda of the
    /// other, lambda from Beta(alpha, alpha) (Zhang et al. 2018). Classes become shares.
    Mixup(f64),
    /// Puts a rectangle of another image of the batch in, and mixes the targets by area; the share kept is from Beta(alpha,
    /// alpha) (Yun et al. 2019). Classes become shares.
    CutMix(f64),
    /// The other change with this chance, else none: see [`sometimes`](Self::sometimes).
    Sometimes(f64, Box<Augmentation>),
    /// So many of these, drawn anew each time, each perhaps several times: see [`choice`](Self::choice).
    #[doc(alias = "RandomChoice")]
    Choice(usize, Vec<Augmentation>),
}

/// An image on its way through changes.
struct Image<'a> {
    pixels: &'a mut [f32],
    height: usize,
    width: usize,
    channels: usize,
    /// Room for a copy.
    scratch: &'a mut Vec<f32>,
}

impl Image<'_> {
    /// Puts what the pixels are into the scratch, to be read while they are written.
    fn copy(&mut self) -> (&[f32], &mut [f32]) {
        self.scratch.clear();
        self.scratch.extend_from_slice(self.pixels);
        (self.scratch, self.pixels)
    }
}

/// What the numbers of an example are, for who changes them.
#[derive(Clone, Copy)]
pub(crate) enum Form<'a> {
    /// Plain numbers, or an image.
    Shaped(Shape),
    /// Words by their numbers.
    Words(&'a Vocabulary),
    /// Samples.
    Sound,
}

/// Within +-`most`.
fn either(most: f64, rng: &mut Rng) -> f64 {
    most * (2.0 * uniform(rng) - 1.0)
}

/// How deep chances and choices may stand in one another.
const DEEPEST: usize = 8;

impl Augmentation {
    /// This change with a chance of `chance`, else none.
    #[doc(alias = "RandomApply")]
    pub fn sometimes(self, chance: f64) -> Self {
        Augmentation::Sometimes(chance, Box::new(self))
    }

    /// `n` of these changes, drawn each time with replacement.
    pub fn choice(n: usize, of: impl IntoIterator<Item = Augmentation>) -> Self {
        Augmentation::Choice(n, of.into_iter().collect())
    }

    /// `n` changes of images in 0..1, drawn from a list of usual ones, all of the same strength (0 to 1): as RandAugment
    /// (Cubuk et al. 2020), without those that quantize or invert. At 1: 30 degrees, shear of 17 degrees, shifts of 0.3,
    /// factors of 0.1 to 1.9.
    #[doc(alias = "RandAugment")]
    pub fn rand_augment(n: usize, strength: f64) -> Self {
        let affine = |degrees: f64, shift: f64, scale: f64, shear: f64| Augmentation::Affine {
            degrees: degrees * strength,
            shift: shift * strength,
            scale: scale * strength,
            shear: shear * strength,
        };
        Self::choice(
            n,
            [
                affine(30.0, 0.0, 0.0, 0.0),
                affine(0.0, 0.3, 0.0, 0.0),
                affine(0.0, 0.0, 0.0, 17.0),
                affine(0.0, 0.0, 0.3, 0.0),
                Augmentation::Brightness(0.9 * strength),
                Augmentation::Contrast(0.9 * strength),
                Augmentation::Gamma(0.9 * strength),
                Augmentation::Blur(strength),
            ],
        )
    }

    /// Whether it mixes examples, and their targets with them.
    pub(crate) fn mixes(&self) -> bool {
        matches!(self, Augmentation::Mixup(_) | Augmentation::CutMix(_))
    }

    pub(crate) fn validate(&self) -> Result<()> {
        self.validate_within(0).map_err(|e| e.at("recipe, augmentation"))
    }

    fn validate_within(&self, depth: usize) -> Result<()> {
        let within = |what: &str, x: f64, least: f64, most: f64| match (least..=most).contains(&x) {
            true => Ok(()),
            false => Err(Error::spec(format!(
                "expected {what} of {least} to {most}, found {x}"
            ))),
        };
        match self {
            Augmentation::Noise(deviation) if !(*deviation >= 0.0 && deviation.is_finite()) => Err(
                Error::spec(format!("expected noise of 0 or more, found {deviation}")),
            ),
            Augmentation::Noise(_) | Augmentation::Mirror | Augmentation::Flip | Augmentation::Crop(_) => {
                Ok(())
            }
            Augmentation::ResizedCrop(least) => within("a least share of the area", *least, 0.01, 1.0),
            Augmentation::Rotate(degrees) => within("degrees", *degrees, 0.0, 180.0),
            Augmentation::Affine {
                degrees,
                shift,
                scale,
                shear,
            } => within("degrees", *degrees, 0.0, 180.0)
                .and_then(|()| within("a shift", *shift, 0.0, 1.0))
                .and_then(|()| within("a scale", *scale, 0.0, 0.95))
                .and_then(|()| within("a shear in degrees", *shear, 0.0, 80.0)),
            Augmentation::Brightness(x) => within("a brightness", *x, 0.0, 1.0),
            Augmentation::Contrast(x) => within("a contrast", *x, 0.0, 1.0),
            Augmentation::Saturation(x) => within("a saturation", *x, 0.0, 1.0),
            Augmentation::Gamma(x) => within("a gamma", *x, 0.0, 10.0),
            Augmentation::Hue(x) => within("a hue", *x, 0.0, 0.5),
            Augmentation::Blur(x) => within("a blur in pixels", *x, 0.0, 100.0),
            Augmentation::Erase(x) => within("a largest share", *x, 0.02, 1.0),
            Augmentation::Synonyms(x)
            | Augmentation::InsertSynonyms(x)
            | Augmentation::SwapWords(x)
            | Augmentation::DeleteWords(x) => within("a share of the words", *x, 0.0, 1.0),
            Augmentation::TimeShift(x) | Augmentation::TimeMask(x) => {
                within("a share of the time", *x, 0.0, 1.0)
            }
            Augmentation::FrequencyMask(x) => within("a share of the bands", *x, 0.0, 1.0),
            Augmentation::WhiteNoise { least, most } => {
                within("a least ratio in decibels", *least, -100.0, 200.0)
                    .and_then(|()| within("a largest ratio in decibels", *most, *least, 200.0))
            }
            Augmentation::Gain(x) => within("a gain in decibels", *x, 0.0, 100.0),
            Augmentation::Speed(x) => within("a share of the speed", *x, 0.0, 0.9),
            Augmentation::Mixup(alpha) | Augmentation::CutMix(alpha) => {
                within("an alpha", *alpha, 0.01, 100.0)
            }
            Augmentation::Sometimes(chance, of) => {
                within("a chance", *chance, 0.0, 1.0).and_then(|()| of.validate_inside(depth))
            }
            Augmentation::Choice(_, of) if of.is_empty() => Err(Error::spec(
                "expected one change or more to choose from, found none",
            )),
            Augmentation::Choice(_, of) => of.iter().try_for_each(|one| one.validate_inside(depth)),
        }
    }

    fn validate_inside(&self, depth: usize) -> Result<()> {
        if self.mixes() {
            return Err(Error::spec(format!(
                "{self} is for all examples of a batch, and not by chance"
            ))
            .fix("add it to the recipe by itself; a small alpha mixes little"));
        }
        if depth == DEEPEST {
            return Err(Error::spec("changes are nested too deeply"));
        }
        self.validate_within(depth + 1)
    }

    /// Changes one example by what it does to one alone.
    pub(crate) fn apply(&self, example: &mut [f32], form: Form<'_>, rng: &mut Rng, scratch: &mut Vec<f32>) {
        match (self, form) {
            (Augmentation::Noise(deviation), _) => add_normal(example, *deviation as f32, rng),
            (Augmentation::Sometimes(chance, of), _) => {
                if uniform(rng) < *chance {
                    of.apply(example, form, rng, scratch);
                }
            }
            (Augmentation::Choice(n, of), _) => {
                for _ in 0..*n {
                    of[rng.random_range(0..of.len() as u32) as usize].apply(example, form, rng, scratch);
                }
            }
            (_, Form::Words(vocabulary)) => self.change_words(example, vocabulary, rng),
            (_, Form::Sound) => self.change_sound(example, rng, scratch),
            (
                _,
                Form::Shaped(Shape::Image {
                    height,
                    width,
                    channels,
                }),
            ) => {
                let image = Image {
                    pixels: example,
                    height,
                    width,
                    channels,
                    scratch,
                };
                self.change(image, rng);
            }
            (_, Form::Shaped(Shape::Flat(_))) => {}
        }
    }

    fn change(&self, mut image: Image<'_>, rng: &mut Rng) {
        match *self {
            Augmentation::Mirror if rng.random::<bool>() => geometry::mirror(&mut image),
            Augmentation::Flip if rng.random::<bool>() => geometry::flip(&mut image),
            Augmentation::Crop(most) => {
                let by = rng.random_range(-(most as i64)..=most as i64);
                let down = rng.random_range(-(most as i64)..=most as i64);
                geometry::shift(&mut image, by, down);
            }
            Augmentation::ResizedCrop(least) => {
                let part = geometry::part(image.height, image.width, least, rng);
                geometry::enlarge(&mut image, part);
            }
            Augmentation::Rotate(degrees) => {
                let affine = Affine::rotation(either(degrees, rng));
                geometry::warp(&mut image, &affine);
            }
            Augmentation::Affine {
                degrees,
                shift,
                scale,
                shear,
            } => {
                let affine = Affine {
                    degrees: either(degrees, rng),
                    right: either(shift, rng) * image.width as f64,
                    down: either(shift, rng) * image.height as f64,
                    scale: 1.0 + either(scale, rng),
                    shear: either(shear, rng),
                };
                geometry::warp(&mut image, &affine);
            }
            Augmentation::Brightness(x) => colour::brighten(&mut image, (1.0 + either(x, rng)) as f32),
            Augmentation::Contrast(x) => colour::contrast(&mut image, (1.0 + either(x, rng)) as f32),
            Augmentation::Saturation(x) => colour::saturate(&mut image, (1.0 + either(x, rng)) as f32),
            Augmentation::Gamma(x) => colour::gamma(&mut image, either((1.0 + x).ln(), rng).exp() as f32),
            Augmentation::Hue(x) => colour::turn_hue(&mut image, either(x, rng) as f32),
            Augmentation::Blur(most) => blur::blur(&mut image, most * uniform(rng)),
            Augmentation::Erase(most) => erase::erase(&mut image, most, rng),
            Augmentation::TimeMask(most) => sound::mask_time(&mut image, most, rng),
            Augmentation::FrequencyMask(most) => sound::mask_frequency(&mut image, most, rng),
            _ => {}
        }
    }
}

impl fmt::Display for Augmentation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Augmentation::Noise(deviation) => write!(f, "noise {deviation}"),
            Augmentation::Mirror => f.write_str("mirrored"),
            Augmentation::Flip => f.write_str("flipped"),
            Augmentation::Crop(most) => write!(f, "crop {most}"),
            Augmentation::ResizedCrop(least) => write!(f, "resized crop {least}"),
            Augmentation::Rotate(degrees) => write!(f, "rotated {degrees}\u{b0}"),
            Augmentation::Affine {
                degrees,
                shift,
                scale,
                shear,
            } => write!(
                f,
                "affine {degrees}\u{b0} shift {shift} scale {scale} shear {shear}\u{b0}"
            ),
            Augmentation::Brightness(x) => write!(f, "brightness {x}"),
            Augmentation::Contrast(x) => write!(f, "contrast {x}"),
            Augmentation::Gamma(x) => write!(f, "gamma {x}"),
            Augmentation::Saturation(x) => write!(f, "saturation {x}"),
            Augmentation::Hue(x) => write!(f, "hue {x}"),
            Augmentation::Blur(x) => write!(f, "blur {x}"),
            Augmentation::Erase(x) => write!(f, "erased {x}"),
            Augmentation::Synonyms(x) => write!(f, "synonyms {x}"),
            Augmentation::InsertSynonyms(x) => write!(f, "inserted synonyms {x}"),
            Augmentation::SwapWords(x) => write!(f, "swapped words {x}"),
            Augmentation::DeleteWords(x) => write!(f, "deleted words {x}"),
            Augmentation::TimeShift(x) => write!(f, "time shift {x}"),
            Augmentation::WhiteNoise { least, most } => write!(f, "white noise {least} to {most} dB"),
            Augmentation::Gain(x) => write!(f, "gain {x} dB"),
            Augmentation::Speed(x) => write!(f, "speed {x}"),
            Augmentation::TimeMask(x) => write!(f, "time mask {x}"),
            Augmentation::FrequencyMask(x) => write!(f, "frequency mask {x}"),
            Augmentation::Mixup(alpha) => write!(f, "mixup {alpha}"),
            Augmentation::CutMix(alpha) => write!(f, "cutmix {alpha}"),
            Augmentation::Sometimes(chance, of) => write!(f, "{of} at {chance}"),
            Augmentation::Choice(n, of) => {
                write!(f, "{n} of (")?;
                for (i, one) in of.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    write!(f, "{comma}{one}")?;
                }
                f.write_str(")")
            }
        }
    }
}
