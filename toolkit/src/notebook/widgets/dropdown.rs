//! One of several names.

use std::sync::Arc;

use serde_json::{Value, json};

use super::interact::Control;
use super::model::{Fields, Kind, Model, wrong};
use crate::Result;
use crate::show::{Bundle, Show};

/// A list of which one entry is chosen. Clones are the same list.
#[derive(Clone)]
pub struct Dropdown {
    pub(super) model: Arc<Model>,
}

const OPTIONS: &str = "_options_labels";

impl Dropdown {
    /// A list of these entries; the first is chosen.
    pub fn new<S: Into<String>>(label: impl Into<String>, options: impl IntoIterator<Item = S>) -> Self {
        let options: Vec<String> = options.into_iter().map(Into::into).collect();
        let kind = Kind {
            name: "Dropdown",
            style: "DescriptionStyle",
            field: "index",
            accept: |fields, asked| {
                let index = asked.as_u64().filter(|&index| index < count(fields) as u64)?;
                Some(index.into())
            },
            check: |fields| match count(fields) {
                0 => Err(wrong(
                    fields,
                    "a dropdown has no options",
                    "give it one at least: Dropdown::new(label, [\"first\", \"second\"])",
                )),
                _ => Ok(()),
            },
        };
        let fields = json!({"description": label.into(), OPTIONS: options, "index": 0, "disabled": false});
        Self {
            model: Model::new(kind, fields),
        }
    }

    /// The chosen entry; empty when there is none to choose from.
    pub fn value(&self) -> String {
        entry(&self.model)
    }

    /// The chosen entry's place, from 0.
    pub fn index(&self) -> usize {
        index(&self.model)
    }

    /// Chooses the entry at a place; one that is not there changes nothing. Handlers hear of what the person
    /// does, not of this.
    pub fn set_index(&self, index: usize) {
        self.model.set("index", index.into());
    }

    /// Calls `handler` with each entry that the person chooses, beside the handlers it has.
    pub fn on_change(&self, mut handler: impl FnMut(String) + Send + 'static) {
        self.model.on_act(move |model| handler(entry(model)));
    }
}

fn count(fields: &Fields) -> usize {
    fields.get(OPTIONS).and_then(Value::as_array).map_or(0, Vec::len)
}

fn index(model: &Model) -> usize {
    model.get("index").as_u64().unwrap_or(0) as usize
}

fn entry(model: &Model) -> String {
    let chosen = &model.get(OPTIONS)[index(model)];
    chosen.as_str().unwrap_or_default().to_owned()
}

impl Show for Dropdown {
    fn bundle(&self) -> Bundle {
        let options = self.model.get(OPTIONS);
        let options = options.as_array().into_iter().flatten().filter_map(Value::as_str);
        let options: Vec<&str> = options.collect();
        let label = self.model.get("description");
        self.model.view(format!(
            "{}: {} (one of {})",
            label.as_str().unwrap_or_default(),
            self.value(),
            options.join(", ")
        ))
    }
}

impl std::fmt::Debug for Dropdown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "Dropdown({}: {:?})",
            self.model.get("description"),
            self.value()
        )
    }
}

impl Control for Dropdown {
    type Value = String;

    fn value(&self) -> String {
        self.value()
    }

    fn check(&self) -> Result<()> {
        self.model.check()
    }

    fn watch(&self, changed: Arc<dyn Fn() + Send + Sync>) {
        self.model.on_act(move |_| changed());
    }

    fn display(&self) {
        crate::show::show(self);
    }
}
