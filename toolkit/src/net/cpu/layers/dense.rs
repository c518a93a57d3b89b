//! Dense layers, with the ReLU behind them where there is one.

use std::ops::Range;

use super::conv::{Ready, own, whole};
use super::{Op, Site};
use crate::net::cpu::block::{Gradient, Reading};
use crate::net::cpu::conv::{Conv, PixelsMut};
use crate::net::cpu::gemm;
use crate::net::cpu::layers::activation;
use crate::net::{Activation, Network};

pub struct Dense {
    inputs: usize,
    outputs: usize,
    weight: Range<usize>,
    bias: Option<Range<usize>>,
    relu: bool,
}

/// Products above so many multiplications are shared among threads.
const SHARED_ABOVE: usize = 1 << 23;

impl Dense {
    pub fn new(site: &Site<'_>, bias: bool) -> Self {
        Self {
            inputs: site.read[0].width(),
            outputs: site.shape.width(),
            weight: site.tensors[0].clone(),
            bias: bias.then(|| site.tensors[1].clone()),
            relu: false,
        }
    }

    /// The layer as a convolution of images of one pixel, whose products are shared among threads, when there is enough
    /// to do. Which way is taken depends on the sizes alone, and so do the bits.
    fn shared(&self, rows: usize) -> Option<Conv> {
        (rows * self.inputs * self.outputs > SHARED_ABOVE).then(|| Conv::dense(self.inputs, self.outputs))
    }
}

impl Op for Dense {
    fn evaluate(&mut self, read: Reading<'_>, network: &Network, y: &mut [f32]) {
        let (rows, x) = (read.rows(), read.x());
        let w = &network.parameters()[self.weight.clone()];
        let b = self.bias.clone().map(|bias| &network.parameters()[bias]);
        if let Some(conv) = self.shared(rows) {
            let y = PixelsMut {
                numbers: y,
                pitch: self.outputs,
            };
            conv.forward(rows, x, &conv.pack(w, b), self.relu, y, &mut Vec::new());
            return;
        }
        let shape = (self.inputs, self.outputs);
        gemm::forward(read.work(), rows, shape, x, w, b, self.relu, y);
    }

    fn backward(&mut self, read: Reading<'_>, network: &Network, mut gradient: Gradient<'_>) {
        let (rows, padded_x, x) = (read.rows(), read.padded(), read.x());
        if self.relu && !gradient.gated {
            activation::backward(Activation::Relu, x, gradient.y, &[], gradient.grad());
        }
        let shape = (self.inputs, self.outputs);
        let w = &network.parameters()[self.weight.clone()];
        let (onward, gate) = (gradient.onward, gradient.gate);
        let grad = &mut gradient.flowing[..gradient.y.len()];
        let dx = &mut gradient.spare[..x.len()];
        let learned = gradient
            .learns
            .then(|| own(gradient.learned, &self.weight, self.bias.as_ref()));
        if let Some(conv) = self.shared(rows) {
            if let Some((dw, db)) = learned {
                conv.weight_gradient(rows, x, grad, dw, db, &[]);
            }
            if onward {
                conv.input_gradient(rows, grad, w, gate.then_some(x), dx);
            }
        } else {
            let work = read.work();
            if let Some((dw, db)) = learned {
                gemm::weight_gradient(work, rows, shape, padded_x, grad, dw, db);
            }
            if onward {
                gemm::input_gradient(work, rows, shape, grad, w, gate.then_some(x), dx);
            }
        }
        if onward {
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
}

/// The layer for evaluation.
pub fn still(site: &Site<'_>, bias: bool) -> Ready {
    Ready::new(Conv::dense(site.read[0].width(), site.shape.width()), site, bias)
}
