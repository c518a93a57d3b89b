//! What cells put out while they run, in the order and form a notebook keeps it.

use super::notebook::lines;
use super::plotly;
use crate::session::{CellError, Event, MimeBundle};
use serde_json::{Value, json};

/// The outputs of all cells of one run.
pub struct Recorder {
    cells: Vec<Outputs>,
}

#[derive(Default)]
struct Outputs {
    entries: Vec<Entry>,
    /// A clear that waits for the next output, so that nothing flickers.
    clear_pending: bool,
}

/// One output. Streams keep their text whole until they are written.
struct Entry {
    kind: Output,
    /// By which later messages replace it.
    id: Option<String>,
}

enum Output {
    Stream {
        name: &'static str,
        text: String,
    },
    Display {
        data: MimeBundle,
        metadata: MimeBundle,
    },
    Result {
        data: MimeBundle,
        metadata: MimeBundle,
    },
    Error {
        ename: String,
        evalue: String,
        traceback: Vec<String>,
    },
}

impl Recorder {
    /// For a notebook of `cells` cells, of whatever kind.
    pub fn new(cells: usize) -> Self {
        Self {
            cells: (0..cells).map(|_| Outputs::default()).collect(),
        }
    }

    /// Takes in what cell number `cell` (from 0) just put out.
    pub fn event(&mut self, cell: usize, event: Event) {
        match event {
            Event::Stdout(text) => self.cells[cell].stream("stdout", text),
            Event::Stderr(text) => self.cells[cell].stream("stderr", text),
            // A page has no beside.
            Event::Page { data } => self.cells[cell].push(Entry {
                kind: Output::Display {
                    data,
                    metadata: MimeBundle::new(),
                },
                id: None,
            }),
            Event::Display { data, metadata, id } => self.cells[cell].push(Entry {
                kind: Output::Display { data, metadata },
                id,
            }),
            Event::Result { data, metadata } => self.cells[cell].push(Entry {
                kind: Output::Result { data, metadata },
                id: None,
            }),
            Event::Update { data, metadata, id } => self.update(&id, &data, &metadata),
            Event::Clear { wait: true } => self.cells[cell].clear_pending = true,
            Event::Clear { wait: false } => self.cells[cell].clear(),
        }
    }

    /// Takes in that cell number `cell` failed.
    pub fn error(&mut self, cell: usize, error: &CellError) {
        let (ename, evalue) = (error.ename.clone(), error.evalue.clone());
        let kind = Output::Error {
            ename,
            evalue,
            traceback: error.traceback.clone(),
        };
        self.cells[cell].push(Entry { kind, id: None });
    }

    /// Every output with this id, in whichever cell, shows the new data from now on.
    fn update(&mut self, id: &str, data: &MimeBundle, metadata: &MimeBundle) {
        for entry in self.cells.iter_mut().flat_map(|cell| &mut cell.entries) {
            if entry.id.as_deref() == Some(id) {
                entry.kind = Output::Display {
                    data: data.clone(),
                    metadata: metadata.clone(),
                };
            }
        }
    }

    /// The outputs of cell number `cell` as its notebook entry, with results under `execution_count`.
    pub fn outputs(&self, cell: usize, execution_count: u64) -> Value {
        self.cells[cell]
            .entries
            .iter()
            .map(|entry| entry.kind.for_notebook(execution_count))
            .collect()
    }
}

impl Outputs {
    fn stream(&mut self, name: &'static str, new: String) {
        if new.is_empty() {
            return;
        }
        self.clear_if_pending();
        if let Some(Entry {
            kind: Output::Stream { name: last, text },
            ..
        }) = self.entries.last_mut()
            && *last == name
        {
            text.push_str(&new);
            return;
        }
        self.entries.push(Entry {
            kind: Output::Stream { name, text: new },
            id: None,
        });
    }

    fn push(&mut self, entry: Entry) {
        self.clear_if_pending();
        self.entries.push(entry);
    }

    fn clear_if_pending(&mut self) {
        if self.clear_pending {
            self.clear();
        }
    }

    fn clear(&mut self) {
        self.entries.clear();
        self.clear_pending = false;
    }
}

impl Output {
    fn for_notebook(&self, execution_count: u64) -> Value {
        match self {
            Output::Stream { name, text } => {
                json!({"output_type": "stream", "name": name, "text": lines(text)})
            }
            Output::Display { data, metadata } => {
                json!({"output_type": "display_data", "data": bundle(data), "metadata": metadata})
            }
            Output::Result { data, metadata } => json!({
                "output_type": "execute_result", "execution_count": execution_count,
                "data": bundle(data), "metadata": metadata,
            }),
            Output::Error {
                ename,
                evalue,
                traceback,
            } => {
                json!({"output_type": "error", "ename": ename, "evalue": evalue, "traceback": traceback})
            }
        }
    }
}

/// A bundle as notebooks keep it: texts as lists of lines, a chart with HTML for viewers without Plotly.
fn bundle(data: &MimeBundle) -> MimeBundle {
    let mut data = data.clone();
    plotly::add_html(&mut data);
    for (mime, value) in &mut data {
        let text =
            mime.starts_with("text/") || matches!(mime.as_str(), "image/svg+xml" | "application/javascript");
        if let (true, Value::String(content)) = (text, &*value) {
            *value = lines(content);
        }
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> MimeBundle {
        json!({"text/plain": text}).as_object().unwrap().clone()
    }

    fn display(words: &str, id: Option<&str>) -> Event {
        Event::Display {
            data: text(words),
            metadata: MimeBundle::new(),
            id: id.map(String::from),
        }
    }

    fn update(words: &str, id: &str) -> Event {
        Event::Update {
            data: text(words),
            metadata: MimeBundle::new(),
            id: id.to_string(),
        }
    }

    /// What each output of a cell says, in order.
    fn said(recorder: &Recorder, cell: usize) -> Vec<String> {
        let outputs = recorder.outputs(cell, 7);
        let words = |output: &Value| match output["output_type"].as_str().unwrap() {
            "stream" => format!(
                "{}:{}",
                output["name"].as_str().unwrap(),
                super::super::notebook::joined(&output["text"])
            ),
            "error" => output["ename"].as_str().unwrap().to_string(),
            _ => super::super::notebook::joined(&output["data"]["text/plain"]),
        };
        outputs.as_array().unwrap().iter().map(words).collect()
    }

    fn out(words: &str) -> Event {
        Event::Stdout(words.to_string())
    }

    #[test]
    fn neighbouring_streams_merge_and_others_keep_their_order() {
        let mut recorder = Recorder::new(1);
        for event in [
            out("a"),
            out("b\n"),
            Event::Stderr("e".into()),
            out("c"),
            display("d", None),
            out("f"),
            out(""),
        ] {
            recorder.event(0, event);
        }
        assert_eq!(
            said(&recorder, 0),
            ["stdout:ab\n", "stderr:e", "stdout:c", "d", "stdout:f"]
        );
        assert_eq!(recorder.outputs(0, 7)[0]["text"], json!(["ab\n"]));
    }

    #[test]
    fn an_update_reaches_every_output_with_its_id_in_earlier_cells_too() {
        let mut recorder = Recorder::new(2);
        recorder.event(0, display("0 %", Some("bar")));
        recorder.event(0, display("other", Some("x")));
        recorder.event(1, display("0 %", Some("bar")));
        recorder.event(1, update("100 %", "bar"));
        recorder.event(1, update("lost", "nobody"));
        assert_eq!(said(&recorder, 0), ["100 %", "other"]);
        assert_eq!(said(&recorder, 1), ["100 %"]);
    }

    #[test]
    fn clearing_is_at_once_or_waits_for_the_next_output() {
        let mut recorder = Recorder::new(1);
        recorder.event(0, display("old", Some("a")));
        recorder.event(0, Event::Clear { wait: true });
        assert_eq!(said(&recorder, 0), ["old"]);
        recorder.event(0, update("older", "a"));
        assert_eq!(said(&recorder, 0), ["older"]);
        recorder.event(0, out("new"));
        assert_eq!(said(&recorder, 0), ["stdout:new"]);
        recorder.event(0, Event::Clear { wait: false });
        assert!(said(&recorder, 0).is_empty());
        recorder.event(0, update("ghost", "a"));
        assert!(said(&recorder, 0).is_empty());
    }

    #[test]
    fn results_and_errors_have_the_formats_fields() {
        let mut recorder = Recorder::new(1);
        recorder.event(
            0,
            Event::Result {
                data: text("2\n3"),
                metadata: MimeBundle::new(),
            },
        );
        let error = CellError {
            ename: "E0308".into(),
            evalue: "no".into(),
            traceback: vec!["t".into()],
            line: Some(1),
        };
        recorder.error(0, &error);
        assert_eq!(
            recorder.outputs(0, 7),
            json!([
                {"output_type": "execute_result", "execution_count": 7, "metadata": {}, "data": {"text/plain": ["2\n", "3"]}},
                {"output_type": "error", "ename": "E0308", "evalue": "no", "traceback": ["t"]}
            ])
        );
    }

    #[test]
    fn a_chart_gets_html_for_viewers_without_plotly() {
        let mut recorder = Recorder::new(1);
        let figure = json!({"data": [], "layout": {}});
        let data = json!({"application/vnd.plotly.v1+json": figure, "text/plain": "chart"});
        let data = data.as_object().unwrap().clone();
        recorder.event(
            0,
            Event::Display {
                data,
                metadata: MimeBundle::new(),
                id: None,
            },
        );
        let outputs = recorder.outputs(0, 7);
        assert_eq!(outputs[0]["data"]["application/vnd.plotly.v1+json"], figure);
        assert!(
            super::super::notebook::joined(&outputs[0]["data"]["text/html"]).contains("DecompressionStream")
        );
    }
}
