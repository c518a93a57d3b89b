//! The curves of a study: metrics over what is varied, and histories over the updates.

use super::charts::{Chart, brief, by, short};
use super::groups::Groups;
use super::result::StudyResult;
use super::settings::Settings;
use super::statistics::Mean;
use super::value::Value;
use crate::show::chart;
use crate::{Error, Result};

/// Curves in one chart, each with a colour of its own; of more the best are drawn.
const CURVES: usize = chart::PALETTE.len();

/// The name of a curve, and the samples at each of its positions.
type Line = (String, Vec<(f64, Vec<f64>)>);

/// A position, and what the trials have there, each with its fold.
type Point = (f64, Vec<(Option<u32>, f64)>);

impl StudyResult {
    /// `metric` over a numeric varied name: a curve of means with its 95% band for each combination of the
    /// other names (the seven best of more). Positions above 0 that span a factor of 100 or more, such as rates, are
    /// on a logarithmic axis; with a 0 among them each has a place of its own.
    ///
    /// # Errors
    /// When the metric or name is unknown, or the name's values are not numbers.
    pub fn curves(&self, metric: &str, across: &str) -> Result<Chart> {
        self.drawn(&[metric], across)
    }

    /// As [`curves`](Self::curves), several metrics in one chart, as what was right of the training part beside what was of
    /// the test part.
    ///
    /// # Errors
    /// As [`curves`](Self::curves), and when no metric is named.
    pub fn curves_of(&self, metrics: &[&str], across: &str) -> Result<Chart> {
        match metrics {
            [] => Err(Error::spec("expected a metric or more to draw, found none")
                .at(self.place())
                .fix("name one or several of a trial's metrics")),
            _ => self.drawn(metrics, across),
        }
    }

    fn drawn(&self, metrics: &[&str], across: &str) -> Result<Chart> {
        metrics.iter().try_for_each(|metric| self.known(metric))?;
        self.varies(across)?;
        let groups = self.groups();
        let mut lines: Vec<Line> = Vec::new();
        for (metric, (settings, trials)) in metrics
            .iter()
            .flat_map(|metric| groups.all.iter().map(move |group| (*metric, group)))
        {
            let x = settings
                .get(across)
                .map_or(Ok(f64::NAN), |value| value.number())
                .map_err(|e| e.fix("a curve needs numbers across; try .box_plot(metric)"))?;
            let rest = settings.values().iter().copied();
            let rest: Vec<Value> = rest.filter(|v| v.name() != across).collect();
            let name = match (&rest[..], metrics) {
                ([], _) => metric.to_owned(),
                (_, [_]) => line_name(&Settings::new(rest)),
                _ => format!("{metric}, {}", line_name(&Settings::new(rest))),
            };
            let at = lines.iter().position(|line| line.0 == name).unwrap_or_else(|| {
                lines.push((name, Vec::new()));
                lines.len() - 1
            });
            lines[at].1.push((x, groups.samples(trials, metric)));
        }
        let varied = self.varied().iter().map(String::as_str);
        let names: Vec<&str> = varied.filter(|name| *name != across).collect();
        let words = metrics.join(", ");
        let title = format!(
            "{}: mean {words} with 95% interval, {}{}",
            self.name(),
            self.over(&groups),
            by(&names)
        );
        let texts: Vec<String> = metrics.iter().map(|metric| self.text_of(metric)).collect();
        let less_is_better = self.goals().less_is_better(metrics[0]);
        let (title, curves) = banded(&title, lines, less_is_better, &groups);
        let axis = chart::over_settings(&brief(across), &curves);
        let plot = chart::curves_over(axis, [&title, &words], &curves);
        Ok(Chart::new(plot, texts.join("\n")))
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
        let (title, curves) = banded(&title, lines, self.goals().less_is_better(column), &groups);
        Ok(Chart::new(chart::curves([&title, across, column], &curves), text))
    }
}

/// A name for the legend: one setting with its name, of several the values.
pub(super) fn line_name(settings: &Settings) -> String {
    match settings.values() {
        [value] => format!("{}={value}", brief(value.name())),
        _ => short(settings),
    }
}

/// Lines of samples at positions, as curves of means with bands; and the title, which says where only the best are drawn.
fn banded(
    title: &str,
    lines: Vec<Line>,
    low_first: bool,
    groups: &Groups<'_>,
) -> (String, Vec<chart::Curve>) {
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
    let mut title = title.to_owned();
    if all > CURVES {
        curves.sort_by(|a, b| a.0.total_cmp(&b.0));
        curves.truncate(CURVES);
        title += &format!(" (the best {CURVES} of {all})");
    }
    (title, curves.into_iter().map(|c| c.1).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::Value as Json;

    use super::*;
    use crate::study::{Measured, Study};

    fn json(chart: Chart) -> Json {
        serde_json::to_value(chart.into_plot()).expect("JSON")
    }

    fn study(rates: &[f64]) -> StudyResult {
        let study = Study::new("two metrics")
            .vary("rate", rates.to_vec())
            .vary("wide", [false, true])
            .seeds(2)
            .in_memory()
            .quiet();
        let run = study.run(|t| {
            let x = t["rate"].number()? + t.seed() as f64;
            Ok(Measured::new().metric("train", x).metric("test", x - 0.5))
        });
        run.expect("a study")
    }

    #[test]
    fn several_metrics_stand_in_one_chart() {
        let figure = json(
            study(&[1.0, 2.0])
                .curves_of(&["train", "test"], "rate")
                .expect("a chart"),
        );
        let names: Vec<&str> = figure["data"]
            .as_array()
            .expect("traces")
            .iter()
            .filter(|trace| trace["fill"].is_null())
            .filter_map(|trace| trace["name"].as_str())
            .collect();
        assert_eq!(
            names,
            [
                "train, wide=false",
                "train, wide=true",
                "test, wide=false",
                "test, wide=true"
            ]
        );
        let last = figure["data"].as_array().expect("traces").len() - 1;
        assert_eq!(figure["data"][last]["y"], serde_json::json!([1.0, 2.0]));
        assert!(study(&[1.0]).curves_of(&[], "rate").is_err());
        assert!(study(&[1.0]).curves_of(&["train", "tets"], "rate").is_err());
    }

    #[test]
    fn rates_over_powers_of_ten_have_a_logarithmic_axis() {
        let kind = |rates: &[f64]| {
            let study = study(rates);
            let curves = json(study.curves("train", "rate").expect("a chart"));
            let difference = json(
                study
                    .difference_curves("train", [("wide", false)], "rate")
                    .expect("a chart"),
            );
            let kind = |figure: Json| figure["layout"]["xaxis"]["type"].as_str().map(str::to_owned);
            let both = [kind(curves), kind(difference)];
            assert_eq!(both[0], both[1]);
            both[0].clone()
        };
        assert_eq!(kind(&[0.001, 0.01, 0.1]).as_deref(), Some("log"));
        assert_eq!(kind(&[0.01, 0.1, 0.5]), None);
        assert_eq!(kind(&[0.0, 0.1, 100.0]).as_deref(), Some("category"));
    }
}
