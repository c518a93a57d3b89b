//! What is said of the examples of a [`Dataset`]: labels, shares, values, weights, groups, names, origin.

use std::sync::Arc;

use super::Dataset;
use crate::data::Shape;
use crate::data::content::Content;
use crate::data::names::repeated;
use crate::data::targets::Kept;
use crate::{Error, Result};

impl Dataset {
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
        self.targets = Kept::Classes(labels.into());
        self.value_names = Arc::new([]);
        self.class_names = class_names.into();
        Ok(self.changed())
    }

    /// Adds to each example how much each class is the right one: rows x classes, each row of shares of 0 or more
    /// that add up to 1 (soft labels).
    ///
    /// # Errors
    /// When there is another number of them, two classes have the same name, or a row is no such shares.
    pub fn with_shares(mut self, shares: Vec<f32>, class_names: Vec<String>) -> Result<Self> {
        let classes = class_names.len();
        self.check_table(&shares, classes, "shares")?;
        if let Some(name) = repeated(&class_names) {
            return Err(Error::data(format!(
                "expected classes with different names, found {name} twice"
            ))
            .at(format!("dataset {}", self.name)));
        }
        let wrong =
            |row: &[f32]| row.iter().any(|&x| x < 0.0) || (row.iter().sum::<f32>() - 1.0).abs() > 1e-3;
        if let Some(row) = shares.chunks_exact(classes.max(1)).position(wrong) {
            return Err(Error::data("expected shares of 0 or more that add up to 1")
                .at(format!("dataset {}, row {}", self.name, row + 1))
                .fix("divide each row by its sum"));
        }
        self.targets = Kept::Shares(shares.into());
        self.value_names = Arc::new([]);
        self.class_names = class_names.into();
        Ok(self.changed())
    }

    /// Adds the values to predict for each example: rows x values, in the order of `names` (regression).
    ///
    /// # Errors
    /// When there is another number of them, no name or one twice, or a value is not finite.
    pub fn with_values<S: Into<String>>(
        mut self,
        values: Vec<f32>,
        names: impl IntoIterator<Item = S>,
    ) -> Result<Self> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        self.check_table(&values, names.len(), "values")?;
        if let Some(name) = repeated(&names) {
            return Err(Error::data(format!(
                "expected values with different names, found {name} twice"
            ))
            .at(format!("dataset {}", self.name)));
        }
        self.targets = Kept::Values(values.into());
        self.class_names = Arc::new([]);
        self.value_names = names.into();
        Ok(self.changed())
    }

    /// Adds how much each example counts in the loss, 0 or more. Training divides them by their mean, so that weights
    /// that are all alike change nothing.
    ///
    /// # Errors
    /// When there are more or fewer than examples, one is negative or not finite, or all are 0.
    #[doc(alias = "sample_weight")]
    pub fn with_weights(mut self, weights: Vec<f32>) -> Result<Self> {
        self.check_count(weights.len(), "weights")?;
        let wrong = |&w: &f32| !(w >= 0.0 && w.is_finite());
        if let Some(row) = weights.iter().position(wrong) {
            return Err(
                Error::data(format!("expected a weight of 0 or more, found {}", weights[row])).at(format!(
                    "dataset {}, row {}",
                    self.name,
                    row + 1
                )),
            );
        }
        if !weights.is_empty() && weights.iter().all(|&w| w == 0.0) {
            return Err(Error::data("expected a weight above 0, found zeros alone")
                .at(format!("dataset {}", self.name)));
        }
        self.weights = Some(weights.into());
        Ok(self.changed())
    }

    /// The same examples, which all count alike.
    pub fn without_weights(mut self) -> Self {
        self.weights = None;
        self.changed()
    }

    /// Adds which group each example belongs to, by a number: one patient, writer or recording. Splits, folds and early
    /// stopping then keep a group in one part.
    ///
    /// # Errors
    /// When there are more or fewer than examples.
    pub fn with_groups(mut self, groups: Vec<u32>) -> Result<Self> {
        self.check_count(groups.len(), "groups")?;
        self.groups = Some(groups.into());
        Ok(self.changed())
    }

    /// The same, whose digest is no longer that of before.
    pub(super) fn changed(mut self) -> Self {
        self.digest = Arc::default();
        self
    }

    fn check_count(&self, found: usize, what: &str) -> Result<()> {
        if found == self.len() {
            return Ok(());
        }
        Err(Error::data(format!(
            "expected {} {what}, one an example, found {found}",
            self.len()
        ))
        .at(format!("dataset {}", self.name)))
    }

    /// Whether `table` has a row of so many finite numbers for each example.
    fn check_table(&self, table: &[f32], width: usize, what: &str) -> Result<()> {
        let place = || format!("dataset {}", self.name);
        if width == 0 {
            return Err(Error::data(format!("expected a name or more for {what}, found none")).at(place()));
        }
        if self.len().checked_mul(width) != Some(table.len()) {
            return Err(Error::data(format!(
                "expected {width} {what} for each of {} examples, found {} in all",
                self.len(),
                table.len()
            ))
            .at(place()));
        }
        match table.iter().position(|x| !x.is_finite()) {
            Some(i) => Err(Error::data(format!("expected finite {what}, found {}", table[i]))
                .at(format!("{}, row {}", place(), i / width + 1))
                .fix("drop or fill missing values first")),
            None => Ok(()),
        }
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
        if self.shape != shape {
            self.content = Content::Numbers;
        }
        self.shape = shape;
        Ok(self.changed())
    }

    /// The same numbers, which stand for something else.
    pub(in crate::data) fn with_content(self, content: Content) -> Self {
        Self { content, ..self }.changed()
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

    /// Without the notes that hold no longer.
    pub(in crate::data) fn without_notes(mut self, over: impl Fn(&str) -> bool) -> Self {
        self.notes = self.notes.iter().filter(|note| !over(note)).cloned().collect();
        self
    }

    /// Adds what whoever reads the data has to know of how they were read.
    pub(in crate::data) fn with_notes(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        self.notes = self.notes.iter().cloned().chain(notes).collect();
        self
    }
}
