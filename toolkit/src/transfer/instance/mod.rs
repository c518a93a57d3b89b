//! Instance transfer: which source examples look like the target's, and how much each should count. Under covariate shift
//! (the same labels for the same features, other features more often) the right weight is the ratio of the densities,
//! target over source (Shimodaira 2000). All methods here see the features of both domains and no labels.
//!
//! | method | what it does |
//! |---|---|
//! | [`Ulsif`] | least squares between a sum of Gaussians and the ratio; as RuLSIF, [relative](Ulsif::relative), a bounded ratio |
//! | [`Kliep`] | a sum of Gaussians of the largest likelihood on the target |
//! | [`DomainClassifier`] | the odds of a classifier of target against source |
//! | [`NeighbourCounts`] | how often an example is among the nearest of a target's |
//!
//! ```
//! use jook::prelude::*;
//! use jook::transfer::instance::{Estimate, Ulsif};
//!
//! let moons = datasets::two_moons(200, 0.1, 0)?;
//! let upper: Vec<usize> = (0..moons.len()).filter(|&i| moons.row(i)[1] > 0.0).collect();
//! let weights = Ulsif::new().weigh(&moons, &moons.subset(&upper)?)?;
//! assert!(weights.effective_sample_size() < 200.0);
//! let weighted = weights.on(&moons)?; // every training counts its examples by these
//! assert!(weighted.weights().is_some());
//! # Ok::<(), jook::Error>(())
//! ```

mod domain_classifier;
mod gaussian;
mod kliep;
mod neighbour_counts;
#[cfg(test)]
mod tests;
mod ulsif;
mod weights;

pub use domain_classifier::DomainClassifier;
pub use kliep::Kliep;
pub use neighbour_counts::NeighbourCounts;
pub use ulsif::Ulsif;
pub use weights::Weights;

use crate::data::Dataset;
use crate::{Error, Result};

/// A way to weigh source examples by how much they look like the target's.
pub trait Estimate {
    /// The weights of the examples of `source`, with a mean of 1. Labels of either are not looked at.
    ///
    /// # Errors
    /// When the two have different features, one has fewer than two examples, a setting is out of its range, or nothing of
    /// the source is near the target.
    fn weigh(&self, source: &Dataset, target: &Dataset) -> Result<Weights>;
}

/// The two domains can be compared.
fn check(method: &str, source: &Dataset, target: &Dataset) -> Result<()> {
    if source.width() != target.width() {
        return Err(Error::data(format!(
            "expected as many features in both domains, found {} in {} and {} in {}",
            source.width(),
            source.name(),
            target.width(),
            target.name()
        ))
        .at(method)
        .fix("bring both to the same features first"));
    }
    match [source, target].into_iter().find(|data| data.len() < 2) {
        Some(data) => Err(Error::data(format!(
            "expected two examples or more in each domain, found {} in {}",
            data.len(),
            data.name()
        ))
        .at(method)),
        None => Ok(()),
    }
}

/// The features of an example in double precision, one example after another.
fn features(data: &Dataset) -> Vec<f64> {
    data.features().iter().map(|&x| f64::from(x)).collect()
}
