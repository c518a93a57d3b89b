//! [`RateSearch`]: which rates a network learns at, by trying them all in one short training (Smith 2017).

use std::fmt;

use plotly::Plot;
use plotly::layout::{Axis, AxisType};

use super::super::watch::{Flow, Moment, Watcher};
use super::super::{RateSchedule, Recipe};
use crate::data::Dataset;
use crate::net::Network;
use crate::show::{Bundle, Show, chart, readable_number};
use crate::{Error, Result};

/// The first and the last rate tried, and how many: fastai's `lr_find`.
const FIRST: f64 = 1e-7;
const LAST: f64 = 10.0;
const TRIED: usize = 100;
/// What stays of the smoothed loss at each update.
const SMOOTHING: f64 = 0.98;
/// The search ends when the smoothed loss is so many times the lowest.
const FAR: f64 = 4.0;

/// The loss over rates that rise from 1e-7 to 10 in 100 updates, or until it is four times the lowest. Ends a cell as a
/// chart.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RateSearch {
    /// The rates tried, rising.
    pub rates: Vec<f64>,
    /// The loss after each, smoothed: the exponential average of 0.98 without the bias of its start.
    pub losses: Vec<f64>,
    average: f64,
}

impl RateSearch {
    /// The rate at which the loss fell fastest.
    pub fn steepest(&self) -> Option<f64> {
        let slope = |i: &usize| (self.losses[i + 1] - self.losses[i - 1]) / 2.0;
        // The first tenth is noise: hardly anything is learned there.
        let middle = self.rates.len() / 10 + 1..self.rates.len().saturating_sub(1);
        let best = middle.min_by(|a, b| slope(a).total_cmp(&slope(b)))?;
        Some(self.rates[best])
    }

    /// A tenth of the rate with the lowest loss: the largest that is still safe, as a rule.
    pub fn safe(&self) -> Option<f64> {
        let lowest = (0..self.losses.len()).min_by(|&a, &b| self.losses[a].total_cmp(&self.losses[b]))?;
        Some(self.rates[lowest] / 10.0)
    }

    /// The losses over the rates, on a logarithmic axis.
    pub fn chart(&self) -> Plot {
        let layout = chart::layout("Loss over the rate", "rate", "loss, smoothed");
        let axis: Axis = chart::axis("rate").type_(AxisType::Log);
        chart::plot(
            layout.x_axis(axis),
            vec![chart::curve(0, "loss", &self.rates, &self.losses)],
        )
    }
}

impl fmt::Display for RateSearch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = |rate: Option<f64>| rate.map_or_else(|| "none".to_owned(), readable_number);
        write!(
            f,
            "{} rates tried: the loss falls fastest at {}, a safe one is {}",
            self.rates.len(),
            words(self.steepest()),
            words(self.safe())
        )
    }
}

impl Show for RateSearch {
    fn bundle(&self) -> Bundle {
        Bundle::text(self.to_string()).plot(&self.chart())
    }
}

/// The search at work: sets the rate of each next update.
struct Rising<'s> {
    search: &'s mut RateSearch,
    base: f64,
}

fn rate_of(step: u64) -> f64 {
    FIRST * (LAST / FIRST).powf(step as f64 / (TRIED - 1) as f64)
}

impl Watcher for Rising<'_> {
    fn name(&self) -> Option<String> {
        Some("rising rates".into())
    }

    fn after_step(&mut self, at: &mut Moment<'_, '_>) -> Result<Flow> {
        let search = &mut *self.search;
        search.average = SMOOTHING * search.average + (1.0 - SMOOTHING) * at.loss();
        let smooth = search.average / (1.0 - SMOOTHING.powf(at.step() as f64));
        search.rates.push(at.rate());
        search.losses.push(smooth);
        let lowest = search.losses.iter().copied().fold(f64::INFINITY, f64::min);
        Ok(match smooth > FAR * lowest {
            true => Flow::Stop("the loss is far above its lowest".into()),
            false => Flow::Rate(rate_of(at.step()) / self.base),
        })
    }
}

impl Network {
    /// Tries rising rates on a copy of the network in a short training by `recipe` (its schedule, length and early
    /// stopping do not count); the network stays as it is.
    ///
    /// ```
    /// use jook::prelude::*;
    /// let moons = datasets::two_moons(200, 0.1, 0)?;
    /// let search = Mlp::new([2, 16, 2]).build(0)?.find_rate(&moons, Recipe::new().batch(32))?;
    /// assert!(search.steepest().is_some_and(|rate| rate > 1e-5 && rate < 1.0));
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// As a training with the recipe.
    #[doc(alias = "lr_find")]
    pub fn find_rate(&self, data: &Dataset, recipe: impl Into<Recipe>) -> Result<RateSearch> {
        let recipe: Recipe = recipe.into();
        if recipe.uses_files() {
            return Err(
                Error::spec("a search for the rate writes and resumes no checkpoint")
                    .at("find_rate")
                    .fix("leave .checkpoint and .resume out"),
            );
        }
        let base = Recipe {
            schedule: RateSchedule::Constant,
            early_stopping: None,
            validation: None,
            validation_data: None,
            patience: None,
            plateau: None,
            average: None,
            ..recipe
        }
        .rate(FIRST)
        .steps(TRIED)
        .check_every(TRIED);
        let mut search = RateSearch::default();
        let watcher = Rising {
            search: &mut search,
            base: FIRST,
        };
        // A training that breaks at the highest rates has shown what it was to show.
        self.training().watch(watcher).run(data, base)?;
        Ok(search)
    }
}
