//! Starts that a number does not have by itself, but as one of a matrix: orthogonal and sparse. The matrix has a row for
//! each input and a column for each unit.

use rand::Rng as _;

use crate::seed::{Rng, normal_pair};

/// Rows and columns of a matrix of so many numbers with `inputs` rows; else it is one column.
fn sizes(numbers: usize, inputs: usize) -> (usize, usize) {
    match inputs {
        1.. if numbers.is_multiple_of(inputs) => (inputs, numbers / inputs),
        _ => (numbers, 1),
    }
}

/// A matrix from the uniform law on those whose shorter side is orthogonal, times `gain`: the Q of the QR
/// decomposition of a normal matrix. That Q follows the law only where the diagonal of R is positive (Mezzadri 2007,
/// section 5), which Gram and Schmidt's way makes it: what is divided by is a length.
pub fn orthogonal(values: &mut [f32], inputs: usize, gain: f32, rng: &mut Rng) {
    let (rows, columns) = sizes(values.len(), inputs);
    let (count, length) = (rows.min(columns), rows.max(columns));
    let mut vectors = vec![0.0f64; count * length];
    for i in 0..count {
        let (before, rest) = vectors.split_at_mut(i * length);
        let vector = &mut rest[..length];
        loop {
            normals(vector, rng);
            let drawn = dot(vector, vector).sqrt();
            // The modified form: each projection is of what the ones before it have left.
            for other in before.chunks_exact(length) {
                let share = dot(other, vector);
                vector.iter_mut().zip(other).for_each(|(x, o)| *x -= share * o);
            }
            let left = dot(vector, vector).sqrt();
            // What is left of a vector that lies nearly among the others is rounding.
            if left > 1e-6 * drawn {
                vector.iter_mut().for_each(|x| *x /= left);
                break;
            }
        }
    }
    for (row, values) in values.chunks_exact_mut(columns.max(1)).enumerate() {
        for (column, value) in values.iter_mut().enumerate() {
            let at = match rows >= columns {
                true => column * length + row,
                false => row * length + column,
            };
            *value = (f64::from(gain) * vectors[at]) as f32;
        }
    }
}

/// For each column `count` rows drawn without repetition that get normal numbers of this standard deviation; the rest
/// is 0.
pub fn sparse(values: &mut [f32], inputs: usize, count: usize, sd: f32, rng: &mut Rng) {
    let (rows, columns) = sizes(values.len(), inputs);
    let count = count.min(rows);
    let mut drawn = vec![0.0f64; count];
    let mut order: Vec<usize> = (0..rows).collect();
    values.fill(0.0);
    for column in 0..columns {
        normals(&mut drawn, rng);
        for (i, x) in drawn.iter().enumerate() {
            // The first steps of a shuffle; in whatever order the rows stand, each is as likely.
            order.swap(i, rng.random_range(i as u32..rows as u32) as usize);
            values[order[i] * columns + column] = (f64::from(sd) * x) as f32;
        }
    }
}

fn normals(values: &mut [f64], rng: &mut Rng) {
    for pair in values.chunks_mut(2) {
        let (a, b) = normal_pair(rng);
        pair[0] = a;
        if let Some(second) = pair.get_mut(1) {
            *second = b;
        }
    }
}

/// The sum of products, in eight sums side by side for the vector units.
fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a, a_rest) = a.as_chunks::<8>();
    let (b, b_rest) = b.as_chunks::<8>();
    for (a, b) in a.iter().zip(b) {
        for i in 0..8 {
            sums[i] += a[i] * b[i];
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f64>() + rest
}
