//! [`Dataset`]: examples of one shape, with labels or none.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// The shape of one example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Shape {
    /// A plain vector of this many features.
    Flat(usize),
    /// An image, stored row by row with the channels of a pixel side by side (h x w x c).
    Image {
        height: usize,
        width: usize,
        channels: usize,
    },
}

impl Shape {
    /// Numbers in one example.
    pub fn width(self) -> usize {
        match self {
            Shape::Flat(width) => width,
            Shape::Image {
                height,
                width,
                channels,
            } => height * width * channels,
        }
    }
}

/// Examples of one shape, with labels or none. Cloning is cheap: the numbers are shared.
#[derive(Clone, Debug)]
pub struct Dataset {
    name: String,
    shape: Shape,
    features: Arc<[f32]>,
    labels: Option<Arc<[u32]>>,
    class_names: Arc<[String]>,
    source: String,
    licence: String,
}

impl Dataset {
    /// A dataset without labels. `features` holds the examples one after another, row-major.
    ///
    /// # Errors
    /// When `features` is not a whole number of examples of `shape`, or holds a NaN or infinity.
    pub fn new(name: impl Into<String>, shape: Shape, features: Vec<f32>) -> Result<Self> {
        let (name, width) = (name.into(), shape.width());
        if width == 0 || features.len() % width != 0 {
            let found = features.len();
            return Err(Error::data(format!(
                "expected a multiple of {width} numbers for {shape:?}, found {found}"
            ))
            .at(format!("dataset {name}"))
            .fix("check the shape against how the numbers were read"));
        }
        if let Some(i) = features.iter().position(|x| !x.is_finite()) {
            return Err(
                Error::data(format!("expected finite numbers, found {}", features[i]))
                    .at(format!("dataset {name}, row {}, column {}", i / width, i % width))
                    .fix("drop or fill missing values before making the dataset"),
            );
        }
        Ok(Self {
            name,
            shape,
            features: features.into(),
            labels: None,
            class_names: Arc::new([]),
            source: String::new(),
            licence: String::new(),
        })
    }

    /// Adds labels: one per example, each an index into `class_names`.
    ///
    /// # Errors
    /// When the number of labels differs from the number of examples, or a label has no class name.
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
                Error::data(format!("expected labels below {classes}, found {}", labels[row]))
                    .at(format!("dataset {}, row {row}", self.name)),
            );
        }
        self.labels = Some(labels.into());
        self.class_names = class_names.into();
        Ok(self)
    }

    /// Adds where the data come from and under which licence.
    pub fn with_origin(mut self, source: impl Into<String>, licence: impl Into<String>) -> Self {
        self.source = source.into();
        self.licence = licence.into();
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

    /// Example `i`.
    pub fn row(&self, i: usize) -> &[f32] {
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

    /// Where the data come from.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The licence of the data.
    pub fn licence(&self) -> &str {
        &self.licence
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
    pub(crate) fn with_features(&self, features: Vec<f32>) -> Result<Self> {
        let made = Self::new(self.name.clone(), self.shape, features)?;
        Ok(Self {
            features: made.features,
            ..self.clone()
        })
    }
}
