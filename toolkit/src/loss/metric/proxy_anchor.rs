//! The proxy anchor loss (Kim et al. 2020).

use super::part::{Batch, Metric, above_zero, objective_at_a_layer};
use super::proxies::Proxies;
use crate::loss::Learned;
use crate::{Error, Number, Result};

/// A learned proxy for each class is the anchor of all examples of the batch (Kim et al. 2020, equation 4): the mean over the
/// proxies with a positive in the batch of log(1 + sum_{x of it} exp(-alpha (s - margin))), and the mean over all proxies of
/// log(1 + sum_{x not of it} exp(alpha (s + margin))), s the cosine.
///
/// Shapes: the layer's output is rows x width, the proxies classes x width. They begin in random directions by
/// [`seed`](Self::seed), and learn at the recipe's rate unless they have [one of their own](Self::rate) (the paper: 100 times
/// the network's).
///
/// ```
/// use jook::prelude::*;
/// use jook::loss::ProxyAnchor;
/// let data = datasets::iris()?.split(0.3, 0)?.standardized()?.train;
/// let net = Mlp::new([4, 16, 8]).build(0)?;
/// let run = net.training().objective(ProxyAnchor::new().rate(0.1)).run(&data, Recipe::new().epochs(5).adam(0.01))?;
/// # let _ = run;
/// # Ok::<(), jook::Error>(())
/// ```
#[doc(alias = "ProxyAnchorLoss")]
#[derive(Clone, Debug)]
pub struct ProxyAnchor {
    tap: Option<String>,
    margin: f64,
    alpha: f64,
    pub(super) proxies: Proxies,
}
objective_at_a_layer!(ProxyAnchor);

impl ProxyAnchor {
    /// With a margin of 0.1 and alpha 32, as in the paper.
    pub fn new() -> Self {
        Self {
            tap: None,
            margin: 0.1,
            alpha: 32.0,
            proxies: Proxies::default(),
        }
    }

    /// By how much cosines should lie above it, or below -margin: 0 to 1.
    pub fn margin(mut self, margin: f64) -> Self {
        self.margin = margin;
        self
    }

    /// How steep the sums are, above 0.
    pub fn alpha(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// A rate of the proxies' own, 0 or more.
    pub fn rate(mut self, rate: impl Number) -> Self {
        self.proxies.set_rate(rate);
        self
    }

    /// What the first proxies are drawn by.
    pub fn seed(mut self, seed: u64) -> Self {
        self.proxies.seed = seed;
        self
    }

    /// The proxies, classes x width, row-major; empty before a training.
    pub fn proxies(&self) -> &[f32] {
        &self.proxies.numbers
    }
}

impl Metric for ProxyAnchor {
    const NAME: &'static str = "ProxyAnchor";
    const OF_PAIRS: bool = false;

    fn validate(&self) -> Result<()> {
        above_zero(Self::NAME, "alpha", self.alpha)?;
        if !(0.0..=1.0).contains(&self.margin) {
            let found = format!("expected a margin of 0 to 1, found {}", self.margin);
            return Err(Error::spec(found)
                .at(Self::NAME)
                .fix("cosines lie from -1 to 1; 0.1 is the paper's"));
        }
        self.proxies.validate(Self::NAME)
    }

    fn prepare(&mut self, classes: usize, width: usize) -> Result<()> {
        self.proxies.prepare(classes, width);
        Ok(())
    }

    fn of(&mut self, batch: Batch<'_>, slopes: &mut [f32]) -> Result<f64> {
        let cosines = self.proxies.cosines(Self::NAME, &batch)?;
        let (n, classes, labels) = (batch.labels.len(), cosines.classes, batch.labels);
        let mut there = vec![false; classes];
        labels.iter().for_each(|&label| there[label as usize] = true);
        let with_positives = there.iter().filter(|&&there| there).count();
        if n == 0 {
            return Ok(0.0);
        }
        let mut by_cosine = vec![0.0f32; n * classes];
        let mut total = 0.0f64;
        for class in 0..classes {
            for (same, steep, mean_over) in
                [(true, -self.alpha, with_positives), (false, self.alpha, classes)]
            {
                let all = || (0..n).filter(|&i| (labels[i] as usize == class) == same);
                let shift = if same { -self.margin } else { self.margin };
                let power = |i: usize| steep * (f64::from(cosines.table[i * classes + class]) + shift);
                // 0 is the 1 in the logarithm.
                let most = all().map(power).fold(0.0, f64::max);
                let sum = (-most).exp() + all().map(|i| (power(i) - most).exp()).sum::<f64>();
                total += (sum.ln() + most) / mean_over as f64;
                let scale = steep / (sum * mean_over as f64);
                for i in all() {
                    by_cosine[i * classes + class] = (scale * (power(i) - most).exp()) as f32;
                }
            }
        }
        cosines.back(&by_cosine, batch.width, slopes, &mut self.proxies.slopes);
        Ok(total)
    }

    fn own(&mut self) -> Vec<Learned<'_>> {
        self.proxies.learned()
    }
}
