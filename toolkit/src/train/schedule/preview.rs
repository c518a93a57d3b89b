//! [`Rates`]: a schedule before it is followed, as a table and a chart.

use plotly::common::{DashType, Line, Mode};
use plotly::{Plot, Scatter};
use polars::prelude::{Column, DataFrame};

use super::super::Recipe;
use crate::number::count;
use crate::show::{Bundle, Show, chart};
use crate::{Number, Result};

/// Rows at most: of longer trainings some updates are left out, the same distance apart.
const ROWS: usize = 20_000;
/// Points of a chart at most.
const POINTS: usize = 2_000;

/// The rate of each update of a recipe, and the momentum where the rule has one. Ends a cell as a chart over the updates.
#[derive(Clone, Debug, PartialEq)]
pub struct Rates {
    /// Numbers of the updates, from 1.
    pub steps: Vec<u64>,
    /// Passes over the training part after each, with the fraction.
    pub epochs: Vec<f64>,
    /// The rate of each.
    pub rates: Vec<f64>,
    /// The momentum (or beta1) of each; empty where the rule has none.
    pub momenta: Vec<f64>,
    recipe: String,
}

impl Recipe {
    /// The rate and the momentum of each update, before anything is trained, with `per_epoch` (1 or more) updates an
    /// epoch: the examples to learn from divided by the batch, rounded up. What watchers do, such as a plateau, is not in
    /// it. Of a training of more than 20,000 updates as many are looked at, evenly spaced.
    ///
    /// ```
    /// use jook::prelude::*;
    /// let rates = Recipe::new().epochs(10).sgd(0.1).momentum(0.9).one_cycle().rates(50)?;
    /// assert_eq!((rates.rates.len(), rates.momenta[0]), (500, 0.95));
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the recipe cannot be followed, or `per_epoch` is no such number.
    #[doc(alias = "get_last_lr")]
    #[doc(alias = "plot_lr")]
    pub fn rates(&self, per_epoch: impl Number) -> Result<Rates> {
        self.validate()?;
        let per_epoch = count("recipe, rates", per_epoch, 1)?;
        let total = self.length.steps(per_epoch);
        let steps = spread(total, ROWS);
        let momenta = steps
            .iter()
            .map_while(|&step| self.momentum_at(step, per_epoch))
            .collect();
        Ok(Rates {
            epochs: steps
                .iter()
                .map(|&step| (step + 1) as f64 / per_epoch as f64)
                .collect(),
            rates: steps.iter().map(|&step| self.rate_at(step, per_epoch)).collect(),
            momenta,
            steps: steps.into_iter().map(|step| step as u64 + 1).collect(),
            recipe: self.to_string(),
        })
    }
}

/// The numbers below `total`, or `most` of them with the first and the last.
fn spread(total: usize, most: usize) -> Vec<usize> {
    match total <= most {
        true => (0..total).collect(),
        false => {
            let place = |i: usize| (i as u128 * (total as u128 - 1) / (most as u128 - 1)) as usize;
            (0..most).map(place).collect()
        }
    }
}

impl Rates {
    /// The rows as a polars frame: step (u64), epoch, rate and, where the rule has one, momentum (f64).
    pub fn frame(&self) -> DataFrame {
        let mut columns = vec![
            Column::new("step".into(), &self.steps),
            Column::new("epoch".into(), &self.epochs),
            Column::new("rate".into(), &self.rates),
        ];
        if !self.momenta.is_empty() {
            columns.push(Column::new("momentum".into(), &self.momenta));
        }
        DataFrame::new(self.steps.len(), columns).unwrap_or_default()
    }

    /// The rate over the updates on the left axis, and the momentum on the right one where it changes.
    pub fn chart(&self) -> Plot {
        let at = spread(self.steps.len(), POINTS);
        let thin = |all: &[f64]| at.iter().map(|&i| all[i]).collect::<Vec<f64>>();
        let steps: Vec<f64> = at.iter().map(|&i| self.steps[i] as f64).collect();
        let mut traces = vec![chart::curve(0, "rate", &steps, &thin(&self.rates))];
        let mut layout = chart::layout("The rate of each update", "update", "rate");
        if self.momenta.iter().any(|&momentum| momentum != self.momenta[0]) {
            traces.push(
                Scatter::new(steps, thin(&self.momenta))
                    .mode(Mode::Lines)
                    .name("momentum")
                    .line(Line::new().color(chart::color(1)).dash(DashType::Dot))
                    .y_axis("y2"),
            );
            layout = chart::with_right_axis(layout, chart::axis("momentum"));
        }
        chart::plot(layout, traces)
    }
}

impl Show for Rates {
    fn bundle(&self) -> Bundle {
        Bundle::text(format!("{}\n{}", self.recipe, self.frame())).plot(&self.chart())
    }
}
