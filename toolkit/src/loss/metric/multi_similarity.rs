//! The multi-similarity loss (Wang et al. 2019).

use super::geometry::{Unit, combine, products, symmetric};
use super::part::{Batch, Metric, above_zero, objective_at_a_layer};
use crate::{Error, Result};

/// (1 / alpha) log(1 + sum_p exp(-alpha (s_p - base))) + (1 / beta) log(1 + sum_n exp(beta (s_n - base))) over the
/// cosines s with the positives and the negatives of an example, the mean over all examples of the batch (Wang et al. 2019,
/// equation 15). With [`mining`](Self::mining) only pairs that are hard enough are in the sums (equations 11 and 12).
///
/// ```
/// use jook::prelude::*;
/// use jook::loss::MultiSimilarity;
/// let data = datasets::iris()?.split(0.3, 0)?.standardized()?.train;
/// let net = Mlp::new([4, 16, 8]).build(0)?;
/// let recipe = Recipe::new().steps(50).batch(50).adam(0.01);
/// let run = net.training().objective(MultiSimilarity::new().mining(0.1)).run(&data, recipe)?;
/// # let _ = run;
/// # Ok::<(), jook::Error>(())
/// ```
#[doc(alias = "MultiSimilarityLoss")]
#[derive(Clone, Debug)]
pub struct MultiSimilarity {
    tap: Option<String>,
    alpha: f64,
    beta: f64,
    base: f64,
    epsilon: Option<f64>,
}
objective_at_a_layer!(MultiSimilarity);

impl MultiSimilarity {
    /// With alpha 2, beta 50 and base 0.5, over all pairs.
    pub fn new() -> Self {
        Self {
            tap: None,
            alpha: 2.0,
            beta: 50.0,
            base: 0.5,
            epsilon: None,
        }
    }

    /// How steep the sum over positives is, above 0.
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// How steep the sum over negatives is, above 0.
    pub fn beta(mut self, beta: f64) -> Self {
        self.beta = beta;
        self
    }

    /// The cosine from which on pairs count, -1 to 1: lambda in the paper.
    pub fn base(mut self, base: f64) -> Self {
        self.base = base;
        self
    }

    /// Keeps of an example the negatives with a cosine above that of its farthest positive - epsilon, and the positives
    /// with one below that of its nearest negative + epsilon; 0.1 in the paper. Without a negative, or without a positive,
    /// it has no pair.
    #[doc(alias = "MultiSimilarityMiner")]
    pub fn mining(mut self, epsilon: f64) -> Self {
        self.epsilon = Some(epsilon);
        self
    }
}

impl Metric for MultiSimilarity {
    const NAME: &'static str = "MultiSimilarity";
    const OF_PAIRS: bool = true;

    fn validate(&self) -> Result<()> {
        above_zero(Self::NAME, "alpha", self.alpha)?;
        above_zero(Self::NAME, "beta", self.beta)?;
        if !(-1.0..=1.0).contains(&self.base) {
            let found = format!("expected a base of -1 to 1, found {}", self.base);
            return Err(Error::spec(found).at(Self::NAME));
        }
        match self.epsilon {
            Some(epsilon) if !(epsilon >= 0.0 && epsilon.is_finite()) => Err(Error::spec(format!(
                "expected an epsilon for mining of 0 or more, found {epsilon}"
            ))
            .at(Self::NAME)),
            _ => Ok(()),
        }
    }

    fn of(&mut self, batch: Batch<'_>, slopes: &mut [f32]) -> Result<f64> {
        let (n, width, labels) = (batch.labels.len(), batch.width, batch.labels);
        let unit = Unit::new(batch.x, width);
        let mut table = products(&unit.rows, &unit.rows, width);
        let (mut total, mut powers) = (0.0f64, Vec::new());
        for (i, row) in table.chunks_exact_mut(n).enumerate() {
            let others = (0..n).filter(|&j| j != i);
            let (mut positives, mut negatives): (Vec<usize>, Vec<usize>) =
                others.partition(|&j| labels[j] == labels[i]);
            if let Some(epsilon) = self.epsilon.map(|epsilon| epsilon as f32) {
                let farthest = positives
                    .iter()
                    .fold(f32::INFINITY, |least, &j| least.min(row[j]));
                let nearest = negatives
                    .iter()
                    .fold(f32::NEG_INFINITY, |most, &j| most.max(row[j]));
                positives.retain(|&j| row[j] - epsilon < nearest);
                negatives.retain(|&j| row[j] + epsilon > farthest);
            }
            let cosines = row.to_vec();
            row.fill(0.0);
            for (kept, steep) in [(positives, -self.alpha), (negatives, self.beta)] {
                powers.clear();
                powers.extend(kept.iter().map(|&j| steep * (f64::from(cosines[j]) - self.base)));
                // 0 is the 1 in the logarithm.
                let most = powers.iter().copied().fold(0.0, f64::max);
                powers.iter_mut().for_each(|power| *power = (*power - most).exp());
                let sum = (-most).exp() + powers.iter().sum::<f64>();
                total += (sum.ln() + most) / steep.abs();
                let scale = steep.signum() / (sum * n as f64);
                for (&j, power) in kept.iter().zip(&powers) {
                    row[j] = (scale * power) as f32;
                }
            }
        }
        symmetric(&mut table, n);
        unit.back(&combine(&table, &unit.rows, width), slopes);
        Ok(total / n as f64)
    }
}
