//! How networks show themselves: a table of layers, shapes and parameter counts.

use super::{Activation, Init, Mlp, NetSpec, Network, TensorInfo};
use crate::show::{Bundle, Show, Table};

impl Show for NetSpec {
    fn bundle(&self) -> Bundle {
        let mut table =
            Table::new(["layer", "kind", "outputs", "parameters", "updates"]).caption(self.to_string());
        let (mut width, mut total, mut learned) = (self.input, 0usize, 0usize);
        for layer in &self.layers {
            let parameters = layer.parameters(width).unwrap_or(usize::MAX);
            width = layer.kind.outputs(width);
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
                width.to_string(),
                parameters.to_string(),
                updates.to_string(),
            ]);
        }
        table
            .note(format!("{total} parameters, {learned} of them learned"))
            .bundle()
    }
}

impl Show for Network {
    fn bundle(&self) -> Bundle {
        self.spec().bundle()
    }
}

impl Show for Mlp {
    /// The network it would build, or why it cannot.
    fn bundle(&self) -> Bundle {
        self.spec().bundle()
    }
}

impl Show for Activation {
    fn bundle(&self) -> Bundle {
        Bundle::text(self.to_string())
    }
}

impl Show for Init {
    fn bundle(&self) -> Bundle {
        Bundle::text(self.to_string())
    }
}

impl Show for TensorInfo {
    fn bundle(&self) -> Bundle {
        let frozen = if self.frozen { ", frozen" } else { "" };
        Bundle::text(format!("{} {:?}{frozen}", self.name, self.shape))
    }
}
