//! [`RateSearch`]: which rates a network learns at, by trying them all in one short training (Smith 2017).

use std::fmt;

use plotly::Plot;

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
/// The last losses, which hardly ever say where to learn.
const TAIL: usize = 5;
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

    /// The rate in the middle of the longest fall of the loss (fastai's `valley`): of the longest sequence of losses, in
    /// their order but not without gaps, each lower than the one before, the place half way. The first tenth of the search
    /// and its last five losses do not count.
    #[doc(alias = "lr_find")]
    pub fn valley(&self) -> Option<f64> {
        let (skipped, end) = (TRIED / 10, self.losses.len().checked_sub(TAIL)?);
        let losses = self
            .losses
            .get(skipped..end)
            .filter(|losses| !losses.is_empty())?;
        // The longest such sequence that ends at each.
        let mut lengths: Vec<usize> = Vec::with_capacity(losses.len());
        for (i, loss) in losses.iter().enumerate() {
            let higher = (0..i).filter(|&j| losses[j] > *loss);
            lengths.push(1 + higher.map(|j| lengths[j]).max().unwrap_or(0));
        }
        let longest = lengths.iter().copied().max()?;
        let bottom = lengths.iter().position(|&length| length == longest)?;
        // fastai counts back by the sequence's length, one more than there are steps in it.
        let third = longest / 3;
        let middle = (bottom + third + longest / 6).saturating_sub(longest);
        Some(self.rates[skipped + middle])
    }

    /// A tenth of the rate with the lowest loss: the largest that is still safe, as a rule.
    pub fn safe(&self) -> Option<f64> {
        let lowest = (0..self.losses.len()).min_by(|&a, &b| self.losses[a].total_cmp(&self.losses[b]))?;
        Some(self.rates[lowest] / 10.0)
    }

    /// The rates that it suggests, each with what it is: [`steepest`](Self::steepest), [`valley`](Self::valley) and
    /// [`safe`](Self::safe), as far as there are any.
    pub fn suggestions(&self) -> Vec<(&'static str, f64)> {
        let all = [
            ("steepest", self.steepest()),
            ("valley", self.valley()),
            ("safe", self.safe()),
        ];
        all.into_iter()
            .filter_map(|(name, rate)| Some((name, rate?)))
            .collect()
    }

    /// The losses over the rates, on a logarithmic axis, with a mark at each suggestion.
    pub fn chart(&self) -> Plot {
        let across = chart::logarithmic(chart::axis("rate"), self.rates.iter().copied());
        // Where it diverges the loss goes out of the picture, or all before would lie on the floor.
        let start = self.losses.first().copied().filter(|loss| loss.is_finite());
        let lowest = self.losses.iter().copied().fold(f64::INFINITY, f64::min);
        let up = match start {
            Some(start) if start > lowest => {
                let room = start - lowest;
                chart::axis("loss, smoothed").range(vec![lowest - 0.1 * room, start + 0.5 * room])
            }
            _ => chart::axis("loss, smoothed"),
        };
        let layout = chart::layout("Loss over the rate", "", "")
            .x_axis(across)
            .y_axis(up);
        let mut traces = vec![chart::curve(0, "loss", &self.rates, &self.losses)];
        for (i, (name, rate)) in self.suggestions().into_iter().enumerate() {
            let name = format!("{name}, {}", readable_number(rate));
            traces.push(chart::mark(i + 1, &name, rate, self.loss_near(rate)));
        }
        chart::plot(layout, traces)
    }

    /// The loss at the rate tried that is nearest.
    fn loss_near(&self, rate: f64) -> f64 {
        let off = |&i: &usize| (self.rates[i] / rate).ln().abs();
        let nearest = (0..self.losses.len()).min_by(|a, b| off(a).total_cmp(&off(b)));
        nearest.map_or(f64::NAN, |i| self.losses[i])
    }
}

impl fmt::Display for RateSearch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = |rate: Option<f64>| rate.map_or_else(|| "none".to_owned(), readable_number);
        write!(
            f,
            "{} rates tried: the loss falls fastest at {}, its longest fall has its middle at {}, a safe one is {}",
            self.rates.len(),
            words(self.steepest()),
            words(self.valley()),
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
            swa: None,
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

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::data::datasets;
    use crate::net::Mlp;

    const GOLDEN: &str = include_str!("../../../../tests/reference/rates.json");

    fn numbers(value: &Value) -> Vec<f64> {
        let all = value.as_array().expect("numbers").iter();
        all.map(|x| x.as_f64().expect("a number")).collect()
    }

    #[test]
    fn the_valley_is_that_of_fastai() {
        let file: Value = serde_json::from_str(GOLDEN).expect("the golden file");
        let cases = file["cases"].as_array().expect("a list");
        assert!(cases.len() >= 8);
        for case in cases {
            let search = RateSearch {
                rates: numbers(&case["rates"]),
                losses: numbers(&case["losses"]),
                average: 0.0,
            };
            let found = search.valley().expect("a valley");
            let expected = case["valley"].as_f64().expect("a rate");
            assert!(
                (found / expected - 1.0).abs() < 1e-9,
                "{}: {found} for {expected}",
                case["name"]
            );
        }
    }

    #[test]
    fn suggestions_are_where_the_loss_says() {
        // Down by 1 a decade from 1e-4 on, steepest at 1e-2, up from 1e-1 on.
        let rates: Vec<f64> = (0..TRIED as u64).map(rate_of).collect();
        let losses = rates.iter().map(|rate| {
            let x = rate.log10();
            2.0 - 1.0 / (1.0 + (-4.0 * (x + 2.0)).exp()) + (x + 1.0).max(0.0).powi(2)
        });
        let search = RateSearch {
            losses: losses.collect(),
            rates,
            average: 0.0,
        };
        let near = |found: Option<f64>, expected: f64| {
            let found = found.expect("a rate");
            assert!((found / expected).log10().abs() < 0.15, "{found} for {expected}");
        };
        near(search.steepest(), 1e-2);
        near(search.safe(), 1e-2);
        assert!(search.valley().is_some_and(|rate| (1e-5..1e-2).contains(&rate)));
        let names: Vec<&str> = search.suggestions().iter().map(|one| one.0).collect();
        assert_eq!(names, ["steepest", "valley", "safe"]);
        let plot = search.chart().to_json();
        assert!(names.iter().all(|name| plot.contains(name)), "{plot}");
        assert_eq!(plot.matches("\"markers\"").count(), 3);
        // Nothing tried, nothing suggested.
        let none = RateSearch::default();
        assert!(none.suggestions().is_empty() && none.to_string().contains("none"));
    }

    #[test]
    fn a_search_leaves_the_network_and_later_trainings_as_they_were() {
        let moons = datasets::two_moons(80, 0.1, 0).expect("data");
        let network = Mlp::new([2, 8, 2])
            .batch_norm()
            .dropout(0.2)
            .build(0)
            .expect("a network");
        let bits = |network: &Network| -> Vec<u32> {
            let all = network.parameters().iter().chain(network.buffers());
            all.map(|x| x.to_bits()).collect()
        };
        let recipe = || {
            Recipe::new()
                .epochs(3)
                .batch(16)
                .adam(0.01)
                .cosine(0)
                .average(0.9)
        };
        let (before, trained) = (bits(&network), network.train(&moons, recipe()).expect("a run"));
        let search = network.find_rate(&moons, recipe()).expect("a search");
        assert_eq!(bits(&network), before);
        let again = network.train(&moons, recipe()).expect("a run");
        assert_eq!(bits(again.network()), bits(trained.network()));
        // The same search again gives the same numbers.
        assert_eq!(network.find_rate(&moons, recipe()).expect("a search"), search);
        assert!(search.rates.len() > 50 && search.rates[0] == FIRST);
    }
}
