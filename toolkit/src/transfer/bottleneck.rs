//! Where a network's last dense layer begins: the numbers before it are the bottleneck.

use crate::net::{LayerKind, NetSpec, Network, Role, Source};
use crate::{Error, Result};

impl NetSpec {
    /// The place of the layer whose outputs the dense layer `name`, the network's last, reads. Dropout between the
    /// two is passed over: it does nothing but in training.
    ///
    /// # Errors
    /// When there is no such layer, it is no dense one, another reads it, or nothing stands before it.
    pub(super) fn bottleneck_before(&self, name: &str) -> Result<usize> {
        let at = self.position(name)?;
        let place = || format!("layer {name}");
        let last = self.layers.len() - 1;
        if at != last || !matches!(self.layers[at].kind, LayerKind::Dense { .. }) {
            return Err(Error::spec(format!(
                "expected the network's last layer, a dense one, found {}",
                self.layers[at].kind
            ))
            .at(place())
            .fix(match self.layers[last].kind {
                LayerKind::Dense { .. } => format!("the last layer is {:?}", self.layers[last].name),
                _ => "use a network that ends in a dense layer, its logits".to_owned(),
            }));
        }
        let sources = self.sources()?;
        let mut here = sources[at][0];
        while let Source::Layer(before) = here {
            if self.layers[before].kind.drops().is_none() {
                return Ok(before);
            }
            here = sources[before][0];
        }
        Err(
            Error::spec("nothing stands before the last layer that could be kept")
                .at(place())
                .fix("train a network with at least one layer before its last"),
        )
    }

    /// The name of the last layer.
    pub(super) fn last_name(&self) -> &str {
        self.layers.last().map_or("", |layer| layer.name.as_str())
    }
}

/// Copies the numbers of the tensors of `from` that `to` has under the name that `rename` gives.
pub(super) fn copy_tensors(from: &Network, to: &mut Network, rename: impl Fn(&str) -> String) {
    for tensor in from.tensors() {
        let name = rename(&tensor.name);
        let Some(own) = to.tensors().iter().find(|own| own.name == name).cloned() else {
            continue;
        };
        let (Some(values), true) = (from.tensor(&tensor.name), own.shape == tensor.shape) else {
            continue;
        };
        let store = if own.role == Role::Running {
            to.buffers_mut()
        } else {
            to.parameters_mut()
        };
        store[own.range].copy_from_slice(values);
    }
}
