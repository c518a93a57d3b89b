//! Means over folds whose training parts overlap; their comparison is [`Paired::resampled`](super::Paired::resampled).
//!
//! The estimates of overlapping training parts are correlated, so that their spread says too little of how far their
//! mean may be off. Nadeau and Bengio ("Inference for the generalization error", 2003) take
//! (1/n + n_test/n_train) s^2 for the variance of a mean of n, where s^2/n would be that of independent ones.

use super::statistics::Mean;

/// The mean with its corrected interval; `ratio` is n_test/n_train.
pub(super) fn corrected_mean(mean: Mean, ratio: f64) -> Mean {
    let factor = (1.0 + mean.n as f64 * ratio).sqrt();
    let wider = |(low, high): (f64, f64)| {
        (
            mean.mean - factor * (mean.mean - low),
            mean.mean + factor * (high - mean.mean),
        )
    };
    Mean {
        interval: mean.interval.map(wider),
        ..mean
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::Paired;

    fn close(a: f64, b: f64) -> bool {
        (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
    }

    /// By hand: differences 0.02, 0.05, 0.01, 0.03, 0.04 of five folds (n_test/n_train = 1/4) have mean 0.03 and
    /// variance 0.00025; the corrected variance of the mean is (1/5 + 1/4) 0.00025 = 0.0001125, t = 2.82842712 with 4
    /// degrees of freedom, whose distribution has a closed form: 1/2 + 3/8 t/sqrt(u) (1 - t^2/(12 u)), u = 1 + t^2/4.
    #[test]
    fn the_corrected_test_is_nadeau_and_bengios() {
        let pairs = [(0.92, 0.9), (0.95, 0.9), (0.91, 0.9), (0.93, 0.9), (0.94, 0.9)];
        let paired = Paired::overlapping(&pairs, 0.25).unwrap();
        let (low, high) = paired.interval.unwrap();
        let p_value = paired.p_value.unwrap();
        let half = 2.7764451051977943 * 0.000_112_5_f64.sqrt();
        assert!(close(low, 0.03 - half) && close(high, 0.03 + half));
        assert!(close(p_value, 0.047_420_655_584_319_6), "{p_value}");
        let values: Vec<f64> = pairs.iter().map(|pair| pair.0).collect();
        let mean = corrected_mean(Mean::of(&values).unwrap(), 0.25);
        let (low, high) = mean.interval.unwrap();
        assert!(
            close(low, 0.93 - half) && close(high, 0.93 + half),
            "{low} {high}"
        );
    }
}
