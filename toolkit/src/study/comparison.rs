//! [`Comparison`]: two settings, paired over seeds or folds.

use std::collections::BTreeMap;
use std::fmt;

use super::groups::Groups;
use super::result::StudyResult;
use super::settings::Settings;
use super::statistics::Paired;
use crate::show::{Align, Bundle, Show, Table, even_numbers};
use crate::{Error, Result};

/// Two settings compared over the seeds that both have; in a study with folds, over the folds.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The metric compared.
    pub metric: String,
    /// The first setting.
    pub a: Settings,
    /// The second setting.
    pub b: Settings,
    /// Seed (or fold, counted from 0: then values are means over seeds), value under `a`, value under `b`.
    pub pairs: Vec<(u64, f64, f64)>,
    /// What they say: mean difference a - b with its interval, effect size, p-values.
    pub paired: Paired,
    /// What the pairs share: "seed" or "fold".
    unit: &'static str,
}

impl StudyResult {
    /// Compares two settings over the seeds both have: `a` minus `b`. Each names values of varied settings;
    /// where it leaves a name open, each seed counts with its mean over that name's values that both have. In a study
    /// with folds, the same over folds, with the correction for training parts that overlap ([`Paired::resampled`]).
    ///
    /// # Errors
    /// When a setting or metric is unknown, or fewer than two seeds (or folds) have both.
    pub fn compare(
        &self,
        a: impl Into<Settings>,
        b: impl Into<Settings>,
        metric: &str,
    ) -> Result<Comparison> {
        let (a, b) = (a.into(), b.into());
        self.known(metric)?;
        self.has(&a)?;
        self.has(&b)?;
        Comparison::new(a, b, metric, &self.groups()).map_err(|e| e.at(self.place()))
    }

    /// # Errors
    /// When a value of `part` is not varied, or no combination has all of them.
    pub(super) fn has(&self, part: &Settings) -> Result<()> {
        let unknown = |name: &str| !self.varied().iter().any(|varied| varied == name);
        if let Some(value) = part.values().iter().find(|v| unknown(v.name())) {
            return Err(
                Error::spec(format!("this study does not vary \"{}\"", value.name()))
                    .at(self.place())
                    .fix(format!("it varies: {}", self.varied().join(", "))),
            );
        }
        match self.groups().all.iter().any(|group| group.0.agrees_with(part)) {
            true => Ok(()),
            false => Err(Error::spec(format!("this study has no trial with {part}")).at(self.place())),
        }
    }
}

impl Comparison {
    pub(super) fn new(a: Settings, b: Settings, metric: &str, groups: &Groups<'_>) -> Result<Self> {
        let pairs = pairs_of(&a, &b, metric, groups);
        let unit = groups.unit();
        let paired = groups.paired(&pairs).ok_or_else(|| {
            Error::data(format!(
                "expected two {unit}s or more with both settings, found {}",
                pairs.len()
            ))
            .fix(more(groups))
        })?;
        Ok(Self {
            metric: metric.to_owned(),
            a,
            b,
            pairs,
            paired,
            unit,
        })
    }
}

/// What to do where too few seeds or folds have two settings.
pub(super) fn more(groups: &Groups<'_>) -> &'static str {
    match groups.folds.count {
        0 => "run the study with more seeds: .seeds(5)",
        _ => "run the study on more folds: .folds(&data.folds(5, 0)?)",
    }
}

/// The seeds (or folds) with both settings: seed, value under `a`, value under `b`, each the mean over the names that a
/// setting leaves open, where both have them; of a fold the mean over its seeds, too.
pub(super) fn pairs_of(
    a: &Settings,
    b: &Settings,
    metric: &str,
    groups: &Groups<'_>,
) -> Vec<(u64, f64, f64)> {
    let by_fold = groups.folds.count > 0;
    // By seed, by fold and by the values of the names left open, the values under a and under b.
    let mut cells: BTreeMap<(u64, Option<u32>, String), [Option<f64>; 2]> = BTreeMap::new();
    for (settings, trials) in &groups.all {
        for (side, part) in [a, b].into_iter().enumerate() {
            if !settings.agrees_with(part) {
                continue;
            }
            let open = settings
                .values()
                .iter()
                .filter(|v| a.get(v.name()).is_none() || b.get(v.name()).is_none());
            let open: Vec<String> = open.map(ToString::to_string).collect();
            for trial in trials.iter().filter(|t| t.error.is_none()) {
                if let Some(value) = trial.metric(metric).filter(|v| v.is_finite()) {
                    let cell = (trial.seed, trial.fold, open.join("\n"));
                    cells.entry(cell).or_default()[side] = Some(value);
                }
            }
        }
    }
    let mut units: BTreeMap<u64, Vec<(f64, f64)>> = BTreeMap::new();
    for ((seed, fold, _), cell) in cells {
        if let [Some(a), Some(b)] = cell {
            let unit = fold.filter(|_| by_fold).map_or(seed, u64::from);
            units.entry(unit).or_default().push((a, b));
        }
    }
    let mean = |all: &[(f64, f64)], side: fn(&(f64, f64)) -> f64| {
        all.iter().map(side).sum::<f64>() / all.len() as f64
    };
    units
        .iter()
        .map(|(&unit, all)| (unit, mean(all, |p| p.0), mean(all, |p| p.1)))
        .collect()
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.bundle().plain())
    }
}

impl Show for Comparison {
    fn bundle(&self) -> Bundle {
        let p = &self.paired;
        let mean = |side: fn(&(u64, f64, f64)) -> f64| {
            self.pairs.iter().map(side).sum::<f64>() / self.pairs.len() as f64
        };
        let (low, high) = p.interval.unwrap_or((f64::NAN, f64::NAN));
        let numbers = even_numbers([mean(|pair| pair.1), mean(|pair| pair.2), p.difference, low, high]);
        let interval = p.interval.map(|_| format!("{} to {}", numbers[3], numbers[4]));
        let table = Table::new(["", self.metric.as_str()])
            .row([format!("mean with {}", self.a), numbers[0].clone()])
            .row([format!("mean with {}", self.b), numbers[1].clone()])
            .row(["mean difference".to_owned(), numbers[2].clone()]);
        p.rows(table, interval)
            .align(1, Align::Right)
            .caption(format!(
                "{}, {} pairs that share a {}",
                self.metric, p.n, self.unit
            ))
            .bundle()
    }
}
