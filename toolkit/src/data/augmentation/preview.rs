//! What augmentations make of a dataset: as pictures, and as data.

use super::Augmentation;
use super::mix::mix_batch;
use crate::data::{Dataset, Shape, Targets};
use crate::seed::stream;
use crate::show::ImageGrid;
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
            one.check(self)?;
        }
        let (shape, rows) = (self.shape(), (0..self.len() as u32).collect::<Vec<u32>>());
        let mut features = self.features().to_vec();
        change_each(all, (&rows, epoch, seed), shape, &mut features);
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

    /// Six images of the dataset, one of each of the first classes, each followed by `n` of what these changes make of it:
    /// ends a cell as a grid.
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
    /// As [`augmented`](Self::augmented), and for data that are no images.
    pub fn preview(&self, all: &[Augmentation], n: usize, seed: u64) -> Result<ImageGrid> {
        let Shape::Image {
            height,
            width,
            channels,
        } = self.shape()
        else {
            return Err(Error::spec("a preview is of images, found plain numbers")
                .at(format!("dataset {}", self.name()))
                .fix("if they are images, row by row, say so with Dataset::with_shape"));
        };
        let rows: Vec<usize> = match self.classes() {
            0 => (0..self.len().min(PREVIEWED)).collect(),
            classes => (0..classes)
                .filter_map(|class| self.rows_of(class).first().copied())
                .take(PREVIEWED)
                .collect(),
        };
        let few = self.subset(&rows)?;
        let mut shown: Vec<Vec<f32>> = few.rows().map(<[f32]>::to_vec).collect();
        for epoch in 0..n as u64 {
            let changed = few.augmented(all, epoch, seed)?;
            for (shown, row) in shown.iter_mut().zip(changed.rows()) {
                shown.extend_from_slice(row);
            }
        }
        let captions = few.iter().flat_map(|(_, label)| {
            let name = label.map_or(String::new(), |label| few.class_name(label as usize));
            std::iter::once(name).chain(std::iter::repeat_n(String::new(), n))
        });
        let words: Vec<String> = all.iter().map(Augmentation::to_string).collect();
        let (low, high) = few.range().unwrap_or((0.0, 1.0));
        let grid = ImageGrid::new((height, width, channels), &shown.concat(), captions)?
            .columns(n + 1)
            .limit(PREVIEWED * (n + 1))
            .title(format!("first each as it is; then {}", words.join(", ")));
        Ok(match low < 0.0 || high > 1.0 {
            true => grid.range(low, high),
            false => grid,
        })
    }
}

/// Changes the examples of a batch, `rows` of a dataset in `epoch`, each alone by a random stream of its own.
pub(crate) fn change_each(
    all: &[Augmentation],
    (rows, epoch, seed): (&[u32], u64, u64),
    shape: Shape,
    examples: &mut [f32],
) {
    let alone: Vec<&Augmentation> = all.iter().filter(|one| !one.mixes()).collect();
    if alone.is_empty() {
        return;
    }
    let mut scratch = Vec::new();
    for (example, &row) in examples.chunks_exact_mut(shape.width().max(1)).zip(rows) {
        let mut rng = stream(seed, &format!("augment/{epoch}/{row}"));
        alone
            .iter()
            .for_each(|one| one.apply(example, shape, &mut rng, &mut scratch));
    }
}
