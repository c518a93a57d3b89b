//! One output in several forms, of which a front end picks one it can show.

use plotly::Plot;
use serde_json::{Map, Value, json};

use super::sink;

/// One output in several forms. Plain text is always there.
#[derive(Clone, Debug, PartialEq)]
pub struct Bundle {
    pub(crate) text: String,
    pub(crate) html: Option<String>,
    pub(crate) plotly: Option<Value>,
    /// The model of a widget, by its id.
    pub(crate) widget: Option<String>,
    /// Short, so that a list of such stands on one line.
    pub(crate) word: bool,
    /// Of a text, how Rust writes it: within other values it is told from them so.
    pub(crate) literal: Option<String>,
}

impl Bundle {
    /// Readable text alone.
    pub fn text(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            html: None,
            plotly: None,
            widget: None,
            word: false,
            literal: None,
        }
    }

    /// A number or the like: in a list it stands beside the others, not on a line of its own.
    pub(crate) fn word(text: impl Into<String>) -> Self {
        Self {
            word: true,
            ..Self::text(text)
        }
    }

    pub(crate) fn literal(mut self, literal: String) -> Self {
        self.literal = Some(literal);
        self
    }

    /// Adds self-contained HTML: no scripts from elsewhere, no references to other files.
    pub fn html(mut self, html: impl Into<String>) -> Self {
        self.html = Some(html.into());
        self
    }

    /// Adds a Plotly chart. Numbers that JSON cannot hold (NaN, infinity) become gaps.
    pub fn plot(mut self, plot: &Plot) -> Self {
        self.plotly = serde_json::to_value(plot).ok();
        // Front ends expect frames to be a list or absent.
        if let Some(Value::Object(figure)) = &mut self.plotly {
            figure.retain(|_, part| !part.is_null());
        }
        self
    }

    /// Adds the view of a widget's model.
    pub(crate) fn widget(mut self, model: String) -> Self {
        self.widget = Some(model);
        self
    }

    /// The plain text form.
    pub fn plain(&self) -> &str {
        &self.text
    }

    /// The HTML form; where there is none, the plain text as an HTML block.
    pub fn to_html(&self) -> String {
        match &self.html {
            Some(html) => html.clone(),
            None => super::html::preformatted(&self.text),
        }
    }

    /// Every form under its MIME type, as a Jupyter message carries them.
    pub(crate) fn by_mime(&self) -> Map<String, Value> {
        let mut data = Map::new();
        data.insert("text/plain".into(), Value::String(self.text.clone()));
        if let Some(html) = &self.html {
            data.insert("text/html".into(), Value::String(html.clone()));
        }
        if let Some(plotly) = &self.plotly {
            data.insert("application/vnd.plotly.v1+json".into(), plotly.clone());
        }
        if let Some(model) = &self.widget {
            let view = json!({"version_major": 2, "version_minor": 0, "model_id": model});
            data.insert("application/vnd.jupyter.widget-view+json".into(), view);
        }
        data
    }
}

/// A value that shows itself well: what a cell does with its last expression.
pub trait Show {
    /// The value in every form it has.
    fn bundle(&self) -> Bundle;

    /// The outputs it makes, in order: its bundle alone, unless it is several things, such as charts, of
    /// which each is an output of its own, or nothing to see, such as `()`.
    fn outputs(&self) -> Vec<Bundle> {
        vec![self.bundle()]
    }

    /// Called by the kernel (and by stock evcxr) on the value that ends a cell.
    fn evcxr_display(&self) {
        let outputs = self.outputs();
        if let Some((last, before)) = outputs.split_last() {
            before
                .iter()
                .for_each(|output| sink::send(&sink::Message::Display(output, None)));
            sink::send(&sink::Message::Result(last));
        }
    }
}

/// Values that show themselves as what `Display` writes.
macro_rules! show_by_display {
    ($($kind:ty),+ $(,)?) => {$(
        impl $crate::show::Show for $kind {
            fn bundle(&self) -> $crate::show::Bundle {
                $crate::show::Bundle::text(self.to_string())
            }
        }
    )+};
}
pub(crate) use show_by_display;

impl Show for Bundle {
    fn bundle(&self) -> Bundle {
        self.clone()
    }
}

impl<T: Show + ?Sized> Show for &T {
    fn bundle(&self) -> Bundle {
        (**self).bundle()
    }

    fn outputs(&self) -> Vec<Bundle> {
        (**self).outputs()
    }
}
