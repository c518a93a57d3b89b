//! The contrastive loss over all pairs of a batch (Hadsell et al. 2006).

use super::geometry::{Distances, Unit};
use super::part::{Batch, Metric, above_zero, objective_at_a_layer};
use crate::Result;

/// Half the squared distance of a pair of one class, and half the square of max(0, margin - distance) of a pair of two
/// (Hadsell et al. 2006, equation 4), the mean over all pairs of two rows of the batch; 0 with one row. Two rows of
/// different classes in one and the same place have no direction to go, and a slope of 0.
///
/// ```
/// use jook::prelude::*;
/// use jook::loss::ContrastiveLoss;
/// let data = datasets::iris()?.split(0.3, 0)?.standardized()?.train;
/// let net = Mlp::new([4, 16, 2]).build(0)?;
/// let recipe = Recipe::new().steps(50).adam(0.01).sampler(Sampler::PerClass { classes: 3, each: 8 });
/// let run = net.training().objective(ContrastiveLoss::new().margin(2.0)).run(&data, recipe)?;
/// # let _ = run;
/// # Ok::<(), jook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct ContrastiveLoss {
    tap: Option<String>,
    margin: f64,
    normalized: bool,
}
objective_at_a_layer!(ContrastiveLoss);

impl ContrastiveLoss {
    /// With a margin of 1, on embeddings as they are.
    pub fn new() -> Self {
        Self {
            tap: None,
            margin: 1.0,
            normalized: false,
        }
    }

    /// How far apart classes should be, above 0.
    pub fn margin(mut self, margin: f64) -> Self {
        self.margin = margin;
        self
    }

    /// Whether each embedding is scaled to length 1 first.
    pub fn normalized(mut self, normalized: bool) -> Self {
        self.normalized = normalized;
        self
    }
}

impl Metric for ContrastiveLoss {
    const NAME: &'static str = "ContrastiveLoss";
    const OF_PAIRS: bool = true;

    fn validate(&self) -> Result<()> {
        above_zero(Self::NAME, "margin", self.margin)
    }

    fn of(&mut self, batch: Batch<'_>, slopes: &mut [f32]) -> Result<f64> {
        let (n, width, labels) = (batch.labels.len(), batch.width, batch.labels);
        if n < 2 {
            return Ok(0.0);
        }
        let pairs = (n * (n - 1) / 2) as f64;
        let unit = self.normalized.then(|| Unit::new(batch.x, width));
        let x = unit.as_ref().map_or(batch.x, |unit| &unit.rows);
        let distances = Distances::new(x, width);
        let (margin, share) = (self.margin as f32, (1.0 / pairs) as f32);
        let mut by_square = vec![0.0f32; n * n];
        let mut total = 0.0f64;
        for i in 0..n {
            for j in 0..i {
                let square = distances.squares[i * n + j];
                if labels[i] == labels[j] {
                    total += f64::from(square);
                    by_square[i * n + j] = 0.5 * share;
                    continue;
                }
                let distance = square.sqrt();
                let missing = margin - distance;
                if missing > 0.0 {
                    total += f64::from(missing * missing);
                    if distance > 0.0 {
                        by_square[i * n + j] = -0.5 * share * missing / distance;
                    }
                }
            }
        }
        match unit.as_ref() {
            Some(unit) => {
                let mut by_unit = vec![0.0; x.len()];
                distances.back(&mut by_square, x, width, &mut by_unit);
                unit.back(&by_unit, slopes);
            }
            None => distances.back(&mut by_square, x, width, slopes),
        }
        Ok(0.5 * total / pairs)
    }
}
