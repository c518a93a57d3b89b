//! Where rows of results read the source: where it lies, or copies of the few rows that they see.

use std::ops::Range;

use super::{Axis, Depthwise, LANES};
use crate::net::cpu::aligned::Aligned;
use crate::net::cpu::lanes::{Lanes, prefetch};

/// Reads an image for some blocks of channels, one turn of rows after another.
pub struct Reader<'a> {
    of: &'a Depthwise,
    blocks: Range<usize>,
    x: &'a [f32],
    image: usize,
    turn: usize,
    copies: Option<Copies>,
}

/// The last rows that were taken from an image, in turns, with the padding beside them: the vectors of a row for one
/// block after another.
struct Copies {
    vectors: Aligned,
    /// Rows, blocks, and vectors of a row and block.
    slots: usize,
    blocks: usize,
    width: usize,
    /// The column of the first.
    left: isize,
    /// The places from which on the first turn reads, and to which.
    reach: [isize; 2],
    /// The row to be taken next.
    next: isize,
}

/// How a row of results reads from the place of its first tap on.
pub struct Row<'a> {
    pub across: &'a Axis,
    /// Numbers from a pixel to the next, from a block to the next, and from the first block to the last.
    pub pixel: usize,
    block: usize,
    last: usize,
    /// Blocks, and channels from the first to the last.
    pub blocks: usize,
    channels: usize,
    /// Pixels that are there.
    pub columns: usize,
    /// Results of the row, and those of them that see no pixel outside.
    pub outputs: usize,
    pub inner: Range<usize>,
    /// Whether a block goes along the row before the next one does, in the largest tiles: its numbers lie close
    /// together, and its results are neighbours.
    pub alone: bool,
    /// Where the rows of the next turn begin, how many they are, and the numbers of a pixel and of a row.
    next: *const f32,
    rows: usize,
    apart: [usize; 2],
}

impl<'a> Reader<'a> {
    /// Reads images `x`.
    pub fn new(of: &'a Depthwise, x: &'a [f32]) -> Self {
        Self {
            copies: of.copies().then(|| Copies::new(of)),
            of,
            blocks: 0..1,
            x,
            image: 0,
            turn: 0,
        }
    }

    /// Turns to some blocks of an image, to read some of its rows in order.
    pub fn begin(&mut self, image: usize, blocks: Range<usize>) {
        (self.image, self.blocks) = (image, blocks);
        if let Some(copies) = &mut self.copies {
            copies.next = 0;
        }
    }

    /// What follows is about this turn of rows.
    pub fn turn(&mut self, turn: usize) {
        self.turn = turn;
        let of = self.of;
        let [height, width] = of.source;
        let Some(copies) = &mut self.copies else { return };
        let ahead = (turn * of.axes[0][0].step) as isize;
        let end = (copies.reach[1] + ahead).min(height as isize);
        let columns = copies.left.max(0) as usize
            ..(copies.left + copies.width as isize).clamp(0, width as isize) as usize;
        let (first, apart) = (of.channel(self.blocks.start), copies.width * LANES);
        let last = of.channel(self.blocks.end - 1) - first;
        if columns.is_empty() {
            return;
        }
        for row in copies.next.max(copies.reach[0] + ahead)..end {
            let place = copies.place(row, (columns.start as isize - copies.left) as usize);
            let pixel = (self.image * height + row as usize) * width + columns.start;
            let from =
                &self.x[pixel * of.channels + first..][..(columns.len() - 1) * of.channels + last + LANES];
            let to = &mut copies.vectors[place..][..(self.blocks.len() - 1) * apart + columns.len() * LANES];
            let (mut from, mut to) = (from.as_ptr(), to.as_mut_ptr());
            for _ in columns.clone() {
                for block in 0..self.blocks.len() {
                    // SAFETY: the slices have every block of all columns.
                    unsafe { Lanes::load(from.add((block * LANES).min(last))).store(to.add(block * apart)) };
                }
                (from, to) = (from.wrapping_add(of.channels), to.wrapping_add(LANES));
            }
        }
        copies.next = copies.next.max(end);
    }

    /// The place of this row of the source that the first tap of the first result reads, in the first block; it may lie
    /// outside of the row.
    pub fn place(&self, row: isize, across: &Axis) -> *const f32 {
        let of = self.of;
        if let Some(copies) = &self.copies {
            return copies.vectors[copies.place(row, (across.first - copies.left) as usize)..].as_ptr();
        }
        let pixel = (self.image * of.source[0]) as isize + row;
        let pixel = pixel * of.source[1] as isize + across.first;
        let at = pixel * of.channels as isize + of.channel(self.blocks.start) as isize;
        self.x.as_ptr().wrapping_offset(at)
    }

    /// How rows read for the columns of this phase.
    pub fn row(&self, phase: usize) -> Row<'a> {
        let of = self.of;
        let across = &of.axes[1][phase];
        let outputs = of.result[1].saturating_sub(phase).div_ceil(of.axes[1].len());
        let first = of.channel(self.blocks.start);
        let channels = of.channel(self.blocks.end - 1) - first;
        let seen = of.axes[0].iter().map(|axis| axis.start(self.turn) + axis.reach());
        let next = (self.image * of.source[0]) as isize + seen.max().unwrap_or(0);
        let row = Row {
            across,
            pixel: of.channels,
            block: LANES,
            last: channels,
            blocks: self.blocks.len(),
            channels,
            columns: of.source[1],
            outputs,
            inner: across.inner(outputs, of.source[1]),
            alone: false,
            next: self
                .x
                .as_ptr()
                .wrapping_offset(next * (of.source[1] * of.channels) as isize + first as isize),
            rows: if phase == 0 { of.axes[0][0].step } else { 0 },
            apart: [of.channels, of.source[1] * of.channels],
        };
        match &self.copies {
            None => row,
            Some(copies) => Row {
                pixel: LANES,
                block: copies.width * LANES,
                last: (self.blocks.len() - 1) * copies.width * LANES,
                inner: 0..outputs,
                alone: of.axes[1].len() == 1,
                ..row
            },
        }
    }
}

impl Copies {
    fn new(of: &Depthwise) -> Self {
        let first = |axes: &[Axis]| axes.iter().map(|axis| axis.first).min().unwrap_or(0);
        let end = |axes: &[Axis], last: usize| {
            let ends = axes.iter().map(|axis| axis.start(last) + axis.reach());
            ends.max().unwrap_or(0)
        };
        let [rows, columns] = &of.axes;
        let outputs = of.result[1].div_ceil(columns.len());
        let reach = [first(rows), end(rows, 0)];
        let left = first(columns);
        let slots = (reach[1] - reach[0]).max(1) as usize;
        let width = (end(columns, outputs.max(1) - 1) - left).max(1) as usize;
        Self {
            vectors: Aligned::zeros(slots * of.together() * width * LANES),
            slots,
            blocks: of.together(),
            width,
            left,
            reach,
            next: 0,
        }
    }

    /// Where a vector of the first block stands.
    fn place(&self, row: isize, column: usize) -> usize {
        (row as usize % self.slots * self.blocks * self.width + column) * LANES
    }
}

impl Row<'_> {
    /// The blocks that go along the row together: all, or each alone.
    pub fn sweeps(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        let (count, blocks) = match self.alone {
            true => (self.blocks, 1),
            false => (1, self.blocks),
        };
        (0..count).map(move |i| i * blocks..(i + 1) * blocks)
    }

    /// Numbers from the first block to this one in the source.
    #[inline(always)]
    pub fn offset(&self, block: usize) -> usize {
        match block + 1 == self.blocks {
            true => self.last,
            false => block * self.block,
        }
    }

    /// Asks for a part of what the next turn reads, while `count` results are summed: where all blocks are read, one
    /// number after the other.
    #[inline(always)]
    pub fn prefetch(&self, result: usize, count: usize, block: usize) {
        let [pixel, row] = self.apart;
        let (from, count) = (result * self.across.step, count * self.across.step);
        if self.pixel == pixel {
            let vectors = count * self.rows;
            let from = (from * self.rows * self.blocks + block * vectors) * LANES;
            for i in 0..vectors {
                prefetch(self.next.wrapping_add(from + i * LANES));
            }
            return;
        }
        for next in (0..self.rows).map(|i| self.next.wrapping_add(i * row + self.channel(block))) {
            for i in from..from + count {
                prefetch(next.wrapping_add(i * pixel));
            }
        }
    }

    /// Channels from the first block to this one.
    #[inline(always)]
    pub fn channel(&self, block: usize) -> usize {
        (block * LANES).min(self.channels)
    }
}
