//! [`Dataset`]: examples of one shape, with labels or none.

use std::fmt;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use super::Shape;
use super::names::repeated;
use crate::hex::hex;
use crate::{Error, Result};

/// Examples of one shape, with labels or none. Cloning is cheap: the numbers are shared.
#[derive(Clone)]
pub struct Dataset {
    name: String,
    shape: Shape,
    features: Arc<[f32]>,
    labels: Option<Arc<[u32]>>,
    class_names: Arc<[String]>,
    feature_names: Arc<[String]>,
    source: String,
    licence: String,
    notes: Arc<[String]>,
}

impl Dataset {
    /// A dataset without labels. `features` holds the examples one after another, row-major.
    ///
    /// # Errors
    /// When `shape` has no numbers or too many to count, when `features` is not a whole number of examples
    /// of it, or holds a NaN or infinity.
    pub fn new(name: impl Into<String>, shape: Shape, features: Vec<f32>) -> Result<Self> {
        let name = name.into();
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
            labels: None,
            class_names: Arc::new([]),
            feature_names: Arc::new([]),
            source: String::new(),
            licence: String::new(),
            notes: Arc::new([]),
        })
    }

    /// Adds labels: one per example, each an index into `class_names`.
    ///
    /// # Errors
    /// When the number of labels differs from the number of examples, a label has no class name, or two
    /// classes have the same one.
    pub fn with_labels(mut self, labels: Vec<u32>, class_names: Vec<String>) -> Result<Self> {
        if labels.len() != self.len() {
            return Err(
                Error::data(format!("expected {} labels, found {}", self.len(), labels.len()))
                    .at(format!("dataset {}", self.name)),
            );
        }
        if let Some(row) = labels.iter().position(|&l| l as usize >= class_names.len()) {
            let classes = class_names.len();
            return Err(
                Error::data(format!("expected labels below {classes}, found {}", labels[row])).at(format!(
                    "dataset {}, row {}",
                    self.name,
                    row + 1
                )),
            );
        }
        if let Some(name) = repeated(&class_names) {
            return Err(Error::data(format!(
                "expected classes with different names, found {name} twice"
            ))
            .at(format!("dataset {}", self.name))
            .fix("give every class its own name"));
        }
        self.labels = Some(labels.into());
        self.class_names = class_names.into();
        Ok(self)
    }

    /// Adds a name for each feature, in the order of the numbers of an example.
    ///
    /// # Errors
    /// When the number of names differs from the number of features.
    pub fn with_feature_names(mut self, names: Vec<String>) -> Result<Self> {
        if names.len() != self.width() {
            return Err(Error::data(format!(
                "expected {} feature names, found {}",
                self.width(),
                names.len()
            ))
            .at(format!("dataset {}", self.name)));
        }
        self.feature_names = names.into();
        Ok(self)
    }

    /// The same numbers, taken as examples of another shape: a table's columns as images, for instance.
    ///
    /// # Errors
    /// When an example of that shape has another number of numbers.
    pub fn with_shape(mut self, shape: impl Into<Shape>) -> Result<Self> {
        let shape = shape.into();
        if shape.checked_width() != Some(self.width()) {
            return Err(Error::data(format!(
                "expected a shape of {} numbers, as an example has, found {shape}",
                self.width()
            ))
            .at(format!("dataset {}", self.name)));
        }
        self.shape = shape;
        Ok(self)
    }

    /// The same data under another name.
    pub fn named(mut self, name: impl Into<String>) -> Self {
        self.name = name.into();
        self
    }

    /// Adds where the data come from and under which licence.
    pub fn with_origin(mut self, source: impl Into<String>, licence: impl Into<String>) -> Self {
        self.source = source.into();
        self.licence = licence.into();
        self
    }

    /// Adds what whoever reads the data has to know of how they were read.
    pub(super) fn with_notes(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        self.notes = self.notes.iter().cloned().chain(notes).collect();
        self
    }

    /// The dataset's name.
    pub fn name(&self) -> &str {
        &self.name
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
        self.labels.as_deref()
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

    /// SHA-256 (hexadecimal) of shape, features and labels: equal exactly when training on the data would
    /// be. The names and the origin do not count.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        let shape = match self.shape {
            Shape::Flat(width) => vec![0, width],
            Shape::Image {
                height,
                width,
                channels,
            } => vec![1, height, width, channels],
        };
        for number in shape.into_iter().chain([self.len()]) {
            hash.update((number as u64).to_le_bytes());
        }
        // In pieces, so that hashing needs no second copy of the data.
        let mut bytes = Vec::with_capacity(4 * 4096);
        for piece in self.features.chunks(4096) {
            bytes.clear();
            bytes.extend(piece.iter().flat_map(|x| x.to_le_bytes()));
            hash.update(&bytes);
        }
        if let Some(labels) = self.labels() {
            hash.update(b"labels");
            hash.update((self.classes() as u64).to_le_bytes());
            labels.iter().for_each(|label| hash.update(label.to_le_bytes()));
        }
        hex(&hash.finalize())
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
            features: rows.iter().flat_map(|&row| self.row(row)).copied().collect(),
            labels: self
                .labels
                .as_ref()
                .map(|labels| rows.iter().map(|&row| labels[row]).collect()),
            ..self.clone()
        })
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
        let made = Self::new(self.name.clone(), self.shape, features)?;
        Ok(Self {
            features: made.features,
            ..self.clone()
        })
    }
}

/// One line: name, number of examples, shape, classes.
impl fmt::Display for Dataset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} examples, {}", self.name, self.len(), self.shape)?;
        match (&self.labels, self.classes()) {
            (None, _) => f.write_str(", no labels"),
            (Some(_), 1) => f.write_str(", 1 class"),
            (Some(_), classes) => write!(f, ", {classes} classes"),
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
