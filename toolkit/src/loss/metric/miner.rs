//! [`Miner`]: which triplets of a batch a triplet loss looks at.

use crate::seed::{stream, uniform};
use crate::{Error, Result};

/// Which triplets of a batch count: an anchor a, a positive p of its class, a negative n of another. d is the distance of
/// the loss.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Miner {
    /// All.
    All,
    /// Those whose negative is no farther than the positive: d(a, n) <= d(a, p). They alone can collapse an embedding
    /// (Schroff et al. 2015).
    Hard,
    /// Those whose negative is farther than the positive, by no more than the margin (Schroff et al. 2015).
    SemiHard,
    /// For each anchor its farthest positive and its nearest negative; of equal ones the first in the batch (Hermans et
    /// al. 2017).
    #[default]
    BatchHard,
    /// For each anchor and positive a negative drawn with a probability of 1 / q(d), q(d) = d^(w-2) (1 - d²/4)^((w-3)/2)
    /// the density of the distances of points spread evenly over a sphere in w dimensions (Wu et al. 2017, section 4).
    /// Distances are Euclidean ones of embeddings scaled to length 1. Drawn by `seed` and the step.
    DistanceWeighted {
        /// Shorter distances are drawn as this one, above 0 and below `up_to`: 0.5 in the paper.
        least: f64,
        /// Negatives this far away or farther are not drawn, up to 2: 1.4 in the paper.
        up_to: f64,
        /// Decides the draws, together with the step.
        seed: u64,
    },
}

impl Miner {
    /// [`DistanceWeighted`](Self::DistanceWeighted) with the paper's numbers.
    pub fn distance_weighted(seed: u64) -> Self {
        Miner::DistanceWeighted {
            least: 0.5,
            up_to: 1.4,
            seed,
        }
    }

    pub(super) fn validate(&self) -> Result<()> {
        match *self {
            Miner::DistanceWeighted { least, up_to, .. }
                if !(least > 0.0 && least < up_to && up_to <= 2.0) =>
            {
                Err(Error::spec(format!(
                    "expected distances from above 0 to at most 2, found {least} to {up_to}"
                ))
                .at("Miner::DistanceWeighted")
                .fix("take the paper's: Miner::distance_weighted(seed)"))
            }
            _ => Ok(()),
        }
    }

    /// Calls `each` with the anchor, positive and negative of every triplet, in their order. `distance` is rows x rows.
    pub(super) fn each(
        &self,
        distance: &[f32],
        labels: &[u32],
        (margin, width, step): (Option<f64>, usize, u64),
        mut each: impl FnMut(usize, usize, usize),
    ) {
        let n = labels.len();
        let mut draws = match *self {
            Miner::DistanceWeighted { seed, .. } => Some(stream(seed, &format!("triplets of step {step}"))),
            _ => None,
        };
        let mut chances = Vec::new();
        for a in 0..n {
            let row = &distance[a * n..][..n];
            let positives = || (0..n).filter(|&p| p != a && labels[p] == labels[a]);
            let negatives = || (0..n).filter(|&q| labels[q] != labels[a]);
            match *self {
                Miner::BatchHard => {
                    let farthest = positives().reduce(|best, p| if row[p] > row[best] { p } else { best });
                    let nearest = negatives().reduce(|best, q| if row[q] < row[best] { q } else { best });
                    if let (Some(p), Some(q)) = (farthest, nearest) {
                        each(a, p, q);
                    }
                }
                Miner::DistanceWeighted { least, up_to, .. } => {
                    chances.clear();
                    chances.extend(negatives().map(|q| (q, log_chance(row[q], width, least, up_to))));
                    let most = chances.iter().fold(f64::NEG_INFINITY, |most, c| most.max(c.1));
                    if most == f64::NEG_INFINITY {
                        continue;
                    }
                    chances.iter_mut().for_each(|c| c.1 = (c.1 - most).exp());
                    let sum: f64 = chances.iter().map(|c| c.1).sum();
                    for p in positives() {
                        let mut left = sum * draws.as_mut().map_or(0.0, uniform);
                        let drawn = chances.iter().find(|c| {
                            left -= c.1;
                            left < 0.0
                        });
                        // Rounding may leave nothing: then the last that can be drawn.
                        let last = || chances.iter().rev().find(|c| c.1 > 0.0);
                        if let Some(&(q, _)) = drawn.or_else(last) {
                            each(a, p, q);
                        }
                    }
                }
                Miner::All | Miner::Hard | Miner::SemiHard => {
                    for p in positives() {
                        for q in negatives() {
                            let farther = row[q] - row[p];
                            let chosen = match self {
                                Miner::Hard => farther <= 0.0,
                                Miner::SemiHard => {
                                    farther > 0.0 && f64::from(farther) <= margin.unwrap_or(f64::INFINITY)
                                }
                                _ => true,
                            };
                            if chosen {
                                each(a, p, q);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// The logarithm of 1 / q(d), up to a constant; minus infinity for a negative that is not drawn.
pub(super) fn log_chance(distance: f32, width: usize, least: f64, up_to: f64) -> f64 {
    let d = f64::from(distance);
    if d >= up_to || d >= 2.0 {
        return f64::NEG_INFINITY;
    }
    let (d, w) = (d.max(least), width as f64);
    (2.0 - w) * d.ln() - 0.5 * (w - 3.0) * (-0.25 * d * d).ln_1p()
}
