//! Muon: momentum made orthogonal, for the matrices of hidden layers (Jordan et al. 2024).

use super::{Rule, TensorStep, UpdateRule};
use crate::net::cpu::multiply;

/// Of the odd polynomial a x + b x^3 + c x^5, which takes every singular value from 0 to 1 near 1 when used five times.
const COEFFICIENTS: [f32; 3] = [3.4445, -4.7750, 2.0315];
const STEPS: usize = 5;
/// The least length that a matrix is divided by.
const LEAST: f64 = 1e-7;
/// What a step of Adam's is long, as a rule, a number.
const LENGTH: f64 = 0.2;

pub(super) fn update(rule: &Rule, tensor: TensorStep<'_>) {
    let &Rule::Muon {
        momentum,
        beta1,
        beta2,
        epsilon,
        ..
    } = rule
    else {
        unreachable!("{rule} is not Muon");
    };
    let Some((rows, columns)) = tensor.hidden else {
        let rate = tensor.rate;
        let adam = Rule::Adam {
            rate,
            beta1,
            beta2,
            epsilon,
        };
        return adam.update(tensor);
    };
    let TensorStep {
        parameters,
        gradients,
        states: [mean, ..],
        ..
    } = tensor
    else {
        unreachable!("{rule} was given {} states", tensor.states.len());
    };
    let (keep, add) = (momentum as f32, (1.0 - momentum) as f32);
    let mut way = Vec::with_capacity(parameters.len());
    for (&g, m) in gradients.iter().zip(mean.iter_mut()) {
        *m += add * (g - *m);
        way.push(g + keep * (*m - g));
    }
    orthogonalize(&mut way, rows, columns);
    let rate = (tensor.rate * LENGTH * (rows.max(columns) as f64).sqrt()) as f32;
    for (p, way) in parameters.iter_mut().zip(&way) {
        *p -= rate * way;
    }
}

/// Takes the matrix, rows x columns, near the one with the same singular vectors whose singular values are all 1.
fn orthogonalize(matrix: &mut [f32], rows: usize, columns: usize) {
    let tall = rows > columns;
    let (rows, columns) = if tall { (columns, rows) } else { (rows, columns) };
    // Lying: the products are of its shorter side.
    let mut x = match tall {
        true => transposed(matrix, columns, rows),
        false => matrix.to_vec(),
    };
    let squares = x.iter().map(|&x| f64::from(x) * f64::from(x));
    let scale = (1.0 / squares.sum::<f64>().sqrt().max(LEAST)) as f32;
    x.iter_mut().for_each(|x| *x *= scale);
    let [a, b, c] = COEFFICIENTS;
    let mut gram = vec![0.0; rows * rows];
    let mut square = vec![0.0; rows * rows];
    let mut moved = vec![0.0; x.len()];
    for _ in 0..STEPS {
        multiply(
            rows,
            (columns, rows),
            &x,
            &transposed(&x, rows, columns),
            &mut gram,
        );
        multiply(rows, (rows, rows), &gram, &gram, &mut square);
        for (gram, square) in gram.iter_mut().zip(&square) {
            *gram = b * *gram + c * square;
        }
        multiply(rows, (rows, columns), &gram, &x, &mut moved);
        for (x, moved) in x.iter_mut().zip(&moved) {
            *x = a * *x + moved;
        }
    }
    match tall {
        true => matrix.copy_from_slice(&transposed(&x, rows, columns)),
        false => matrix.copy_from_slice(&x),
    }
}

/// Of a matrix, rows x columns.
fn transposed(matrix: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let place = |at: usize| matrix[(at % rows) * columns + at / rows];
    (0..rows * columns).map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{normal, stream};

    #[test]
    fn singular_values_end_near_one_and_the_vectors_stay() {
        for (rows, columns) in [(7, 7), (5, 40), (40, 5), (1, 9), (9, 1), (130, 65)] {
            let mut rng = stream(3, "matrix");
            let start: Vec<f32> = (0..rows * columns).map(|_| normal(&mut rng) as f32).collect();
            let mut found = start.clone();
            orthogonalize(&mut found, rows, columns);
            // o o' of the shorter side has eigenvalues of 0.7^2 to 1.2^2; its trace is their sum.
            let short = rows.min(columns) as f64;
            let square: f64 = found.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
            assert!(
                (0.35..1.45).contains(&(square / short)),
                "{rows} x {columns}: {square}"
            );
            // The same way round: the product with the start, its trace the sum of all singular values, is large.
            let both = found
                .iter()
                .zip(&start)
                .map(|(a, b)| f64::from(a * b))
                .sum::<f64>();
            let length = start.iter().map(|&x| f64::from(x * x)).sum::<f64>().sqrt();
            assert!(both > 0.65 * length, "{rows} x {columns}: {both} of {length}");
            // Whatever its size, and lying as standing.
            let mut larger: Vec<f32> = start.iter().map(|x| 1024.0 * x).collect();
            orthogonalize(&mut larger, rows, columns);
            let mut standing = transposed(&start, rows, columns);
            orthogonalize(&mut standing, columns, rows);
            let standing = transposed(&standing, columns, rows);
            for ((a, b), c) in found.iter().zip(&larger).zip(&standing) {
                assert!((a - b).abs() < 1e-3 && (a - c).abs() < 1e-3, "{a}, {b}, {c}");
            }
        }
        let mut nothing = vec![0.0; 6];
        orthogonalize(&mut nothing, 2, 3);
        assert_eq!(nothing, [0.0; 6]);
    }
}
