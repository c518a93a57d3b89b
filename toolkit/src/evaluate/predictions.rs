//! [`Predictions`]: what a model says of the examples of a dataset, in the words of the dataset.

use std::fmt;

use polars::prelude::{Column, DataFrame};

use super::uncertainty::Several;
use super::{Evaluation, Regression, largest};
use crate::data::Dataset;
use crate::show::{Bundle, Show, escape_html};
use crate::{Error, Result};

/// What a model says of the examples of a dataset: classes by name, or numbers. `predict` makes it, given a dataset.
///
/// ```
/// use jook::prelude::*;
/// let iris = datasets::iris()?.split(0.3, 0)?.standardized()?;
/// let run = Mlp::new([4, 16, 3]).train(&iris.train, Recipe::new().epochs(40))?;
/// let predictions = run.predict(&iris.test)?;
/// let (class, sure) = (predictions.classes()?[0], predictions.probabilities()?[0]);
/// println!("the first is {class}; setosa with a probability of {sure}");
/// predictions.mistakes(10)?  // ends a cell as a table, and for images as a grid of them
/// # ;
/// # Ok::<(), jook::Error>(())
/// ```
#[derive(Clone)]
pub struct Predictions {
    pub(super) data: Dataset,
    pub(super) outputs: Vec<f32>,
    pub(super) meaning: Meaning,
    /// How several differ, of which these are the mean.
    pub(super) several: Option<Several>,
}

/// What the outputs stand for.
#[derive(Clone, Debug)]
pub(crate) enum Meaning {
    Classes {
        /// One for each output.
        names: Vec<String>,
        /// Whether their softmax was trained to be probabilities.
        softmax: bool,
    },
    /// Numbers, by these names.
    Values(Vec<String>),
}

impl Meaning {
    /// What outputs stand for that are those of `data`: numbers where it has values, else classes, by its names.
    ///
    /// # Errors
    /// When there are more classes than outputs, or another number of values.
    pub fn of(data: &Dataset, outputs: usize, softmax: bool) -> Result<Self> {
        let place = || format!("dataset {}", data.name());
        let (classes, values) = (data.class_names(), data.value_names());
        if data.values().is_some() {
            if values.len() != outputs {
                return Err(Error::data(format!(
                    "expected as many values as the network has outputs, {outputs}, found {}",
                    values.len()
                ))
                .at(place()));
            }
            return Ok(Meaning::Values(values.to_vec()));
        }
        if classes.len() > outputs {
            return Err(Error::data(format!(
                "expected up to {outputs} classes, as the network has outputs, found {}",
                classes.len()
            ))
            .at(place()));
        }
        Ok(Self::classes(classes, outputs, softmax))
    }

    /// Classes of these names; a model may know more of them than were named.
    pub fn classes(names: &[String], outputs: usize, softmax: bool) -> Self {
        let mut names = names.to_vec();
        names.extend((names.len()..outputs).map(|class| format!("class {class}")));
        Meaning::Classes { names, softmax }
    }
}

impl Predictions {
    /// `outputs` of the examples of `data`, row-major, as wide as the meaning has names.
    pub(crate) fn new(data: &Dataset, outputs: Vec<f32>, meaning: Meaning) -> Self {
        Self {
            data: data.clone(),
            outputs,
            meaning,
            several: None,
        }
    }

    /// The examples, their classes and features in the order in which the model counts them.
    pub fn data(&self) -> &Dataset {
        &self.data
    }

    /// Number of examples.
    pub fn len(&self) -> usize {
        self.data.len()
    }

    /// Whether there is no example.
    pub fn is_empty(&self) -> bool {
        self.data.is_empty()
    }

    /// The names of the outputs, in their order: of the classes, or of the values.
    pub fn names(&self) -> &[String] {
        match &self.meaning {
            Meaning::Classes { names, .. } | Meaning::Values(names) => names,
        }
    }

    /// What comes out of the model (the logits of a classifier), examples x outputs, row-major.
    #[doc(alias = "logits")]
    pub fn outputs(&self) -> &[f32] {
        &self.outputs
    }

    /// The number of the class with the largest output for each example, counted as in [`names`](Self::names); of equal
    /// ones the first.
    ///
    /// # Errors
    /// When the model predicts values, or an output is not finite.
    #[doc(alias = "argmax")]
    pub fn labels(&self) -> Result<Vec<u32>> {
        let width = self.class_names()?.len();
        self.check_finite()?;
        Ok(self
            .outputs
            .chunks_exact(width)
            .map(|row| largest(row) as u32)
            .collect())
    }

    /// The name of the class with the largest output for each example.
    ///
    /// # Errors
    /// As [`labels`](Self::labels).
    #[doc(alias = "argmax")]
    pub fn classes(&self) -> Result<Vec<&str>> {
        let names = self.class_names()?;
        let labels = self.labels()?;
        Ok(labels
            .into_iter()
            .map(|label| names[label as usize].as_str())
            .collect())
    }

    /// The softmax of the outputs: the probability of each class, examples x classes, row-major.
    ///
    /// # Errors
    /// When the model predicts values, was trained by a loss whose outputs are no logits of a softmax, or an output is not
    /// finite.
    #[doc(alias = "predict_proba")]
    #[doc(alias = "softmax")]
    pub fn probabilities(&self) -> Result<Vec<f32>> {
        let width = self.class_names()?.len();
        if !self.gives_probabilities() {
            return Err(
                Error::spec("the outputs of this model were not trained to give probabilities")
                    .at(self.place())
                    .fix(
                        "train with Loss::SoftmaxCrossEntropy; the outputs as they are: Predictions::outputs",
                    ),
            );
        }
        self.check_finite()?;
        let mut probabilities = Vec::with_capacity(self.outputs.len());
        for row in self.outputs.chunks_exact(width) {
            let top = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            let powers: Vec<f64> = row.iter().map(|&x| (f64::from(x) - top).exp()).collect();
            let sum: f64 = powers.iter().sum();
            probabilities.extend(powers.into_iter().map(|power| (power / sum) as f32));
        }
        Ok(probabilities)
    }

    /// The predicted numbers of the value of this name, one an example.
    ///
    /// # Errors
    /// When the model predicts classes, or no value of this name.
    pub fn values(&self, name: &str) -> Result<Vec<f32>> {
        let Meaning::Values(names) = &self.meaning else {
            return Err(Error::spec("the model predicts classes, not values")
                .at(self.place())
                .fix("ask for Predictions::classes or probabilities"));
        };
        let Some(at) = names.iter().position(|own| own == name) else {
            return Err(Error::spec(format!("the model predicts no value named {name:?}"))
                .at(self.place())
                .fix(format!("use one of: {}", names.join(", "))));
        };
        Ok(self
            .outputs
            .chunks_exact(names.len())
            .map(|row| row[at])
            .collect())
    }

    /// How good the predicted classes are.
    ///
    /// # Errors
    /// Without labels or examples, when the model predicts values, or when an output is not finite.
    #[doc(alias = "accuracy")]
    #[doc(alias = "score")]
    pub fn evaluation(&self) -> Result<Evaluation> {
        let names = self.class_names()?;
        let labels = self.truth()?;
        let evaluation = Evaluation::of(&self.outputs, labels, names).map_err(|e| e.at(self.place()))?;
        Ok(match self.gives_probabilities() {
            true => evaluation,
            false => evaluation.without_log_loss(),
        })
    }

    /// How good the predicted numbers are.
    ///
    /// # Errors
    /// Without values or examples, when the model predicts classes, or when an output is not finite.
    #[doc(alias = "r2_score")]
    pub fn regression(&self) -> Result<Regression> {
        let Meaning::Values(names) = &self.meaning else {
            return Err(Error::spec("the model predicts classes, not values")
                .at(self.place())
                .fix("ask for Predictions::evaluation"));
        };
        let values = self.data.values().filter(|_| !self.data.is_empty());
        let values = values.ok_or_else(|| self.lacking_values())?;
        Regression::of(&self.outputs, values, names).map_err(|e| e.at(self.place()))
    }

    /// A row an example: its row in the data; the predicted class with its probability and, where it is known, the true
    /// one; or the predicted and the true number of each value. Of the mean of several passes also how they differ.
    pub fn frame(&self) -> DataFrame {
        let n = self.len();
        let mut columns = vec![Column::new("row".into(), (0..n as u32).collect::<Vec<u32>>())];
        match &self.meaning {
            Meaning::Classes { names, .. } => {
                let width = names.len().max(1);
                let said: Vec<usize> = self.outputs.chunks_exact(width).map(largest).collect();
                let name = |label: usize| names.get(label).map(String::as_str);
                let words: Vec<Option<&str>> = said.iter().map(|&label| name(label)).collect();
                columns.push(Column::new("predicted".into(), words));
                if let Ok(all) = self.probabilities() {
                    let own = said
                        .iter()
                        .enumerate()
                        .map(|(row, &label)| all[row * width + label]);
                    columns.push(Column::new("probability".into(), own.collect::<Vec<f32>>()));
                }
                if let Some(labels) = self.data.labels() {
                    let words: Vec<Option<&str>> = labels.iter().map(|&label| name(label as usize)).collect();
                    columns.push(Column::new("true".into(), words));
                }
            }
            Meaning::Values(names) => {
                let column = |numbers: &[f32], j: usize| -> Vec<f32> {
                    numbers.chunks_exact(names.len()).map(|row| row[j]).collect()
                };
                for (j, name) in names.iter().enumerate() {
                    let title = format!("predicted {name}");
                    columns.push(Column::new(title.into(), column(&self.outputs, j)));
                    if let Some(values) = self.data.values() {
                        columns.push(Column::new(format!("true {name}").into(), column(values, j)));
                    }
                }
            }
        }
        columns.extend(self.columns_of_several());
        DataFrame::new(n, columns).unwrap_or_default()
    }

    fn gives_probabilities(&self) -> bool {
        matches!(self.meaning, Meaning::Classes { softmax: true, .. })
    }

    fn class_names(&self) -> Result<&[String]> {
        match &self.meaning {
            Meaning::Classes { names, .. } => Ok(names),
            Meaning::Values(_) => Err(Error::spec("the model predicts values, not classes")
                .at(self.place())
                .fix("ask for Predictions::values(name), regression or frame")),
        }
    }

    pub(super) fn truth(&self) -> Result<&[u32]> {
        let labels = self.data.labels().filter(|_| !self.data.is_empty());
        labels.ok_or_else(|| {
            Error::data("expected labelled examples to evaluate on, found none")
                .at(self.place())
                .fix("evaluate on data with labels; predict needs none")
        })
    }

    pub(super) fn lacking_values(&self) -> Error {
        Error::data("expected examples with values, found none")
            .at(self.place())
            .fix("give the values with Dataset::with_values; predict needs none")
    }

    pub(super) fn check_finite(&self) -> Result<()> {
        match self.outputs.iter().position(|x| !x.is_finite()) {
            Some(i) => Err(
                Error::data(format!("expected finite outputs, found {}", self.outputs[i]))
                    .at(format!("{}, row {}", self.place(), i / self.names().len().max(1)))
                    .fix("look for a diverged training: a lower rate, or standardized features"),
            ),
            None => Ok(()),
        }
    }

    pub(super) fn place(&self) -> String {
        format!("dataset {}", self.data.name())
    }
}

impl fmt::Display for Predictions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.meaning {
            Meaning::Classes { names, .. } => {
                write!(f, "{} predictions of {} classes", self.len(), names.len())?
            }
            Meaning::Values(names) => write!(f, "{} predictions of {}", self.len(), names.join(", "))?,
        }
        if self.several.is_some() {
            write!(f, ", the mean of {} passes", self.passes())?;
        }
        match (self.labels(), self.data.labels()) {
            (Ok(said), Some(truth)) => {
                let right = said
                    .iter()
                    .zip(truth)
                    .filter(|(said, truth)| said == truth)
                    .count();
                write!(f, ", {right} right")
            }
            _ => Ok(()),
        }
    }
}

/// The line of `Display`: the numbers are in [`Predictions::frame`].
impl fmt::Debug for Predictions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Show for Predictions {
    fn bundle(&self) -> Bundle {
        let (line, table) = (self.to_string(), self.frame().bundle());
        let heading = format!(
            "<div style=\"font-weight:600;margin:2px 0\">{}</div>",
            escape_html(&line)
        );
        Bundle::text(format!("{line}\n{}", table.plain())).html(heading + &table.to_html())
    }
}
