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
        let plot = chart::heatmap(
            [&title, &brief(across), &brief(down)],
            &texts(&columns),
            &texts(&rows),
            &cells,
        );
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
        let names: Vec<String> = self.varied().iter().map(|name| brief(name)).collect();
        let plot = chart::boxes([&title, &names.join(", "), metric], &boxes);
        Ok(Chart::new(plot, self.text_of(metric)))
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

    pub(super) fn text_of(&self, metric: &str) -> String {
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
pub(super) fn short(settings: &Settings) -> String {
    let values: Vec<_> = settings.values().iter().map(ToString::to_string).collect();
    values.join(", ")
}

/// For titles: what the values in the legend are, when they stand without their names.
pub(super) fn by(names: &[&str]) -> String {
    match names {
        [] | [_] => String::new(),
        _ => {
            let names: Vec<String> = names.iter().map(|name| brief(name)).collect();
            format!("; by {}", names.join(", "))
        }
    }
}

/// What a varied name is called in a chart: of a path into a spec, such as `net.layers.dense1.kind.Dense.units`, the last
/// part, and before it the layer's name.
pub(super) fn brief(name: &str) -> String {
    let parts: Vec<&str> = name.split('.').collect();
    match &parts[..] {
        ["net", "layers", layer, .., last] => format!("{layer} {last}"),
        ["net" | "recipe", .., last] => (*last).to_owned(),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::brief;

    #[test]
    fn paths_into_a_spec_are_called_by_their_ends() {
        assert_eq!(brief("net.layers.dense1.kind.Dense.units"), "dense1 units");
        assert_eq!(brief("recipe.rule.Adam.rate"), "rate");
        assert_eq!(brief("recipe.batch"), "batch");
        assert_eq!(brief("images a class. 3"), "images a class. 3");
        assert_eq!(brief("rate"), "rate");
    }
}
