//! [`Weights`]: how much each source example counts.

use std::fmt;

use plotly::Plot;
use polars::prelude::{Column, DataFrame};

use crate::data::Dataset;
use crate::show::chart::{self, Curve};
use crate::show::{Bundle, Show, readable_number};
use crate::{Error, Number, Result};

/// How much each source example counts, with a mean of 1: what an [`Estimate`](super::Estimate) gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights {
    method: String,
    numbers: Vec<f64>,
    /// What the method chose or measured on the way.
    found: Vec<(&'static str, f64)>,
}

impl Weights {
    /// Scales the numbers to a mean of 1.
    pub(super) fn new(method: String, numbers: Vec<f64>, found: Vec<(&'static str, f64)>) -> Result<Self> {
        let mean = numbers.iter().sum::<f64>() / numbers.len() as f64;
        if !(mean > 0.0 && mean.is_finite()) {
            return Err(Error::data(format!("the weights have a mean of {mean}"))
                .at(method)
                .fix("nothing of the source looks like the target: standardize the features of both alike, or take other ones"));
        }
        let numbers = numbers.into_iter().map(|weight| weight / mean).collect();
        Ok(Self {
            method,
            numbers,
            found,
        })
    }

    /// The weights, one an example of the source.
    pub fn numbers(&self) -> &[f64] {
        &self.numbers
    }

    /// What the method chose or measured: the width of its Gaussians, the accuracy of its classifier.
    pub fn found(&self) -> &[(&'static str, f64)] {
        &self.found
    }

    /// As how many examples of one weight these count, (sum w)^2 / sum w^2 (Kish 1965): from 1 to their number. Below ten or
    /// so a few examples decide all.
    pub fn effective_sample_size(&self) -> f64 {
        let square = |sum: f64| sum * sum;
        square(self.numbers.iter().sum()) / self.numbers.iter().map(|w| w * w).sum::<f64>()
    }

    /// Each weight to this power, 0 to 1: less bias is taken away, and less variance comes in (Shimodaira 2000). 0 makes all
    /// alike, 0.5 is often better than the true ratio.
    ///
    /// # Errors
    /// When the power is out of its range.
    pub fn flattened(self, power: impl Number) -> Result<Self> {
        let power = power.number()?;
        if !(0.0..=1.0).contains(&power) {
            return Err(Error::spec(format!("expected a power of 0 to 1, found {power}")).at(self.method));
        }
        let numbers = self.numbers.iter().map(|weight| weight.powf(power)).collect();
        Self::new(
            format!("{}, flattened to {}", self.method, readable_number(power)),
            numbers,
            self.found,
        )
    }

    /// No weight above so many times the mean, 1 or more. What is cut off is spread over the others, so that the mean is 1
    /// and the bound holds.
    ///
    /// # Errors
    /// When the bound is below 1.
    pub fn clipped(self, most: impl Number) -> Result<Self> {
        let most = most.number()?;
        if !(most >= 1.0 && most.is_finite()) {
            return Err(
                Error::spec(format!("expected a bound of 1 or more, found {most}"))
                    .at(self.method)
                    .fix("the mean weight is 1"),
            );
        }
        let numbers = bounded(self.numbers, most);
        Self::new(
            format!("{}, at most {}", self.method, readable_number(most)),
            numbers,
            self.found,
        )
    }

    /// The source with these weights, which every training counts its examples by.
    ///
    /// # Errors
    /// When the source has another number of examples.
    pub fn on(&self, source: &Dataset) -> Result<Dataset> {
        let weights = self.numbers.iter().map(|&weight| weight as f32).collect();
        source
            .clone()
            .with_weights(weights)
            .map_err(|e| e.at(self.method.clone()))
    }

    /// A row an example, in the source's order: its number, counted from 0, and its weight.
    pub fn frame(&self) -> DataFrame {
        let rows: Vec<u32> = (0..self.numbers.len() as u32).collect();
        let columns = vec![
            Column::new("row".into(), rows),
            Column::new("weight".into(), self.numbers.clone()),
        ];
        DataFrame::new(self.numbers.len(), columns).unwrap_or_default()
    }

    /// The weights by size, the largest first.
    pub fn chart(&self) -> Plot {
        let mut sizes = self.numbers.clone();
        sizes.sort_by(|a, b| b.total_cmp(a));
        let curve = Curve {
            name: "weight".to_owned(),
            x: (1..=sizes.len()).map(|place| place as f64).collect(),
            y: sizes,
            band: None,
        };
        chart::curves(
            [&self.to_string(), "source examples, the heaviest first", "weight"],
            &[curve],
        )
    }
}

/// The weights, of a mean of 1, with none above `most`: those that are stay there, and the others grow by one factor for what
/// is lost, which may bring more of them to the bound.
fn bounded(mut weights: Vec<f64>, most: f64) -> Vec<f64> {
    let total = weights.len() as f64;
    loop {
        let free: f64 = weights.iter().filter(|w| **w < most).sum();
        let held = weights.iter().filter(|w| **w >= most).count() as f64;
        let factor = (total - held * most) / free;
        let above = weights.iter().any(|w| *w > most);
        let grows = weights.iter().any(|w| *w < most && *w * factor > most);
        for weight in &mut weights {
            *weight = match *weight < most {
                true if free > 0.0 => (*weight * factor).min(most),
                _ => most.min(*weight),
            };
        }
        if !above && !grows {
            return weights;
        }
    }
}

impl fmt::Display for Weights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = self.numbers.iter().fold(0.0f64, |most, w| most.max(*w));
        write!(
            f,
            "{}: {} examples count as {}, the largest weight is {}",
            self.method,
            self.numbers.len(),
            readable_number(self.effective_sample_size()),
            readable_number(most)
        )?;
        for (name, number) in &self.found {
            write!(f, ", {name} {}", readable_number(*number))?;
        }
        Ok(())
    }
}

impl Show for Weights {
    fn bundle(&self) -> Bundle {
        Bundle::text(self.to_string()).plot(&self.chart())
    }
}
