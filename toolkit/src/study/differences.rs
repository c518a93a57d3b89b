//! The chart of what a setting changes, over another.

use super::charts::{Chart, brief, by};
use super::comparison::{more, pairs_of};
use super::curves::line_name;
use super::result::StudyResult;
use super::settings::Settings;
use super::value::Value;
use crate::show::chart::{self, Curve};
use crate::{Error, Result};

impl StudyResult {
    /// By how much `metric` differs from what it is under `baseline`, over a numeric varied name: a curve of mean
    /// differences with their 95% band for each combination of the other names. The pairs are those of
    /// [`compare`](Self::compare): the same seed, and the same values of all names that `baseline` leaves open.
    ///
    /// ```
    /// use jook::study::Study;
    /// let study = Study::new("slopes").vary("slope", [0.0, 1.0]).vary("x", [1, 2, 3]).seeds(3).in_memory().quiet();
    /// let study = study.run(|t| Ok(t["slope"].number()? * t["x"].number()?))?;
    /// study.difference_curves("value", [("slope", 0.0)], "x")?  // a line from 1 to 3
    /// # ;
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the metric, the baseline or the name is unknown, the baseline sets nothing or the name itself, the name's values
    /// are not numbers, or no setting shares two seeds (or folds) with the baseline.
    pub fn difference_curves(
        &self,
        metric: &str,
        baseline: impl Into<Settings>,
        across: &str,
    ) -> Result<Chart> {
        let baseline = baseline.into();
        self.known(metric)?;
        self.has(&baseline)?;
        self.varies(across)?;
        if baseline.values().is_empty() || baseline.get(across).is_some() {
            return Err(Error::spec(format!(
                "the baseline is {baseline}, and the curves go over {across}"
            ))
            .at(self.place())
            .fix("name in the baseline a value of another varied name: [(\"dropout\", 0.0)]"));
        }
        let groups = self.groups();
        let mut lines: Vec<(String, Vec<[f64; 4]>)> = Vec::new();
        let mut text = format!("{metric} minus that with {baseline}\n");
        for (settings, _) in &groups.all {
            if settings.agrees_with(&baseline) {
                continue;
            }
            let x = settings
                .get(across)
                .map_or(Ok(f64::NAN), |value| value.number())
                .map_err(|e| e.fix("a curve needs numbers across; try .compare_all(baseline, metric)"))?;
            let values = |keep: &dyn Fn(&Value) -> bool| {
                Settings::new(settings.values().iter().copied().filter(|v| keep(v)).collect())
            };
            let mut under = values(&|v| baseline.get(v.name()).is_none()).values().to_vec();
            under.extend(baseline.values());
            let pairs = pairs_of(settings, &Settings::new(under), metric, &groups);
            let Some(paired) = groups.paired(&pairs) else {
                continue;
            };
            let name = line_name(&values(&|v| v.name() != across));
            let (low, high) = paired.interval.unwrap_or((paired.difference, paired.difference));
            let point = [x, paired.difference, low, high];
            text += &format!("{settings}: {:.4} ({low:.4} to {high:.4})\n", paired.difference);
            match lines.iter_mut().find(|line| line.0 == name) {
                Some(line) => line.1.push(point),
                None => lines.push((name, vec![point])),
            }
        }
        if lines.is_empty() {
            return Err(Error::data("no setting shares two seeds with the baseline")
                .at(self.place())
                .fix(more(&groups)));
        }
        let curves: Vec<Curve> = lines
            .into_iter()
            .map(|(name, mut points)| {
                points.sort_by(|a, b| a[0].total_cmp(&b[0]));
                let column = |at: usize| points.iter().map(|point| point[at]).collect::<Vec<f64>>();
                Curve {
                    name,
                    x: column(0),
                    y: column(1),
                    band: Some((column(2), column(3))),
                }
            })
            .collect();
        let names: Vec<&str> = self
            .varied()
            .iter()
            .map(String::as_str)
            .filter(|name| *name != across)
            .collect();
        let title = format!(
            "{}: {metric} minus that with {baseline}, with 95% interval, {}{}",
            self.name(),
            self.over(&groups),
            by(&names)
        );
        let y = format!("difference in {metric}");
        let axis = chart::over_settings(&brief(across), &curves);
        Ok(Chart::new(
            chart::curves_over(axis, [&title, &y], &curves),
            text.trim_end(),
        ))
    }
}
