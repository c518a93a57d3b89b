//! Mean and variance of numbers that come in parts.

/// Of the numbers so far: how many, their mean, and the sum of the squared differences from it (Chan et al. 1983). NaN
/// and infinities make mean and variance NaN.
#[derive(Clone, Debug, Default)]
pub(super) struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Counts these in.
    pub fn add(&mut self, values: &[f32]) {
        if values.is_empty() {
            return;
        }
        let count = values.len() as f64;
        let mean = values.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
        let squares: f64 = values.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum();
        let (both, apart) = (self.count + count, mean - self.mean);
        self.squares += squares + apart * apart * self.count * count / both;
        self.mean += apart * count / both;
        self.count = both;
    }

    /// The mean; NaN of no numbers.
    pub fn mean(&self) -> f64 {
        if self.count > 0.0 { self.mean } else { f64::NAN }
    }

    /// The mean squared difference from the mean; NaN of no numbers.
    pub fn variance(&self) -> f64 {
        self.squares / self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_give_what_the_whole_gives() {
        let mut moments = Moments::default();
        assert!(moments.mean().is_nan() && moments.variance().is_nan());
        for part in [&[1e4, 1e4 + 1.0][..], &[], &[1e4 + 3.0], &[1e4 - 4.0]] {
            moments.add(part);
        }
        let off = [moments.mean() - 1e4, moments.variance() - 6.5];
        assert!(off.iter().all(|off| off.abs() < 1e-9), "{off:?}");
        moments.add(&[f32::INFINITY]);
        assert!(moments.variance().is_nan());
    }
}
