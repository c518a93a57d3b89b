//! Convolutions, with the ReLU behind them where there is one.

use std::ops::Range;

use super::{Op, Site, Still, activation};
use crate::data::Shape;
use crate::net::cpu::block::{Gradient, Reading};
use crate::net::cpu::conv::{Conv, Packed, PixelsMut};
use crate::net::graph::channels_of;
use crate::net::{Activation, Network, Window};

pub struct Conv2d {
    conv: Conv,
    weight: Range<usize>,
    bias: Option<Range<usize>>,
    relu: bool,
    /// The input with the columns of its padding, where the convolution wants that.
    padded: Vec<f32>,
}

impl Conv2d {
    pub fn new(site: &Site<'_>, window: Window, groups: usize, bias: bool, rows: usize) -> Self {
        let conv = between(site, window, groups);
        Self {
            padded: vec![0.0; rows * conv.room()],
            conv,
            weight: site.tensors[0].clone(),
            bias: bias.then(|| site.tensors[1].clone()),
            relu: false,
        }
    }
}

impl Op for Conv2d {
    fn evaluate(&mut self, read: Reading<'_>, network: &Network, y: &mut [f32]) {
        let bias = self.bias.clone().map(|bias| &network.parameters()[bias]);
        let weights = self.conv.pack(&network.parameters()[self.weight.clone()], bias);
        let y = PixelsMut {
            numbers: y,
            pitch: self.conv.outputs,
        };
        let room = &mut self.padded;
        self.conv
            .forward(read.rows(), read.x(), &weights, self.relu, y, room);
    }

    fn backward(&mut self, read: Reading<'_>, network: &Network, mut gradient: Gradient<'_>) {
        let (rows, x) = (read.rows(), read.x());
        if self.relu && !gradient.gated {
            activation::backward(Activation::Relu, x, gradient.y, &[], gradient.grad());
        }
        let grad = &gradient.given.unwrap_or(gradient.flowing)[..gradient.y.len()];
        if gradient.learns {
            let (dw, db) = own(gradient.learned, &self.weight, self.bias.as_ref());
            self.conv.weight_gradient(rows, x, grad, dw, db, &self.padded);
        }
        if gradient.onward {
            let w = &network.parameters()[self.weight.clone()];
            let (gate, dx) = (gradient.gate.then_some(x), &mut gradient.spare[..x.len()]);
            self.conv.input_gradient(rows, grad, w, gate, dx);
            std::mem::swap(gradient.flowing, gradient.spare);
        }
    }

    fn learned(&self) -> Option<Range<usize>> {
        Some(whole(&self.weight, self.bias.as_ref()))
    }

    fn join_relu(&mut self) -> bool {
        self.relu = true;
        true
    }

    fn ends_in_relu(&self) -> bool {
        self.relu
    }

    fn takes_gate(&self) -> bool {
        true
    }

    fn reads_gradient(&self) -> bool {
        !self.relu
    }

    fn floats(&self) -> usize {
        self.padded.len()
    }
}

/// Where a layer's weights lie, and its biases behind them.
pub fn whole(weight: &Range<usize>, bias: Option<&Range<usize>>) -> Range<usize> {
    weight.start..bias.map_or(weight.end, |bias| bias.end)
}

/// The gradients of a layer's own weights and biases: weights come before their biases.
pub fn own<'a>(
    learned: &'a mut [f32],
    weight: &Range<usize>,
    bias: Option<&Range<usize>>,
) -> (&'a mut [f32], Option<&'a mut [f32]>) {
    let (dw, db) = learned[whole(weight, bias)].split_at_mut(weight.len());
    (dw, bias.is_some().then_some(db))
}

/// A convolution or dense layer for evaluation: what multiplies and shifts its channels becomes part of the weights,
/// which are packed once.
pub struct Ready {
    conv: Conv,
    weights: Vec<f32>,
    bias: Vec<f32>,
    packed: Option<Packed>,
    relu: bool,
}

impl Ready {
    pub fn new(conv: Conv, site: &Site<'_>, bias: bool) -> Self {
        Self {
            weights: site.parameters(0).to_vec(),
            bias: match bias {
                true => site.parameters(1).to_vec(),
                false => vec![0.0; site.channels()],
            },
            conv,
            packed: None,
            relu: false,
        }
    }
}

impl Still for Ready {
    fn run(&self, rows: usize, reads: &[&[f32]], y: PixelsMut<'_>, room: &mut Vec<f32>) {
        if let Some(packed) = &self.packed {
            self.conv.forward(rows, reads[0], packed, self.relu, y, room);
        }
    }

    fn multiply(&mut self, scale: &[f32], shift: &[f32]) -> bool {
        for row in self.weights.chunks_exact_mut(scale.len()) {
            row.iter_mut()
                .zip(scale)
                .for_each(|(weight, scale)| *weight *= scale);
        }
        for ((bias, scale), shift) in self.bias.iter_mut().zip(scale).zip(shift) {
            *bias = *bias * scale + shift;
        }
        true
    }

    fn join_relu(&mut self) -> bool {
        self.relu = true;
        true
    }

    fn ready(&mut self) {
        self.packed = Some(self.conv.pack(&self.weights, Some(&self.bias)));
        (self.weights, self.bias) = Default::default();
    }
}

/// The layer for evaluation.
pub fn still(site: &Site<'_>, window: Window, groups: usize, bias: bool) -> Ready {
    Ready::new(between(site, window, groups), site, bias)
}

/// The convolution between the shapes of a site.
fn between(site: &Site<'_>, window: Window, groups: usize) -> Conv {
    Conv {
        window,
        groups,
        source: size_of(site.read[0]),
        grid: size_of(site.shape),
        inputs: channels_of(site.read[0]),
        outputs: site.channels(),
    }
}

/// Rows and columns of an image.
pub fn size_of(shape: Shape) -> [usize; 2] {
    match shape {
        Shape::Image { height, width, .. } => [height, width],
        Shape::Flat(_) => [1, 1],
    }
}
