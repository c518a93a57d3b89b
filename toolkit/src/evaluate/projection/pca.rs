//! [`Pca`]: principal components (Pearson 1901; Hotelling 1933).

use nalgebra::{DMatrix, SymmetricEigen};
use rayon::prelude::*;

use crate::data::Dataset;
use crate::show::{Bundle, Show, Table, readable_number};
use crate::{Error, Number, Result};

/// The most rows and columns of a table whose eigenvectors are looked for: it takes their number to the third.
const MOST: usize = 3000;

/// The directions in which data spread most, and how much: fitted on one part of the data, applied to any.
///
/// Data are centered and not scaled; standardize features of different units first. The sign of a component is such that
/// its number of largest size is positive, as in scikit-learn. All is computed in 64 bits.
///
/// ```
/// use jook::prelude::*;
/// let parts = datasets::iris()?.split(0.3, 0)?.standardized()?;
/// let pca = Pca::fit(&parts.train, 2)?;
/// assert!(pca.explained_share().iter().sum::<f64>() > 0.9);
/// let test = pca.apply(&parts.test)?; // a dataset of two features, with the labels of the test part
/// assert_eq!((test.len(), test.width()), (parts.test.len(), 2));
/// # Ok::<(), jook::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Pca {
    mean: Vec<f64>,
    components: Vec<f64>,
    variance: Vec<f64>,
    share: Vec<f64>,
}

impl Pca {
    /// The first `components` of `data`, those of the largest variance first.
    ///
    /// # Errors
    /// When there are fewer than two examples, fewer examples or features than components, or more than 3,000 of both.
    pub fn fit(data: &Dataset, components: impl Number) -> Result<Self> {
        let (n, width, place) = (data.len(), data.width(), || {
            format!("PCA of dataset {}", data.name())
        });
        let count = components.whole(1).map_err(|e| e.at(place()))?;
        if n < 2 {
            return Err(Error::data(format!("expected two examples or more, found {n}")).at(place()));
        }
        let most = n.min(width);
        if count > most as u64 {
            return Err(Error::spec(format!(
                "expected 1 to {most} components of {n} examples of {width} features, found {count}"
            ))
            .at(place())
            .fix("ask for fewer"));
        }
        if most > MOST {
            return Err(Error::data(format!(
                "expected at most {MOST} examples or {MOST} features, found {n} of {width}"
            ))
            .at(place())
            .fix("fit it on a part of the examples, and apply it to all"));
        }
        let count = count as usize;
        let mut mean = vec![0.0; width];
        for row in data.rows() {
            row.iter()
                .zip(&mut mean)
                .for_each(|(&x, sum)| *sum += f64::from(x));
        }
        mean.iter_mut().for_each(|sum| *sum /= n as f64);
        let centered = centered(data, &mean);
        let total: f64 = centered.iter().map(|x| x * x).sum();
        let (squares, mut found) = match width <= n {
            true => largest(products(&centered, width), width, count),
            // The same by the products of examples, of which there are fewer: X^T u is along a component.
            false => {
                let (squares, of_examples) = largest(products(&transposed(&centered, width), n), n, count);
                let back = |u: &[f64]| {
                    let mut along = vec![0.0; width];
                    for (row, &u) in centered.chunks_exact(width).zip(u) {
                        along.iter_mut().zip(row).for_each(|(sum, x)| *sum += u * x);
                    }
                    along
                };
                (squares, of_examples.chunks_exact(n).flat_map(back).collect())
            }
        };
        orthonormal(&mut found, width);
        found.chunks_exact_mut(width).for_each(turn);
        Ok(Self {
            mean,
            components: found,
            share: squares
                .iter()
                .map(|s| if total > 0.0 { s / total } else { 0.0 })
                .collect(),
            variance: squares.iter().map(|s| s / (n - 1) as f64).collect(),
        })
    }

    /// Where the examples of `data` are along the components: a dataset of as many features, with the same targets.
    ///
    /// # Errors
    /// When they have other than as many features as those it was fitted on, or their places are no 32-bit numbers.
    pub fn apply(&self, data: &Dataset) -> Result<Dataset> {
        let width = self.mean.len();
        if data.width() != width {
            return Err(Error::data(format!(
                "expected {width} features, as PCA was fitted on, found {}",
                data.width()
            ))
            .at(format!("dataset {}", data.name())));
        }
        let along = |row: &[f64]| -> Vec<f32> {
            let of = |component: &[f64]| row.iter().zip(component).map(|(x, c)| x * c).sum::<f64>() as f32;
            self.components.chunks_exact(width).map(of).collect()
        };
        let places = centered(data, &self.mean)
            .par_chunks_exact(width)
            .flat_map_iter(along)
            .collect();
        projected(data, "PCA", self.axes(), places)
    }

    /// The mean of each feature, which is taken from it.
    pub fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// The components, each a row of length 1 of as many numbers as there are features.
    pub fn components(&self) -> &[f64] {
        &self.components
    }

    /// The variance along each component, the sum of squares over n - 1.
    #[doc(alias = "explained_variance_")]
    pub fn explained_variance(&self) -> &[f64] {
        &self.variance
    }

    /// The share of all variance along each component; 0 where all examples are alike.
    #[doc(alias = "explained_variance_ratio_")]
    pub fn explained_share(&self) -> &[f64] {
        &self.share
    }

    /// What an axis along each component is called.
    fn axes(&self) -> Vec<String> {
        let name =
            |(i, share): (usize, &f64)| format!("component {}, {:.0}% of variance", i + 1, 100.0 * share);
        self.share.iter().enumerate().map(name).collect()
    }
}

impl Dataset {
    /// The examples along their first principal components: [`Pca::fit`] and [`Pca::apply`] on the same data.
    ///
    /// ```
    /// use jook::prelude::*;
    /// let wine = datasets::wine()?.split(0.3, 0)?.standardized()?.train;
    /// let plane = wine.pca(2)?;
    /// assert_eq!((plane.len(), plane.width()), (wine.len(), 2));
    /// let _ = plane.chart();
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Pca::fit`].
    pub fn pca(&self, components: impl Number) -> Result<Dataset> {
        Pca::fit(self, components)?.apply(self)
    }
}

impl Show for Pca {
    fn bundle(&self) -> Bundle {
        let mut table = Table::new(["component", "variance", "share", "together"]);
        let mut together = 0.0;
        for (i, (variance, share)) in self.variance.iter().zip(&self.share).enumerate() {
            together += share;
            let percent = |x: f64| format!("{:.1}%", 100.0 * x);
            table = table.row([
                (i + 1).to_string(),
                readable_number(*variance),
                percent(*share),
                percent(together),
            ]);
        }
        table.bundle()
    }
}

/// The examples of `data` at other places, with their targets.
pub(super) fn projected(data: &Dataset, how: &str, axes: Vec<String>, places: Vec<f32>) -> Result<Dataset> {
    Dataset::new(format!("{how} of {}", data.name()), axes.len(), places)?
        .with_feature_names(axes)?
        .standing_for(data)
}

fn centered(data: &Dataset, mean: &[f64]) -> Vec<f64> {
    let row = |row: &'_ [f32]| -> Vec<f64> { row.iter().zip(mean).map(|(&x, m)| f64::from(x) - m).collect() };
    data.rows().flat_map(row).collect()
}

fn transposed(x: &[f64], width: usize) -> Vec<f64> {
    let n = x.len() / width;
    (0..width)
        .flat_map(|j| (0..n).map(move |i| x[i * width + j]))
        .collect()
}

/// X^T X, whole: each entry a sum over the rows in their order, on any number of threads.
fn products(x: &[f64], width: usize) -> Vec<f64> {
    let mut found = vec![0.0; width * width];
    found
        .par_chunks_exact_mut(width)
        .enumerate()
        .for_each(|(i, sums)| {
            for row in x.chunks_exact(width) {
                let own = row[i];
                sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += own * x);
            }
        });
    found
}

/// The largest eigenvalues of a symmetric table, 0 or more, and their eigenvectors, one after another.
fn largest(table: Vec<f64>, n: usize, count: usize) -> (Vec<f64>, Vec<f64>) {
    let found = SymmetricEigen::new(DMatrix::from_vec(n, n, table));
    let mut order: Vec<usize> = (0..n).collect();
    order.sort_by(|&a, &b| found.eigenvalues[b].total_cmp(&found.eigenvalues[a]));
    order.truncate(count);
    let vector = |&i: &usize| found.eigenvectors.column(i).iter().copied().collect::<Vec<f64>>();
    (
        order.iter().map(|&i| found.eigenvalues[i].max(0.0)).collect(),
        order.iter().flat_map(vector).collect(),
    )
}

/// Makes each vector of length 1 and at right angles to those before. What is left of one without a direction, where the
/// data have none to give, is replaced by an axis that is.
fn orthonormal(vectors: &mut [f64], width: usize) {
    let longest = vectors
        .chunks_exact(width)
        .map(length)
        .fold(f64::MIN_POSITIVE, f64::max);
    for i in 0..vectors.len() / width {
        let (before, rest) = vectors.split_at_mut(i * width);
        let own = &mut rest[..width];
        let mut axis = 0;
        let mut least = 1e-7 * longest;
        loop {
            let start = length(own);
            // Twice: once is not enough where little is left.
            for _ in 0..2 {
                for other in before.chunks_exact(width) {
                    let along: f64 = own.iter().zip(other).map(|(a, b)| a * b).sum();
                    own.iter_mut().zip(other).for_each(|(a, b)| *a -= along * b);
                }
            }
            let left = length(own);
            if left > least && left > 1e-7 * start {
                own.iter_mut().for_each(|x| *x /= left);
                break;
            }
            own.fill(0.0);
            own[axis] = 1.0;
            (axis, least) = (axis + 1, 1e-3 / width as f64);
        }
    }
}

fn length(x: &[f64]) -> f64 {
    x.iter().map(|x| x * x).sum::<f64>().sqrt()
}

/// Turns a component so that its number of largest size is positive.
fn turn(component: &mut [f64]) {
    let largest = component
        .iter()
        .fold(0.0f64, |most, &x| if x.abs() > most.abs() { x } else { most });
    if largest < 0.0 {
        component.iter_mut().for_each(|x| *x = -*x);
    }
}
