//! [`Comparison`]: two settings, paired over seeds.

use std::collections::BTreeMap;
use std::fmt;

use super::result::Groups;
use super::settings::Settings;
use super::statistics::Paired;
use crate::show::{Align, Bundle, Show, Table, even_numbers, readable_number};
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
            self.pairs.iter().map(side).sum::<f64>() / self.pairs.len() as f64
        };
        let (low, high) = p.interval;
        let numbers = even_numbers([mean(|pair| pair.1), mean(|pair| pair.2), p.difference, low, high]);
        let mut note = String::new();
        // Wilcoxon's test cannot go below 2 / 2^n.
        if p.n < 6 {
            let least = readable_number(2.0 / f64::from(1_u32 << p.n));
            note = format!("With {} seeds the signed-rank test cannot go below {least}.", p.n);
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
            .caption(format!("{}, {} pairs that share a seed", self.metric, p.n));
        match note.is_empty() {
            true => table,
            false => table.note(note),
        }
        .bundle()
    }
}
