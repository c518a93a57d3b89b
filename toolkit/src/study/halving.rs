//! [`Study::halve`]: successive halving: many settings for a short training, the better ones for a longer one.

use std::fmt;
use std::sync::Arc;

use plotly::Plot;
use polars::prelude::{Column, DataFrame};

use super::charts::by;
use super::curves::line_name;
use super::plan::Part;
use super::result::{Chosen, StudyResult};
use super::runner::run;
use super::selection::settle;
use super::settings::Settings;
use super::study::Study;
use super::value::Value;
use super::work::Engine;
use crate::show::chart::{self, Curve};
use crate::show::{Bundle, Show};
use crate::train::Budget;
use crate::{Error, Number, Result, interrupt};

/// What came of [`Study::halve`].
#[derive(Clone)]
pub struct Halved {
    name: String,
    /// The rounds, the shortest trainings first; each has all settings that were still in it.
    pub rounds: Vec<StudyResult>,
    /// How long the trainings of each round were.
    pub lengths: Vec<Budget>,
}

impl Study {
    /// Successive halving (Jamieson and Talwalkar 2016): all combinations train for a `factor`^rounds-th of the recipe's
    /// length, the best one in `factor` of them for `factor` times as long, and so on, until the last round has the recipe's
    /// whole length. Each round trains anew and is judged on validation; the best of the last round is tested, as by
    /// [`fit`](Self::fit). It costs about as many epochs a round as one round of one in `factor` combinations; what it may
    /// miss is a setting that starts slowly.
    ///
    /// ```
    /// use jook::prelude::*;
    /// let moons = datasets::two_moons(200, 0.2, 0)?.split(0.3, 0)?;
    /// let halved = Study::new("rates")
    ///     .base(Mlp::new([2, 8, 2]), Recipe::new().epochs(27))
    ///     .vary("recipe.rule.Adam.rate", jook::study::Domain::log_uniform(1e-4, 1.0))
    ///     .random(9, 0)
    ///     .data(&moons)
    ///     .in_memory()
    ///     .halve(3)?;
    /// let left: Vec<usize> = halved.rounds.iter().map(|round| round.table().height()).collect();
    /// assert_eq!(left, [9, 3, 1]);
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`fit`](Self::fit); when the factor is below 2, the length is varied, or the recipe is too short for its rounds.
    #[doc(alias = "HalvingGridSearchCV")]
    #[doc(alias = "hyperband")]
    pub fn halve(self, factor: impl Number) -> Result<Halved> {
        let place = self.place();
        let factor = crate::number::count(&place, factor, 2)?;
        if self
            .varied
            .iter()
            .any(|(name, _)| name.starts_with("recipe.length"))
        {
            return Err(Error::spec("halving varies the recipe's length itself")
                .at(place)
                .fix("leave recipe.length out of what is varied"));
        }
        let metric = self.metric.clone();
        let data = self.clone();
        let (plan, _, backend) = self.prepared()?;
        let base = plan
            .base
            .clone()
            .ok_or_else(|| Error::spec("the study has no base"))?;
        let lengths =
            lengths(base.length()?, plan.described.combinations.len(), factor).map_err(|e| e.at(place))?;
        let engine = Engine::Backend(backend.as_ref());
        let _stoppable = interrupt::scope();
        let mut left: Vec<Settings> = plan.described.combinations.clone();
        let mut rounds: Vec<StudyResult> = Vec::new();
        for (round, &length) in lengths.iter().enumerate() {
            let mut study = data.clone();
            study.base = Some(Arc::new(base.of_length(length)?));
            let tested = study.tested();
            let (mut plan, ..) = study.prepared()?;
            plan.described.combinations = left.clone();
            plan.described.name = format!("{}, {length}", plan.described.name);
            let last = round + 1 == lengths.len();
            let finished = run(&plan, &engine)?;
            let tested: Option<Part> = tested.filter(|_| last);
            let result = settle(&plan, tested, finished, &engine);
            let stopped = result.counts().stopped || result.trouble().is_some();
            let groups = result.groups();
            let metric = groups.main_metric(metric.as_deref());
            let keep = left.len().div_ceil(factor);
            left = groups
                .ranked(&metric, result.goals())
                .into_iter()
                .take(keep)
                .map(|(s, _)| s)
                .collect();
            rounds.push(result);
            if stopped || left.is_empty() {
                break;
            }
        }
        let lengths = lengths[..rounds.len()].to_vec();
        Ok(Halved {
            name: data.name,
            rounds,
            lengths,
        })
    }
}

/// How long each round trains: the last one for `whole`, each one before for a `factor`th of the next.
fn lengths(whole: Budget, combinations: usize, factor: usize) -> Result<Vec<Budget>> {
    let mut rounds = 1;
    let mut left = combinations;
    while left > 1 {
        left = left.div_ceil(factor);
        rounds += 1;
    }
    let (Budget::Epochs(n) | Budget::Steps(n)) = whole;
    let divisor = |before: u32| factor.saturating_pow(before);
    if n < divisor(rounds - 1) {
        return Err(Error::spec(format!(
            "{combinations} combinations take {rounds} rounds, the first of a {}th of {whole}: less than 1",
            divisor(rounds - 1)
        ))
        .fix("train longer, or halve by a larger factor"));
    }
    Ok((0..rounds)
        .rev()
        .map(|before| match whole {
            Budget::Epochs(n) => Budget::Epochs(n / divisor(before)),
            Budget::Steps(n) => Budget::Steps(n / divisor(before)),
        })
        .collect())
}

impl Halved {
    /// The setting of the last round, on validation and on the test part.
    ///
    /// # Errors
    /// When nothing was chosen: there was no test part, or it was stopped.
    pub fn chosen(&self) -> Result<&Chosen> {
        let last = self
            .rounds
            .last()
            .ok_or_else(|| Error::spec("no round was run"))?;
        last.chosen()
    }

    /// A row a round: how long it trained, how many settings were in it, its best one, and that one's mean on validation.
    pub fn table(&self) -> DataFrame {
        let best: Vec<Option<(String, f64)>> = self
            .rounds
            .iter()
            .map(|round| {
                let best = round.best(&round.main_metric()).ok()?;
                Some((best.0.to_string(), best.1.mean))
            })
            .collect();
        let metric = self
            .rounds
            .first()
            .map_or_else(|| "value".to_owned(), StudyResult::main_metric);
        let names: Vec<Option<String>> = best
            .iter()
            .map(|one| one.as_ref().map(|(name, _)| name.clone()))
            .collect();
        let means: Vec<Option<f64>> = best
            .iter()
            .map(|one| one.as_ref().map(|(_, mean)| *mean))
            .collect();
        let settings: Vec<u32> = self
            .rounds
            .iter()
            .map(|round| round.groups().all.len() as u32)
            .collect();
        let columns = vec![
            Column::new(
                "length".into(),
                self.lengths.iter().map(ToString::to_string).collect::<Vec<_>>(),
            ),
            Column::new("settings".into(), settings),
            Column::new("best".into(), names),
            Column::new(metric.as_str().into(), means),
        ];
        DataFrame::new(self.rounds.len(), columns).unwrap_or_default()
    }

    /// A line for each setting, over the lengths of the rounds that it was in: the mean of the metric on validation.
    pub fn chart(&self) -> Plot {
        let metric = self
            .rounds
            .first()
            .map_or_else(|| "value".to_owned(), StudyResult::main_metric);
        let first: Vec<Settings> = self.rounds.first().map_or_else(Vec::new, |round| {
            round
                .groups()
                .all
                .iter()
                .map(|(settings, _)| (*settings).clone())
                .collect()
        });
        let lines: Vec<Curve> = first
            .iter()
            .map(|settings| {
                let means = self
                    .rounds
                    .iter()
                    .zip(&self.lengths)
                    .filter_map(|(round, length)| {
                        let groups = round.groups();
                        let (_, trials) = groups.all.iter().find(|(own, _)| *own == settings)?;
                        let mean = groups.mean(trials, &metric)?;
                        Some((length.steps(1) as f64, mean.mean))
                    });
                let (x, y) = means.unzip();
                Curve {
                    name: line_name(settings),
                    x,
                    y,
                    band: None,
                }
            })
            .collect();
        let across = match self.lengths.first() {
            Some(Budget::Steps(_)) => "steps of a training",
            _ => "epochs of a training",
        };
        let names: Vec<&str> = first.first().map_or_else(Vec::new, |settings| {
            settings.values().iter().map(Value::name).collect()
        });
        let title = format!("{}: {metric} on validation{}", self.name, by(&names));
        chart::curves([&title, across, &metric], &lines)
    }
}

impl fmt::Display for Halved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.table())?;
        match self.chosen() {
            Ok(chosen) => write!(f, "\n{chosen}"),
            Err(_) => Ok(()),
        }
    }
}

impl fmt::Debug for Halved {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Show for Halved {
    fn bundle(&self) -> Bundle {
        Bundle::text(self.to_string()).plot(&self.chart())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::datasets;
    use crate::net::Mlp;
    use crate::train::Recipe;

    fn study(epochs: usize) -> Study {
        let moons = datasets::two_moons(200, 0.2, 0).expect("data");
        Study::new("halving")
            .base(Mlp::new([2, 8, 2]), Recipe::new().epochs(epochs).batch(20))
            .vary("recipe.rule.Adam.rate", [1e-5, 1e-4, 1e-3, 1e-2, 1e-1])
            .data(&moons.split(0.3, 0).expect("parts"))
            .in_memory()
            .quiet()
    }

    #[test]
    fn each_round_keeps_the_best_and_trains_them_longer() {
        let halved = study(16).halve(2).expect("rounds");
        assert_eq!(halved.lengths, [2, 4, 8, 16].map(Budget::Epochs));
        let left: Vec<usize> = halved.rounds.iter().map(|round| round.table().height()).collect();
        assert_eq!(left, [5, 3, 2, 1]);
        // What goes on to the next round was ahead of what does not.
        for (round, next) in halved.rounds.iter().zip(&halved.rounds[1..]) {
            let (groups, after) = (round.groups(), next.groups());
            let kept = |settings: &Settings| after.all.iter().any(|(own, _)| *own == settings);
            let means = |wanted: bool| -> Vec<f64> {
                let all = groups.all.iter().filter(|(settings, _)| kept(settings) == wanted);
                all.filter_map(|(_, trials)| Some(groups.mean(trials, "accuracy")?.mean))
                    .collect()
            };
            let worst = means(true).into_iter().fold(f64::INFINITY, f64::min);
            assert!(means(false).into_iter().all(|mean| mean <= worst));
        }
        assert!(halved.rounds[..3].iter().all(|round| round.chosen().is_err()));
        let chosen = halved.chosen().expect("a choice");
        assert!(chosen.on_test().is_some());
        // The last round is the training that fit gives.
        let rate = chosen.settings.get("recipe.rule.Adam.rate").expect("a rate");
        let alone = Study::new("alone")
            .base(Mlp::new([2, 8, 2]), Recipe::new().epochs(16).batch(20).adam(rate))
            .data(
                &datasets::two_moons(200, 0.2, 0)
                    .expect("data")
                    .split(0.3, 0)
                    .expect("parts"),
            )
            .in_memory()
            .quiet()
            .fit()
            .expect("a study");
        assert_eq!(
            alone.chosen().expect("a choice").on_test().map(|m| m.mean),
            chosen.on_test().map(|m| m.mean)
        );
        assert_eq!(halved.table().height(), 4);
        let figure = serde_json::to_value(halved.chart()).expect("a figure");
        assert_eq!(figure["data"].as_array().expect("lines").len(), 5);
    }

    #[test]
    fn what_cannot_be_halved_says_why() {
        let error = |study: Study, factor: usize| study.halve(factor).expect_err("an error").to_string();
        assert!(error(study(4), 2).contains("less than 1"));
        assert!(error(study(16), 1).contains("2"));
        assert!(error(study(16).vary("recipe.length", [1.0]), 2).contains("length"));
        assert_eq!(study(200).halve(100).expect("rounds").rounds.len(), 2);
    }
}
