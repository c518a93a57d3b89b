//! [`Comparison`]: two settings, paired over seeds or folds.

use std::collections::BTreeMap;
use std::fmt;

use super::groups::Groups;
use super::resampled::corrected_paired;
use super::settings::Settings;
use super::statistics::Paired;
use crate::show::{Align, Bundle, Show, Table, even_numbers, readable_number};
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
    /// Whether folds overlap, so that interval and t-test are corrected.
    corrected: bool,
}

impl Comparison {
    pub(super) fn new(a: Settings, b: Settings, metric: &str, groups: &Groups<'_>) -> Result<Self> {
        let by_fold = groups.folds.count > 0;
        // By seed, by fold and by the values of the names left open, the values under a and under b.
        let mut cells: BTreeMap<(u64, Option<u32>, String), [Option<f64>; 2]> = BTreeMap::new();
        for (settings, trials) in &groups.all {
            for (side, part) in [&a, &b].into_iter().enumerate() {
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
        let pairs: Vec<_> = units
            .iter()
            .map(|(&unit, all)| (unit, mean(all, |p| p.0), mean(all, |p| p.1)))
            .collect();
        let values: Vec<_> = pairs.iter().map(|p| (p.1, p.2)).collect();
        let unit = if by_fold { "fold" } else { "seed" };
        let paired = Paired::of(&values).ok_or_else(|| {
            Error::data(format!(
                "expected two {unit}s or more with both settings, found {}",
                pairs.len()
            ))
            .fix(match by_fold {
                true => "run the study on more folds: .folds(&data.folds(5, 0)?)",
                false => "run the study with more seeds: .seeds(5)",
            })
        })?;
        let paired = match groups.folds.overlap {
            Some(ratio) => corrected_paired(paired, ratio),
            None => paired,
        };
        Ok(Self {
            metric: metric.to_owned(),
            a,
            b,
            pairs,
            paired,
            unit,
            corrected: groups.folds.overlap.is_some(),
        })
    }
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
        let (low, high) = p.interval;
        let numbers = even_numbers([mean(|pair| pair.1), mean(|pair| pair.2), p.difference, low, high]);
        let mut note = String::new();
        // Wilcoxon's test cannot go below 2 / 2^n.
        if p.n < 6 {
            let least = readable_number(2.0 / f64::from(1_u32 << p.n));
            note = format!(
                "With {} {}s the signed-rank test cannot go below {least}.",
                p.n, self.unit
            );
        }
        if self.corrected {
            note += " Training parts overlap: interval and t-test are corrected (Nadeau and Bengio 2003), the signed-rank test \
                     is not.";
            note = note.trim_start().to_owned();
        }
        let table = Table::new(["", self.metric.as_str()])
            .row([format!("mean with {}", self.a), numbers[0].clone()])
            .row([format!("mean with {}", self.b), numbers[1].clone()])
            .row(["mean difference".to_owned(), numbers[2].clone()])
            .row([
                "95% interval of it".to_owned(),
                format!("{} to {}", numbers[3], numbers[4]),
            ])
            .row(["effect size d_z".to_owned(), readable_number(p.effect_size)])
            .row(["p, paired t-test".to_owned(), readable_number(p.p_value)])
            .row(["p, signed-rank test".to_owned(), readable_number(p.p_wilcoxon)])
            .align(1, Align::Right)
            .caption(format!(
                "{}, {} pairs that share a {}",
                self.metric, p.n, self.unit
            ));
        match note.is_empty() {
            true => table,
            false => table.note(note),
        }
        .bundle()
    }
}
