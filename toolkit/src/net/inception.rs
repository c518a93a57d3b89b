//! [`InceptionV3`]: Inception-v3 (Szegedy et al. 2016) as torchvision has it.

use super::builder::Layers;
use super::{Activation, Init, LayerKind, NetSpec, Network, Window};
use crate::data::Shape;
use crate::{Error, Result};

/// Inception-v3 (Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision", table 1), number
/// for number as torchvision computes it.
///
/// Layers have torchvision's module names with `-` for `.`, and `-conv`, `-bn` and `-relu` behind those of a
/// convolution: `Conv2d_1a_3x3-conv`, `Mixed_5b-branch1x1-bn`. A block's output is the layer of its name,
/// `Mixed_5b`; the 2,048 bottleneck values are `avgpool`, the logits `fc`. The auxiliary head ends in `AuxLogits-fc`:
/// nothing reads it, so that it costs nothing unless asked for.
///
/// Defaults are torchvision's: 1,000 classes, the auxiliary head, images taken as they are. With weights trained on
/// ImageNet by torchvision use `.transform_input(true)`, and images normalized with ImageNet's mean and deviation.
///
/// ```
/// use jook::net::InceptionV3;
///
/// let spec = InceptionV3::new().classes(10).aux(false).spec()?;
/// assert_eq!(spec.widths()[spec.position("avgpool")?], 2048);
/// # Ok::<(), jook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct InceptionV3 {
    side: usize,
    classes: usize,
    aux: bool,
    transform_input: bool,
}

impl Default for InceptionV3 {
    fn default() -> Self {
        Self {
            side: 299,
            classes: 1000,
            aux: true,
            transform_input: false,
        }
    }
}

impl InceptionV3 {
    /// The network of the paper, for images of 299 x 299 x 3.
    pub fn new() -> Self {
        Self::default()
    }

    /// The number of classes.
    pub fn classes(mut self, classes: usize) -> Self {
        self.classes = classes;
        self
    }

    /// Whether the auxiliary head is there, which needs images of 299 x 299 or more.
    pub fn aux(mut self, aux: bool) -> Self {
        self.aux = aux;
        self
    }

    /// Whether images normalized with ImageNet's mean and deviation are brought to the range from -1 to 1 first, for
    /// which the weights that came from TensorFlow were trained.
    pub fn transform_input(mut self, transform: bool) -> Self {
        self.transform_input = transform;
        self
    }

    /// The side of the images, 75 or more.
    pub fn side(mut self, side: usize) -> Self {
        self.side = side;
        self
    }

    /// The network with its initial numbers drawn from `seed`.
    ///
    /// # Errors
    /// As [`InceptionV3::spec`], and when there is no memory for the numbers.
    pub fn build(&self, seed: u64) -> Result<Network> {
        Network::new(&self.spec()?, seed)
    }

    /// The network as data, checked.
    ///
    /// # Errors
    /// When the images are too small, or there are no classes or too many.
    pub fn spec(&self) -> Result<NetSpec> {
        let least = if self.aux { 299 } else { 75 };
        if self.side < least {
            return Err(Error::spec(format!(
                "images of {side} x {side} are too small: expected a side of {least} or more",
                side = self.side
            ))
            .fix(if self.aux {
                "resize the images to 299, or leave the auxiliary head out with .aux(false): then 75 are enough"
            } else {
                "resize the images, to 299 best"
            }));
        }
        let mut layers = Layers::default();
        if self.transform_input {
            layers.push("transform_input", transform());
        }
        self.table(&mut layers);
        let image = Shape::from((self.side, self.side, 3));
        let spec = NetSpec {
            input: image.width(),
            image: Some(image),
            layers: layers.into_vec(),
        };
        spec.validate()?;
        Ok(spec)
    }

    /// Table 1 of the paper. The sizes are those of images of 299 x 299.
    fn table(&self, net: &mut Layers) {
        let largest = LayerKind::MaxPool2d {
            window: square(3).stride(2),
            ceil: false,
        };
        conv(net, "Conv2d_1a_3x3", 32, square(3).stride(2)); // 149 x 149 x 32
        conv(net, "Conv2d_2a_3x3", 32, square(3)); //           147 x 147 x 32
        conv(net, "Conv2d_2b_3x3", 64, square(3).same()); //    147 x 147 x 64
        net.push("maxpool1", largest.clone()); //                73 x 73 x 64
        conv(net, "Conv2d_3b_1x1", 80, square(1)); //            73 x 73 x 80
        conv(net, "Conv2d_4a_3x3", 192, square(3)); //           71 x 71 x 192
        net.push("maxpool2", largest); //                        35 x 35 x 192
        figure_5(net, "Mixed_5b", 32); //                        35 x 35 x 256
        figure_5(net, "Mixed_5c", 64); //                        35 x 35 x 288
        figure_5(net, "Mixed_5d", 64); //                        35 x 35 x 288
        smaller_5(net, "Mixed_6a"); //                           17 x 17 x 768
        figure_6(net, "Mixed_6b", 128); //                       17 x 17 x 768
        figure_6(net, "Mixed_6c", 160); //                       17 x 17 x 768
        figure_6(net, "Mixed_6d", 160); //                       17 x 17 x 768
        figure_6(net, "Mixed_6e", 192); //                       17 x 17 x 768
        if self.aux {
            aux_head(net, "AuxLogits", self.classes); //         classes, on the side
        }
        smaller_6(net, "Mixed_7a", "Mixed_6e"); //                 8 x 8 x 1280
        figure_7(net, "Mixed_7b"); //                              8 x 8 x 2048
        figure_7(net, "Mixed_7c"); //                              8 x 8 x 2048
        net.push("avgpool", LayerKind::GlobalAvgPool); //          2048
        net.push("dropout", LayerKind::Dropout(0.5));
        net.push("fc", dense(self.classes, 0.1)); //               classes
    }
}

/// From ImageNet's mean and deviation to those that TensorFlow's Inception was trained with, 0.5 and 0.5.
fn transform() -> LayerKind {
    let mean = [0.485, 0.456, 0.406];
    let deviation = [0.229, 0.224, 0.225];
    LayerKind::Affine {
        scale: deviation.map(|d| (d / 0.5) as f32).to_vec(),
        shift: mean.map(|m: f64| ((m - 0.5) / 0.5) as f32).to_vec(),
    }
}

/// Figure 5: 1 x 1, 5 x 5, two of 3 x 3, and pooling, side by side.
fn figure_5(net: &mut Layers, name: &str, pool_channels: usize) {
    let block = Block::new(net, name);
    let parts = [
        block.branch(net, &[("branch1x1", 64, square(1))]),
        block.branch(
            net,
            &[
                ("branch5x5_1", 48, square(1)),
                ("branch5x5_2", 64, square(5).same()),
            ],
        ),
        block.branch(
            net,
            &[
                ("branch3x3dbl_1", 64, square(1)),
                ("branch3x3dbl_2", 96, square(3).same()),
                ("branch3x3dbl_3", 96, square(3).same()),
            ],
        ),
        block.pooled_branch(net, pool_channels),
    ];
    block.join(net, "", &parts);
}

/// Figure 10, from 35 x 35 to 17 x 17.
fn smaller_5(net: &mut Layers, name: &str) {
    let block = Block::new(net, name);
    let parts = [
        block.branch(net, &[("branch3x3", 384, square(3).stride(2))]),
        block.branch(
            net,
            &[
                ("branch3x3dbl_1", 64, square(1)),
                ("branch3x3dbl_2", 96, square(3).same()),
                ("branch3x3dbl_3", 96, square(3).stride(2)),
            ],
        ),
        block.largest_branch(net),
    ];
    block.join(net, "", &parts);
}

/// Figure 6 with n = 7: 7 x 7 taken apart into 1 x 7 and 7 x 1.
fn figure_6(net: &mut Layers, name: &str, inner: usize) {
    let block = Block::new(net, name);
    let (wide, high) = (rectangle(1, 7), rectangle(7, 1));
    let parts = [
        block.branch(net, &[("branch1x1", 192, square(1))]),
        block.branch(
            net,
            &[
                ("branch7x7_1", inner, square(1)),
                ("branch7x7_2", inner, wide),
                ("branch7x7_3", 192, high),
            ],
        ),
        block.branch(
            net,
            &[
                ("branch7x7dbl_1", inner, square(1)),
                ("branch7x7dbl_2", inner, high),
                ("branch7x7dbl_3", inner, wide),
                ("branch7x7dbl_4", inner, high),
                ("branch7x7dbl_5", 192, wide),
            ],
        ),
        block.pooled_branch(net, 192),
    ];
    block.join(net, "", &parts);
}

/// From 17 x 17 to 8 x 8. It reads the layer `from`, as the auxiliary head may stand between.
fn smaller_6(net: &mut Layers, name: &str, from: &str) {
    let block = Block::reading(from, name);
    let parts = [
        block.branch(
            net,
            &[
                ("branch3x3_1", 192, square(1)),
                ("branch3x3_2", 320, square(3).stride(2)),
            ],
        ),
        block.branch(
            net,
            &[
                ("branch7x7x3_1", 192, square(1)),
                ("branch7x7x3_2", 192, rectangle(1, 7)),
                ("branch7x7x3_3", 192, rectangle(7, 1)),
                ("branch7x7x3_4", 192, square(3).stride(2)),
            ],
        ),
        block.largest_branch(net),
    ];
    block.join(net, "", &parts);
}

/// Figure 7: 1 x 3 and 3 x 1 side by side where the image is small.
fn figure_7(net: &mut Layers, name: &str) {
    let block = Block::new(net, name);
    let (wide, high) = (rectangle(1, 3), rectangle(3, 1));
    let one = block.branch(net, &[("branch1x1", 320, square(1))]);
    let inner = block.branch(net, &[("branch3x3_1", 384, square(1))]);
    let sides = [
        block.branch_of(net, &inner, &[("branch3x3_2a", 384, wide)]),
        block.branch_of(net, &inner, &[("branch3x3_2b", 384, high)]),
    ];
    let single = block.join(net, "-branch3x3", &sides);
    let inner = block.branch(
        net,
        &[
            ("branch3x3dbl_1", 448, square(1)),
            ("branch3x3dbl_2", 384, square(3).same()),
        ],
    );
    let sides = [
        block.branch_of(net, &inner, &[("branch3x3dbl_3a", 384, wide)]),
        block.branch_of(net, &inner, &[("branch3x3dbl_3b", 384, high)]),
    ];
    let double = block.join(net, "-branch3x3dbl", &sides);
    let pooled = block.pooled_branch(net, 192);
    block.join(net, "", &[one, single, double, pooled]);
}

/// The auxiliary classifier (figure 8).
fn aux_head(net: &mut Layers, name: &str, classes: usize) {
    let window = square(5).stride(3);
    net.push(
        format!("{name}-pool"),
        LayerKind::AvgPool2d {
            window,
            ceil: false,
            count_include_pad: true,
        },
    );
    conv(net, &format!("{name}-conv0"), 128, square(1));
    conv_with(net, &format!("{name}-conv1"), 768, square(5), 0.01);
    net.push(format!("{name}-avgpool"), LayerKind::GlobalAvgPool);
    net.push(format!("{name}-fc"), dense(classes, 0.001));
}

/// Branches that read one layer, and the layer that joins their channels.
struct Block<'a> {
    name: &'a str,
    input: String,
}

/// A convolution of a branch: name, channels, window.
type Part<'a> = (&'a str, usize, Window);

impl<'a> Block<'a> {
    /// A block that reads the last layer.
    fn new(net: &Layers, name: &'a str) -> Self {
        Self::reading(&net.last(), name)
    }

    fn reading(input: &str, name: &'a str) -> Self {
        Self {
            name,
            input: input.to_owned(),
        }
    }

    /// Convolutions one behind another; gives the name of the last layer.
    fn branch(&self, net: &mut Layers, parts: &[Part]) -> String {
        self.branch_of(net, &self.input, parts)
    }

    fn branch_of(&self, net: &mut Layers, input: &str, parts: &[Part]) -> String {
        let mut from = vec![input.to_owned()];
        for (part, channels, window) in parts {
            let name = format!("{}-{part}", self.name);
            conv_from(net, &name, *channels, *window, &from);
            from.clear();
        }
        net.last()
    }

    /// The mean around each pixel, and a 1 x 1 convolution.
    fn pooled_branch(&self, net: &mut Layers, channels: usize) -> String {
        let pool = format!("{}-pool", self.name);
        let kind = LayerKind::AvgPool2d {
            window: square(3).same(),
            ceil: false,
            count_include_pad: true,
        };
        net.push_from(&pool, kind, std::slice::from_ref(&self.input));
        self.branch_of(net, &pool, &[("branch_pool", channels, square(1))])
    }

    /// The maximum of each 3 x 3, half as many rows and columns.
    fn largest_branch(&self, net: &mut Layers) -> String {
        let kind = LayerKind::MaxPool2d {
            window: square(3).stride(2),
            ceil: false,
        };
        let name = format!("{}-branch_pool", self.name);
        net.push_from(name, kind, std::slice::from_ref(&self.input));
        net.last()
    }

    fn join(&self, net: &mut Layers, what: &str, parts: &[String]) -> String {
        net.push_from(format!("{}{what}", self.name), LayerKind::Concat, parts);
        net.last()
    }
}

fn square(side: usize) -> Window {
    Window::square(side)
}

/// A window that keeps the size of the image.
fn rectangle(height: usize, width: usize) -> Window {
    Window::new([height, width]).same()
}

/// A convolution without bias, batch norm with epsilon 1e-3, and ReLU.
fn conv(net: &mut Layers, name: &str, channels: usize, window: Window) {
    conv_with(net, name, channels, window, 0.1);
}

fn conv_from(net: &mut Layers, name: &str, channels: usize, window: Window, from: &[String]) {
    net.push_from(format!("{name}-conv"), conv_kind(channels, window, 0.1), from);
    norm_and_relu(net, name);
}

fn conv_with(net: &mut Layers, name: &str, channels: usize, window: Window, deviation: f32) {
    net.push(format!("{name}-conv"), conv_kind(channels, window, deviation));
    norm_and_relu(net, name);
}

/// torchvision cuts the normal law at -2 and 2, twenty deviations out and more: never, that is.
fn conv_kind(channels: usize, window: Window, deviation: f32) -> LayerKind {
    LayerKind::Conv2d {
        channels,
        window,
        groups: 1,
        bias: false,
        init: Init::Normal(deviation),
        bias_init: Init::Zeros,
    }
}

fn norm_and_relu(net: &mut Layers, name: &str) {
    let norm = LayerKind::BatchNorm {
        momentum: 0.1,
        epsilon: 1e-3,
    };
    net.push(format!("{name}-bn"), norm);
    net.push(format!("{name}-relu"), LayerKind::Activation(Activation::Relu));
}

fn dense(units: usize, deviation: f32) -> LayerKind {
    LayerKind::Dense {
        units,
        bias: true,
        init: Init::Normal(deviation),
        bias_init: Init::FanUniform,
    }
}
