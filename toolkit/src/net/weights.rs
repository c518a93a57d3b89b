//! Numbers of networks trained elsewhere, under PyTorch's names and in its order.

use std::ops::Range;

use super::graph::Source;
use super::layers::{Behind, Order, Places};
use super::network::planned;
use super::permute::{inverse, permuted};
use super::{NetSpec, Network, Role};
use crate::data::Shape;
use crate::weights::Weights;
use crate::{Error, Result};

/// A tensor of a network as PyTorch has it.
struct Theirs {
    name: String,
    shape: Vec<usize>,
    stand: Stand,
    range: Range<usize>,
    running: bool,
}

/// Where PyTorch's numbers of a tensor stand here.
enum Stand {
    /// In the same places.
    Same,
    /// With the dimensions of the tensor, which has this shape here, in this order.
    Axes(Vec<usize>, &'static [usize]),
    /// Of a dense layer with so many units: for each of PyTorch's inputs, the row here.
    Rows(Vec<usize>, usize),
    /// One number for each: for each of PyTorch's, the place here.
    Places(Vec<usize>),
}

impl Stand {
    fn to_theirs(&self, ours: &[f32]) -> Vec<f32> {
        match self {
            Self::Same => ours.to_vec(),
            Self::Axes(shape, axes) => permuted(ours, shape, axes),
            Self::Rows(rows, units) => (0..*units)
                .flat_map(|unit| rows.iter().map(move |row| ours[row * units + unit]))
                .collect(),
            Self::Places(places) => places.iter().map(|&place| ours[place]).collect(),
        }
    }

    fn to_ours(&self, theirs: &[f32], ours: &mut [f32]) {
        match self {
            Self::Same => ours.copy_from_slice(theirs),
            Self::Axes(shape, axes) => {
                let there: Vec<usize> = axes.iter().map(|&axis| shape[axis]).collect();
                ours.copy_from_slice(&permuted(theirs, &there, &inverse(axes)));
            }
            Self::Rows(rows, units) => {
                for (unit, theirs) in theirs.chunks_exact(rows.len().max(1)).enumerate() {
                    for (row, value) in rows.iter().zip(theirs) {
                        ours[row * units + unit] = *value;
                    }
                }
            }
            Self::Places(places) => {
                for (&place, value) in places.iter().zip(theirs) {
                    ours[place] = *value;
                }
            }
        }
    }
}

impl Theirs {
    fn is_of(&self, start: &str) -> bool {
        is_of(&self.name, start)
    }
}

/// # Errors
/// Names the first of these tensors that has numbers which are none.
fn all_finite<'n>(weights: &Weights, names: impl Iterator<Item = &'n str>) -> Result<()> {
    let tensors = names.filter_map(|name| Some((name, weights.get(name)?)));
    for (name, tensor) in tensors {
        let odd = tensor.values.iter().filter(|value| !value.is_finite()).count();
        if odd > 0 {
            return Err(Error::data(format!(
                "expected finite numbers, but of {} numbers {name} has {odd} that are NaN or infinite",
                tensor.values.len()
            ))
            .at(weights.origin())
            .fix(
                "take a file from before the training diverged; of 64-bit numbers, one whose numbers are below 3.4e38, \
                 which is as far as 32 bits go",
            ));
        }
    }
    Ok(())
}

/// Whether a tensor is of the module whose names begin so, and not of a module within it.
fn is_of(name: &str, start: &str) -> bool {
    name.strip_prefix(start).is_some_and(|rest| !rest.contains('.'))
}

/// PyTorch's name of the layer.
fn module(layer: &str) -> String {
    layer.replace('-', ".")
}

impl Network {
    /// Takes over weights in PyTorch's naming and order, from a file of [`Weights`]: of torchvision, of timm,
    /// whose Inception-v3 has the same names, or of any network whose layers here have the names of its modules.
    ///
    /// The layer `Mixed_5b-branch1x1-conv` takes `Mixed_5b.branch1x1.conv.weight` (and `.bias`); norms take
    /// `weight` and `bias` as their scale and shift, batch norm also its running statistics; a PReLU's slopes are its
    /// `weight` there. A convolution's weights are output
    /// channels x input channels x height x width there, a dense layer's outputs x inputs; what a flatten layer puts
    /// out comes channel by channel there, pixel by pixel here, and so do the weights of dense layers and batch norm
    /// behind it.
    ///
    /// ```no_run
    /// use jook::prelude::*;
    ///
    /// let mut network = InceptionV3::new().transform_input(true).build(0)?;
    /// let weights = Weights::read("inception_v3_google-0cc3c7bd.pth")?;
    /// network.load_weights(&weights.filter(|name| !name.starts_with("AuxLogits.")))?;
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// When tensors are missing, not expected or of another shape, which are listed; when they hold NaN or infinite
    /// numbers; when the order that PyTorch would have cannot be told, as of maxout behind flatten. The network then
    /// stays as it was.
    pub fn load_weights(&mut self, weights: &Weights) -> Result<()> {
        self.load_weights_except(weights, [])
    }

    /// As [`Network::load_weights`], but the layers `except` keep the numbers they have, and what the weights hold for
    /// them may have any shape or be missing: for a network whose last layer has other classes than the file's.
    ///
    /// ```
    /// use jook::prelude::*;
    ///
    /// let trained = Mlp::new([4, 8, 10]).build(0)?;
    /// let mut network = Mlp::new([4, 8, 3]).build(0)?;
    /// network.load_weights_except(&trained.weights()?, ["logits"])?;
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`Network::load_weights`], of the other layers; and when a layer of `except` is not in the network or has no
    /// tensors. The network then stays as it was.
    pub fn load_weights_except<'e>(
        &mut self,
        weights: &Weights,
        except: impl IntoIterator<Item = &'e str>,
    ) -> Result<()> {
        let mut expected = self.theirs()?;
        let mut ignored = Vec::new();
        for layer in except {
            let start = format!("{}.", module(layer));
            let before = expected.len();
            expected.retain(|tensor| !tensor.is_of(&start));
            if expected.len() == before {
                return Err(self.without_tensors(layer));
            }
            ignored.push(start);
        }
        let mut differences = weights.differences(
            expected
                .iter()
                .map(|tensor| (tensor.name.as_str(), tensor.shape.as_slice())),
        );
        differences
            .unexpected
            .retain(|(name, _)| !ignored.iter().any(|start| is_of(name, start)));
        differences.none(weights)?;
        all_finite(weights, expected.iter().map(|tensor| tensor.name.as_str()))?;
        for tensor in expected {
            // It was just required.
            let Some(found) = weights.get(&tensor.name) else {
                continue;
            };
            let store = if tensor.running {
                self.buffers_mut()
            } else {
                self.parameters_mut()
            };
            tensor.stand.to_ours(found.values, &mut store[tensor.range]);
        }
        Ok(())
    }

    fn without_tensors(&self, layer: &str) -> Error {
        let mut names: Vec<&str> = Vec::new();
        for own in &self.spec().layers {
            if self.tensors_of(&own.name).next().is_some() {
                names.push(&own.name);
            }
        }
        const LISTED: usize = 20;
        let more = if names.len() > LISTED { ", ..., " } else { "" };
        let first = names.iter().take(LISTED).copied().collect::<Vec<_>>().join(", ");
        let last = if more.is_empty() {
            ""
        } else {
            names[names.len() - 1]
        };
        Error::spec(format!(
            "expected the name of a layer that has weights, found {layer:?}"
        ))
        .fix(format!("layers with weights are {first}{more}{last}"))
    }

    /// The network's numbers in PyTorch's naming and order: what [`Network::load_weights`] takes, and what
    /// [`Weights::write`] makes a safetensors file of that PyTorch reads.
    ///
    /// # Errors
    /// When there is no memory to hash them as a file, or the order that PyTorch would have cannot be told.
    pub fn weights(&self) -> Result<Weights> {
        let tensors = self.theirs()?.into_iter().map(|tensor| {
            let store = if tensor.running {
                self.buffers()
            } else {
                self.parameters()
            };
            let values = tensor.stand.to_theirs(&store[tensor.range]);
            (tensor.name, tensor.shape, values)
        });
        Weights::new(tensors)
    }

    fn theirs(&self) -> Result<Vec<Theirs>> {
        let spec = self.spec();
        let sources = spec.sources()?;
        let shapes = spec.shapes();
        let mut found = Vec::with_capacity(self.tensors().len());
        for (info, tensor) in planned(spec) {
            // A tensor is named by its layer and what it is there.
            let layer = info.name.strip_suffix(tensor.name).unwrap_or(&info.name);
            let layer = layer.strip_suffix('.').unwrap_or(layer);
            let at = spec.position(layer)?;
            let behind = || -> Result<Vec<usize>> {
                let order = spec.order_of(sources[at][0], &sources, &shapes);
                let order = order.map_err(|error| error.at(format!("layer {layer}")))?;
                Ok(order.unwrap_or_else(|| (0..info.shape[0]).collect()))
            };
            let (stand, shape) = match tensor.order {
                Order::Same => (Stand::Same, info.shape.clone()),
                Order::AsRead => (Stand::Places(behind()?), info.shape.clone()),
                Order::Strict if behind()?.is_sorted() => (Stand::Same, info.shape.clone()),
                Order::Strict => {
                    return Err(Error::spec(
                        "the order of PyTorch's numbers cannot be told: groups of what a flatten layer puts out",
                    )
                    .at(format!("layer {layer}"))
                    .fix("put a dense layer between it and the flatten layer before it"));
                }
                Order::Matrix => {
                    let (rows, units) = (behind()?, info.shape[1]);
                    (Stand::Rows(rows, units), vec![units, info.shape[0]])
                }
                Order::Axes(axes) => {
                    let there = axes.iter().map(|&axis| info.shape[axis]).collect();
                    (Stand::Axes(info.shape.clone(), axes), there)
                }
            };
            let last = match tensor.role {
                Role::Weight | Role::Scale => "weight",
                Role::Bias | Role::Shift => "bias",
                Role::Running => tensor.name,
            };
            found.push(Theirs {
                name: format!("{}.{last}", module(layer)),
                shape,
                stand,
                range: info.range,
                running: tensor.role == Role::Running,
            });
        }
        Ok(found)
    }
}

impl NetSpec {
    /// The order in which PyTorch has the plain numbers that a source puts out.
    fn order_of(&self, source: Source, sources: &[Vec<Source>], shapes: &[Shape]) -> Result<Places> {
        let Source::Layer(layer) = source else {
            return Ok(None);
        };
        let orders = || -> Result<Vec<Places>> {
            let all = sources[layer].iter();
            all.map(|source| self.order_of(*source, sources, shapes))
                .collect()
        };
        self.layers[layer].kind.rules().order(&Behind {
            layer: &self.layers[layer].name,
            read: &self.shapes_of(&sources[layer], shapes),
            orders: &orders,
        })
    }
}
