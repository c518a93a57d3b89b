//! Parts of a [`Dataset`], two as one, and the same with other numbers.

use super::Dataset;
use crate::data::targets::{Kept, rows_of};
use crate::{Error, Result};

impl Dataset {
    /// The examples at `rows`, in that order; shape, class names and origin stay.
    ///
    /// # Errors
    /// When a row is out of range.
    pub fn subset(&self, rows: &[usize]) -> Result<Self> {
        if let Some(&row) = rows.iter().find(|&&row| row >= self.len()) {
            return Err(
                Error::data(format!("expected rows below {}, found {row}", self.len()))
                    .at(format!("dataset {}", self.name)),
            );
        }
        Ok(Self {
            features: rows_of(&self.features, rows, self.width()),
            targets: self.targets.at(rows, self.target_width()),
            content: self.content.at(rows),
            weights: self.weights.as_ref().map(|weights| rows_of(weights, rows, 1)),
            groups: self
                .groups
                .as_ref()
                .map(|groups| rows.iter().map(|&row| groups[row]).collect()),
            ..self.clone()
        }
        .changed())
    }

    /// The examples without those at `rows`, in whatever order these come.
    ///
    /// ```
    /// use jook::prelude::*;
    /// let iris = datasets::iris()?;
    /// assert_eq!(iris.without_rows(&[3, 0])?.len(), 148);
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// When a row is out of range.
    #[doc(alias = "drop")]
    pub fn without_rows(&self, rows: &[usize]) -> Result<Self> {
        let mut left_out = vec![false; self.len()];
        for &row in rows {
            let Some(place) = left_out.get_mut(row) else {
                return self.subset(&[row]);
            };
            *place = true;
        }
        let kept: Vec<usize> = (0..self.len()).filter(|&row| !left_out[row]).collect();
        self.subset(&kept)
    }

    /// The same examples, of which this share (0 to 1, drawn by `seed`) has the label of another class, each other one as
    /// likely: what careless labelling does, to see what it costs.
    ///
    /// # Errors
    /// Without labels or a second class, or when the share is not from 0 to 1.
    #[doc(alias = "label_noise")]
    pub fn mislabelled(&self, share: f64, seed: u64) -> Result<Self> {
        use rand::Rng as _;
        let classes = self.classes() as u32;
        let mut labels = self.require_labels()?.to_vec();
        if !(0.0..=1.0).contains(&share) || classes < 2 {
            return Err(Error::data(format!(
                "expected a share of 0 to 1 and two classes or more, found {share} and {classes}"
            ))
            .at(format!("dataset {}", self.name)));
        }
        let mut draw = crate::seed::stream(seed, "label noise");
        for label in &mut labels {
            if draw.random::<f64>() < share {
                *label = (*label + draw.random_range(1..classes)) % classes;
            }
        }
        self.clone().with_labels(labels, self.class_names.to_vec())
    }

    /// The same examples, in which these numbers (counted from 0) are 0, so that they say nothing; the shape stays.
    ///
    /// # Errors
    /// When there is no such number in an example.
    pub fn blank(&self, numbers: &[usize]) -> Result<Self> {
        let width = self.width();
        if let Some(at) = numbers.iter().find(|&&at| at >= width) {
            return Err(Error::data(format!("expected numbers below {width}, found {at}"))
                .at(format!("dataset {}", self.name)));
        }
        let mut features = self.features.to_vec();
        for row in features.chunks_exact_mut(width) {
            numbers.iter().for_each(|&at| row[at] = 0.0);
        }
        self.with_features(features)
    }

    /// The examples of both, those of `other` behind. Classes are matched by name, and new ones are added; features
    /// and values that have names are brought into the order of this dataset's.
    ///
    /// ```
    /// use jook::prelude::*;
    /// let digits = datasets::digits()?;
    /// let (ones, rest) = (digits.of_classes(&["1"])?, digits.of_classes(&["7", "8"])?);
    /// let both = ones.join(&rest)?;
    /// assert_eq!((both.len(), both.class_names()), (ones.len() + rest.len(), &["1", "7", "8"].map(String::from)[..]));
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the shapes, the kinds of targets or the names of features or values differ, or only one has groups.
    pub fn join(&self, other: &Dataset) -> Result<Self> {
        crate::data::join::join(self, other)
    }

    /// Other examples of the same shape and origin, under the targets, weights and groups of these, which are for the
    /// caller to bring in line.
    pub(in crate::data) fn with_examples(&self, features: Vec<f32>) -> Result<Self> {
        let made = Self::new(self.name.clone(), self.shape, features)?;
        Ok(Self {
            features: made.features,
            content: self.content.changed(),
            ..self.clone()
        })
    }

    /// The same examples with other targets, weights and groups.
    pub(in crate::data) fn with_rest(
        self,
        targets: Kept,
        class_names: Vec<String>,
        weights: Option<Vec<f32>>,
        groups: Option<Vec<u32>>,
    ) -> Self {
        Self {
            targets,
            class_names: class_names.into(),
            weights: weights.map(Into::into),
            groups: groups.map(Into::into),
            ..self
        }
        .changed()
    }

    /// The same examples with the targets, weights and groups of those of `other`, one by one: what a network or a filter
    /// makes of examples is of the same class and the same patient.
    ///
    /// # Errors
    /// When `other` has more or fewer examples.
    pub(crate) fn standing_for(self, other: &Dataset) -> Result<Self> {
        if self.len() != other.len() {
            return Err(Error::data(format!(
                "expected {} examples, as in dataset {}, found {}",
                other.len(),
                other.name,
                self.len()
            ))
            .at(format!("dataset {}", self.name)));
        }
        Ok(Self {
            targets: other.targets.clone(),
            class_names: other.class_names.clone(),
            value_names: other.value_names.clone(),
            weights: other.weights.clone(),
            groups: other.groups.clone(),
            ..self
        }
        .changed())
    }

    /// The same examples with other numbers of the same shape, as a transformation makes them.
    ///
    /// # Errors
    /// When there are more or fewer numbers than before, or one is not finite.
    pub(crate) fn with_features(&self, features: Vec<f32>) -> Result<Self> {
        if features.len() != self.features.len() {
            return Err(Error::data(format!(
                "expected {} numbers as before, found {}",
                self.features.len(),
                features.len()
            ))
            .at(format!("dataset {}", self.name)));
        }
        Ok(self.with_examples(features)?.changed())
    }
}
