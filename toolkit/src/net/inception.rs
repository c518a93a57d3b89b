//! [`InceptionV3`]: the network of Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception
//! Architecture for Computer Vision" (CVPR 2016, arXiv:1512.00567), as torchvision defines it.

use super::builder::{Choices, Layers, common_setters};
use super::{Activation, Init, LayerKind, NetSpec, Network, Window};
use crate::data::Shape;
use crate::{Error, Number, Result};

/// Rows and columns of the images that the network was made for.
pub const SIDE: usize = 299;

/// Builds Inception-v3. Layers have torchvision's names with `-` for `.`: `Conv2d_1a_3x3-conv`,
/// `Mixed_5b-branch1x1-conv`, ..., `avgpool` (the 2,048 numbers that transfer learning calls bottlenecks),
/// `fc` (the logits). Weights of torchvision and timm, which has the same names, are loaded by
/// [`Network::load_weights`].
///
/// ```
/// use jook::net::InceptionV3;
///
/// let spec = InceptionV3::new().classes(5).spec()?;
/// assert_eq!(spec.outputs(), 5);
/// assert_eq!(spec.widths()[spec.position("avgpool")?], 2048);
/// # Ok::<(), jook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct InceptionV3 {
    classes: usize,
    side: usize,
    aux: bool,
    transform_input: bool,
    choices: Choices,
}

impl Default for InceptionV3 {
    fn default() -> Self {
        Self::new()
    }
}

impl InceptionV3 {
    /// 1,000 classes, images of 299 x 299 x 3, no auxiliary head, no change of the input, and dropout of 0.5 before the
    /// logits. Activations, initial weights and batch norm are those of torchvision.
    pub fn new() -> Self {
        Self {
            classes: 1000,
            side: SIDE,
            aux: false,
            transform_input: false,
            choices: Choices {
                dropout: 0.5,
                ..Choices::default()
            },
        }
    }

    /// Logits that come out.
    pub fn classes(mut self, classes: impl Number) -> Self {
        if let Some(classes) = self.choices.count("classes", classes) {
            self.classes = classes;
        }
        self
    }

    /// Rows and columns of the images, 75 or more; with the auxiliary head, which needs the grid of 17 x 17, at least
    /// 299.
    pub fn side(mut self, side: impl Number) -> Self {
        if let Some(side) = self.choices.count("side", side) {
            self.side = side;
        }
        self
    }

    /// Adds the auxiliary head on the 17 x 17 grid, whose logits are the layer `AuxLogits-fc`. Nobody reads
    /// it: it is computed only where it is asked for, as by an objective of both heads:
    /// `Sum::of(1.0, loss.clone().at("fc")).plus(0.4, loss.at("AuxLogits-fc"))`.
    pub fn aux<B>(mut self, aux: B) -> Self
    where
        B: TryInto<bool>,
        B::Error: Into<Error>,
    {
        if let Some(aux) = self.choices.keep(aux) {
            self.aux = aux;
        }
        self
    }

    /// Takes images normalized with ImageNet's means and deviations, and brings them to the scale of the
    /// original network (mean 0.5, deviation 0.5 in each channel), as torchvision does for its own weights.
    pub fn transform_input<B>(mut self, transform: B) -> Self
    where
        B: TryInto<bool>,
        B::Error: Into<Error>,
    {
        if let Some(transform) = self.choices.keep(transform) {
            self.transform_input = transform;
        }
        self
    }

    common_setters!();

    /// The network as data, checked: table 1 of the paper, top to bottom.
    ///
    /// # Errors
    /// When a setter was given what does not fit, a layer to freeze is not there, or the images are too small for it.
    pub fn spec(&self) -> Result<NetSpec> {
        self.choices.check()?;
        let mut net = Layers::default();
        let mut x = if self.transform_input {
            net.transform_input()
        } else {
            "input".to_owned()
        };
        // 299 x 299 x 3
        x = net.conv("Conv2d_1a_3x3", &x, 32, Window::square(3).stride(2));
        x = net.conv("Conv2d_2a_3x3", &x, 32, Window::square(3));
        x = net.conv("Conv2d_2b_3x3", &x, 64, Window::square(3).same());
        x = net.max_pool("maxpool1", &x);
        // 73 x 73 x 64
        x = net.conv("Conv2d_3b_1x1", &x, 80, Window::square(1));
        x = net.conv("Conv2d_4a_3x3", &x, 192, Window::square(3));
        x = net.max_pool("maxpool2", &x);
        // 35 x 35 x 192
        x = net.inception_a("Mixed_5b", &x, 32);
        x = net.inception_a("Mixed_5c", &x, 64);
        x = net.inception_a("Mixed_5d", &x, 64);
        // 35 x 35 x 288
        x = net.reduction_b("Mixed_6a", &x);
        // 17 x 17 x 768
        x = net.inception_c("Mixed_6b", &x, 128);
        x = net.inception_c("Mixed_6c", &x, 160);
        x = net.inception_c("Mixed_6d", &x, 160);
        x = net.inception_c("Mixed_6e", &x, 192);
        if self.aux {
            net.auxiliary("AuxLogits", &x, self.classes);
        }
        x = net.reduction_d("Mixed_7a", &x);
        // 8 x 8 x 1280
        x = net.inception_e("Mixed_7b", &x);
        x = net.inception_e("Mixed_7c", &x);
        // 8 x 8 x 2048
        x = net.add("avgpool", LayerKind::GlobalAvgPool, &[&x]);
        if self.choices.dropout > 0.0 {
            x = net.add("dropout", LayerKind::Dropout(self.choices.dropout as f32), &[&x]);
        }
        net.dense("fc", &x, self.classes);
        self.choices.finish(NetSpec {
            input: self.side.saturating_mul(self.side).saturating_mul(3),
            image: Some(Shape::Image {
                height: self.side,
                width: self.side,
                channels: 3,
            }),
            layers: net.into_vec(),
        })
    }
}

/// Each adds layers that read others by name, and gives the name of the last.
impl Layers {
    fn transform_input(&mut self) -> String {
        let means = [0.485, 0.456, 0.406];
        let deviations = [0.229, 0.224, 0.225];
        let kind = LayerKind::Affine {
            scale: deviations.map(|sd: f64| (sd / 0.5) as f32).to_vec(),
            shift: means.map(|mean: f64| ((mean - 0.5) / 0.5) as f32).to_vec(),
        };
        self.add("transform_input", kind, &["input"])
    }

    /// torchvision's BasicConv2d: convolution without bias, batch norm, ReLU.
    fn conv(&mut self, name: &str, from: &str, channels: usize, window: Window) -> String {
        let conv = LayerKind::Conv2d {
            channels,
            window,
            groups: 1,
            bias: false,
            init: Init::HeNormal,
            bias_init: Init::Zeros,
        };
        let norm = LayerKind::BatchNorm {
            momentum: 0.1,
            epsilon: 1e-3,
        };
        let x = self.add(format!("{name}-conv"), conv, &[from]);
        let x = self.add(format!("{name}-bn"), norm, &[&x]);
        self.add(
            format!("{name}-relu"),
            LayerKind::Activation(Activation::Relu),
            &[&x],
        )
    }

    /// Several of them, one behind the other.
    fn convs(&mut self, from: &str, convs: &[(String, usize, Window)]) -> String {
        convs.iter().fold(from.to_owned(), |x, (name, channels, window)| {
            self.conv(name, &x, *channels, *window)
        })
    }

    fn max_pool(&mut self, name: &str, from: &str) -> String {
        let window = Window::square(3).stride(2);
        self.add(name, LayerKind::MaxPool2d { window, ceil: false }, &[from])
    }

    /// The branch that averages neighbours before it mixes channels.
    fn pool_branch(&mut self, name: &str, from: &str, channels: usize) -> String {
        let pool = LayerKind::AvgPool2d {
            window: Window::square(3).same(),
            ceil: false,
            count_include_pad: true,
        };
        let x = self.add(format!("{name}-pool"), pool, &[from]);
        self.conv(&format!("{name}-branch_pool"), &x, channels, Window::square(1))
    }

    fn dense(&mut self, name: &str, from: &str, units: usize) -> String {
        let kind = LayerKind::Dense {
            units,
            bias: true,
            init: Init::XavierUniform,
            bias_init: Init::Zeros,
        };
        self.add(name, kind, &[from])
    }

    /// Figure 5 of the paper, with a 5x5 convolution where the figure has two 3x3.
    fn inception_a(&mut self, name: &str, x: &str, pool_channels: usize) -> String {
        let n = |part: &str| format!("{name}-{part}");
        let one = Window::square(1);
        let three = Window::square(3).same();
        let a = self.conv(&n("branch1x1"), x, 64, one);
        let b = self.convs(
            x,
            &[
                (n("branch5x5_1"), 48, one),
                (n("branch5x5_2"), 64, Window::square(5).same()),
            ],
        );
        let c = self.convs(
            x,
            &[
                (n("branch3x3dbl_1"), 64, one),
                (n("branch3x3dbl_2"), 96, three),
                (n("branch3x3dbl_3"), 96, three),
            ],
        );
        let d = self.pool_branch(name, x, pool_channels);
        self.add(name, LayerKind::Concat, &[&a, &b, &c, &d])
    }

    /// Figure 10: from 35 x 35 to 17 x 17.
    fn reduction_b(&mut self, name: &str, x: &str) -> String {
        let n = |part: &str| format!("{name}-{part}");
        let half = Window::square(3).stride(2);
        let a = self.conv(&n("branch3x3"), x, 384, half);
        let b = self.convs(
            x,
            &[
                (n("branch3x3dbl_1"), 64, Window::square(1)),
                (n("branch3x3dbl_2"), 96, Window::square(3).same()),
                (n("branch3x3dbl_3"), 96, half),
            ],
        );
        let c = self.max_pool(&n("pool"), x);
        self.add(name, LayerKind::Concat, &[&a, &b, &c])
    }

    /// Figure 6: 7x7 convolutions as 1x7 and 7x1.
    fn inception_c(&mut self, name: &str, x: &str, channels: usize) -> String {
        let n = |part: &str| format!("{name}-{part}");
        let one = Window::square(1);
        let (wide, tall) = (Window::new([1, 7]).same(), Window::new([7, 1]).same());
        let a = self.conv(&n("branch1x1"), x, 192, one);
        let b = self.convs(
            x,
            &[
                (n("branch7x7_1"), channels, one),
                (n("branch7x7_2"), channels, wide),
                (n("branch7x7_3"), 192, tall),
            ],
        );
        let c = self.convs(
            x,
            &[
                (n("branch7x7dbl_1"), channels, one),
                (n("branch7x7dbl_2"), channels, tall),
                (n("branch7x7dbl_3"), channels, wide),
                (n("branch7x7dbl_4"), channels, tall),
                (n("branch7x7dbl_5"), 192, wide),
            ],
        );
        let d = self.pool_branch(name, x, 192);
        self.add(name, LayerKind::Concat, &[&a, &b, &c, &d])
    }

    /// From 17 x 17 to 8 x 8.
    fn reduction_d(&mut self, name: &str, x: &str) -> String {
        let n = |part: &str| format!("{name}-{part}");
        let one = Window::square(1);
        let half = Window::square(3).stride(2);
        let a = self.convs(x, &[(n("branch3x3_1"), 192, one), (n("branch3x3_2"), 320, half)]);
        let b = self.convs(
            x,
            &[
                (n("branch7x7x3_1"), 192, one),
                (n("branch7x7x3_2"), 192, Window::new([1, 7]).same()),
                (n("branch7x7x3_3"), 192, Window::new([7, 1]).same()),
                (n("branch7x7x3_4"), 192, half),
            ],
        );
        let c = self.max_pool(&n("pool"), x);
        self.add(name, LayerKind::Concat, &[&a, &b, &c])
    }

    /// Figure 7: the coarsest grid, with branches that fork once more.
    fn inception_e(&mut self, name: &str, x: &str) -> String {
        let n = |part: &str| format!("{name}-{part}");
        let one = Window::square(1);
        let a = self.conv(&n("branch1x1"), x, 320, one);
        let b = self.conv(&n("branch3x3_1"), x, 384, one);
        let b = self.fork(&n("branch3x3"), "2", &b);
        let c = self.convs(
            x,
            &[
                (n("branch3x3dbl_1"), 448, one),
                (n("branch3x3dbl_2"), 384, Window::square(3).same()),
            ],
        );
        let c = self.fork(&n("branch3x3dbl"), "3", &c);
        let d = self.pool_branch(name, x, 192);
        self.add(name, LayerKind::Concat, &[&a, &b, &c, &d])
    }

    /// A 1x3 and a 3x1 convolution of the same, side by side.
    fn fork(&mut self, name: &str, number: &str, x: &str) -> String {
        let a = self.conv(&format!("{name}_{number}a"), x, 384, Window::new([1, 3]).same());
        let b = self.conv(&format!("{name}_{number}b"), x, 384, Window::new([3, 1]).same());
        self.add(name, LayerKind::Concat, &[&a, &b])
    }

    /// The auxiliary classifier: section 4 of the paper.
    fn auxiliary(&mut self, name: &str, x: &str, classes: usize) {
        let pool = LayerKind::AvgPool2d {
            window: Window::square(5).stride(3),
            ceil: false,
            count_include_pad: true,
        };
        let x = self.add(format!("{name}-pool"), pool, &[x]);
        let x = self.conv(&format!("{name}-conv0"), &x, 128, Window::square(1));
        let x = self.conv(&format!("{name}-conv1"), &x, 768, Window::square(5));
        let x = self.add(format!("{name}-avgpool"), LayerKind::GlobalAvgPool, &[&x]);
        self.dense(&format!("{name}-fc"), &x, classes);
    }
}
