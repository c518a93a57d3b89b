//! Matrix products for small networks, in one thread.
//!
//! A general library packs both factors and starts anew at each call; at batch 32 that costs as much as
//! the product. Here the right factor is packed one panel of [`COLUMNS`] columns at a time, which stays in
//! the first cache while all rows go by, and what surrounds the product (bias, ReLU, its derivative, the
//! column sums) happens while the numbers are in registers. Every element is summed over k in one fixed
//! order, whatever the number of rows: the same example gives the same bits in any batch.

mod pack;
#[cfg(test)]
mod tests;
mod tile;

use rayon::prelude::*;

use pack::{add_column_sums, pack, pack_rows, pack_transposed};
use tile::{Finish, Left, Start, tile_of};

use super::lanes::{COLUMNS, ROWS};

/// Depth of a panel: 16 KiB with its [`COLUMNS`] columns, half of a first cache.
const DEPTH: usize = 4096 / COLUMNS;

/// The most rows of a transposed left factor packed at once; layers of 128 inputs fit whole.
const BLOCK: usize = ROWS * (132 / ROWS);

/// Room that a packed row of the left factor takes: a power of two, copied whole.
const SLOT: usize = if ROWS <= 8 { 8 } else { 16 };

/// Numbers that must be readable behind a left factor given transposed: packing copies whole slots.
pub const PADDING: usize = SLOT;

/// Products above which a second thread is worth it.
const SHARED: usize = 1 << 21;

/// Rows that one thread takes at once then.
const TOGETHER: usize = 64;

/// Memory for packed panels, made once.
pub struct Workspace {
    panel: Vec<f32>,
    rows: Vec<f32>,
}

impl Workspace {
    pub fn new() -> Self {
        Self {
            panel: vec![0.0; DEPTH * COLUMNS],
            // Blocks of fewer rows than ROWS only come at the end: two more slots at most.
            rows: vec![0.0; DEPTH * SLOT * (BLOCK / ROWS + 2)],
        }
    }
}

/// y = x w: x is rows x inputs, w inputs x units, y rows x units. Shared among threads; the bits do not depend on how.
pub fn multiply(rows: usize, (inputs, units): (usize, usize), x: &[f32], w: &[f32], y: &mut [f32]) {
    let part = |rows: usize, x: &[f32], y: &mut [f32]| {
        forward(&mut Workspace::new(), rows, (inputs, units), x, w, None, false, y);
    };
    if rows * inputs * units <= SHARED {
        return part(rows, x, y);
    }
    let parts = y.par_chunks_mut(TOGETHER * units);
    parts
        .zip(x.par_chunks(TOGETHER * inputs))
        .for_each(|(y, x)| part(y.len() / units, x, y));
}

/// y = x w + b, then ReLU if asked: x is rows x inputs, w inputs x units, y rows x units.
#[allow(clippy::too_many_arguments)]
pub fn forward(
    work: &mut Workspace,
    rows: usize,
    (inputs, units): (usize, usize),
    x: &[f32],
    w: &[f32],
    b: Option<&[f32]>,
    relu: bool,
    y: &mut [f32],
) {
    assert!(x.len() >= rows * inputs && w.len() >= inputs * units && y.len() >= rows * units);
    assert!(b.is_none_or(|b| b.len() >= units));
    let panel = work.panel.as_mut_ptr();
    for column in (0..units).step_by(COLUMNS) {
        let columns = COLUMNS.min(units - column);
        for k in (0..inputs).step_by(DEPTH) {
            let depth = DEPTH.min(inputs - k);
            let last = k + depth == inputs;
            // SAFETY: all offsets stay within the lengths checked above; the panel has DEPTH rows.
            unsafe {
                pack(panel, w.as_ptr().add(k * units + column), units, depth, columns);
                let start = match b {
                    _ if k > 0 => Start::Result,
                    Some(b) => Start::Row(b.as_ptr().add(column)),
                    None => Start::Zero,
                };
                let finish = if last && relu {
                    Finish::Relu
                } else {
                    Finish::Nothing
                };
                let left = Left {
                    at: x.as_ptr().add(k),
                    row: inputs,
                    depth: 1,
                };
                let result = y.as_mut_ptr().add(column);
                product(rows, depth, left, panel, result, units, columns, start, finish);
            }
        }
    }
}

/// dx = dy w^T, zero where `gate` (laid out as dx) is not above 0: dy is rows x units, w inputs x units, dx
/// rows x inputs.
pub fn input_gradient(
    work: &mut Workspace,
    rows: usize,
    (inputs, units): (usize, usize),
    dy: &[f32],
    w: &[f32],
    gate: Option<&[f32]>,
    dx: &mut [f32],
) {
    assert!(dy.len() >= rows * units && w.len() >= inputs * units && dx.len() >= rows * inputs);
    assert!(gate.is_none_or(|gate| gate.len() >= rows * inputs));
    let panel = work.panel.as_mut_ptr();
    for column in (0..inputs).step_by(COLUMNS) {
        let columns = COLUMNS.min(inputs - column);
        for k in (0..units).step_by(DEPTH) {
            let depth = DEPTH.min(units - k);
            let last = k + depth == units;
            // SAFETY: all offsets stay within the lengths checked above; the panel has DEPTH rows.
            unsafe {
                pack_transposed(panel, w.as_ptr().add(column * units + k), units, depth, columns);
                let start = if k > 0 { Start::Result } else { Start::Zero };
                let finish = match gate {
                    Some(gate) if last => Finish::Gate(gate.as_ptr().add(column)),
                    _ => Finish::Nothing,
                };
                let left = Left {
                    at: dy.as_ptr().add(k),
                    row: units,
                    depth: 1,
                };
                let result = dx.as_mut_ptr().add(column);
                product(rows, depth, left, panel, result, inputs, columns, start, finish);
            }
        }
    }
}

/// dw = x^T dy and db = the column sums of dy: x is rows x inputs with [`PADDING`] numbers behind, dy rows
/// x units.
#[allow(clippy::too_many_arguments)]
pub fn weight_gradient(
    work: &mut Workspace,
    rows: usize,
    (inputs, units): (usize, usize),
    x: &[f32],
    dy: &[f32],
    dw: &mut [f32],
    mut db: Option<&mut [f32]>,
) {
    assert!(x.len() >= rows * inputs + PADDING && dy.len() >= rows * units && dw.len() >= inputs * units);
    assert!(db.as_ref().is_none_or(|db| db.len() >= units));
    let (panel, packed) = (work.panel.as_mut_ptr(), work.rows.as_mut_ptr());
    if let Some(db) = &mut db {
        db.fill(0.0);
    }
    if rows == 0 {
        // Sums of nothing: no panel goes by to write them.
        dw[..inputs * units].fill(0.0);
    }
    for k in (0..rows).step_by(DEPTH) {
        let depth = DEPTH.min(rows - k);
        let start = if k > 0 { Start::Result } else { Start::Zero };
        // Blocks of even size: each packs the panels anew, which a small one would not be worth.
        let even = inputs.div_ceil(inputs.div_ceil(BLOCK));
        for input in (0..inputs).step_by(even) {
            let block = even.min(inputs - input);
            // SAFETY: all offsets stay within the lengths checked above, padding included.
            unsafe {
                let mut slot = packed;
                for (first, count) in row_blocks(block) {
                    pack_rows(
                        slot,
                        x.as_ptr().add(k * inputs + input + first),
                        inputs,
                        depth,
                        count,
                    );
                    slot = slot.add(depth * SLOT);
                }
            }
            for column in (0..units).step_by(COLUMNS) {
                let columns = COLUMNS.min(units - column);
                // SAFETY: as above.
                unsafe {
                    pack(panel, dy.as_ptr().add(k * units + column), units, depth, columns);
                    if let Some(db) = db.as_mut().filter(|_| input == 0) {
                        add_column_sums(panel, depth, &mut db[column..column + columns]);
                    }
                    let mut slot = packed.cast_const();
                    for (first, count) in row_blocks(block) {
                        let left = Left {
                            at: slot,
                            row: 1,
                            depth: SLOT,
                        };
                        let result = dw.as_mut_ptr().add((input + first) * units + column);
                        tile_of(
                            count,
                            depth,
                            left,
                            panel,
                            result,
                            units,
                            columns,
                            start,
                            Finish::Nothing,
                        );
                        slot = slot.add(depth * SLOT);
                    }
                }
            }
        }
    }
}

/// Splits rows into blocks of at most [`ROWS`], as (first, count): the last two share what is left evenly,
/// for a block of one or two rows leaves most of the machine idle.
fn row_blocks(rows: usize) -> impl Iterator<Item = (usize, usize)> {
    let mut next = 0;
    std::iter::from_fn(move || {
        let left = rows - next;
        let count = match left {
            0 => return None,
            _ if left <= ROWS => left,
            _ if left < ROWS + ROWS / 2 + 1 => left.div_ceil(2),
            _ => ROWS,
        };
        next += count;
        Some((next - count, count))
    })
}

/// All row blocks of a product with one panel.
///
/// # Safety
/// As for [`tile_of`], for any number of rows.
#[allow(clippy::too_many_arguments)]
#[inline(always)]
unsafe fn product(
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
    for (first, count) in row_blocks(rows) {
        // SAFETY: the caller's promise.
        unsafe {
            let left = Left {
                at: left.at.add(first * left.row),
                ..left
            };
            let finish = match finish {
                Finish::Gate(gate) => Finish::Gate(gate.add(first * result_row)),
                other => other,
            };
            let result = result.add(first * result_row);
            tile_of(
                count, depth, left, panel, result, result_row, columns, start, finish,
            );
        }
    }
}
