//! [`Dataset`]: examples of one shape, with targets or none.

mod given;
mod picked;
mod random_labels;

use std::fmt;
use std::sync::{Arc, OnceLock};

use super::content::Content;
use super::digest::digest_of;
use super::targets::Kept;
use super::{Shape, Targets};
use crate::{Error, Result};

/// Examples of one shape, with targets (labels, shares of classes or values) or none; they may have weights and belong to
/// groups. Cloning is cheap: the numbers are shared.
#[doc(alias = "DataLoader")]
#[doc(alias = "TensorDataset")]
#[derive(Clone)]
pub struct Dataset {
    name: String,
    shape: Shape,
    features: Arc<[f32]>,
    targets: Kept,
    class_names: Arc<[String]>,
    value_names: Arc<[String]>,
    weights: Option<Arc<[f32]>>,
    groups: Option<Arc<[u32]>>,
    feature_names: Arc<[String]>,
    source: String,
    licence: String,
    notes: Arc<[String]>,
    content: Content,
    /// Made when it is first asked for, and shared by clones.
    digest: Arc<OnceLock<String>>,
}

impl Dataset {
    /// A dataset without labels. `features` holds the examples one after another, row-major; `shape` is what one of them
    /// is: a number of plain numbers, or (height, width, channels).
    ///
    /// # Errors
    /// When `shape` has no numbers or too many to count, when `features` is not a whole number of examples
    /// of it, or holds a NaN or infinity.
    pub fn new(name: impl Into<String>, shape: impl Into<Shape>, features: Vec<f32>) -> Result<Self> {
        Self::made(name.into(), shape.into(), features)
    }

    fn made(name: String, shape: Shape, features: Vec<f32>) -> Result<Self> {
        let Some(width) = shape.checked_width().filter(|&width| width > 0) else {
            return Err(Error::data(format!(
                "expected a shape of 1 to {} numbers an example, found {shape:?}",
                usize::MAX
            ))
            .at(format!("dataset {name}"))
            .fix("give the shape that one example has, each side 1 or more"));
        };
        if !features.len().is_multiple_of(width) {
            let found = features.len();
            return Err(Error::data(format!(
                "expected a multiple of {width} numbers for {shape}, found {found}"
            ))
            .at(format!("dataset {name}"))
            .fix("check the shape against how the numbers were read"));
        }
        if let Some(i) = features.iter().position(|x| !x.is_finite()) {
            return Err(
                Error::data(format!("expected finite numbers, found {}", features[i]))
                    .at(format!(
                        "dataset {name}, row {}, column {}",
                        i / width + 1,
                        i % width + 1
                    ))
                    .fix("drop or fill missing values before making the dataset"),
            );
        }
        Ok(Self {
            name,
            shape,
            features: features.into(),
            targets: Kept::None,
            class_names: Arc::new([]),
            value_names: Arc::new([]),
            weights: None,
            groups: None,
            digest: Arc::default(),
            feature_names: Arc::new([]),
            source: String::new(),
            licence: String::new(),
            notes: Arc::new([]),
            content: Content::Numbers,
        })
    }

    /// The dataset's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the numbers stand for.
    pub(super) fn content(&self) -> &Content {
        &self.content
    }

    /// The shape of one example.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Numbers in one example.
    pub fn width(&self) -> usize {
        self.shape.width()
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.features.len() / self.width()
    }

    /// Whether there is no example at all.
    pub fn is_empty(&self) -> bool {
        self.features.is_empty()
    }

    /// All examples, one after another (`len() * width()` numbers).
    pub fn features(&self) -> &[f32] {
        &self.features
    }

    /// Example `i`, counted from 0.
    ///
    /// # Panics
    /// When `i` is not below [`len`](Self::len).
    #[track_caller]
    pub fn row(&self, i: usize) -> &[f32] {
        let examples = self.len();
        assert!(
            i < examples,
            "example {i} of a dataset of {examples}, counted from 0"
        );
        &self.features[i * self.width()..][..self.width()]
    }

    /// The labels, one per example.
    pub fn labels(&self) -> Option<&[u32]> {
        match &self.targets {
            Kept::Classes(labels) => Some(labels),
            _ => None,
        }
    }

    /// What the outputs should be.
    pub fn targets(&self) -> Targets<'_> {
        self.targets.view(self.class_names.len())
    }

    /// Numbers of the targets of one example that has shares or values; outputs that classes need.
    pub fn target_width(&self) -> usize {
        match self.targets {
            Kept::None => 0,
            Kept::Classes(_) | Kept::Shares(_) => self.classes(),
            Kept::Values(_) => self.value_names.len(),
        }
    }

    /// The values to predict, rows x values an example; none unless [`with_values`](Self::with_values) gave them.
    pub fn values(&self) -> Option<&[f32]> {
        match &self.targets {
            Kept::Values(values) => Some(values),
            _ => None,
        }
    }

    /// The names of the values; empty without values.
    pub fn value_names(&self) -> &[String] {
        &self.value_names
    }

    /// How much each example counts, if that was said.
    pub fn weights(&self) -> Option<&[f32]> {
        self.weights.as_deref()
    }

    /// The group of each example, if that was said.
    pub fn groups(&self) -> Option<&[u32]> {
        self.groups.as_deref()
    }

    /// The names of the classes; empty without labels.
    pub fn class_names(&self) -> &[String] {
        &self.class_names
    }

    /// Number of class names: labels are below it. 0 without labels.
    pub fn classes(&self) -> usize {
        self.class_names.len()
    }

    /// The name of class `class`, or the number itself when it has none.
    pub fn class_name(&self, class: usize) -> String {
        self.class_names
            .get(class)
            .cloned()
            .unwrap_or_else(|| class.to_string())
    }

    /// Examples of each class, in the order of [`class_names`](Self::class_names); empty without labels.
    pub fn class_counts(&self) -> Vec<usize> {
        let mut counts = vec![0; self.classes()];
        for &label in self.labels().unwrap_or_default() {
            counts[label as usize] += 1;
        }
        counts
    }

    /// The rows of the examples of `class`, ascending; empty without labels.
    pub fn rows_of(&self, class: usize) -> Vec<usize> {
        let labels = self.labels().unwrap_or_default().iter().enumerate();
        labels
            .filter(|&(_, &label)| label as usize == class)
            .map(|(row, _)| row)
            .collect()
    }

    /// The label of example `i`, counted from 0; none without labels.
    ///
    /// # Panics
    /// When there are labels and `i` is not below [`len`](Self::len).
    #[track_caller]
    pub fn label(&self, i: usize) -> Option<u32> {
        let labels = self.labels()?;
        let examples = labels.len();
        assert!(
            i < examples,
            "label {i} of a dataset of {examples}, counted from 0"
        );
        Some(labels[i])
    }

    /// The labels, or an error that says that this needs them.
    ///
    /// # Errors
    /// Without labels.
    pub fn require_labels(&self) -> Result<&[u32]> {
        self.labels().ok_or_else(|| {
            Error::data("expected labels, found none")
                .at(format!("dataset {}", self.name))
                .fix("add them with `with_labels`, or name the label column when loading")
        })
    }

    /// The examples in order, each a slice of [`width`](Self::width) numbers.
    pub fn rows(&self) -> std::slice::ChunksExact<'_, f32> {
        self.features.chunks_exact(self.width())
    }

    /// The examples in order, each with its label, if there are labels.
    pub fn iter(&self) -> impl Iterator<Item = (&[f32], Option<u32>)> {
        self.rows().enumerate().map(|(i, row)| (row, self.label(i)))
    }

    /// The names of the features; empty when nobody gave any.
    pub fn feature_names(&self) -> &[String] {
        &self.feature_names
    }

    /// The smallest and the largest value of each feature; empty without examples.
    pub fn feature_ranges(&self) -> Vec<(f32, f32)> {
        let mut rows = self.rows();
        let Some(first) = rows.next() else {
            return Vec::new();
        };
        let mut ranges: Vec<(f32, f32)> = first.iter().map(|&x| (x, x)).collect();
        for row in rows {
            for (range, &x) in ranges.iter_mut().zip(row) {
                *range = (range.0.min(x), range.1.max(x));
            }
        }
        ranges
    }

    /// The smallest and the largest number of all; none without examples.
    pub fn range(&self) -> Option<(f32, f32)> {
        let ranges = self.feature_ranges();
        ranges.into_iter().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)))
    }

    /// SHA-256 (hexadecimal) of shape, features, targets, weights and groups: equal exactly when training on the data
    /// would be. The names and the origin do not count. It is computed once.
    pub fn digest(&self) -> String {
        self.digest.get_or_init(|| digest_of(self)).clone()
    }

    /// Where the data come from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The licence of the data.
    pub fn licence(&self) -> &str {
        &self.licence
    }

    /// What was left out, changed or is doubtful in the data as a loader found them, a sentence each; loaders also
    /// print them.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }
}

/// One line: name, number of examples, shape, classes.
impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} examples, ", self.name, self.len())?;
        match &self.content {
            Content::Words(vocabulary) => {
                write!(
                    f,
                    "texts of up to {} words, vocabulary of {}",
                    self.width(),
                    vocabulary.len()
                )
            }
            Content::Sound(rate) => write!(f, "sounds of {} samples at {rate} Hz", self.width()),
            Content::Numbers | Content::Spectrogram(_) => write!(f, "{}", self.shape),
        }?;
        match (&self.targets, self.target_width()) {
            (Kept::None, _) => f.write_str(", no labels"),
            (Kept::Classes(_), 1) => f.write_str(", 1 class"),
            (Kept::Classes(_), classes) => write!(f, ", {classes} classes"),
            (Kept::Shares(_), classes) => write!(f, ", shares of {classes} classes"),
            (Kept::Values(_), _) => write!(f, ", {} to predict", self.value_names.join(", ")),
        }?;
        if self.weights.is_some() {
            f.write_str(", weighted")?;
        }
        match &self.groups {
            Some(groups) => {
                let different: std::collections::HashSet<_> = groups.iter().collect();
                write!(f, ", {} groups", different.len())
            }
            None => Ok(()),
        }
    }
}

/// The same line as `Display`: a panic message or `{:?}` in a cell must not print every number.
impl fmt::Debug for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Dataset({self})")
    }
}

#[cfg(test)]
mod tests;
