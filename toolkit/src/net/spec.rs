//! [`NetSpec`]: a network as data. It says everything about a network but its numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Activation, Init, Window};
use crate::canonical;
use crate::data::Shape;
use crate::{Error, Result};

/// Layers, first to last: a chain, or a graph where layers say whose output they read. The output of the
/// last one is the network's. Displays as one line: `64 > dense 128 relu > dense 10`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetSpec {
    /// Numbers in one example.
    pub input: usize,
    /// The shape of an example that is an image (height x width x channels), for layers that look at
    /// neighbours; plain numbers otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Shape>,
    /// The layers, in order.
    pub layers: Vec<Layer>,
}

/// A layer with its name, unique in its network (`dense1`, `batch_norm1`, ..., and `logits` for the last
/// dense layer).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Layer {
    /// Names the layer in errors, checkpoints and `freeze`: letters, digits, `_` and `-`.
    pub name: String,
    /// What it computes.
    pub kind: LayerKind,
    /// The earlier layers whose outputs it reads, by name, or `input` for the network's input; empty for
    /// the layer before. Only [`LayerKind::Concat`] and [`LayerKind::Add`] read several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub from: Vec<String>,
    /// A frozen layer takes no update; batch norm then also normalizes with its running statistics,
    /// which stay as they are.
    #[serde(default, skip_serializing_if = "canonical::is_false")]
    pub frozen: bool,
}

/// What a layer computes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub enum LayerKind {
    /// x W + b, with W of shape inputs x units, row-major.
    #[doc(alias = "Linear")]
    Dense {
        /// Columns of W.
        units: usize,
        /// Whether b is there.
        bias: bool,
        /// How W starts.
        init: Init,
        /// How b starts.
        bias_init: Init,
    },
    /// An activation.
    Activation(Activation),
    /// The same numbers; on the way back the gradient is multiplied by minus this strength (0 or more): what lies
    /// before learns to make the loss behind larger (Ganin and Lempitsky 2015, equation 9).
    #[doc(alias = "GradientReversal")]
    ReverseGradient(f32),
    /// In training each number becomes 0 with this probability, else is divided by 1 - p.
    Dropout(f32),
    /// Of images: in training each channel of an example becomes 0 as a whole with this probability, else is divided by
    /// 1 - p (Tompson et al. 2015). Neighbouring pixels say much the same, so that dropping some of them hides little.
    #[doc(alias = "Dropout2d")]
    #[doc(alias = "SpatialDropout2D")]
    SpatialDropout(f32),
    /// In training all that an example has here becomes 0 with this probability, else is divided by 1 - p: at the end of
    /// a residual branch, before [`LayerKind::Add`], the example passes around the branch (stochastic depth, Huang et
    /// al. 2016, scaled as dropout is).
    #[doc(alias = "StochasticDepth")]
    DropPath(f32),
    /// Batch normalization (Ioffe and Szegedy 2015) with PyTorch's conventions: running = (1 - momentum) *
    /// running + momentum * batch, the running variance unbiased. A batch of a single row has no variance:
    /// it is normalized with the running statistics, which then stay.
    #[doc(alias = "BatchNorm1d")]
    #[doc(alias = "BatchNorm2d")]
    BatchNorm {
        /// Share of the newest batch in the running statistics, 0 to 1.
        momentum: f32,
        /// Added to the variance before the root.
        epsilon: f32,
    },
    /// Layer normalization (Ba, Kiros and Hinton 2016): plain numbers, or the channels of each pixel, minus their mean,
    /// divided by the root of their biased variance, times a scale and plus a shift that are learned, one of each a
    /// channel. PyTorch's `LayerNorm(channels)` over images whose channels stand last; for one mean over a whole image
    /// use a group norm of 1 group.
    LayerNorm {
        /// Added to the variance before the root, above 0; usually 1e-5.
        epsilon: f32,
    },
    /// Group normalization (Wu and He 2018): as layer norm, by the mean and variance over all pixels of each group of
    /// neighbouring channels.
    GroupNorm {
        /// Groups; they divide the channels.
        groups: usize,
        /// Added to the variance before the root, above 0; usually 1e-5.
        epsilon: f32,
    },
    /// Instance normalization (Ulyanov, Vedaldi and Lempitsky 2016): a group norm whose groups are single channels, of
    /// images of two pixels or more. PyTorch's with `affine=True`.
    InstanceNorm {
        /// Added to the variance before the root, above 0; usually 1e-5.
        epsilon: f32,
    },
    /// x for x > 0, else slope * x, with slopes that are learned (He et al. 2015, equation 1). Penalties leave them alone.
    PRelu {
        /// Whether there is one slope for all channels instead of one for each.
        shared: bool,
        /// How the slopes start; usually at the constant 0.25.
        init: Init,
    },
    /// A row of a learned table for each index: n indices become an image of 1 x n pixels and `width` channels, which a
    /// flatten layer puts side by side and a global average pool takes the mean of. It reads the network's input, whose
    /// numbers must be whole, from 0 to `vocabulary` - 1; others are refused before a pass.
    Embedding {
        /// Rows of the table.
        vocabulary: usize,
        /// Numbers for each index.
        width: usize,
        /// How the table starts: PyTorch has `Normal(1)`, word2vec `Word2Vec`.
        init: Init,
    },
    /// A convolution (cross-correlation) over images, height x width x channels. The weights have the shape
    /// kernel height x kernel width x (input channels / groups) x channels.
    Conv2d {
        /// Channels that come out.
        channels: usize,
        /// What each output looks at.
        window: Window,
        /// Parts into which input and output channels are split; each part sees its own only.
        groups: usize,
        /// Whether a bias is added to each channel.
        bias: bool,
        /// How the weights start; fan-in is kernel height x kernel width x input channels / groups.
        init: Init,
        /// How the biases start.
        bias_init: Init,
    },
    /// The largest number of each window, channel by channel. Padding never wins.
    #[doc(alias = "MaxPooling2D")]
    MaxPool2d {
        /// What each output looks at.
        window: Window,
        /// Whether a window that is only partly there gives an output too.
        ceil: bool,
    },
    /// The mean of each window, channel by channel.
    #[doc(alias = "AveragePooling2D")]
    AvgPool2d {
        /// What each output looks at; dilation 1.
        window: Window,
        /// Whether a window that is only partly there gives an output too.
        ceil: bool,
        /// Whether zeros of the padding count in the mean.
        count_include_pad: bool,
    },
    /// The mean of each channel over the whole image: one number a channel.
    #[doc(alias = "AdaptiveAvgPool2d")]
    #[doc(alias = "GlobalAveragePooling2D")]
    GlobalAvgPool,
    /// The largest number of each channel over the whole image: one number a channel.
    GlobalMaxPool,
    /// Each pixel as many times, down and across: PyTorch's `Upsample` in mode `nearest`.
    Upsample {
        /// Rows and columns that come out for each that goes in, from 1.
        factor: [usize; 2],
    },
    /// An image as plain numbers, in the order height, width, channel (PyTorch's is channel, height, width).
    Flatten,
    /// The channels (or plain numbers) of several layers side by side, in the order of `from`.
    Concat,
    /// The sum of several layers of one shape: a residual connection (He et al. 2016).
    Add,
    /// x * scale + shift, constants for each channel: a change of the scale of the input. Nothing is learned.
    Affine {
        /// One factor a channel.
        scale: Vec<f32>,
        /// One summand a channel.
        shift: Vec<f32>,
    },
}

impl NetSpec {
    /// A chain for plain numbers.
    pub fn chain(input: usize, layers: Vec<Layer>) -> Self {
        Self {
            input,
            image: None,
            layers,
        }
    }

    /// The shape of an example.
    pub fn shape(&self) -> Shape {
        self.image.unwrap_or(Shape::Flat(self.input))
    }

    /// Numbers that come out for one example: the logits of a classifier.
    pub fn outputs(&self) -> usize {
        self.widths().last().copied().unwrap_or(self.input)
    }

    /// Numbers that come out of each layer for one example.
    pub fn widths(&self) -> Vec<usize> {
        self.shapes().into_iter().map(Shape::width).collect()
    }

    /// The place in [`NetSpec::layers`] of the layer of this name.
    ///
    /// # Errors
    /// When there is no such layer.
    pub fn position(&self, name: &str) -> Result<usize> {
        self.layers
            .iter()
            .position(|layer| layer.name == name)
            .ok_or_else(|| {
                let known: Vec<&str> = self.layers.iter().map(|layer| layer.name.as_str()).collect();
                Error::spec(format!("there is no layer {name:?}"))
                    .fix(format!("use one of: {}", known.join(", ")))
            })
    }

    /// Freezes the layer of this name: it takes no update.
    ///
    /// # Errors
    /// When there is no such layer.
    pub fn freeze(&mut self, name: &str) -> Result<()> {
        let at = self.position(name)?;
        self.layers[at].frozen = true;
        Ok(())
    }

    /// The layer of this name takes updates again.
    ///
    /// # Errors
    /// When there is no such layer.
    pub fn unfreeze(&mut self, name: &str) -> Result<()> {
        let at = self.position(name)?;
        self.layers[at].frozen = false;
        Ok(())
    }

    /// Freezes the layers before the one of this name, and no others: it and those behind it take updates.
    /// fastai's `freeze_to`, by name.
    ///
    /// # Errors
    /// When there is no such layer.
    pub fn freeze_to(&mut self, name: &str) -> Result<()> {
        let first = self.position(name)?;
        for (at, layer) in self.layers.iter_mut().enumerate() {
            layer.frozen = at < first;
        }
        Ok(())
    }

    /// The SHA-256, in hex, of the spec as JSON with sorted keys: equal for equal specs, on every machine
    /// and in every version that reads the same spec.
    pub fn digest(&self) -> String {
        canonical::digest(self)
    }
}

impl fmt::Display for NetSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.image {
            Some(Shape::Image {
                height,
                width,
                channels,
            }) => write!(f, "{height}x{width}x{channels}")?,
            _ => write!(f, "{}", self.input)?,
        }
        let mut after_weights = false;
        for layer in &self.layers {
            // An activation reads as part of the layer with weights that it follows.
            let joined = after_weights
                && !layer.frozen
                && layer.from.is_empty()
                && matches!(layer.kind, LayerKind::Activation(_));
            f.write_str(if joined { " " } else { " > " })?;
            write!(f, "{}", layer.kind)?;
            if !layer.from.is_empty() {
                write!(f, " of {}", layer.from.join(" + "))?;
            }
            if layer.frozen {
                f.write_str(" (frozen)")?;
            }
            after_weights = matches!(layer.kind, LayerKind::Dense { .. } | LayerKind::Conv2d { .. });
        }
        Ok(())
    }
}
