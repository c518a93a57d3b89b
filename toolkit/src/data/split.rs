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
        let test = test.matched_to(&train.names())?.knowing(&train)?;
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
        let validation = validation.matched_to(&self.train.names())?.knowing(&self.train)?;
        let validation = Some(validation);
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

    /// All parts with these numbers of an example as 0: see [`Dataset::blank`].
    ///
    /// # Errors
    /// When there is no such number in an example.
    pub fn blank(&self, numbers: &[usize]) -> Result<Split> {
        let validation = self.validation.as_ref();
        Ok(Split {
            train: self.train.blank(numbers)?,
            validation: validation.map(|part| part.blank(numbers)).transpose()?,
            test: self.test.blank(numbers)?,
        })
    }

    /// All parts standardized with the means and deviations of the training part, so that nothing about
    /// the others reaches training.
    ///
    /// # Errors
    /// When the training part is empty, or a number leaves the range of `f32`.
    #[doc(alias = "fit_transform")]
    #[doc(alias = "StandardScaler")]
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
    #[doc(alias = "train_test_split")]
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
            test: test.knowing(&train)?,
            validation: Some(validation),
            train,
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
        let train = self.part(train, "train")?;
        let validation = self.part(validation, "validation")?.knowing(&train)?;
        Ok((train, validation))
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
        let train = self.part(train, "train")?;
        Ok(Split {
            test: self.part(test, "test")?.knowing(&train)?,
            validation: None,
            train,
        })
    }
}

#[cfg(test)]
mod tests;
