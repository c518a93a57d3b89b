//! The triplet loss (Schroff et al. 2015; Hermans et al. 2017).

use super::geometry::{Distances, Unit};
use super::miner::Miner;
use super::part::{Batch, Metric, above_zero, objective_at_a_layer};
use crate::{Error, Result};

/// max(0, d(a, p) - d(a, n) + margin) over triplets of an anchor a, a positive p of its class and a negative n of another
/// (Schroff et al. 2015, equation 3), or the soft margin log(1 + exp(d(a, p) - d(a, n))) (Hermans et al. 2017, section 2).
/// A [`Miner`] chooses the triplets. The mean is over those whose loss is above 0 (Hermans et al. 2017, section 3.2), or
/// over [all that were chosen](Self::mean_over_all). A batch without a triplet has a loss of 0.
///
/// Where d is 0 a Euclidean distance has no direction, and a slope of 0.
///
/// ```
/// use jook::prelude::*;
/// use jook::loss::{Miner, TripletLoss};
/// let data = datasets::iris()?.split(0.3, 0)?.standardized()?.train;
/// let net = Mlp::new([4, 16, 8]).build(0)?;
/// let recipe = Recipe::new().steps(50).adam(0.01).sampler(Sampler::PerClass { classes: 3, each: 8 });
/// let triplets = TripletLoss::new().margin(0.2).miner(Miner::SemiHard);
/// let run = net.training().objective(triplets).run(&data, recipe)?;
/// # let _ = run;
/// # Ok::<(), jook::Error>(())
/// ```
#[doc(alias = "TripletMarginLoss")]
#[derive(Clone, Debug)]
pub struct TripletLoss {
    tap: Option<String>,
    /// None: the soft margin.
    margin: Option<f64>,
    miner: Miner,
    squared: bool,
    normalized: bool,
    over_all: bool,
}
objective_at_a_layer!(TripletLoss);

impl TripletLoss {
    /// With a margin of 0.2, the hardest triplet of each anchor, and Euclidean distances of embeddings scaled to length 1.
    pub fn new() -> Self {
        Self {
            tap: None,
            margin: Some(0.2),
            miner: Miner::BatchHard,
            squared: false,
            normalized: true,
            over_all: false,
        }
    }

    /// By how much the negative should be farther than the positive, above 0, in the unit of the distance.
    pub fn margin(mut self, margin: f64) -> Self {
        self.margin = Some(margin);
        self
    }

    /// The soft margin instead of one of a size.
    pub fn soft_margin(mut self) -> Self {
        self.margin = None;
        self
    }

    /// Which triplets count.
    pub fn miner(mut self, miner: Miner) -> Self {
        self.miner = miner;
        self
    }

    /// Whether distances are squared Euclidean ones, as in FaceNet.
    pub fn squared(mut self, squared: bool) -> Self {
        self.squared = squared;
        self
    }

    /// Whether each embedding is scaled to length 1 first.
    pub fn normalized(mut self, normalized: bool) -> Self {
        self.normalized = normalized;
        self
    }

    /// Whether the mean is over all chosen triplets, also those of a loss of 0.
    pub fn mean_over_all(mut self, all: bool) -> Self {
        self.over_all = all;
        self
    }

    /// The table of distances, and what it was made from.
    fn geometry(&self, batch: &Batch<'_>) -> (Option<Unit>, Distances, Vec<f32>) {
        let unit = self.normalized.then(|| Unit::new(batch.x, batch.width));
        let x = unit.as_ref().map_or(batch.x, |unit| &unit.rows);
        let distances = Distances::new(x, batch.width);
        let table = match self.squared {
            true => distances.squares.clone(),
            false => distances.squares.iter().map(|d| d.sqrt()).collect(),
        };
        (unit, distances, table)
    }

    /// The triplets that it looks at in a batch.
    #[cfg(test)]
    pub(super) fn chosen(&self, batch: &Batch<'_>) -> Vec<[usize; 3]> {
        let (.., table) = self.geometry(batch);
        let mut found = Vec::new();
        let how = (self.margin, batch.width, batch.step);
        self.miner
            .each(&table, batch.labels, how, |a, p, n| found.push([a, p, n]));
        found
    }
}

impl Metric for TripletLoss {
    const NAME: &'static str = "TripletLoss";
    const OF_PAIRS: bool = true;

    fn validate(&self) -> Result<()> {
        if let Some(margin) = self.margin {
            above_zero(Self::NAME, "margin", margin)
                .map_err(|e| e.fix("0.2 is a good start; or .soft_margin()"))?;
        }
        self.miner.validate()?;
        let wrong = |what: &str, remedy: &str| Err(Error::spec(what).at(Self::NAME).fix(remedy));
        match self.miner {
            Miner::SemiHard if self.margin.is_none() => wrong(
                "semi-hard triplets lie within a margin, and a soft one has no size",
                "give .margin(0.2), or take another miner",
            ),
            Miner::DistanceWeighted { .. } if self.squared || !self.normalized => wrong(
                "triplets drawn by distance need Euclidean distances of embeddings of length 1",
                "leave out .squared(true) and .normalized(false), or take another miner",
            ),
            _ => Ok(()),
        }
    }

    fn of(&mut self, batch: Batch<'_>, slopes: &mut [f32]) -> Result<f64> {
        let (n, width) = (batch.labels.len(), batch.width);
        let (unit, distances, table) = self.geometry(&batch);
        let x = unit.as_ref().map_or(batch.x, |unit| &unit.rows);
        let mut by = vec![0.0f32; n * n];
        let (mut total, mut count) = (0.0f64, 0u64);
        let how = (self.margin, width, batch.step);
        self.miner.each(&table, batch.labels, how, |a, p, q| {
            let over = table[a * n + p] - table[a * n + q];
            let (loss, slope) = match self.margin {
                Some(margin) => match over + margin as f32 {
                    loss if loss > 0.0 => (f64::from(loss), 1.0),
                    _ => (0.0, 0.0),
                },
                // log(1 + e^x) and its slope, without a power that overflows.
                None => {
                    let power = f64::from(-over.abs()).exp();
                    let small = power / (1.0 + power);
                    let slope = if over > 0.0 { 1.0 - small } else { small };
                    (f64::from(over.max(0.0)) + power.ln_1p(), slope as f32)
                }
            };
            count += u64::from(self.over_all || loss > 0.0);
            total += loss;
            by[a * n + p] += slope;
            by[a * n + q] -= slope;
        });
        if count == 0 {
            return Ok(0.0);
        }
        let share = (1.0 / count as f64) as f32;
        for (by, &distance) in by.iter_mut().zip(&table) {
            *by *= match (self.squared, distance > 0.0) {
                (true, _) => share,
                // d = sqrt(d²).
                (false, true) => share * 0.5 / distance,
                (false, false) => 0.0,
            };
        }
        match unit.as_ref() {
            Some(unit) => {
                let mut by_unit = vec![0.0; x.len()];
                distances.back(&mut by, x, width, &mut by_unit);
                unit.back(&by_unit, slopes);
            }
            None => distances.back(&mut by, x, width, slopes),
        }
        Ok(total / count as f64)
    }
}
