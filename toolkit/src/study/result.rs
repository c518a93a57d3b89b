//! [`StudyResult`]: the finished trials of a study, and what they say together.

use std::path::PathBuf;

use polars::prelude::DataFrame;

use super::frame::frame_of;
use super::goal::Goals;
use super::groups::Groups;
use super::plan::Plan;
use super::record::TrialResult;
use super::runner::{Counts, Finished};
use super::settings::Settings;
use super::statistics::Mean;
use super::tables::{Described, summary, table};
use crate::show::{Bundle, Show, readable_number, readable_time};
use crate::{Error, Result};

/// The finished trials of a study, and what they say together.
#[derive(Clone)]
pub struct StudyResult {
    described: Described,
    finished: Finished,
    chosen: Option<Chosen>,
    dir: Option<PathBuf>,
}

/// The setting that a study chose on validation, and how good it is on the test part, which
/// was looked at for it alone.
#[derive(Clone)]
pub struct Chosen {
    /// The setting.
    pub settings: Settings,
    /// The metric that chose.
    pub metric: String,
    /// Its mean on validation, or over the folds: the best of several, so that it flatters.
    pub on_validation: Mean,
    /// What validation was, in words.
    judged_on: String,
    trials: Vec<TrialResult>,
}

impl Chosen {
    pub(super) fn new(
        settings: Settings,
        metric: String,
        on_validation: Mean,
        judged_on: String,
        trials: Vec<TrialResult>,
    ) -> Self {
        Self {
            settings,
            metric,
            on_validation,
            judged_on,
            trials,
        }
    }

    /// The trials on the test part, one a seed.
    pub fn trials(&self) -> &[TrialResult] {
        &self.trials
    }

    /// The mean over the seeds of the metric that chose, on the test part; none when all trials there failed.
    pub fn on_test(&self) -> Option<Mean> {
        self.on_test_of(&self.metric)
    }

    /// The mean over the seeds of another metric on the test part; none when no trial measured it.
    pub fn on_test_of(&self, metric: &str) -> Option<Mean> {
        let values = self.trials.iter().filter_map(|trial| trial.metric(metric));
        Mean::of(&values.collect::<Vec<_>>())
    }

    /// What is said of the test part.
    fn tested(&self) -> String {
        let number = match (self.on_test(), self.trials.iter().find_map(TrialResult::error)) {
            (Some(mean), _) => mean.to_string(),
            (None, Some(why)) => format!("not measured: {}", why.lines().next().unwrap_or_default()),
            (None, None) => "not measured".to_owned(),
        };
        format!(
            "on the test part, once, trained again on the whole training part: {} {number}",
            self.metric
        )
    }
}

impl std::fmt::Display for Chosen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let on_validation = readable_number(self.on_validation.mean);
        write!(
            f,
            "chosen on {}: {} with {} {on_validation}; {}",
            self.judged_on,
            self.settings,
            self.metric,
            self.tested()
        )
    }
}

impl std::fmt::Debug for Chosen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl Show for Chosen {
    fn bundle(&self) -> Bundle {
        Bundle::text(self.to_string())
    }
}

impl StudyResult {
    pub(super) fn new(plan: Plan, finished: Finished, chosen: Option<Chosen>) -> Self {
        Self {
            described: plan.described,
            finished,
            chosen,
            dir: plan.store.map(|store| store.dir().into()),
        }
    }

    /// The study's name.
    pub fn name(&self) -> &str {
        &self.described.name
    }

    /// The varied names.
    pub fn varied(&self) -> &[String] {
        &self.described.varied
    }

    /// How many trials were planned, computed now and found in the store, and whether it was stopped.
    pub fn counts(&self) -> Counts {
        self.finished.counts
    }

    /// What went wrong beside the trials: results that could not be put on disk (the study stopped then, with what
    /// it had), or a function of `on_finished` that panicked.
    pub fn trouble(&self) -> Option<&Error> {
        self.finished.trouble.as_ref()
    }

    /// The trials that judge the combinations, by combination, fold and seed; also failed ones, and those stopped on their
    /// way. Those on the test part are apart: [`Chosen::trials`].
    pub fn trials(&self) -> Vec<&TrialResult> {
        self.finished.results.iter().flatten().collect()
    }

    /// All trials as a table: settings, seed, fold, what was measured on, metrics, seconds, ending, error, spec and recipe
    /// lines, time, versions.
    ///
    /// # Errors
    /// When two columns would have the same name.
    pub fn frame(&self) -> Result<DataFrame> {
        frame_of(&self.trials(), false)
    }

    /// The metric that tables show: the study's `.metric(..)`, else accuracy or rmse, else the first there is.
    pub fn main_metric(&self) -> String {
        self.groups().main_metric(self.described.metric.as_deref())
    }

    /// One row a combination, in the order they were varied: the settings, the name of the main metric, its
    /// mean, the ends of the 95% t-interval (null for n = 1), n, how many failed, and the mean seconds a trial.
    pub fn table(&self) -> DataFrame {
        table(self.varied(), &self.groups(), &self.main_metric())
    }

    /// As [`StudyResult::table`], for another metric.
    ///
    /// # Errors
    /// When no trial measured it.
    pub fn table_of(&self, metric: &str) -> Result<DataFrame> {
        self.known(metric)?;
        Ok(table(self.varied(), &self.groups(), metric))
    }

    /// The combination with the best mean of `metric`, on what the trials measured it on: with
    /// [`Study::fit`](super::Study::fit), and a closure that takes [`Trial::data`](super::Trial::data), that is validation; a
    /// closure that returns a run on data of its own measured it on their test part, and the number of the best of many is
    /// then too good. What is best is the lowest or highest as set by
    /// [`Study::minimize`](super::Study::minimize) and [`Study::maximize`](super::Study::maximize); else the lowest
    /// when its name speaks of a loss, an error (also mse, rmse, mae, nll, ece), perplexity or time, and the highest
    /// otherwise. A combination of which a trial failed or gave NaN is best only where no other is whole.
    ///
    /// # Errors
    /// When no trial measured it.
    pub fn best(&self, metric: &str) -> Result<(Settings, Mean)> {
        self.known(metric)?;
        self.groups()
            .best(metric, self.goals())
            .ok_or_else(|| Error::data(format!("no trial has a finite {metric}")).at(self.place()))
    }

    /// The setting that was chosen on validation, with its number there and the one on the test part.
    ///
    /// # Errors
    /// When nothing was chosen: the study had no test part, its closure did not take the data from the trial, it was
    /// stopped or had [`trouble`](Self::trouble), or no trial gave a number.
    pub fn chosen(&self) -> Result<&Chosen> {
        if let (None, Some(metric)) = (&self.chosen, &self.described.metric)
            && self.trials().iter().any(|trial| trial.error().is_none())
        {
            self.known(metric)?;
        }
        self.chosen.as_ref().ok_or_else(|| {
            Error::spec("this study chose no setting to look at on a test part")
                .at(self.place())
                .fix("give it .data(&split) and run it to its end with .fit(), or with a closure that takes t.data()?")
        })
    }

    pub(super) fn goals(&self) -> &Goals {
        &self.described.goals
    }

    pub(super) fn groups(&self) -> Groups<'_> {
        Groups::new(
            &self.described.combinations,
            &self.finished.results,
            self.described.folds,
        )
    }

    pub(super) fn place(&self) -> String {
        format!("study \"{}\"", self.name())
    }

    /// # Errors
    /// When no trial measured `metric`; says which there are.
    pub(super) fn known(&self, metric: &str) -> Result<()> {
        let groups = self.groups();
        let metrics = groups.metrics();
        if metric == "seconds" || metrics.contains(&metric) {
            return Ok(());
        }
        let error = Error::spec(format!("no trial measured \"{metric}\"")).at(self.place());
        Err(match self.trials().iter().find_map(|t| t.error()) {
            Some(why) if metrics.is_empty() => error.fix(format!("look at why trials failed: {why}")),
            _ => error.fix(format!("use one of: {}, seconds", metrics.join(", "))),
        })
    }
}

/// What [`StudyResult::best`] gives, when it ends a cell.
impl Show for (Settings, Mean) {
    fn bundle(&self) -> Bundle {
        Bundle::text(format!("{}: {}", self.0, self.1))
    }
}

impl Show for StudyResult {
    fn bundle(&self) -> Bundle {
        let Counts {
            planned,
            computed,
            reused,
            stopped,
        } = self.finished.counts;
        let mut name = format!(
            "{}: {} of {planned} trials ({computed} computed in {}, {reused} found)",
            self.name(),
            computed + reused,
            readable_time(self.finished.elapsed)
        );
        if stopped {
            name += ", stopped";
        }
        match (self.trouble(), &self.dir) {
            (Some(trouble), _) => name += &format!("\n\u{26a0} {trouble}"),
            (None, Some(dir)) => name += &format!(", kept in {}", dir.display()),
            (None, None) => {}
        }
        let tested = self.chosen.as_ref().map(Chosen::tested);
        summary(&name, &self.described, &self.groups(), tested.as_deref()).bundle()
    }
}

impl std::fmt::Display for StudyResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.bundle().plain())
    }
}
