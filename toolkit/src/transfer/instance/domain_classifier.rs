//! [`DomainClassifier`]: weights by the odds of a classifier of target against source.

use nalgebra::{DMatrix, DVector};

use super::{Estimate, Weights, check, features};
use crate::data::Dataset;
use crate::seed::{shuffle, stream};
use crate::{Error, Number, Result};

/// Rounds of Newton's at most, and the step that ends them.
const ROUNDS: usize = 100;
const ENOUGH: f64 = 1e-10;

/// w = n_s / n_t x p(target given x) / p(source given x) by a logistic regression of target against source (Bickel, Brückner
/// and Scheffer 2007; IWC). The weight of an example is by a classifier that has not seen it: the source's and the target's
/// examples are cut into parts, and each part is judged by what was fitted on the others. A classifier that has learned its
/// examples by heart would give weights near 0 to all.
///
/// The accuracy on the parts left out is told beside: far above the larger domain's share the two are far apart, and few
/// examples will carry all the weight.
#[derive(Clone, Debug)]
#[doc(alias = "IWC")]
#[doc(alias = "DiscriminatorReweight")]
pub struct DomainClassifier {
    penalty: f64,
    folds: usize,
    seed: u64,
}

impl Default for DomainClassifier {
    fn default() -> Self {
        Self::new()
    }
}

impl DomainClassifier {
    /// With half the squared size of the coefficients as penalty, as in scikit-learn, and five parts.
    pub fn new() -> Self {
        Self {
            penalty: 1.0,
            folds: 5,
            seed: 0,
        }
    }

    /// How much half the squared size of the coefficients counts beside the sum of the log losses, above 0: 1 / C of
    /// scikit-learn. The intercept is free.
    pub fn penalty(mut self, penalty: f64) -> Self {
        self.penalty = penalty;
        self
    }

    /// So many parts, 2 or more.
    ///
    /// # Errors
    /// When there are fewer.
    pub fn folds(mut self, folds: impl Number) -> Result<Self> {
        self.folds = crate::number::count("DomainClassifier::folds", folds, 2)?;
        Ok(self)
    }

    /// What the parts are drawn by.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }
}

/// Rows of features with a 1 behind each, for the intercept.
fn with_ones(x: &[f64], width: usize, rows: &[usize]) -> DMatrix<f64> {
    DMatrix::from_fn(rows.len(), width + 1, |i, j| {
        if j == width { 1.0 } else { x[rows[i] * width + j] }
    })
}

/// The coefficients of a logistic regression, the intercept last: the least of the log losses' sum and half the penalty times
/// the coefficients' squared size, by Newton's steps, halved where they lead up. `x` ends in a column of ones.
pub(super) fn logistic(x: &DMatrix<f64>, positive: &[bool], penalty: f64) -> Result<DVector<f64>> {
    let last = x.ncols() - 1;
    let truth = DVector::from_iterator(positive.len(), positive.iter().map(|&p| f64::from(u8::from(p))));
    let strength = DVector::from_fn(x.ncols(), |j, _| if j == last { 0.0 } else { penalty });
    let value = |b: &DVector<f64>| {
        let z = x * b;
        let losses = z
            .iter()
            .zip(&truth)
            .map(|(z, t)| softplus(*z) - t * z)
            .sum::<f64>();
        losses + 0.5 * b.iter().zip(&strength).map(|(b, s)| s * b * b).sum::<f64>()
    };
    let mut b = DVector::zeros(x.ncols());
    let mut now = value(&b);
    for _ in 0..ROUNDS {
        let p = (x * &b).map(|z| 1.0 / (1.0 + (-z).exp()));
        let slope = x.tr_mul(&(&p - &truth)) + strength.component_mul(&b);
        let mut weighted = x.clone();
        weighted
            .row_iter_mut()
            .zip(&p)
            .for_each(|(mut row, p)| row *= (p * (1.0 - p)).max(1e-12));
        let curvature = x.tr_mul(&weighted) + DMatrix::from_diagonal(&strength);
        let factors = curvature.cholesky().ok_or_else(|| {
            Error::data("the domain classifier's equations have no solution")
                .at("domain classifier")
                .fix("standardize the features, or give a larger penalty")
        })?;
        let step = factors.solve(&slope);
        let mut length = 1.0;
        let (next, at) = loop {
            let next = &b - &step * length;
            let at = value(&next);
            if at <= now || length < 1e-6 {
                break (next, at);
            }
            length /= 2.0;
        };
        b = next;
        let done = now - at <= ENOUGH * (1.0 + at.abs()) && step.amax() * length <= ENOUGH.sqrt() * 1e-2;
        now = at;
        if done {
            break;
        }
    }
    Ok(b)
}

/// log(1 + e^z).
fn softplus(z: f64) -> f64 {
    z.max(0.0) + (-z.abs()).exp().ln_1p()
}

impl Estimate for DomainClassifier {
    fn weigh(&self, source: &Dataset, target: &Dataset) -> Result<Weights> {
        let name = "domain classifier";
        check(name, source, target)?;
        if !(self.penalty > 0.0 && self.penalty.is_finite()) {
            return Err(Error::spec(format!("expected a penalty above 0, found {}", self.penalty)).at(name));
        }
        let (n_s, n_t, width) = (source.len(), target.len(), source.width());
        let folds = self.folds.min(n_s).min(n_t);
        let mut x = features(source);
        x.extend(features(target));
        // Which part each example is in: of both domains as many in each.
        let part = |n: usize, what: &str| -> Vec<usize> {
            let mut parts: Vec<u32> = (0..n as u32).map(|i| i % folds as u32).collect();
            shuffle(&mut parts, &mut stream(self.seed, what));
            parts.into_iter().map(|part| part as usize).collect()
        };
        let mut parts = part(n_s, "parts of the source");
        parts.extend(part(n_t, "parts of the target"));
        let (mut odds, mut right) = (vec![0.0; n_s], 0usize);
        for fold in 0..folds {
            let of = |held: bool| -> Vec<usize> {
                (0..n_s + n_t).filter(|&i| (parts[i] == fold) == held).collect()
            };
            let (learned, held) = (of(false), of(true));
            let positive: Vec<bool> = learned.iter().map(|&i| i >= n_s).collect();
            let b = logistic(&with_ones(&x, width, &learned), &positive, self.penalty)?;
            for (i, z) in held.iter().zip((with_ones(&x, width, &held) * b).iter()) {
                right += usize::from((*z > 0.0) == (*i >= n_s));
                if *i < n_s {
                    // The parts leave each domain the share it has in all.
                    odds[*i] = z.exp() * n_s as f64 / n_t as f64;
                }
            }
        }
        let accuracy = right as f64 / (n_s + n_t) as f64;
        let share = n_s.max(n_t) as f64 / (n_s + n_t) as f64;
        Weights::new(
            name.to_owned(),
            odds,
            vec![("accuracy", accuracy), ("by chance", share)],
        )
    }
}
