//! How networks show themselves: a table of layers, shapes and parameter counts.

use super::{NetSpec, Network};
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
