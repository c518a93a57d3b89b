//! What chance alone would do: the tests behind the findings.

use statrs::distribution::{Binomial, ContinuousCDF, DiscreteCDF, Normal};

use crate::evaluate::{Z95, wilson_interval};

/// The probability of `hits` or more in `n` tries of this chance.
pub(super) fn at_least(hits: u64, n: u64, chance: f64) -> f64 {
    if hits == 0 {
        return 1.0;
    }
    let Ok(law) = Binomial::new(chance.clamp(0.0, 1.0), n) else {
        return 1.0;
    };
    law.sf(hits - 1)
}

/// Wilson's 95% interval of a share.
pub(super) fn interval(hits: usize, n: usize) -> (f64, f64) {
    wilson_interval(hits as u64, n as u64, Z95)
}

/// McNemar's exact test, one-sided: how often the coin that decides each of the pairs that differ would show `for_it` or
/// more of `for_it + against`.
pub(super) fn mcnemar(for_it: usize, against: usize) -> f64 {
    at_least(for_it as u64, (for_it + against) as u64, 0.5)
}

/// The 95% interval of the difference of two independent shares, each of so many, from Wilson's intervals of each
/// (Newcombe 1998, method 10).
pub(super) fn difference(a: (usize, usize), b: (usize, usize)) -> (f64, f64) {
    let share = |(hits, n): (usize, usize)| hits as f64 / (n as f64).max(1.0);
    let (p, q) = (share(a), share(b));
    let ((low_a, high_a), (low_b, high_b)) = (interval(a.0, a.1), interval(b.0, b.1));
    let below = ((p - low_a).powi(2) + (high_b - q).powi(2)).sqrt();
    let above = ((high_a - p).powi(2) + (q - low_b).powi(2)).sqrt();
    (p - q - below, p - q + above)
}

/// How often a series without a trend falls as steadily as this one: the Mann-Kendall test (1945), one-sided, by its normal
/// limit. 1 for fewer than five numbers, or where one is not finite.
pub(super) fn falls(series: &[f64]) -> f64 {
    let n = series.len();
    if n < 5 || series.iter().any(|x| !x.is_finite()) {
        return 1.0;
    }
    let mut score = 0.0;
    for (i, a) in series.iter().enumerate() {
        for b in &series[i + 1..] {
            score += (b > a) as i32 as f64 - (b < a) as i32 as f64;
        }
    }
    let count = n as f64;
    let variance = count * (count - 1.0) * (2.0 * count + 5.0) / 18.0;
    // With the correction for whole numbers.
    Normal::standard().cdf((score + 1.0) / variance.sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every sequence of tosses, one by one.
    fn counted(hits: u32, n: u32, chance: f64) -> f64 {
        let ways = (0..1u32 << n).filter(|tosses| tosses.count_ones() >= hits);
        ways.map(|tosses| {
            let k = tosses.count_ones();
            chance.powi(k as i32) * (1.0 - chance).powi((n - k) as i32)
        })
        .sum()
    }

    #[test]
    fn tails_are_those_of_all_sequences_of_tosses() {
        for n in [1, 5, 12] {
            for hits in 0..=n {
                for chance in [0.0, 0.01, 0.3, 0.5, 1.0] {
                    let (found, want) = (at_least(hits.into(), n.into(), chance), counted(hits, n, chance));
                    assert!(
                        (found - want).abs() < 1e-10,
                        "{hits} of {n} at {chance}: {found}, {want}"
                    );
                }
            }
        }
        assert!((mcnemar(5, 0) - 1.0 / 32.0).abs() < 1e-12);
        assert_eq!(mcnemar(0, 0), 1.0);
    }

    /// Newcombe's own example: 56 of 70 and 48 of 80.
    #[test]
    fn differences_of_shares_are_newcombes() {
        let (low, high) = difference((56, 70), (48, 80));
        assert!(
            (low - 0.0524).abs() < 5e-5 && (high - 0.3339).abs() < 5e-5,
            "{low} {high}"
        );
        let (low, high) = difference((0, 0), (0, 0));
        assert!(low <= -1.0 && high >= 1.0);
    }

    /// Of all orders of seven numbers so many fall as steadily as each, nearly as the normal limit says.
    #[test]
    fn falling_is_as_rare_as_among_all_orders() {
        let mut orders: Vec<Vec<f64>> = vec![Vec::new()];
        for _ in 0..7 {
            let longer = |order: &Vec<f64>| -> Vec<Vec<f64>> {
                let rest = (0..7).map(f64::from).filter(|x| !order.contains(x));
                rest.map(|x| [&order[..], &[x]].concat()).collect()
            };
            orders = orders.iter().flat_map(longer).collect();
        }
        assert_eq!(orders.len(), 5040);
        for own in [
            [6.0, 4.0, 5.0, 1.0, 3.0, 2.0, 0.0],
            [3.0, 6.0, 4.0, 5.0, 0.0, 2.0, 1.0],
        ] {
            let p = falls(&own);
            let as_steady = orders.iter().filter(|order| falls(order) <= p + 1e-12).count();
            let exact = as_steady as f64 / 5040.0;
            assert!((p - exact).abs() < 0.01, "{p}, {exact}");
        }
    }

    #[test]
    fn falling_is_judged_by_the_order_alone() {
        let falling: Vec<f64> = (0..12).map(|i| 1.0 / f64::from(i + 1)).collect();
        assert!(falls(&falling) < 1e-5);
        let rising: Vec<f64> = falling.iter().map(|x| -x).collect();
        assert!(falls(&rising) > 0.999);
        assert!(falls(&[1.0; 20]) > 0.4);
        assert_eq!(falls(&[1.0, f64::NAN, 3.0, 2.0, 1.0, 0.0]), 1.0);
        // S = -12: z = (-12 + 1) / sqrt(8 7 21 / 18), by Python's statistics.NormalDist.
        let p = falls(&[8.0, 6.0, 7.0, 3.0, 5.0, 4.0, 2.0, 6.5]);
        assert!((p - 0.0867731109).abs() < 1e-6, "{p}");
    }
}
