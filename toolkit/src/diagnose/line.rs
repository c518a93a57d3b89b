//! Straight lines through the features: what a model of values is set beside.

use super::fit::larger;
use crate::evaluate::Predictions;

/// Examples and features at most.
const ROWS: usize = 2000;
const WIDTH: usize = 64;
const FOLDS: usize = 5;
/// What is added to the diagonal, beside features of a variance of 1.
const RIDGE: f64 = 1e-3;

/// How sure it is that the predictions are worse than those of lines that have not seen the example, and the lines' R².
/// None with too few examples, too many features or several values.
pub(super) fn behind_a_line(predictions: &Predictions) -> Option<(f64, f64)> {
    let data = predictions.data();
    let (n, width) = (data.len().min(ROWS), data.width());
    if n < 4 * FOLDS || n <= 2 * width || width > WIDTH || data.target_width() != 1 {
        return None;
    }
    let truth: Vec<f64> = data.values()?[..n].iter().map(|&x| x.into()).collect();
    let rows: Vec<Vec<f64>> = {
        let columns = super::case::columns(&data.features()[..n * width], width);
        let scaled = |row: &[f32]| {
            let numbers = row.iter().zip(&columns);
            let numbers =
                numbers.map(|(&x, (mean, sd))| (f64::from(x) - mean) / if *sd > 0.0 { *sd } else { 1.0 });
            numbers.chain([1.0]).collect()
        };
        data.rows().take(n).map(scaled).collect()
    };
    let mut said = vec![0.0; n];
    for fold in 0..FOLDS {
        let others = (0..n).filter(|i| i % FOLDS != fold);
        let line = line_through(&rows, &truth, others)?;
        for i in (0..n).filter(|i| i % FOLDS == fold) {
            said[i] = rows[i].iter().zip(&line).map(|(x, w)| x * w).sum();
        }
    }
    let mean = truth.iter().sum::<f64>() / n as f64;
    let squares: f64 = truth.iter().map(|y| (y - mean).powi(2)).sum();
    let off = |said: f64, i: usize| (said - truth[i]).powi(2);
    let errors: f64 = (0..n).map(|i| off(said[i], i)).sum();
    let own = predictions.outputs();
    let pairs: Vec<(f64, f64)> = (0..n).map(|i| (off(own[i].into(), i), off(said[i], i))).collect();
    (squares > 0.0).then(|| (larger(&pairs), 1.0 - errors / squares))
}

/// The weights of least squares with a small ridge, by elimination.
fn line_through(rows: &[Vec<f64>], truth: &[f64], used: impl Iterator<Item = usize>) -> Option<Vec<f64>> {
    let width = rows.first()?.len();
    let mut system = vec![vec![0.0; width + 1]; width];
    let mut count = 0.0;
    for i in used {
        count += 1.0;
        for (a, &x) in rows[i].iter().enumerate() {
            for (b, &y) in rows[i].iter().enumerate() {
                system[a][b] += x * y;
            }
            system[a][width] += x * truth[i];
        }
    }
    for (a, row) in system.iter_mut().enumerate() {
        row[a] += RIDGE * count;
    }
    for pivot in 0..width {
        let largest =
            (pivot..width).max_by(|&a, &b| system[a][pivot].abs().total_cmp(&system[b][pivot].abs()))?;
        system.swap(pivot, largest);
        let top = system[pivot].clone();
        if top[pivot] == 0.0 || !top[pivot].is_finite() {
            return None;
        }
        for (a, row) in system.iter_mut().enumerate() {
            if a != pivot {
                let factor = row[pivot] / top[pivot];
                row.iter_mut().zip(&top).for_each(|(x, t)| *x -= factor * t);
            }
        }
    }
    Some((0..width).map(|a| system[a][width] / system[a][a]).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_found_through_points_on_it() {
        let rows: Vec<Vec<f64>> = (0..50)
            .map(|i| vec![f64::from(i % 7), f64::from(i % 5), 1.0])
            .collect();
        let truth: Vec<f64> = rows.iter().map(|r| 2.0 * r[0] - 3.0 * r[1] + 0.5).collect();
        let line = line_through(&rows, &truth, 0..50).unwrap();
        for (found, want) in line.iter().zip([2.0, -3.0, 0.5]) {
            assert!((found - want).abs() < 0.02, "{line:?}");
        }
        assert!(line_through(&[], &[], 0..0).is_none());
    }
}
