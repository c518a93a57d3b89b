//! [`ConfusionMatrix`]: which class was taken for which.

use std::collections::BTreeMap;
use std::fmt;

use plotly::Plot;
use polars::prelude::{Column, DataFrame};

use crate::show::{Align, Bundle, Show, Table, chart, confusion_bundle};
use crate::{Error, Result};

/// Classes up to which the whole matrix is drawn or written; of more, what was confused most.
const WHOLE: usize = 200;
/// Of more classes, so many are in the chart, and so many mistakes in the table.
const PART: usize = 40;
/// Classes up to which the frame has a row for every pair.
const EVERY_PAIR: usize = 1000;

/// Counts of examples by true class (rows) and predicted class (columns).
///
/// Only pairs that occur are kept: a network with a million outputs needs no square of a million numbers.
#[doc(alias = "confusion_matrix")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfusionMatrix {
    classes: Vec<String>,
    /// By true and predicted class.
    counts: BTreeMap<(u32, u32), u64>,
    /// Examples of each class, and examples taken for it.
    support: Vec<u64>,
    predicted: Vec<u64>,
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
        let (mut support, mut by_prediction) = (vec![0; n], vec![0; n]);
        let mut counts = BTreeMap::new();
        for (row, (&t, &p)) in truth.iter().zip(predicted).enumerate() {
            if t as usize >= n || p as usize >= n {
                return Err(
                    Error::data(format!("expected classes below {n}, found {}", t.max(p)))
                        .at(format!("evaluation, row {row}")),
                );
            }
            *counts.entry((t, p)).or_insert(0) += 1;
            support[t as usize] += 1;
            by_prediction[p as usize] += 1;
        }
        Ok(Self {
            classes: classes.to_vec(),
            counts,
            support,
            predicted: by_prediction,
        })
    }

    /// The names of the classes.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// How many examples of class `truth` were taken for class `predicted`; 0 for a class there is not.
    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        let pair = u32::try_from(truth).ok().zip(u32::try_from(predicted).ok());
        pair.and_then(|pair| self.counts.get(&pair)).copied().unwrap_or(0)
    }

    /// Examples of class `truth`; 0 for a class there is not.
    pub fn support(&self, truth: usize) -> u64 {
        self.support.get(truth).copied().unwrap_or(0)
    }

    /// Examples taken for class `predicted`; 0 for a class there is not.
    pub fn predicted(&self, predicted: usize) -> u64 {
        self.predicted.get(predicted).copied().unwrap_or(0)
    }

    /// All examples.
    pub fn total(&self) -> u64 {
        self.support.iter().sum()
    }

    /// Examples classified rightly.
    pub fn correct(&self) -> u64 {
        let right = self.counts.iter().filter(|((t, p), _)| t == p);
        right.map(|(_, count)| count).sum()
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
        let mut wrong: Vec<_> = self
            .counts
            .iter()
            .filter(|((t, p), _)| t != p)
            .map(|(&(t, p), &count)| (self.name(t), self.name(p), count))
            .collect();
        wrong.sort_by_key(|&(_, _, count)| std::cmp::Reverse(count));
        wrong
    }

    /// One row a pair of classes: truth, predicted (strings), count (u64); with more than 1,000 classes only the
    /// pairs that occur.
    pub fn frame(&self) -> DataFrame {
        let n = self.classes.len() as u32;
        let pairs: Vec<(u32, u32)> = match self.classes.len() > EVERY_PAIR {
            true => self.counts.keys().copied().collect(),
            false => (0..n).flat_map(|t| (0..n).map(move |p| (t, p))).collect(),
        };
        let names = |class: fn(&(u32, u32)) -> u32| -> Vec<&str> {
            pairs.iter().map(|pair| self.name(class(pair))).collect()
        };
        let counts = pairs
            .iter()
            .map(|pair| self.counts.get(pair).copied().unwrap_or(0));
        let columns = vec![
            Column::new("truth".into(), names(|pair| pair.0)),
            Column::new("predicted".into(), names(|pair| pair.1)),
            Column::new("count".into(), counts.collect::<Vec<u64>>()),
        ];
        DataFrame::new(pairs.len(), columns).unwrap_or_default()
    }

    /// A heatmap, true classes from the top; colour is the share of the true class, the number the count. Of more
    /// than 200 classes it has the 40 with the most mistakes, as truth or as prediction.
    pub fn chart(&self) -> Plot {
        let all = self.classes.len();
        if all <= WHOLE {
            return chart::confusion("Confusion matrix", &self.classes, &self.square());
        }
        let mut mistakes: BTreeMap<u32, u64> = BTreeMap::new();
        for (&(t, p), &count) in self.counts.iter().filter(|((t, p), _)| t != p) {
            *mistakes.entry(t).or_insert(0) += count;
            *mistakes.entry(p).or_insert(0) += count;
        }
        let mut most: Vec<(u32, u64)> = mistakes.into_iter().collect();
        most.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        let mut most: Vec<u32> = most.into_iter().take(PART).map(|(class, _)| class).collect();
        most.sort_unstable();
        let names: Vec<&str> = most.iter().map(|&class| self.name(class)).collect();
        let title = format!(
            "Confusion matrix: the {} classes most confused of {all}",
            most.len()
        );
        chart::confusion(&title, &names, &self.part(&most))
    }

    /// The counts, a row a true class, as a bundle for display; of many classes the most frequent mistakes.
    pub(super) fn table(&self) -> Bundle {
        let all = self.classes.len();
        if all <= WHOLE {
            return confusion_bundle(&self.classes, &self.square());
        }
        let mistakes = self.mistakes();
        let shown = mistakes.len().min(PART);
        let mut table = Table::new(["true", "predicted", "count"]).align(2, Align::Right);
        for (truth, predicted, count) in &mistakes[..shown] {
            table = table.row([(*truth).to_owned(), (*predicted).to_owned(), count.to_string()]);
        }
        let (right, total) = (self.correct(), self.total());
        let percent = 100.0 * right as f64 / total as f64;
        table
            .note(format!(
                "{right} of {total} right ({percent:.1}%); {all} classes: the {shown} most frequent of {} kinds of \
                 mistakes",
                mistakes.len()
            ))
            .bundle()
    }

    fn name(&self, class: u32) -> &str {
        &self.classes[class as usize]
    }

    /// The counts between these classes, row by row.
    fn part(&self, classes: &[u32]) -> Vec<u64> {
        let row = |&t: &u32| classes.iter().map(move |&p| self.count(t as usize, p as usize));
        classes.iter().flat_map(row).collect()
    }

    /// All counts, row by row: of at most [`WHOLE`] classes.
    fn square(&self) -> Vec<u64> {
        let classes: Vec<u32> = (0..self.classes.len() as u32).collect();
        self.part(&classes)
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
