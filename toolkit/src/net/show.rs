//! How networks show themselves: a table of layers, shapes and parameter counts.

use std::fmt::Write;

use super::{NetSpec, Network};
use crate::show::{Bundle, Show};

/// One row of the table.
struct Row {
    name: String,
    what: String,
    output: usize,
    parameters: usize,
    frozen: bool,
}

fn rows(spec: &NetSpec) -> Vec<Row> {
    let mut width = spec.input;
    let mut rows = Vec::with_capacity(spec.layers.len());
    for layer in &spec.layers {
        let parameters = layer.parameters(width).unwrap_or(usize::MAX);
        width = layer.kind.outputs(width);
        rows.push(Row {
            name: layer.name.clone(),
            what: layer.kind.to_string(),
            output: width,
            parameters,
            frozen: layer.frozen,
        });
    }
    rows
}

impl Show for NetSpec {
    fn bundle(&self) -> Bundle {
        let rows = rows(self);
        let sum = |frozen: bool| -> usize {
            let counted = rows.iter().filter(|row| frozen || !row.frozen);
            counted.fold(0, |sum, row| sum.saturating_add(row.parameters))
        };
        let (total, learned) = (sum(true), sum(false));
        let note = |row: &Row| if row.frozen { "frozen" } else { "" };
        let mut text = format!(
            "{self}\n{:<16} {:<22} {:>8} {:>12}\n",
            "layer", "kind", "outputs", "parameters"
        );
        let mut html = format!(
            "<table><caption>{}</caption><thead><tr><th>layer</th><th>kind</th><th>outputs</th>\
             <th>parameters</th><th></th></tr></thead><tbody>",
            escape(&self.to_string())
        );
        for row in &rows {
            let line = format!(
                "{:<16} {:<22} {:>8} {:>12} {}",
                row.name,
                row.what,
                row.output,
                row.parameters,
                note(row)
            );
            let _ = writeln!(text, "{}", line.trim_end());
            let _ = write!(
                html,
                "<tr><td>{}</td><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
                escape(&row.name),
                escape(&row.what),
                row.output,
                row.parameters,
                note(row)
            );
        }
        let _ = write!(text, "{total} parameters, {learned} of them learned");
        let _ = write!(
            html,
            "</tbody></table><p>{total} parameters, {learned} of them learned</p>"
        );
        Bundle::text(text).html(html)
    }
}

impl Show for Network {
    fn bundle(&self) -> Bundle {
        self.spec().bundle()
    }
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
