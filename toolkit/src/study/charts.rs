//! The charts of a study.

use std::ops::Deref;

use plotly::Plot;

use super::groups::{Groups, values};
use super::parallel::parallel_coordinates;
use super::record::TrialResult;
use super::result::StudyResult;
use super::settings::Settings;
use super::statistics::Mean;
use super::value::Value;
use crate::show::{Bundle, Show, chart};
use crate::{Error, Result};

/// Curves in one chart, each with a colour of its own; of more the best are drawn.
const CURVES: usize = chart::PALETTE.len();

/// The name of a curve, and the samples at each of its positions.
type Line = (String, Vec<(f64, Vec<f64>)>);

/// A position, and what the trials have there, each with its fold.
type Point = (f64, Vec<(Option<u32>, f64)>);

/// A chart of a study. Shows itself as the drawing, or as the numbers in it where nothing can be drawn.
#[derive(Clone)]
pub struct Chart {
    plot: Plot,
    text: String,
}

impl Chart {
    pub(super) fn new(plot: Plot, text: impl Into<String>) -> Self {
        Self {
            plot,
            text: text.into(),
        }
    }

    /// The plot, to be changed or written with the plotly crate.
    pub fn into_plot(self) -> Plot {
        self.plot
    }
}

impl Deref for Chart {
    type Target = Plot;

    fn deref(&self) -> &Plot {
        &self.plot
    }
}

impl std::fmt::Debug for Chart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl Show for Chart {
    fn bundle(&self) -> Bundle {
        Bundle::text(self.text.clone()).plot(&self.plot)
    }

    // By name, or the plot's own method of this name would be found first.
    fn evcxr_display(&self) {
        self.bundle().evcxr_display();
    }
}

impl StudyResult {
    /// The mean of `metric` over the two varied names: the first down, the second across.
    ///
    /// # Errors
    /// When the metric is unknown, or not exactly two names are varied.
    pub fn heatmap(&self, metric: &str) -> Result<Chart> {
        match self.varied() {
            [down, across] => self.heatmap_of(metric, across, down),
            varied => Err(Error::spec(format!(
                "a heatmap needs two varied names, found {}",
                varied.len()
            ))
            .at(self.place())
            .fix("name two with .heatmap_of(metric, across, down), or try .box_plot(metric)")),
        }
    }

    /// The mean of `metric` over two varied names, one across and one down, taken over seeds and all else
    /// that is varied.
    ///
    /// # Errors
    /// When the metric or a name is unknown.
    pub fn heatmap_of(&self, metric: &str, across: &str, down: &str) -> Result<Chart> {
        self.known(metric)?;
        self.varies(across)?;
        self.varies(down)?;
        let groups = self.groups();
        let (columns, rows) = (levels(&groups, across), levels(&groups, down));
        let cell = |column: &Value, row: &Value| {
            let here = |s: &Settings| s.get(across) == Some(*column) && s.get(down) == Some(*row);
            let all: Vec<f64> = groups
                .all
                .iter()
                .filter(|g| here(g.0))
                .flat_map(|(_, trials)| values(trials, metric))
                .collect();
            Mean::of(&all).map_or(f64::NAN, |m| m.mean)
        };
        let cells: Vec<Vec<f64>> = rows
            .iter()
            .map(|row| columns.iter().map(|column| cell(column, row)).collect())
            .collect();
        let texts = |values: &[Value]| values.iter().map(ToString::to_string).collect::<Vec<_>>();
        let title = format!("{}: mean {metric}, {}", self.name(), self.over(&groups));
        let plot = chart::heatmap([&title, across, down], &texts(&columns), &texts(&rows), &cells);
        Ok(Chart::new(plot, self.text_of(metric)))
    }

    /// A box for each combination: the spread of `metric` over the seeds, every trial a dot.
    ///
    /// # Errors
    /// When the metric is unknown.
    pub fn box_plot(&self, metric: &str) -> Result<Chart> {
        self.known(metric)?;
        let groups = self.groups();
        let boxes: Vec<(String, Vec<f64>)> = groups
            .all
            .iter()
            .map(|(settings, trials)| (short(settings), values(trials, metric)))
            .collect();
        let title = format!("{}: {metric}, {}", self.name(), self.over(&groups));
        let plot = chart::boxes([&title, &self.varied().join(", "), metric], &boxes);
        Ok(Chart::new(plot, self.text_of(metric)))
    }

    /// `metric` over a numeric varied name: a curve of means with its 95% band for each combination of the
    /// other names (the seven best of more).
    ///
    /// # Errors
    /// When the metric or name is unknown, or the name's values are not numbers.
    pub fn curves(&self, metric: &str, across: &str) -> Result<Chart> {
        self.known(metric)?;
        self.varies(across)?;
        let groups = self.groups();
        let mut lines: Vec<Line> = Vec::new();
        for (settings, trials) in &groups.all {
            let x = settings
                .get(across)
                .map_or(Ok(f64::NAN), |value| value.number())
                .map_err(|e| e.fix("a curve needs numbers across; try .box_plot(metric)"))?;
            let rest: Vec<Value> = settings
                .values()
                .iter()
                .copied()
                .filter(|v| v.name() != across)
                .collect();
            let name = match rest.is_empty() {
                true => metric.to_owned(),
                false => line_name(&Settings::new(rest)),
            };
            let at = lines.iter().position(|line| line.0 == name).unwrap_or_else(|| {
                lines.push((name, Vec::new()));
                lines.len() - 1
            });
            lines[at].1.push((x, groups.samples(trials, metric)));
        }
        let names: Vec<&str> = self
            .varied()
            .iter()
            .map(String::as_str)
            .filter(|name| *name != across)
            .collect();
        let title = format!(
            "{}: mean {metric} with 95% interval, {}{}",
            self.name(),
            self.over(&groups),
            by(&names)
        );
        Ok(Chart::new(
            banded(
                [&title, across, metric],
                lines,
                self.goals().less_is_better(metric),
                &groups,
            ),
            self.text_of(metric),
        ))
    }

    /// A column of the trainings' histories, such as `held_out_loss`, over steps or epochs (the history's
    /// first column): a curve of means over seeds with its 95% band for each combination (the seven best
    /// of more). Where trainings stopped early, a mean is over those still going.
    ///
    /// # Errors
    /// When no history has the column.
    pub fn learning_curves(&self, column: &str) -> Result<Chart> {
        let groups = self.groups();
        let mut across = "step";
        let mut known: Vec<&str> = Vec::new();
        let mut lines = Vec::new();
        for (settings, trials) in &groups.all {
            let mut points: Vec<Point> = Vec::new();
            for trial in trials {
                let Some((x_name, xs)) = trial.history.first() else {
                    continue;
                };
                across = x_name;
                for (name, _) in &trial.history[1..] {
                    if !known.contains(&name.as_str()) {
                        known.push(name);
                    }
                }
                let Some((_, ys)) = trial.history.iter().find(|(name, _)| name == column) else {
                    continue;
                };
                for (&x, &y) in xs.iter().zip(ys).filter(|(_, y)| y.is_finite()) {
                    match points.binary_search_by(|point| point.0.total_cmp(&x)) {
                        Ok(at) => points[at].1.push((trial.fold, y)),
                        Err(at) => points.insert(at, (x, vec![(trial.fold, y)])),
                    }
                }
            }
            if !points.is_empty() {
                let points = points
                    .into_iter()
                    .map(|(x, all)| (x, groups.by_fold(all.into_iter())));
                lines.push((line_name(settings), points.collect()));
            }
        }
        if lines.is_empty() {
            let remedy = match known.is_empty() {
                true => {
                    "return the training run (or a Measured with its history) from the closure".to_owned()
                }
                false => format!("use one of: {}", known.join(", ")),
            };
            return Err(Error::spec(format!("no history has a column \"{column}\""))
                .at(self.place())
                .fix(remedy));
        }
        let names: Vec<&str> = self.varied().iter().map(String::as_str).collect();
        let title = format!(
            "{}: mean {column} with 95% interval, {}{}",
            self.name(),
            self.over(&groups),
            by(&names)
        );
        let text = title.clone();
        Ok(Chart::new(
            banded(
                [&title, across, column],
                lines,
                self.goals().less_is_better(column),
                &groups,
            ),
            text,
        ))
    }

    /// A line for each combination through one axis a varied name and a last one for the mean of `metric`,
    /// coloured by it.
    ///
    /// # Errors
    /// When the metric is unknown.
    pub fn parallel_coordinates(&self, metric: &str) -> Result<Chart> {
        self.known(metric)?;
        let groups = self.groups();
        let title = format!("{}: mean {metric}, {}", self.name(), self.over(&groups));
        let lines: Vec<(&Settings, f64)> = groups
            .all
            .iter()
            .filter_map(|(settings, trials)| Some((*settings, groups.mean(trials, metric)?.mean)))
            .collect();
        Ok(Chart::new(
            parallel_coordinates(
                &title,
                self.varied(),
                metric,
                &lines,
                self.goals().less_is_better(metric),
            ),
            self.text_of(metric),
        ))
    }

    pub(super) fn varies(&self, name: &str) -> Result<()> {
        match self.varied().iter().any(|own| own == name) {
            true => Ok(()),
            false => Err(Error::spec(format!("this study does not vary \"{name}\""))
                .at(self.place())
                .fix(format!("use one of: {}", self.varied().join(", ")))),
        }
    }

    /// "5 seeds" or "10 folds x 2 seeds", for titles.
    pub(super) fn over(&self, groups: &Groups<'_>) -> String {
        let folds = groups.folds.count;
        let trials = |trials: &Vec<&TrialResult>| trials.iter().filter(|t| t.error.is_none()).count();
        let most = groups.all.iter().map(|g| trials(&g.1)).max().unwrap_or(0);
        let seeds = match most.div_ceil(folds.max(1)) {
            1 => "1 seed".to_owned(),
            n => format!("{n} seeds"),
        };
        match folds {
            0 => seeds,
            1 => format!("1 fold x {seeds}"),
            _ => format!("{folds} folds x {seeds}"),
        }
    }

    fn text_of(&self, metric: &str) -> String {
        self.table_of(metric)
            .map(|table| table.to_string())
            .unwrap_or_default()
    }
}

/// The values a name takes: numbers ascending, others as they were varied.
pub(super) fn levels(groups: &Groups<'_>, name: &str) -> Vec<Value> {
    let mut levels: Vec<Value> = Vec::new();
    for value in groups.all.iter().filter_map(|g| g.0.get(name)) {
        if !levels.contains(&value) {
            levels.push(value);
        }
    }
    if levels.iter().all(|value| value.number().is_ok()) {
        let number = |value: &Value| value.number().unwrap_or(f64::NAN);
        levels.sort_by(|a, b| number(a).total_cmp(&number(b)));
    }
    levels
}

/// The values without their names, which the axis title says.
fn short(settings: &Settings) -> String {
    let values: Vec<_> = settings.values().iter().map(ToString::to_string).collect();
    values.join(", ")
}

/// For titles: what the values in the legend are, when they stand without their names.
pub(super) fn by(names: &[&str]) -> String {
    match names {
        [] | [_] => String::new(),
        _ => format!("; by {}", names.join(", ")),
    }
}

/// A name for the legend: one setting with its name, of several the values.
pub(super) fn line_name(settings: &Settings) -> String {
    match settings.values() {
        [_] => settings.to_string(),
        _ => short(settings),
    }
}

/// Lines of samples at positions, as curves of means with bands.
fn banded(titles: [&str; 3], lines: Vec<Line>, low_first: bool, groups: &Groups<'_>) -> Plot {
    let mut curves: Vec<(f64, chart::Curve)> = lines
        .into_iter()
        .map(|(name, mut points)| {
            points.sort_by(|a, b| a.0.total_cmp(&b.0));
            let means: Vec<(f64, Mean)> = points
                .iter()
                .filter_map(|(x, samples)| Some((*x, groups.mean_of(samples)?)))
                .collect();
            let column = |get: fn(&Mean) -> f64| means.iter().map(|(_, m)| get(m)).collect::<Vec<f64>>();
            let best = column(|m| m.mean)
                .into_iter()
                .map(|y| if low_first { y } else { -y });
            let curve = chart::Curve {
                name,
                x: means.iter().map(|(x, _)| *x).collect(),
                y: column(|m| m.mean),
                band: Some((
                    column(|m| m.interval.map_or(m.mean, |i| i.0)),
                    column(|m| m.interval.map_or(m.mean, |i| i.1)),
                )),
            };
            (best.fold(f64::INFINITY, f64::min), curve)
        })
        .collect();
    let all = curves.len();
    let mut title = titles[0].to_owned();
    if all > CURVES {
        curves.sort_by(|a, b| a.0.total_cmp(&b.0));
        curves.truncate(CURVES);
        title += &format!(" (the best {CURVES} of {all})");
    }
    let curves: Vec<chart::Curve> = curves.into_iter().map(|c| c.1).collect();
    chart::curves([&title, titles[1], titles[2]], &curves)
}
