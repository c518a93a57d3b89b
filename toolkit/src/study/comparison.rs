//! [`Comparison`]: two settings, paired over seeds.

use std::collections::BTreeMap;
use std::fmt;

use super::result::Groups;
use super::settings::Settings;
use super::statistics::Paired;
use crate::show::{Bundle, Show, Table, readable_number};
use crate::{Error, Result};

/// Two settings compared over the seeds that both have.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The metric compared.
    pub metric: String,
    /// The first setting.
    pub a: Settings,
    /// The second setting.
    pub b: Settings,
    /// Seed, value under `a`, value under `b`.
    pub pairs: Vec<(u64, f64, f64)>,
    /// What they say: mean difference a - b with its interval, effect size, p-values.
    pub paired: Paired,
}

impl Comparison {
    pub(super) fn new(a: Settings, b: Settings, metric: &str, groups: &Groups<'_>) -> Result<Self> {
        // By seed and by the values of the names left open, the values under a and under b.
        let mut cells: BTreeMap<(u64, String), [Option<f64>; 2]> = BTreeMap::new();
        for (settings, trials) in &groups.0 {
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
                        cells.entry((trial.seed, open.join("\n"))).or_default()[side] = Some(value);
                    }
                }
            }
        }
        let mut seeds: BTreeMap<u64, Vec<(f64, f64)>> = BTreeMap::new();
        for ((seed, _), cell) in cells {
            if let [Some(a), Some(b)] = cell {
                seeds.entry(seed).or_default().push((a, b));
            }
        }
        let mean = |all: &[(f64, f64)], side: fn(&(f64, f64)) -> f64| {
            all.iter().map(side).sum::<f64>() / all.len() as f64
        };
        let pairs: Vec<_> = seeds
            .iter()
            .map(|(&seed, all)| (seed, mean(all, |p| p.0), mean(all, |p| p.1)))
            .collect();
        let values: Vec<_> = pairs.iter().map(|p| (p.1, p.2)).collect();
        let paired = Paired::of(&values).ok_or_else(|| {
            Error::data(format!(
                "expected two seeds or more with both settings, found {}",
                pairs.len()
            ))
            .fix("run the study with more seeds: .seeds(5)")
        })?;
        Ok(Self {
            metric: metric.to_owned(),
            a,
            b,
            pairs,
            paired,
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
            readable_number(self.pairs.iter().map(side).sum::<f64>() / self.pairs.len() as f64)
        };
        let interval = format!(
            "{} to {}",
            readable_number(p.interval.0),
            readable_number(p.interval.1)
        );
        let mut note = format!("a: {}; b: {}", self.a, self.b);
        // Wilcoxon's test cannot go below 2 / 2^n.
        if p.n < 6 {
            let least = readable_number(2.0 / f64::from(1_u32 << p.n));
            note += &format!(
                "; with {} seeds the signed-rank test gives p = {least} at least",
                p.n
            );
        }
        Table::new([
            "mean a",
            "mean b",
            "a − b",
            "95% interval",
            "effect size d_z",
            "p (paired t)",
            "p (signed rank)",
            "seeds",
        ])
        .row([
            mean(|p| p.1),
            mean(|p| p.2),
            readable_number(p.difference),
            interval,
            readable_number(p.effect_size),
            readable_number(p.p_value),
            readable_number(p.p_wilcoxon),
            p.n.to_string(),
        ])
        .caption(format!("{}, paired over seeds", self.metric))
        .note(note)
        .bundle()
    }
}
