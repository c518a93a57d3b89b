//! Products against sums in f64, over shapes around every edge of tiles, panels and blocks.

use super::*;
use crate::net::tests::scattered;

/// The element of a sum in f64 that the products must meet.
fn dot(terms: impl Iterator<Item = (f32, f32)>) -> f64 {
    terms.map(|(a, b)| f64::from(a) * f64::from(b)).sum()
}

fn close(got: f32, expected: f64, terms: usize) -> bool {
    (f64::from(got) - expected).abs() < 1e-6 * (terms as f64).sqrt() + 1e-6
}

#[test]
fn products_of_every_shape_meet_f64() {
    let mut work = Workspace::new();
    let sizes = [1, 2, 5, 8, 10, 15, 16, 17, 33];
    let mut shapes = Vec::new();
    for rows in (1..=2 * ROWS + 3).chain([32]) {
        shapes.extend(sizes.map(|size| (rows, size, sizes[(rows + size) % sizes.len()])));
    }
    // Beyond one depth and one block, in each direction.
    shapes.extend([
        (2 * DEPTH + 3, 7, 9),
        (9, 2 * DEPTH + 1, 18),
        (9, BLOCK + 7, 2 * DEPTH + 2),
    ]);
    for (rows, inputs, units) in shapes {
        let mut x = scattered(rows * inputs, 1);
        x.extend([f32::NAN; PADDING]);
        let (w, b, dy) = (
            scattered(inputs * units, 2),
            scattered(units, 3),
            scattered(rows * units, 4),
        );
        let shape = (inputs, units);
        let name = format!("{rows} rows, {inputs} inputs, {units} units");
        let column = |u: usize| (0..inputs).map(move |i| i * units + u);

        for (bias, relu) in [(None, false), (Some(&b[..]), false), (Some(&b[..]), true)] {
            let mut y = vec![f32::NAN; rows * units];
            forward(&mut work, rows, shape, &x, &w, bias, relu, &mut y);
            for r in 0..rows {
                for u in 0..units {
                    let sum = dot(column(u).enumerate().map(|(i, at)| (x[r * inputs + i], w[at])));
                    let sum = sum + bias.map_or(0.0, |b| f64::from(b[u]));
                    let expected = if relu { sum.max(0.0) } else { sum };
                    assert!(close(y[r * units + u], expected, inputs), "{name}: y[{r}, {u}]");
                }
            }
        }

        for gate in [None, Some(&x[..])] {
            let mut dx = vec![f32::NAN; rows * inputs];
            input_gradient(&mut work, rows, shape, &dy, &w, gate, &mut dx);
            for r in 0..rows {
                for i in 0..inputs {
                    let sum = dot((0..units).map(|u| (dy[r * units + u], w[i * units + u])));
                    let open = gate.is_none_or(|gate| gate[r * inputs + i] > 0.0);
                    let expected = if open { sum } else { 0.0 };
                    assert!(close(dx[r * inputs + i], expected, units), "{name}: dx[{r}, {i}]");
                }
            }
        }

        let (mut dw, mut db) = (vec![f32::NAN; inputs * units], vec![f32::NAN; units]);
        weight_gradient(&mut work, rows, shape, &x, &dy, &mut dw, Some(&mut db));
        for u in 0..units {
            for i in 0..inputs {
                let sum = dot((0..rows).map(|r| (x[r * inputs + i], dy[r * units + u])));
                assert!(close(dw[i * units + u], sum, rows), "{name}: dw[{i}, {u}]");
            }
            let sum = dot((0..rows).map(|r| (1.0, dy[r * units + u])));
            assert!(close(db[u], sum, rows), "{name}: db[{u}]");
        }
    }
}

#[test]
fn an_empty_batch_has_a_gradient_of_zeros() {
    let mut work = Workspace::new();
    let (mut dw, mut db) = (vec![1.0; 6], vec![1.0; 2]);
    weight_gradient(&mut work, 0, (3, 2), &[0.0; PADDING], &[], &mut dw, Some(&mut db));
    assert_eq!((dw, db), (vec![0.0; 6], vec![0.0; 2]));
}
