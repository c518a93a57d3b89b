//! What holds for each kind of layer, one file a kind: the shape that comes out, the tensors, what is refused, the
//! words, and where PyTorch has the numbers. `net/cpu/layers` has what the CPU computes for them.

mod activation;
mod affine;
mod batch_norm;
mod conv;
mod dense;
mod dropout;
mod embedding;
mod flatten;
mod join;
mod norm;
mod pooling;
mod prelu;
mod reverse;
mod upsample;

use std::fmt;

use super::{Init, LayerKind, Role};
use crate::data::Shape;
use crate::{Error, Result};
pub(super) use dropout::check_dropout;
pub(super) use embedding::is_index;

/// The rules of a kind of layer. What is not written is that of a layer which holds nothing and reads one other.
pub(crate) trait Rules {
    /// Refuses constants out of their range.
    fn validate(&self) -> Result<()> {
        Ok(())
    }

    /// Whether it reads two layers or more; else it reads one.
    fn joins(&self) -> bool {
        false
    }

    /// The shape that comes out when these go in.
    fn shape(&self, read: &Read<'_>) -> Result<Shape>;

    /// The tensors it holds, in order, where examples of this shape come in. The constants may be out of their range.
    fn tensors(&self, _read: Shape) -> Vec<Tensor> {
        Vec::new()
    }

    /// How many indices it tells apart, if it looks numbers up by index: then they come from the network's input.
    fn indices(&self) -> Option<usize> {
        None
    }

    /// What it is called in one line about a network.
    fn words(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result;

    /// The order in which PyTorch has the numbers that come out, if they are plain. Of an image none means PyTorch's
    /// channels x height x width, any other that its pixels come one after another there, too.
    fn order(&self, _behind: &Behind<'_>) -> Result<Places> {
        Ok(None)
    }
}

/// The shapes that a layer reads: one at least.
pub(crate) struct Read<'a> {
    pub first: Shape,
    pub others: &'a [Shape],
}

/// A tensor that a layer holds.
pub(crate) struct Tensor {
    pub name: &'static str,
    /// Sizes, row-major.
    pub shape: Vec<usize>,
    pub role: Role,
    pub init: Init,
    /// Fan-in and fan-out, as the initialization takes them.
    pub fans: [usize; 2],
    pub order: Order,
}

impl Tensor {
    /// A tensor that starts as this constant, and stands in PyTorch's order.
    fn constant(name: &'static str, shape: Vec<usize>, role: Role, value: f32) -> Self {
        Self {
            name,
            shape,
            role,
            init: Init::Constant(value),
            fans: [1, 1],
            order: Order::Same,
        }
    }

    /// The numbers in it; none past the largest integer.
    pub fn count(&self) -> Option<usize> {
        self.shape
            .iter()
            .try_fold(1usize, |product, &size| product.checked_mul(size))
    }
}

/// Where PyTorch's numbers of a tensor stand here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// In the same places.
    Same,
    /// With the dimensions in this order there.
    Axes(&'static [usize]),
    /// A matrix with a row for each number that is read: there it is the other way round, and its columns follow the
    /// order in which PyTorch has those numbers.
    Matrix,
    /// A number for each plain number that is read, in the order in which PyTorch has those.
    AsRead,
    /// In the same places, and told only where PyTorch has what is read in the same order.
    Strict,
}

/// For each plain number in PyTorch's order the place here; none where the order is the same.
pub(crate) type Places = Option<Vec<usize>>;

/// What a layer may ask to tell the order of what it puts out.
pub(crate) struct Behind<'a> {
    pub layer: &'a str,
    /// The shapes it reads.
    pub read: &'a [Shape],
    /// The orders of what it reads.
    pub orders: &'a dyn Fn() -> Result<Vec<Places>>,
}

impl Behind<'_> {
    /// The order of what is read first.
    pub fn first(&self) -> Result<Places> {
        Ok((self.orders)()?.swap_remove(0))
    }

    /// The error that the order cannot be told.
    pub fn untold(&self, what: &str) -> Error {
        Error::spec(format!(
            "the order of PyTorch's numbers cannot be told behind layer {}, {what}",
            self.layer
        ))
        .fix("put a dense layer between it and the flatten layer before it")
    }
}

impl LayerKind {
    /// The rules of the kind, with its constants.
    pub(crate) fn rules(&self) -> Box<dyn Rules + '_> {
        match *self {
            LayerKind::Dense {
                units,
                bias,
                init,
                bias_init,
            } => Box::new(dense::Dense {
                units,
                bias,
                init,
                bias_init,
            }),
            LayerKind::Activation(activation) => Box::new(activation),
            LayerKind::ReverseGradient(strength) => Box::new(reverse::ReverseGradient(strength)),
            LayerKind::Dropout(p) => Box::new(dropout::Dropout(p)),
            LayerKind::SpatialDropout(p) => Box::new(dropout::SpatialDropout(p)),
            LayerKind::DropPath(p) => Box::new(dropout::DropPath(p)),
            LayerKind::BatchNorm { momentum, epsilon } => {
                Box::new(batch_norm::BatchNorm { momentum, epsilon })
            }
            LayerKind::Conv2d {
                channels,
                window,
                groups,
                bias,
                init,
                bias_init,
            } => Box::new(conv::Conv2d {
                channels,
                window,
                groups,
                bias,
                init,
                bias_init,
            }),
            LayerKind::MaxPool2d { window, ceil } => Box::new(pooling::MaxPool { window, ceil }),
            LayerKind::AvgPool2d {
                window,
                ceil,
                count_include_pad,
            } => Box::new(pooling::AvgPool {
                window,
                ceil,
                count_include_pad,
            }),
            LayerKind::LayerNorm { epsilon } => Box::new(norm::LayerNorm { epsilon }),
            LayerKind::GroupNorm { groups, epsilon } => Box::new(norm::GroupNorm { groups, epsilon }),
            LayerKind::InstanceNorm { epsilon } => Box::new(norm::InstanceNorm { epsilon }),
            LayerKind::PRelu { shared, init } => Box::new(prelu::PRelu { shared, init }),
            LayerKind::Embedding {
                vocabulary,
                width,
                init,
            } => Box::new(embedding::Embedding {
                vocabulary,
                width,
                init,
            }),
            LayerKind::Upsample { factor } => Box::new(upsample::Upsample(factor)),
            LayerKind::GlobalAvgPool => Box::new(pooling::Global("average")),
            LayerKind::GlobalMaxPool => Box::new(pooling::Global("max")),
            LayerKind::Flatten => Box::new(flatten::Flatten),
            LayerKind::Concat => Box::new(join::Concat),
            LayerKind::Add => Box::new(join::Add),
            LayerKind::Affine { ref scale, ref shift } => Box::new(affine::Affine { scale, shift }),
        }
    }

    /// Numbers the layer learns when examples of this shape come in; none past the largest integer.
    pub(super) fn parameters(&self, read: Shape) -> Option<usize> {
        self.rules()
            .tensors(read)
            .iter()
            .filter(|tensor| tensor.role != Role::Running)
            .try_fold(0usize, |sum, tensor| sum.checked_add(tensor.count()?))
    }
}

impl fmt::Display for LayerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rules().words(f)
    }
}

/// The size and the channels of an image; an error about `who` for plain numbers.
fn image(shape: Shape, who: &str) -> Result<([usize; 2], usize)> {
    match shape {
        Shape::Image {
            height,
            width,
            channels,
        } => Ok(([height, width], channels)),
        Shape::Flat(width) => Err(
            Error::spec(format!("{who} takes images, found {width} plain numbers"))
                .fix("give the spec the shape of its images, and put flatten layers behind convolutions"),
        ),
    }
}

/// The same shape with so many channels, or plain numbers.
fn with_channels(shape: Shape, channels: usize) -> Shape {
    match shape {
        Shape::Flat(_) => Shape::Flat(channels),
        Shape::Image { height, width, .. } => Shape::Image {
            height,
            width,
            channels,
        },
    }
}

fn without_bias(bias: bool) -> &'static str {
    if bias { "" } else { " without bias" }
}

/// Refuses an epsilon that is not above 0.
fn check_epsilon(epsilon: f32, whose: &str) -> Result<()> {
    if epsilon.is_finite() && epsilon > 0.0 {
        return Ok(());
    }
    Err(Error::spec(format!(
        "epsilon of {whose} is {epsilon}: expected a number above 0, usually 1e-5"
    )))
}
