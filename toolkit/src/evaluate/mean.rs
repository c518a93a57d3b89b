//! [`Mean`]: the mean of several predictions of the same examples, and how they differ.

use super::Predictions;
use super::predictions::Meaning;
use super::uncertainty::{Several, entropy_of};
use crate::Result;

/// Predictions of the same examples, summed up: the probabilities where the outputs are logits of a softmax, else the
/// outputs.
pub(super) struct Mean {
    /// The examples and what the outputs stand for; the newest outputs.
    predictions: Predictions,
    sums: Vec<f64>,
    /// Of a softmax the entropy of each example's probabilities, summed; else the squared distance of each output from
    /// the first there was.
    spread: Vec<f64>,
    first: Vec<f32>,
    count: usize,
}

impl Mean {
    /// Of nothing yet, for predictions like these.
    pub fn like(predictions: Predictions) -> Self {
        let outputs = predictions.outputs.len();
        let softmax = is_softmax(&predictions);
        Self {
            sums: vec![0.0; outputs],
            spread: vec![0.0; if softmax { predictions.len() } else { outputs }],
            first: Vec::new(),
            count: 0,
            predictions,
        }
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Counts these outputs in.
    pub fn add(&mut self, outputs: Vec<f32>) -> Result<()> {
        self.predictions.outputs = outputs;
        let numbers = match is_softmax(&self.predictions) {
            true => self.predictions.probabilities()?,
            false => std::mem::take(&mut self.predictions.outputs),
        };
        if is_softmax(&self.predictions) {
            let width = self.predictions.names().len().max(1);
            for (sum, row) in self.spread.iter_mut().zip(numbers.chunks_exact(width)) {
                *sum += entropy_of(row);
            }
        } else {
            if self.first.is_empty() {
                self.first.clone_from(&numbers);
            }
            for ((sum, &x), &first) in self.spread.iter_mut().zip(&numbers).zip(&self.first) {
                *sum += (f64::from(x) - f64::from(first)).powi(2);
            }
        }
        for (sum, x) in self.sums.iter_mut().zip(numbers) {
            *sum += f64::from(x);
        }
        self.count += 1;
        Ok(())
    }

    /// The mean; of a softmax the outputs are the logarithms of the mean probabilities.
    pub fn finish(mut self) -> Predictions {
        let count = self.count as f64;
        let softmax = is_softmax(&self.predictions);
        let spread = match softmax {
            true => self.spread.iter().map(|sum| sum / count).collect(),
            false => {
                let distances = self.spread.iter().zip(&self.sums).zip(&self.first);
                let variance = distances.map(|((squares, sum), &first)| {
                    let off = sum / count - f64::from(first);
                    squares / count - off * off
                });
                variance.map(|variance| variance.max(0.0).sqrt()).collect()
            }
        };
        let mean = self.sums.iter().map(|sum| {
            let mean = sum / count;
            // The least logarithm that is finite: a probability that was rounded to 0.
            match softmax {
                true => mean.max(f64::from(f32::MIN_POSITIVE)).ln() as f32,
                false => mean as f32,
            }
        });
        self.predictions.outputs = mean.collect();
        self.predictions.several = Some(Several {
            passes: self.count,
            spread,
        });
        self.predictions
    }
}

/// Whether the outputs are logits of a softmax.
fn is_softmax(predictions: &Predictions) -> bool {
    matches!(predictions.meaning, Meaning::Classes { softmax: true, .. })
}
