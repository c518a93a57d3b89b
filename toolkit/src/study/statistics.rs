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
///
/// When all differences are equal there is no spread to judge by: the numbers that are made from the spread are none,
/// whatever the difference. A few seeds on a small test part give that easily.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Paired {
    /// Pairs used: those where both values are finite.
    pub n: usize,
    /// Mean of a - b.
    pub difference: f64,
    /// 95% t-interval of the mean difference; none when all differences are equal.
    pub interval: Option<(f64, f64)>,
    /// Cohen's d_z: mean difference over the standard deviation of the differences (Cohen 1988); none when all
    /// differences are equal.
    pub effect_size: Option<f64>,
    /// Two-sided p-value of the paired t-test, or of [`Paired::resampled`]'s; none when all differences are equal.
    pub p_value: Option<f64>,
    /// Two-sided p-value of Wilcoxon's signed-rank test (1945), pairs without a difference dropped, ties at
    /// their middle rank; from the exact distribution for up to 100 pairs, else from the normal limit with
    /// tie correction. 1 when all differences are zero; none for [`Paired::resampled`], whose pairs are not
    /// independent, as this test needs them.
    pub p_wilcoxon: Option<f64>,
}

impl Paired {
    /// Compares `pairs` of (a, b) from independent runs, such as seeds; `None` with fewer than two finite pairs.
    pub fn of(pairs: &[(f64, f64)]) -> Option<Self> {
        Self::judge(pairs, 0.0, true)
    }

    /// Compares `pairs` of (a, b), one for each of several splits of the same examples into `n_train` to learn from
    /// and `n_test` to measure on (random splits, or the folds of a cross-validation, each with the sizes of one
    /// split). The training parts overlap, so that the pairs vary less than new data would: the corrected resampled
    /// t-test (Nadeau and Bengio 2003, "Inference for the Generalization Error") takes (1 / n + n_test / n_train) for
    /// the plain test's 1 / n as the factor of the differences' variance, with n - 1 degrees of freedom.
    ///
    /// `None` with fewer than two finite pairs, or without examples to learn from.
    ///
    /// ```
    /// use jook::study::Paired;
    /// // Accuracies of two settings on five folds of 100 examples.
    /// let folds = [(0.95, 0.90), (0.90, 0.85), (0.95, 0.95), (0.85, 0.80), (0.95, 0.85)];
    /// let (plain, corrected) = (Paired::of(&folds).unwrap(), Paired::resampled(&folds, 80, 20).unwrap());
    /// assert!(plain.p_value < Some(0.05) && corrected.p_value > Some(0.05));
    /// ```
    pub fn resampled(pairs: &[(f64, f64)], n_train: usize, n_test: usize) -> Option<Self> {
        if n_train == 0 {
            return None;
        }
        Self::overlapping(pairs, n_test as f64 / n_train as f64)
    }

    /// As [`Paired::resampled`], with `ratio` for n_test / n_train.
    pub(super) fn overlapping(pairs: &[(f64, f64)], ratio: f64) -> Option<Self> {
        Self::judge(pairs, ratio, false)
    }

    /// Whether all differences are equal, so that nothing but the difference itself can be said.
    pub fn all_equal(&self) -> bool {
        self.interval.is_none()
    }

    /// The variance of the mean difference is (1 / n + `overlap`) times that of the differences.
    fn judge(pairs: &[(f64, f64)], overlap: f64, independent: bool) -> Option<Self> {
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
        let rounding = 8.0 * f64::EPSILON * largest;
        let nothing = |x: f64| if x.abs() <= rounding { 0.0 } else { x };
        let deviation = nothing(deviation?);
        let n = differences.len();
        let spread = deviation > 0.0;
        let mean = if spread { mean } else { nothing(mean) };
        for difference in &mut differences {
            *difference = if spread { nothing(*difference) } else { mean };
        }
        let error = deviation * (1.0 / n as f64 + overlap).sqrt();
        let half = t_quantile(n - 1) * error;
        Some(Self {
            n,
            difference: mean,
            interval: spread.then_some((mean - half, mean + half)),
            effect_size: spread.then(|| mean / deviation),
            p_value: spread.then(|| (2.0 * student(n - 1).sf((mean / error).abs())).min(1.0)),
            p_wilcoxon: independent.then(|| wilcoxon(&differences)),
        })
    }
}

/// Holm's step-down correction (1979) of the p-values of several comparisons made at once: each is multiplied by the
/// number of those not smaller, is at least the one before it, and at most 1. Whoever calls significant what is at
/// most 0.05 afterwards calls anything wrongly so in at most 5% of such tables, however the comparisons depend on
/// each other.
///
/// A comparison that could not be judged (NaN) stays so, and counts as one of those made.
///
/// ```
/// use jook::study::statistics::holm;
/// assert_eq!(holm(&[0.5, 0.01, 0.04]), [0.5, 0.03, 0.08]);
/// ```
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).filter(|&i| !p_values[i].is_nan()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![f64::NAN; p_values.len()];
    let mut least = 0.0_f64;
    for (smaller, i) in order.into_iter().enumerate() {
        least = least
            .max((p_values.len() - smaller) as f64 * p_values[i])
            .min(1.0);
        adjusted[i] = least;
    }
    adjusted
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
            let (low, high) = paired.interval.unwrap();
            for (own, key) in [
                (paired.difference, "difference"),
                (low, "difference_low"),
                (high, "difference_high"),
                (paired.effect_size.unwrap(), "effect_size"),
                (paired.p_value.unwrap(), "p_value"),
                (paired.p_wilcoxon.unwrap(), "p_wilcoxon"),
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
    }

    #[test]
    fn equal_differences_have_no_spread_to_judge_by() {
        // The last is equal but for rounding.
        for (pairs, difference, p_wilcoxon) in [
            (vec![(0.5, 0.5), (0.7, 0.7)], 0.0, 1.0),
            (vec![(0.75, 0.5), (0.5, 0.25)], 0.25, 0.5),
            (vec![(0.4, 0.3), (0.8, 0.7), (0.9, 0.8)], 0.1, 0.25),
        ] {
            let paired = Paired::of(&pairs).unwrap();
            assert!(
                paired.all_equal() && (paired.difference - difference).abs() < 1e-12,
                "{paired:?}"
            );
            assert_eq!(
                (
                    paired.interval,
                    paired.effect_size,
                    paired.p_value,
                    paired.p_wilcoxon
                ),
                (None, None, None, Some(p_wilcoxon))
            );
            let split = Paired::resampled(&pairs, 80, 20).unwrap();
            assert_eq!((split.p_value, split.p_wilcoxon), (None, None));
        }
    }

    /// Golden values from a formula written with SciPy's distributions alone: `tests/reference/study.py`.
    #[test]
    fn overlapping_splits_are_judged_with_the_corrected_variance() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/reference/study.json")).unwrap();
        let cases = golden["resampled"].as_array().unwrap();
        assert!(cases.len() >= 4);
        for case in cases {
            let number = |key: &str| case[key].as_f64().unwrap();
            let pairs: Vec<(f64, f64)> = serde_json::from_value(case["pairs"].clone()).unwrap();
            let size = |key: &str| case[key].as_u64().unwrap() as usize;
            let paired = Paired::resampled(&pairs, size("n_train"), size("n_test")).unwrap();
            let (low, high) = paired.interval.unwrap();
            assert!(
                close(paired.p_value.unwrap(), number("p_value")),
                "{paired:?} in {case}"
            );
            assert!(
                close(low, number("low")) && close(high, number("high")),
                "{paired:?} in {case}"
            );
            // What overlaps not at all is the plain test.
            let plain = Paired::of(&pairs).unwrap();
            let none = Paired::resampled(&pairs, size("n_train"), 0).unwrap();
            assert_eq!((none.p_value, none.interval), (plain.p_value, plain.interval));
            assert!(paired.p_value > plain.p_value);
        }
        assert_eq!(Paired::resampled(&[(1.0, 0.0), (2.0, 0.5)], 0, 10), None);
    }

    /// Golden values from statsmodels: `tests/reference/study.py`.
    #[test]
    fn many_comparisons_are_corrected_as_holm_does() {
        let golden: serde_json::Value =
            serde_json::from_str(include_str!("../../../tests/reference/study.json")).unwrap();
        let cases = golden["holm"].as_array().unwrap();
        assert!(cases.len() >= 4);
        for case in cases {
            let list = |key: &str| -> Vec<f64> { serde_json::from_value(case[key].clone()).unwrap() };
            let found = holm(&list("p"));
            let expected = list("adjusted");
            assert_eq!(found.len(), expected.len());
            assert!(
                found.iter().zip(&expected).all(|(&a, &b)| close(a, b)),
                "{found:?} in {case}"
            );
        }
        assert!(holm(&[]).is_empty());
        // What could not be judged was a comparison all the same.
        let found = holm(&[0.01, f64::NAN, 0.04]);
        assert!(
            found[0] == 0.03 && found[1].is_nan() && found[2] == 0.08,
            "{found:?}"
        );
    }
}
