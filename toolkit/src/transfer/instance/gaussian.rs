//! Gaussians around some target examples, and how wide they should be.

use nalgebra::DMatrix;

use crate::seed::{shuffle, stream};
use crate::{Error, Result};

/// Examples that the median distance is taken over, at most.
const MEDIAN_OF: usize = 500;
/// The widths tried: gammas of so many times the one of the median distance.
const TRIED: [f64; 7] = [0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0];

/// exp(-gamma |x - c|^2) for each row x and each center c, rows x centers. Both are one after another, of this width.
pub(super) fn gaussians(x: &[f64], centers: &[f64], width: usize, gamma: f64) -> DMatrix<f64> {
    let (n, m) = (x.len() / width, centers.len() / width);
    DMatrix::from_fn(n, m, |i, j| {
        (-gamma * square(&x[i * width..][..width], &centers[j * width..][..width])).exp()
    })
}

/// The squared distance.
pub(super) fn square(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum()
}

/// The gammas to choose from: those given, or some around 1 / (2 m^2), m the median distance between the target's examples
/// (the first 500 of `order`).
pub(super) fn candidates(given: &[f64], target: &[f64], width: usize, order: &[usize]) -> Vec<f64> {
    if !given.is_empty() {
        return given.to_vec();
    }
    let rows = &order[..order.len().min(MEDIAN_OF)];
    let mut squares: Vec<f64> = Vec::with_capacity(rows.len() * rows.len() / 2);
    for (at, &i) in rows.iter().enumerate() {
        let own = &target[i * width..][..width];
        squares.extend(
            rows[..at]
                .iter()
                .map(|&j| square(own, &target[j * width..][..width])),
        );
    }
    squares.retain(|square| *square > 0.0);
    squares.sort_by(f64::total_cmp);
    // All alike: any width will do.
    let median = squares.get(squares.len() / 2).copied().unwrap_or(1.0);
    TRIED.iter().map(|factor| factor / (2.0 * median)).collect()
}

/// The rows 0 to `n`, shuffled by the seed's stream of this name.
pub(super) fn shuffled(n: usize, seed: u64, name: &str) -> Vec<usize> {
    let mut rows: Vec<u32> = (0..n as u32).collect();
    shuffle(&mut rows, &mut stream(seed, name));
    rows.into_iter().map(|row| row as usize).collect()
}

/// The target examples that are centers, the first of `order`, and the rest. Where there is something to choose by examples
/// that are no centers, at most half are.
pub(super) fn centers_of(order: &[usize], most: usize, choosing: bool) -> (&[usize], &[usize]) {
    let there = if choosing { order.len() / 2 } else { order.len() };
    order.split_at(most.min(there))
}

/// The rows of these numbers, one after another.
pub(super) fn picked(all: &[f64], width: usize, rows: &[usize]) -> Vec<f64> {
    rows.iter()
        .flat_map(|&row| &all[row * width..][..width])
        .copied()
        .collect()
}

/// Numbers that are all above 0.
pub(super) fn check_above_zero(method: &str, name: &str, numbers: &[f64]) -> Result<()> {
    match numbers.iter().find(|x| !(**x > 0.0 && x.is_finite())) {
        Some(found) => Err(Error::spec(format!("expected a {name} above 0, found {found}")).at(method)),
        None => Ok(()),
    }
}
