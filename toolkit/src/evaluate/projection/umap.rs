//! [`Umap`]: uniform manifold approximation and projection (McInnes et al. 2018).
//!
//! Our own: of the crates one draws from the thread's generator and lets threads race for the places, and the others bring
//! more to compile than the rest of this one.

use std::fmt;

use rand::Rng as _;
use serde::{Deserialize, Serialize};

use super::neighbors::nearest;
use super::pca::{Pca, projected};
use crate::data::Dataset;
use crate::show::Progress;
use crate::{Error, Result, interrupt, seed};

/// The most that one example moves in one step, along an axis.
const MOST: f64 = 4.0;
/// Examples that each is pushed away from for one that it is drawn to.
const REPELLED: f64 = 5.0;

/// A picture of data in the plane in which near examples stay near and groups apart: UMAP (McInnes et al. 2018), with the
/// numbers of umap-learn and from the principal components on. Distances between far groups say little in it.
///
/// The seed decides it, on any number of threads. It has no way to place further examples: embed training and test part
/// together.
///
/// ```
/// use jook::prelude::*;
/// let iris = datasets::iris()?.split(0.3, 0)?.standardized()?.train;
/// let plane = Umap::new().neighbors(10).epochs(100).seed(7).run(&iris)?;
/// assert_eq!((plane.len(), plane.width()), (iris.len(), 2));
/// # Ok::<(), jook::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Umap {
    neighbors: usize,
    least_distance: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    epochs: Option<usize>,
    seed: u64,
}

impl Default for Umap {
    fn default() -> Self {
        Self::new()
    }
}

impl Umap {
    /// With 15 neighbours, a least distance of 0.1, and 500 passes (200 of more than 10,000 examples).
    pub fn new() -> Self {
        Self {
            neighbors: 15,
            least_distance: 0.1,
            epochs: None,
            seed: 0,
        }
    }

    /// How many examples are near one, itself among them: 2 or more, and no more than there are. Few show detail, many
    /// the whole.
    pub fn neighbors(mut self, neighbors: usize) -> Self {
        self.neighbors = neighbors;
        self
    }

    /// How near two examples may come, 0 or more and below 1.
    #[doc(alias = "min_dist")]
    pub fn least_distance(mut self, distance: f64) -> Self {
        self.least_distance = distance;
        self
    }

    /// Passes, 1 or more.
    pub fn epochs(mut self, epochs: usize) -> Self {
        self.epochs = Some(epochs);
        self
    }

    /// What decides where it starts and whom it is pushed away from.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// The picture: a dataset of two features, with the targets of `data`. The Stop button ends it with the picture as it
    /// is by then.
    ///
    /// # Errors
    /// When there are fewer than 3 examples, or a setting is out of range.
    pub fn run(&self, data: &Dataset) -> Result<Dataset> {
        let (n, place) = (data.len(), || format!("UMAP of dataset {}", data.name()));
        if n < 3 {
            return Err(Error::data(format!("expected 3 examples or more, found {n}")).at(place()));
        }
        if !(2..=n).contains(&self.neighbors) {
            return Err(Error::spec(format!(
                "expected 2 to {n} neighbours, of {n} examples, found {}",
                self.neighbors
            ))
            .at(place())
            .fix(format!("take .neighbors({})", 15.min(n / 2).max(2))));
        }
        let epochs = self.epochs.unwrap_or(if n > 10_000 { 200 } else { 500 });
        if epochs == 0 || !(0.0..1.0).contains(&self.least_distance) {
            return Err(Error::spec(format!(
                "expected 1 epoch or more and a least distance of 0 and below 1, found {epochs} and {}",
                self.least_distance
            ))
            .at(place()));
        }
        let edges = edges(data, self.neighbors);
        let places = self.layout(self.start(data)?, &edges, epochs);
        let places = places.into_iter().flatten().map(|x| x as f32).collect();
        projected(
            data,
            "UMAP",
            vec!["UMAP 1".to_owned(), "UMAP 2".to_owned()],
            places,
        )
    }

    /// Where the examples start: at their principal components, up to 10 from the middle, a little apart from each other.
    fn start(&self, data: &Dataset) -> Result<Vec<[f64; 2]>> {
        let places = Pca::fit(data, 2.min(data.width()))?.apply(data)?;
        let largest = places
            .features()
            .iter()
            .fold(0.0f64, |most, x| most.max(f64::from(x.abs())));
        let scale = if largest > 0.0 { 10.0 / largest } else { 0.0 };
        let mut rng = seed::stream(self.seed, "UMAP start");
        let mut place = |row: &[f32]| {
            [0, 1].map(|j| {
                let given = row.get(j).copied().map_or(0.0, f64::from);
                scale * given + 1e-4 * seed::normal(&mut rng)
            })
        };
        Ok(places.rows().map(&mut place).collect())
    }

    /// Moves the examples: each edge as often as its weight says, one after another.
    fn layout(&self, mut places: Vec<[f64; 2]>, edges: &[Edge], epochs: usize) -> Vec<[f64; 2]> {
        let (a, b) = curve(self.least_distance);
        let heaviest = edges.iter().fold(f64::MIN_POSITIVE, |most, e| most.max(e.weight));
        let edges: Vec<&Edge> = edges
            .iter()
            .filter(|e| e.weight >= heaviest / epochs as f64)
            .collect();
        let every: Vec<f64> = edges.iter().map(|e| heaviest / e.weight).collect();
        let mut next = every.clone();
        let mut next_apart: Vec<f64> = every.iter().map(|every| every / REPELLED).collect();
        let n = places.len() as u32;
        let mut rng = seed::stream(self.seed, "UMAP");
        let (scope, progress) = (interrupt::scope(), Progress::new("UMAP", epochs));
        for epoch in 0..epochs {
            let rate = 1.0 - epoch as f64 / epochs as f64;
            for (i, edge) in edges.iter().enumerate() {
                if next[i] > epoch as f64 {
                    continue;
                }
                let (from, to) = (edge.from as usize, edge.to as usize);
                let (difference, square) = between(places[from], places[to]);
                if square > 0.0 {
                    let power = square.powf(b);
                    let pull = -2.0 * a * b * power / square / (a * power + 1.0);
                    for j in 0..2 {
                        let by = rate * (pull * difference[j]).clamp(-MOST, MOST);
                        places[from][j] += by;
                        places[to][j] -= by;
                    }
                }
                next[i] += every[i];
                let apart = every[i] / REPELLED;
                let times = ((epoch as f64 - next_apart[i]) / apart).max(0.0) as usize;
                for _ in 0..times {
                    let other = rng.random_range(0..n) as usize;
                    if other == from {
                        continue;
                    }
                    let (difference, square) = between(places[from], places[other]);
                    if square > 0.0 {
                        let push = 2.0 * b / ((0.001 + square) * (a * square.powf(b) + 1.0));
                        for j in 0..2 {
                            places[from][j] += rate * (push * difference[j]).clamp(-MOST, MOST);
                        }
                    }
                }
                next_apart[i] += times as f64 * apart;
            }
            progress.step(epoch + 1, "");
            if scope.requested() {
                progress.finish("stopped: the picture as it was by then");
                return places;
            }
        }
        progress.finish("");
        places
    }
}

/// How much two examples belong together, from above 0 to 1; each pair has one edge from either end.
struct Edge {
    from: u32,
    to: u32,
    weight: f64,
}

/// The fuzzy union of each example's view of its neighbours (McInnes et al. 2018, section 3.1).
fn edges(data: &Dataset, neighbors: usize) -> Vec<Edge> {
    let near = nearest(data, neighbors - 1);
    let sum: f64 = near.iter().flatten().map(|(square, _)| square.sqrt()).sum();
    let mean = sum / (near.len() * neighbors) as f64;
    // In units of the mean distance, which the edges do not depend on.
    let scale = if mean > 0.0 { 1.0 / mean } else { 1.0 };
    let view = |row: &Vec<(f64, u32)>| -> Vec<(u32, f64)> {
        let distances: Vec<f64> = row.iter().map(|(square, _)| scale * square.sqrt()).collect();
        let nearest = distances.iter().copied().find(|&d| d > 0.0).unwrap_or(0.0);
        let own = distances.iter().sum::<f64>() / neighbors as f64;
        let least = 1e-3 * if nearest > 0.0 { own } else { 1.0 };
        let width = width(&distances, nearest, (neighbors as f64).log2()).max(least);
        let weight = |d: f64| match d - nearest {
            over if over <= 0.0 => 1.0,
            over => (-over / width).exp(),
        };
        row.iter()
            .zip(distances)
            .map(|(&(_, j), d)| (j, weight(d)))
            .collect()
    };
    let views: Vec<Vec<(u32, f64)>> = near.iter().map(view).collect();
    let mut all: Vec<(u32, u32, f64)> = Vec::new();
    for (i, view) in (0u32..).zip(&views) {
        for &(j, weight) in view {
            all.extend([(i, j, weight), (j, i, weight)]);
        }
    }
    all.sort_unstable_by(|a, b| (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2)));
    all.chunk_by(|a, b| (a.0, a.1) == (b.0, b.1))
        .map(|seen| {
            // Both ends see each other, or one does.
            let one = seen[0].2;
            let other = seen.get(1).map_or(0.0, |seen| seen.2);
            Edge {
                from: seen[0].0,
                to: seen[0].1,
                weight: one + other - one * other,
            }
        })
        .filter(|edge| edge.weight > 0.0)
        .collect()
}

/// The width at which the weights of an example's neighbours add up to `sum`.
fn width(distances: &[f64], nearest: f64, sum: f64) -> f64 {
    let (mut low, mut high, mut width) = (0.0, f64::INFINITY, 1.0);
    for _ in 0..64 {
        let found: f64 = distances
            .iter()
            .map(|d| {
                if *d > nearest {
                    (-(d - nearest) / width).exp()
                } else {
                    1.0
                }
            })
            .sum();
        if (found - sum).abs() < 1e-5 {
            break;
        }
        if found > sum {
            high = width;
            width = 0.5 * (low + high);
        } else {
            low = width;
            width = if high.is_infinite() {
                2.0 * width
            } else {
                0.5 * (low + high)
            };
        }
    }
    width
}

/// a and b of 1 / (1 + a d^(2b)), the nearest to a curve that is 1 up to the least distance and exp(least - d) beyond:
/// by Levenberg and Marquardt's steps, over distances of 0 to 3.
pub(super) fn curve(least: f64) -> (f64, f64) {
    let points: Vec<(f64, f64)> = (1..300)
        .map(|i| 3.0 * f64::from(i) / 299.0)
        .map(|d| (d, if d < least { 1.0 } else { (least - d).exp() }))
        .collect();
    let value = |a: f64, b: f64, d: f64| 1.0 / (1.0 + a * d.powf(2.0 * b));
    let error = |a: f64, b: f64| -> f64 { points.iter().map(|&(d, y)| (value(a, b, d) - y).powi(2)).sum() };
    let (mut a, mut b, mut damping) = (1.0f64, 1.0f64, 1e-3);
    for _ in 0..200 {
        let (mut aa, mut ab, mut bb, mut ra, mut rb) = (0.0, 0.0, 0.0, 0.0, 0.0);
        for &(d, y) in &points {
            let found = value(a, b, d);
            let power = d.powf(2.0 * b);
            let by_a = -found * found * power;
            let by_b = -found * found * a * power * 2.0 * d.ln();
            let off = y - found;
            aa += by_a * by_a;
            ab += by_a * by_b;
            bb += by_b * by_b;
            ra += by_a * off;
            rb += by_b * off;
        }
        let (da, db) = (aa * (1.0 + damping), bb * (1.0 + damping));
        let whole = da * db - ab * ab;
        let (step_a, step_b) = ((ra * db - rb * ab) / whole, (rb * da - ra * ab) / whole);
        let better = a + step_a > 0.0 && b + step_b > 0.0 && error(a + step_a, b + step_b) < error(a, b);
        if better {
            (a, b, damping) = (a + step_a, b + step_b, damping / 3.0);
        } else {
            damping *= 4.0;
        }
    }
    (a, b)
}

fn between(one: [f64; 2], other: [f64; 2]) -> ([f64; 2], f64) {
    let difference = [one[0] - other[0], one[1] - other[1]];
    (
        difference,
        difference[0] * difference[0] + difference[1] * difference[1],
    )
}

impl fmt::Display for Umap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "UMAP, {} neighbours, least distance {}",
            self.neighbors, self.least_distance
        )?;
        if let Some(epochs) = self.epochs {
            write!(f, ", {epochs} epochs")?;
        }
        write!(f, ", seed {}", self.seed)
    }
}
