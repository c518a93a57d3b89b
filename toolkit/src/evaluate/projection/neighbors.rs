//! Who is near whom: the nearest of each example, and whether those of a picture are [near](trustworthiness) in the data.

use rayon::prelude::*;

use crate::data::Dataset;
use crate::{Error, Number, Result};

/// Whether the `neighbors` nearest of each example in `picture` are near in `data` too, from 0 to 1 (Venna and Kaski 2001):
/// 1 - 2 / (n k (2n - 3k - 1)) sum_i sum_j (r(i, j) - k), over the j among the k nearest of i in the picture that are not
/// in the data, of which r(i, j) says the how many-th nearest of i they are there. A picture at random has about 0.5.
///
/// ```
/// use jook::prelude::*;
/// use jook::evaluate::trustworthiness;
/// let iris = datasets::iris()?;
/// assert!(trustworthiness(&iris, &iris.pca(2)?, 5)? > 0.95);
/// # Ok::<(), jook::Error>(())
/// ```
///
/// # Errors
/// When the two are of different numbers of examples, or there are not more than twice as many as neighbours.
pub fn trustworthiness(data: &Dataset, picture: &Dataset, neighbors: impl Number) -> Result<f64> {
    let (n, place) = (data.len(), || {
        format!("trustworthiness of dataset {}", picture.name())
    });
    if picture.len() != n {
        return Err(Error::data(format!(
            "expected {n} examples, as in the data, found {}",
            picture.len()
        ))
        .at(place()));
    }
    let k = neighbors.whole(1).map_err(|e| e.at(place()))?;
    if k.saturating_mul(2) >= n as u64 {
        return Err(Error::spec(format!(
            "expected fewer neighbours than half of the {n} examples, found {k}"
        ))
        .at(place())
        .fix("ask for fewer neighbours"));
    }
    let k = k as usize;
    let near = nearest(picture, k);
    let too_far = |i: usize| -> u64 {
        let mut ranks = vec![0; n];
        for (rank, (_, j)) in by_distance(data, i).into_iter().enumerate() {
            ranks[j as usize] = rank + 1;
        }
        let over = |&(_, j): &(f64, u32)| ranks[j as usize].saturating_sub(k) as u64;
        near[i].iter().map(over).sum()
    };
    let sum: u64 = (0..n).into_par_iter().map(too_far).sum();
    let (n, k) = (n as f64, k as f64);
    Ok(1.0 - 2.0 / (n * k * (2.0 * n - 3.0 * k - 1.0)) * sum as f64)
}

/// The `k` nearest others of each example with their squared distances, the nearest first; of two that are as near the
/// first of the examples.
pub(super) fn nearest(data: &Dataset, k: usize) -> Vec<Vec<(f64, u32)>> {
    let of = |i| {
        let mut all = by_distance(data, i);
        all.truncate(k);
        all
    };
    (0..data.len()).into_par_iter().map(of).collect()
}

/// All others with their squared distances from example `i`, the nearest first.
fn by_distance(data: &Dataset, i: usize) -> Vec<(f64, u32)> {
    let own = data.row(i);
    let square = |row: &[f32]| -> f64 {
        let differences = row.iter().zip(own).map(|(&a, &b)| f64::from(a) - f64::from(b));
        differences.map(|d| d * d).sum()
    };
    let mut all: Vec<(f64, u32)> = data.rows().map(square).zip(0..).collect();
    all.swap_remove(i);
    all.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
    all
}
