//! Lengths, cosines and distances of rows, and the way back from slopes by them. Work over pairs of rows is a matrix
//! product, which goes in blocks.

use crate::net::cpu::gemm::{Workspace, forward, input_gradient};

/// Below this length a vector has no direction, and none of its slopes comes back (torch divides them by 1e-12 instead).
const NOTHING: f64 = 1e-12;

/// Squared distances below this share of the squared lengths are summed anew: their digits cancel in a product.
const NEAR: f32 = 0.01;

/// Rows scaled to length 1.
pub(crate) struct Unit {
    /// Rows x width.
    pub rows: Vec<f32>,
    /// 1 / length of each as it came; 0 for one without a direction.
    scales: Vec<f32>,
    width: usize,
}

impl Unit {
    pub fn new(x: &[f32], width: usize) -> Self {
        let mut rows = x.to_vec();
        let scale = |row: &mut [f32]| {
            let square: f64 = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
            let length = square.sqrt();
            let scale = if length > NOTHING { 1.0 / length } else { 0.0 };
            row.iter_mut().for_each(|x| *x = (f64::from(*x) * scale) as f32);
            scale as f32
        };
        let scales = rows.chunks_exact_mut(width.max(1)).map(scale).collect();
        Self { rows, scales, width }
    }

    /// Adds to `slopes` by the rows as they came what `by_unit`, by the scaled ones, is for them.
    pub fn back(&self, by_unit: &[f32], slopes: &mut [f32]) {
        let width = self.width.max(1);
        let rows = self.rows.chunks_exact(width).zip(by_unit.chunks_exact(width));
        for (((u, g), slope), &scale) in rows.zip(slopes.chunks_exact_mut(width)).zip(&self.scales) {
            let along: f64 = u.iter().zip(g).map(|(&u, &g)| f64::from(u) * f64::from(g)).sum();
            for ((slope, &u), &g) in slope.iter_mut().zip(u).zip(g) {
                *slope += scale * (f64::from(g) - along * f64::from(u)) as f32;
            }
        }
    }
}

/// a b^T: of rows a (n x width) with rows b (m x width), n x m.
pub(super) fn products(a: &[f32], b: &[f32], width: usize) -> Vec<f32> {
    let (n, m) = (a.len() / width.max(1), b.len() / width.max(1));
    let mut found = vec![0.0; n * m];
    input_gradient(&mut Workspace::new(), n, (m, width), a, b, None, &mut found);
    found
}

/// c y: sums of the rows of y (m x width), each row of c (n x m) with the shares of one; n x width.
pub(super) fn combine(c: &[f32], y: &[f32], width: usize) -> Vec<f32> {
    let m = y.len() / width.max(1);
    let n = c.len() / m.max(1);
    let mut found = vec![0.0; n * width];
    forward(
        &mut Workspace::new(),
        n,
        (m, width),
        c,
        y,
        None,
        false,
        &mut found,
    );
    found
}

/// A table (n x m) with rows and columns changed.
pub(super) fn transposed(c: &[f32], m: usize) -> Vec<f32> {
    let n = c.len() / m.max(1);
    let mut turned = vec![0.0; c.len()];
    for (i, row) in c.chunks_exact(m.max(1)).enumerate() {
        row.iter().enumerate().for_each(|(j, &c)| turned[j * n + i] = c);
    }
    turned
}

/// Adds to each entry of a square table the one across the diagonal.
pub(super) fn symmetric(c: &mut [f32], n: usize) {
    for i in 0..n {
        c[i * n + i] *= 2.0;
        for j in 0..i {
            let both = c[i * n + j] + c[j * n + i];
            (c[i * n + j], c[j * n + i]) = (both, both);
        }
    }
}

/// Squared distances of rows a (n x width) from rows b (m x width), n x m. The same two rows have the same bits in any
/// table, and a row is 0 from itself.
pub(crate) fn squares_between(a: &[f32], b: &[f32], width: usize) -> Vec<f32> {
    let (m, step) = (b.len() / width.max(1), width.max(1));
    let length = |row: &[f32]| row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() as f32;
    let lengths: Vec<f32> = b.chunks_exact(step).map(length).collect();
    let mut squares = products(a, b, width);
    for (row, squares) in a.chunks_exact(step).zip(squares.chunks_exact_mut(m.max(1))) {
        let own = length(row);
        for ((square, other), &length) in squares.iter_mut().zip(b.chunks_exact(step)).zip(&lengths) {
            let both = own + length;
            *square = both - 2.0 * *square;
            // A number that is none is none here too.
            if *square < NEAR * both {
                *square = row.iter().zip(other).map(|(a, b)| (a - b) * (a - b)).sum();
            }
        }
    }
    squares
}

/// Squared distances between all rows, n x n, 0 on the diagonal.
pub(super) struct Distances {
    pub squares: Vec<f32>,
    /// Of each row its squared length.
    lengths: Vec<f32>,
}

impl Distances {
    pub fn new(x: &[f32], width: usize) -> Self {
        let length = |row: &[f32]| row.iter().map(|x| x * x).sum();
        let lengths = x.chunks_exact(width.max(1)).map(length).collect();
        let squares = squares_between(x, x, width);
        Self { squares, lengths }
    }

    /// Adds to `slopes` by the rows `x` what `by_square`, by the squared distances (n x n, both halves of which count),
    /// is for them. `by_square` is scratch afterwards.
    pub fn back(&self, by_square: &mut [f32], x: &[f32], width: usize, slopes: &mut [f32]) {
        let n = self.lengths.len();
        symmetric(by_square, n);
        // Near rows one by one, for what a product leaves of their difference; with few pairs all.
        let few = by_square.iter().filter(|&&s| s != 0.0).count() <= 8 * n;
        let mut rest = false;
        for i in 0..n {
            let own = &x[i * width..][..width];
            let slope = &mut slopes[i * width..][..width];
            for j in 0..n {
                let share = by_square[i * n + j];
                if share == 0.0 {
                    continue;
                }
                if !few && self.squares[i * n + j] >= NEAR * (self.lengths[i] + self.lengths[j]) {
                    rest = true;
                    continue;
                }
                by_square[i * n + j] = 0.0;
                let other = &x[j * width..][..width];
                for ((slope, a), b) in slope.iter_mut().zip(own).zip(other) {
                    *slope += 2.0 * share * (a - b);
                }
            }
        }
        if !rest {
            return;
        }
        let others = combine(by_square, x, width);
        for i in 0..n {
            let all: f32 = by_square[i * n..][..n].iter().sum();
            for k in i * width..(i + 1) * width {
                slopes[k] += 2.0 * (all * x[k] - others[k]);
            }
        }
    }
}
