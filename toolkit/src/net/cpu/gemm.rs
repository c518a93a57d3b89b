//! Matrix products for small networks, in one thread.
//!
//! A general library packs both factors and starts anew at each call; at batch 32 that costs as much as
//! the product. Here the right factor is packed one panel of [`COLUMNS`] columns at a time, which stays in
//! the first cache while all rows go by, and what surrounds the product (bias, ReLU, its derivative, the
//! column sums) happens while the numbers are in registers. Every element is summed over k in one fixed
//! order, whatever the number of rows: the same example gives the same bits in any batch.

use super::lanes::{COLUMNS, LANES, Lanes, ROWS, WIDE, transpose8};

/// Depth of a panel: with [`COLUMNS`] columns it takes half of a first cache.
const DEPTH: usize = 256;

/// Rows of a transposed left factor packed at once.
const BLOCK: usize = ROWS * 20;

/// Room that a packed row of the left factor takes: a power of two, copied whole.
const SLOT: usize = if ROWS <= 8 { 8 } else { 16 };

/// Numbers that must be readable behind a left factor given transposed: packing copies whole slots.
pub const PADDING: usize = SLOT;

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

/// What a product starts from.
#[derive(Clone, Copy)]
enum Start {
    Zero,
    /// The same row everywhere.
    Row(*const f32),
    /// What stands in the result.
    Result,
}

/// What happens to an element of a product before it is stored.
#[derive(Clone, Copy)]
enum Finish {
    Nothing,
    Relu,
    /// 0 unless the number at the same place in this matrix, laid out as the result, is above 0.
    Gate(*const f32),
}

/// The left factor of a tile: row i at `at + i * row`, its element p at a further p * `depth`.
#[derive(Clone, Copy)]
struct Left {
    at: *const f32,
    row: usize,
    depth: usize,
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
    for k in (0..rows).step_by(DEPTH) {
        let depth = DEPTH.min(rows - k);
        let start = if k > 0 { Start::Result } else { Start::Zero };
        for input in (0..inputs).step_by(BLOCK) {
            let block = BLOCK.min(inputs - input);
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
/// As for [`tile`], for `rows` rows.
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

/// [`tile`] for a number of rows known at run time.
///
/// # Safety
/// As for [`tile`].
#[allow(clippy::too_many_arguments)]
unsafe fn tile_of(
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
        unsafe { full_tile::<R>(depth, left, panel, result, result_row, start, finish) };
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
        full_tile::<R>(
            depth,
            left,
            panel,
            full.as_mut_ptr().cast(),
            COLUMNS,
            start,
            finish,
        );
        for (i, line) in full.iter().enumerate() {
            line.as_ptr()
                .copy_to_nonoverlapping(result.add(i * result_row), columns);
        }
    }
}

/// [`tile`] with all its columns.
///
/// # Safety
/// As for [`tile`] with `columns` = COLUMNS.
#[inline(always)]
unsafe fn full_tile<const R: usize>(
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
        let mut sum = [[Lanes::splat(0.0); WIDE]; R];
        match start {
            Start::Zero => {}
            Start::Row(row) => {
                let row: [Lanes; WIDE] = std::array::from_fn(|v| Lanes::load(row.add(v * LANES)));
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
            let right: [Lanes; WIDE] = std::array::from_fn(|v| Lanes::load(panel.add(v * LANES)));
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

/// Copies `depth` rows of `columns` numbers, `row` apart, into a panel; missing columns become 0.
///
/// # Safety
/// The rows can be read; the panel has `depth` rows of COLUMNS.
unsafe fn pack(panel: *mut f32, from: *const f32, row: usize, depth: usize, columns: usize) {
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
unsafe fn pack_transposed(panel: *mut f32, from: *const f32, row: usize, depth: usize, columns: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        if columns < COLUMNS {
            panel.write_bytes(0, depth * COLUMNS);
        }
        let (whole_columns, whole_depth) = (columns / 8 * 8, depth / 8 * 8);
        for j in (0..whole_columns).step_by(8) {
            for p in (0..whole_depth).step_by(8) {
                transpose8(from.add(j * row + p), row, panel.add(p * COLUMNS + j), COLUMNS);
            }
        }
        for j in 0..columns {
            let done = if j < whole_columns { whole_depth } else { 0 };
            for p in done..depth {
                *panel.add(p * COLUMNS + j) = *from.add(j * row + p);
            }
        }
    }
}

/// Copies a slot from each of `depth` rows, `row` apart; the first `count` numbers of a slot matter.
///
/// # Safety
/// SLOT numbers can be read at every row; `to` has `depth` slots.
unsafe fn pack_rows(to: *mut f32, from: *const f32, row: usize, depth: usize, count: usize) {
    debug_assert!(count <= SLOT);
    for p in 0..depth {
        // SAFETY: the caller's promise.
        unsafe { from.add(p * row).copy_to_nonoverlapping(to.add(p * SLOT), SLOT) };
    }
}

/// Adds the sums of a panel's columns to `sums`, in the order of the rows.
///
/// # Safety
/// The panel has `depth` rows of COLUMNS.
unsafe fn add_column_sums(panel: *const f32, depth: usize, sums: &mut [f32]) {
    let mut total = [0.0f32; COLUMNS];
    // SAFETY: the caller's promise.
    unsafe {
        let mut lanes = [Lanes::splat(0.0); WIDE];
        for p in 0..depth {
            for (v, lanes) in lanes.iter_mut().enumerate() {
                *lanes = lanes.plus(Lanes::load(panel.add(p * COLUMNS + v * LANES)));
            }
        }
        for (v, lanes) in lanes.into_iter().enumerate() {
            lanes.store(total.as_mut_ptr().add(v * LANES));
        }
    }
    for (sum, total) in sums.iter_mut().zip(total) {
        *sum += total;
    }
}

#[cfg(test)]
mod tests {
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
}
