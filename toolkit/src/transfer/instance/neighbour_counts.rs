//! [`NeighbourCounts`]: weights by how often an example is among the nearest of a target's.

use super::gaussian::square;
use super::{Estimate, Weights, check, features};
use crate::data::Dataset;
use crate::{Error, Number, Result};

/// The weight of a source example is the number of target examples that have it among their k nearest source examples (Loog
/// 2012, with k of 1), plus 1 where [smoothed](Self::smoothed). Without that, what is nobody's neighbour counts for nothing.
/// Of equally near ones the first in the source counts.
#[derive(Clone, Debug)]
#[doc(alias = "NearestNeighborsWeighting")]
pub struct NeighbourCounts {
    neighbours: usize,
    smoothed: bool,
}

impl NeighbourCounts {
    /// With so many neighbours of each target example, 1 or more.
    ///
    /// # Errors
    /// When it is none.
    pub fn new(neighbours: impl Number) -> Result<Self> {
        let neighbours = crate::number::count("NeighbourCounts::new", neighbours, 1)?;
        Ok(Self {
            neighbours,
            smoothed: false,
        })
    }

    /// Adds 1 to each count (Laplace).
    pub fn smoothed(mut self) -> Self {
        self.smoothed = true;
        self
    }
}

impl Estimate for NeighbourCounts {
    fn weigh(&self, source: &Dataset, target: &Dataset) -> Result<Weights> {
        let name = format!("counts of {} neighbours", self.neighbours);
        check(&name, source, target)?;
        if self.neighbours > source.len() {
            return Err(Error::spec(format!(
                "expected at most {} neighbours, as many as there are source examples, found {}",
                source.len(),
                self.neighbours
            ))
            .at(name));
        }
        let (xs, xt, width) = (features(source), features(target), source.width());
        let mut counts = vec![if self.smoothed { 1.0 } else { 0.0 }; source.len()];
        let mut near: Vec<(f64, usize)> = Vec::with_capacity(source.len());
        for x in xt.chunks_exact(width) {
            near.clear();
            near.extend(xs.chunks_exact(width).enumerate().map(|(i, s)| (square(x, s), i)));
            let by_distance = |a: &(f64, usize), b: &(f64, usize)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
            near.select_nth_unstable_by(self.neighbours - 1, by_distance);
            near[..self.neighbours]
                .iter()
                .for_each(|(_, i)| counts[*i] += 1.0);
        }
        Weights::new(name, counts, Vec::new())
    }
}
