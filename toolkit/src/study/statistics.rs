//! What a few runs say about a mean, and about the difference between two settings.

use std::fmt;

use statrs::distribution::{ContinuousCDF, Normal, StudentsT};

use crate::show::{Bundle, Show, readable_number};

/// The mean of a sample with its 95% t-interval.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Mean {
    /// The arithmetic mean.
    pub mean: f64,
    /// Lower and upper end of the 95% interval, mean -+ t(0.975, n - 1) * s / sqrt(n); none for n < 2.
    pub interval: Option<(f64, f64)>,
    /// How many values there are.
    pub n: usize,
}

impl fmt::Display for Mean {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&readable_number(self.mean))?;
        if let Some((low, high)) = self.interval {
            write!(
                f,
                " (95% interval {} to {})",
                readable_number(low),
                readable_number(high)
            )?;
        }
        write!(f, ", n {}", self.n)
    }
}

impl Show for Mean {
    fn bundle(&self) -> Bundle {
        Bundle::text(self.to_string())
    }
}

impl Mean {
    /// The mean of `values` (NaN and infinities are left out); `None` when nothing is left.
    pub fn of(values: &[f64]) -> Option<Self> {
        let values: Vec<f64> = values.iter().copied().filter(|x| x.is_finite()).collect();
        let (mean, deviation) = moments(&values)?;
        let n = values.len();
        let interval = deviation.map(|deviation| {
            let half = t_quantile(n - 1) * deviation / (n as f64).sqrt();
            (mean - half, mean + half)
        });
        Some(Self { mean, interval, n })
    }
}

/// Mean and, for two values or more, the sample standard deviation (n - 1 below the line). A spread that
/// is nothing but rounding counts as none.
fn moments(values: &[f64]) -> Option<(f64, Option<f64>)> {
    let n = values.len();
    if n == 0 {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    if n == 1 {
        return Some((mean, None));
    }
    let squares: f64 = values.iter().map(|x| (x - mean).powi(2)).sum();
    let deviation = (squares / (n - 1) as f64).sqrt();
    let rounding = 8.0 * f64::EPSILON * values.iter().fold(0.0_f64, |most, x| most.max(x.abs()));
    Some((mean, Some(if deviation <= rounding { 0.0 } else { deviation })))
}

/// The 97.5% point of Student's t with this many degrees of freedom.
fn t_quantile(freedom: usize) -> f64 {
    let t = student(freedom);
    let mut x = t.inverse_cdf(0.975);
    // Two Newton steps bring the library's value to full precision.
    for _ in 0..2 {
        let density = statrs::distribution::Continuous::pdf(&t, x);
        x -= (0.025 - t.sf(x)) / density;
    }
    x
}

fn student(freedom: usize) -> StudentsT {
    StudentsT::new(0.0, 1.0, freedom as f64).expect("at least one degree of freedom")
}

/// What paired values say: `a` and `b` measured under the same seed, seed by seed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    /// Pairs used: those where both values are finite.
    pub n: usize,
    /// Mean of a - b.
    pub difference: f64,
    /// 95% t-interval of the mean difference.
    pub interval: (f64, f64),
    /// Cohen's d_z: mean difference over the standard deviation of the differences (Cohen 1988). Infinite
    /// when all differences are the same and not zero; 0 when all are zero.
    pub effect_size: f64,
    /// Two-sided p-value of the paired t-test. 1 when all differences are zero, 0 when they are all the same
    /// and not zero.
    pub p_value: f64,
    /// Two-sided p-value of Wilcoxon's signed-rank test (1945), pairs without a difference dropped, ties at
    /// their middle rank; from the exact distribution for up to 100 pairs, else from the normal limit with
    /// tie correction. 1 when all differences are zero.
    pub p_wilcoxon: f64,
}

impl Paired {
    /// Compares `pairs` of (a, b); `None` with fewer than two finite pairs.
    pub fn of(pairs: &[(f64, f64)]) -> Option<Self> {
        let pairs: Vec<_> = pairs
            .iter()
            .filter(|(a, b)| a.is_finite() && b.is_finite())
            .collect();
        let mut differences: Vec<f64> = pairs.iter().map(|(a, b)| a - b).collect();
        let largest = pairs
            .iter()
            .fold(0.0_f64, |most, (a, b)| most.max(a.abs()).max(b.abs()));
        let (mean, deviation) = moments(&differences)?;
        // Equal differences of unlike numbers differ in their last bits: that is rounding, not spread.
        let deviation = deviation.map(|d| if d <= 8.0 * f64::EPSILON * largest { 0.0 } else { d })?;
        let n = differences.len();
        if deviation == 0.0 {
            let same = if mean.abs() <= 8.0 * f64::EPSILON * largest {
                0.0
            } else {
                mean
            };
            differences.fill(same);
            return Some(Self {
                n,
                difference: same,
                interval: (same, same),
                effect_size: if same == 0.0 {
                    0.0
                } else {
                    f64::INFINITY.copysign(same)
                },
                p_value: if same == 0.0 { 1.0 } else { 0.0 },
                p_wilcoxon: wilcoxon(&differences),
            });
        }
        // The same for a single difference that should be none.
        for difference in &mut differences {
            if difference.abs() <= 8.0 * f64::EPSILON * largest {
                *difference = 0.0;
            }
        }
        let error = deviation / (n as f64).sqrt();
        let half = t_quantile(n - 1) * error;
        Some(Self {
            n,
            difference: mean,
            interval: (mean - half, mean + half),
            effect_size: mean / deviation,
            p_value: (2.0 * student(n - 1).sf((mean / error).abs())).min(1.0),
            p_wilcoxon: wilcoxon(&differences),
        })
    }
}

/// Two-sided p-value of the signed-rank test.
fn wilcoxon(differences: &[f64]) -> f64 {
    let mut sizes: Vec<(f64, bool)> = differences
        .iter()
        .filter(|d| **d != 0.0)
        .map(|d| (d.abs(), *d > 0.0))
        .collect();
    let n = sizes.len();
    if n == 0 {
        return 1.0;
    }
    sizes.sort_by(|a, b| a.0.total_cmp(&b.0));
    // 0.9 - 0.8 and 0.5 - 0.4 are a tie, though not in their last bits.
    let same = |a: f64, b: f64| (a - b).abs() <= 1e-12 * a.max(b).max(sizes[n - 1].0);
    // Twice the ranks, so that middle ranks are whole numbers.
    let mut ranks = vec![0_usize; n];
    let mut ties = 0.0;
    let mut start = 0;
    while start < n {
        let end = start
            + sizes[start..]
                .iter()
                .take_while(|s| same(s.0, sizes[start].0))
                .count();
        ranks[start..end].fill(start + 1 + end);
        let tied = (end - start) as f64;
        ties += tied.powi(3) - tied;
        start = end;
    }
    let positive: usize = ranks
        .iter()
        .zip(&sizes)
        .filter(|(_, s)| s.1)
        .map(|(rank, _)| rank)
        .sum();
    let total: usize = ranks.iter().sum();
    let low = positive.min(total - positive);
    if n <= 100 {
        // chance[s]: the probability of a positive rank sum s / 2 when every sign is a coin toss.
        let mut chance = vec![0.0; total + 1];
        chance[0] = 1.0;
        let mut reached = 0;
        for rank in ranks {
            for sum in (0..=reached).rev() {
                let half = chance[sum] / 2.0;
                chance[sum] = half;
                chance[sum + rank] += half;
            }
            reached += rank;
        }
        let tail: f64 = chance[..=low].iter().sum();
        return (2.0 * tail).min(1.0);
    }
    let count = n as f64;
    let variance = count * (count + 1.0) * (2.0 * count + 1.0) / 24.0 - ties / 48.0;
    let z = (low as f64 - total as f64 / 2.0) / 2.0 / variance.sqrt();
    (2.0 * Normal::standard().cdf(z)).min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        a == b || (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
    }

    /// Golden values from SciPy: `tests/reference/study.py`.
    #[test]
    fn statistics_agree_with_scipy() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/reference/study.json")).unwrap();
        let list = |v: &serde_json::Value| -> Vec<f64> {
            v.as_array()
                .unwrap()
                .iter()
                .map(|x| x.as_f64().unwrap())
                .collect()
        };
        let cases = golden["cases"].as_array().unwrap();
        assert!(cases.len() >= 8);
        for case in cases {
            let (a, b) = (list(&case["a"]), list(&case["b"]));
            let number = |key: &str| case[key].as_f64().unwrap();
            let mean = Mean::of(&a).unwrap();
            let (low, high) = mean.interval.unwrap();
            assert!(close(mean.mean, number("mean")), "{case}");
            assert!(
                close(low, number("low")) && close(high, number("high")),
                "{low} {high} {case}"
            );
            let paired = Paired::of(&a.into_iter().zip(b).collect::<Vec<_>>()).unwrap();
            for (own, key) in [
                (paired.difference, "difference"),
                (paired.interval.0, "difference_low"),
                (paired.interval.1, "difference_high"),
                (paired.effect_size, "effect_size"),
                (paired.p_value, "p_value"),
                (paired.p_wilcoxon, "p_wilcoxon"),
            ] {
                assert!(close(own, number(key)), "{key}: {own} in {case}");
            }
        }
    }

    #[test]
    fn degenerate_samples() {
        assert_eq!(Mean::of(&[]), None);
        assert_eq!(
            Mean::of(&[0.5, f64::NAN]).unwrap(),
            Mean {
                mean: 0.5,
                interval: None,
                n: 1
            }
        );
        assert_eq!(
            Mean::of(&[0.1, 0.1, 0.1]).unwrap().interval.unwrap().0,
            Mean::of(&[0.1; 3]).unwrap().mean
        );
        assert_eq!(Paired::of(&[(1.0, 0.0)]), None);
        let same = Paired::of(&[(0.5, 0.5), (0.7, 0.7)]).unwrap();
        assert_eq!(
            (same.difference, same.effect_size, same.p_value, same.p_wilcoxon),
            (0.0, 0.0, 1.0, 1.0)
        );
        let shifted = Paired::of(&[(0.4, 0.3), (0.8, 0.7), (0.9, 0.8)]).unwrap();
        assert_eq!((shifted.effect_size, shifted.p_value), (f64::INFINITY, 0.0));
        assert_eq!(shifted.p_wilcoxon, 0.25);
    }
}
