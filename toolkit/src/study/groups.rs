//! [`Groups`]: trials by combination, and what their metrics say.

use super::goal::Goals;
use super::record::TrialResult;
use super::resampled::corrected_mean;
use super::settings::Settings;
use super::statistics::{Mean, Paired};

/// The folds that every combination ran on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Folds {
    /// How many there are; none in a study without folds.
    pub count: usize,
    /// Examples measured on over examples learned from, where training parts overlap.
    pub overlap: Option<f64>,
}

/// Trials by combination: what tables and charts are made of.
pub(super) struct Groups<'a> {
    pub all: Vec<(&'a Settings, Vec<&'a TrialResult>)>,
    pub folds: Folds,
}

impl<'a> Groups<'a> {
    /// `results` holds the trials of the first combination, then of the next.
    pub(super) fn new(
        combinations: &'a [Settings],
        results: &'a [Option<TrialResult>],
        folds: Folds,
    ) -> Self {
        let each = results.len() / combinations.len().max(1);
        let of = |i: usize| {
            results[i * each..(i + 1) * each]
                .iter()
                .flatten()
                .filter(|t| t.complete)
                .collect()
        };
        Self {
            all: combinations
                .iter()
                .enumerate()
                .map(|(i, settings)| (settings, of(i)))
                .collect(),
            folds,
        }
    }

    /// The metrics there are, in the order they first occur.
    pub(super) fn metrics(&self) -> Vec<&'a str> {
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in self
            .all
            .iter()
            .flat_map(|(_, trials)| trials.iter().flat_map(|t| &t.metrics))
        {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }

    /// The metric asked for; else `accuracy` or `rmse`, where one was measured; else the first there is.
    pub(super) fn main_metric(&self, asked: Option<&str>) -> String {
        let metrics = self.metrics();
        let usual = ["accuracy", "rmse"]
            .into_iter()
            .find(|name| metrics.contains(name));
        asked
            .or(usual)
            .or(metrics.first().copied())
            .unwrap_or("value")
            .to_owned()
    }

    /// The numbers that a mean of a metric is of: one a trial; in a study with folds one a fold, its mean over the seeds.
    pub(super) fn samples(&self, trials: &[&TrialResult], metric: &str) -> Vec<f64> {
        let of = |t: &&TrialResult| Some((t.fold, t.metric(metric)?));
        let all = trials.iter().filter(|t| t.error.is_none()).filter_map(of);
        self.by_fold(all)
    }

    /// Numbers of trials as they are; in a study with folds the mean of each fold.
    pub(super) fn by_fold(&self, all: impl Iterator<Item = (Option<u32>, f64)>) -> Vec<f64> {
        if self.folds.count == 0 {
            return all.map(|(_, value)| value).collect();
        }
        let mut folds = std::collections::BTreeMap::<Option<u32>, (f64, usize)>::new();
        for (fold, value) in all.filter(|(_, value)| value.is_finite()) {
            let sum = folds.entry(fold).or_default();
            *sum = (sum.0 + value, sum.1 + 1);
        }
        folds.into_values().map(|(sum, n)| sum / n as f64).collect()
    }

    /// The mean of such numbers, with the interval that the folds allow.
    pub(super) fn mean_of(&self, samples: &[f64]) -> Option<Mean> {
        let mean = Mean::of(samples)?;
        Some(match self.folds.overlap {
            Some(ratio) => corrected_mean(mean, ratio),
            None => mean,
        })
    }

    /// What trials under two settings share that makes them a pair.
    pub(super) fn unit(&self) -> &'static str {
        match self.folds.count {
            0 => "seed",
            _ => "fold",
        }
    }

    /// What pairs of values of two settings say, each pair of a seed or fold.
    pub(super) fn paired(&self, pairs: &[(u64, f64, f64)]) -> Option<Paired> {
        let values: Vec<_> = pairs.iter().map(|pair| (pair.1, pair.2)).collect();
        match self.folds.overlap {
            Some(ratio) => Paired::overlapping(&values, ratio),
            None => Paired::of(&values),
        }
    }

    /// The mean of a metric in a group of trials.
    pub(super) fn mean(&self, trials: &[&TrialResult], metric: &str) -> Option<Mean> {
        self.mean_of(&self.samples(trials, metric))
    }

    /// The combination with the best mean. One whose trials failed or gave no number in part is best only where no
    /// other is whole: the seeds that it survived say little of the next.
    pub(super) fn best(&self, metric: &str, goals: &Goals) -> Option<(Settings, Mean)> {
        self.ranked(metric, goals).into_iter().next()
    }

    /// All combinations with a mean, the best first, as [`best`](Self::best) has it.
    pub(super) fn ranked(&self, metric: &str, goals: &Goals) -> Vec<(Settings, Mean)> {
        let sign = if goals.less_is_better(metric) { -1.0 } else { 1.0 };
        let mut all: Vec<_> = self
            .all
            .iter()
            .filter_map(|(settings, trials)| {
                Some((*settings, self.mean(trials, metric)?, is_whole(trials, metric)))
            })
            .collect();
        // The first of equals first, as a reader of the table would.
        all.sort_by(|a, b| {
            b.2.cmp(&a.2)
                .then((sign * b.1.mean).total_cmp(&(sign * a.1.mean)))
        });
        all.into_iter()
            .map(|(settings, mean, _)| (settings.clone(), mean))
            .collect()
    }

    /// Whether a trial was run on validation.
    pub(super) fn judged(&self) -> bool {
        let mut trials = self.all.iter().flat_map(|(_, trials)| trials);
        trials.any(|trial| trial.measured_on() == Some("validation"))
    }

    /// What all values of a metric were measured on, where all trials say the same.
    pub(super) fn measured_on(&self, metric: &str) -> Option<&'a str> {
        match metric {
            "held_out_loss" | "held_out_accuracy" => return Some("held-out part"),
            "train_loss" | "epochs" | "seconds" => return None,
            _ => {}
        }
        let trials = self.all.iter().flat_map(|(_, trials)| trials);
        let mut measured = trials.filter(|trial| trial.error.is_none());
        let first = measured.next()?.measured_on.as_deref();
        first.filter(|_| measured.all(|trial| trial.measured_on.as_deref() == first))
    }
}

/// Whether each of the trials has given a number.
fn is_whole(trials: &[&TrialResult], metric: &str) -> bool {
    let finite =
        |trial: &&TrialResult| trial.error.is_none() && trial.metric(metric).is_some_and(f64::is_finite);
    trials.iter().all(finite)
}

/// The values of one metric in a group of trials; failed trials have none.
pub(super) fn values(trials: &[&TrialResult], metric: &str) -> Vec<f64> {
    trials
        .iter()
        .filter(|t| t.error.is_none())
        .filter_map(|t| t.metric(metric))
        .collect()
}
