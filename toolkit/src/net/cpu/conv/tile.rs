//! The innermost loop of convolutions: a tile of outputs, pixels by channels, kept in registers from its
//! start to its finish. Where its inputs lie is a list of pointers, one for each tap and pixel, so that
//! padding, strides and dilation cost nothing inside.

use crate::net::cpu::lanes::{LANES, Lanes, TILE};

/// The most vectors of channels side by side in a tile.
pub const WIDEST: usize = if TILE >= 24 { 4 } else { 2 };

/// Pixels of a tile that is `wide` vectors wide.
pub const fn pixels_of(wide: usize) -> usize {
    let pixels = TILE / wide;
    if pixels > 12 { 12 } else { pixels }
}

/// What a tile starts from.
#[derive(Clone, Copy)]
pub enum Start {
    Zero,
    /// The same numbers for each pixel: the bias. As many as the tile has channels, padding included.
    Row(*const f32),
}

/// What happens to a number before it is stored.
#[derive(Clone, Copy)]
pub enum Finish {
    Nothing,
    Relu,
    /// 0 unless the number at the same place in this buffer, laid out as the result, is above 0.
    Gate(*const f32),
}

/// A product of gathered rows with a panel of weights.
#[derive(Clone, Copy)]
pub struct Job {
    /// Rows of numbers that each pixel gathers.
    pub taps: usize,
    /// Numbers in such a row.
    pub run: usize,
    /// taps x pixels pointers to rows.
    pub rows: *const *const f32,
    /// Offsets added to each of those pointers: the place of the group's channels.
    pub shift: usize,
    /// taps x run x (wide x LANES) weights.
    pub panel: *const f32,
    /// The result, at the first channel of the panel.
    pub result: *mut f32,
    /// Where each pixel's numbers stand in the result (and gate): one offset a pixel.
    pub places: *const usize,
    /// Pixels that are wanted, 1 to those of the tile.
    pub live: usize,
    /// Channels that are wanted, 1 to wide x LANES.
    pub columns: usize,
    pub start: Start,
    pub finish: Finish,
}

/// Runs a tile of `wide` vectors.
///
/// # Safety
/// Everything that `job` points to is there, for the full number of pixels in `rows`.
pub unsafe fn run(wide: usize, job: &Job) {
    // SAFETY: the caller's promise.
    unsafe {
        match wide {
            1 => tile::<1, { pixels_of(1) }>(job),
            2 => tile::<2, { pixels_of(2) }>(job),
            3 if WIDEST >= 3 => tile::<3, { pixels_of(3) }>(job),
            4 if WIDEST >= 4 => tile::<4, { pixels_of(4) }>(job),
            _ => unreachable!("tiles are 1 to {WIDEST} vectors wide"),
        }
    }
}

unsafe fn tile<const W: usize, const R: usize>(job: &Job) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sum = [[Lanes::splat(0.0); W]; R];
        if let Start::Row(row) = job.start {
            let row: [Lanes; W] = std::array::from_fn(|v| Lanes::load(row.add(v * LANES)));
            sum = [row; R];
        }
        let (mut rows, mut panel) = (job.rows, job.panel);
        for _ in 0..job.taps {
            let at: [*const f32; R] = std::array::from_fn(|i| (*rows.add(i)).add(job.shift));
            rows = rows.add(R);
            for k in 0..job.run {
                let right: [Lanes; W] = std::array::from_fn(|v| Lanes::load(panel.add(v * LANES)));
                for (at, line) in at.iter().zip(&mut sum) {
                    let factor = Lanes::splat(*at.add(k));
                    for (lanes, right) in line.iter_mut().zip(right) {
                        *lanes = lanes.add_product(factor, right);
                    }
                }
                panel = panel.add(W * LANES);
            }
        }
        let whole = job.columns == W * LANES;
        for (i, line) in sum.into_iter().enumerate().take(job.live) {
            let place = *job.places.add(i);
            if whole {
                for (v, lanes) in line.into_iter().enumerate() {
                    finish(lanes, job.finish, place + v * LANES).store(job.result.add(place + v * LANES));
                }
            } else {
                narrow(line, job, place);
            }
        }
    }
}

/// What becomes of a number, or a vector of them, before it is stored.
///
/// # Safety
/// A gate can be read at the place.
#[inline(always)]
pub unsafe fn finish(lanes: Lanes, finish: Finish, place: usize) -> Lanes {
    match finish {
        Finish::Nothing => lanes,
        Finish::Relu => lanes.relu(),
        // SAFETY: the caller's promise.
        Finish::Gate(gate) => unsafe { lanes.where_positive(Lanes::load(gate.add(place))) },
    }
}

/// Stores fewer channels than the tile has.
#[cold]
#[inline(never)]
unsafe fn narrow<const W: usize>(line: [Lanes; W], job: &Job, place: usize) {
    let mut numbers = [[0.0f32; LANES]; W];
    let mut gates = [[0.0f32; LANES]; W];
    // SAFETY: the caller's promise, for the channels that are wanted.
    unsafe {
        let numbers_at = numbers.as_mut_ptr().cast::<f32>();
        let gates_at = gates.as_mut_ptr().cast::<f32>();
        let how = match job.finish {
            Finish::Gate(gate) => {
                gate.add(place).copy_to_nonoverlapping(gates_at, job.columns);
                Finish::Gate(gates_at)
            }
            other => other,
        };
        for (v, lanes) in line.into_iter().enumerate() {
            finish(lanes, how, v * LANES).store(numbers_at.add(v * LANES));
        }
        numbers_at.copy_to_nonoverlapping(job.result.add(place), job.columns);
    }
}

/// Sums of products over pixels: the gradient of `rows` x `columns` weights, added to what is there.
#[derive(Clone, Copy)]
pub struct Outer {
    /// Pixels to sum over.
    pub pixels: usize,
    /// A pointer for each pixel to the numbers it gathers.
    pub rows: *const *const f32,
    /// The first of the gathered numbers that this tile is about.
    pub shift: usize,
    /// The gradient of each pixel at the tile's first channel, wide x LANES numbers, `stride` apart.
    pub grad: *const f32,
    pub stride: usize,
    /// The sums, `result_row` apart.
    pub result: *mut f32,
    pub result_row: usize,
    /// Channels that are wanted, 1 to wide x LANES.
    pub columns: usize,
}

/// Runs `count` gathered numbers by `wide` vectors of channels; `count` is 1 to [`pixels_of`] that width.
///
/// # Safety
/// Everything that `job` points to is there.
pub unsafe fn run_outer(wide: usize, count: usize, job: &Outer) {
    macro_rules! by_count {
        ($wide:literal: $($count:literal)*) => {
            match count {
                // SAFETY: the caller's promise.
                $($count if $count <= pixels_of($wide) => unsafe {
                    outer::<$wide, { if $count <= pixels_of($wide) { $count } else { 1 } }>(job)
                },)*
                _ => unreachable!("{count} numbers in a tile of {} vectors", $wide),
            }
        };
    }
    match wide {
        1 => by_count!(1: 1 2 3 4 5 6 7 8 9 10 11 12),
        2 => by_count!(2: 1 2 3 4 5 6 7 8 9 10 11 12),
        _ => unreachable!("outer tiles are 1 or 2 vectors wide"),
    }
}

unsafe fn outer<const W: usize, const R: usize>(job: &Outer) {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sum = [[Lanes::splat(0.0); W]; R];
        let mut grad = job.grad;
        for p in 0..job.pixels {
            let at = (*job.rows.add(p)).add(job.shift);
            let right: [Lanes; W] = std::array::from_fn(|v| Lanes::load(grad.add(v * LANES)));
            for (i, line) in sum.iter_mut().enumerate() {
                let factor = Lanes::splat(*at.add(i));
                for (lanes, right) in line.iter_mut().zip(right) {
                    *lanes = lanes.add_product(factor, right);
                }
            }
            grad = grad.add(job.stride);
        }
        let whole = job.columns == W * LANES;
        for (i, line) in sum.into_iter().enumerate() {
            let to = job.result.add(i * job.result_row);
            if whole {
                for (v, lanes) in line.into_iter().enumerate() {
                    let to = to.add(v * LANES);
                    Lanes::load(to).plus(lanes).store(to);
                }
                continue;
            }
            let mut numbers = [[0.0f32; LANES]; W];
            for (v, lanes) in line.into_iter().enumerate() {
                lanes.store(numbers[v].as_mut_ptr());
            }
            let to = std::slice::from_raw_parts_mut(to, job.columns);
            for (to, from) in to.iter_mut().zip(numbers.as_flattened()) {
                *to += from;
            }
        }
    }
}
