//! Something to press.

use std::sync::Arc;

use serde_json::json;

use super::model::{Kind, Model};
use crate::show::{Bundle, Show};

/// A button. Clones are the same button.
#[derive(Clone)]
pub struct Button {
    pub(super) model: Arc<Model>,
}

impl Button {
    /// A button with these words on it.
    pub fn new(label: impl Into<String>) -> Self {
        let kind = Kind {
            name: "Button",
            style: "ButtonStyle",
            field: "",
            accept: |_, _| None,
            check: |_| Ok(()),
        };
        let fields = json!({"description": label.into(), "disabled": false, "icon": "", "button_style": ""});
        Self {
            model: Model::new(kind, fields),
        }
    }

    /// Calls `handler` when the person presses it, beside the handlers it has.
    pub fn on_click(&self, mut handler: impl FnMut() + Send + 'static) {
        self.model.on_act(move |_| handler());
    }

    /// Whether it can be pressed; grey when not.
    pub fn set_enabled(&self, enabled: bool) {
        self.model.set("disabled", (!enabled).into());
    }
}

impl Show for Button {
    fn bundle(&self) -> Bundle {
        let label = self.model.get("description");
        self.model
            .view(format!("[{}] (button)", label.as_str().unwrap_or_default()))
    }
}

impl std::fmt::Debug for Button {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Button({})", self.model.get("description"))
    }
}
