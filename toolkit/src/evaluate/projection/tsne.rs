//! [`Tsne`]: t-distributed stochastic neighbour embedding (van der Maaten and Hinton 2008).

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use bhtsne::{Neighbor, tSNE};
use serde::{Deserialize, Serialize};

use super::neighbors::nearest;
use super::pca::{Pca, projected};
use crate::data::Dataset;
use crate::show::Progress;
use crate::{Error, Result, interrupt, seed};

/// The deviation of where examples start, along the first axis, as in the paper.
const START: f64 = 1e-4;

/// A picture of data in the plane in which near examples stay near: t-SNE (van der Maaten and Hinton 2008) by Barnes and
/// Hut's trees (van der Maaten 2014). Distances between groups, and how wide a group is, say nothing in it.
///
/// It starts from the first two principal components, as scikit-learn's does: the same data give the same bits on any
/// number of threads. With a [`seed`](Self::seed) it starts from anywhere, which tells what of a picture is chance. It has no way to place further examples: embed training and test part together.
///
/// ```
/// use jook::prelude::*;
/// let iris = datasets::iris()?.split(0.3, 0)?.standardized()?.train;
/// let plane = Tsne::new().perplexity(15.0).epochs(300).run(&iris)?;
/// assert_eq!((plane.len(), plane.width()), (iris.len(), 2));
/// # Ok::<(), jook::Error>(())
/// ```
#[doc(alias = "TSNE")]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Tsne {
    perplexity: f64,
    epochs: usize,
    exaggeration: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seed: Option<u64>,
}

impl Default for Tsne {
    fn default() -> Self {
        Self::new()
    }
}

impl Tsne {
    /// With a perplexity of 30, 1,000 passes, and forces of attraction 12 times as strong in the first 250.
    pub fn new() -> Self {
        Self {
            perplexity: 30.0,
            epochs: 1000,
            exaggeration: 12.0,
            seed: None,
        }
    }

    /// How many neighbours an example has, roughly: 2 to a third of the other examples. 5 to 50 is usual.
    pub fn perplexity(mut self, perplexity: f64) -> Self {
        self.perplexity = perplexity;
        self
    }

    /// Passes over all examples, 1 or more; 250 of them are for getting apart.
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.epochs = epochs;
        self
    }

    /// How much stronger attraction is in the first 250 passes, 1 or more.
    pub fn exaggeration(mut self, exaggeration: f64) -> Self {
        self.exaggeration = exaggeration;
        self
    }

    /// Starts from places at random instead of from the principal components.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// The picture: a dataset of two features, with the targets of `data`. The Stop button ends it with the picture as it
    /// is by then.
    ///
    /// # Errors
    /// When there are fewer than 7 examples, or a setting is out of range.
    pub fn run(&self, data: &Dataset) -> Result<Dataset> {
        let (n, place) = (data.len(), || format!("t-SNE of dataset {}", data.name()));
        if n < 7 {
            return Err(Error::data(format!("expected 7 examples or more, found {n}")).at(place()));
        }
        let most = (n - 1) / 3;
        if !(2.0..=most as f64).contains(&self.perplexity) {
            return Err(Error::spec(format!(
                "expected a perplexity of 2 to {most}, a third of the others of {n} examples, found {}",
                self.perplexity
            ))
            .at(place())
            .fix(format!(
                "take .perplexity({:.1})",
                (n as f64 / 10.0).clamp(2.0, most as f64)
            )));
        }
        if self.epochs == 0 || !(self.exaggeration >= 1.0 && self.exaggeration.is_finite()) {
            return Err(Error::spec(format!(
                "expected 1 epoch or more and an exaggeration of 1 or more, found {} and {}",
                self.epochs, self.exaggeration
            ))
            .at(place()));
        }
        let start = self.start(data)?;
        let places = self.fit(&neighbors_of(data, (3.0 * self.perplexity) as usize), start)?;
        let places = places.into_iter().map(|x| x as f32).collect();
        let axes = vec!["t-SNE 1".to_owned(), "t-SNE 2".to_owned()];
        projected(data, "t-SNE", axes, places)
    }

    /// Where the examples start.
    fn start(&self, data: &Dataset) -> Result<Vec<f64>> {
        let mut rng = seed::stream(self.seed.unwrap_or_default(), "t-SNE");
        if self.seed.is_some() {
            return Ok((0..2 * data.len())
                .map(|_| START * seed::normal(&mut rng))
                .collect());
        }
        let pca = Pca::fit(data, 2.min(data.width()))?;
        let deviation = pca.explained_variance()[0].sqrt();
        let scale = if deviation > 0.0 { START / deviation } else { 0.0 };
        let places = pca.apply(data)?;
        // A hair's breadth apart: the crate's trees want no two examples in one place.
        let mut place = |row: &[f32]| {
            [0, 1].map(|i| {
                let given = row.get(i).copied().map_or(0.0, f64::from);
                scale * given + 1e-3 * START * seed::normal(&mut rng)
            })
        };
        Ok(places.rows().flat_map(&mut place).collect())
    }

    fn fit(&self, neighbors: &[Vec<Neighbor<f64>>], start: Vec<f64>) -> Result<Vec<f64>> {
        let (scope, progress) = (interrupt::scope(), Progress::new("t-SNE", self.epochs));
        let mut newest = start.clone();
        let examples = vec![(); neighbors.len()];
        let fit = || {
            let newest = &mut newest;
            let mut tsne: tSNE<'_, f64, ()> = tSNE::new(&examples);
            tsne.perplexity(self.perplexity)
                .epochs(self.epochs)
                .early_exaggeration(self.exaggeration)
                .initial_embedding(start);
            tsne.epoch_callback(|epoch, places| {
                newest.copy_from_slice(places);
                progress.step(epoch + 1, "");
                if scope.requested() {
                    // The crate has no way to stop; this one says nothing on its way.
                    resume_unwind(Box::new(Stopped));
                }
            });
            tsne.barnes_hut_with_neighbors(0.5, neighbors);
        };
        // One thread: the crate's sums over examples depend on how they are shared out among threads.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build();
        let pool = pool.map_err(|e| Error::spec(format!("no thread for t-SNE: {e}")))?;
        let stopped = match catch_unwind(AssertUnwindSafe(|| pool.install(fit))) {
            Ok(()) => false,
            Err(cause) if cause.is::<Stopped>() => true,
            Err(cause) => resume_unwind(cause),
        };
        progress.finish(if stopped {
            "stopped: the picture as it was by then"
        } else {
            ""
        });
        match newest.iter().all(|x| x.is_finite()) {
            true => Ok(newest),
            false => Err(Error::data("the places grew beyond all numbers")
                .at("t-SNE")
                .fix("take a smaller exaggeration, or more neighbours by a larger perplexity")),
        }
    }
}

struct Stopped;

/// The nearest of each example. Distances are divided by the mean one, which the picture does not depend on.
fn neighbors_of(data: &Dataset, k: usize) -> Vec<Vec<Neighbor<f64>>> {
    let near = nearest(data, k);
    let sum: f64 = near.iter().flatten().map(|(square, _)| square.sqrt()).sum();
    let mean = sum / (near.len() * k) as f64;
    let scale = if mean > 0.0 { 1.0 / mean } else { 1.0 };
    let neighbor = |(square, j): (f64, u32)| Neighbor {
        index: j as usize,
        distance: scale * square.sqrt(),
    };
    near.into_iter()
        .map(|row| row.into_iter().map(neighbor).collect())
        .collect()
}

impl fmt::Display for Tsne {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "t-SNE, perplexity {}, {} epochs, exaggeration {}",
            self.perplexity, self.epochs, self.exaggeration
        )?;
        match self.seed {
            Some(seed) => write!(f, ", from places of seed {seed}"),
            None => write!(f, ", from the principal components"),
        }
    }
}
