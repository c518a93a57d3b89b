//! The forms in which a Plotly chart goes to front ends.
//!
//! A chart that stays as it is comes *complete*: its figure for those that draw Plotly, HTML with the library for
//! the others, a text. One that changes goes out in its *live* form, HTML that redraws the chart it finds: most
//! front ends would otherwise throw the chart away and build another, and JupyterLab's renderer of Plotly figures
//! ignores a new state. The last state is complete again, for it is what gets saved.

use crate::session::figure;
use crate::session::said::MimeBundle;
use crate::session::talk::protocol::Event;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::{Duration, Instant};

/// The type of a Plotly figure in a bundle.
pub const PLOTLY: &str = "application/vnd.plotly.v1+json";
const HTML: &str = "text/html";

/// How long a chart that a handler changes has to stay as it is until it is shown complete.
const QUIET: Duration = Duration::from_millis(700);

/// How a figure becomes HTML.
#[derive(Clone, Copy)]
pub struct Drawing {
    /// Needs nothing else.
    pub complete: fn(&Value) -> String,
    /// Redraws the chart with the given name; with the library, or with the one that the page has.
    pub live: fn(&Value, &str, bool) -> String,
}

static DRAWING: OnceLock<Drawing> = OnceLock::new();

/// Sets how figures become HTML; called once by `main`.
pub fn on_plot(drawing: Drawing) {
    let _ = DRAWING.set(drawing);
}

/// An event whose chart, if it has one, has every form; those that its cell gave it stay.
pub fn complete(mut event: Event) -> Event {
    let (Event::Display { data, .. } | Event::Update { data, .. } | Event::Result { data, .. }) = &mut event
    else {
        return event;
    };
    if data.contains_key(PLOTLY) {
        if let (false, Some(drawing)) = (data.contains_key(HTML), DRAWING.get()) {
            let html = (drawing.complete)(&data[PLOTLY]);
            data.insert(HTML.into(), html.into());
        }
        add_text(data);
    }
    event
}

/// The live form of a new state of a chart; none when the event is something else.
pub fn live(event: &Event, library: bool) -> Option<Event> {
    let Event::Update { data, metadata, id } = event else {
        return None;
    };
    let mut data = data.clone();
    add_text(&mut data);
    let figure = data.remove(PLOTLY)?;
    if let (false, Some(drawing)) = (data.contains_key(HTML), DRAWING.get()) {
        data.insert(HTML.into(), (drawing.live)(&figure, id, library).into());
    }
    Some(Event::Update {
        data,
        metadata: metadata.clone(),
        id: id.clone(),
    })
}

/// What a terminal shows for a chart that has no text of its own.
fn add_text(data: &mut MimeBundle) {
    if let (Some(chart), false) = (data.get(PLOTLY), data.contains_key("text/plain")) {
        let text = figure::describe(chart);
        data.insert("text/plain".into(), text.into());
    }
}

/// The charts that one cell changes.
#[derive(Default)]
pub struct Changing {
    /// The last state of each.
    last: Vec<Event>,
    /// Those that the front end has the library for.
    drawn: HashSet<String>,
}

impl Changing {
    /// What goes out for an event: the first live state of a chart carries the library, megabytes of it, the
    /// others do not.
    pub fn show(&mut self, event: Event) -> Event {
        let Event::Update { id, .. } = &event else {
            return complete(event);
        };
        self.last
            .retain(|other| !matches!(other, Event::Update { id: old, .. } if old == id));
        let Some(live) = live(&event, !self.drawn.contains(id)) else {
            return event;
        };
        self.drawn.insert(id.clone());
        self.last.push(event);
        live
    }

    /// The last states, when the cell ends.
    pub fn end(&mut self) -> impl Iterator<Item = Event> + use<> {
        self.drawn.clear();
        std::mem::take(&mut self.last).into_iter().map(complete)
    }
}

/// Publishes an event.
type Publish = dyn Fn(Event) + Send + Sync;

/// The charts that handlers change, between cells and beside them: shown complete when they come to rest, for
/// nothing says which state is the last.
pub struct Resting {
    publish: Box<Publish>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The last state of each chart, and when it is at rest.
    charts: HashMap<String, (Instant, Event)>,
    /// A thread waits for them.
    waits: bool,
}

impl Resting {
    pub fn new(publish: impl Fn(Event) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            publish: Box::new(publish),
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Something else is shown under this name, or about to be.
    pub fn forget(&self, id: &str) {
        self.state().charts.remove(id);
    }

    /// Takes in a state that was published in its live form.
    pub fn changed(self: &Arc<Self>, event: Event) {
        let Event::Update { id, .. } = &event else { return };
        let mut state = self.state();
        state.charts.insert(id.clone(), (Instant::now() + QUIET, event));
        if !state.waits {
            state.waits = true;
            let resting = self.clone();
            std::thread::spawn(move || resting.wait());
        }
    }

    /// Publishes what is at rest, until nothing is left. Locked while it does: a newer state comes after.
    fn wait(&self) {
        loop {
            let mut state = self.state();
            let now = Instant::now();
            let due = state.charts.extract_if(|_, (rest, _)| *rest <= now);
            due.for_each(|(_, (_, event))| (self.publish)(complete(event)));
            let Some(next) = state.charts.values().map(|(rest, _)| *rest).min() else {
                state.waits = false;
                return;
            };
            drop(state);
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use serde_json::json;
    use std::sync::mpsc;

    pub fn draws() {
        on_plot(Drawing {
            complete: |_| "<complete>".into(),
            live: |_, id, library| format!("<{id} live, library {library}>"),
        });
    }

    fn data(mut more: Value, y: u32) -> MimeBundle {
        more[PLOTLY] = json!({"data": [{"y": [y]}]});
        more.as_object().unwrap().clone()
    }

    fn update(id: &str, more: Value, y: u32) -> Event {
        Event::Update {
            data: data(more, y),
            metadata: MimeBundle::new(),
            id: id.into(),
        }
    }

    /// The HTML of an event, and whether it has the figure.
    fn forms(event: &Event) -> (&str, bool) {
        let (Event::Display { data, .. } | Event::Update { data, .. }) = event else {
            panic!("{event:?}")
        };
        assert_eq!(data["text/plain"].as_str().map(str::is_empty), Some(false));
        (data[HTML].as_str().unwrap(), data.contains_key(PLOTLY))
    }

    #[test]
    fn only_the_first_live_state_and_the_last_carry_the_library() {
        draws();
        let mut changing = Changing::default();
        let shown = changing.show(Event::Display {
            data: data(json!({}), 1),
            metadata: MimeBundle::new(),
            id: Some("a".into()),
        });
        assert_eq!(forms(&shown), ("<complete>", true));
        for (y, library) in [(2, true), (3, false), (4, false)] {
            let event = changing.show(update("a", json!({}), y));
            assert_eq!(forms(&event), (&*format!("<a live, library {library}>"), false));
        }
        let last: Vec<Event> = changing.end().collect();
        let [Event::Update { data, .. }] = &last[..] else {
            panic!("{last:?}")
        };
        assert_eq!(forms(&last[0]), ("<complete>", true));
        assert_eq!(data["text/plain"], "[chart]\n  scatter: 1 point, 4");
        // The page may be another when the next cell runs.
        let event = changing.show(update("a", json!({}), 5));
        assert_eq!(forms(&event), ("<a live, library true>", false));
    }

    #[test]
    fn a_chart_that_gives_way_to_words_does_not_come_back() {
        draws();
        let mut changing = Changing::default();
        changing.show(update("a", json!({}), 1));
        let words = Event::Update {
            data: json!({"text/plain": "stopped"}).as_object().unwrap().clone(),
            metadata: MimeBundle::new(),
            id: "a".into(),
        };
        assert_eq!(changing.show(words.clone()), words);
        assert_eq!(changing.end().count(), 0);
    }

    #[test]
    fn a_chart_keeps_the_forms_its_cell_gave_it() {
        draws();
        let mut changing = Changing::default();
        let own = json!({HTML: "<p>a table</p>", "text/plain": "a table"});
        let event = changing.show(update("a", own, 1));
        assert_eq!(forms(&event), ("<p>a table</p>", false));
        let last: Vec<Event> = changing.end().collect();
        let [Event::Update { data, .. }] = &last[..] else {
            panic!("{last:?}")
        };
        assert_eq!(forms(&last[0]), ("<p>a table</p>", true));
        assert_eq!(data["text/plain"], "a table");
    }

    #[test]
    fn a_chart_comes_to_rest_once_and_not_when_it_was_replaced() {
        draws();
        let (tell, told) = mpsc::channel();
        let resting = Resting::new(move |event| tell.send(event).unwrap());
        for y in 0..3 {
            resting.changed(update("moved", json!({}), y));
        }
        resting.changed(update("replaced", json!({}), 7));
        resting.forget("replaced");
        let rest = told.recv().unwrap();
        assert_eq!(forms(&rest), ("<complete>", true));
        let Event::Update { data, id, .. } = &rest else {
            panic!("{rest:?}")
        };
        assert_eq!(
            (id.as_str(), &data[PLOTLY]["data"][0]["y"]),
            ("moved", &json!([2]))
        );
        // Its thread has ended, and another begins with the next chart.
        while resting.state().waits {
            std::thread::yield_now();
        }
        assert!(told.try_recv().is_err());
        resting.changed(update("moved", json!({}), 8));
        assert!(matches!(told.recv().unwrap(), Event::Update { .. }));
    }
}
