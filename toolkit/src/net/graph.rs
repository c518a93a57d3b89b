//! Which layer reads which, and the shapes that flow between them.

use super::layers::Read;
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
        let several = layer.kind.rules().joins();
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
        let [first, others @ ..] = read else {
            return Err(Error::spec("it reads nothing"));
        };
        self.rules().shape(&Read {
            first: *first,
            others,
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
