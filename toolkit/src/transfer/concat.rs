//! [`Concat`]: trained networks side by side, under one dense layer.

use super::bottleneck::copy_tensors;
use super::resolution::reduction;
use crate::data::Shape;
use crate::net::{Init, Layer, LayerKind, NetSpec, Network, Source};
use crate::number::count;
use crate::{Error, Number, Result};

/// Joins trained networks, two or more and of any kinds: what stands before the last dense layer of each (their
/// bottlenecks) comes side by side under one new dense layer, `logits`.
///
/// All look at the same examples. Where one was trained on smaller images, as
/// [`Dataset::at_resolution`](crate::data::Dataset::at_resolution) makes them, an average pooling in front of it
/// gives it the view it knows; a perceptron beside a convolutional network reads the image's numbers row by row. The layers
/// keep their names behind `a-`, `b-` and so on, and their trained numbers; what only
/// the old last layers needed is gone. The trained layers are frozen, so that only `logits` learns, unless
/// [`fine_tune`](Self::fine_tune) is called.
///
/// Two resolutions saw more than one in an experiment on the flat synthetic objects (`toolkit/tests/transfer.rs`; 400
/// training images, twenty seeds): 81.1% joined, 78.6% at 24 x 24 alone (paired 95% interval of the gain 1.4 to 3.5
/// points), 60.7% at 8 x 8 alone. But two networks of 24 x 24, trained from different seeds and joined the same way,
/// reached 83.0%: the gain is that of a second network, not of a second resolution.
///
/// ```
/// use jook::prelude::*;
///
/// let digits = datasets::digits()?;
/// let small = digits.at_resolution(4, 4)?;
/// let recipe = Recipe::new().epochs(2).adam(0.003);
/// let fine = Cnn::new(digits.shape(), 10).channels([8, 16]).train(&digits, recipe.clone())?.model;
/// let coarse = Cnn::new(small.shape(), 10).channels([8]).train(&small, recipe.clone())?.model;
///
/// let both = Concat::new(&fine, &coarse).build(0)?; // reads 8 x 8 images
/// let run = both.train(&digits, recipe)?; // learns `logits` alone
/// # Ok::<(), jook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Concat<'a> {
    networks: Vec<&'a Network>,
    classes: Result<Option<usize>>,
    fine_tune: bool,
}

/// The letters that the names of the joined layers begin with.
const LETTERS: &str = "abcdefghijklmnopqrstuvwxyz";

impl<'a> Concat<'a> {
    /// Both networks, of which `a` comes first.
    pub fn new(a: &'a Network, b: &'a Network) -> Self {
        Self::of([a, b])
    }

    /// Two to 26 networks, in this order.
    ///
    /// ```
    /// use jook::prelude::*;
    /// let digits = datasets::digits()?;
    /// let recipe = Recipe::new().epochs(2).adam(0.003);
    /// let dense = Mlp::new([64, 32, 10]).train(&digits, recipe.clone())?.model;
    /// let convolutional = Cnn::new(digits.shape(), 10).channels([8]).train(&digits, recipe)?.model;
    /// let other = Mlp::new([64, 16, 10]).activation(Activation::Tanh).build(1)?;
    /// let joined = Concat::of([&dense, &convolutional, &other]).build(0)?;
    /// assert_eq!(joined.spec().shape(), digits.shape());
    /// # Ok::<(), jook::Error>(())
    /// ```
    pub fn of(networks: impl IntoIterator<Item = &'a Network>) -> Self {
        Self {
            networks: networks.into_iter().collect(),
            classes: Ok(None),
            fine_tune: false,
        }
    }

    /// The number of logits, where it is not that of `a`.
    pub fn classes(mut self, classes: impl Number) -> Self {
        self.classes = count("joined network, classes", classes, 0).map(Some);
        self
    }

    /// The layers of both networks go on learning, except those that were frozen before.
    pub fn fine_tune(mut self) -> Self {
        self.fine_tune = true;
        self
    }

    /// The joined network as data, checked.
    ///
    /// # Errors
    /// When the number of classes is none, there are fewer networks than two or more than 26, one does not end in a dense
    /// layer with something before it, they read other examples, or the smaller images cannot be had of the larger by means
    /// of whole pixels.
    pub fn spec(&self) -> Result<NetSpec> {
        let specs: Vec<&NetSpec> = self.networks.iter().map(|network| network.spec()).collect();
        let (Some(first), 2..=26) = (specs.first(), specs.len()) else {
            return Err(Error::spec(format!(
                "expected 2 to 26 networks to join, found {}",
                specs.len()
            )));
        };
        let shape = specs[1..]
            .iter()
            .try_fold(first.shape(), |shape, spec| larger(shape, spec.shape()))?;
        let mut layers = Vec::new();
        let mut bottlenecks = Vec::new();
        for (spec, letter) in specs.iter().zip(LETTERS.chars()) {
            let at_network = |error: Error| error.at(format!("network {letter}"));
            let prefix = format!("{letter}-");
            bottlenecks.push(self.side(spec, &prefix, shape, &mut layers).map_err(at_network)?);
        }
        layers.push(Layer {
            name: "bottlenecks".into(),
            kind: LayerKind::Concat,
            from: bottlenecks,
            frozen: false,
        });
        layers.push(Layer {
            name: "logits".into(),
            kind: LayerKind::Dense {
                units: self.classes.clone()?.unwrap_or_else(|| first.outputs()),
                bias: true,
                init: Init::XavierUniform,
                bias_init: Init::Zeros,
            },
            from: vec![],
            frozen: false,
        });
        let spec = NetSpec {
            input: shape.width(),
            image: matches!(shape, Shape::Image { .. }).then_some(shape),
            layers,
        };
        spec.validate()?;
        Ok(spec)
    }

    /// The joined network with the numbers of all; those of `logits` are drawn from `seed`.
    ///
    /// # Errors
    /// As [`Concat::spec`], and when there is no memory for the numbers.
    pub fn build(&self, seed: u64) -> Result<Network> {
        let mut joined = Network::new(&self.spec()?, seed)?;
        for (network, letter) in self.networks.iter().zip(LETTERS.chars()) {
            copy_tensors(network, &mut joined, |name| format!("{letter}-{name}"));
        }
        Ok(joined)
    }

    /// Adds what `spec` needs for its bottleneck; gives the bottleneck's new name.
    fn side(&self, spec: &NetSpec, prefix: &str, shape: Shape, layers: &mut Vec<Layer>) -> Result<String> {
        let bottleneck = spec.bottleneck_before(spec.last_name())?;
        let sources = spec.sources()?;
        let needed = spec.needed(&sources, &[bottleneck]);
        let mut input = "input".to_owned();
        if spec.shape() != shape {
            let kind = match spec.shape() {
                Shape::Image { height, width, .. } => reduction(shape, height, width)?,
                Shape::Flat(_) => LayerKind::Flatten,
            };
            let from = vec![std::mem::replace(&mut input, format!("{prefix}view"))];
            layers.push(Layer {
                name: input.clone(),
                kind,
                from,
                frozen: false,
            });
        }
        for (at, layer) in spec.layers.iter().enumerate().filter(|&(at, _)| needed[at]) {
            let from = sources[at].iter().map(|source| match source {
                Source::Input => input.clone(),
                Source::Layer(before) => format!("{prefix}{}", spec.layers[*before].name),
            });
            layers.push(Layer {
                name: format!("{prefix}{}", layer.name),
                kind: layer.kind.clone(),
                from: from.collect(),
                frozen: layer.frozen || !self.fine_tune,
            });
        }
        Ok(format!("{prefix}{}", spec.layers[bottleneck].name))
    }
}

/// The shape of the examples that both can be fed from.
fn larger(a: Shape, b: Shape) -> Result<Shape> {
    let pixels = |shape| match shape {
        Shape::Flat(_) => None,
        Shape::Image {
            height,
            width,
            channels,
        } => Some((height * width, channels)),
    };
    match (pixels(a), pixels(b)) {
        _ if a == b => Ok(a),
        (None, Some(_)) if a.width() == b.width() => Ok(b),
        (Some(_), None) if a.width() == b.width() => Ok(a),
        (Some((first, channels)), Some((second, others))) if channels == others => {
            Ok(if second > first { b } else { a })
        }
        _ => Err(Error::spec(format!(
            "expected networks that read the same examples, or images that differ in size only, found {a} and {b}"
        ))),
    }
}
