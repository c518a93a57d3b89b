//! Numbers of networks trained elsewhere, under PyTorch's names and in its order.

use std::ops::Range;

use super::graph::Source;
use super::permute::{inverse, permuted};
use super::{LayerKind, NetSpec, Network, Role};
use crate::Result;
use crate::data::Shape;
use crate::weights::Weights;

/// A tensor of a network as PyTorch has it.
struct Theirs {
    name: String,
    shape: Vec<usize>,
    /// The shape here; of a dense layer behind flatten, with the image's dimensions apart.
    ours: Vec<usize>,
    /// PyTorch's dimensions, each as its place in `ours`.
    axes: Vec<usize>,
    range: Range<usize>,
    running: bool,
}

impl Network {
    /// Takes over weights in PyTorch's naming and order, from a file of [`Weights`]: of torchvision, of timm,
    /// whose Inception-v3 has the same names, or of any network whose layers here have the names of its modules.
    ///
    /// The layer `Mixed_5b-branch1x1-conv` takes `Mixed_5b.branch1x1.conv.weight` (and `.bias`); batch norm takes
    /// `weight` and `bias` as its scale and shift, and its running statistics. A convolution's weights are output
    /// channels x input channels x height x width there, a dense layer's outputs x inputs; behind a flatten layer
    /// the inputs come channel by channel there, pixel by pixel here.
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
    /// When tensors are missing, not expected or of another shape: all of them are listed, and the network stays
    /// as it was.
    pub fn load_weights(&mut self, weights: &Weights) -> Result<()> {
        let expected = self.theirs();
        weights.require(
            expected
                .iter()
                .map(|tensor| (tensor.name.as_str(), tensor.shape.as_slice())),
        )?;
        for tensor in expected {
            // It was just required.
            let Some(found) = weights.get(&tensor.name) else {
                continue;
            };
            let sizes: Vec<usize> = tensor.axes.iter().map(|&axis| tensor.ours[axis]).collect();
            let values = permuted(found.values, &sizes, &inverse(&tensor.axes));
            let store = if tensor.running {
                self.buffers_mut()
            } else {
                self.parameters_mut()
            };
            store[tensor.range].copy_from_slice(&values);
        }
        Ok(())
    }

    /// The network's numbers in PyTorch's naming and order: what [`Network::load_weights`] takes, and what
    /// [`Weights::write`] makes a safetensors file of that PyTorch reads.
    ///
    /// # Errors
    /// When there is no memory to hash them as a file.
    pub fn weights(&self) -> Result<Weights> {
        let tensors = self.theirs().into_iter().map(|tensor| {
            let store = if tensor.running {
                self.buffers()
            } else {
                self.parameters()
            };
            let values = permuted(&store[tensor.range], &tensor.ours, &tensor.axes);
            (tensor.name, tensor.shape, values)
        });
        Weights::new(tensors)
    }

    fn theirs(&self) -> Vec<Theirs> {
        let spec = self.spec();
        let mut found = Vec::with_capacity(self.tensors().len());
        for (at, layer) in spec.layers.iter().enumerate() {
            let module = layer.name.replace('-', ".");
            for tensor in self.tensors_of(&layer.name) {
                let ours = match (&layer.kind, tensor.role) {
                    (LayerKind::Dense { units, .. }, Role::Weight) => match spec.flattened(at) {
                        Some([height, width, channels]) => vec![height, width, channels, *units],
                        None => tensor.shape.clone(),
                    },
                    _ => tensor.shape.clone(),
                };
                let axes = match ours.len() {
                    4 => vec![3, 2, 0, 1],
                    2 => vec![1, 0],
                    _ => vec![0],
                };
                let mut shape: Vec<usize> = axes.iter().map(|&axis| ours[axis]).collect();
                if tensor.shape.len() == 2 {
                    shape = vec![tensor.shape[1], tensor.shape[0]];
                }
                let last = match tensor.role {
                    Role::Weight | Role::Scale => "weight",
                    Role::Bias | Role::Shift => "bias",
                    Role::Running if tensor.name.ends_with("running_mean") => "running_mean",
                    Role::Running => "running_var",
                };
                found.push(Theirs {
                    name: format!("{module}.{last}"),
                    shape,
                    ours,
                    axes,
                    range: tensor.range.clone(),
                    running: tensor.role == Role::Running,
                });
            }
        }
        found
    }
}

impl NetSpec {
    /// The image whose numbers the layer at this place reads, if they come from a flatten layer, with nothing
    /// between but what treats each number alone.
    fn flattened(&self, at: usize) -> Option<[usize; 3]> {
        let sources = self.sources().ok()?;
        let mut here = sources[at][0];
        while let Source::Layer(before) = here {
            here = sources[before][0];
            match &self.layers[before].kind {
                LayerKind::Activation(activation) if activation.pieces() == 1 => {}
                LayerKind::Dropout(_) => {}
                LayerKind::Flatten => {
                    return match self.shapes_of(&[here], &self.shapes())[0] {
                        Shape::Image {
                            height,
                            width,
                            channels,
                        } => Some([height, width, channels]),
                        Shape::Flat(_) => None,
                    };
                }
                _ => return None,
            }
        }
        None
    }
}
