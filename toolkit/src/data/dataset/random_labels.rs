//! Labels that say nothing, on purpose.

use rand::Rng as _;
use rand::seq::SliceRandom;

use super::Dataset;
use crate::number::number;
use crate::{Error, Number, Result, seed};

impl Dataset {
    /// The same examples, of which this `share` (0 to 1; the nearest number of examples), drawn by `seed`, has a label drawn
    /// evenly from all classes, its own among them (Zhang et al. 2017). With a share of 1 the labels say nothing of the
    /// examples: what a network then knows, it has learned by heart.
    ///
    /// ```
    /// use jook::prelude::*;
    /// let few = datasets::digits()?.few_shot(10, 0)?.train;
    /// let random = few.with_random_labels(1.0, 0)?;
    /// assert_eq!((random.len(), random.features()), (few.len(), few.features()));
    /// assert_ne!(random.labels(), few.labels());
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// Without labels, and when the share is not from 0 to 1.
    #[doc(alias = "label_noise")]
    #[doc(alias = "memorization")]
    pub fn with_random_labels(&self, share: impl Number, seed: u64) -> Result<Self> {
        let share = number("with_random_labels", share)?;
        if !(0.0..=1.0).contains(&share) {
            return Err(
                Error::data(format!("expected a share from 0 to 1, found {share}"))
                    .at(format!("random labels of dataset {}", self.name()))
                    .fix("0.2 draws the label of one example in five"),
            );
        }
        let mut labels = self.require_labels()?.to_vec();
        let mut rows: Vec<usize> = (0..self.len()).collect();
        let mut draw = seed::stream(seed, "random labels");
        rows.shuffle(&mut draw);
        rows.truncate((share * self.len() as f64).round() as usize);
        for row in rows {
            labels[row] = draw.random_range(0..self.classes() as u32);
        }
        self.clone().with_labels(labels, self.class_names().to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::datasets;

    fn same(a: &Dataset, b: &Dataset) -> usize {
        let (a, b) = (a.labels().expect("labels"), b.labels().expect("labels"));
        a.iter().zip(b).filter(|(a, b)| a == b).count()
    }

    #[test]
    fn as_many_labels_are_drawn_as_asked() {
        let digits = datasets::digits().expect("data");
        let drawn = |share, seed| digits.with_random_labels(share, seed).expect("labels");
        let n = digits.len() as f64;
        for share in [0.0, 0.3, 1.0] {
            let kept = same(&digits, &drawn(share, 1)) as f64 / n;
            // One in ten draws its own class.
            assert!((kept - (1.0 - 0.9 * share)).abs() < 0.025, "{share}: {kept}");
        }
        assert_eq!(drawn(0.3, 1).labels(), drawn(0.3, 1).labels());
        assert_ne!(drawn(0.3, 1).labels(), drawn(0.3, 2).labels());
        assert_eq!(same(&digits, &drawn(0.0, 1)), digits.len());
        // Evenly over the classes.
        let counts = drawn(1.0, 3).class_counts();
        assert!(counts.iter().all(|n| (120..240).contains(n)), "{counts:?}");
        assert_ne!(drawn(0.3, 1).digest(), digits.digest());
    }

    #[test]
    fn what_cannot_be_drawn_is_refused() {
        let digits = datasets::digits().expect("data");
        for share in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            let why = digits
                .with_random_labels(share, 0)
                .expect_err("no share")
                .to_string();
            assert!(why.contains("from 0 to 1"), "{why}");
        }
        let bare = Dataset::new("bare", 1, vec![0.0, 1.0]).expect("data");
        assert!(bare.with_random_labels(0.5, 0).is_err());
    }
}
