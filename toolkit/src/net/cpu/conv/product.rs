//! Products of gathered rows with packed weights, block by block.

use std::ops::Range;

use rayon::prelude::*;

use super::gather::Gather;
use super::pack::{Packed, Panel};
use super::tile::{self, Finish, Job, Start, pixels_of};
use super::{PixelsMut, STEP, WORTH_THREADS};

/// Numbers of the source that a block of pixels should not exceed: a quarter of a second cache.
const BLOCK: usize = 1 << 16;

/// A pointer that threads may share: each writes places of its own.
#[derive(Clone, Copy)]
pub struct Shared(pub *mut f32);
// SAFETY: see above; who uses it says why the places differ.
unsafe impl Send for Shared {}
unsafe impl Sync for Shared {}

impl Shared {
    /// Taken by a method, so that closures capture the whole.
    pub fn at(self) -> *mut f32 {
        self.0
    }
}

/// The product of gathered rows with weights, for all images `x` of `inputs` channels a group.
pub fn product(
    gather: &Gather,
    images: usize,
    x: &[f32],
    inputs: usize,
    weights: &Packed,
    finish: Finish,
    y: PixelsMut<'_>,
) {
    let pixels = images * gather.pixels();
    let taps = gather.taps.len();
    let steps = pixels.div_ceil(STEP);
    let work = pixels * taps * gather.run * weights.columns();
    let channels = inputs * weights.groups();
    let each = channels * gather.step[0] * gather.step[1];
    let fits = (BLOCK / each.max(1) / STEP).clamp(1, 8);
    let threads = work >= WORTH_THREADS;
    // Enough items to share, first by pixels, then by panels: the last ones decide how long a thread waits.
    let items = (work >> 20).clamp(8, 64);
    let block = if threads {
        fits.min(steps.div_ceil(8)).max(1)
    } else {
        fits
    };
    let blocks = steps.div_ceil(block);
    let cuts = if threads {
        (items / blocks).min(weights.panels().len()).max(1)
    } else {
        1
    };
    let pitch = y.pitch;
    let result = Shared(y.numbers.as_mut_ptr());
    let gate = Gate(finish);
    let zeros = vec![0.0f32; gather.run + channels];
    let item = |item: usize| {
        let (at, cut) = (item / cuts, item % cuts);
        let range = at * block * STEP..((at + 1) * block * STEP).min(pixels);
        let count = weights.panels().len();
        let panels = cut * count / cuts..(cut + 1) * count / cuts;
        let mut block = Block::new(gather, range, (x, channels), pitch, &zeros);
        let mut made_for = 0;
        for panel in &weights.panels()[panels] {
            if made_for != panel.wide {
                block.point(pixels_of(panel.wide));
                made_for = panel.wide;
            }
            // SAFETY: the callers checked the lengths. Items differ in pixels or in channels.
            unsafe { block.run(panel, weights, panel.group * inputs, result.at(), gate.finish()) };
        }
    };
    if threads && blocks * cuts > 1 {
        (0..blocks * cuts).into_par_iter().for_each(item);
    } else {
        (0..blocks * cuts).for_each(item);
    }
}

/// A finish that threads may share: they only read what it points to.
#[derive(Clone, Copy)]
pub struct Gate(pub Finish);
// SAFETY: see above.
unsafe impl Send for Gate {}
unsafe impl Sync for Gate {}

impl Gate {
    pub fn finish(self) -> Finish {
        self.0
    }
}

/// Some pixels of a product, with the pointers to what they gather.
struct Block<'a> {
    gather: &'a Gather,
    range: Range<usize>,
    /// The images, and their channels.
    x: (&'a [f32], usize),
    zeros: &'a [f32],
    places: Vec<usize>,
    /// For each tile, taps x its pixels.
    rows: Vec<*const f32>,
    tile: usize,
}

impl<'a> Block<'a> {
    fn new(
        gather: &'a Gather,
        range: Range<usize>,
        x: (&'a [f32], usize),
        pitch: usize,
        zeros: &'a [f32],
    ) -> Self {
        let mut output = gather.output(range.start);
        let mut places = Vec::with_capacity(range.len().next_multiple_of(STEP));
        for _ in range.clone() {
            places.push(gather.place(output) * pitch);
            output = gather.next(output, 1);
        }
        places.resize(range.len().next_multiple_of(STEP), 0);
        Self {
            rows: vec![zeros.as_ptr(); places.len() * gather.taps.len()],
            gather,
            range,
            x,
            zeros,
            places,
            tile: 1,
        }
    }

    /// Makes the pointers for tiles of this many pixels; what is left of the last tile reads zeros.
    fn point(&mut self, tile: usize) {
        self.tile = tile;
        self.rows.fill(self.zeros.as_ptr());
        let to = (&mut self.rows[..], tile);
        self.gather
            .point(self.range.start, self.range.len(), self.x, self.zeros, to);
    }

    /// Runs all tiles with one panel.
    ///
    /// # Safety
    /// Result and gate have the places of the pixels, and nobody else writes these channels of them.
    unsafe fn run(&self, panel: &Panel, weights: &Packed, shift: usize, result: *mut f32, finish: Finish) {
        let taps = self.gather.taps.len();
        for first in (0..self.range.len()).step_by(self.tile) {
            // SAFETY: the caller's promise.
            unsafe {
                let job = Job {
                    taps,
                    run: self.gather.run,
                    rows: self.rows[first * taps..].as_ptr(),
                    shift,
                    panel: weights.numbers(panel),
                    result: result.add(panel.column),
                    places: self.places[first..].as_ptr(),
                    live: self.tile.min(self.range.len() - first),
                    columns: panel.columns,
                    start: weights.bias(panel).map_or(Start::Zero, Start::Row),
                    finish: match finish {
                        Finish::Gate(gate) => Finish::Gate(gate.add(panel.column)),
                        other => other,
                    },
                };
                tile::run(panel.wide, &job);
            }
        }
    }
}
