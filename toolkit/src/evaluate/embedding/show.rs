//! How the numbers of an embedding show themselves.

use std::fmt;

use plotly::Plot;
use serde_json::json;

use super::{EmbeddingEvaluation, Roc};
use crate::show::{Bundle, Show, chart, readable_number, table_html};

/// Points of a curve in a chart at most.
const POINTS: usize = 1000;

impl Roc {
    /// The true accept rate over the false one.
    pub fn chart(&self) -> Plot {
        let last = self.far.len().saturating_sub(1);
        let every = self.far.len().div_ceil(POINTS).max(1);
        let drawn = |i: &usize| i.is_multiple_of(every) || *i == last;
        let column = |all: &[f64]| -> Vec<f64> { (0..all.len()).filter(drawn).map(|i| all[i]).collect() };
        let curve = chart::RawTrace(json!({
            "type": "scatter", "mode": "lines", "name": format!("AUC {:.3}", self.auc),
            "x": column(&self.far), "y": column(&self.tar), "line": {"color": chart::color(0)},
        }));
        let chance = chart::RawTrace(json!({
            "type": "scatter", "mode": "lines", "name": "by chance", "x": [0, 1], "y": [0, 1],
            "line": {"color": "#888", "dash": "dot"},
        }));
        chart::plot(
            chart::layout(
                "Are two examples of one class?",
                "false accept rate",
                "true accept rate",
            ),
            vec![Box::new(curve), Box::new(chance)],
        )
    }
}

impl Show for Roc {
    fn bundle(&self) -> Bundle {
        Bundle::text(format!(
            "ROC of {} thresholds, AUC {:.3}",
            self.far.len(),
            self.auc
        ))
        .plot(&self.chart())
    }
}

impl EmbeddingEvaluation {
    /// The names of its numbers, for the head of a table: `Table::new(found.headers()).row(found.row())`.
    pub fn headers(&self) -> Vec<String> {
        self.numbers()
            .into_iter()
            .map(|(name, _)| name.replace('_', " "))
            .collect()
    }

    /// Its numbers as the row of a table, in the order of [`headers`](Self::headers).
    pub fn row(&self) -> Vec<String> {
        self.numbers()
            .into_iter()
            .map(|(_, x)| readable_number(x))
            .collect()
    }
}

impl fmt::Display for EmbeddingEvaluation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, x) in self.headers().iter().zip(self.row()) {
            write!(f, "{name} {x}, ")?;
        }
        write!(f, "n {}", self.n)
    }
}

impl Show for EmbeddingEvaluation {
    fn bundle(&self) -> Bundle {
        let rows: Vec<Vec<String>> = self
            .headers()
            .into_iter()
            .zip(self.row())
            .map(|(name, x)| vec![name, x])
            .collect();
        let head = match self.queries == self.n {
            true => format!("of {} examples", self.n),
            false => format!(
                "of {} examples, {} with others of their class",
                self.n, self.queries
            ),
        };
        let html = table_html(&[head, String::new()], &rows);
        Bundle::text(self.to_string()).html(html).plot(&self.roc.chart())
    }
}
