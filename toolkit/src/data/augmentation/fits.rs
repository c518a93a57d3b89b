//! Which examples a change is for, and which of them it may make something else of.

use super::Augmentation;
use crate::data::content::Content;
use crate::data::{Dataset, Shape};
use crate::{Error, Result};

/// What a change changes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Numbers,
    Images,
    Texts,
    Sounds,
}

/// Refuses changes that are not for these examples, alone or in their order.
pub(crate) fn check_all(all: &[Augmentation], data: &Dataset) -> Result<()> {
    all.iter().try_for_each(|one| one.check(data))?;
    let Content::Spectrogram(_) = data.content() else {
        return Ok(());
    };
    let first = all.iter().position(|one| !one.mixes() && !one.is_of_sounds());
    let late = all
        .iter()
        .skip(first.unwrap_or(all.len()))
        .find(|one| one.is_of_sounds());
    match late {
        None => Ok(()),
        Some(late) => Err(Error::spec(format!(
            "{late} changes the sound, and comes after a change of its picture"
        ))
        .at(format!("recipe, augmentation; dataset {}", data.name()))
        .fix("put the changes of sounds first")),
    }
}

impl Augmentation {
    fn kind(&self) -> Kind {
        match self {
            Augmentation::Noise(_) | Augmentation::Mixup(_) => Kind::Numbers,
            Augmentation::Synonyms(_)
            | Augmentation::InsertSynonyms(_)
            | Augmentation::SwapWords(_)
            | Augmentation::DeleteWords(_) => Kind::Texts,
            Augmentation::TimeShift(_)
            | Augmentation::WhiteNoise { .. }
            | Augmentation::Gain(_)
            | Augmentation::Speed(_) => Kind::Sounds,
            _ => Kind::Images,
        }
    }

    /// Whether all that it may do is done to sounds.
    pub(super) fn is_of_sounds(&self) -> bool {
        match self {
            Augmentation::Sometimes(_, of) => of.is_of_sounds(),
            Augmentation::Choice(_, of) => of.iter().all(Self::is_of_sounds),
            one => one.kind() == Kind::Sounds,
        }
    }

    fn is_nowhere_of_sounds(&self) -> bool {
        match self {
            Augmentation::Sometimes(_, of) => of.is_nowhere_of_sounds(),
            Augmentation::Choice(_, of) => of.iter().all(Self::is_nowhere_of_sounds),
            one => one.kind() != Kind::Sounds,
        }
    }

    /// Refuses examples of a shape, or numbers of a range, that it does not change.
    fn check(&self, data: &Dataset) -> Result<()> {
        let refuse = |what: String, fix: &str| {
            Err(Error::spec(what)
                .at(format!("recipe, augmentation; dataset {}", data.name()))
                .fix(fix))
        };
        match self {
            Augmentation::Sometimes(_, of) => return of.check(data),
            Augmentation::Choice(_, of) => {
                of.iter().try_for_each(|one| one.check(data))?;
                if matches!(data.content(), Content::Spectrogram(_))
                    && !self.is_of_sounds()
                    && !self.is_nowhere_of_sounds()
                {
                    return refuse(
                        format!("{self} chooses between changes of a sound and of its picture"),
                        "make a choice of each kind, that of sounds first",
                    );
                }
                return Ok(());
            }
            _ => {}
        }
        match (self.kind(), data.content()) {
            (Kind::Texts, Content::Words(_)) => return Ok(()),
            (Kind::Texts, _) => {
                return refuse(
                    format!("{self} is for texts, found {}", data.shape()),
                    "make texts with Dataset::from_texts",
                );
            }
            (_, Content::Words(_)) => {
                return refuse(
                    format!("{self} is for numbers, found the words of texts"),
                    "texts have synonyms, inserted synonyms, swapped and deleted words",
                );
            }
            (Kind::Sounds, Content::Sound(_) | Content::Spectrogram(_)) | (Kind::Numbers, _) => return Ok(()),
            (Kind::Sounds, Content::Numbers) => {
                return refuse(
                    format!("{self} is for sounds, found {} that remember none", data.shape()),
                    "say that numbers are samples with Dataset::with_rate; take spectrograms as Dataset::spectrogram \
                     makes them, without standardizing: a batch norm first in the network does that",
                );
            }
            (Kind::Images, _) => {}
        }
        let channels = match data.shape() {
            Shape::Flat(width) if data.rate().is_some() => {
                return refuse(
                    format!("{self} is for images, found sounds of {width} samples"),
                    "take their spectrograms with Dataset::spectrogram",
                );
            }
            Shape::Flat(width) => {
                return refuse(
                    format!("{self} is for images, found examples of {width} numbers"),
                    "if the numbers are images, row by row, say so with Dataset::with_shape",
                );
            }
            Shape::Image { channels, .. } => channels,
        };
        match self {
            Augmentation::Saturation(_) | Augmentation::Hue(_) if channels != 3 => refuse(
                format!("{self} is for images of red, green and blue, found {channels} channels"),
                "grey images have brightness, contrast and gamma",
            ),
            Augmentation::Brightness(_)
            | Augmentation::Contrast(_)
            | Augmentation::Gamma(_)
            | Augmentation::Saturation(_)
            | Augmentation::Hue(_) => match data.range() {
                Some((low, high)) if low < 0.0 || high > 1.0 => refuse(
                    format!("{self} is for pixels of 0 to 1, found {low} to {high}"),
                    "leave the images as they were loaded, and let a batch norm come first in the network",
                ),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// Why it may change what the examples of a set that ships show.
    pub(crate) fn may_change_labels(&self, data: &Dataset) -> Option<String> {
        let name = data.name();
        let set = name.split(" (").next().unwrap_or_default();
        let why = match (set, self) {
            (_, Augmentation::Sometimes(_, of)) => return of.may_change_labels(data),
            (_, Augmentation::Choice(_, of)) => return of.iter().find_map(|one| one.may_change_labels(data)),
            ("digits", Augmentation::Mirror) => "a mirrored 2, 3 or 7 is no digit that anyone writes",
            ("digits", Augmentation::Flip) => "a 6 becomes nearly a 9, and a 2 nearly a 5",
            ("digits", Augmentation::Rotate(degrees) | Augmentation::Affine { degrees, .. })
                if *degrees > 45.0 =>
            {
                "a 6 becomes a 9"
            }
            ("reviews", Augmentation::DeleteWords(x)) if *x > 0.0 => {
                "without its \"not\" a complaint is praise"
            }
            ("reviews", Augmentation::SwapWords(x)) if *x > 0.0 => {
                "whether it was good and is bad now, or the other way round, is in the order of the words"
            }
            ("spoken digits", Augmentation::Speed(x)) if *x > 0.3 => {
                "played that much faster, the tones of one digit are those of another"
            }
            ("spoken digits", Augmentation::Mirror) => "played backwards, a rising tone falls",
            ("spoken digits", Augmentation::Flip) => "with high tones low, a rising tone falls",
            ("spoken digits", Augmentation::TimeMask(x) | Augmentation::FrequencyMask(x)) if *x > 0.7 => {
                "what tells it from another may be covered"
            }
            _ => return None,
        };
        Some(format!("{self} may change what {name} show: {why}"))
    }
}
