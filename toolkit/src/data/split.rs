//! Splits into a training and a test part, and few-label subsets.

use rand::seq::SliceRandom;

use super::names::{listed, places};
use super::{Dataset, Standardizer};
use crate::{Error, Result, seed};

/// A dataset in two parts that share no example. Both keep the order of the whole.
///
/// Parts that come from files of their own are brought together by [`Split::new`]: labels are numbers, and only the
/// names of the classes say which number is which class.
#[derive(Clone, Debug)]
pub struct Split {
    /// What is learned from.
    pub train: Dataset,
    /// What is only measured on.
    pub test: Dataset,
}

impl Split {
    /// Two datasets as parts of one: the classes and features of `test` are brought into the order of those of
    /// `train`, matched by name. `test` need not have all classes.
    ///
    /// # Errors
    /// When `test` has an example of a class that `train` does not know, or both name their features and `test` has
    /// others.
    pub fn new(train: Dataset, test: Dataset) -> Result<Self> {
        let test = test.matched_to(&train.names())?;
        Ok(Self { train, test })
    }

    /// Both parts standardized with the means and deviations of the training part, so that nothing about
    /// the test part reaches training.
    ///
    /// # Errors
    /// When the training part is empty, or a number leaves the range of `f32`.
    #[doc(alias = "fit_transform")]
    #[doc(alias = "StandardScaler")]
    pub fn standardized(&self) -> Result<Split> {
        let standardizer = Standardizer::fit(&self.train)?;
        Ok(Split {
            train: standardizer.apply(&self.train)?,
            test: standardizer.apply(&self.test)?,
        })
    }
}

/// Refuses shares that leave a part empty.
pub(crate) fn check_test_share(share: f64) -> Result<()> {
    if share > 0.0 && share < 1.0 {
        return Ok(());
    }
    Err(Error::data(format!(
        "expected a test share between 0 and 1, found {share}"
    )))
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
    #[doc(alias = "train_test_split")]
    pub fn split(&self, test_share: f64, seed: u64) -> Result<Split> {
        check_test_share(test_share).map_err(|e| e.at(format!("split of dataset {}", self.name())))?;
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
            return Err(Error::data(format!(
                "expected at least {k} examples of class {name}, found {n}"
            ))
            .at(place())
            .fix("ask for fewer examples a class, or leave the class out"));
        }
        let mut groups = self.shuffled_groups(seed, "few-shot");
        let train = groups.iter_mut().flat_map(|group| group.drain(..k)).collect();
        self.parts(train, groups.concat(), || format!("{k} examples a class"))
    }

    /// The examples of these classes alone, which then count in the order given.
    ///
    /// ```
    /// use jook::prelude::*;
    /// let digits = datasets::digits()?;
    /// let pairs = digits.of_classes(&["7", "1"])?;
    /// assert_eq!((pairs.classes(), pairs.class_name(0)), (2, "7".to_owned()));
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// Without labels, when there is no class of such a name, and when a name is there twice.
    pub fn of_classes<S: AsRef<str>>(&self, names: &[S]) -> Result<Self> {
        let labels = self.require_labels()?;
        let known = places(self.class_names());
        let mut wanted = vec![false; self.classes()];
        for name in names {
            let name = name.as_ref();
            let place = known.get(name).ok_or_else(|| {
                Error::data(format!(
                    "expected one of the classes {}, found {name}",
                    listed(self.class_names())
                ))
                .at(format!("dataset {}", self.name()))
            })?;
            wanted[*place as usize] = true;
        }
        let rows: Vec<usize> = (0..self.len())
            .filter(|&row| wanted[labels[row] as usize])
            .collect();
        let names: Vec<String> = names.iter().map(|name| name.as_ref().to_owned()).collect();
        self.subset(&rows)?.with_classes_of(&names)
    }

    /// The rows of each class (of all examples, without labels) in an order drawn from `seed`.
    fn shuffled_groups(&self, seed: u64, stream: &str) -> Vec<Vec<usize>> {
        let mut rows: Vec<usize> = (0..self.len()).collect();
        rows.shuffle(&mut seed::stream(seed, stream));
        let Some(labels) = self.labels() else {
            return vec![rows];
        };
        let mut groups = vec![Vec::new(); self.classes()];
        for row in rows {
            groups[labels[row] as usize].push(row);
        }
        groups
    }

    fn parts(
        &self,
        mut train: Vec<usize>,
        mut test: Vec<usize>,
        asked: impl Fn() -> String,
    ) -> Result<Split> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Shape, datasets};

    /// One feature, the row's number, so that rows can be told apart.
    fn numbered(labels: &[u32], classes: usize) -> Dataset {
        let names = (0..classes).map(|class| class.to_string()).collect();
        let features = (0..labels.len()).map(|i| i as f32).collect();
        let data = Dataset::new("numbered", Shape::Flat(1), features).unwrap();
        data.with_labels(labels.to_vec(), names).unwrap()
    }

    fn rows(part: &Dataset) -> Vec<usize> {
        part.features().iter().map(|&x| x as usize).collect()
    }

    #[track_caller]
    fn refused(made: Result<Split>, words: &[&str]) {
        let error = made.unwrap_err().to_string();
        for word in words {
            assert!(error.contains(word), "no {word:?} in: {error}");
        }
    }

    #[test]
    fn parts_are_stratified_and_share_nothing() {
        let digits = datasets::digits().unwrap();
        for (share, seed) in [(0.2, 0), (0.2, 1), (0.37, 5), (0.5, 2)] {
            let split = digits.split(share, seed).unwrap();
            let total = (1797.0 * share).round() as usize;
            assert_eq!((split.test.len(), split.train.len()), (total, 1797 - total));
            for (n, test) in digits.class_counts().into_iter().zip(split.test.class_counts()) {
                let exact = n as f64 * share;
                assert!((test as f64 - exact).abs() < 1.0, "{test} of {n} at {share}");
            }
        }
        let labels: Vec<u32> = (0..90).map(|i| i % 3).collect();
        let split = numbered(&labels, 3).split(0.1, 7).unwrap();
        assert_eq!(split.test.class_counts(), [3, 3, 3]);
        let mut all = [rows(&split.train), rows(&split.test)].concat();
        assert!(rows(&split.train).is_sorted() && rows(&split.test).is_sorted());
        all.sort_unstable();
        assert_eq!(all, (0..90).collect::<Vec<_>>());
        for part in [&split.train, &split.test] {
            for (row, label) in part.iter() {
                assert_eq!(label, Some(labels[row[0] as usize]));
            }
        }
    }

    #[test]
    fn the_seed_alone_decides() {
        let digits = datasets::digits().unwrap();
        let digest = |seed| digits.split(0.2, seed).unwrap().test.digest();
        assert_eq!(digest(3), digest(3));
        assert_ne!(digest(3), digest(4));
        let few = |seed| digits.few_shot(10, seed).unwrap().train.digest();
        assert_eq!(few(3), few(3));
        assert_ne!(few(3), few(4));
        // Pinned: results of one version must be found again by the next.
        let (split, few) = (digits.split(0.2, 0).unwrap(), digits.few_shot(10, 0).unwrap());
        assert_eq!(split.test.digest()[..16], *"87fb5d10b61193b8");
        assert_eq!(few.train.digest()[..16], *"8cd7f666d002bff0");
    }

    #[test]
    fn every_example_has_the_same_chance() {
        let labels: Vec<u32> = (0..20).map(|i| u32::from(i < 5)).collect();
        let data = numbered(&labels, 2);
        let mut chosen = [0; 20];
        for seed in 0..2000 {
            rows(&data.split(0.4, seed).unwrap().test)
                .iter()
                .for_each(|&row| chosen[row] += 1);
        }
        // 800 expected, standard deviation 22.
        assert!(chosen.iter().all(|n| (690..910).contains(n)), "{chosen:?}");
    }

    #[test]
    fn a_class_keeps_its_last_example_for_training() {
        let data = numbered(&[0, 0, 0, 0, 1, 2, 2], 3);
        for seed in 0..20 {
            let split = data.split(0.9, seed).unwrap();
            assert_eq!(split.train.class_counts(), [1, 1, 1]);
            assert_eq!(split.test.class_counts(), [3, 0, 1]);
        }
    }

    #[test]
    fn without_labels_a_split_is_plain() {
        let data = Dataset::new("d", Shape::Flat(1), (0..10).map(|i| i as f32).collect()).unwrap();
        let split = data.split(0.3, 1).unwrap();
        assert_eq!((split.train.len(), split.test.len()), (7, 3));
        refused(data.few_shot(1, 0), &["expected labels"]);
    }

    #[test]
    fn shares_that_cannot_be_are_refused() {
        let data = numbered(&[0, 0, 1, 1], 2);
        for share in [0.0, 1.0, -0.5, 1.5, f64::NAN, f64::INFINITY] {
            refused(data.split(share, 0), &["test share between 0 and 1", "numbered"]);
        }
        refused(data.split(0.01, 0), &["found none in the test part"]);
        refused(
            data.subset(&[]).unwrap().split(0.5, 0),
            &["found none in the training part"],
        );
    }

    #[test]
    fn few_shot_takes_k_of_each_and_nests() {
        let digits = datasets::digits().unwrap();
        let (five, ten) = (digits.few_shot(5, 1).unwrap(), digits.few_shot(10, 1).unwrap());
        assert_eq!(ten.train.class_counts(), [10; 10]);
        assert_eq!(ten.test.len(), 1697);
        assert_ne!(ten.train.digest(), digits.few_shot(10, 2).unwrap().train.digest());
        let has = |row: &[f32]| ten.train.rows().any(|other| other == row);
        assert!(five.train.rows().all(has));
        let labels: Vec<u32> = (0..12).map(|i| i / 4).collect();
        let split = numbered(&labels, 3).few_shot(3, 0).unwrap();
        assert_eq!(
            (split.train.class_counts(), split.test.class_counts()),
            (vec![3; 3], vec![1; 3])
        );
        assert!(
            rows(&split.test)
                .iter()
                .all(|row| !rows(&split.train).contains(row))
        );
    }

    #[test]
    fn classes_are_picked_and_counted_in_the_order_given() {
        let data = numbered(&[0, 1, 2, 1, 0], 3);
        let picked = data.of_classes(&["1", "0"]).unwrap();
        assert_eq!(rows(&picked), [0, 1, 3, 4]);
        assert_eq!(picked.labels(), Some(&[1, 0, 0, 1][..]));
        let error = data.of_classes(&["3"]).unwrap_err().to_string();
        assert!(error.contains("0, 1, 2") && error.contains("found 3"), "{error}");
        assert!(data.of_classes(&["1", "1"]).is_err());
    }

    #[test]
    fn too_few_examples_name_the_class() {
        let data = numbered(&[0, 0, 0, 1, 1], 3);
        refused(data.few_shot(0, 0), &["at least 1 example a class, found 0"]);
        refused(
            data.few_shot(3, 0),
            &["at least 3 examples of class 1, found 2", "few_shot(3)"],
        );
        refused(data.few_shot(1, 0), &["at least 1 examples of class 2, found 0"]);
        refused(
            numbered(&[0, 1], 2).few_shot(1, 0),
            &["found none in the test part"],
        );
    }
}
