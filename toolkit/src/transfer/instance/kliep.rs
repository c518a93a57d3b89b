//! [`Kliep`]: the density ratio of the largest likelihood on the target.

use nalgebra::{DMatrix, DVector};

use super::gaussian::{candidates, centers_of, check_above_zero, gaussians, picked, shuffled};
use super::{Estimate, Weights, check, features};
use crate::data::Dataset;
use crate::{Error, Number, Result};

/// Parts that the target examples which are no centers are cut into, to choose a gamma.
const FOLDS: usize = 5;
/// Rounds at most, and the gain of the mean log-likelihood below which no more are made: for the weights, and for the
/// choice of gamma, where likelihoods differ by far more.
const LAST: (usize, f64) = (20_000, 1e-10);
const CHOICE: (usize, f64) = (300, 1e-5);
/// A center with a mean Gaussian on the source below this has no source near it.
const NEAR: f64 = 1e-12;

/// The Kullback-Leibler importance estimation procedure (Sugiyama et al. 2008): the ratio is a sum of Gaussians around target
/// examples with shares of 0 or more, w = sum_l a_l exp(-gamma |x - c_l|^2); the mean of log w on the target is as large as
/// can be where the mean of w on the source is 1.
///
/// The shares are found by expectation and maximization: a_l is multiplied by the mean over the target of its Gaussian / w,
/// and divided by its mean Gaussian on the source. That keeps the constraint, the likelihood never falls, and no step has a
/// size to be chosen. Gamma is chosen by the likelihood of target examples held out in five parts; centers are none of
/// them: at most half of the target are centers then.
#[derive(Clone, Debug)]
pub struct Kliep {
    centers: usize,
    gammas: Vec<f64>,
    seed: u64,
}

impl Default for Kliep {
    fn default() -> Self {
        Self::new()
    }
}

impl Kliep {
    /// By up to 100 centers.
    pub fn new() -> Self {
        Self {
            centers: 100,
            gammas: Vec::new(),
            seed: 0,
        }
    }

    /// So many target examples at most are centers, drawn by the seed.
    ///
    /// # Errors
    /// When it is none.
    pub fn centers(mut self, most: impl Number) -> Result<Self> {
        self.centers = crate::number::count("Kliep::centers", most, 1)?;
        Ok(self)
    }

    /// The gammas to choose from, above 0; else seven around the median distance of target examples.
    pub fn gammas(mut self, gammas: impl IntoIterator<Item = f64>) -> Self {
        self.gammas = gammas.into_iter().collect();
        self
    }

    /// What the centers and the parts are drawn by.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

/// The shares of the centers, from the mean Gaussians on the source and the Gaussians on the target; and the mean of log w
/// there.
fn shares(
    on_source: &DVector<f64>,
    on_target: &DMatrix<f64>,
    (rounds, enough): (usize, f64),
) -> Result<(DVector<f64>, f64)> {
    let near = on_source.iter().filter(|mean| **mean > NEAR).count();
    let mut shares = on_source.map(|mean| {
        if mean > NEAR {
            1.0 / (near as f64 * mean)
        } else {
            0.0
        }
    });
    let mut before = f64::NEG_INFINITY;
    for _ in 0..rounds {
        let w = on_target * &shares;
        let likelihood = w.map(f64::ln).mean();
        if near == 0 || !likelihood.is_finite() {
            return Err(
                Error::data("some target examples have no center and no source example near them")
                    .at("KLIEP")
                    .fix("give smaller gammas, or standardize the features of both domains alike"),
            );
        }
        let pull = on_target.tr_mul(&w.map(|w| 1.0 / w)) / w.len() as f64;
        for ((share, pull), mean) in shares.iter_mut().zip(&pull).zip(on_source) {
            if *share > 0.0 {
                *share *= pull / mean;
            }
        }
        if likelihood - before < enough {
            return Ok((shares, likelihood));
        }
        before = likelihood;
    }
    Ok((shares, before))
}

/// The mean log-likelihood of target examples held out, `rest` of the target, with these centers.
fn held_out(
    (source, target, width): (&[f64], &[f64], usize),
    (centers, rest): (&[usize], &[usize]),
    gamma: f64,
) -> f64 {
    let at = picked(target, width, centers);
    let on_source = gaussians(source, &at, width, gamma).row_mean().transpose();
    let table = gaussians(target, &at, width, gamma);
    let folds = FOLDS.min(rest.len()).max(2);
    let mut total = 0.0;
    for fold in 0..folds {
        let of = |held: bool| -> Vec<usize> {
            let own = rest
                .iter()
                .enumerate()
                .filter(|(i, _)| (i % folds == fold) == held);
            let own = own.map(|(_, row)| *row);
            match held {
                true => own.collect(),
                false => own.chain(centers.iter().copied()).collect(),
            }
        };
        let Ok((shares, _)) = shares(&on_source, &table.select_rows(&of(false)), CHOICE) else {
            return f64::NEG_INFINITY;
        };
        total += (table.select_rows(&of(true)) * shares).map(f64::ln).sum();
    }
    total / rest.len() as f64
}

impl Estimate for Kliep {
    fn weigh(&self, source: &Dataset, target: &Dataset) -> Result<Weights> {
        check("KLIEP", source, target)?;
        check_above_zero("KLIEP", "gamma", &self.gammas)?;
        let (xs, xt, width) = (features(source), features(target), source.width());
        let order = shuffled(target.len(), self.seed, "centers");
        let gammas = candidates(&self.gammas, &xt, width, &order);
        let (centers, rest) = centers_of(&order, self.centers, gammas.len() > 1);
        let gamma = match gammas[..] {
            [only] => only,
            _ => {
                let score = |gamma: f64| held_out((&xs, &xt, width), (centers, rest), gamma);
                let scored = gammas.iter().map(|&gamma| (gamma, score(gamma)));
                // A gamma whose likelihood is no number is no candidate.
                let scored = scored
                    .map(|(gamma, score)| (gamma, if score.is_nan() { f64::NEG_INFINITY } else { score }));
                scored
                    .max_by(|a, b| a.1.total_cmp(&b.1))
                    .map_or(gammas[0], |best| best.0)
            }
        };
        let at = picked(&xt, width, centers);
        let table = gaussians(&xs, &at, width, gamma);
        let (shares, likelihood) = shares(
            &table.row_mean().transpose(),
            &gaussians(&xt, &at, width, gamma),
            LAST,
        )?;
        let numbers = (table * shares).iter().copied().collect();
        Weights::new(
            "KLIEP".to_owned(),
            numbers,
            vec![("gamma", gamma), ("mean log ratio", likelihood)],
        )
    }
}
