//! What augmentations make of a dataset: to look at, and as data.

use super::mix::mix_batch;
use super::{Augmentation, Form, check_all};
use crate::data::content::Content;
use crate::data::sounds::{SIZE, picture};
use crate::data::{Dataset, Shape, Targets};
use crate::seed::stream;
use crate::show::{Align, Bundle, ImageGrid, Show, Table};
use crate::{Error, Result};

/// Examples in a preview.
const PREVIEWED: usize = 6;

impl Dataset {
    /// The examples as a training with this seed sees them in an epoch, counted from 0: each changed by all of these. The
    /// changes that mix examples take the whole dataset as one batch, and make shares of classes.
    ///
    /// # Errors
    /// When a change has a number out of range, or does not fit the data.
    pub fn augmented(&self, all: &[Augmentation], epoch: u64, seed: u64) -> Result<Self> {
        for one in all {
            one.validate()?;
        }
        check_all(all, self)?;
        let (shape, rows) = (self.shape(), (0..self.len() as u32).collect::<Vec<u32>>());
        let mut features = self.features().to_vec();
        change_each(all, (&rows, epoch, seed), self, &mut features);
        let mut numbers = match self.targets() {
            Targets::Shares { shares: numbers, .. } | Targets::Values(numbers) => numbers.to_vec(),
            _ => Vec::new(),
        };
        let targets = (self.targets(), self.target_width());
        let draws = (&rows[..], epoch, seed);
        let mixed = mix_batch(all, draws, shape, &mut features, targets, &mut numbers);
        let data = self.with_features(features)?;
        match self.targets() {
            Targets::Classes(_) | Targets::Shares { .. } if mixed => {
                data.with_shares(numbers, self.class_names().to_vec())
            }
            Targets::Values(_) if mixed => data.with_values(numbers, self.value_names().to_vec()),
            _ => Ok(data),
        }
    }

    /// Six examples of the dataset, the first of each of the first classes, each beside `n` of what these changes make of
    /// it: images, drawn sounds and texts. Ends a cell.
    ///
    /// ```
    /// use jook::prelude::*;
    /// let digits = datasets::digits()?;
    /// digits.preview(&[Augmentation::Crop(1), Augmentation::Rotate(15.0)], 9, 0)?
    /// # ;
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`augmented`](Self::augmented), and for data that are neither images, texts nor sounds.
    pub fn preview(&self, all: &[Augmentation], n: usize, seed: u64) -> Result<Preview> {
        let place = || format!("dataset {}", self.name());
        let rows: Vec<usize> = match self.classes() {
            0 => (0..self.len().min(PREVIEWED)).collect(),
            classes => (0..classes)
                .filter_map(|class| self.rows_of(class).first().copied())
                .take(PREVIEWED)
                .collect(),
        };
        let few = self.subset(&rows)?;
        let changed: Vec<Dataset> = (0..n as u64)
            .map(|epoch| few.augmented(all, epoch, seed))
            .collect::<Result<_>>()?;
        let words: Vec<String> = all.iter().map(Augmentation::to_string).collect();
        let title = format!("first each as it is; then {}", words.join(", "));
        let name = |i: usize| {
            few.label(i)
                .map_or(String::new(), |label| few.class_name(label as usize))
        };
        let (size, range) = match (few.content(), few.shape()) {
            (Content::Words(_), _) => {
                let mut table = Table::new(["", "text"])
                    .align(0, Align::Left)
                    .align(1, Align::Left);
                for i in 0..few.len() {
                    let versions = std::iter::once(&few)
                        .chain(&changed)
                        .filter_map(|data| data.text(i));
                    for (version, text) in versions.enumerate() {
                        let first = if version == 0 { name(i) } else { String::new() };
                        table = table.row([first, text]);
                    }
                }
                return Ok(Preview::Texts(table.caption(title)));
            }
            (Content::Sound(_), _) => (SIZE, (0.0, 1.0)),
            (
                _,
                Shape::Image {
                    height,
                    width,
                    channels,
                },
            ) => ((height, width, channels), few.range().unwrap_or((0.0, 1.0))),
            _ => {
                return Err(Error::spec("a preview is of images, texts or sounds, found plain numbers")
                    .at(place())
                    .fix(
                        "if they are images, row by row, say so with Dataset::with_shape; if they are samples of \
                         sounds, with Dataset::with_rate",
                    ));
            }
        };
        let mut shown = Vec::new();
        for i in 0..few.len() {
            let loudest = few.row(i).iter().fold(0.0, |most: f32, x| most.max(x.abs()));
            for data in std::iter::once(&few).chain(&changed) {
                match data.content() {
                    Content::Sound(_) => shown.extend(picture(data.row(i), loudest)),
                    _ => shown.extend_from_slice(data.row(i)),
                }
            }
        }
        let captions = (0..few.len())
            .flat_map(|i| std::iter::once(name(i)).chain(std::iter::repeat_n(String::new(), n)));
        let grid = ImageGrid::new(size, &shown, captions)?
            .columns(n + 1)
            .limit(PREVIEWED * (n + 1))
            .title(title);
        Ok(Preview::Images(match range.0 < 0.0 || range.1 > 1.0 {
            true => grid.range(range.0, range.1),
            false => grid,
        }))
    }
}

/// Examples beside what changes make of them, as [`Dataset::preview`] gives them: ends a cell.
#[derive(Clone, Debug)]
pub enum Preview {
    /// A row of images for each example.
    Images(ImageGrid),
    /// A line for each text, and for each that was made of it.
    Texts(Table),
}

impl Show for Preview {
    fn bundle(&self) -> Bundle {
        match self {
            Preview::Images(grid) => grid.bundle(),
            Preview::Texts(table) => table.bundle(),
        }
    }
}

/// Changes the examples of a batch, `rows` of a dataset in `epoch`, each alone by a random stream of its own. The sounds
/// beneath spectrograms are changed first, and their pictures made anew.
pub(crate) fn change_each(
    all: &[Augmentation],
    (rows, epoch, seed): (&[u32], u64, u64),
    data: &Dataset,
    examples: &mut [f32],
) {
    let alone: Vec<&Augmentation> = all.iter().filter(|one| !one.mixes()).collect();
    if alone.is_empty() {
        return;
    }
    let form = match data.content() {
        Content::Words(vocabulary) => Form::Words(vocabulary),
        Content::Sound(_) => Form::Sound,
        _ => Form::Shaped(data.shape()),
    };
    let (beneath, alone) = match data.content() {
        Content::Spectrogram(sounds) => {
            let (of_sounds, rest) = alone.into_iter().partition(|one| one.is_of_sounds());
            (Some((sounds, of_sounds)), rest)
        }
        _ => (None, alone),
    };
    let beneath = beneath.filter(|(_, of_sounds): &(_, Vec<&Augmentation>)| !of_sounds.is_empty());
    let (mut scratch, mut wave) = (Vec::new(), Vec::new());
    for (example, &row) in examples.chunks_exact_mut(data.width()).zip(rows) {
        let mut rng = stream(seed, &format!("augment/{epoch}/{row}"));
        if let Some((sounds, of_sounds)) = &beneath {
            wave.clear();
            wave.extend_from_slice(sounds.wave(row as usize));
            for one in of_sounds {
                one.apply(&mut wave, Form::Sound, &mut rng, &mut scratch);
            }
            sounds.transform.run(&wave, example);
        }
        alone
            .iter()
            .for_each(|one| one.apply(example, form, &mut rng, &mut scratch));
    }
}
