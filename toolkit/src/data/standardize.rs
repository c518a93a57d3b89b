//! [`Standardizer`]: features with mean 0 and standard deviation 1.

use serde::{Deserialize, Serialize};

use super::Dataset;
use crate::{Error, Result};

/// The mean and standard deviation of each feature of a training part, to be applied to any part.
///
/// The deviation is the population's (divided by n), as scikit-learn's `StandardScaler` takes it. A
/// feature that is constant in the training part is only centred. Features that have names are matched by them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "Read")]
pub struct Standardizer {
    mean: Vec<f64>,
    deviation: Vec<f64>,
    /// The names of the features, where they have any.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    names: Vec<String>,
}

/// A [`Standardizer`] as it is read, before it is believed.
#[derive(Deserialize)]
struct Read {
    mean: Vec<f64>,
    deviation: Vec<f64>,
    #[serde(default)]
    names: Vec<String>,
}

impl TryFrom<Read> for Standardizer {
    type Error = Error;

    fn try_from(read: Read) -> Result<Self> {
        let Read {
            mean,
            deviation,
            names,
        } = read;
        if !names.is_empty() && names.len() != mean.len() {
            return Err(Error::data(format!(
                "expected as many names as means of a standardizer, found {} and {}",
                names.len(),
                mean.len()
            )));
        }
        if mean.len() != deviation.len() {
            return Err(Error::data(format!(
                "expected as many means as deviations of a standardizer, found {} and {}",
                mean.len(),
                deviation.len()
            )));
        }
        let fits =
            |(mean, deviation): (&f64, &f64)| mean.is_finite() && deviation.is_finite() && *deviation > 0.0;
        match mean.iter().zip(&deviation).position(|pair| !fits(pair)) {
            Some(i) => Err(Error::data(format!(
                "expected a finite mean and a deviation above 0, found {} and {}",
                mean[i], deviation[i]
            ))
            .at(format!("standardizer, feature {}", i + 1))),
            None => Ok(Self {
                mean,
                deviation,
                names,
            }),
        }
    }
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
        Ok(Self {
            mean,
            deviation,
            names: train.feature_names().to_vec(),
        })
    }

    /// `data` with each feature less its mean, divided by its deviation.
    ///
    /// # Errors
    /// When `data` has other features, or a result leaves the range of `f32`.
    pub fn apply(&self, data: &Dataset) -> Result<Dataset> {
        let data = &data.with_features_of(&self.names)?;
        if data.width() != self.mean.len() {
            return Err(Error::data(format!(
                "expected {} features as in the training part, found {}",
                self.mean.len(),
                data.width()
            ))
            .at(format!("dataset {}", data.name())));
        }
        let mut features = Vec::with_capacity(data.features().len());
        for (i, row) in data.rows().enumerate() {
            for (j, ((&x, m), d)) in row.iter().zip(&self.mean).zip(&self.deviation).enumerate() {
                let standard = ((f64::from(x) - m) / d) as f32;
                if !standard.is_finite() {
                    return Err(Error::data(format!(
                        "expected a number that stays finite in f32, found {x} with mean {m} and deviation {d}"
                    ))
                    .at(format!("dataset {}, row {}, column {}", data.name(), i + 1, j + 1))
                    .fix("correct the number; or leave out the feature, which hardly varies in the training part"));
                }
                features.push(standard);
            }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Shape, Split, datasets};

    fn flat(width: usize, features: &[f32]) -> Dataset {
        Dataset::new("d", Shape::Flat(width), features.to_vec()).unwrap()
    }

    /// Numbers from scikit-learn's `StandardScaler` (tests/reference/datasets.py).
    #[test]
    fn it_is_scikit_learns_on_wine() {
        let text = include_str!("../../../tests/reference/datasets.json");
        let golden: serde_json::Value = serde_json::from_str(text).unwrap();
        let golden = &golden["wine_standardized"];
        let wine = datasets::wine().unwrap();
        let (even, odd): (Vec<usize>, Vec<usize>) = (0..wine.len()).partition(|i| i % 2 == 0);
        let standardizer = Standardizer::fit(&wine.subset(&even).unwrap()).unwrap();
        let row = standardizer.apply(&wine.subset(&odd).unwrap()).unwrap();
        for j in 0..wine.width() {
            let close = |found: f64, key: &str, error: f64| {
                let want = golden[key][j].as_f64().unwrap();
                assert!(
                    (found - want).abs() <= error * want.abs().max(1.0),
                    "{key} {j}: {found}, {want}"
                );
            };
            close(standardizer.mean()[j], "mean", 1e-12);
            close(standardizer.deviation()[j], "deviation", 1e-12);
            close(f64::from(row.row(0)[j]), "first_odd_row", 1e-6);
        }
    }

    #[test]
    fn the_test_part_has_no_say() {
        let train = flat(2, &[0.0, 1.0, 2.0, 1.0, 4.0, 1.0]);
        let split = |test: &[f32]| Split {
            validation: None,
            train: train.clone(),
            test: flat(2, test),
        };
        let one = split(&[2.0, 1.0]).standardized().unwrap();
        let other = split(&[1e6, -50.0, 3.0, 2.0]).standardized().unwrap();
        assert_eq!(one.train.features(), other.train.features());
        // The mean is 2 and the deviation of 0, 2, 4 is sqrt(8/3); a constant feature is only centred.
        let d = (8f64 / 3.0).sqrt();
        let far = (2.0 / d) as f32;
        assert_eq!(one.train.features(), [-far, 0.0, 0.0, 0.0, far, 0.0]);
        assert_eq!(one.test.features(), [0.0, 0.0]);
        assert_eq!(other.test.row(1), [(1.0 / d) as f32, 1.0]);
    }

    #[test]
    fn small_spread_far_from_zero_is_kept() {
        let far = flat(1, &[1e6, 1e6 + 0.125, 1e6 + 0.25]);
        let made = Standardizer::fit(&far).unwrap().apply(&far).unwrap();
        let want = 1.5f32.sqrt();
        assert!((made.row(2)[0] - want).abs() < 1e-6, "{:?}", made.features());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let standardizer = Standardizer::fit(&flat(2, &[1.0, 2.0, 3.0, 4.0])).unwrap();
        let error = standardizer.apply(&flat(1, &[1.0])).unwrap_err().to_string();
        assert!(
            error.contains("expected 2 features") && error.contains("found 1"),
            "{error}"
        );
        let error = Standardizer::fit(&flat(1, &[])).unwrap_err().to_string();
        assert!(error.contains("at least 1 example"), "{error}");
        let narrow = Standardizer::fit(&flat(1, &[0.0, 1e-20])).unwrap();
        assert!(narrow.apply(&flat(1, &[3e38])).is_err());
        let error = narrow.apply(&flat(1, &[0.0, 3e38])).unwrap_err().to_string();
        for word in ["row 2, column 1", "finite in f32", "hardly varies"] {
            assert!(error.contains(word), "no {word:?} in: {error}");
        }
        for (text, word) in [
            (r#"{"mean":[1.0],"deviation":[1.0,2.0]}"#, "found 1 and 2"),
            (r#"{"mean":[1.0,2.0],"deviation":[1.0,0.0]}"#, "feature 2"),
            (r#"{"mean":[1.0],"deviation":[-1.0]}"#, "deviation above 0"),
        ] {
            let error = serde_json::from_str::<Standardizer>(text)
                .unwrap_err()
                .to_string();
            assert!(error.contains(word), "no {word:?} in: {error}");
        }
        let text = serde_json::to_string(&standardizer).unwrap();
        assert_eq!(serde_json::from_str::<Standardizer>(&text).unwrap(), standardizer);
    }
}
