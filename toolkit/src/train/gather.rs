//! Examples on their way from a dataset to where a model reads them.

use crate::data::{Augmentation, Dataset, Targets, change_each, mix_batch};

/// Copies the examples of one dataset, with what is known of them; its buffers are made once.
pub(super) struct Gather<'a> {
    data: &'a Dataset,
    /// By which weights are divided, so that they are 1 on average; none when all count alike.
    mean_weight: Option<f64>,
    classes: Vec<u32>,
    numbers: Vec<f32>,
    /// Whether the numbers are shares that mixed classes have become.
    mixed: bool,
    weights: Vec<f32>,
}

impl<'a> Gather<'a> {
    /// `training` are the rows whose weights are 1 on average.
    pub fn new(data: &'a Dataset, training: &[u32], weighted: bool) -> Self {
        let weights = data.weights().filter(|_| weighted);
        let mean_weight = weights.map(|weights| {
            let sum: f64 = training.iter().map(|&row| f64::from(weights[row as usize])).sum();
            sum / training.len().max(1) as f64
        });
        Self {
            data,
            mean_weight: mean_weight.filter(|&mean| mean > 0.0),
            classes: Vec::new(),
            numbers: Vec::new(),
            mixed: false,
            weights: Vec::new(),
        }
    }

    /// The examples at `rows`, in that order, into `input`.
    pub fn copy(&mut self, rows: &[u32], input: &mut [f32]) {
        self.mixed = false;
        let (features, width) = (self.data.features(), self.data.width());
        for (x, &row) in input.chunks_exact_mut(width).zip(rows) {
            x.copy_from_slice(&features[row as usize * width..][..width]);
        }
        let table = |table: &[f32], width: usize, into: &mut Vec<f32>| {
            into.clear();
            for &row in rows {
                into.extend_from_slice(&table[row as usize * width..][..width]);
            }
        };
        match self.data.targets() {
            Targets::None => {}
            Targets::Classes(labels) => {
                self.classes.clear();
                self.classes.extend(rows.iter().map(|&row| labels[row as usize]));
            }
            Targets::Shares { shares: all, .. } | Targets::Values(all) => {
                table(all, self.data.target_width(), &mut self.numbers);
            }
        }
        if let (Some(mean), Some(weights)) = (self.mean_weight, self.data.weights()) {
            self.weights.clear();
            self.weights
                .extend(rows.iter().map(|&row| share(weights[row as usize], mean)));
        }
    }

    /// Changes the examples in `input`, which were last copied, each by a random stream of its own.
    pub fn augment(
        &mut self,
        (rows, epoch, seed): (&[u32], u64, u64),
        all: &[Augmentation],
        input: &mut [f32],
    ) {
        let shape = self.data.shape();
        change_each(all, (rows, epoch, seed), self.data, input);
        let targets = match self.data.targets() {
            Targets::Classes(_) => Targets::Classes(&self.classes),
            other => other,
        };
        let targets = (targets, self.data.target_width());
        self.mixed = mix_batch(all, (rows, epoch, seed), shape, input, targets, &mut self.numbers);
    }

    /// How much each row of the dataset counts.
    pub fn all_weights(&self) -> Option<Vec<f32>> {
        let (mean, weights) = self.mean_weight.zip(self.data.weights())?;
        Some(weights.iter().map(|&weight| share(weight, mean)).collect())
    }

    /// What the outputs for the examples that were last copied should be.
    pub fn targets(&self) -> Targets<'_> {
        match self.data.targets() {
            Targets::None => Targets::None,
            Targets::Classes(_) if self.mixed => Targets::Shares {
                classes: self.data.target_width(),
                shares: &self.numbers,
            },
            Targets::Classes(_) => Targets::Classes(&self.classes),
            Targets::Shares { classes, .. } => Targets::Shares {
                classes,
                shares: &self.numbers,
            },
            Targets::Values(_) => Targets::Values(&self.numbers),
        }
    }

    /// How much each of them counts.
    pub fn weights(&self) -> Option<&[f32]> {
        self.mean_weight.map(|_| &self.weights[..])
    }
}

/// A weight where they are 1 on average.
fn share(weight: f32, mean: f64) -> f32 {
    (f64::from(weight) / mean) as f32
}
