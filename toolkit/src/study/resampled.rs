//! Means and comparisons over folds whose training parts overlap.
//!
//! The estimates of overlapping training parts are correlated, so that their spread says too little of how far their
//! mean may be off. Nadeau and Bengio ("Inference for the generalization error", 2003) take
//! (1/n + n_test/n_train) s^2 for the variance of a mean of n, where s^2/n would be that of independent ones.

use statrs::distribution::{ContinuousCDF, StudentsT};

use super::statistics::{Mean, Paired};

/// The mean with its corrected interval; `ratio` is n_test/n_train.
pub(super) fn corrected_mean(mean: Mean, ratio: f64) -> Mean {
    Mean {
        interval: mean
            .interval
            .map(|interval| wider(interval, mean.mean, mean.n, ratio)),
        ..mean
    }
}

/// The paired t-test with its corrected interval and p-value; `ratio` is n_test/n_train. The signed-rank test has no such
/// correction and stays as it is.
pub(super) fn corrected_paired(paired: Paired, ratio: f64) -> Paired {
    let t = (paired.effect_size / (1.0 / paired.n as f64 + ratio).sqrt()).abs();
    let p_value = match StudentsT::new(0.0, 1.0, (paired.n - 1) as f64) {
        Ok(student) if t.is_finite() => (2.0 * student.sf(t)).min(1.0),
        _ => paired.p_value,
    };
    Paired {
        interval: wider(paired.interval, paired.difference, paired.n, ratio),
        p_value,
        ..paired
    }
}

fn wider((low, high): (f64, f64), mean: f64, n: usize, ratio: f64) -> (f64, f64) {
    let factor = (1.0 + n as f64 * ratio).sqrt();
    (mean - factor * (mean - low), mean + factor * (high - mean))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
    }

    /// By hand: differences 0.02, 0.05, 0.01, 0.03, 0.04 of five folds (n_test/n_train = 1/4) have mean 0.03 and
    /// variance 0.00025; the corrected variance of the mean is (1/5 + 1/4) 0.00025 = 0.0001125, t = 2.82842712 with 4
    /// degrees of freedom, whose distribution has a closed form: 1/2 + 3/8 t/sqrt(u) (1 - t^2/(12 u)), u = 1 + t^2/4.
    #[test]
    fn the_corrected_test_is_nadeau_and_bengios() {
        let pairs = [(0.92, 0.9), (0.95, 0.9), (0.91, 0.9), (0.93, 0.9), (0.94, 0.9)];
        let paired = corrected_paired(Paired::of(&pairs).unwrap(), 0.25);
        let half = 2.7764451051977943 * 0.000_112_5_f64.sqrt();
        assert!(close(paired.interval.0, 0.03 - half) && close(paired.interval.1, 0.03 + half));
        assert!(
            close(paired.p_value, 0.047_420_655_584_319_6),
            "{}",
            paired.p_value
        );
        let values: Vec<f64> = pairs.iter().map(|pair| pair.0).collect();
        let mean = corrected_mean(Mean::of(&values).unwrap(), 0.25);
        let (low, high) = mean.interval.unwrap();
        assert!(
            close(low, 0.93 - half) && close(high, 0.93 + half),
            "{low} {high}"
        );
        // Equal differences stay without a spread.
        let same = corrected_paired(Paired::of(&[(1.0, 0.5), (1.0, 0.5)]).unwrap(), 0.25);
        assert_eq!((same.interval, same.p_value), ((0.5, 0.5), 0.0));
        let none = corrected_paired(Paired::of(&[(1.0, 1.0), (1.0, 1.0)]).unwrap(), 0.25);
        assert_eq!(none.p_value, 1.0);
    }
}
