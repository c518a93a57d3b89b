//! [`Standardizer`]: features with mean 0 and standard deviation 1.

use serde::{Deserialize, Serialize};

use super::Dataset;
use crate::{Error, Result};

/// The mean and standard deviation of each feature (or value to predict) of a training part, to be applied to any part.
///
/// The deviation is the population's (divided by n), as scikit-learn's `StandardScaler` takes it. A
/// feature that is constant in the training part is only centred. Features that have names are matched by them.
#[doc(alias = "StandardScaler")]
#[doc(alias = "normalize")]
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
        if train.vocabulary().is_some() {
            return Err(
                Error::data("expected numbers to standardize, found the words of texts")
                    .at(format!("dataset {}", train.name())),
            );
        }
        Ok(Self::measured(
            train.features(),
            train.width(),
            train.feature_names(),
        ))
    }

    /// Measures the values to predict of `train`: prices in thousands are learned as badly as features of such a scale.
    /// [`apply_values`](Self::apply_values) standardizes them, [`restore_values`](Self::restore_values) brings predicted
    /// numbers back. [`Split::standardized`](crate::data::Split::standardized) leaves values as they are, so that errors
    /// keep their unit.
    ///
    /// ```
    /// use jook::prelude::*;
    /// let line = Dataset::new("line", 1, (0..50).map(|i| i as f32 / 50.0).collect())?
    ///     .with_values((0..50).map(|i| 1e5 + 1e4 * i as f32).collect(), ["price"])?;
    /// let scale = Standardizer::fit_values(&line)?;
    /// let run = Mlp::new([1, 1]).train(&scale.apply_values(&line)?, Recipe::new().epochs(200).adam(0.05))?;
    /// let price = scale.restore_values(&run.predict(&[0.5])?)?[0];
    /// assert!((price - 3.5e5).abs() < 2e3);
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// Without values or examples.
    #[doc(alias = "TransformedTargetRegressor")]
    pub fn fit_values(train: &Dataset) -> Result<Self> {
        let values = train.values().filter(|values| !values.is_empty());
        let values = values.ok_or_else(|| no_values(train))?;
        Ok(Self::measured(
            values,
            train.value_names().len(),
            train.value_names(),
        ))
    }

    /// `data` with each value less its mean, divided by its deviation; the features stay. Values are matched by name.
    ///
    /// # Errors
    /// When `data` has other values or none, or a result leaves the range of `f32`.
    pub fn apply_values(&self, data: &Dataset) -> Result<Dataset> {
        let data = data.with_values_of(&self.names)?;
        let values = data.values().ok_or_else(|| no_values(&data))?;
        if data.value_names().len() != self.mean.len() {
            return Err(self.other_width(&data, "values", data.value_names().len()));
        }
        let standard = self.standard(&data, values)?;
        let names = data.value_names().to_vec();
        data.with_values(standard, names)
    }

    /// Numbers that a model trained on standardized values predicts, in the unit of the values: rows x values, row-major,
    /// as they come in.
    ///
    /// # Errors
    /// When it is no whole number of rows.
    #[doc(alias = "inverse_transform")]
    pub fn restore_values(&self, predicted: &[f32]) -> Result<Vec<f32>> {
        let width = self.mean.len();
        if !predicted.len().is_multiple_of(width) {
            return Err(Error::data(format!(
                "expected rows of {width} numbers, as there are values, found {} numbers",
                predicted.len()
            )));
        }
        let scales = self.mean.iter().zip(&self.deviation).cycle();
        let restored = predicted.iter().zip(scales);
        Ok(restored
            .map(|(&x, (m, d))| (f64::from(x) * d + m) as f32)
            .collect())
    }

    /// The mean and deviation of each column of a table of `width` columns with a row or more.
    fn measured(table: &[f32], width: usize, names: &[String]) -> Self {
        let n = (table.len() / width) as f64;
        let rows = || table.chunks_exact(width);
        let mut mean = vec![0.0; width];
        for row in rows() {
            mean.iter_mut().zip(row).for_each(|(m, &x)| *m += f64::from(x));
        }
        mean.iter_mut().for_each(|m| *m /= n);
        // A second pass over the distances: the difference of large sums would lose the small ones.
        let mut variance = vec![0.0; width];
        let mut constant = vec![true; width];
        for row in rows() {
            for (j, &x) in row.iter().enumerate() {
                variance[j] += (f64::from(x) - mean[j]).powi(2);
                constant[j] &= x == table[j];
            }
        }
        let deviation = variance
            .iter()
            .zip(constant)
            .map(|(v, constant)| if constant { 1.0 } else { (v / n).sqrt() })
            .collect();
        Self {
            mean,
            deviation,
            names: names.to_vec(),
        }
    }

    /// `data` with each feature less its mean, divided by its deviation.
    ///
    /// # Errors
    /// When `data` has other features, or a result leaves the range of `f32`.
    #[doc(alias = "transform")]
    pub fn apply(&self, data: &Dataset) -> Result<Dataset> {
        let data = &data.with_features_of(&self.names)?;
        if data.width() != self.mean.len() {
            return Err(self.other_width(data, "features", data.width()));
        }
        data.with_features(self.standard(data, data.features())?)
    }

    fn other_width(&self, data: &Dataset, what: &str, found: usize) -> Error {
        Error::data(format!(
            "expected {} {what} as in the training part, found {found}",
            self.mean.len(),
        ))
        .at(format!("dataset {}", data.name()))
    }

    /// A table of numbers of `data`, standardized.
    fn standard(&self, data: &Dataset, table: &[f32]) -> Result<Vec<f32>> {
        let mut made = Vec::with_capacity(table.len());
        for (i, row) in table.chunks_exact(self.mean.len()).enumerate() {
            for (j, ((&x, m), d)) in row.iter().zip(&self.mean).zip(&self.deviation).enumerate() {
                let standard = ((f64::from(x) - m) / d) as f32;
                if !standard.is_finite() {
                    return Err(Error::data(format!(
                        "expected a number that stays finite in f32, found {x} with mean {m} and deviation {d}"
                    ))
                    .at(format!("dataset {}, row {}, column {}", data.name(), i + 1, j + 1))
                    .fix("correct the number; or leave out the feature, which hardly varies in the training part"));
                }
                made.push(standard);
            }
        }
        Ok(made)
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

fn no_values(data: &Dataset) -> Error {
    Error::data("expected values to standardize, found none")
        .at(format!("dataset {}", data.name()))
        .fix("give them with Dataset::with_values, or load them with TableOptions::values")
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

    #[test]
    fn values_are_standardized_and_brought_back() {
        let data = flat(1, &[5.0, 6.0, 7.0])
            .with_values(vec![100.0, 1.0, 200.0, 1.0, 300.0, 1.0], ["price", "rooms"])
            .unwrap();
        let scale = Standardizer::fit_values(&data).unwrap();
        assert_eq!(scale.mean(), [200.0, 1.0]);
        let far = (100.0 / (20_000f64 / 3.0).sqrt()) as f32;
        let made = scale.apply_values(&data).unwrap();
        assert_eq!(made.values().unwrap(), [-far, 0.0, 0.0, 0.0, far, 0.0]);
        assert_eq!(
            (made.features(), made.value_names()),
            (data.features(), data.value_names())
        );
        let back = scale.restore_values(made.values().unwrap()).unwrap();
        for (back, value) in back.iter().zip(data.values().unwrap()) {
            assert!((back - value).abs() < 1e-4, "{back}, {value}");
        }
        // In another order, and with others.
        let turned = flat(1, &[5.0])
            .with_values(vec![1.0, 300.0], ["rooms", "price"])
            .unwrap();
        assert_eq!(scale.apply_values(&turned).unwrap().values().unwrap(), [far, 0.0]);
        let other = flat(1, &[5.0]).with_values(vec![1.0], ["rent"]).unwrap();
        assert!(
            scale
                .apply_values(&other)
                .unwrap_err()
                .to_string()
                .contains("rent")
        );
        assert!(
            scale
                .restore_values(&[1.0])
                .unwrap_err()
                .to_string()
                .contains("rows of 2")
        );
        for error in [
            Standardizer::fit_values(&flat(1, &[1.0])).unwrap_err(),
            scale.apply_values(&flat(1, &[1.0])).unwrap_err(),
        ] {
            assert!(error.to_string().contains("with_values"), "{error}");
        }
    }
}
