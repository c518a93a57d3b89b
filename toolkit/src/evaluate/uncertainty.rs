//! How unsure predictions are, and how far several passes differ.

use polars::prelude::Column;

use super::Predictions;
use super::predictions::Meaning;
use crate::{Error, Result};

/// How several predictions of the same examples differ.
#[derive(Clone, Debug)]
pub(super) struct Several {
    /// How many there were.
    pub passes: usize,
    /// Of a softmax the mean entropy of each example's probabilities; else the standard deviation of each output.
    pub spread: Vec<f64>,
}

impl Predictions {
    /// How many passes these are the mean of: 1, but for those of `predict_mc_dropout` and `predict_augmented`.
    pub fn passes(&self) -> usize {
        self.several.as_ref().map_or(1, |several| several.passes)
    }

    /// The entropy of each example's probabilities, in nats: 0 where one class has all of it, the logarithm of the number of
    /// classes where all are equal. Of the mean of several passes it is the *predictive* entropy: how unsure the model is
    /// in all.
    ///
    /// # Errors
    /// As [`probabilities`](Self::probabilities).
    pub fn entropy(&self) -> Result<Vec<f32>> {
        let width = self.names().len().max(1);
        let all = self.probabilities()?;
        Ok(all
            .chunks_exact(width)
            .map(|row| entropy_of(row) as f32)
            .collect())
    }

    /// The mutual information of each example's class and the pass, in nats: the entropy of the mean less the mean entropy
    /// of the passes (Gal 2016, section 3.3.1). 0 where all passes say the same, however unsure they are; large where each
    /// is sure of something else.
    ///
    /// # Errors
    /// As [`probabilities`](Self::probabilities), and for predictions of a single pass.
    pub fn mutual_information(&self) -> Result<Vec<f32>> {
        let several = self.several()?;
        let entropy = self.entropy()?;
        let both = entropy.into_iter().zip(&several.spread);
        Ok(both
            .map(|(whole, own)| (f64::from(whole) - own).max(0.0) as f32)
            .collect())
    }

    /// The standard deviation of each example's value of this name over the passes, whose squares are divided by the
    /// number of passes.
    ///
    /// # Errors
    /// When the model predicts classes, or no value of this name; and for predictions of a single pass.
    pub fn spread(&self, name: &str) -> Result<Vec<f32>> {
        // The same refusals.
        self.values(name)?;
        let several = self.several()?;
        let at = self.names().iter().position(|own| own == name).unwrap_or(0);
        let rows = several.spread.chunks_exact(self.names().len());
        Ok(rows.map(|row| row[at] as f32).collect())
    }

    fn several(&self) -> Result<&Several> {
        self.several.as_ref().ok_or_else(|| {
            Error::spec("these are predictions of a single pass, which differs from no other")
                .at(self.place())
                .fix("predict_mc_dropout makes several")
        })
    }

    /// The columns of [`frame`](Self::frame) about several passes.
    pub(super) fn columns_of_several(&self) -> Vec<Column> {
        if self.several.is_none() {
            return Vec::new();
        }
        let column = |name: &str, numbers: Result<Vec<f32>>| {
            let numbers = numbers.ok()?;
            Some(Column::new(name.into(), numbers))
        };
        match &self.meaning {
            Meaning::Classes { .. } => [
                column("entropy", self.entropy()),
                column("mutual information", self.mutual_information()),
            ]
            .into_iter()
            .flatten()
            .collect(),
            Meaning::Values(names) => names
                .iter()
                .filter_map(|name| column(&format!("spread of {name}"), self.spread(name)))
                .collect(),
        }
    }
}

/// The entropy of these probabilities, in nats.
pub(super) fn entropy_of(probabilities: &[f32]) -> f64 {
    let each = probabilities.iter().map(|&p| f64::from(p));
    // Of what is certain it is 0 and not -0.
    0.0 - each.filter(|&p| p > 0.0).map(|p| p * p.ln()).sum::<f64>()
}
