//! The innermost loop: a tile of a product, kept in registers from its start to its finish.

use crate::net::cpu::lanes::{COLUMNS, LANES, Lanes, ROWS, WIDE};

/// What a product starts from.
#[derive(Clone, Copy)]
pub enum Start {
    Zero,
    /// The same row everywhere.
    Row(*const f32),
    /// What stands in the result.
    Result,
}

/// What happens to an element of a product before it is stored.
#[derive(Clone, Copy)]
pub enum Finish {
    Nothing,
    Relu,
    /// 0 unless the number at the same place in this matrix, laid out as the result, is above 0.
    Gate(*const f32),
}

/// The left factor of a tile: row i at `at + i * row`, its element p at a further p * `depth`.
#[derive(Clone, Copy)]
pub struct Left {
    pub at: *const f32,
    pub row: usize,
    pub depth: usize,
}

/// [`tile`] for a number of rows known at run time.
///
/// # Safety
/// As for [`tile`].
#[allow(clippy::too_many_arguments)]
pub unsafe fn tile_of(
    rows: usize,
    depth: usize,
    left: Left,
    panel: *const f32,
    result: *mut f32,
    result_row: usize,
    columns: usize,
    start: Start,
    finish: Finish,
) {
    macro_rules! by_rows {
        ($($count:literal)*) => {
            match rows {
                // SAFETY: the caller's promise.
                $($count if $count <= ROWS => unsafe {
                    tile::<{ if $count <= ROWS { $count } else { 1 } }>(
                        depth, left, panel, result, result_row, columns, start, finish,
                    )
                },)*
                _ => unreachable!("row blocks have 1 to {ROWS} rows"),
            }
        };
    }
    by_rows!(1 2 3 4 5 6 7 8 9 10 11 12)
}

/// R rows by up to [`COLUMNS`] columns of a product, kept in registers.
///
/// # Safety
/// `left` has R rows of `depth` numbers, `panel` `depth` rows of COLUMNS; result (and gate) R rows of
/// `columns` numbers, `result_row` apart; a start row `columns` numbers.
#[allow(clippy::too_many_arguments)]
unsafe fn tile<const R: usize>(
    depth: usize,
    left: Left,
    panel: *const f32,
    result: *mut f32,
    result_row: usize,
    columns: usize,
    start: Start,
    finish: Finish,
) {
    if columns == COLUMNS {
        // SAFETY: the caller's promise.
        unsafe { full_tile::<R, WIDE>(depth, left, panel, result, result_row, start, finish) };
        return;
    }
    // A narrow tile goes through a full one in memory.
    let mut full = [[0.0f32; COLUMNS]; R];
    let mut gates = [[0.0f32; COLUMNS]; R];
    let mut row = [0.0f32; COLUMNS];
    // SAFETY: the caller's promise for `columns` numbers of each row.
    unsafe {
        let start = match start {
            Start::Zero => Start::Zero,
            Start::Row(from) => {
                from.copy_to_nonoverlapping(row.as_mut_ptr(), columns);
                Start::Row(row.as_ptr())
            }
            Start::Result => {
                for (i, line) in full.iter_mut().enumerate() {
                    result
                        .add(i * result_row)
                        .copy_to_nonoverlapping(line.as_mut_ptr(), columns);
                }
                Start::Result
            }
        };
        let finish = match finish {
            Finish::Gate(gate) => {
                for (i, line) in gates.iter_mut().enumerate() {
                    gate.add(i * result_row)
                        .copy_to_nonoverlapping(line.as_mut_ptr(), columns);
                }
                Finish::Gate(gates.as_ptr().cast())
            }
            other => other,
        };
        // Few columns need one register a row.
        let copy = full.as_mut_ptr().cast();
        if columns <= LANES {
            full_tile::<R, 1>(depth, left, panel, copy, COLUMNS, start, finish);
        } else {
            full_tile::<R, WIDE>(depth, left, panel, copy, COLUMNS, start, finish);
        }
        for (i, line) in full.iter().enumerate() {
            line.as_ptr()
                .copy_to_nonoverlapping(result.add(i * result_row), columns);
        }
    }
}

/// [`tile`] with the first W registers of its columns.
///
/// # Safety
/// As for [`tile`] with `columns` = W * LANES.
#[inline(always)]
unsafe fn full_tile<const R: usize, const W: usize>(
    depth: usize,
    left: Left,
    panel: *const f32,
    result: *mut f32,
    result_row: usize,
    start: Start,
    finish: Finish,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sum = [[Lanes::splat(0.0); W]; R];
        match start {
            Start::Zero => {}
            Start::Row(row) => {
                let row: [Lanes; W] = std::array::from_fn(|v| Lanes::load(row.add(v * LANES)));
                sum = [row; R];
            }
            Start::Result => {
                for (i, line) in sum.iter_mut().enumerate() {
                    for (v, lanes) in line.iter_mut().enumerate() {
                        *lanes = Lanes::load(result.add(i * result_row + v * LANES));
                    }
                }
            }
        }
        let (mut at, mut panel) = (left.at, panel);
        for _ in 0..depth {
            let right: [Lanes; W] = std::array::from_fn(|v| Lanes::load(panel.add(v * LANES)));
            for (i, line) in sum.iter_mut().enumerate() {
                let factor = Lanes::splat(*at.add(i * left.row));
                for (lanes, right) in line.iter_mut().zip(right) {
                    *lanes = lanes.add_product(factor, right);
                }
            }
            at = at.add(left.depth);
            panel = panel.add(COLUMNS);
        }
        for (i, line) in sum.into_iter().enumerate() {
            for (v, lanes) in line.into_iter().enumerate() {
                let place = i * result_row + v * LANES;
                let lanes = match finish {
                    Finish::Nothing => lanes,
                    Finish::Relu => lanes.relu(),
                    Finish::Gate(gate) => lanes.where_positive(Lanes::load(gate.add(place))),
                };
                lanes.store(result.add(place));
            }
        }
    }
}
