//! [`Sampler`]: which rows make a batch. Pure in seed and step, so that a resumed training meets the same batches.

use std::fmt;

use rand::Rng as _;
use serde::{Deserialize, Serialize};

use crate::data::{Dataset, Targets};
use crate::seed::{shuffle, stream};
use crate::{Error, Result};

/// Which rows make a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Sampler {
    /// All rows in a new order each epoch, one batch after another.
    #[default]
    Shuffled,
    /// So many classes, drawn anew for each batch, and so many examples of each: for losses that compare examples
    /// (Schroff et al. 2015). The recipe's batch does not count.
    PerClass {
        /// Classes in a batch.
        classes: usize,
        /// Examples of each; a class with fewer gives some twice.
        each: usize,
    },
    /// Drawn with replacement, as often as the dataset's weights say; the loss then takes all alike.
    Weighted,
    /// Drawn with replacement, each class as often as the others.
    Balanced,
}

impl Sampler {
    /// The most rows of a batch, where the recipe or the stream asks for `batch` of so many examples.
    pub(super) fn rows(self, batch: usize, examples: usize) -> usize {
        match self {
            Sampler::PerClass { classes, each } => classes.saturating_mul(each),
            _ => batch.min(examples.max(1)),
        }
    }
}

impl fmt::Display for Sampler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sampler::Shuffled => f.write_str("shuffled"),
            Sampler::PerClass { classes, each } => write!(f, "{each} of each of {classes} classes"),
            Sampler::Weighted => f.write_str("drawn by weight"),
            Sampler::Balanced => f.write_str("drawn by class"),
        }
    }
}

/// Which rows make the batch of a step.
pub trait Batches {
    /// Batches in an epoch.
    fn per_epoch(&self) -> usize;

    /// The rows of the batch of step `step`, counted from 0, into `rows`. The same for the same step, whatever was
    /// asked before.
    fn rows(&mut self, step: u64, rows: &mut Vec<u32>);
}

/// A sampler at work on one stream of data.
pub(super) struct Sampling {
    sampler: Sampler,
    training: Vec<u32>,
    batch: usize,
    seed: u64,
    /// Before the names of its random streams.
    name: String,
    /// The rows of each class that has any.
    by_class: Vec<Vec<u32>>,
    /// What the rows up to this one weigh together.
    weights: Vec<f64>,
    /// The order of an epoch.
    order: Vec<u32>,
    of_epoch: Option<u64>,
}

impl Sampling {
    /// Of the rows `training` of `data`; the first stream of a training is number 0.
    pub fn new(
        sampler: Sampler,
        data: &Dataset,
        training: Vec<u32>,
        batch: usize,
        seed: u64,
        number: usize,
    ) -> Result<Self> {
        let wrong = |what: &str, remedy: &str| {
            Err(Error::spec(what)
                .at(format!("recipe, sampler, on dataset {}", data.name()))
                .fix(remedy))
        };
        let mut by_class = Vec::new();
        if matches!(sampler, Sampler::PerClass { .. } | Sampler::Balanced) {
            let Targets::Classes(labels) = data.targets() else {
                return wrong(
                    "batches by class need labels, and there are none",
                    "use Sampler::Shuffled",
                );
            };
            by_class = vec![Vec::new(); data.classes()];
            for &row in &training {
                by_class[labels[row as usize] as usize].push(row);
            }
            by_class.retain(|rows| !rows.is_empty());
        }
        if let Sampler::PerClass { classes, each } = sampler
            && !((1..=by_class.len()).contains(&classes) && each > 0)
        {
            return wrong(
                &format!(
                    "expected 1 to {} classes and 1 example or more of each in a batch, found {classes} and {each}",
                    by_class.len()
                ),
                "ask for no more classes than there are",
            );
        }
        let mut weights = Vec::new();
        if sampler == Sampler::Weighted {
            let Some(all) = data.weights() else {
                return wrong(
                    "a weighted sampler needs weights, and there are none",
                    "add them with Dataset::with_weights",
                );
            };
            let mut sum = 0.0;
            weights.extend(training.iter().map(|&row| {
                sum += f64::from(all[row as usize]);
                sum
            }));
            if sum <= 0.0 {
                return wrong(
                    "no example to learn from has a weight above 0",
                    "give some a weight above 0",
                );
            }
        }
        Ok(Self {
            sampler,
            batch: sampler.rows(batch, training.len()),
            training,
            seed,
            name: if number == 0 {
                String::new()
            } else {
                format!("stream {number}, ")
            },
            by_class,
            weights,
            order: Vec::new(),
            of_epoch: None,
        })
    }

    /// All rows to learn from, in their order.
    pub fn training(&self) -> &[u32] {
        &self.training
    }

    /// The most rows of a batch.
    pub fn most(&self) -> usize {
        self.batch
    }
}

impl Batches for Sampling {
    fn per_epoch(&self) -> usize {
        self.training.len().div_ceil(self.batch)
    }

    fn rows(&mut self, step: u64, rows: &mut Vec<u32>) {
        rows.clear();
        let name = &self.name;
        let rng = || stream(self.seed, &format!("{name}batch {step}"));
        match self.sampler {
            Sampler::Shuffled => {
                let per_epoch = self.training.len().div_ceil(self.batch) as u64;
                let (epoch, position) = (step / per_epoch, (step % per_epoch) as usize);
                if self.of_epoch != Some(epoch) {
                    self.order.clear();
                    self.order.extend_from_slice(&self.training);
                    shuffle(
                        &mut self.order,
                        &mut stream(self.seed, &format!("{name}batch order {epoch}")),
                    );
                    self.of_epoch = Some(epoch);
                }
                let first = position * self.batch;
                rows.extend_from_slice(&self.order[first..self.order.len().min(first + self.batch)]);
            }
            Sampler::PerClass { classes, each } => {
                let mut rng = rng();
                let mut order: Vec<u32> = (0..self.by_class.len() as u32).collect();
                shuffle(&mut order, &mut rng);
                for &class in &order[..classes] {
                    let mut of_class = self.by_class[class as usize].clone();
                    shuffle(&mut of_class, &mut rng);
                    rows.extend(of_class.iter().cycle().take(each));
                }
            }
            Sampler::Weighted => {
                let (mut rng, total) = (rng(), self.weights[self.weights.len() - 1]);
                rows.extend((0..self.batch).map(|_| {
                    let drawn = rng.random::<f64>() * total;
                    let at = self.weights.partition_point(|&sum| sum <= drawn);
                    self.training[at.min(self.training.len() - 1)]
                }));
            }
            Sampler::Balanced => {
                let mut rng = rng();
                rows.extend((0..self.batch).map(|_| {
                    let class = &self.by_class[rng.random_range(0..self.by_class.len() as u32) as usize];
                    class[rng.random_range(0..class.len() as u32) as usize]
                }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Shape;

    fn data() -> Dataset {
        let labels: Vec<u32> = (0..100)
            .map(|i| u32::from(i >= 10) + u32::from(i >= 40))
            .collect();
        let names = ["a", "b", "c"].map(String::from).to_vec();
        let features = (0..100).map(|i| i as f32).collect();
        Dataset::new("d", Shape::Flat(1), features)
            .and_then(|d| d.with_labels(labels, names))
            .unwrap()
    }

    fn sampling(sampler: Sampler, data: &Dataset) -> Sampling {
        Sampling::new(sampler, data, (0..100).collect(), 32, 3, 0).unwrap()
    }

    fn rows(sampling: &mut Sampling, step: u64) -> Vec<u32> {
        let mut rows = Vec::new();
        sampling.rows(step, &mut rows);
        rows
    }

    #[test]
    fn an_epoch_has_every_row_once_and_any_step_can_be_entered() {
        let data = data();
        let mut one = sampling(Sampler::Shuffled, &data);
        assert_eq!(one.per_epoch(), 4);
        let batches: Vec<Vec<u32>> = (0..8).map(|step| rows(&mut one, step)).collect();
        assert_eq!(
            batches.iter().map(Vec::len).collect::<Vec<_>>(),
            [32, 32, 32, 4, 32, 32, 32, 4]
        );
        for epoch in batches.chunks(4) {
            let mut all = epoch.concat();
            all.sort_unstable();
            assert_eq!(all, (0..100).collect::<Vec<u32>>());
        }
        assert_ne!(batches[0], batches[4]);
        let mut other = sampling(Sampler::Shuffled, &data);
        assert_eq!(rows(&mut other, 6), batches[6]);
        assert_eq!(rows(&mut other, 1), batches[1]);
        let mut beside = Sampling::new(Sampler::Shuffled, &data, (0..100).collect(), 32, 3, 1).unwrap();
        assert_ne!(rows(&mut beside, 0), batches[0]);
    }

    #[test]
    fn batches_by_class_have_so_many_of_each() {
        let data = data();
        let mut sampling = sampling(Sampler::PerClass { classes: 2, each: 12 }, &data);
        let labels = data.labels().unwrap();
        let mut met = [0; 3];
        for step in 0..30 {
            let mut counts = [0; 3];
            let batch = rows(&mut sampling, step);
            batch
                .iter()
                .for_each(|&row| counts[labels[row as usize] as usize] += 1);
            assert_eq!(counts.iter().filter(|&&n| n == 12).count(), 2, "{counts:?}");
            counts.iter().zip(&mut met).for_each(|(n, met)| *met += n);
            // A class of ten gives two of its examples twice.
            let different: std::collections::HashSet<_> = batch.iter().collect();
            assert_eq!(different.len(), if counts[0] > 0 { 22 } else { 24 });
        }
        assert!(met.iter().all(|&n| n > 0));
        assert!(Sampling::new(Sampler::PerClass { classes: 4, each: 1 }, &data, vec![0], 1, 0, 0).is_err());
    }

    #[test]
    fn drawn_rows_come_as_often_as_they_weigh() {
        let mut weights = vec![1.0; 100];
        (weights[7], weights[8]) = (50.0, 0.0);
        let weighted = data().with_weights(weights).unwrap();
        let mut sampler = sampling(Sampler::Weighted, &weighted);
        let all: Vec<u32> = (0..200).flat_map(|step| rows(&mut sampler, step)).collect();
        let count = |wanted| all.iter().filter(|&&row| row == wanted).count() as f64 / all.len() as f64;
        // 50 of 148; the standard deviation over 6,400 draws is 0.006.
        assert!((count(7) - 50.0 / 148.0).abs() < 0.03 && count(8) == 0.0);
        let (data, mut met) = (data(), [0; 3]);
        let mut sampler = sampling(Sampler::Balanced, &data);
        for row in (0..200).flat_map(|step| rows(&mut sampler, step)) {
            met[data.labels().unwrap()[row as usize] as usize] += 1;
        }
        assert!(met.iter().all(|&n| (1950..2320).contains(&n)), "{met:?}");
        assert!(Sampling::new(Sampler::Weighted, &data, vec![0], 1, 0, 0).is_err());
    }
}
