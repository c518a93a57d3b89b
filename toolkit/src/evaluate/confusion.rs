//! [`ConfusionMatrix`]: which class was taken for which.

use std::fmt;

use plotly::Plot;
use polars::prelude::{Column, DataFrame};

use crate::show::{Bundle, Show, chart, confusion_bundle};
use crate::{Error, Result};

/// Counts of examples by true class (rows) and predicted class (columns).
#[doc(alias = "confusion_matrix")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfusionMatrix {
    classes: Vec<String>,
    counts: Vec<u64>,
}

impl ConfusionMatrix {
    /// Counts pairs of true and predicted class, both indexes into `classes`.
    ///
    /// # Errors
    /// Without examples or classes, when the lengths differ, or when an index has no class.
    pub fn new(truth: &[u32], predicted: &[u32], classes: &[String]) -> Result<Self> {
        if truth.is_empty() || classes.is_empty() {
            return Err(Error::data("expected at least one labelled example, found none")
                .at("evaluation")
                .fix("evaluate on a dataset with labels"));
        }
        if truth.len() != predicted.len() {
            let (t, p) = (truth.len(), predicted.len());
            return Err(Error::data(format!("expected {t} predictions, found {p}")).at("evaluation"));
        }
        let n = classes.len();
        let mut counts = vec![0; n * n];
        for (row, (&t, &p)) in truth.iter().zip(predicted).enumerate() {
            if t as usize >= n || p as usize >= n {
                return Err(
                    Error::data(format!("expected classes below {n}, found {}", t.max(p)))
                        .at(format!("evaluation, row {row}")),
                );
            }
            counts[t as usize * n + p as usize] += 1;
        }
        Ok(Self {
            classes: classes.to_vec(),
            counts,
        })
    }

    /// The names of the classes.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// How many examples of class `truth` were taken for class `predicted`; 0 for a class there is not.
    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        let n = self.classes.len();
        if truth < n && predicted < n {
            self.counts[truth * n + predicted]
        } else {
            0
        }
    }

    /// Examples of class `truth`.
    pub fn support(&self, truth: usize) -> u64 {
        (0..self.classes.len()).map(|p| self.count(truth, p)).sum()
    }

    /// Examples taken for class `predicted`.
    pub fn predicted(&self, predicted: usize) -> u64 {
        (0..self.classes.len()).map(|t| self.count(t, predicted)).sum()
    }

    /// All examples.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Examples classified rightly.
    pub fn correct(&self) -> u64 {
        (0..self.classes.len()).map(|c| self.count(c, c)).sum()
    }

    /// The F1 score of a class, 2 tp / (2 tp + fp + fn): 0 when it occurs but was never predicted, none
    /// when it neither occurs nor was predicted.
    pub fn f1(&self, class: usize) -> Option<f64> {
        let both = self.support(class) + self.predicted(class);
        (both > 0).then(|| 2.0 * self.count(class, class) as f64 / both as f64)
    }

    /// The mean F1 score of the classes that occur or were predicted, each weighing the same: scikit-learn's
    /// `f1_score(average="macro", zero_division=0)`.
    pub fn macro_f1(&self) -> f64 {
        let scores: Vec<f64> = (0..self.classes.len()).filter_map(|c| self.f1(c)).collect();
        scores.iter().sum::<f64>() / scores.len() as f64
    }

    /// The mistakes, the most frequent first: (true class, predicted class, count).
    pub fn mistakes(&self) -> Vec<(&str, &str, u64)> {
        let n = self.classes.len();
        let mut wrong: Vec<_> = (0..n * n)
            .filter(|i| i / n != i % n && self.counts[*i] > 0)
            .map(|i| {
                (
                    self.classes[i / n].as_str(),
                    self.classes[i % n].as_str(),
                    self.counts[i],
                )
            })
            .collect();
        wrong.sort_by_key(|&(_, _, count)| std::cmp::Reverse(count));
        wrong
    }

    /// One row a pair of classes: truth, predicted (strings), count (u64).
    pub fn frame(&self) -> DataFrame {
        let n = self.classes.len();
        let name = |i: usize| self.classes[i].as_str();
        let columns = vec![
            Column::new(
                "truth".into(),
                (0..n * n).map(|i| name(i / n)).collect::<Vec<_>>(),
            ),
            Column::new(
                "predicted".into(),
                (0..n * n).map(|i| name(i % n)).collect::<Vec<_>>(),
            ),
            Column::new("count".into(), self.counts.clone()),
        ];
        DataFrame::new(n * n, columns).unwrap_or_default()
    }

    /// A heatmap, true classes from the top; colour is the share of the true class, the number the count.
    pub fn chart(&self) -> Plot {
        chart::confusion("Confusion matrix", &self.classes, &self.counts)
    }

    /// The counts, a row a true class, as a bundle for display.
    pub(super) fn table(&self) -> Bundle {
        confusion_bundle(&self.classes, &self.counts)
    }
}

impl fmt::Display for ConfusionMatrix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.table().plain().trim_end())
    }
}

impl Show for ConfusionMatrix {
    fn bundle(&self) -> Bundle {
        self.table().plot(&self.chart())
    }
}
