//! Convolutions, forward and backward, on images of height x width x channels.
//!
//! A convolution is a product of gathered rows with the weights. No image is unfolded into a matrix: the
//! rows are read where they lie, through pointers made once for a block of pixels and used for all its
//! channels. The gradient of the inputs is the same product the other way round; that of the weights sums
//! over pixels in parts of fixed size. So every number is summed in one order, whatever the number of
//! threads.

mod depthwise;
mod gather;
mod gradient;
mod pack;
mod product;
mod tile;
mod winograd;

use super::lanes::{LANES, transpose};
use crate::net::Window;
use depthwise::Depthwise;
use gather::Gather;
pub use pack::Packed;
use product::product;
use tile::Finish;
use winograd::Winograd;

/// Products below this many multiplications are not worth a second thread.
const WORTH_THREADS: usize = 1 << 21;

/// Every tile's pixels divide it.
const STEP: usize = 24;

/// A convolution of images of one size.
#[derive(Clone, Debug, PartialEq)]
pub struct Conv {
    pub window: Window,
    pub groups: usize,
    /// Rows and columns of the input, and of the output.
    pub source: [usize; 2],
    pub grid: [usize; 2],
    /// Channels of the input, and of the output.
    pub inputs: usize,
    pub outputs: usize,
}

/// Images to write: the numbers of a pixel begin `pitch` after those of the one before. Images that are read have
/// their pixels without gaps.
pub struct PixelsMut<'a> {
    pub numbers: &'a mut [f32],
    pub pitch: usize,
}

impl Conv {
    /// A dense layer: images of one pixel.
    pub fn dense(inputs: usize, outputs: usize) -> Self {
        Self {
            window: Window::square(1),
            groups: 1,
            source: [1, 1],
            grid: [1, 1],
            inputs,
            outputs,
        }
    }

    /// Multiplications for one image.
    fn work(&self) -> usize {
        self.grid[0] * self.grid[1] * self.outputs * self.rows()
    }

    /// Weights that meet in one output.
    fn rows(&self) -> usize {
        self.window.area() * (self.inputs / self.groups)
    }

    /// Few channels in padded images: reading them needs a copy with the padding in it, so that a whole row
    /// of the kernel is one run of numbers.
    fn wants_padding(&self) -> bool {
        self.groups == 1 && self.window.padding[1] > 0 && self.window.dilation[1] == 1 && self.inputs < LANES
    }

    /// Numbers that the copy of one image takes, if the convolution makes one.
    pub fn room(&self) -> usize {
        match self.wants_padding() {
            true => self.source[0] * (self.source[1] + 2 * self.window.padding[1]) * self.inputs,
            false => 0,
        }
    }

    /// Copies images into ones that have the columns of their padding, if the convolution wants them.
    fn pad(&self, images: usize, x: &[f32], room: &mut Vec<f32>) {
        if !self.wants_padding() {
            return;
        }
        if room.len() < images * self.room() {
            room.resize(images * self.room(), 0.0);
        }
        let row = self.source[1] * self.inputs;
        let side = self.window.padding[1] * self.inputs;
        let rows = images * self.source[0];
        for (to, from) in room
            .chunks_exact_mut(row + 2 * side)
            .zip(x.chunks_exact(row))
            .take(rows)
        {
            to[..side].fill(0.0);
            to[side..side + row].copy_from_slice(from);
            to[side + row..].fill(0.0);
        }
    }

    /// What is really run, on what: this convolution on `x`, or where it wants them, one without padding on the
    /// copies in `room`.
    fn reading<'a>(&self, x: &'a [f32], room: &'a [f32]) -> (Self, &'a [f32]) {
        let mut conv = self.clone();
        if !self.wants_padding() {
            return (conv, x);
        }
        conv.source[1] += 2 * self.window.padding[1];
        conv.window.padding[1] = 0;
        (conv, room)
    }

    /// The fast way, where there is one and it pays.
    fn winograd(&self) -> Option<Winograd> {
        let window = &self.window;
        if window.stride != [1, 1] || window.dilation != [1, 1] || self.groups != 1 {
            return None;
        }
        Winograd::new(
            window.kernel,
            (self.source, self.grid),
            window.padding,
            (self.inputs, self.outputs),
        )
    }

    /// The fast way for the gradient of the inputs: the same convolution with the kernel turned around.
    fn winograd_back(&self) -> Option<Winograd> {
        self.winograd()?;
        let [kernel, padding] = [self.window.kernel, self.window.padding];
        let turned = |axis: usize| (kernel[axis] - 1).checked_sub(padding[axis]);
        Winograd::new(
            kernel,
            (self.grid, self.source),
            [turned(0)?, turned(1)?],
            (self.outputs, self.inputs),
        )
    }

    /// Whether each channel sees itself only, and there are enough of them to fill a register.
    fn is_depthwise(&self) -> bool {
        self.groups == self.inputs && self.groups == self.outputs && self.inputs >= LANES
    }

    fn depthwise(&self) -> Depthwise {
        Depthwise::outputs(&self.window, self.source, self.grid, self.inputs)
    }

    /// The weights as [`Conv::forward`] reads them.
    pub fn pack(&self, weights: &[f32], bias: Option<&[f32]>) -> Packed {
        if self.is_depthwise() {
            return Packed::plain(weights, bias);
        }
        if let Some(fast) = self.winograd() {
            return fast.pack(bias, weights);
        }
        Packed::new(self.groups, self.outputs, self.rows(), bias, |row, column| {
            &weights[row * self.outputs + column..]
        })
    }

    fn gather(&self) -> Gather {
        let joined = self.groups == 1
            && self.window.padding[1] == 0
            && (self.window.kernel[1] == 1 || self.window.dilation[1] == 1);
        Gather::outputs(
            &self.window,
            self.source,
            self.grid,
            self.inputs / self.groups,
            joined,
        )
    }

    /// y = x * w + b, then ReLU if asked. `room` is for copies of the images, which the gradient of the weights
    /// reads again.
    pub fn forward(
        &self,
        images: usize,
        x: &[f32],
        weights: &Packed,
        relu: bool,
        y: PixelsMut<'_>,
        room: &mut Vec<f32>,
    ) {
        check(x.len(), images, self.source, self.inputs, self.inputs);
        check(y.numbers.len(), images, self.grid, y.pitch, self.outputs);
        self.pad(images, x, room);
        let (conv, x) = self.reading(x, room);
        let finish = if relu { Finish::Relu } else { Finish::Nothing };
        if conv.is_depthwise() {
            let (weights, bias) = weights.as_plain();
            return conv.depthwise().run(images, x, weights, bias, finish, y);
        }
        match conv.winograd() {
            Some(fast) => fast.run(images, x, weights, finish, y),
            None => product(
                &conv.gather(),
                images,
                x,
                conv.inputs / conv.groups,
                weights,
                finish,
                y,
            ),
        }
    }

    /// dx = the gradient that flows back to the inputs, zero where `gate` (laid out as dx) is not above 0.
    pub fn input_gradient(
        &self,
        images: usize,
        dy: &[f32],
        weights: &[f32],
        gate: Option<&[f32]>,
        dx: &mut [f32],
    ) {
        check(dy.len(), images, self.grid, self.outputs, self.outputs);
        check(dx.len(), images, self.source, self.inputs, self.inputs);
        assert!(gate.is_none_or(|gate| gate.len() >= dx.len()));
        let finish = gate.map_or(Finish::Nothing, |gate| Finish::Gate(gate.as_ptr()));
        let pitch = self.inputs;
        let (inputs, outputs) = (self.inputs / self.groups, self.outputs / self.groups);
        assert!(weights.len() == self.window.area() * inputs * self.outputs);
        // To `to`, rows of `wide`: of this tap, the weights from each output of a group to `count` inputs.
        let turned =
            |tap: usize, group: usize, (input, count): (usize, usize), to: &mut [f32], wide: usize| {
                let from = weights[(tap * inputs + input) * self.outputs + group * outputs..].as_ptr();
                assert!(input + count <= inputs && to.len() >= outputs * wide && wide >= count);
                // SAFETY: a part of a tap's weights, of which there are as many as was checked.
                unsafe { transpose(from, self.outputs, (count, outputs), to.as_mut_ptr(), wide) };
            };
        if let Some(fast) = self.winograd_back() {
            let last = self.window.area() - 1;
            let mut numbers = vec![0.0f32; weights.len()];
            for (tap, to) in numbers.chunks_exact_mut(inputs * outputs).enumerate() {
                turned(last - tap, 0, (0, inputs), to, inputs);
            }
            let packed = fast.pack(None, &numbers);
            return fast.run(images, dy, &packed, finish, PixelsMut { numbers: dx, pitch });
        }
        if self.is_depthwise() {
            let back = Depthwise::inputs(&self.window, self.source, self.grid, self.inputs);
            return back.run(
                images,
                dy,
                weights,
                None,
                finish,
                PixelsMut { numbers: dx, pitch },
            );
        }
        for (gather, taps) in Gather::inputs(&self.window, self.source, self.grid, outputs) {
            let mut packed = Packed::zeros(self.groups, self.inputs, taps.len() * outputs, None);
            packed.fill(|panel, numbers| {
                let wide = panel.wide * LANES;
                for (&tap, to) in taps.iter().zip(numbers.chunks_exact_mut(outputs * wide)) {
                    let columns = (panel.column % inputs, panel.columns);
                    turned(tap, panel.group, columns, to, wide);
                }
            });
            let dx = PixelsMut {
                numbers: &mut *dx,
                pitch,
            };
            product(&gather, images, dy, outputs, &packed, finish, dx);
        }
    }
}

fn check(length: usize, images: usize, size: [usize; 2], pitch: usize, channels: usize) {
    let pixels = images * size[0] * size[1];
    assert!(
        pixels == 0 || (pitch >= channels && length >= (pixels - 1) * pitch + channels),
        "{images} images of {size:?} pixels at a pitch of {pitch} in {length} numbers"
    );
}
