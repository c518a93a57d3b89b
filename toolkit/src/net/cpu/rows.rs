//! What layers without weights of their own do row by row: the numbers that stand side by side at each place.

use rayon::prelude::*;

/// Copies as many numbers, with the threads of the pool where they are so many that this is worth it.
pub fn copy(to: &mut [f32], from: &[f32]) {
    const PART: usize = 1 << 16;
    if from.len() < 8 * PART {
        return to.copy_from_slice(from);
    }
    assert!(to.len() == from.len());
    to.par_chunks_mut(PART)
        .zip(from.par_chunks(PART))
        .for_each(|(to, from)| to.copy_from_slice(from));
}

/// y = x * scale + shift, column by column; rows of y begin `pitch` apart.
pub fn affine(x: &[f32], (scale, shift): (&[f32], &[f32]), y: &mut [f32], pitch: usize) {
    let columns = scale.len();
    for (x, y) in x.chunks_exact(columns).zip(y.chunks_mut(pitch)) {
        for j in 0..columns {
            y[j] = x[j] * scale[j] + shift[j];
        }
    }
}

/// Copies rows of `columns` numbers into those of y, from the column `first` on; rows of y begin `pitch` apart.
pub fn put(x: &[f32], columns: usize, y: &mut [f32], first: usize, pitch: usize) {
    for (from, to) in x.chunks_exact(columns).zip(y.chunks_mut(pitch)) {
        to[first..first + columns].copy_from_slice(from);
    }
}

/// Copies `columns` numbers of each row of x, from the column `first` on, to y; rows of x begin `pitch` apart.
pub fn take(x: &[f32], first: usize, pitch: usize, y: &mut [f32], columns: usize) {
    for (from, to) in x.chunks_exact(pitch).zip(y.chunks_exact_mut(columns)) {
        to.copy_from_slice(&from[first..first + columns]);
    }
}
