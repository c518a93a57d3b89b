//! Packing: copies of parts of a factor in the order in which a tile reads them.

use super::SLOT;
use crate::net::cpu::lanes::{COLUMNS, LANES, Lanes, WIDE, transpose};

/// Copies `depth` rows of `columns` numbers, `row` apart, into a panel; missing columns become 0.
///
/// # Safety
/// The rows can be read; the panel has `depth` rows of COLUMNS.
pub unsafe fn pack(panel: *mut f32, from: *const f32, row: usize, depth: usize, columns: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        if columns == COLUMNS {
            for p in 0..depth {
                for v in 0..WIDE {
                    Lanes::load(from.add(p * row + v * LANES)).store(panel.add(p * COLUMNS + v * LANES));
                }
            }
            return;
        }
        for p in 0..depth {
            let line = std::slice::from_raw_parts_mut(panel.add(p * COLUMNS), COLUMNS);
            line[..columns].copy_from_slice(std::slice::from_raw_parts(from.add(p * row), columns));
            line[columns..].fill(0.0);
        }
    }
}

/// As [`pack`] from the transpose: column j of the panel is `depth` numbers in a row at `from + j * row`.
///
/// # Safety
/// As for [`pack`].
pub unsafe fn pack_transposed(panel: *mut f32, from: *const f32, row: usize, depth: usize, columns: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        if columns < COLUMNS {
            panel.write_bytes(0, depth * COLUMNS);
        }
        transpose(from, row, (columns, depth), panel, COLUMNS);
    }
}

/// Copies a slot from each of `depth` rows, `row` apart; the first `count` numbers of a slot matter.
///
/// # Safety
/// SLOT numbers can be read at every row; `to` has `depth` slots.
pub unsafe fn pack_rows(to: *mut f32, from: *const f32, row: usize, depth: usize, count: usize) {
    debug_assert!(count <= SLOT);
    for p in 0..depth {
        // SAFETY: the caller's promise.
        unsafe { from.add(p * row).copy_to_nonoverlapping(to.add(p * SLOT), SLOT) };
    }
}

/// Adds a panel's columns to `sums`, row after row: the same bits however the rows are split into panels.
///
/// # Safety
/// The panel has `depth` rows of COLUMNS.
pub unsafe fn add_column_sums(panel: *const f32, depth: usize, sums: &mut [f32]) {
    let mut total = [0.0f32; COLUMNS];
    total[..sums.len()].copy_from_slice(sums);
    // SAFETY: the caller's promise.
    unsafe {
        let mut lanes: [Lanes; WIDE] = std::array::from_fn(|v| Lanes::load(total.as_ptr().add(v * LANES)));
        for p in 0..depth {
            for (v, lanes) in lanes.iter_mut().enumerate() {
                *lanes = lanes.plus(Lanes::load(panel.add(p * COLUMNS + v * LANES)));
            }
        }
        for (v, lanes) in lanes.into_iter().enumerate() {
            lanes.store(total.as_mut_ptr().add(v * LANES));
        }
    }
    sums.copy_from_slice(&total[..sums.len()]);
}
