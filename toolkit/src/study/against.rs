//! [`Comparisons`]: many settings against one, with p-values corrected for their number.

use std::fmt;

use polars::prelude::*;

use super::comparison::{more, pairs_of};
use super::frame::setting_column;
use super::groups::Groups;
use super::result::StudyResult;
use super::settings::Settings;
use super::statistics::{Paired, holm};
use crate::show::{Align, Bundle, Show, Table, even_numbers, readable_number};
use crate::{Error, Result};

/// Every other setting of a study compared with one: what [`StudyResult::compare_all`] gives.
#[derive(Clone, Debug)]
pub struct Comparisons {
    /// The metric compared.
    pub metric: String,
    /// What the others are compared with.
    pub baseline: Settings,
    /// The others, in the order they were varied.
    pub others: Vec<Against>,
    /// "less is better" or "more is better".
    goal: &'static str,
    /// What the pairs share: "seed" or "fold".
    unit: &'static str,
}

/// One setting against the baseline.
#[derive(Clone, Debug)]
pub struct Against {
    /// The setting: values of the names that the baseline sets.
    pub settings: Settings,
    /// Seed (or fold, counted from 0: then values are means over seeds), value under this setting, value under the
    /// baseline.
    pub pairs: Vec<(u64, f64, f64)>,
    /// What the pairs say of this setting minus the baseline; its p-values and interval are those of this comparison
    /// alone. None with fewer than two pairs.
    pub paired: Option<Paired>,
    /// The t-test's p-value corrected for all comparisons of the table ([`holm`]); none where there is none.
    pub p_holm: Option<f64>,
}

impl StudyResult {
    /// Compares every other setting with `baseline` at once: difference, interval and p-value of each, with the
    /// p-values corrected for their number ([`holm`](super::statistics::holm)). The others are all combinations of the
    /// names that `baseline` sets; a name that it leaves open is averaged over as in [`StudyResult::compare`], and in a
    /// study with folds the pairs are those of folds, as there.
    ///
    /// ```
    /// use jook::study::Study;
    /// let study = Study::new("shifts").vary("shift", [0.0, 0.1, 1.0]).seeds(8).in_memory().quiet();
    /// let study = study.run(|t| Ok(t["shift"].number()? + (t.seed() as f64 * (1.0 + t["shift"].number()?)).sin()))?;
    /// let all = study.compare_all([("shift", 0.0)], "value")?;
    /// assert_eq!(all.others.len(), 2);
    /// assert!(all.others.iter().all(|other| other.p_holm >= other.paired.unwrap().p_value));
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the baseline or metric is unknown, the baseline sets nothing, there is no other setting, or none shares
    /// two seeds (or folds) with the baseline.
    pub fn compare_all(&self, baseline: impl Into<Settings>, metric: &str) -> Result<Comparisons> {
        let baseline = baseline.into();
        self.known(metric)?;
        self.has(&baseline)?;
        Comparisons::new(baseline, metric, &self.groups(), self.goals().words(metric))
            .map_err(|e| e.at(self.place()))
    }
}

impl Comparisons {
    pub(super) fn new(
        baseline: Settings,
        metric: &str,
        groups: &Groups<'_>,
        goal: &'static str,
    ) -> Result<Self> {
        if baseline.values().is_empty() {
            return Err(Error::spec("the baseline sets nothing")
                .fix("name a value of a varied setting: [(\"dropout\", 0.0)]"));
        }
        let mut others: Vec<Settings> = Vec::new();
        for (settings, _) in &groups.all {
            let named = settings.values().iter().copied();
            let part = Settings::new(named.filter(|v| baseline.get(v.name()).is_some()).collect());
            if !part.agrees_with(&baseline) && !others.contains(&part) {
                others.push(part);
            }
        }
        let mut others: Vec<Against> = others
            .into_iter()
            .map(|settings| {
                let pairs = pairs_of(&settings, &baseline, metric, groups);
                Against {
                    paired: groups.paired(&pairs),
                    settings,
                    pairs,
                    p_holm: None,
                }
            })
            .collect();
        let unit = groups.unit();
        if others.iter().all(|other| other.paired.is_none()) {
            return Err(Error::data(match others.len() {
                0 => "there is no other setting to compare with the baseline".to_owned(),
                _ => format!("expected two {unit}s or more that another setting shares with the baseline"),
            })
            .fix(match others.len() {
                0 => "vary more values",
                _ => more(groups),
            }));
        }
        let p_values: Vec<f64> = others
            .iter()
            .map(|other| other.paired.and_then(|p| p.p_value).unwrap_or(f64::NAN))
            .collect();
        for (other, p) in others.iter_mut().zip(holm(&p_values)) {
            other.p_holm = (!p.is_nan()).then_some(p);
        }
        Ok(Self {
            metric: metric.to_owned(),
            baseline,
            others,
            goal,
            unit,
        })
    }

    /// One row a comparison: the settings, the metric's name, the mean difference to the baseline with the ends of
    /// its 95% interval, n, the effect size, the p-values of the t-test alone, corrected by Holm, and of the
    /// signed-rank test alone. What cannot be said is null.
    ///
    /// # Errors
    /// When a varied name is that of another of these columns.
    pub fn frame(&self) -> Result<DataFrame> {
        let names = self.baseline.values().iter().map(|value| value.name());
        let mut columns: Vec<Column> = names
            .map(|name| setting_column(name, self.others.iter().map(|other| &other.settings)))
            .collect();
        let rows = self.others.len();
        columns.push(Column::new("metric".into(), vec![self.metric.as_str(); rows]));
        let mut add = |name: &str, get: &dyn Fn(&Paired) -> Option<f64>| {
            let values = self.others.iter().map(|other| get(other.paired.as_ref()?));
            columns.push(Column::new(name.into(), values.collect::<Vec<_>>()));
        };
        add("difference", &|p| Some(p.difference));
        add("low", &|p| Some(p.interval?.0));
        add("high", &|p| Some(p.interval?.1));
        add("effect_size", &|p| p.effect_size);
        add("p_value", &|p| p.p_value);
        add("p_wilcoxon", &|p| p.p_wilcoxon);
        let corrected = self.others.iter().map(|other| other.p_holm);
        columns.push(Column::new("p_holm".into(), corrected.collect::<Vec<_>>()));
        let n = self.others.iter().map(|other| other.pairs.len() as u64);
        columns.push(Column::new("n".into(), n.collect::<Vec<_>>()));
        DataFrame::new(rows, columns).map_err(|e| {
            Error::spec(format!("two columns of the comparisons have the same name: {e}"))
                .fix("vary it under another name")
        })
    }
}

impl fmt::Display for Comparisons {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.bundle().plain())
    }
}

impl Show for Comparisons {
    fn bundle(&self) -> Bundle {
        let names = self.baseline.values().iter().map(|value| value.name().to_owned());
        let settings = names.len();
        let head = ["mean difference", "95% interval", "n", "p", "p by Holm"];
        let mut table = Table::new(names.chain(head.map(str::to_owned))).caption(format!(
            "{} against {}, paired by {} ({})",
            self.metric, self.baseline, self.unit, self.goal
        ));
        let three = |other: &Against| match other.paired {
            None => [f64::NAN; 3],
            Some(p) => {
                let (low, high) = p.interval.unwrap_or((f64::NAN, f64::NAN));
                [p.difference, low, high]
            }
        };
        let numbers = even_numbers(self.others.iter().flat_map(three));
        let dash = || "–".to_owned();
        let p = |p: Option<f64>| p.map_or_else(dash, readable_number);
        let (mut equal, mut few, mut overlap) = (false, false, false);
        for (other, numbers) in self.others.iter().zip(numbers.chunks(3)) {
            let values = self.baseline.values().iter();
            let mut cells: Vec<String> = values
                .map(|v| other.settings.get(v.name()).map_or_else(dash, |v| v.to_string()))
                .collect();
            let interval = other.paired.and_then(|paired| paired.interval);
            cells.push(other.paired.map_or_else(dash, |_| numbers[0].clone()));
            cells.push(interval.map_or_else(dash, |_| format!("{} to {}", numbers[1], numbers[2])));
            cells.push(other.pairs.len().to_string());
            cells.push(p(other.paired.and_then(|paired| paired.p_value)));
            cells.push(p(other.p_holm));
            equal |= other.paired.is_some_and(|paired| paired.all_equal());
            few |= other.paired.is_none();
            // Said by what they leave out: pairs over overlapping training parts have no signed-rank test.
            overlap |= other.paired.is_some_and(|paired| paired.p_wilcoxon.is_none());
            table = table.row(cells);
        }
        for column in settings..settings + head.len() {
            table = table.align(column, Align::Right);
        }
        let mut note = format!(
            "p of the paired t-test; by Holm: corrected for {} comparisons; intervals are not",
            self.others.len()
        );
        if overlap {
            note +=
                "; training parts overlap, which intervals and p take into account (Nadeau and Bengio 2003)";
        }
        if equal {
            note += "; without p: all differences equal, no spread to judge by";
        }
        if few {
            note += &format!("; without a difference: fewer than two {}s in common", self.unit);
        }
        table.note(note).bundle()
    }
}

#[cfg(test)]
mod tests {
    use crate::show::Show as _;
    use crate::study::{Study, StudyResult, Value};

    /// Noise of a seed: of the trial, and what all trials with the seed have in common.
    fn noisy(value: f64, seed: u64, trial: u64) -> f64 {
        let wave = |x: u64| ((x * 2_654_435_761 % 1000) as f64 / 1000.0 - 0.5) * 0.1;
        value + 5.0 * wave(seed + 3) + wave(100 * seed + trial)
    }

    fn study() -> StudyResult {
        let study = Study::new("against")
            .vary("rate", [0, 1, 2])
            .vary("way", ["a", "b"])
            .seeds(6);
        let study = study.minimize("regret").in_memory().quiet();
        let run = study.run(|t| {
            let (rate, b) = (t["rate"].number()?, t["way"].to_string() == "b");
            let shift = [0.0, 0.01, 1.0][rate as usize] + if b { 0.2 } else { 0.0 };
            let trial = 2 * rate as u64 + u64::from(b);
            let fixed = t.seed() as f64 + if b { 0.5 } else { 0.0 };
            Ok([("regret", noisy(shift, t.seed(), trial)), ("fixed", fixed)])
        });
        run.unwrap()
    }

    #[test]
    fn every_other_setting_meets_the_baseline_as_it_would_alone() {
        let study = study();
        let all = study.compare_all([("rate", 0)], "regret").unwrap();
        assert_eq!(all.others.len(), 2);
        for other in &all.others {
            let alone = study.compare(&other.settings, [("rate", 0)], "regret").unwrap();
            assert_eq!((other.paired, &other.pairs), (Some(alone.paired), &alone.pairs));
        }
        // Of two, the smaller p-value is doubled and the other stays, unless it would pass it.
        let p = |at: usize| all.others[at].paired.unwrap().p_value.unwrap();
        assert!(p(1) < 1e-4 && p(0) > 2.0 * p(1));
        assert_eq!(all.others[1].p_holm, Some(2.0 * p(1)));
        assert_eq!(all.others[0].p_holm, Some(p(0)));
        let text = all.bundle().plain().to_owned();
        assert!(
            text.contains("regret against rate=0, paired by seed (less is better)"),
            "{text}"
        );
        assert!(text.contains("corrected for 2 comparisons"), "{text}");
        let frame = all.frame().unwrap();
        assert_eq!(frame.height(), 2);
        let column = frame.column("p_holm").unwrap().f64().unwrap();
        assert_eq!(column.get(1), all.others[1].p_holm);

        let both: Vec<(&str, Value)> = vec![("rate", 0.into()), ("way", "a".into())];
        assert_eq!(study.compare_all(both, "regret").unwrap().others.len(), 5);
    }

    #[test]
    fn equal_differences_are_said_in_the_table() {
        let all = study().compare_all([("way", "a")], "fixed").unwrap();
        let only = &all.others[0];
        assert_eq!((only.paired.unwrap().difference, only.p_holm), (0.5, None));
        let text = all.bundle().plain().to_owned();
        assert!(
            text.contains("no spread to judge by") && text.contains('–'),
            "{text}"
        );
        assert!(!text.contains('∞') && !text.contains("NaN"), "{text}");
    }

    #[test]
    fn what_cannot_be_compared_says_why() {
        let study = study();
        let error = |settings: Vec<(&str, Value)>, metric: &str| {
            study.compare_all(settings, metric).unwrap_err().to_string()
        };
        assert!(error(vec![], "regret").contains("sets nothing"));
        assert!(error(vec![("depth", 1.into())], "regret").contains("does not vary"));
        assert!(error(vec![("rate", 7.into())], "regret").contains("no trial"));
        assert!(error(vec![("rate", 0.into())], "accuracy").contains("no trial measured"));
        let one = Study::new("one").vary("a", [1]).seeds(3).in_memory().quiet();
        let one = one.run(|t| Ok(t.seed() as f64)).unwrap();
        let error = one.compare_all([("a", 1)], "value").unwrap_err().to_string();
        assert!(error.contains("no other setting"), "{error}");
    }

    #[test]
    fn the_best_is_the_lowest_where_the_user_says_so_and_the_table_says_it() {
        let study = study();
        let (best, _) = study.best("regret").unwrap();
        assert_eq!(best.to_string(), "rate=0, way=a");
        let text = study.bundle().plain().to_owned();
        assert!(text.contains("(less is better)"), "{text}");
        let guess = Study::new("guess").vary("a", [1, 2]).in_memory().quiet();
        let text = guess
            .run(|t| t["a"].number())
            .unwrap()
            .bundle()
            .plain()
            .to_owned();
        assert!(
            text.contains("best by what the trials measured: a=2 with value 2 (more is better)"),
            "{text}"
        );
    }
}
