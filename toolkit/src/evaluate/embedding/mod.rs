//! [`EmbeddingEvaluation`]: how well the places of examples in an embedding tell their classes.

mod retrieval;
mod roc;
mod show;
#[cfg(test)]
mod tests;

pub use roc::Roc;

use crate::data::Dataset;
use crate::loss::metric::geometry::Unit;
use crate::net::Network;
use crate::{Error, Result};

/// What is measured, and how: see [`EmbeddingEvaluation::of`].
///
/// ```
/// use jook::evaluate::EmbeddingOptions;
/// let options = EmbeddingOptions { recall_at: vec![1, 10], normalized: true, ..Default::default() };
/// # assert_eq!(options.neighbors, 5);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingOptions {
    /// The k of recall@k, each 1 or more.
    pub recall_at: Vec<usize>,
    /// The neighbours that vote for a class, 1 or more.
    pub neighbors: usize,
    /// The false accept rates at which verification is told, 0 to 1.
    pub far: Vec<f64>,
    /// Whether each embedding is scaled to length 1 first: distances then order as cosines do. Losses that do so want it.
    pub normalized: bool,
}

impl Default for EmbeddingOptions {
    fn default() -> Self {
        Self {
            recall_at: vec![1, 2, 4, 8],
            neighbors: 5,
            far: vec![1e-3, 1e-2, 1e-1],
            normalized: false,
        }
    }
}

/// How good an embedding of labelled examples is, by the Euclidean distances between them. Each example is a query among all
/// others; retrieval leaves out those of a class with no other example. Ends a cell as a table and the verification's ROC.
///
/// Of neighbours at one distance the first in the order of the examples is the nearer one.
#[doc(alias = "AccuracyCalculator")]
#[derive(Clone, Debug, PartialEq)]
pub struct EmbeddingEvaluation {
    /// k, and the share of queries with one of their class among the k nearest. At 1 it is precision@1.
    pub recall: Vec<(usize, f64)>,
    /// Mean average precision at R, where R others are of the class of the query: the mean over the R nearest of the
    /// precision up to each that is of the class, 0 for the rest (Musgrave et al. 2020, section 3.2).
    pub map_at_r: f64,
    /// The share of the R nearest that are of the class of the query (Musgrave et al. 2020, section 3.2).
    pub r_precision: f64,
    /// The share of all examples whose class is the most frequent one of their nearest neighbours; of classes that are equally
    /// frequent the one with the nearest neighbour.
    pub knn_accuracy: f64,
    /// The neighbours that vote in [`knn_accuracy`](Self::knn_accuracy).
    pub neighbors: usize,
    /// Mean distance between two examples of one class.
    pub within: f64,
    /// Mean distance between two examples of two classes.
    pub between: f64,
    /// Deciding by distance whether two examples are of one class.
    pub roc: Roc,
    /// Share of pairs of two classes that may be taken for one, and the share of pairs of one class that are then found.
    pub tar_at_far: Vec<(f64, f64)>,
    /// Examples.
    pub n: usize,
    /// Queries of the retrieval.
    pub queries: usize,
}

impl EmbeddingEvaluation {
    /// Of embeddings, rows x `width`, with the class of each row, by the standard [`EmbeddingOptions`].
    ///
    /// ```
    /// use jook::prelude::*;
    /// use jook::evaluate::EmbeddingEvaluation;
    /// let iris = datasets::iris()?.split(0.3, 0)?.standardized()?.train;
    /// let found = EmbeddingEvaluation::of(iris.features(), 4, iris.require_labels()?)?;
    /// assert!(found.recall[0].1 > 0.9 && found.roc.auc > 0.8);
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// When numbers are not finite or do not fit together, or no two examples are of one class, or no two of two.
    pub fn of(embeddings: &[f32], width: usize, labels: &[u32]) -> Result<Self> {
        Self::with(embeddings, width, labels, &EmbeddingOptions::default())
    }

    /// Of what a layer puts out for the examples of a dataset.
    ///
    /// ```
    /// use jook::prelude::*;
    /// use jook::evaluate::{EmbeddingEvaluation, EmbeddingOptions};
    /// let iris = datasets::iris()?.split(0.3, 0)?.standardized()?.train;
    /// let net = Mlp::new([4, 16, 3]).build(0)?;
    /// let found = EmbeddingEvaluation::at_layer(&net, "dense1", &iris, &EmbeddingOptions::default())?;
    /// # assert_eq!(found.n, iris.len());
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`of`](Self::of), and when there is no such layer or the data do not fit the network.
    pub fn at_layer(net: &Network, layer: &str, data: &Dataset, options: &EmbeddingOptions) -> Result<Self> {
        let labels = data.require_labels()?;
        let mut prepared = net.prepare(&[layer])?;
        let found = prepared.run(data.features())?;
        let width = found[0].len() / data.len().max(1);
        Self::with(found[0], width, labels, options)
            .map_err(|e| e.at(format!("layer {layer}, dataset {}", data.name())))
    }

    /// As [`of`](Self::of), by options of one's own.
    ///
    /// # Errors
    /// As [`of`](Self::of), and for options out of range.
    pub fn with(
        embeddings: &[f32],
        width: usize,
        labels: &[u32],
        options: &EmbeddingOptions,
    ) -> Result<Self> {
        check(embeddings, width, labels)?;
        if options.neighbors == 0 || options.recall_at.contains(&0) {
            return Err(Error::spec("expected 1 neighbour or more, found 0").at("embedding options"));
        }
        if let Some(far) = options.far.iter().find(|far| !(0.0..=1.0).contains(*far)) {
            return Err(
                Error::spec(format!("expected false accept rates of 0 to 1, found {far}"))
                    .at("embedding options, far"),
            );
        }
        let unit = options.normalized.then(|| Unit::new(embeddings, width));
        let rows = unit.as_ref().map_or(embeddings, |unit| &unit.rows);
        let found = retrieval::retrieve(rows, width, labels, options);
        let roc = Roc::of(rows, width, labels)?;
        Ok(Self {
            tar_at_far: options.far.iter().map(|&far| (far, roc.tar_at(far))).collect(),
            neighbors: options.neighbors,
            n: labels.len(),
            roc,
            ..found
        })
    }

    /// Mean distance within classes by that between them: the smaller, the tighter the classes.
    pub fn ratio(&self) -> f64 {
        self.within / self.between
    }

    /// Its numbers by name.
    pub(crate) fn numbers(&self) -> Vec<(String, f64)> {
        let recall = self.recall.iter().map(|(k, x)| (format!("recall_at_{k}"), *x));
        let one = |name: &str, x: f64| (name.to_owned(), x);
        let others = [
            one("map_at_r", self.map_at_r),
            one("r_precision", self.r_precision),
            (format!("{}_nn_accuracy", self.neighbors), self.knn_accuracy),
            one("within", self.within),
            one("between", self.between),
            one("ratio", self.ratio()),
            one("auc", self.roc.auc),
        ];
        let verified = self
            .tar_at_far
            .iter()
            .map(|(far, tar)| (format!("tar_at_far_{far}"), *tar));
        recall.chain(others).chain(verified).collect()
    }
}

/// Refuses what has no such numbers.
fn check(embeddings: &[f32], width: usize, labels: &[u32]) -> Result<()> {
    let wrong = |what: String| Error::data(what).at("evaluation of an embedding");
    if width == 0 || labels.is_empty() || embeddings.len() != labels.len() * width {
        return Err(wrong(format!(
            "expected {} x {width} numbers (examples x width) of at least one example, found {}",
            labels.len(),
            embeddings.len()
        ))
        .fix("give one label an example, and the width of an embedding"));
    }
    if let Some(i) = embeddings.iter().position(|x| !x.is_finite()) {
        return Err(wrong(format!(
            "expected finite numbers, found {} in row {}",
            embeddings[i],
            i / width
        ))
        .fix("look for a diverged training: a lower rate, or standardized features"));
    }
    let mut sorted = labels.to_vec();
    sorted.sort_unstable();
    let (pair, two) = (
        sorted.windows(2).any(|w| w[0] == w[1]),
        sorted[0] != sorted[sorted.len() - 1],
    );
    match (pair, two) {
        (true, true) => Ok(()),
        (false, _) => Err(
            wrong("expected two examples of one class, found each of its own".into())
                .fix("evaluate on more examples"),
        ),
        _ => Err(wrong("expected examples of two classes, found one class".into())
            .fix("evaluate on examples of several classes")),
    }
}
