//! Splits into a training and a test part, and few-label subsets.

use rand::seq::SliceRandom;

use super::{Dataset, Standardizer};
use crate::{Error, Result, seed};

/// A dataset in two parts that share no example. Both keep the order of the whole.
#[derive(Clone, Debug)]
pub struct Split {
    /// What is learned from.
    pub train: Dataset,
    /// What is only measured on.
    pub test: Dataset,
}

impl Split {
    /// Both parts standardized with the means and deviations of the training part, so that nothing about
    /// the test part reaches training.
    ///
    /// # Errors
    /// When the training part is empty, or a number leaves the range of `f32`.
    pub fn standardized(&self) -> Result<Split> {
        let standardizer = Standardizer::fit(&self.train)?;
        Ok(Split {
            train: standardizer.apply(&self.train)?,
            test: standardizer.apply(&self.test)?,
        })
    }
}

impl Dataset {
    /// Splits off a test part of `test_share` (between 0 and 1) of the examples, chosen by `seed`.
    ///
    /// With labels the split is stratified: each class gives its share, rounded up or down so that the
    /// whole comes out at the nearest number (the largest remainders round up). The last example of a
    /// class stays in the training part.
    ///
    /// # Errors
    /// When `test_share` is not between 0 and 1, or a part would be empty.
    pub fn split(&self, test_share: f64, seed: u64) -> Result<Split> {
        if !(test_share > 0.0 && test_share < 1.0) {
            return Err(Error::data(format!(
                "expected a test share between 0 and 1, found {test_share}"
            ))
            .at(format!("split of dataset {}", self.name())));
        }
        let mut groups = self.shuffled_groups(seed, "split");
        let sizes: Vec<usize> = groups.iter().map(Vec::len).collect();
        let mut test = Vec::new();
        for (group, n) in groups.iter_mut().zip(shares(&sizes, test_share)) {
            test.extend(group.drain(..n));
        }
        self.parts(groups.concat(), test, || {
            format!("a test share of {test_share} of {} examples", self.len())
        })
    }

    /// A training part of `k` examples a class, chosen by `seed`; all the rest is the test part.
    ///
    /// With the same seed a smaller `k` chooses a part of what a larger `k` chooses, so that curves over
    /// the number of labels compare nested sets.
    ///
    /// # Errors
    /// Without labels, when `k` is 0, when a class has fewer than `k` examples, and when nothing is left
    /// for the test part.
    pub fn few_shot(&self, k: usize, seed: u64) -> Result<Split> {
        self.require_labels()?;
        let place = || format!("few_shot({k}) of dataset {}", self.name());
        if k == 0 {
            return Err(Error::data("expected at least 1 example a class, found 0").at(place()));
        }
        if let Some((class, n)) = self.class_counts().into_iter().enumerate().find(|&(_, n)| n < k) {
            let name = self.class_name(class);
            return Err(
                Error::data(format!("expected at least {k} examples of class {name}, found {n}"))
                    .at(place())
                    .fix("ask for fewer examples a class, or leave the class out"),
            );
        }
        let mut groups = self.shuffled_groups(seed, "few-shot");
        let train = groups.iter_mut().flat_map(|group| group.drain(..k)).collect();
        self.parts(train, groups.concat(), || format!("{k} examples a class"))
    }

    /// The rows of each class (of all examples, without labels) in an order drawn from `seed`.
    fn shuffled_groups(&self, seed: u64, stream: &str) -> Vec<Vec<usize>> {
        let mut rows: Vec<usize> = (0..self.len()).collect();
        rows.shuffle(&mut seed::stream(seed, stream));
        let Some(labels) = self.labels() else { return vec![rows] };
        let mut groups = vec![Vec::new(); self.classes()];
        for row in rows {
            groups[labels[row] as usize].push(row);
        }
        groups
    }

    fn parts(&self, mut train: Vec<usize>, mut test: Vec<usize>, asked: impl Fn() -> String) -> Result<Split> {
        for (part, rows) in [("training", &train), ("test", &test)] {
            if rows.is_empty() {
                return Err(Error::data(format!(
                    "expected examples in both parts, found none in the {part} part after {}",
                    asked()
                ))
                .at(format!("dataset {}", self.name())));
            }
        }
        train.sort_unstable();
        test.sort_unstable();
        Ok(Split {
            train: self.subset(&train)?.named(format!("{} (train)", self.name())),
            test: self.subset(&test)?.named(format!("{} (test)", self.name())),
        })
    }
}

/// How many of each group make up `share` of the whole: floors, and one more for the largest remainders
/// until the total is the nearest whole number. No group of several gives its last.
fn shares(sizes: &[usize], share: f64) -> Vec<usize> {
    let total = (sizes.iter().sum::<usize>() as f64 * share).round() as usize;
    let single = sizes.len() == 1;
    let most = |n: usize| if single { n } else { n.saturating_sub(1) };
    let exact: Vec<f64> = sizes.iter().map(|&n| n as f64 * share).collect();
    let mut taken: Vec<usize> = sizes
        .iter()
        .zip(&exact)
        .map(|(&n, e)| (e.floor() as usize).min(most(n)))
        .collect();
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    order.sort_by(|&a, &b| exact[b].fract().total_cmp(&exact[a].fract()));
    let mut missing = total.saturating_sub(taken.iter().sum());
    for group in order {
        if missing > 0 && exact[group].fract() > 0.0 && taken[group] < most(sizes[group]) {
            taken[group] += 1;
            missing -= 1;
        }
    }
    taken
}
