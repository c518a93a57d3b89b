//! What the CPU computes for each kind of layer, one file a kind: forward and backward in training ([`Op`]), and forward
//! in evaluation with everything done beforehand that can be ([`Still`]). `net/layers` has what holds for the kinds
//! everywhere.

mod activation;
mod affine;
mod batch_norm;
mod conv;
mod dense;
mod dropout;
mod embedding;
mod join;
mod norm;
mod pooling;
mod prelu;
mod reverse;
mod upsample;

use std::ops::Range;

use super::block::{Gradient, Reading};
use super::conv::PixelsMut;
use crate::data::Shape;
use crate::net::executor::How;
use crate::net::{LayerKind, Network};

/// A layer in training, with what its backward pass needs. Outputs are rows x outputs.
pub trait Op: Send + Sync {
    /// The forward pass in evaluation.
    fn evaluate(&mut self, read: Reading<'_>, network: &Network, y: &mut [f32]);

    /// The forward pass in training: dropout and batch norm as `how` says. A `frozen` layer moves nothing.
    fn train(
        &mut self,
        read: Reading<'_>,
        network: &mut Network,
        _how: &mut How<'_>,
        _frozen: bool,
        y: &mut [f32],
    ) {
        self.evaluate(read, network, y);
    }

    /// The backward pass of the last forward pass, of a layer that reads one other.
    fn backward(&mut self, read: Reading<'_>, network: &Network, gradient: Gradient<'_>);

    /// Of a layer that reads several: the part of d loss / d output, in `grad`, that goes to the one at this place among
    /// them.
    fn part(&self, _place: usize, grad: &[f32], part: &mut [f32]) {
        part[..grad.len()].copy_from_slice(grad);
    }

    /// Where the parameters lie that it learns.
    fn learned(&self) -> Option<Range<usize>> {
        None
    }

    /// Takes the ReLU behind it along from now on, if it can.
    fn join_relu(&mut self) -> bool {
        false
    }

    /// Whether the output is a ReLU's.
    fn ends_in_relu(&self) -> bool {
        false
    }

    /// Whether the backward pass can take the derivative of a ReLU before the layer along.
    fn takes_gate(&self) -> bool {
        false
    }

    /// Whether the backward pass only reads d loss / d output, by [`Gradient::given`] where that is.
    fn reads_gradient(&self) -> bool {
        false
    }

    /// Numbers it holds for its rows beside the output.
    fn floats(&self) -> usize {
        0
    }
}

/// A layer made ready for evaluation.
pub trait Still: Send + Sync {
    /// The outputs of `rows` examples to `y`, from what it reads, rows x inputs each. Of `reads`, what stands in `y`
    /// already is empty. `room` is for copies.
    fn run(&self, rows: usize, reads: &[&[f32]], y: PixelsMut<'_>, room: &mut Vec<f32>);

    /// Multiplies and shifts each channel of what comes out from now on, if it can.
    fn multiply(&mut self, _scale: &[f32], _shift: &[f32]) -> bool {
        false
    }

    /// Takes the ReLU behind it along from now on, if it can.
    fn join_relu(&mut self) -> bool {
        false
    }

    /// Does beforehand what can be done; nothing joins it from then on.
    fn ready(&mut self) {}

    /// The channels of each layer that it puts side by side, if that is what it does.
    fn parts(&self) -> Option<&[usize]> {
        None
    }
}

/// A layer in its network.
pub struct Site<'a> {
    pub network: &'a Network,
    /// The shapes it reads, one at least.
    pub read: &'a [Shape],
    /// The shape that comes out.
    pub shape: Shape,
    /// Where each of its tensors lies in the parameters or buffers.
    pub tensors: &'a [Range<usize>],
}

impl Site<'_> {
    /// Numbers that stand side by side at each place of the output.
    pub fn channels(&self) -> usize {
        crate::net::graph::channels_of(self.shape)
    }

    /// The tensor of this number, of those that are learned.
    fn parameters(&self, number: usize) -> &[f32] {
        &self.network.parameters()[self.tensors[number].clone()]
    }
}

/// The layer for batches of up to `rows` examples; none where the same numbers come out in the same order.
pub fn op(kind: &LayerKind, site: &Site<'_>, rows: usize) -> Option<Box<dyn Op>> {
    Some(match kind {
        LayerKind::Dense { bias, .. } => Box::new(dense::Dense::new(site, *bias)),
        LayerKind::Conv2d {
            window, groups, bias, ..
        } => Box::new(conv::Conv2d::new(site, *window, *groups, *bias, rows)),
        LayerKind::Activation(activation) => Box::new(activation::Activated::new(site, *activation, rows)),
        LayerKind::ReverseGradient(strength) => Box::new(reverse::Turned(-strength)),
        LayerKind::Dropout(p) => Box::new(dropout::Dropout::new(site, *p, site.shape.width(), rows)),
        LayerKind::SpatialDropout(p) => Box::new(dropout::Dropout::new(site, *p, site.channels(), rows)),
        LayerKind::DropPath(p) => Box::new(dropout::Dropout::new(site, *p, 1, rows)),
        LayerKind::BatchNorm { momentum, epsilon } => {
            Box::new(batch_norm::BatchNorm::new(site, *momentum, *epsilon, rows))
        }
        LayerKind::LayerNorm { .. } | LayerKind::GroupNorm { .. } | LayerKind::InstanceNorm { .. } => {
            Box::new(norm::Normed::new(site, kind, rows))
        }
        LayerKind::PRelu { .. } => Box::new(prelu::PRelu::new(site)),
        LayerKind::Embedding {
            vocabulary, width, ..
        } => Box::new(embedding::Embedding::new(site, *vocabulary, *width)),
        LayerKind::Upsample { factor } => Box::new(upsample::Upsample::new(site, *factor)),
        LayerKind::MaxPool2d { .. } | LayerKind::AvgPool2d { .. } | LayerKind::GlobalMaxPool => {
            Box::new(pooling::Pooled::new(site, kind, rows))
        }
        LayerKind::GlobalAvgPool => Box::new(pooling::GlobalMean::new(site)),
        LayerKind::Flatten => return None,
        LayerKind::Concat => Box::new(join::Concat::new(site)),
        LayerKind::Add => Box::new(join::Add::new(site)),
        LayerKind::Affine { scale, shift } => Box::new(affine::Affine::new(scale, shift)),
    })
}

/// The layer for evaluation; none where the same numbers come out in the same order.
pub fn still(kind: &LayerKind, site: &Site<'_>) -> Option<Box<dyn Still>> {
    if let Some((scale, shift)) = factors(kind, site) {
        return Some(Box::new(affine::Affine::new(&scale, &shift)));
    }
    Some(match kind {
        LayerKind::Dense { bias, .. } => Box::new(dense::still(site, *bias)),
        LayerKind::Conv2d {
            window, groups, bias, ..
        } => Box::new(conv::still(site, *window, *groups, *bias)),
        LayerKind::Activation(activation) => return activation::still(site, *activation),
        LayerKind::ReverseGradient(_)
        | LayerKind::Dropout(_)
        | LayerKind::SpatialDropout(_)
        | LayerKind::DropPath(_)
        | LayerKind::Flatten => return None,
        LayerKind::LayerNorm { .. } | LayerKind::GroupNorm { .. } | LayerKind::InstanceNorm { .. } => {
            Box::new(norm::still(site, kind))
        }
        LayerKind::PRelu { .. } => Box::new(prelu::still(site)),
        LayerKind::Embedding { vocabulary, .. } => Box::new(embedding::still(site, *vocabulary)),
        LayerKind::Upsample { factor } => Box::new(upsample::Upsample::new(site, *factor)),
        LayerKind::MaxPool2d { .. } | LayerKind::AvgPool2d { .. } | LayerKind::GlobalMaxPool => {
            Box::new(pooling::Pooled::new(site, kind, 0))
        }
        LayerKind::GlobalAvgPool => Box::new(pooling::GlobalMean::new(site)),
        LayerKind::Concat => Box::new(join::Concat::new(site)),
        LayerKind::Add => Box::new(join::Add::new(site)),
        LayerKind::BatchNorm { .. } | LayerKind::Affine { .. } => {
            unreachable!("{kind} multiplies each channel and adds to it")
        }
    })
}

/// What a layer multiplies each channel by and adds to it in evaluation, if that is all it does.
pub fn factors(kind: &LayerKind, site: &Site<'_>) -> Option<(Vec<f32>, Vec<f32>)> {
    match kind {
        LayerKind::Affine { scale, shift } => Some((scale.clone(), shift.clone())),
        LayerKind::BatchNorm { epsilon, .. } => Some(batch_norm::factors(site, *epsilon)),
        _ => None,
    }
}
