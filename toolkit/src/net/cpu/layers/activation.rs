//! Activations, forward and backward, over whole buffers.

use super::{Op, Site, Still};
use crate::base::math;
use crate::net::cpu::block::{Gradient, Reading};
use crate::net::cpu::conv::PixelsMut;
use crate::net::{Activation, Network, SELU_ALPHA, SELU_SCALE};

pub struct Activated {
    activation: Activation,
    channels: usize,
    saved: Vec<f32>,
}

impl Activated {
    pub fn new(site: &Site<'_>, activation: Activation, rows: usize) -> Self {
        Self {
            activation,
            channels: site.channels(),
            saved: vec![0.0; saved(activation, rows * site.shape.width())],
        }
    }
}

impl Op for Activated {
    fn evaluate(&mut self, read: Reading<'_>, _network: &Network, y: &mut [f32]) {
        forward(self.activation, read.x(), y, &mut self.saved);
    }

    fn backward(&mut self, read: Reading<'_>, _network: &Network, mut gradient: Gradient<'_>) {
        let (x, y) = (read.x(), gradient.y);
        match self.activation {
            Activation::Maxout(k) => {
                let grad = &gradient.flowing[..y.len()];
                maxout_backward(k, x, y, grad, &mut gradient.spare[..x.len()]);
                std::mem::swap(gradient.flowing, gradient.spare);
            }
            // The block behind has done it.
            Activation::Relu if gradient.gated => {}
            other => backward(other, x, y, &self.saved, gradient.grad()),
        }
    }

    fn ends_in_relu(&self) -> bool {
        self.activation == Activation::Relu
    }

    fn floats(&self) -> usize {
        self.saved.len()
    }
}

impl Still for Activated {
    fn run(&self, _rows: usize, reads: &[&[f32]], y: PixelsMut<'_>, _room: &mut Vec<f32>) {
        // A maxout puts out fewer numbers than it reads.
        let (channels, pieces) = (self.channels, self.activation.pieces());
        let mut saved = vec![0.0; saved(self.activation, channels)];
        let pixels = reads[0].chunks_exact(channels * pieces);
        for (x, y) in pixels.zip(y.numbers.chunks_mut(y.pitch)) {
            forward(self.activation, x, &mut y[..channels], &mut saved);
        }
    }
}

/// The layer for evaluation.
pub fn still(site: &Site<'_>, activation: Activation) -> Option<Box<dyn Still>> {
    (activation != Activation::Identity)
        .then(|| Box::new(Activated::new(site, activation, 0)) as Box<dyn Still>)
}

/// y = f(x). `saved` takes what the backward pass needs besides x and y (the derivative of GELU).
fn forward(activation: Activation, x: &[f32], y: &mut [f32], saved: &mut [f32]) {
    match activation {
        Activation::Identity => y.copy_from_slice(x),
        // Written so that NaN stays NaN.
        Activation::Relu => map(x, y, |x| if x < 0.0 { 0.0 } else { x }),
        Activation::LeakyRelu(slope) => map(x, y, |x| if x > 0.0 { x } else { slope * x }),
        Activation::Tanh => map(x, y, math::tanh),
        Activation::Sigmoid => map(x, y, math::sigmoid),
        Activation::Gelu => {
            for ((y, saved), &x) in y.iter_mut().zip(saved).zip(x) {
                (*y, *saved) = math::gelu(x);
            }
        }
        Activation::HardTanh => map(x, y, |x| x.clamp(-1.0, 1.0)),
        Activation::Softsign => map(x, y, |x| x / (1.0 + x.abs())),
        Activation::Elu(alpha) => map(x, y, |x| math::elu(x, 1.0, alpha).0),
        Activation::Selu => map(x, y, |x| math::elu(x, SELU_SCALE, SELU_SCALE * SELU_ALPHA).0),
        Activation::Silu => map(x, y, |x| math::silu(x).0),
        Activation::Mish => map(x, y, |x| math::mish(x).0),
        Activation::Maxout(k) => {
            for (y, pieces) in y.iter_mut().zip(x.chunks_exact(k)) {
                // A NaN is taken, and nothing is above it: it stays.
                *y = pieces.iter().fold(
                    f32::NEG_INFINITY,
                    |most, &x| {
                        if x > most || x.is_nan() { x } else { most }
                    },
                );
            }
        }
    }
}

/// How many numbers [`forward`] saves for `outputs` numbers.
fn saved(activation: Activation, outputs: usize) -> usize {
    if activation == Activation::Gelu {
        outputs
    } else {
        0
    }
}

/// Turns d loss / d y in `grad` into d loss / d x, for an element-wise activation.
pub fn backward(activation: Activation, x: &[f32], y: &[f32], saved: &[f32], grad: &mut [f32]) {
    match activation {
        Activation::Identity => {}
        Activation::Relu => scale(grad, y, |y| if y > 0.0 { 1.0 } else { 0.0 }),
        Activation::LeakyRelu(slope) => scale(grad, x, |x| if x > 0.0 { 1.0 } else { slope }),
        Activation::Tanh => scale(grad, y, |y| 1.0 - y * y),
        Activation::Sigmoid => scale(grad, y, |y| y * (1.0 - y)),
        Activation::Gelu => scale(grad, saved, |slope| slope),
        // 0 at both bounds, as PyTorch has it.
        Activation::HardTanh => scale(grad, x, |x| if x <= -1.0 || x >= 1.0 { 0.0 } else { 1.0 }),
        Activation::Softsign => scale(grad, x, |x| {
            let falling = 1.0 / (1.0 + x.abs());
            falling * falling
        }),
        // From x again: y has lost what a slope near 0 consists of, and to save it costs more than to compute it.
        Activation::Elu(alpha) => scale(grad, x, |x| math::elu(x, 1.0, alpha).1),
        Activation::Selu => scale(grad, x, |x| math::elu(x, SELU_SCALE, SELU_SCALE * SELU_ALPHA).1),
        Activation::Silu => scale(grad, x, |x| math::silu(x).1),
        Activation::Mish => scale(grad, x, |x| math::mish(x).1),
        Activation::Maxout(_) => unreachable!("maxout changes the width: see maxout_backward"),
    }
}

/// d loss / d x of maxout: the gradient goes to the first piece that is the largest.
fn maxout_backward(k: usize, x: &[f32], y: &[f32], grad_y: &[f32], grad_x: &mut [f32]) {
    let pieces = x.chunks_exact(k).zip(grad_x.chunks_exact_mut(k));
    for ((&y, &grad), (x, grad_x)) in y.iter().zip(grad_y).zip(pieces) {
        let mut rest = grad;
        for (&x, grad_x) in x.iter().zip(grad_x) {
            let chosen = x == y;
            *grad_x = if chosen { rest } else { 0.0 };
            rest = if chosen { 0.0 } else { rest };
        }
    }
}

#[inline(always)]
fn map(x: &[f32], y: &mut [f32], f: impl Fn(f32) -> f32) {
    for (y, &x) in y.iter_mut().zip(x) {
        *y = f(x);
    }
}

#[inline(always)]
fn scale(grad: &mut [f32], by: &[f32], slope: impl Fn(f32) -> f32) {
    for (grad, &by) in grad.iter_mut().zip(by) {
        *grad *= slope(by);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maxout_keeps_nan_wherever_it_stands() {
        let x = [f32::NAN, 1.0, 1.0, f32::NAN, 2.0, 1.0, f32::NEG_INFINITY, -3.0];
        let mut y = [0.0; 4];
        forward(Activation::Maxout(2), &x, &mut y, &mut []);
        assert!(y[0].is_nan() && y[1].is_nan(), "{y:?}");
        assert_eq!(y[2..], [2.0, -3.0]);
    }
}
