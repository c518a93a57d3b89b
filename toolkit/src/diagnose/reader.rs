//! The reader: a small network that says of each example what the others say of it, by cross-validation. What a run does is
//! judged beside it, and so are labels and parts.

use super::case::drawn;
use crate::data::{Dataset, Shape, Standardizer};
use crate::net::Mlp;
use crate::seed::{shuffle, stream};
use crate::show::quiet;
use crate::train::Recipe;
use crate::{Result, interrupt};

/// Parts of the cross-validation.
const FOLDS: usize = 5;
/// Rows read at most.
pub(super) const ROWS: usize = 2000;
/// Numbers an example at most; of more, random sums are read.
const WIDTH: usize = 256;
const HIDDEN: usize = 32;
const STEPS: usize = 300;

/// The features of these rows of some data as the reader sees them: standardized, and of wide ones random sums of sqrt(width)
/// of them with random signs (Li et al. 2006), which keep distances.
pub(super) fn readable(data: &Dataset, rows: &[usize], seed: u64) -> Result<Dataset> {
    let part = data.subset(rows)?;
    let part = narrowed(&part, seed)?;
    let plain = Dataset::new("read", Shape::Flat(part.width()), part.features().to_vec())?;
    Standardizer::fit(&plain)?.apply(&plain)
}

/// The same, or random sums of its numbers where there are many.
pub(super) fn narrowed(data: &Dataset, seed: u64) -> Result<Dataset> {
    use rand::Rng as _;
    let width = data.width();
    if width <= WIDTH {
        return Dataset::new("read", Shape::Flat(width), data.features().to_vec());
    }
    let mut draw = stream(seed, "random sums");
    let terms = width.isqrt();
    let sums: Vec<Vec<(usize, f32)>> = (0..WIDTH)
        .map(|_| {
            let term = |_| {
                let sign = if draw.random::<bool>() { 1.0 } else { -1.0 };
                (draw.random_range(0..width as u64) as usize, sign)
            };
            (0..terms).map(term).collect()
        })
        .collect();
    let mut made = Vec::with_capacity(data.len() * WIDTH);
    for row in data.rows() {
        made.extend(
            sums.iter()
                .map(|sum| sum.iter().map(|&(at, sign)| sign * row[at]).sum::<f32>()),
        );
    }
    Dataset::new("read", Shape::Flat(WIDTH), made)
}

/// What the reader said of examples that it had not learned from.
pub(super) struct Reading {
    /// The rows that were read, ascending.
    pub rows: Vec<usize>,
    /// Their labels.
    pub labels: Vec<u32>,
    /// Probabilities, rows x classes.
    pub probabilities: Vec<f32>,
    pub classes: usize,
}

impl Reading {
    /// The likeliest class of each row.
    pub fn said(&self) -> Vec<u32> {
        let rows = self.probabilities.chunks_exact(self.classes);
        rows.map(|row| crate::evaluate::largest(row) as u32).collect()
    }

    /// Whether the likeliest class is that of the label.
    pub fn right(&self) -> Vec<bool> {
        let said = self.said();
        said.iter()
            .zip(&self.labels)
            .map(|(said, label)| said == label)
            .collect()
    }
}

/// Reads labelled data, or up to [`ROWS`] rows of them. None with too few rows or classes, or when asked to stop.
pub(super) fn read(data: &Dataset, seed: u64) -> Result<Option<Reading>> {
    let Some(labels) = data.labels() else {
        return Ok(None);
    };
    let rows = drawn(data.len(), ROWS, seed);
    let labels: Vec<u32> = rows.iter().map(|&row| labels[row]).collect();
    if rows.len() < 4 * FOLDS || labels.iter().all(|label| *label == labels[0]) {
        return Ok(None);
    }
    let features = readable(data, &rows, seed)?;
    cross_read(&features, rows, labels, data.classes(), seed)
}

/// Reads examples whose features are readable.
pub(super) fn cross_read(
    features: &Dataset,
    rows: Vec<usize>,
    labels: Vec<u32>,
    classes: usize,
    seed: u64,
) -> Result<Option<Reading>> {
    let names = (0..classes).map(|class| class.to_string()).collect();
    let data = features.clone().with_labels(labels.clone(), names)?;
    let fold_of = dealt(&labels, seed);
    let mut probabilities = vec![0.0; rows.len() * classes];
    for fold in 0..FOLDS {
        if interrupt::requested() {
            return Ok(None);
        }
        let (asked, others): (Vec<usize>, Vec<usize>) = (0..rows.len()).partition(|&i| fold_of[i] == fold);
        if asked.is_empty() {
            continue;
        }
        let mut recipe = Recipe::new().steps(STEPS).batch(32).adam(0.005).decay(0.01);
        recipe.seed = seed.wrapping_add(fold as u64);
        let net = Mlp::new([data.width(), HIDDEN, classes]);
        let run = quiet(|| net.train(&data.subset(&others)?, recipe))?;
        let said = run.predict(&data.subset(&asked)?)?.probabilities()?;
        for (&i, said) in asked.iter().zip(said.chunks_exact(classes)) {
            probabilities[i * classes..][..classes].copy_from_slice(said);
        }
    }
    Ok(Some(Reading {
        rows,
        labels,
        probabilities,
        classes,
    }))
}

/// The fold of each row: the rows of each class dealt round like cards.
fn dealt(labels: &[u32], seed: u64) -> Vec<usize> {
    let mut order: Vec<u32> = (0..labels.len() as u32).collect();
    shuffle(&mut order, &mut stream(seed, "folds"));
    order.sort_by_key(|&row| labels[row as usize]);
    let mut fold_of = vec![0; labels.len()];
    for (place, row) in order.into_iter().enumerate() {
        fold_of[row as usize] = place % FOLDS;
    }
    fold_of
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::datasets;

    #[test]
    fn the_reader_knows_digits_that_it_has_not_seen_and_is_the_same_again() {
        let digits = datasets::digits().unwrap();
        let reading = read(&digits, 3).unwrap().unwrap();
        let right = reading.right().into_iter().filter(|right| *right).count();
        let share = right as f64 / reading.rows.len() as f64;
        assert!(share > 0.93, "{share}");
        let again = read(&digits, 3).unwrap().unwrap();
        assert_eq!(reading.probabilities, again.probabilities);
    }

    #[test]
    fn random_sums_keep_distances() {
        let wide: Vec<f32> = datasets::digits().unwrap().features()[..64 * 40].to_vec();
        // Forty images side by side with themselves: 640 numbers.
        let wide: Vec<f32> = wide.chunks(64).flat_map(|row| row.repeat(10)).collect();
        let data = Dataset::new("wide", 640, wide).unwrap();
        let sums = narrowed(&data, 0).unwrap();
        assert_eq!(sums.width(), WIDTH);
        let distance = |data: &Dataset, a: usize, b: usize| -> f64 {
            let pairs = data.row(a).iter().zip(data.row(b));
            pairs.map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>().sqrt()
        };
        // Each sum has sqrt(640) = 25 of 640 numbers, and there are 256.
        let scale = (256.0 * 25.0 / 640.0f64).sqrt();
        for b in 1..40 {
            let ratio = distance(&sums, 0, b) / distance(&data, 0, b) / scale;
            assert!((0.7..1.4).contains(&ratio), "{ratio}");
        }
    }
}
