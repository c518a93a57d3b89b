//! [`Evaluation`]: the numbers of a classifier on labelled examples.

use std::fmt;

use super::ConfusionMatrix;
use crate::show::{Bundle, Show, table_html};
use crate::{Error, Result};

/// How good a classifier is on `n` labelled examples.
#[doc(alias = "accuracy_score")]
#[doc(alias = "classification_report")]
#[doc(alias = "f1_score")]
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation {
    /// Share classified rightly.
    pub accuracy: f64,
    /// Wilson's 95% interval of the accuracy: how far the examples drawn may have misled.
    pub interval: (f64, f64),
    /// Mean F1 score of the classes that occur or were predicted.
    pub macro_f1: f64,
    /// Mean of -ln(probability given to the true class), in nats; NaN when the outputs were not trained to give
    /// probabilities.
    pub log_loss: f64,
    /// Which class was taken for which.
    pub confusion: ConfusionMatrix,
    /// Examples.
    pub n: usize,
}

impl Evaluation {
    /// The same without a log loss: for outputs that were not trained to give probabilities.
    pub(crate) fn without_log_loss(self) -> Self {
        Self {
            log_loss: f64::NAN,
            ..self
        }
    }

    /// From `logits`, row-major, one row an example and one column a class: probabilities are their softmax.
    ///
    /// # Errors
    /// Without examples or classes, when the numbers do not fit together, when a label has no class, or
    /// when a logit is not finite.
    pub fn of(logits: &[f32], labels: &[u32], class_names: &[String]) -> Result<Self> {
        Self::measure(logits, labels, class_names, |row, label| {
            let top = f64::from(row.iter().copied().fold(f32::NEG_INFINITY, f32::max));
            let sum: f64 = row.iter().map(|&x| (f64::from(x) - top).exp()).sum();
            Ok(sum.ln() + top - f64::from(row[label]))
        })
    }

    /// From probabilities instead of logits. They are kept at least 1.2e-7 from 0 and 1, as scikit-learn
    /// does for f32, so that one sure mistake does not make the log loss infinite.
    ///
    /// # Errors
    /// As [`Evaluation::of`], and when a row is not made of shares that add up to 1 (within 0.001).
    pub fn of_probabilities(probabilities: &[f32], labels: &[u32], class_names: &[String]) -> Result<Self> {
        Self::measure(probabilities, labels, class_names, |row, label| {
            let sum: f64 = row.iter().map(|&p| f64::from(p)).sum();
            if row.iter().any(|p| !(0.0..=1.0).contains(p)) || (sum - 1.0).abs() > 1e-3 {
                return Err(Error::data(format!(
                    "expected probabilities from 0 to 1 that add up to 1, found a row adding up to {sum}"
                ))
                .fix("give logits to Evaluation::of instead"));
            }
            let epsilon = f64::from(f32::EPSILON);
            Ok(-f64::from(row[label]).clamp(epsilon, 1.0 - epsilon).ln())
        })
    }

    fn measure(
        scores: &[f32],
        labels: &[u32],
        class_names: &[String],
        loss: impl Fn(&[f32], usize) -> Result<f64>,
    ) -> Result<Self> {
        let (n, classes) = (labels.len(), class_names.len());
        if n == 0 || classes == 0 {
            return Err(Error::data("expected at least one labelled example, found none")
                .at("evaluation")
                .fix("evaluate on a dataset with labels"));
        }
        if scores.len() != n * classes {
            let found = scores.len();
            return Err(Error::data(format!(
                "expected {n} x {classes} scores (examples x classes), found {found}"
            ))
            .at("evaluation"));
        }
        let (mut predicted, mut total) = (Vec::with_capacity(n), 0.0);
        for (i, (row, &label)) in scores.chunks_exact(classes).zip(labels).enumerate() {
            let place = || format!("evaluation, row {i}");
            if label as usize >= classes {
                return Err(
                    Error::data(format!("expected labels below {classes}, found {label}")).at(place()),
                );
            }
            if let Some(bad) = row.iter().find(|x| !x.is_finite()) {
                return Err(Error::data(format!("expected finite scores, found {bad}"))
                    .at(place())
                    .fix("look for a diverged training: a lower rate, or standardized features"));
            }
            predicted.push(largest(row) as u32);
            total += loss(row, label as usize).map_err(|e| e.at(place()))?;
        }
        let confusion = ConfusionMatrix::new(labels, &predicted, class_names)?;
        let correct = confusion.correct();
        Ok(Self {
            accuracy: correct as f64 / n as f64,
            interval: wilson_interval(correct, n as u64, Z95),
            macro_f1: confusion.macro_f1(),
            log_loss: total / n as f64,
            confusion,
            n,
        })
    }
}

/// The place of the largest number; of equal ones the first, as numpy's argmax.
pub(crate) fn largest(row: &[f32]) -> usize {
    (1..row.len()).fold(0, |best, i| if row[i] > row[best] { i } else { best })
}

/// The 97.5% point of the standard normal distribution.
pub(crate) const Z95: f64 = 1.959_963_984_540_054;

/// Wilson's score interval (1927) for a share of `successes` in `n` tries; `z` is the normal quantile
/// (1.96 for 95%). Inside 0 to 1, and sensible for shares of 0 and 1. Without tries: (0, 1).
pub fn wilson_interval(successes: u64, n: u64, z: f64) -> (f64, f64) {
    if n == 0 {
        return (0.0, 1.0);
    }
    let (p, n) = (successes as f64 / n as f64, n as f64);
    let spread = z * (p * (1.0 - p) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + z * z / n;
    let middle = p + z * z / (2.0 * n);
    (
        ((middle - spread) / scale).max(0.0),
        ((middle + spread) / scale).min(1.0),
    )
}

impl fmt::Display for Evaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (low, high) = self.interval;
        write!(
            f,
            "accuracy {:.1}% (95% interval {:.1} to {:.1}), macro F1 {:.3}",
            100.0 * self.accuracy,
            100.0 * low,
            100.0 * high,
            self.macro_f1,
        )?;
        if !self.log_loss.is_nan() {
            write!(f, ", log loss {:.3}", self.log_loss)?;
        }
        write!(f, ", n {}", self.n)
    }
}

impl Show for Evaluation {
    fn bundle(&self) -> Bundle {
        let (low, high) = self.interval;
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        let mut rows = vec![
            row("accuracy", format!("{:.1}%", 100.0 * self.accuracy)),
            row(
                "95% interval",
                format!("{:.1}% to {:.1}%", 100.0 * low, 100.0 * high),
            ),
            row("macro F1", format!("{:.3}", self.macro_f1)),
        ];
        if !self.log_loss.is_nan() {
            rows.push(row("log loss", format!("{:.3}", self.log_loss)));
        }
        let html = table_html(&[format!("on {} examples", self.n), String::new()], &rows);
        let table = self.confusion.table();
        Bundle::text(format!("{self}\n{}", table.plain())).html(format!("{html}\n{}", table.to_html()))
    }
}
