//! Where the numbers lie that each output of a convolution looks at.

use crate::net::Window;

/// A grid of outputs in each image, and for each tap the row of numbers that an output reads there.
///
/// The output at (a, b) reads, for the tap at (y, x), the pixel (a * step + y, b * step + x) of the source, or
/// zeros where that lies outside; its result stands at (first + a * apart, first + b * apart) of the result.
pub struct Gather {
    pub grid: [usize; 2],
    pub source: [usize; 2],
    pub step: [usize; 2],
    pub taps: Vec<[isize; 2]>,
    /// Numbers that a tap reads.
    pub run: usize,
    pub result: [usize; 2],
    pub first: [usize; 2],
    pub apart: [usize; 2],
}

impl Gather {
    /// What the outputs of a convolution look at. `joined`: the taps of a kernel's row are read as one, which
    /// their numbers must then be.
    pub fn outputs(
        window: &Window,
        source: [usize; 2],
        grid: [usize; 2],
        inputs: usize,
        joined: bool,
    ) -> Self {
        let columns = if joined { 1 } else { window.kernel[1] };
        let tap =
            |axis: usize, k: usize| (k * window.dilation[axis]) as isize - window.padding[axis] as isize;
        Self {
            grid,
            source,
            step: window.stride,
            taps: (0..window.kernel[0])
                .flat_map(|ky| (0..columns).map(move |kx| [tap(0, ky), tap(1, kx)]))
                .collect(),
            run: if joined { inputs * window.kernel[1] } else { inputs },
            result: grid,
            first: [0, 0],
            apart: [1, 1],
        }
    }

    /// What the gradients of a convolution's inputs look at, an entry for each place of an input between two
    /// strides, with the kernel's taps that it needs.
    pub fn inputs(
        window: &Window,
        source: [usize; 2],
        grid: [usize; 2],
        outputs: usize,
    ) -> Vec<(Self, Vec<usize>)> {
        let mut parts = Vec::new();
        let axis_taps = |axis: usize, phase: usize| -> Vec<(usize, isize)> {
            (0..window.kernel[axis])
                .filter_map(|k| {
                    let ahead =
                        (phase + window.padding[axis]) as isize - (k * window.dilation[axis]) as isize;
                    let stride = window.stride[axis] as isize;
                    (ahead.rem_euclid(stride) == 0).then(|| (k, ahead.div_euclid(stride)))
                })
                .collect()
        };
        for y in 0..window.stride[0].min(source[0]) {
            for x in 0..window.stride[1].min(source[1]) {
                let (rows, columns) = (axis_taps(0, y), axis_taps(1, x));
                let pairs = || {
                    rows.iter()
                        .flat_map(|row| columns.iter().map(move |column| (*row, *column)))
                };
                let left = |axis: usize, phase: usize| (source[axis] - phase).div_ceil(window.stride[axis]);
                let gather = Self {
                    grid: [left(0, y), left(1, x)],
                    source: grid,
                    step: [1, 1],
                    taps: pairs().map(|((_, y), (_, x))| [y, x]).collect(),
                    run: outputs,
                    result: source,
                    first: [y, x],
                    apart: window.stride,
                };
                let kernel = pairs()
                    .map(|((ky, _), (kx, _))| ky * window.kernel[1] + kx)
                    .collect();
                parts.push((gather, kernel));
            }
        }
        parts
    }

    /// Outputs in one image.
    pub fn pixels(&self) -> usize {
        self.grid[0] * self.grid[1]
    }

    /// Where the result of this output stands, in pixels of the result.
    pub fn place(&self, at: Output) -> usize {
        let (y, x) = (
            self.first[0] + at.row * self.apart[0],
            self.first[1] + at.column * self.apart[1],
        );
        (at.image * self.result[0] + y) * self.result[1] + x
    }

    /// The output of this number, counted through all images.
    pub fn output(&self, pixel: usize) -> Output {
        let (image, rest) = (pixel / self.pixels(), pixel % self.pixels());
        Output {
            image,
            row: rest / self.grid[1],
            column: rest % self.grid[1],
        }
    }

    /// The output so many further on, at most to the start of the next row.
    pub fn next(&self, mut at: Output, columns: usize) -> Output {
        at.column += columns;
        if at.column == self.grid[1] {
            (at.row, at.column) = (at.row + 1, 0);
        }
        if at.row == self.grid[0] {
            (at.image, at.row) = (at.image + 1, 0);
        }
        at
    }

    /// Pointers to the numbers that `count` outputs from `first` on read in images `x`, pixels of `channels` numbers,
    /// or to `zeros` outside of an image. They go to `to` in tiles of outputs, taps x tile.
    pub fn point(
        &self,
        first: usize,
        count: usize,
        (x, channels): (&[f32], usize),
        zeros: &[f32],
        (to, tile): (&mut [*const f32], usize),
    ) {
        let taps = self.taps.len();
        let [height, width] = self.source;
        let (mut done, mut at) = (0, self.output(first));
        while done < count {
            // What is left of this row of outputs, as far as the tile goes.
            let run = (self.grid[1] - at.column)
                .min(tile - done % tile)
                .min(count - done);
            let place = done / tile * tile * taps + done % tile;
            for (tap, [down, right]) in self.taps.iter().enumerate() {
                let to = &mut to[place + tap * tile..][..run];
                // A negative number is a very large one.
                let y = ((at.row * self.step[0]) as isize + down) as usize;
                if y >= height {
                    to.fill(zeros.as_ptr());
                    continue;
                }
                let row = (at.image * height + y) * width;
                let mut column = (at.column * self.step[1]) as isize + right;
                for to in to {
                    *to = match (column as usize) < width {
                        // The callers checked that all pixels are there.
                        true => x.as_ptr().wrapping_add((row + column as usize) * channels),
                        false => zeros.as_ptr(),
                    };
                    column += self.step[1] as isize;
                }
            }
            done += run;
            at = self.next(at, run);
        }
    }
}

/// One of a gather's outputs.
#[derive(Clone, Copy)]
pub struct Output {
    pub image: usize,
    pub row: usize,
    pub column: usize,
}
