//! Softmax losses with a margin on the hypersphere: ArcFace (Deng et al. 2019) and CosFace (Wang et al. 2018).
//!
//! Cosines s between embeddings and the weights of classes, that of the right class made harder, times a scale are the
//! logits of a cross entropy.

use super::part::{Batch, Metric, above_zero, objective_at_a_layer};
use super::proxies::Proxies;
use crate::loss::Learned;
use crate::{Error, Number, Result};

macro_rules! margin_softmax {
    ($loss:ident, $margin:literal, $scale:literal, $range:expr, $unit:literal) => {
        objective_at_a_layer!($loss);

        impl $loss {
            #[doc = concat!("With a margin of ", $margin, " and a scale of ", $scale, ", as in the paper.")]
            pub fn new() -> Self {
                Self {
                    tap: None,
                    margin: $margin,
                    scale: $scale,
                    proxies: Proxies::default(),
                }
            }

            #[doc = concat!("By how much the right class must be nearer, 0 or more: ", $unit, ".")]
            pub fn margin(mut self, margin: f64) -> Self {
                self.margin = margin;
                self
            }

            /// What cosines are multiplied by, above 0: as many classes as there are want a larger one.
            pub fn scale(mut self, scale: f64) -> Self {
                self.scale = scale;
                self
            }

            /// A rate of the weights' own, 0 or more; without one the recipe's.
            pub fn rate(mut self, rate: impl Number) -> Self {
                self.proxies.set_rate(rate);
                self
            }

            /// What the first weights are drawn by.
            pub fn seed(mut self, seed: u64) -> Self {
                self.proxies.seed = seed;
                self
            }

            /// The weights, classes x width, row-major; empty before a training.
            pub fn weights(&self) -> &[f32] {
                &self.proxies.numbers
            }
        }

        impl Metric for $loss {
            const NAME: &'static str = stringify!($loss);
            const OF_PAIRS: bool = false;

            fn validate(&self) -> Result<()> {
                above_zero(Self::NAME, "scale", self.scale)?;
                let range: std::ops::RangeInclusive<f64> = $range;
                if !range.contains(&self.margin) {
                    return Err(Error::spec(format!(
                        "expected a margin of {} to {:.2}, found {}",
                        range.start(),
                        range.end(),
                        self.margin
                    ))
                    .at(Self::NAME)
                    .fix(concat!(
                        "give it as ",
                        $unit,
                        "; ",
                        $margin,
                        " is the paper's"
                    )));
                }
                self.proxies.validate(Self::NAME)
            }

            fn prepare(&mut self, classes: usize, width: usize) -> Result<()> {
                self.proxies.prepare(classes, width);
                Ok(())
            }

            fn of(&mut self, batch: Batch<'_>, slopes: &mut [f32]) -> Result<f64> {
                let harder = |cosine: f64| self.harder(cosine);
                let (total, by_cosine, cosines) =
                    cross_entropy(Self::NAME, &self.proxies, &batch, self.scale, harder)?;
                cosines.back(&by_cosine, batch.width, slopes, &mut self.proxies.slopes);
                Ok(total)
            }

            fn own(&mut self) -> Vec<Learned<'_>> {
                self.proxies.learned()
            }
        }
    };
}

/// Cross entropy of scale x cosine, where the angle theta to the weight of the right class is theta + margin (Deng et
/// al. 2019, equation 3). Where that goes beyond pi, the logit is cos theta - margin sin margin instead, so that it
/// still falls as the angle grows. Shapes: the layer's output is rows x width, the weights classes x width.
///
/// ```
/// use jook::prelude::*;
/// use jook::loss::ArcFace;
/// let data = datasets::iris()?.split(0.3, 0)?.standardized()?.train;
/// let net = Mlp::new([4, 16, 8]).build(0)?;
/// let arc = ArcFace::new().scale(16.0).margin(0.3).rate(0.1);
/// let run = net.training().objective(arc).run(&data, Recipe::new().epochs(5).adam(0.01))?;
/// # let _ = run;
/// # Ok::<(), jook::Error>(())
/// ```
#[doc(alias = "ArcFaceLoss")]
#[derive(Clone, Debug)]
pub struct ArcFace {
    tap: Option<String>,
    margin: f64,
    scale: f64,
    pub(super) proxies: Proxies,
}
margin_softmax!(
    ArcFace,
    0.5,
    64.0,
    0.0..=std::f64::consts::FRAC_PI_2,
    "an angle in radians"
);

/// Cross entropy of scale x cosine, where the cosine s with the weight of the right class is s - margin (Wang et al.
/// 2018, equation 4). Shapes: the layer's output is rows x width, the weights classes x width.
///
/// ```
/// use jook::prelude::*;
/// use jook::loss::CosFace;
/// let data = datasets::iris()?.split(0.3, 0)?.standardized()?.train;
/// let net = Mlp::new([4, 16, 8]).build(0)?;
/// let cos = CosFace::new().scale(16.0).rate(0.1);
/// let run = net.training().objective(cos).run(&data, Recipe::new().epochs(5).adam(0.01))?;
/// # let _ = run;
/// # Ok::<(), jook::Error>(())
/// ```
#[doc(alias = "CosFaceLoss")]
#[derive(Clone, Debug)]
pub struct CosFace {
    tap: Option<String>,
    margin: f64,
    scale: f64,
    pub(super) proxies: Proxies,
}
margin_softmax!(CosFace, 0.35, 64.0, 0.0..=2.0, "a difference of cosines");

impl ArcFace {
    /// The right class's number from its cosine, with its slope.
    fn harder(&self, cosine: f64) -> (f64, f64) {
        let cosine = cosine.clamp(-1.0, 1.0);
        let (sin_m, cos_m) = self.margin.sin_cos();
        if cosine < -cos_m {
            return (cosine - self.margin * sin_m, 1.0);
        }
        let sine = (1.0 - cosine * cosine).sqrt();
        // Where the angle is 0 its slope by the cosine has no end: it is cut where f32 has no digits left.
        let slope = cos_m + cosine * sin_m / sine.max(1e-3);
        (cosine * cos_m - sine * sin_m, slope)
    }
}

impl CosFace {
    fn harder(&self, cosine: f64) -> (f64, f64) {
        (cosine - self.margin, 1.0)
    }
}

type Found = (f64, Vec<f32>, super::proxies::Cosines);

/// The mean loss, its slopes by the cosines, and those.
fn cross_entropy(
    loss: &str,
    proxies: &Proxies,
    batch: &Batch<'_>,
    scale: f64,
    harder: impl Fn(f64) -> (f64, f64),
) -> Result<Found> {
    let mut cosines = proxies.cosines(loss, batch)?;
    let mut by_cosine = std::mem::take(&mut cosines.table);
    let rows = batch.labels.len() as f64;
    let (mut total, mut logits) = (0.0f64, vec![0.0f64; cosines.classes]);
    for (row, &label) in by_cosine.chunks_exact_mut(cosines.classes).zip(batch.labels) {
        let label = label as usize;
        let (own, slope) = harder(f64::from(row[label]));
        let scaled = |(logit, &cosine): (&mut f64, &f32)| *logit = scale * f64::from(cosine);
        logits.iter_mut().zip(row.iter()).for_each(scaled);
        logits[label] = scale * own;
        let most = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let own = logits[label] - most;
        let mut sum = 0.0;
        for logit in &mut logits {
            *logit = (*logit - most).exp();
            sum += *logit;
        }
        total += sum.ln() - own;
        for (class, (by, power)) in row.iter_mut().zip(&logits).enumerate() {
            let right = class == label;
            let by_logit = power / sum - f64::from(u8::from(right));
            *by = (scale / rows * by_logit * if right { slope } else { 1.0 }) as f32;
        }
    }
    Ok((total / rows.max(1.0), by_cosine, cosines))
}
