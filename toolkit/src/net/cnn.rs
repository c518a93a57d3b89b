//! [`Cnn`]: the builder of convolutional networks for small images.

use super::builder::{Choices, Layers, batch_norm, common_setters, shared_setters};
use super::layers::check_dropout;
use super::{Activation, Init, LayerKind, NetSpec, Network, Window};
use crate::data::Shape;
use crate::{Error, Number, Result};

/// Builds a convolutional network for small images: `Cnn::new((28, 28, 1), 10)` takes images of 28 x 28 x 1 and
/// gives 10 logits. The shape of a dataset does as well: `Cnn::new(digits.shape(), digits.classes())`.
///
/// Two forms. [`Cnn::lenet`], the one that `new` makes, is LeNet-5's (LeCun et al. 1998) with today's parts: two
/// convolutions with 16 and 32 channels, each with a maximum over 2 x 2 behind it, and a dense layer of 128 units.
/// [`Cnn::resnet`] is the residual network of He et al. 2016 for small images (section 4.2) with one block at each
/// size.
///
/// Defaults: ReLU, He uniform weights, zero biases, no dropout. Setters take anything that converts to their value;
/// the first that does not fit is reported by [`Cnn::spec`].
///
/// ```
/// use jook::prelude::*;
/// let digits = datasets::digits()?.few_shot(10, 7)?;
/// let recipe = Recipe::new().epochs(20).batch(20).sgd(0.05).momentum(0.9);
/// let run = Cnn::new((8, 8, 1), 10).channels([8, 16]).dropout(0.2).train(&digits.train, recipe)?;
/// assert!(run.evaluate(&digits.test)?.accuracy > 0.6);
/// # Ok::<(), jook::Error>(())
/// ```
#[doc(alias = "Conv2d")]
#[doc(alias = "ConvNet")]
#[derive(Clone, Debug)]
pub struct Cnn {
    shape: Shape,
    classes: usize,
    channels: Vec<usize>,
    form: Form,
    spatial_dropout: Spatial,
    drop_path: f64,
    choices: Choices,
}

/// Residual blocks in all; the deepest that were ever trained have fewer.
const MOST_BLOCKS: usize = 10_000;

/// The probabilities of spatial dropout.
#[derive(Clone, Debug)]
enum Spatial {
    Everywhere(f64),
    Each(Vec<f64>),
}

impl Spatial {
    /// That of the place of this number, from 0.
    fn of(&self, place: usize) -> f64 {
        match self {
            Spatial::Everywhere(p) => *p,
            Spatial::Each(all) => all.get(place).copied().unwrap_or(0.0),
        }
    }
}

/// The probabilities of a block.
#[derive(Clone, Copy)]
struct Drops {
    spatial: f64,
    path: f64,
}

#[derive(Clone, Debug)]
enum Form {
    LeNet { kernel: usize, hidden: usize },
    ResNet { blocks: usize },
}

impl Cnn {
    /// As [`Cnn::lenet`].
    pub fn new(shape: impl Into<Shape>, classes: usize) -> Self {
        Self::lenet(shape, classes)
    }

    /// Convolutions of 5 x 5 that keep the size of the image, each with its activation and a maximum over 2 x 2 behind
    /// it; then a dense layer, and the logits. The layers are named `conv1`, `batch_norm1`, `activation1`, `pool1`,
    /// ..., `flatten`, `dense1`, ..., `logits`.
    pub fn lenet(shape: impl Into<Shape>, classes: usize) -> Self {
        Self {
            shape: shape.into(),
            classes,
            channels: vec![16, 32],
            form: Form::LeNet {
                kernel: 5,
                hidden: 128,
            },
            spatial_dropout: Spatial::Everywhere(0.0),
            drop_path: 0.0,
            choices: Choices::default(),
        }
    }

    /// A convolution of 3 x 3, then for each number of channels (16, 32 and 64) a block of two with a connection
    /// around them; each but the first halves the image. At last the mean over the image, and the logits. Batch norm
    /// throughout. The layers are named `conv1`, ..., `block1-conv1`, `block1-add`, ..., `mean`, `logits`.
    pub fn resnet(shape: impl Into<Shape>, classes: usize) -> Self {
        Self {
            channels: vec![16, 32, 64],
            form: Form::ResNet { blocks: 1 },
            ..Self::lenet(shape, classes)
        }
        .batch_norm()
    }

    /// The channels of each convolution (LeNet) or of the blocks at each size (ResNet): as many as there are numbers.
    pub fn channels(mut self, channels: impl Into<Vec<usize>>) -> Self {
        self.channels = channels.into();
        self
    }

    /// The side of the convolutions' windows, an odd number; only [`Cnn::lenet`] has it to set.
    pub fn kernel(mut self, side: impl Number) -> Self {
        if let Some(side) = self.choices.count("kernel", side) {
            match &mut self.form {
                Form::LeNet { kernel, .. } => *kernel = side,
                Form::ResNet { .. } => self.has_no("kernel", "all its windows are 3 x 3"),
            }
        }
        self
    }

    /// The units of the dense layer before the logits, 0 for none; only [`Cnn::lenet`] has it to set.
    pub fn hidden(mut self, units: impl Number) -> Self {
        if let Some(units) = self.choices.count("hidden", units) {
            match &mut self.form {
                Form::LeNet { hidden, .. } => *hidden = units,
                Form::ResNet { .. } => self.has_no("hidden", "no dense layer stands before its logits"),
            }
        }
        self
    }

    /// Blocks at each size of the image; only [`Cnn::resnet`] has it to set.
    pub fn blocks(mut self, count: impl Number) -> Self {
        if let Some(count) = self.choices.count("blocks", count) {
            match &mut self.form {
                Form::ResNet { blocks } => *blocks = count,
                Form::LeNet { .. } => self.has_no("blocks", "it has no residual blocks"),
            }
        }
        self
    }

    /// The probability, at least 0 and less than 1, with which a channel of an example is dropped as a whole in training
    /// ([`LayerKind::SpatialDropout`]): behind every convolution with its maximum (LeNet), or between the two
    /// convolutions of every block (ResNet), by layers named `spatial_dropout1` or `block1-spatial_dropout` and so on.
    #[doc(alias = "Dropout2d")]
    #[doc(alias = "SpatialDropout2D")]
    pub fn spatial_dropout(mut self, p: impl Number) -> Self {
        if let Some(p) = self.choices.number("spatial_dropout", p) {
            self.spatial_dropout = Spatial::Everywhere(p);
        }
        self
    }

    /// A probability for each convolution (LeNet) or block (ResNet), in their order, instead of
    /// [`spatial_dropout`](Self::spatial_dropout)'s one for all; 0 drops nothing. Another number of them is an error, which
    /// [`Cnn::spec`] reports.
    pub fn spatial_dropouts(mut self, p: impl Into<Vec<f64>>) -> Self {
        self.spatial_dropout = Spatial::Each(p.into());
        self
    }

    /// The probability, at least 0 and less than 1, with which an example passes around the last block in training
    /// ([`LayerKind::DropPath`]). It grows with the depth, block l of n has p l / n (the linear rule of Huang et al. 2016);
    /// the layers are named `block1-drop_path` and so on. Only [`Cnn::resnet`] has it to set.
    #[doc(alias = "stochastic_depth")]
    pub fn drop_path(mut self, p: impl Number) -> Self {
        if let Some(p) = self.choices.number("drop_path", p) {
            match self.form {
                Form::ResNet { .. } => self.drop_path = p,
                Form::LeNet { .. } => self.has_no("drop_path", "no way leads around its layers"),
            }
        }
        self
    }

    /// Reports probabilities that do not fit, or not as many as there are convolutions or blocks.
    fn check_drops(&self) -> Result<()> {
        check_dropout("drop path", self.drop_path)?;
        let each = match &self.spatial_dropout {
            Spatial::Everywhere(p) => return check_dropout("spatial dropout", *p),
            Spatial::Each(each) => each,
        };
        let (places, what) = match self.form {
            Form::LeNet { .. } => (self.channels.len(), "convolutions"),
            Form::ResNet { blocks } => (self.channels.len().saturating_mul(blocks), "blocks"),
        };
        if each.len() != places {
            return Err(Error::spec(format!(
                "{} probabilities of spatial dropout for {places} {what}: expected one for each",
                each.len()
            ))
            .at("network, spatial_dropouts")
            .fix("0 drops nothing; the same for all is .spatial_dropout(..)"));
        }
        each.iter().try_for_each(|&p| check_dropout("spatial dropout", p))
    }

    fn has_no(&mut self, setter: &str, why: &str) {
        let (this, other) = match self.form {
            Form::LeNet { .. } => ("lenet", "resnet"),
            Form::ResNet { .. } => ("resnet", "lenet"),
        };
        let error = Error::spec(format!("there is no {setter} to set in Cnn::{this}: {why}"))
            .fix(format!("leave .{setter}(..) out, or begin with Cnn::{other}"));
        self.choices.error.get_or_insert(error);
    }

    shared_setters!();

    /// The network as data, checked.
    ///
    /// # Errors
    /// When a setter was given what does not fit, the shape is no image's, there are no channels or blocks, a layer
    /// to freeze is not there, or the spec is not valid, as [`NetSpec::validate`] says.
    pub fn spec(&self) -> Result<NetSpec> {
        self.choices.check()?;
        self.check_drops()?;
        let Shape::Image { height, width, .. } = self.shape else {
            return Err(
                Error::spec(format!("a Cnn takes images, found examples of {}", self.shape))
                    .fix("give (height, width, channels); for plain numbers use Mlp"),
            );
        };
        if self.channels.is_empty() {
            return Err(
                Error::spec("0 numbers of channels make no convolution: expected one for each")
                    .fix("for instance .channels([16, 32])"),
            );
        }
        let mut layers = Layers::default();
        layers.dropout("dropout0", self.choices.input_dropout);
        match self.form {
            Form::LeNet { kernel, .. } if kernel % 2 == 0 => {
                return Err(Error::spec(format!(
                    "a window of {kernel} x {kernel} does not keep the size of the image: expected an odd side"
                ))
                .fix("for instance .kernel(3) or .kernel(5)"));
            }
            Form::LeNet { kernel, hidden } => self.lenet_layers([height, width], kernel, hidden, &mut layers),
            Form::ResNet { blocks: 0 } => {
                return Err(Error::spec(
                    "the network has 0 blocks at each size: expected 1 or more",
                ));
            }
            Form::ResNet { blocks } if blocks.saturating_mul(self.channels.len()) > MOST_BLOCKS => {
                return Err(Error::spec(format!(
                    "{blocks} blocks at each size of {} are more than the {MOST_BLOCKS} that a network may have",
                    self.channels.len()
                ))
                .at("network, blocks"));
            }
            Form::ResNet { blocks } => self.resnet_layers(blocks, &mut layers),
        }
        layers.push("logits", self.choices.dense(self.classes));
        self.choices.finish(NetSpec {
            input: self.shape.width(),
            image: Some(self.shape),
            layers: layers.into_vec(),
        })
    }

    fn lenet_layers(&self, mut size: [usize; 2], kernel: usize, hidden: usize, layers: &mut Layers) {
        let choices = &self.choices;
        for (i, &channels) in self.channels.iter().enumerate() {
            let number = i + 1;
            layers.push(
                format!("conv{number}"),
                choices.conv(self.columns(channels), Window::square(kernel).same(), true),
            );
            self.behind_weights(&number.to_string(), layers);
            // An image of one pixel has nothing to choose from.
            let window = Window::new(size.map(|side| side.min(2))).stride(2);
            if size != [1, 1] {
                layers.push(
                    format!("pool{number}"),
                    LayerKind::MaxPool2d { window, ceil: true },
                );
                size = size.map(|side| side.div_ceil(2));
            }
            let p = self.spatial_dropout.of(i);
            layers.drops(format!("spatial_dropout{number}"), p, LayerKind::SpatialDropout);
        }
        layers.push("flatten", LayerKind::Flatten);
        if hidden > 0 {
            layers.push("dense1", choices.dense(self.columns(hidden)));
            self.behind_weights(&(self.channels.len() + 1).to_string(), layers);
        }
        layers.dropout("dropout1", choices.dropout);
    }

    fn resnet_layers(&self, blocks: usize, layers: &mut Layers) {
        let first = self.channels[0];
        self.conv("conv", "1", first, 1, layers);
        self.behind_conv("", "1", true, layers);
        let mut before = first;
        let mut number = 0;
        for (i, &channels) in self.channels.iter().enumerate() {
            for block in 0..blocks {
                number += 1;
                let stride = if i > 0 && block == 0 { 2 } else { 1 };
                let drops = Drops {
                    spatial: self.spatial_dropout.of(number - 1),
                    path: self.drop_path * number as f64 / (self.channels.len() as f64 * blocks as f64),
                };
                let widths = (before, channels);
                self.block(&format!("block{number}-"), widths, stride, drops, layers);
                before = channels;
            }
        }
        layers.push("mean", LayerKind::GlobalAvgPool);
        layers.dropout("dropout1", self.choices.dropout);
    }

    /// Two convolutions, and the sum with what went in, brought to their shape by a 1 x 1 convolution where it has
    /// another.
    fn block(
        &self,
        name: &str,
        (before, channels): (usize, usize),
        stride: usize,
        drops: Drops,
        layers: &mut Layers,
    ) {
        let into = layers.last();
        self.conv(&format!("{name}conv"), "1", channels, stride, layers);
        self.behind_conv(name, "1", true, layers);
        layers.drops(
            format!("{name}spatial_dropout"),
            drops.spatial,
            LayerKind::SpatialDropout,
        );
        self.conv(&format!("{name}conv"), "2", channels, 1, layers);
        self.behind_conv(name, "2", false, layers);
        layers.drops(format!("{name}drop_path"), drops.path, LayerKind::DropPath);
        let (inner, columns) = (layers.last(), self.columns(channels));
        let around = if stride == 1 && before == columns {
            into
        } else {
            let kind = self
                .choices
                .conv(columns, Window::square(1).stride(stride), false);
            layers.add(format!("{name}shortcut"), kind, &[&into]);
            if let Some((_, norm)) = &self.choices.norm {
                layers.push(format!("{name}shortcut_norm"), norm.clone());
            }
            layers.last()
        };
        layers.add(format!("{name}add"), LayerKind::Add, &[&inner, &around]);
        layers.activation(format!("{name}activation2"), self.choices.activation);
    }

    /// A convolution of 3 x 3, without a bias: batch norm behind it has one.
    fn conv(&self, name: &str, number: &str, channels: usize, stride: usize, layers: &mut Layers) {
        let window = Window::square(3).stride(stride).padding(1);
        let kind = self.choices.conv(self.columns(channels), window, false);
        layers.push(format!("{name}{number}"), kind);
    }

    fn behind_conv(&self, name: &str, number: &str, active: bool, layers: &mut Layers) {
        layers.norm(name, number, &self.choices);
        if active {
            layers.activation(format!("{name}activation{number}"), self.choices.activation);
        }
    }

    fn behind_weights(&self, number: &str, layers: &mut Layers) {
        layers.norm("", number, &self.choices);
        layers.activation(format!("activation{number}"), self.choices.activation);
    }

    /// Channels or units before an activation that takes several for one. Too many are refused by the spec.
    fn columns(&self, units: usize) -> usize {
        units.saturating_mul(self.choices.activation.pieces())
    }
}
