//! [`StudyResult`]: the finished trials of a study, and what they say together.

use std::path::PathBuf;
use std::time::Duration;

use polars::prelude::*;

use super::goal::Goals;
use super::record::{TrialResult, frame_of, setting_column};
use super::runner::Plan;
use super::settings::Settings;
use super::statistics::Mean;
use crate::show::{Align, Bundle, Show, Table, even_numbers, readable_number, readable_time};
use crate::{Error, Result};

/// Trials by combination: what tables and charts are made of.
pub(super) struct Groups<'a>(pub(super) Vec<(&'a Settings, Vec<&'a TrialResult>)>);

impl<'a> Groups<'a> {
    /// `results` holds the seeds of the first combination, then of the next.
    pub(super) fn new(combinations: &'a [Settings], results: &'a [Option<TrialResult>]) -> Self {
        let seeds = results.len() / combinations.len().max(1);
        let of = |i: usize| {
            results[i * seeds..(i + 1) * seeds]
                .iter()
                .flatten()
                .filter(|t| t.complete)
                .collect()
        };
        Self(
            combinations
                .iter()
                .enumerate()
                .map(|(i, settings)| (settings, of(i)))
                .collect(),
        )
    }

    /// The metrics there are, in the order they first occur.
    pub(super) fn metrics(&self) -> Vec<&'a str> {
        let mut names: Vec<&str> = Vec::new();
        for (name, _) in self
            .0
            .iter()
            .flat_map(|(_, trials)| trials.iter().flat_map(|t| &t.metrics))
        {
            if !names.contains(&name.as_str()) {
                names.push(name);
            }
        }
        names
    }

    /// The metric asked for; else `accuracy`; else the first there is.
    fn main_metric(&self, asked: Option<&str>) -> String {
        let metrics = self.metrics();
        match asked {
            Some(name) => name.to_owned(),
            None if metrics.contains(&"accuracy") => "accuracy".to_owned(),
            None => metrics.first().map_or("value", |name| name).to_owned(),
        }
    }
}

/// The values of one metric in a group of trials; failed trials have none.
pub(super) fn values(trials: &[&TrialResult], metric: &str) -> Vec<f64> {
    trials
        .iter()
        .filter(|t| t.error.is_none())
        .filter_map(|t| t.metric(metric))
        .collect()
}

/// How a run of a study went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// Combinations times seeds.
    pub planned: usize,
    /// Trials finished by this run, failed ones included.
    pub computed: usize,
    /// Trials found in the store, or computed by another process meanwhile.
    pub reused: usize,
    /// Whether the user stopped it.
    pub stopped: bool,
}

/// The finished trials of a study, and what they say together.
#[derive(Clone)]
pub struct StudyResult {
    name: String,
    varied: Vec<String>,
    metric: Option<String>,
    goals: Goals,
    combinations: Vec<Settings>,
    results: Vec<Option<TrialResult>>,
    counts: Counts,
    elapsed: Duration,
    dir: Option<PathBuf>,
    trouble: Option<Error>,
}

impl StudyResult {
    pub(super) fn new(
        plan: Plan,
        results: Vec<Option<TrialResult>>,
        counts: Counts,
        elapsed: Duration,
        trouble: Option<Error>,
    ) -> Self {
        Self {
            name: plan.name,
            varied: plan.varied,
            metric: plan.metric,
            goals: plan.goals,
            combinations: plan.combinations,
            results,
            counts,
            elapsed,
            dir: plan.store.map(|store| store.dir().into()),
            trouble,
        }
    }

    /// The study's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The varied names.
    pub fn varied(&self) -> &[String] {
        &self.varied
    }

    /// How many trials were planned, computed now and found in the store, and whether it was stopped.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// What went wrong beside the trials: results that could not be put on disk (the study stopped then, with what
    /// it had), or a function of `on_finished` that panicked.
    pub fn trouble(&self) -> Option<&Error> {
        self.trouble.as_ref()
    }

    /// All trials, by combination and seed; also failed ones, and those stopped on their way.
    pub fn trials(&self) -> Vec<&TrialResult> {
        self.results.iter().flatten().collect()
    }

    /// All trials as a table: settings, seed, metrics, seconds, ending, error, spec and recipe lines, time,
    /// versions.
    ///
    /// # Errors
    /// When two columns would have the same name.
    pub fn frame(&self) -> Result<DataFrame> {
        frame_of(&self.trials(), false)
    }

    /// The metric that tables show: the study's `.metric(..)`, else accuracy, else the first there is.
    pub fn main_metric(&self) -> String {
        self.groups().main_metric(self.metric.as_deref())
    }

    /// One row a combination, in the order they were varied: the settings, the name of the main metric, its
    /// mean, the ends of the 95% t-interval (null for n = 1), n, how many failed, and the mean seconds a trial.
    pub fn table(&self) -> DataFrame {
        table(&self.varied, &self.groups(), &self.main_metric())
    }

    /// As [`StudyResult::table`], for another metric.
    ///
    /// # Errors
    /// When no trial measured it.
    pub fn table_of(&self, metric: &str) -> Result<DataFrame> {
        self.known(metric)?;
        Ok(table(&self.varied, &self.groups(), metric))
    }

    /// The combination with the best mean of `metric`: the lowest or highest as set by
    /// [`Study::minimize`](super::Study::minimize) and [`Study::maximize`](super::Study::maximize); else the lowest
    /// when its name speaks of a loss, an error (also mse, rmse, mae, nll, ece), perplexity or time, and the highest
    /// otherwise.
    ///
    /// # Errors
    /// When no trial measured it.
    pub fn best(&self, metric: &str) -> Result<(Settings, Mean)> {
        self.known(metric)?;
        best(&self.groups(), metric, &self.goals)
            .ok_or_else(|| Error::data(format!("no trial has a finite {metric}")).at(self.place()))
    }

    pub(super) fn goals(&self) -> &Goals {
        &self.goals
    }

    pub(super) fn groups(&self) -> Groups<'_> {
        Groups::new(&self.combinations, &self.results)
    }

    pub(super) fn place(&self) -> String {
        format!("study \"{}\"", self.name)
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

fn best(groups: &Groups<'_>, metric: &str, goals: &Goals) -> Option<(Settings, Mean)> {
    let sign = if goals.less_is_better(metric) { -1.0 } else { 1.0 };
    groups
        .0
        .iter()
        .filter_map(|(settings, trials)| Some(((*settings).clone(), Mean::of(&values(trials, metric))?)))
        // The first of equals, as a reader of the table would.
        .rev()
        .max_by(|a, b| (sign * a.1.mean).total_cmp(&(sign * b.1.mean)))
}

fn table(varied: &[String], groups: &Groups<'_>, metric: &str) -> DataFrame {
    let means: Vec<_> = groups
        .0
        .iter()
        .map(|(_, trials)| Mean::of(&values(trials, metric)))
        .collect();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let mut columns: Vec<Column> = varied
        .iter()
        .map(|name| setting_column(name, groups.0.iter().map(|g| g.0)))
        .collect();
    let mut add = |name: &str, values: Vec<Option<f64>>| columns.push(Column::new(name.into(), values));
    add("mean", means.iter().map(|m| m.map(|m| m.mean)).collect());
    add(
        "low",
        means.iter().map(|m| Some(m.as_ref()?.interval?.0)).collect(),
    );
    add(
        "high",
        means.iter().map(|m| Some(m.as_ref()?.interval?.1)).collect(),
    );
    columns.insert(
        varied.len(),
        Column::new("metric".into(), vec![metric; groups.0.len()]),
    );
    let n = means.iter().map(|m| count(m.map_or(0, |m| m.n)));
    columns.push(Column::new("n".into(), n.collect::<Vec<_>>()));
    let failed = groups
        .0
        .iter()
        .map(|(_, trials)| count(trials.iter().filter(|t| t.error.is_some()).count()));
    columns.push(Column::new("failed".into(), failed.collect::<Vec<_>>()));
    let seconds = groups
        .0
        .iter()
        .map(|(_, trials)| Some(Mean::of(&values(trials, "seconds"))?.mean));
    columns.push(Column::new("seconds".into(), seconds.collect::<Vec<_>>()));
    // The plan has checked that names differ, and every column has one entry a combination.
    DataFrame::new(groups.0.len(), columns).expect("columns of one length with different names")
}

/// Rows of a table that is shown whole.
const ROWS: usize = 40;

/// The table for people, with the best combination below.
pub(super) fn summary(
    name: &str,
    varied: &[String],
    groups: &Groups<'_>,
    metric: Option<&str>,
    goals: &Goals,
) -> Table {
    let metric = groups.main_metric(metric);
    let failures = |trials: &[&TrialResult]| trials.iter().filter(|t| t.error.is_some()).count();
    let any_failed = groups.0.iter().any(|(_, trials)| failures(trials) > 0);
    let head = [&format!("mean {metric}"), "95% interval", "n"];
    let head = head
        .into_iter()
        .chain(any_failed.then_some("failed"))
        .chain(["time a trial"]);
    let mut table =
        Table::new(varied.iter().cloned().chain(head.map(str::to_owned))).caption(name.to_owned());
    let mut rows: Vec<_> = groups
        .0
        .iter()
        .map(|(settings, trials)| (settings, trials, Mean::of(&values(trials, &metric))))
        .collect();
    let all = rows.len();
    if all > ROWS {
        let sign = if goals.less_is_better(&metric) { 1.0 } else { -1.0 };
        let place = |mean: &Option<Mean>| mean.map_or(f64::INFINITY, |m| sign * m.mean);
        rows.sort_by(|a, b| place(&a.2).total_cmp(&place(&b.2)));
        rows.truncate(ROWS / 2);
    }
    // Three numbers a row, all with the same decimals.
    let three = |mean: &Option<Mean>| {
        let (low, high) = mean.and_then(|m| m.interval).unwrap_or((f64::NAN, f64::NAN));
        [mean.map_or(f64::NAN, |m| m.mean), low, high]
    };
    let numbers = even_numbers(rows.iter().flat_map(|(_, _, mean)| three(mean)));
    for ((settings, trials, mean), numbers) in rows.iter().zip(numbers.chunks(3)) {
        let mut cells: Vec<String> = settings.values().iter().map(ToString::to_string).collect();
        cells.push(match mean {
            Some(_) => numbers[0].clone(),
            None => "–".to_owned(),
        });
        cells.push(match mean.and_then(|m| m.interval) {
            Some(_) => format!("{} to {}", numbers[1], numbers[2]),
            None => "–".to_owned(),
        });
        cells.push(mean.map_or(0, |m| m.n).to_string());
        if any_failed {
            cells.push(match failures(trials) {
                0 => String::new(),
                n => n.to_string(),
            });
        }
        let seconds = Mean::of(&values(trials, "seconds")).map(|s| s.mean.max(0.0));
        cells.push(seconds.map_or("–".to_owned(), |s| {
            readable_time(Duration::try_from_secs_f64(s).unwrap_or(Duration::MAX))
        }));
        table = table.row(cells);
    }
    // Where the numbers stand, also when some are times or dashes.
    for column in varied.len()..varied.len() + 5 {
        table = table.align(column, Align::Right);
    }
    let mut note = match best(groups, &metric, goals) {
        Some((settings, mean)) => format!(
            "best: {settings} with {metric} {} ({})",
            readable_number(mean.mean),
            goals.words(&metric)
        ),
        None => "no result yet".to_owned(),
    };
    if rows.len() < all {
        note = format!("the best {} of {all} combinations; {note}", rows.len());
    }
    let all_trials = || groups.0.iter().flat_map(|g| &g.1);
    let diverged = all_trials()
        .filter(|t| t.ending().starts_with("DIVERGED"))
        .count();
    if diverged > 0 {
        note += &format!("; {diverged} diverged and count with their last sound numbers");
    }
    if let Some(why) = all_trials().find_map(|t| t.error()) {
        note += &format!("; first failure: {}", why.lines().next().unwrap_or_default());
    }
    if seeds_do_nothing(groups) {
        note += "; every seed gave the same numbers: is t.seed() used?";
    }
    table.note(note)
}

/// Whether, wherever two seeds or more finished, all their numbers are the same.
fn seeds_do_nothing(groups: &Groups<'_>) -> bool {
    let mut pairs = 0;
    for (_, trials) in &groups.0 {
        let mut finished = trials.iter().filter(|t| t.error.is_none());
        if let Some(first) = finished.next() {
            for other in finished {
                if other.metrics != first.metrics {
                    return false;
                }
                pairs += 1;
            }
        }
    }
    pairs > 0
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
        } = self.counts;
        let mut name = format!(
            "{}: {} of {planned} trials ({computed} computed in {}, {reused} found)",
            self.name,
            computed + reused,
            readable_time(self.elapsed)
        );
        if stopped {
            name += ", stopped";
        }
        match (&self.trouble, &self.dir) {
            (Some(trouble), _) => name += &format!("\n\u{26a0} {trouble}"),
            (None, Some(dir)) => name += &format!(", kept in {}", dir.display()),
            (None, None) => {}
        }
        summary(
            &name,
            &self.varied,
            &self.groups(),
            self.metric.as_deref(),
            &self.goals,
        )
        .bundle()
    }
}

impl std::fmt::Display for StudyResult {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.bundle().plain())
    }
}
