//! The center loss: a center for each class, which its embeddings are drawn to (Wen et al. 2016).

use super::part::{Batch, Metric, above_zero, objective_at_a_layer};
use crate::loss::Learned;
use crate::{Error, Result};

/// Half the mean squared distance of each embedding from the center of its class (Wen et al. 2016, equation 2, the mean
/// instead of the sum). The centers begin at 0 and move by their own rule and rate alpha (equation 4): by
/// -alpha sum_{y = j} (c_j - x) / (1 + n_j), where n_j of the batch are of class j, whatever the weight in a [`Sum`].
/// Lambda of the paper is that weight; alone the loss is smallest where all embeddings are one point.
///
/// Shapes: the layer's output is rows x width, the centers classes x width.
///
/// ```
/// use jook::prelude::*;
/// use jook::loss::CenterLoss;
/// let data = datasets::iris()?.split(0.3, 0)?.standardized()?;
/// let net = Mlp::new([4, 16, 8, 3]).build(0)?;
/// let both = Sum::of(1.0, Loss::SoftmaxCrossEntropy.at("logits")).plus(0.1, CenterLoss::new().at("activation2"));
/// let run = net.training().objective(both).run(&data.train, Recipe::new().epochs(5).adam(0.01))?;
/// # let _ = run;
/// # Ok::<(), jook::Error>(())
/// ```
///
/// [`Sum`]: crate::loss::Sum
#[derive(Clone, Debug)]
pub struct CenterLoss {
    pub(super) tap: Option<String>,
    alpha: f64,
    pub(super) centers: Vec<f32>,
    slopes: Vec<f32>,
    width: usize,
}
objective_at_a_layer!(CenterLoss);

impl CenterLoss {
    /// With centers that move at a rate of 0.5, as in the paper.
    pub fn new() -> Self {
        Self {
            tap: None,
            alpha: 0.5,
            centers: Vec::new(),
            slopes: Vec::new(),
            width: 0,
        }
    }

    /// The rate of the centers, above 0 and up to 1: 1 moves a center of many examples to their mean.
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// The centers, classes x width, row-major; empty before a training.
    pub fn centers(&self) -> &[f32] {
        &self.centers
    }
}

impl Metric for CenterLoss {
    const NAME: &'static str = "CenterLoss";
    const OF_PAIRS: bool = false;

    fn validate(&self) -> Result<()> {
        above_zero(Self::NAME, "rate alpha", self.alpha)?;
        match self.alpha <= 1.0 {
            true => Ok(()),
            false => Err(Error::spec(format!(
                "expected a rate alpha of the centers of at most 1, found {}",
                self.alpha
            ))
            .at(Self::NAME)
            .fix("0.5 is the paper's; how much the loss counts is its weight in a Sum")),
        }
    }

    fn prepare(&mut self, classes: usize, width: usize) -> Result<()> {
        if self.width != width || self.centers.len() < classes * width {
            self.width = width;
            self.centers = vec![0.0; classes * width];
            self.slopes = self.centers.clone();
        }
        Ok(())
    }

    fn of(&mut self, batch: Batch<'_>, slopes: &mut [f32]) -> Result<f64> {
        let width = batch.width.max(1);
        let mut counts = vec![0u32; self.centers.len() / width];
        for &label in batch.labels {
            match counts.get_mut(label as usize) {
                Some(count) => *count += 1,
                None => {
                    return Err(Error::data(format!(
                        "label {label} is out of range: there are centers for {} classes",
                        counts.len()
                    ))
                    .at(Self::NAME));
                }
            }
        }
        let (mut total, share) = (0.0f64, 1.0 / batch.labels.len() as f32);
        let rows = batch.x.chunks_exact(width).zip(slopes.chunks_exact_mut(width));
        for ((row, slope), &label) in rows.zip(batch.labels) {
            let place = label as usize * width..(label as usize + 1) * width;
            let pull = 1.0 / (1.0 + counts[label as usize] as f32);
            let own = self.centers[place.clone()].iter().zip(&mut self.slopes[place]);
            let mut square = 0.0f32;
            for ((x, slope), (center, move_by)) in row.iter().zip(slope).zip(own) {
                let difference = x - center;
                *slope = share * difference;
                *move_by -= pull * difference;
                square += difference * difference;
            }
            total += f64::from(square);
        }
        Ok(0.5 * total / batch.labels.len() as f64)
    }

    fn own(&mut self) -> Vec<Learned<'_>> {
        vec![Learned {
            numbers: &mut self.centers,
            slopes: &mut self.slopes,
            rate: Some(self.alpha),
        }]
    }
}
