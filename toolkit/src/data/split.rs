//! Splits into a training, a test and perhaps a validation part, and few-label subsets.

use std::collections::HashSet;

use rand::seq::SliceRandom;

use super::names::{listed, places};
use super::share::{group_sizes, share_of_classes, share_of_groups};
use super::{Dataset, Standardizer};
use crate::{Error, Result, seed};

/// A dataset in two parts, or three, that share no example. All keep the order of the whole.
///
/// Parts that come from files of their own are brought together by [`Split::new`]: labels are numbers, and only the
/// names of the classes say which number is which class.
#[derive(Clone, Debug)]
pub struct Split {
    /// What is learned from.
    pub train: Dataset,
    /// What settings are chosen by, where that is set apart.
    pub validation: Option<Dataset>,
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
        Ok(Self {
            train,
            validation: None,
            test,
        })
    }

    /// The same with these examples as validation part, matched by name as [`new`](Self::new) does.
    ///
    /// # Errors
    /// As [`new`](Self::new).
    pub fn with_validation(self, validation: Dataset) -> Result<Self> {
        let validation = Some(validation.matched_to(&self.train.names())?);
        Ok(Self { validation, ..self })
    }

    /// All parts matched by name to the training part.
    pub(crate) fn matched(&self) -> Result<Self> {
        let split = Self::new(self.train.clone(), self.test.clone())?;
        match &self.validation {
            Some(validation) => split.with_validation(validation.clone()),
            None => Ok(split),
        }
    }

    /// All parts standardized with the means and deviations of the training part, so that nothing about
    /// the others reaches training.
    ///
    /// # Errors
    /// When the training part is empty, or a number leaves the range of `f32`.
    pub fn standardized(&self) -> Result<Split> {
        let standardizer = Standardizer::fit(&self.train)?;
        let validation = self.validation.as_ref();
        Ok(Split {
            train: standardizer.apply(&self.train)?,
            validation: validation.map(|part| standardizer.apply(part)).transpose()?,
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
    /// A dataset with groups keeps each group in one part: groups come in a drawn order, and each that brings the test
    /// part nearer to its share is taken. Classes come out as the groups bring them.
    ///
    /// # Errors
    /// When `test_share` is not between 0 and 1, or a part would be empty.
    pub fn split(&self, test_share: f64, seed: u64) -> Result<Split> {
        check_test_share(test_share).map_err(|e| e.at(format!("split of dataset {}", self.name())))?;
        let (train, test) = self.parted(test_share, seed, "split");
        self.parts(train, test, || {
            format!("a test share of {test_share} of {} examples", self.len())
        })
    }

    /// As [`split`](Self::split), with a validation part of `validation_share` of all examples beside the test part,
    /// which is that of `split(test_share, seed)`. Settings are chosen by the validation part, so that the test part
    /// says how good the chosen one is: [`Study::fit`](crate::study::Study::fit) does so.
    ///
    /// ```
    /// use jook::prelude::*;
    /// let digits = datasets::digits()?.split_three(0.2, 0.2, 0)?;
    /// let validation = digits.validation.as_ref().expect("a part");
    /// assert_eq!((digits.train.len(), validation.len(), digits.test.len()), (1079, 359, 359));
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// When a share or their sum is not between 0 and 1, or a part would be empty.
    #[doc(alias = "train_test_split")]
    pub fn split_three(&self, validation_share: f64, test_share: f64, seed: u64) -> Result<Split> {
        let place = || format!("split of dataset {}", self.name());
        let fits = |share: f64| share > 0.0 && share < 1.0;
        if ![validation_share, test_share, validation_share + test_share]
            .into_iter()
            .all(fits)
        {
            return Err(Error::data(format!(
                "expected a validation and a test share between 0 and 1, also together, found {validation_share} and \
                 {test_share}"
            ))
            .at(place()));
        }
        let Split { train, test, .. } = self.split(test_share, seed)?;
        let of_rest = (validation_share * self.len() as f64 / train.len() as f64).min(1.0);
        let rest = train.named(self.name());
        let (train, validation) = rest.without_validation(of_rest, seed)?;
        Ok(Split {
            train,
            validation: Some(validation),
            test,
        })
    }

    /// What is left to learn from, and a validation part of `share` of the examples, made as a split's test part is.
    pub(crate) fn without_validation(&self, share: f64, seed: u64) -> Result<(Dataset, Dataset)> {
        let (train, validation) = self.parted(share, seed, "validation");
        for (part, rows) in [("training", &train), ("validation", &validation)] {
            if rows.is_empty() {
                return Err(Error::data(format!(
                    "{} examples are too few for a validation part of {share} of them: the {part} part would be empty",
                    self.len()
                ))
                .at(format!("dataset {}", self.name()))
                .fix("take more examples, or cross-validate with Dataset::folds"));
            }
        }
        Ok((self.part(train, "train")?, self.part(validation, "validation")?))
    }

    /// A training part of `k` examples a class, chosen by `seed`; all the rest is the test part, without the groups
    /// that are in the training part, where there are groups.
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
        let mut classes = self.shuffled_classes(seed, "few-shot");
        let train: Vec<usize> = classes.iter_mut().flat_map(|class| class.drain(..k)).collect();
        let mut test = classes.concat();
        if let Some(groups) = self.groups() {
            let seen: HashSet<u32> = train.iter().map(|&row| groups[row]).collect();
            test.retain(|&row| !seen.contains(&groups[row]));
        }
        self.parts(train, test, || format!("{k} examples a class"))
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

    /// All rows, and of them `share` in the second part, in an order drawn from `seed`.
    fn parted(&self, share: f64, seed: u64, stream: &str) -> (Vec<usize>, Vec<usize>) {
        if let Some(groups) = self.groups() {
            let mut order: Vec<u32> = group_sizes(groups).into_keys().collect();
            order.shuffle(&mut seed::stream(seed, stream));
            let chosen = share_of_groups(&order, groups, share);
            return (0..self.len()).partition(|&row| !chosen.contains(&groups[row]));
        }
        let mut classes = self.shuffled_classes(seed, stream);
        let sizes: Vec<usize> = classes.iter().map(Vec::len).collect();
        let mut second = Vec::new();
        for (class, n) in classes.iter_mut().zip(share_of_classes(&sizes, share)) {
            second.extend(class.drain(..n));
        }
        (classes.concat(), second)
    }

    /// The rows of each class (of all examples, without labels) in an order drawn from `seed`.
    pub(super) fn shuffled_classes(&self, seed: u64, stream: &str) -> Vec<Vec<usize>> {
        let mut rows: Vec<usize> = (0..self.len()).collect();
        rows.shuffle(&mut seed::stream(seed, stream));
        let Some(labels) = self.labels() else {
            return vec![rows];
        };
        let mut classes = vec![Vec::new(); self.classes()];
        for row in rows {
            classes[labels[row] as usize].push(row);
        }
        classes
    }

    /// These rows, in the order of the whole, as the part of this name.
    pub(super) fn part(&self, mut rows: Vec<usize>, part: &str) -> Result<Dataset> {
        rows.sort_unstable();
        Ok(self.subset(&rows)?.named(format!("{} ({part})", self.name())))
    }

    fn parts(&self, train: Vec<usize>, test: Vec<usize>, asked: impl Fn() -> String) -> Result<Split> {
        for (part, rows) in [("training", &train), ("test", &test)] {
            if rows.is_empty() {
                return Err(Error::data(format!(
                    "expected examples in both parts, found none in the {part} part after {}",
                    asked()
                ))
                .at(format!("dataset {}", self.name())));
            }
        }
        Ok(Split {
            train: self.part(train, "train")?,
            validation: None,
            test: self.part(test, "test")?,
        })
    }
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

    #[test]
    fn three_parts_share_nothing_and_keep_the_test_part_of_two() {
        let digits = datasets::digits().unwrap();
        let three = digits.split_three(0.2, 0.2, 3).unwrap();
        assert_eq!(three.test.digest(), digits.split(0.2, 3).unwrap().test.digest());
        let labels: Vec<u32> = (0..90).map(|i| i % 3).collect();
        let data = numbered(&labels, 3);
        let three = data.split_three(0.3, 0.1, 7).unwrap();
        let validation = three.validation.clone().unwrap();
        assert_eq!(three.test.class_counts(), [3, 3, 3]);
        assert_eq!(validation.class_counts(), [9, 9, 9]);
        assert_eq!(validation.name(), "numbered (validation)");
        let mut all = [rows(&three.train), rows(&validation), rows(&three.test)].concat();
        all.sort_unstable();
        assert_eq!(all, (0..90).collect::<Vec<_>>());
        let other = data.split_three(0.3, 0.1, 8).unwrap().validation.unwrap();
        assert_ne!(rows(&other), rows(&validation));
        for (a, b) in [(0.0, 0.1), (0.1, 0.0), (0.6, 0.4), (f64::NAN, 0.1), (0.5, 0.8)] {
            refused(
                data.split_three(a, b, 0),
                &["validation and a test share", "numbered"],
            );
        }
        refused(
            data.split_three(0.001, 0.1, 0),
            &["validation part of", "Dataset::folds"],
        );
        // What a validation part is scaled by comes from the training part alone.
        let scaled = three.standardized().unwrap().validation.unwrap();
        let by_hand = Standardizer::fit(&three.train)
            .unwrap()
            .apply(&validation)
            .unwrap();
        assert_eq!(scaled.features(), by_hand.features());
    }

    #[test]
    fn groups_stay_in_one_part() {
        let labels: Vec<u32> = (0..120).map(|i| i % 3).collect();
        let groups: Vec<u32> = (0..120).map(|i| i / 7 * 10).collect();
        let data = numbered(&labels, 3).with_groups(groups).unwrap();
        let of = |part: &Dataset| -> HashSet<u32> { part.groups().unwrap().iter().copied().collect() };
        for seed in 0..5 {
            let two = data.split(0.3, seed).unwrap();
            assert!(of(&two.train).is_disjoint(&of(&two.test)));
            // 36 wanted, groups of 7 (the last of 1): never further off than half a group.
            assert!(two.test.len().abs_diff(36) <= 3, "{}", two.test.len());
            let three = data.split_three(0.2, 0.3, seed).unwrap();
            let validation = three.validation.unwrap();
            assert!(of(&validation).is_disjoint(&of(&three.train)));
            assert!(of(&validation).is_disjoint(&of(&three.test)));
            assert!(validation.len().abs_diff(24) <= 3, "{}", validation.len());
            let few = data.few_shot(2, seed).unwrap();
            assert_eq!(few.train.class_counts(), [2, 2, 2]);
            assert!(of(&few.train).is_disjoint(&of(&few.test)));
        }
        let one = data.with_groups(vec![1; 120]).unwrap();
        refused(one.split(0.3, 0), &["found none in the test part"]);
    }

    #[test]
    fn a_validation_part_of_its_own_is_matched_by_name() {
        let split = numbered(&[0, 1, 2, 0, 1, 2], 3).split(0.5, 0).unwrap();
        let reversed: Vec<String> = ["2", "1", "0"].map(String::from).to_vec();
        let other = split.test.with_classes_of(&reversed).unwrap();
        let labels = split.test.labels().unwrap().to_vec();
        let three = split.with_validation(other).unwrap().matched().unwrap();
        assert_eq!(three.validation.unwrap().labels(), Some(&labels[..]));
    }
}
