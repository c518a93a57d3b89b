//! How networks show themselves: a table of layers, shapes and parameter counts.

use std::fmt;

use super::builder::for_each_builder;
use super::{Activation, Init, Layer, LayerKind, NetSpec, Network, Role, TensorInfo};
use crate::data::Shape;
use crate::show::{Bundle, Show, Table, show_by_display};

show_by_display!(Activation, Init, LayerKind);

impl NetSpec {
    /// The layers with their shapes and parameters, as the network shows itself at the end of a cell. Prints as text.
    ///
    /// ```
    /// use jook::prelude::*;
    /// let summary = Mlp::new([64, 32, 10]).spec()?.summary();
    /// assert!(summary.to_text().contains("2410 parameters, 2410 of them learned"));
    /// # Ok::<(), jook::Error>(())
    /// ```
    #[doc(alias = "torchinfo")]
    pub fn summary(&self) -> Table {
        let mut table =
            Table::new(["layer", "kind", "outputs", "parameters", "updates"]).caption(self.to_string());
        let shapes = self.shapes();
        let (mut total, mut learned) = (0usize, 0usize);
        let sources = self.sources().unwrap_or_default();
        for (at, layer) in self.layers.iter().enumerate() {
            let read = sources
                .get(at)
                .map_or(Shape::Flat(0), |sources| self.shapes_of(sources, &shapes)[0]);
            let parameters = layer.kind.parameters(read).unwrap_or(usize::MAX);
            let outputs = match shapes[at] {
                Shape::Flat(width) => width.to_string(),
                Shape::Image {
                    height,
                    width,
                    channels,
                } => format!("{height} x {width} x {channels}"),
            };
            total = total.saturating_add(parameters);
            learned = learned.saturating_add(if layer.frozen { 0 } else { parameters });
            let updates = match (layer.frozen, parameters) {
                (true, _) => "frozen",
                (false, 0) => "",
                (false, _) => "yes",
            };
            table = table.row([
                layer.name.clone(),
                layer.kind.to_string(),
                outputs,
                parameters.to_string(),
                updates.to_string(),
            ]);
        }
        table.note(format!("{total} parameters, {learned} of them learned"))
    }
}

impl Network {
    /// As [`NetSpec::summary`].
    #[doc(alias = "torchinfo")]
    pub fn summary(&self) -> Table {
        self.spec().summary()
    }
}

impl Show for NetSpec {
    fn bundle(&self) -> Bundle {
        self.summary().bundle()
    }
}

impl Show for Network {
    fn bundle(&self) -> Bundle {
        self.spec().bundle()
    }
}

macro_rules! shown {
    ($($builder:ty)*) => {$(
        impl Show for $builder {
            /// The network it would build, or why it cannot.
            fn bundle(&self) -> Bundle {
                self.spec().bundle()
            }
        }
    )*};
}
for_each_builder!(shown);

/// What it is; its numbers, often a hundred thousand, are in [`Network::parameters`].
impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} parameters)", self.spec(), self.parameters().len())
    }
}

impl Show for Layer {
    fn bundle(&self) -> Bundle {
        let frozen = if self.frozen { ", frozen" } else { "" };
        Bundle::text(format!("{}: {}{frozen}", self.name, self.kind))
    }
}

impl Show for Role {
    fn bundle(&self) -> Bundle {
        Bundle::word(format!("{self:?}"))
    }
}

impl Show for TensorInfo {
    fn bundle(&self) -> Bundle {
        let frozen = if self.frozen { ", frozen" } else { "" };
        Bundle::text(format!("{} {:?}{frozen}", self.name, self.shape))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Mlp;

    #[test]
    fn a_summary_is_what_a_network_shows() {
        let network = Network::new(&Mlp::new([3, 4, 2]).freeze("dense1").spec().unwrap(), 0).unwrap();
        let text = network.summary().to_text();
        assert_eq!(network.bundle().plain(), text);
        assert!(text.contains("26 parameters, 10 of them learned"), "{text}");
    }

    #[test]
    fn a_network_and_its_parts_read_as_words() {
        let mut network = Network::new(&Mlp::new([3, 4, 2]).spec().unwrap(), 0).unwrap();
        assert_eq!(
            format!("{network:?}"),
            format!("{} (26 parameters)", network.spec())
        );
        network.freeze("logits").unwrap();
        let last = network.spec().layers.last().unwrap();
        assert_eq!(last.bundle().plain(), "logits: dense 2, frozen");
        assert_eq!(last.kind.bundle().plain(), "dense 2");
        let roles: Vec<Role> = network.tensors().iter().map(|tensor| tensor.role).collect();
        assert_eq!(roles.bundle().plain(), "[Weight, Bias, Weight, Bias]");
    }
}
