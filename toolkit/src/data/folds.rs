//! Folds: every example is in the test part of one of several splits.

use rand::seq::SliceRandom;

use super::share::group_sizes;
use super::{Dataset, Split};
use crate::{Error, Result, memory, seed};

impl Dataset {
    /// `k` splits for cross-validation (2 or more), drawn by `seed`: each example is in the test part of one and in the
    /// training part of the others. With labels they are stratified: the parts' counts of each class, and of all
    /// examples, differ by at most one.
    ///
    /// A dataset with groups keeps whole groups in one part: the largest first, each goes to the fold that then has its
    /// classes most evenly, by squares of their shares (in the manner of scikit-learn's `StratifiedGroupKFold`).
    ///
    /// ```
    /// use jook::prelude::*;
    /// let folds = datasets::digits()?.folds(5, 0)?;
    /// assert_eq!(folds.iter().map(|fold| fold.test.len()).sum::<usize>(), 1797);
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// When `k` is below 2, when there are fewer examples or groups than folds, or when the parts do not fit the memory.
    #[doc(alias = "cross_validation")]
    #[doc(alias = "KFold")]
    pub fn folds(&self, k: usize, seed: u64) -> Result<Vec<Split>> {
        self.repeated_folds(k, 1, seed)
    }

    /// As [`folds`](Self::folds), `times` times with other draws: `k` * `times` splits, those of the first draw first.
    /// The first are those of `folds(k, seed)`, and more times add to those of fewer.
    ///
    /// # Errors
    /// As [`folds`](Self::folds), and when `times` is 0.
    #[doc(alias = "RepeatedKFold")]
    pub fn repeated_folds(&self, k: usize, times: usize, seed: u64) -> Result<Vec<Split>> {
        let place = || format!("{k} folds of dataset {}", self.name());
        if k < 2 || times == 0 {
            let found = if k < 2 {
                format!("k = {k}")
            } else {
                "0 times".to_owned()
            };
            return Err(
                Error::data(format!("expected 2 folds or more, 1 time or more, found {found}"))
                    .at(place())
                    .fix("5 or 10 folds are usual; for one test part there is Dataset::split"),
            );
        }
        let (units, what) = match self.groups() {
            Some(groups) => (group_sizes(groups).len(), "groups"),
            None => (self.len(), "examples"),
        };
        if units < k {
            return Err(Error::data(format!("expected {k} {what} or more, found {units}"))
                .at(place())
                .fix(format!("ask for at most {units} folds")));
        }
        // Each split has a copy of every example, in one part or the other.
        let bytes = (self.features().len() as u64).saturating_mul(4 * k as u64);
        if let Some(lack) = memory::lacking(bytes.saturating_mul(times as u64)) {
            return Err(Error::data(lack).at(place()).fix("ask for fewer folds or times"));
        }
        let mut splits = Vec::new();
        for time in 0..times {
            let (stream, of) = match time {
                0 => ("folds".to_owned(), String::new()),
                _ => (format!("folds {time}"), format!(", draw {}", time + 1)),
            };
            let fold_of = match self.groups() {
                Some(groups) => self.folds_of_groups(groups, k, seed, &stream),
                None => self.dealt(k, seed, &stream),
            };
            for fold in 0..k {
                let (test, train) = (0..self.len()).partition(|&row| fold_of[row] == fold);
                let part = |part| format!("{part} {} of {k}{of}", fold + 1);
                let train = self.part(train, &part("train"))?;
                splits.push(Split {
                    test: self.part(test, &part("test"))?.knowing(&train)?,
                    validation: None,
                    train,
                });
            }
        }
        Ok(splits)
    }

    /// The fold of each row: class by class, dealt round like cards.
    fn dealt(&self, k: usize, seed: u64, stream: &str) -> Vec<usize> {
        let mut fold_of = vec![0; self.len()];
        for (place, row) in self
            .shuffled_classes(seed, stream)
            .concat()
            .into_iter()
            .enumerate()
        {
            fold_of[row] = place % k;
        }
        fold_of
    }

    /// The fold of each row, the same for all of a group.
    fn folds_of_groups(&self, groups: &[u32], k: usize, seed: u64, stream: &str) -> Vec<usize> {
        let sizes = group_sizes(groups);
        let mut order: Vec<u32> = sizes.keys().copied().collect();
        order.shuffle(&mut seed::stream(seed, stream));
        order.sort_by_key(|group| std::cmp::Reverse(sizes[group]));
        let place_of: std::collections::HashMap<u32, usize> =
            order.iter().enumerate().map(|(at, &group)| (group, at)).collect();
        let classes = if self.labels().is_some() {
            self.classes()
        } else {
            1
        };
        let mut of_group = vec![vec![0.0_f64; classes]; order.len()];
        let mut of_all = vec![0.0_f64; classes];
        for (row, group) in groups.iter().enumerate() {
            let class = self.label(row).unwrap_or(0) as usize;
            of_group[place_of[group]][class] += 1.0;
            of_all[class] += 1.0;
        }
        let mut of_fold = vec![(vec![0.0_f64; classes], 0.0_f64); k];
        let mut chosen = Vec::with_capacity(order.len());
        for counts in &of_group {
            // What the group adds to the sum of squared shares of the classes, but for its own square.
            let uneven = |fold: &(Vec<f64>, f64)| -> f64 {
                let pairs = counts.iter().zip(&fold.0).zip(&of_all);
                pairs
                    .filter(|((own, _), _)| **own > 0.0)
                    .map(|((own, here), all)| own * here / (all * all))
                    .sum()
            };
            let best = (0..k)
                .min_by(|&a, &b| {
                    let (a, b) = (&of_fold[a], &of_fold[b]);
                    uneven(a).total_cmp(&uneven(b)).then(a.1.total_cmp(&b.1))
                })
                .unwrap_or(0);
            for (here, own) in of_fold[best].0.iter_mut().zip(counts) {
                *here += own;
            }
            of_fold[best].1 += counts.iter().sum::<f64>();
            chosen.push(best);
        }
        groups.iter().map(|group| chosen[place_of[group]]).collect()
    }
}

#[cfg(test)]
mod tests;
