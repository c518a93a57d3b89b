//! [`Standardizer`]: features with mean 0 and standard deviation 1.

use serde::{Deserialize, Serialize};

use super::Dataset;
use crate::{Error, Result};

/// The mean and standard deviation of each feature of a training part, to be applied to any part.
///
/// The deviation is the population's (divided by n), as scikit-learn's `StandardScaler` takes it. A
/// feature that is constant in the training part is only centred.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Standardizer {
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl Standardizer {
    /// Measures the features of `train`.
    ///
    /// # Errors
    /// When there is no example.
    pub fn fit(train: &Dataset) -> Result<Self> {
        if train.is_empty() {
            return Err(
                Error::data("expected at least 1 example to standardize by, found none")
                    .at(format!("dataset {}", train.name())),
            );
        }
        let n = train.len() as f64;
        let mut mean = vec![0.0; train.width()];
        for row in train.rows() {
            mean.iter_mut().zip(row).for_each(|(m, &x)| *m += f64::from(x));
        }
        mean.iter_mut().for_each(|m| *m /= n);
        // A second pass over the distances: the difference of large sums would lose the small ones.
        let mut variance = vec![0.0; train.width()];
        for row in train.rows() {
            for ((v, m), &x) in variance.iter_mut().zip(&mean).zip(row) {
                *v += (f64::from(x) - m).powi(2);
            }
        }
        let spread = train.feature_ranges();
        let deviation = variance
            .iter()
            .zip(spread)
            .map(|(v, (low, high))| if low == high { 1.0 } else { (v / n).sqrt() })
            .collect();
        Ok(Self { mean, deviation })
    }

    /// `data` with each feature less its mean, divided by its deviation.
    ///
    /// # Errors
    /// When `data` has another number of features, or a result leaves the range of `f32`.
    pub fn apply(&self, data: &Dataset) -> Result<Dataset> {
        if data.width() != self.mean.len() {
            return Err(Error::data(format!(
                "expected {} features as in the training part, found {}",
                self.mean.len(),
                data.width()
            ))
            .at(format!("dataset {}", data.name())));
        }
        let mut features = Vec::with_capacity(data.features().len());
        for row in data.rows() {
            let numbers = row.iter().zip(&self.mean).zip(&self.deviation);
            features.extend(numbers.map(|((&x, m), d)| ((f64::from(x) - m) / d) as f32));
        }
        data.with_features(features)
    }

    /// The mean of each feature.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// What each feature is divided by: its standard deviation, or 1 where it is constant.
    pub fn deviation(&self) -> &[f64] {
        &self.deviation
    }
}
