//! Numbers of networks trained elsewhere, under PyTorch's names and in its order.

use std::ops::Range;

use super::graph::Source;
use super::permute::{inverse, permuted};
use super::{LayerKind, NetSpec, Network, Role};
use crate::data::Shape;
use crate::weights::Weights;
use crate::{Error, Result};

/// A tensor of a network as PyTorch has it.
struct Theirs {
    name: String,
    shape: Vec<usize>,
    order: Order,
    range: Range<usize>,
    running: bool,
}

/// Where PyTorch's numbers of a tensor stand here.
enum Order {
    /// Of a convolution, whose weights have this shape here: height x width x channels in x channels out.
    Kernel([usize; 4]),
    /// Of a dense layer with so many units: for each of PyTorch's inputs, the row here.
    Dense(Vec<usize>, usize),
    /// One number for each: for each of PyTorch's, the place here.
    Numbers(Vec<usize>),
}

/// PyTorch's dimensions of a kernel, as places in ours.
const KERNEL: [usize; 4] = [3, 2, 0, 1];

impl Order {
    fn to_theirs(&self, ours: &[f32]) -> Vec<f32> {
        match self {
            Self::Kernel(shape) => permuted(ours, shape, &KERNEL),
            Self::Dense(rows, units) => (0..*units)
                .flat_map(|unit| rows.iter().map(move |row| ours[row * units + unit]))
                .collect(),
            Self::Numbers(places) => places.iter().map(|&place| ours[place]).collect(),
        }
    }

    fn to_ours(&self, theirs: &[f32], ours: &mut [f32]) {
        match self {
            Self::Kernel(shape) => {
                ours.copy_from_slice(&permuted(
                    theirs,
                    &KERNEL.map(|axis| shape[axis]),
                    &inverse(&KERNEL),
                ));
            }
            Self::Dense(rows, units) => {
                for (unit, theirs) in theirs.chunks_exact(rows.len().max(1)).enumerate() {
                    for (row, value) in rows.iter().zip(theirs) {
                        ours[row * units + unit] = *value;
                    }
                }
            }
            Self::Numbers(places) => {
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
    /// The layer `Mixed_5b-branch1x1-conv` takes `Mixed_5b.branch1x1.conv.weight` (and `.bias`); batch norm takes
    /// `weight` and `bias` as its scale and shift, and its running statistics. A convolution's weights are output
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
    /// When tensors are missing, not expected or of another shape, which are listed; when the order that PyTorch would
    /// have cannot be told, as of maxout behind flatten. The network then stays as it was.
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
            tensor.order.to_ours(found.values, &mut store[tensor.range]);
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
            let values = tensor.order.to_theirs(&store[tensor.range]);
            (tensor.name, tensor.shape, values)
        });
        Weights::new(tensors)
    }

    fn theirs(&self) -> Result<Vec<Theirs>> {
        let spec = self.spec();
        let sources = spec.sources()?;
        let shapes = spec.shapes();
        let mut found = Vec::with_capacity(self.tensors().len());
        for (at, layer) in spec.layers.iter().enumerate() {
            let module = module(&layer.name);
            for tensor in self.tensors_of(&layer.name) {
                let behind = || -> Result<Option<Vec<usize>>> {
                    let order = spec.order_of(sources[at][0], &sources, &shapes);
                    order.map_err(|error| error.at(format!("layer {}", layer.name)))
                };
                let order = match (&layer.kind, &tensor.shape[..]) {
                    (_, &[height, width, inputs, outputs]) => Order::Kernel([height, width, inputs, outputs]),
                    (_, &[inputs, units]) => {
                        Order::Dense(behind()?.unwrap_or_else(|| (0..inputs).collect()), units)
                    }
                    (LayerKind::BatchNorm { .. }, _) if matches!(shapes[at], Shape::Flat(_)) => {
                        Order::Numbers(behind()?.unwrap_or_else(|| (0..tensor.range.len()).collect()))
                    }
                    _ => Order::Numbers((0..tensor.range.len()).collect()),
                };
                let shape = match order {
                    Order::Kernel(shape) => KERNEL.map(|axis| shape[axis]).to_vec(),
                    Order::Dense(ref rows, units) => vec![units, rows.len()],
                    Order::Numbers(_) => tensor.shape.clone(),
                };
                let last = match tensor.role {
                    Role::Weight | Role::Scale => "weight",
                    Role::Bias | Role::Shift => "bias",
                    Role::Running if tensor.name.ends_with("running_mean") => "running_mean",
                    Role::Running => "running_var",
                };
                found.push(Theirs {
                    name: format!("{module}.{last}"),
                    shape,
                    order,
                    range: tensor.range.clone(),
                    running: tensor.role == Role::Running,
                });
            }
        }
        Ok(found)
    }
}

impl NetSpec {
    /// The order in which PyTorch has the plain numbers that a source puts out: for each of its numbers the place here,
    /// or none where the order is the same.
    fn order_of(
        &self,
        source: Source,
        sources: &[Vec<Source>],
        shapes: &[Shape],
    ) -> Result<Option<Vec<usize>>> {
        let Source::Layer(layer) = source else {
            return Ok(None);
        };
        let before = || -> Result<Vec<Option<Vec<usize>>>> {
            let all = sources[layer].iter();
            all.map(|source| self.order_of(*source, sources, shapes))
                .collect()
        };
        let first = || -> Result<Option<Vec<usize>>> { Ok(before()?.swap_remove(0)) };
        let untold = |what: &str| {
            let name = &self.layers[layer].name;
            Error::spec(format!(
                "the order of PyTorch's numbers cannot be told behind layer {name}, {what}"
            ))
            .fix("put a dense layer between it and the flatten layer before it")
        };
        match &self.layers[layer].kind {
            LayerKind::Flatten => match self.shapes_of(&sources[layer], shapes)[0] {
                Shape::Flat(_) => first(),
                Shape::Image {
                    height,
                    width,
                    channels,
                } => {
                    let pixels = height * width;
                    let order = |channel| (0..pixels).map(move |pixel| pixel * channels + channel);
                    Ok((pixels > 1 && channels > 1).then(|| (0..channels).flat_map(order).collect()))
                }
            },
            LayerKind::Activation(activation) if activation.pieces() > 1 => match first()? {
                None => Ok(None),
                Some(_) => Err(untold("maxout of what a flatten layer puts out")),
            },
            LayerKind::Activation(_)
            | LayerKind::Dropout(_)
            | LayerKind::BatchNorm { .. }
            | LayerKind::Affine { .. } => first(),
            LayerKind::Add => {
                let mut orders = before()?;
                match orders.iter().all(|order| *order == orders[0]) {
                    true => Ok(orders.swap_remove(0)),
                    false => Err(untold("a sum of numbers in different orders")),
                }
            }
            LayerKind::Concat => {
                let orders = before()?;
                if orders.iter().all(Option::is_none) {
                    return Ok(None);
                }
                let mut joined = Vec::new();
                for (order, shape) in orders.into_iter().zip(self.shapes_of(&sources[layer], shapes)) {
                    let from = joined.len();
                    let order = order.unwrap_or_else(|| (0..shape.width()).collect());
                    joined.extend(order.into_iter().map(|place| from + place));
                }
                Ok(Some(joined))
            }
            _ => Ok(None),
        }
    }
}
