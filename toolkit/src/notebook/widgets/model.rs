//! What every widget is made of: a model, whose fields the front end shows and changes through a comm.
//!
//! The protocol is that of ipywidgets,
//! <https://github.com/jupyter-widgets/ipywidgets/blob/main/packages/schema/messages.md>. A model opens its comm when
//! it is first shown, together with one for its layout and one for its style, which the front end wants and
//! nothing here changes.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, Once, OnceLock};

use serde_json::{Map, Value, json};

use crate::comm::{self, Comm};
use crate::show::{Backend, Bundle, Show, backend};
use crate::{Error, Result};

const BASE: &str = "@jupyter-widgets/base";
const CONTROLS: &str = "@jupyter-widgets/controls";
/// The version of both of these that the fields are those of.
const MODULES: &str = "2.0.0";
/// The version of the messages.
const PROTOCOL: &str = "2.1.0";
const TARGET: &str = "jupyter.widget";
/// By this target a page that was loaded anew asks for every model at once.
const CONTROL_TARGET: &str = "jupyter.widget.control";

pub(super) type Fields = Map<String, Value>;

/// What the widgets of one kind have in common.
pub(super) struct Kind {
    /// Such as `FloatSlider`.
    pub name: &'static str,
    /// Such as `SliderStyle`; empty for what has none.
    pub style: &'static str,
    /// The field that the person changes; empty where there is none.
    pub field: &'static str,
    /// The value that the field takes when it is asked to take this one.
    pub accept: fn(&Fields, &Value) -> Option<Value>,
    /// What is wrong with the fields.
    pub check: fn(&Fields) -> Result<()>,
}

const LAYOUT: Kind = bare("Layout");

const fn bare(name: &'static str) -> Kind {
    Kind {
        name,
        style: "",
        field: "",
        accept: |_, _| None,
        check: |_| Ok(()),
    }
}

type Handler = Box<dyn FnMut(&Model) + Send>;

pub(super) struct Model {
    kind: Kind,
    fields: Mutex<Fields>,
    handlers: Mutex<Vec<Handler>>,
    comm: OnceLock<Result<Comm>>,
}

/// Every model that the front end knows, by the id of its comm.
static MODELS: LazyLock<Mutex<HashMap<String, Arc<Model>>>> = LazyLock::new(Mutex::default);

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// What a message of the front end leads to.
#[derive(Debug, Default, PartialEq)]
struct Heard {
    answers: Vec<Value>,
    /// The person changed the value, or pressed the button.
    act: bool,
}

impl Model {
    pub fn new(kind: Kind, own: Value) -> Arc<Self> {
        // Layouts and styles live in the base module or have its view.
        let (module, view_module, view) = match kind.name {
            "Layout" => (BASE, BASE, "LayoutView".to_owned()),
            name if name.ends_with("Style") => (CONTROLS, BASE, "StyleView".to_owned()),
            name => (CONTROLS, CONTROLS, format!("{name}View")),
        };
        let mut fields = Fields::new();
        for (field, value) in [
            ("_model_name", json!(format!("{}Model", kind.name))),
            ("_model_module", json!(module)),
            ("_model_module_version", json!(MODULES)),
            ("_view_name", json!(view)),
            ("_view_module", json!(view_module)),
            ("_view_module_version", json!(MODULES)),
            ("_view_count", Value::Null),
        ] {
            fields.insert(field.into(), value);
        }
        if let Value::Object(own) = own {
            fields.extend(own);
        }
        Arc::new(Self {
            kind,
            fields: Mutex::new(fields),
            handlers: Mutex::default(),
            comm: OnceLock::new(),
        })
    }

    /// A field as it is now.
    pub fn get(&self, field: &str) -> Value {
        lock(&self.fields).get(field).cloned().unwrap_or_default()
    }

    /// Changes a field, here and where it is shown.
    pub fn set(&self, field: &str, value: Value) {
        {
            let mut fields = lock(&self.fields);
            let taken = match field == self.kind.field {
                true => (self.kind.accept)(&fields, &value),
                false => Some(value),
            };
            let Some(taken) = taken else { return };
            fields.insert(field.into(), taken);
        }
        if let Some(Ok(comm)) = self.comm.get() {
            // A front end that closed the widget does not want to know.
            let _ = comm.send(update("update", [(field, self.get(field))]));
        }
    }

    /// Calls `handler` when the person changes the value, or presses the button.
    pub fn on_act(&self, handler: impl FnMut(&Model) + Send + 'static) {
        lock(&self.handlers).push(Box::new(handler));
    }

    /// What is wrong with it, if anything.
    pub fn check(&self) -> Result<()> {
        (self.kind.check)(&lock(&self.fields))
    }

    /// The widget as an output; `text` says the same in words.
    pub fn view(self: &Arc<Self>, text: String) -> Bundle {
        match self.check() {
            Ok(()) if backend() != Backend::Notebook => Bundle::text(text),
            Ok(()) => match self.open() {
                Ok(comm) => Bundle::text(text).widget(comm.id().to_owned()),
                // A kernel without comms: the words serve.
                Err(_) => Bundle::text(text),
            },
            Err(error) => error.bundle(),
        }
    }

    /// Makes the model known to the front end, once.
    fn open(self: &Arc<Self>) -> Result<&Comm> {
        let opened = self.comm.get_or_init(|| {
            answer_for_all()?;
            if !self.kind.style.is_empty() {
                for (field, kind) in [("layout", LAYOUT), ("style", bare(self.kind.style))] {
                    let part = Model::new(kind, Value::Null);
                    let reference = format!("IPY_MODEL_{}", part.open()?.id());
                    lock(&self.fields).insert(field.into(), reference.into());
                }
            }
            let model = Arc::downgrade(self);
            let heard = move |comm: &Comm, data: Value| {
                if let Some(model) = model.upgrade() {
                    model.heard(comm, &data);
                }
            };
            let state = Value::Object(lock(&self.fields).clone());
            let comm = comm::open_with(
                TARGET,
                json!({"state": state, "buffer_paths": []}),
                &[],
                json!({"version": PROTOCOL}),
                Some(Box::new(heard)),
            )?;
            comm.on_close(|comm, _| drop(lock(&MODELS).remove(comm.id())));
            lock(&MODELS).insert(comm.id().to_owned(), self.clone());
            Ok(comm)
        });
        opened.as_ref().map_err(Clone::clone)
    }

    fn heard(&self, comm: &Comm, data: &Value) {
        let Heard { answers, act } = self.hear(data, echoes());
        for answer in answers {
            let _ = comm.send(answer);
        }
        if act {
            // A handler may add another one.
            let mut handlers = std::mem::take(&mut *lock(&self.handlers));
            for handler in &mut handlers {
                comm::carefully(|| handler(self));
            }
            let mut now = lock(&self.handlers);
            handlers.append(&mut now);
            *now = handlers;
        }
    }

    /// Takes in a message of the front end. With `echo` it is told what came, as it may have other pages to tell.
    fn hear(&self, data: &Value, echo: bool) -> Heard {
        let mut heard = Heard::default();
        match data["method"].as_str() {
            Some("update") => {
                let Some(state) = data["state"].as_object() else {
                    return heard;
                };
                let mut fields = lock(&self.fields);
                let known: Vec<(&str, Value)> = state
                    .iter()
                    .filter(|(field, _)| fields.contains_key(*field))
                    .map(|(field, value)| (field.as_str(), value.clone()))
                    .collect();
                if echo && !known.is_empty() {
                    heard.answers.push(update("echo_update", known));
                }
                let Some(asked) = state.get(self.kind.field) else {
                    return heard;
                };
                let old = fields.get(self.kind.field).cloned().unwrap_or_default();
                let new = (self.kind.accept)(&fields, asked).unwrap_or(old.clone());
                if new != *asked {
                    heard
                        .answers
                        .push(update("update", [(self.kind.field, new.clone())]));
                }
                heard.act = new != old;
                fields.insert(self.kind.field.into(), new);
            }
            Some("request_state") => {
                let state = lock(&self.fields).clone();
                heard
                    .answers
                    .push(json!({"method": "update", "state": state, "buffer_paths": []}));
            }
            Some("custom") => heard.act = data["content"]["event"] == "click",
            _ => {}
        }
        heard
    }
}

/// A message about these fields.
fn update<'a>(method: &str, fields: impl IntoIterator<Item = (&'a str, Value)>) -> Value {
    let state: Fields = fields
        .into_iter()
        .map(|(field, value)| (field.to_owned(), value))
        .collect();
    json!({"method": method, "state": state, "buffer_paths": []})
}

/// Whether changes are echoed, as ipywidgets decides it.
fn echoes() -> bool {
    let off = ["0", "0.0", "false", "no", "n", "off"];
    std::env::var("JUPYTER_WIDGETS_ECHO").map_or(true, |set| !off.contains(&&*set.to_lowercase()))
}

/// Lets the front end ask for every model at once.
fn answer_for_all() -> Result<()> {
    static ONCE: Once = Once::new();
    let mut result = Ok(());
    ONCE.call_once(|| {
        result = comm::on_target(CONTROL_TARGET, |comm, _| {
            comm.on_message(|comm, data| {
                if data["method"] == "request_states" {
                    let _ = comm.send(states());
                }
            });
        });
    });
    result
}

fn states() -> Value {
    let models = lock(&MODELS);
    let states: Fields = models
        .iter()
        .map(|(id, model)| {
            let fields = lock(&model.fields).clone();
            let state = json!({
                "model_name": fields["_model_name"], "model_module": fields["_model_module"],
                "model_module_version": fields["_model_module_version"], "state": fields,
            });
            (id.clone(), state)
        })
        .collect();
    json!({"method": "update_states", "states": states, "buffer_paths": []})
}

/// The error for a label, with what is wrong.
pub(super) fn wrong(fields: &Fields, what: &str, remedy: &str) -> Error {
    let label = fields["description"].as_str().unwrap_or_default();
    Error::spec(what).at(format!("widget {label:?}")).fix(remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::widgets::{Button, Dropdown, FloatSlider, IntSlider};

    fn asks(value: Value) -> Value {
        json!({"method": "update", "state": {"value": value, "unknown": 1}, "buffer_paths": []})
    }

    #[test]
    fn a_change_is_echoed_taken_and_corrected() {
        let slider = FloatSlider::new("noise", 0, 1, 0.1);
        let heard = slider.model.hear(&asks(json!(0.5)), true);
        let echo = json!({"method": "echo_update", "state": {"value": 0.5}, "buffer_paths": []});
        assert_eq!((heard.answers, heard.act), (vec![echo], true));
        assert_eq!(slider.value(), 0.5);

        let again = slider.model.hear(&asks(json!(0.5)), false);
        assert_eq!(again, Heard::default(), "nothing has changed");

        for nonsense in [json!(7), json!("x"), Value::Null] {
            let heard = slider.model.hear(&asks(nonsense), false);
            let corrected = heard.answers[0]["state"]["value"].as_f64().unwrap();
            assert_eq!((heard.answers.len(), corrected), (1, slider.value()));
        }
        assert_eq!(slider.value(), 1.0);
        let int = IntSlider::new("hidden", 1, 64, 16);
        assert!(int.model.hear(&asks(json!(8.0)), false).act);
        assert_eq!(int.value(), 8);
    }

    #[test]
    fn the_state_is_told_whole_when_asked_for() {
        let list = Dropdown::new("activation", ["relu", "tanh"]);
        let heard = list.model.hear(&json!({"method": "request_state"}), true);
        let state = &heard.answers[0]["state"];
        assert_eq!(heard.answers[0]["method"], "update");
        assert_eq!(
            (&state["_model_name"], &state["index"]),
            (&json!("DropdownModel"), &json!(0))
        );
        assert_eq!(state["_model_module"], CONTROLS);
        let chosen = list
            .model
            .hear(&json!({"method": "update", "state": {"index": 1}}), false);
        assert!(chosen.act && list.value() == "tanh");
    }

    #[test]
    fn handlers_hear_of_acts_and_may_add_handlers_and_panic() {
        let button = Button::new("Train");
        let click = json!({"method": "custom", "content": {"event": "click"}});
        let (pressed, count) = std::sync::mpsc::channel();
        let (again, first) = (button.clone(), pressed.clone());
        button.on_click(move || {
            first.send(1).unwrap();
            let later = pressed.clone();
            again.on_click(move || later.send(2).unwrap());
            panic!("on purpose");
        });
        let comm = comm::tests::unconnected();
        button.model.heard(&comm, &click);
        assert_eq!(count.try_iter().collect::<Vec<_>>(), [1]);
        button.model.heard(&comm, &click);
        assert_eq!(count.try_iter().collect::<Vec<_>>(), [1, 2]);
        assert!(
            !button
                .model
                .hear(&json!({"method": "custom", "content": {}}), true)
                .act
        );
    }

    #[test]
    fn what_cannot_be_shown_says_why() {
        let text = FloatSlider::new("noise", 1.0, 0.0, 0.5).bundle().text;
        assert!(text.contains("noise") && text.contains("to do: "), "{text}");
        assert!(Dropdown::new("none", [""; 0]).bundle().text.contains("no option"));
        assert!(
            IntSlider::new("n", 0, 9, 3)
                .step(0)
                .bundle()
                .text
                .contains("step")
        );
        assert_eq!(
            FloatSlider::new("noise", 0.0, 1.0, 0.1).bundle().text,
            "noise: 0.1 (slider 0 to 1)"
        );
        assert_eq!(
            IntSlider::new("n", 0, 9, 30).bundle().text,
            "n: 9 (slider 0 to 9)"
        );
    }
}
