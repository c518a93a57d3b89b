//! What the cells' process has written, as events for the notebook and notes for the session.

use crate::session::said::MimeBundle;
use crate::session::talk::charts;
use crate::session::talk::charts::Changing;
use crate::session::talk::charts::PLOTLY;
use crate::session::talk::dbg::Places;
use crate::session::talk::merge::Piece;
use crate::session::talk::protocol;
use crate::session::talk::protocol::Event;
use crate::session::talk::protocol::Notice;
use crate::session::talk::protocol::Part;
use crate::session::tell::notes::Notes;
use crate::session::tell::sources::Sources;
use std::sync::Arc;

/// Makes events and notes of what was written.
pub struct Teller {
    charts: Changing,
    notes: Notes,
    sources: Arc<Sources>,
    places: Places,
    /// A value that has shown itself for evcxr: the one that ends the cell, unless something follows.
    content: Option<MimeBundle>,
}

impl Teller {
    pub fn new(sources: Arc<Sources>) -> Self {
        Self {
            charts: Changing::default(),
            notes: Notes::default(),
            sources,
            places: Places::default(),
            content: None,
        }
    }

    /// What was noted since the last time.
    pub fn take_notes(&mut self) -> Notes {
        std::mem::take(&mut self.notes)
    }

    /// The cell ends: its value, its charts as they are now, and what did not end it.
    pub fn end(&mut self) -> Vec<Event> {
        let mut events: Vec<Event> = Vec::new();
        events.extend(self.content.take().map(|content| value(content, true)));
        events.extend(self.charts.end());
        events.extend(self.caught_panic());
        events
    }

    /// What the notebook is told of a piece. A value that waited to end the cell did not.
    pub fn told(&mut self, piece: Piece) -> Vec<Event> {
        let before = self.content.take().map(|content| value(content, false));
        before.into_iter().chain(self.told_of(piece)).collect()
    }

    fn told_of(&mut self, piece: Piece) -> Vec<Event> {
        match piece {
            Piece::Stdout(text) => self.release().into_iter().chain([Event::Stdout(text)]).collect(),
            Piece::Stderr(text) => self.err(&text).into_iter().collect(),
            Piece::Message(message) => match protocol::message_part(message) {
                Some(Part::Event(Event::Stderr(text))) => self.err(&text).into_iter().collect(),
                Some(Part::Event(event)) => {
                    let shown = self.charts.show(event);
                    self.release().into_iter().chain([shown]).collect()
                }
                Some(Part::Notice(notice)) => self.note(notice).into_iter().collect(),
                None => Vec::new(),
            },
        }
    }

    fn note(&mut self, notice: Notice) -> Option<Event> {
        match notice {
            Notice::Panic {
                message,
                file,
                line,
                frames,
                cell,
            } => {
                // Whatever becomes of this one, that before has not ended the cell.
                let earlier = self.take_panic("a panic");
                self.notes.frames = frames;
                self.notes.cell = cell;
                self.notes.panic = Some((message, file, line));
                earlier
            }
            Notice::PanicElsewhere { .. } => notice.told(&self.sources),
            Notice::Panicked => {
                self.notes.panicked = true;
                None
            }
            Notice::DropPanicked => {
                let (message, file, line) = self.notes.panic.take().unwrap_or_default();
                let place = self.sources.place(self.notes.cell, &file, line);
                let text =
                    format!("a value that was replaced panicked at {place} as it was dropped: {message}\n");
                Some(Event::Stderr(text))
            }
            Notice::Error { message, line } => {
                self.notes.error = Some((message, line));
                None
            }
            Notice::Left => {
                self.notes.left = true;
                None
            }
            Notice::Unloadable(why) => {
                self.notes.unloadable = Some(why);
                None
            }
            Notice::Retyped(name) => {
                let text = format!("The type of the variable {name} was redefined, so was lost.\n");
                self.notes.retyped.push(name);
                Some(Event::Stderr(text))
            }
            Notice::Content(content) => {
                self.content = complete_content(content);
                None
            }
        }
    }

    fn err(&mut self, text: &str) -> Option<Event> {
        self.notes.read_stderr(text);
        let text = self.places.put(text, |line| self.sources.line_of_running(line));
        (!text.is_empty()).then_some(Event::Stderr(text))
    }

    /// Nothing follows what was held back: it is no place.
    pub fn release(&mut self) -> Option<Event> {
        let held = self.places.rest();
        (!held.is_empty()).then_some(Event::Stderr(held))
    }

    /// A panic of the cell's thread that did not end the cell.
    fn caught_panic(&mut self) -> Option<Event> {
        if self.notes.panicked {
            return None;
        }
        self.take_panic("caught a panic")
    }

    /// Tells the last panic, which is noted no longer.
    fn take_panic(&mut self, what: &str) -> Option<Event> {
        let (message, file, line) = self.notes.panic.take()?;
        let place = self.sources.place(self.notes.cell, &file, line);
        Some(Event::Stderr(format!("{what} at {place}: {message}\n")))
    }
}

/// A value that has shown itself for evcxr, as text by MIME type. One that is `()` shows nothing.
fn complete_content(content: MimeBundle) -> Option<MimeBundle> {
    let mut data = protocol::from_evcxr(content);
    let unit = data.len() == 1 && data.get("text/plain").is_some_and(|text| text == "()");
    // HTML that the plotly crate writes loads its library from the network.
    if data.contains_key(PLOTLY) {
        data.remove("text/html");
    }
    (!data.is_empty() && !unit).then_some(data)
}

fn value(data: MimeBundle, ends_the_cell: bool) -> Event {
    let metadata = MimeBundle::new();
    charts::complete(match ends_the_cell {
        true => Event::Result { data, metadata },
        false => Event::Display {
            data,
            metadata,
            id: None,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// What a cell that says these messages makes of them.
    fn cell(messages: &[Value]) -> Vec<Event> {
        charts::tests::draws();
        let mut teller = Teller::new(Arc::default());
        let mut events: Vec<Event> = messages
            .iter()
            .flat_map(|message| teller.told(Piece::Message(message.clone())))
            .collect();
        events.extend(teller.end());
        events
    }

    #[test]
    fn a_live_chart_is_complete_when_its_cell_ends() {
        let chart =
            |kind: &str, y: u32| json!({"kind": kind, "id": "a", "data": {PLOTLY: {"data": [{"y": [y]}]}}});
        let events = cell(&[chart("display", 1), chart("update", 2), chart("update", 3)]);
        let figure = |event: &Event| match event {
            Event::Display { data, .. } | Event::Update { data, .. } => data.get(PLOTLY).cloned(),
            other => panic!("{other:?}"),
        };
        let figures: Vec<_> = events.iter().map(|event| figure(event).is_some()).collect();
        assert_eq!(figures, [true, false, false, true]);
        assert_eq!(figure(&events[3]).unwrap()["data"][0]["y"], json!([3]));
    }

    #[test]
    fn a_plot_that_ends_a_cell_says_what_is_in_it_and_needs_no_network() {
        let figure = json!({"layout": {"title": {"text": "Loss"}}, "data": [{"type": "bar", "y": [1, 2.5]}]});
        let content =
            json!({PLOTLY: figure.to_string(), "text/html": "<script src=\"https://cdn.plot.ly\">"});
        let events = cell(&[json!({"kind": "content", "data": content})]);
        let [Event::Result { data, .. }] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!(data["text/plain"], "[chart] Loss\n  bar: 2 points, 1 to 2.5");
        assert_eq!(data["text/html"], "<complete>");
        assert_eq!(
            cell(&[json!({"kind": "content", "data": {"text/plain": "()"}})]),
            []
        );
    }
}
