//! One output in several forms, of which a front end picks one it can show.

use plotly::Plot;
use serde_json::Value;

/// One output in several forms. Plain text is always there.
#[derive(Clone, Debug, PartialEq)]
pub struct Bundle {
    pub(crate) text: String,
    pub(crate) html: Option<String>,
    pub(crate) plotly: Option<Value>,
}

impl Bundle {
    /// Readable text alone.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            html: None,
            plotly: None,
        }
    }

    /// Adds self-contained HTML: no scripts from elsewhere, no references to other files.
    pub fn html(mut self, html: impl Into<String>) -> Self {
        self.html = Some(html.into());
        self
    }

    /// Adds a Plotly chart.
    pub fn plot(mut self, plot: &Plot) -> Self {
        self.plotly = serde_json::from_str(&plot.to_json()).ok();
        self
    }
}

/// A value that shows itself well: what a cell does with its last expression.
pub trait Show {
    /// The value in every form it has.
    fn bundle(&self) -> Bundle;

    /// Called by the kernel (and by stock evcxr) on the value that ends a cell.
    fn evcxr_display(&self) {
        println!("{}", self.bundle().text);
    }
}
