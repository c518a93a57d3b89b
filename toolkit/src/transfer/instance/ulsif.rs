//! [`Ulsif`]: the density ratio by least squares, and its relative form (RuLSIF).

use nalgebra::{DMatrix, DVector, Matrix2, Vector2};

use super::gaussian::{candidates, centers_of, check_above_zero, gaussians, picked, shuffled};
use super::{Estimate, Weights, check, features};
use crate::data::Dataset;
use crate::{Error, Number, Result};

/// The penalties tried where none are given.
const LAMBDAS: [f64; 5] = [1e-3, 1e-2, 1e-1, 1.0, 10.0];

/// Unconstrained least-squares importance fitting (Kanamori, Hido and Sugiyama 2009): the ratio r is a sum of Gaussians
/// around target examples, w = sum_l theta_l exp(-gamma |x - c_l|^2), with theta = (H + lambda I)^-1 h, H the mean of the
/// products of two Gaussians on the source and h the mean of each on the target, negative thetas set to 0.
///
/// [Relative](Self::relative) to a mixture with a share alpha of the target it is RuLSIF (Yamada et al. 2011): H is alpha
/// times its mean on the target and 1 - alpha times that on the source, the ratio stays below 1 / alpha, and its estimate
/// does not suffer where the source is thin.
///
/// Gamma and lambda are chosen by leaving out one example of each domain at a time, in closed form: the mean of
/// alpha w(t)^2 / 2 + (1 - alpha) w(s)^2 / 2 - w(t) over the pairs left out. No center is among the target examples left
/// out, which would favour narrow Gaussians without end: at most half of the target are centers then.
#[derive(Clone, Debug)]
#[doc(alias = "RuLSIF")]
pub struct Ulsif {
    alpha: f64,
    centers: usize,
    gammas: Vec<f64>,
    lambdas: Vec<f64>,
    seed: u64,
}

/// What theta is made of: the mean products of Gaussians on target and source, and the means on the target.
struct Moments {
    target: DMatrix<f64>,
    source: DMatrix<f64>,
    mean: DVector<f64>,
}

impl Default for Ulsif {
    fn default() -> Self {
        Self::new()
    }
}

impl Ulsif {
    /// The plain ratio, by up to 100 centers.
    pub fn new() -> Self {
        Self {
            alpha: 0.0,
            centers: 100,
            gammas: Vec::new(),
            lambdas: Vec::new(),
            seed: 0,
        }
    }

    /// The ratio to a mixture with this share of the target, 0 to below 1; 0.1 in the paper, 0 is the plain ratio.
    pub fn relative(mut self, alpha: f64) -> Self {
        self.alpha = alpha;
        self
    }

    /// So many target examples at most are centers, drawn by the seed.
    ///
    /// # Errors
    /// When it is none.
    pub fn centers(mut self, most: impl Number) -> Result<Self> {
        self.centers = crate::number::count("Ulsif::centers", most, 1)?;
        Ok(self)
    }

    /// The gammas to choose from, above 0; else seven around the median distance of target examples.
    pub fn gammas(mut self, gammas: impl IntoIterator<Item = f64>) -> Self {
        self.gammas = gammas.into_iter().collect();
        self
    }

    /// The penalties to choose from, above 0; else 0.001 to 10.
    pub fn lambdas(mut self, lambdas: impl IntoIterator<Item = f64>) -> Self {
        self.lambdas = lambdas.into_iter().collect();
        self
    }

    /// What the centers and the pairs left out are drawn by.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    fn name(&self) -> String {
        match self.alpha == 0.0 {
            true => "uLSIF".to_owned(),
            false => format!("RuLSIF {}", self.alpha),
        }
    }

    fn moments(source: &DMatrix<f64>, target: &DMatrix<f64>) -> Moments {
        Moments {
            target: target.tr_mul(target) / target.nrows() as f64,
            source: source.tr_mul(source) / source.nrows() as f64,
            mean: target.row_mean().transpose(),
        }
    }

    /// theta, with its negative numbers.
    fn thetas(&self, of: &Moments, lambda: f64) -> Result<DVector<f64>> {
        let table = &of.target * self.alpha + &of.source * (1.0 - self.alpha);
        let all = of.mean.len();
        let factors = (table + DMatrix::identity(all, all) * lambda).cholesky();
        Ok(factors.ok_or_else(|| self.singular(lambda))?.solve(&of.mean))
    }

    fn singular(&self, lambda: f64) -> Error {
        Error::data(format!("the equations have no solution at a lambda of {lambda}"))
            .at(self.name())
            .fix("give larger ones: .lambdas([0.1, 1.0])")
    }

    /// The score with one example of each domain left out at a time, less being better: rows of `left_source` with rows of
    /// `left_target`, which are rows of what the moments are of.
    fn left_out(
        &self,
        of: &Moments,
        (sources, targets): (usize, usize),
        (left_source, left_target): (&DMatrix<f64>, &DMatrix<f64>),
        lambda: f64,
    ) -> Result<f64> {
        let (n_s, n_t, all) = (sources as f64, targets as f64, of.mean.len());
        let (by_target, by_source) = (self.alpha / (n_t - 1.0), (1.0 - self.alpha) / (n_s - 1.0));
        // With one of each left out this table loses by_target t t' and by_source s s': two ranks, which Woodbury's formula
        // takes out of its inverse.
        let table = &of.target * (by_target * n_t) + &of.source * (by_source * n_s);
        let factors = (table + DMatrix::identity(all, all) * lambda).cholesky();
        let factors = factors.ok_or_else(|| self.singular(lambda))?;
        let pairs = left_source.nrows().min(left_target.nrows());
        let (s, t) = (
            left_source.rows(0, pairs).transpose(),
            left_target.rows(0, pairs).transpose(),
        );
        let (solved_s, solved_t, solved_mean) =
            (factors.solve(&s), factors.solve(&t), factors.solve(&of.mean));
        let mut total = 0.0;
        for i in 0..pairs {
            let (s, t) = (s.column(i), t.column(i));
            let (to_s, to_t) = (solved_s.column(i), solved_t.column(i));
            let start = (&solved_mean * n_t - to_t) / (n_t - 1.0);
            let shares = if self.alpha == 0.0 {
                Vector2::new(0.0, s.dot(&start) / (1.0 / by_source - s.dot(&to_s)))
            } else {
                let inner = Matrix2::new(
                    1.0 / by_target - t.dot(&to_t),
                    -t.dot(&to_s),
                    -s.dot(&to_t),
                    1.0 / by_source - s.dot(&to_s),
                );
                let inverse = inner.try_inverse().ok_or_else(|| self.singular(lambda))?;
                inverse * Vector2::new(t.dot(&start), s.dot(&start))
            };
            let thetas = (start + to_t * shares[0] + to_s * shares[1]).map(|x| x.max(0.0));
            let (at_t, at_s) = (thetas.dot(&t), thetas.dot(&s));
            total += 0.5 * self.alpha * at_t * at_t + 0.5 * (1.0 - self.alpha) * at_s * at_s - at_t;
        }
        Ok(total / pairs as f64)
    }

    /// The score of each gamma and lambda, in this order, with the pairs of these rows left out.
    pub(super) fn scores(
        &self,
        (source, target, width): (&[f64], &[f64], usize),
        (centers, left_source, left_target): (&[usize], &[usize], &[usize]),
        (gammas, lambdas): (&[f64], &[f64]),
    ) -> Result<Vec<(f64, f64, f64)>> {
        let at = picked(target, width, centers);
        let mut found = Vec::new();
        for &gamma in gammas {
            let (s, t) = (
                gaussians(source, &at, width, gamma),
                gaussians(target, &at, width, gamma),
            );
            let moments = Self::moments(&s, &t);
            let left = (s.select_rows(left_source), t.select_rows(left_target));
            for &lambda in lambdas {
                let score = self.left_out(&moments, (s.nrows(), t.nrows()), (&left.0, &left.1), lambda)?;
                found.push((gamma, lambda, score));
            }
        }
        Ok(found)
    }
}

impl Estimate for Ulsif {
    fn weigh(&self, source: &Dataset, target: &Dataset) -> Result<Weights> {
        let name = self.name();
        check(&name, source, target)?;
        check_above_zero(&name, "gamma", &self.gammas)?;
        check_above_zero(&name, "lambda", &self.lambdas)?;
        if !(0.0..1.0).contains(&self.alpha) {
            let found = format!("expected a share alpha of 0 to below 1, found {}", self.alpha);
            return Err(Error::spec(found).at(name).fix("0.1 is the paper's"));
        }
        let (xs, xt, width) = (features(source), features(target), source.width());
        let sources = shuffled(source.len(), self.seed, "sources left out");
        let targets = shuffled(target.len(), self.seed, "centers");
        let lambdas = if self.lambdas.is_empty() {
            &LAMBDAS[..]
        } else {
            &self.lambdas
        };
        let gammas = candidates(&self.gammas, &xt, width, &targets);
        let choosing = gammas.len() * lambdas.len() > 1;
        let (centers, rest) = centers_of(&targets, self.centers, choosing);
        let (gamma, lambda) = match choosing {
            false => (gammas[0], lambdas[0]),
            true => {
                let scores = self.scores((&xs, &xt, width), (centers, &sources, rest), (&gammas, lambdas))?;
                let best = scores.iter().min_by(|a, b| a.2.total_cmp(&b.2));
                best.map_or((gammas[0], lambdas[0]), |best| (best.0, best.1))
            }
        };
        let at = picked(&xt, width, centers);
        let (s, t) = (
            gaussians(&xs, &at, width, gamma),
            gaussians(&xt, &at, width, gamma),
        );
        let thetas = self.thetas(&Self::moments(&s, &t), lambda)?.map(|x| x.max(0.0));
        let numbers = (s * thetas).iter().copied().collect();
        Weights::new(name, numbers, vec![("gamma", gamma), ("lambda", lambda)])
    }
}
