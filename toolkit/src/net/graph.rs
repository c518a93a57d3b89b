//! Which layer reads which, and the shapes that flow between them.

use super::{Layer, LayerKind, NetSpec};
use crate::data::Shape;
use crate::{Error, Result};

/// What a layer reads: the network's input, or the output of the layer at this place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Input,
    Layer(usize),
}

impl NetSpec {
    /// What each layer reads.
    ///
    /// # Errors
    /// When a layer reads one that does not stand before it, or a wrong number of them.
    pub(crate) fn sources(&self) -> Result<Vec<Vec<Source>>> {
        (0..self.layers.len()).map(|at| self.sources_of(at)).collect()
    }

    fn sources_of(&self, at: usize) -> Result<Vec<Source>> {
        let layer = &self.layers[at];
        let before = &self.layers[..at];
        let sources = if layer.from.is_empty() {
            vec![at.checked_sub(1).map_or(Source::Input, Source::Layer)]
        } else {
            layer
                .from
                .iter()
                .map(|name| source(before, name).map_err(|error| error.at(format!("layer {}", layer.name))))
                .collect::<Result<_>>()?
        };
        let several = matches!(layer.kind, LayerKind::Concat | LayerKind::Add);
        if several == (sources.len() > 1) {
            return Ok(sources);
        }
        let expected = if several { "2 or more" } else { "1" };
        Err(Error::spec(format!(
            "{} reads {} layers: expected {expected}",
            layer.kind,
            sources.len()
        ))
        .at(format!("layer {}", layer.name))
        .fix(if several {
            "name in `from` the layers to join"
        } else {
            "join them by a concat or add layer of their own"
        }))
    }

    /// The shape that comes out of each layer. Layers that do not fit give plain numbers, none of them;
    /// [`NetSpec::validate`] says which and why.
    pub fn shapes(&self) -> Vec<Shape> {
        let mut shapes: Vec<Shape> = Vec::with_capacity(self.layers.len());
        for (at, layer) in self.layers.iter().enumerate() {
            let read = self
                .sources_of(at)
                .map(|sources| self.shapes_of(&sources, &shapes))
                .unwrap_or_default();
            shapes.push(layer.kind.shape(&read).unwrap_or(Shape::Flat(0)));
        }
        shapes
    }

    /// The shapes of these sources, given those of the layers so far.
    pub(crate) fn shapes_of(&self, sources: &[Source], shapes: &[Shape]) -> Vec<Shape> {
        sources
            .iter()
            .map(|source| match source {
                Source::Input => self.shape(),
                Source::Layer(at) => shapes[*at],
            })
            .collect()
    }

    /// The layers that `targets` need, themselves included: a mark for each layer.
    pub(crate) fn needed(&self, sources: &[Vec<Source>], targets: &[usize]) -> Vec<bool> {
        let mut needed = vec![false; self.layers.len()];
        for &target in targets {
            needed[target] = true;
        }
        for at in (0..needed.len()).rev() {
            if needed[at] {
                for source in &sources[at] {
                    if let Source::Layer(before) = source {
                        needed[*before] = true;
                    }
                }
            }
        }
        needed
    }
}

fn source(before: &[Layer], name: &str) -> Result<Source> {
    if let Some(at) = before.iter().position(|layer| layer.name == name) {
        return Ok(Source::Layer(at));
    }
    if name == "input" {
        return Ok(Source::Input);
    }
    Err(
        Error::spec(format!("it reads {name:?}, which is no earlier layer"))
            .fix("name a layer that stands before this one, or `input`"),
    )
}

impl LayerKind {
    /// The shape that comes out when these go in.
    ///
    /// # Errors
    /// When they do not fit the layer.
    pub(crate) fn shape(&self, read: &[Shape]) -> Result<Shape> {
        let [first, rest @ ..] = read else {
            return Err(Error::spec("it reads nothing"));
        };
        let first = *first;
        Ok(match self {
            LayerKind::Dense { units, .. } => match first {
                Shape::Flat(_) => Shape::Flat(*units),
                Shape::Image { .. } => {
                    return Err(
                        Error::spec(format!("a dense layer takes plain numbers, found {first}"))
                            .fix("put a flatten or global average pool layer before it"),
                    );
                }
            },
            LayerKind::Activation(activation) => {
                let k = activation.pieces().max(1);
                let channels = channels_of(first);
                if !channels.is_multiple_of(k) {
                    return Err(Error::spec(format!(
                        "maxout of {k} pieces gets {channels} columns: expected a multiple of {k}"
                    ))
                    .fix(format!("give the layer before it units x {k} columns")));
                }
                with_channels(first, channels / k)
            }
            LayerKind::Dropout(_) | LayerKind::ReverseGradient(_) | LayerKind::BatchNorm { .. } => first,
            LayerKind::Affine { scale, shift } => {
                let channels = channels_of(first);
                if scale.len() != channels || shift.len() != channels {
                    return Err(Error::spec(format!(
                        "affine has {} factors and {} summands for {channels} channels",
                        scale.len(),
                        shift.len()
                    )));
                }
                first
            }
            LayerKind::Conv2d {
                channels,
                window,
                groups,
                ..
            } => {
                let (size, inputs) = image(first, "a convolution")?;
                if *groups == 0 || !inputs.is_multiple_of(*groups) || !channels.is_multiple_of(*groups) {
                    return Err(Error::spec(format!(
                        "{groups} groups do not divide {inputs} input and {channels} output channels"
                    ))
                    .fix("choose groups that divide both, 1 for all together"));
                }
                sized(window.outputs(size, false), *channels, first, window)?
            }
            LayerKind::MaxPool2d { window, ceil } => {
                let (size, channels) = image(first, "a pooling")?;
                sized(window.outputs(size, *ceil), channels, first, window)?
            }
            LayerKind::AvgPool2d { window, ceil, .. } => {
                let (size, channels) = image(first, "a pooling")?;
                sized(window.outputs(size, *ceil), channels, first, window)?
            }
            LayerKind::GlobalAvgPool => Shape::Flat(image(first, "a global pooling")?.1),
            LayerKind::Flatten => Shape::Flat(first.width()),
            LayerKind::Concat => {
                let mut channels = channels_of(first);
                for &other in rest {
                    let more = channels_of(other);
                    if with_channels(other, 1) != with_channels(first, 1) {
                        return Err(Error::spec(format!("concat cannot join {first} and {other}"))
                            .fix("only the channels may differ"));
                    }
                    channels = channels.saturating_add(more);
                }
                with_channels(first, channels)
            }
            LayerKind::Add => match rest.iter().find(|&&other| other != first) {
                None => first,
                Some(other) => {
                    return Err(Error::spec(format!("add cannot sum {first} and {other}"))
                        .fix("bring them to one shape, with a 1x1 convolution for instance"));
                }
            },
        })
    }
}

/// Numbers that stand side by side at each place.
pub(crate) fn channels_of(shape: Shape) -> usize {
    match shape {
        Shape::Flat(width) => width,
        Shape::Image { channels, .. } => channels,
    }
}

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

fn sized(outputs: Option<[usize; 2]>, channels: usize, from: Shape, window: &super::Window) -> Result<Shape> {
    match outputs {
        Some([height, width]) => Ok(Shape::Image {
            height,
            width,
            channels,
        }),
        None => Err(Error::spec(format!(
            "the window {window} does not fit {from} with its padding"
        ))
        .fix("use a smaller kernel or dilation, more padding, or fewer layers that shrink the image")),
    }
}
