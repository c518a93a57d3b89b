//! The supervised contrastive loss (Khosla et al. 2020).

use super::geometry::{Unit, combine, products, symmetric};
use super::part::{Batch, Metric, above_zero, objective_at_a_layer};
use crate::Result;

/// The mean over the positives p of an example i of -log(exp(s_ip / t) / sum_{a != i} exp(s_ia / t)), s the cosine and t the
/// temperature (Khosla et al. 2020, L_out, equation 2), the mean over the examples that have a positive in the batch. A
/// batch without one has a loss of 0.
///
/// ```
/// use jook::prelude::*;
/// use jook::loss::SupervisedContrastive;
/// let data = datasets::iris()?.split(0.3, 0)?.standardized()?.train;
/// let net = Mlp::new([4, 16, 8]).build(0)?;
/// let recipe = Recipe::new().steps(50).batch(50).adam(0.01);
/// let run = net.training().objective(SupervisedContrastive::new().temperature(0.2)).run(&data, recipe)?;
/// # let _ = run;
/// # Ok::<(), jook::Error>(())
/// ```
#[doc(alias = "SupConLoss")]
#[derive(Clone, Debug)]
pub struct SupervisedContrastive {
    tap: Option<String>,
    temperature: f64,
}
objective_at_a_layer!(SupervisedContrastive);

impl SupervisedContrastive {
    /// With a temperature of 0.1, as in the paper.
    pub fn new() -> Self {
        Self {
            tap: None,
            temperature: 0.1,
        }
    }

    /// What cosines are divided by, above 0.
    pub fn temperature(mut self, temperature: f64) -> Self {
        self.temperature = temperature;
        self
    }
}

impl Metric for SupervisedContrastive {
    const NAME: &'static str = "SupervisedContrastive";
    const OF_PAIRS: bool = true;

    fn validate(&self) -> Result<()> {
        above_zero(Self::NAME, "temperature", self.temperature)
    }

    fn of(&mut self, batch: Batch<'_>, slopes: &mut [f32]) -> Result<f64> {
        let (n, width, labels) = (batch.labels.len(), batch.width, batch.labels);
        let unit = Unit::new(batch.x, width);
        let mut table = products(&unit.rows, &unit.rows, width);
        let positives = |i: usize| (0..n).filter(|&j| j != i && labels[j] == labels[i]).count();
        let counts: Vec<usize> = (0..n).map(positives).collect();
        let anchors = counts.iter().filter(|&&count| count > 0).count();
        if anchors == 0 {
            return Ok(0.0);
        }
        let (t, mut total) = (self.temperature, 0.0f64);
        let mut powers = vec![0.0f64; n];
        for (i, row) in table.chunks_exact_mut(n).enumerate() {
            if counts[i] == 0 {
                row.fill(0.0);
                continue;
            }
            let others = || (0..n).filter(|&j| j != i);
            let most = others().fold(f32::NEG_INFINITY, |most, j| most.max(row[j]));
            let (mut sum, mut own) = (0.0f64, 0.0f64);
            for j in others() {
                let above = f64::from(row[j] - most) / t;
                powers[j] = above.exp();
                sum += powers[j];
                if labels[j] == labels[i] {
                    own += above;
                }
            }
            total += sum.ln() - own / counts[i] as f64;
            let scale = 1.0 / (t * anchors as f64);
            for (j, (by_cosine, power)) in row.iter_mut().zip(&powers).enumerate() {
                let positive = f64::from(u8::from(labels[j] == labels[i])) / counts[i] as f64;
                *by_cosine = match j == i {
                    true => 0.0,
                    false => (scale * (power / sum - positive)) as f32,
                };
            }
        }
        symmetric(&mut table, n);
        unit.back(&combine(&table, &unit.rows, width), slopes);
        Ok(total / anchors as f64)
    }
}
