//! Reads what cells print, decodes it, and hands it to whoever runs the cell.

use super::charts::{self, Changing, PLOTLY};
use super::dbg::Places;
use super::protocol::{self, Event, Notice, Part};
use super::sources::Sources;
use super::{Answer, CellError, MimeBundle};
use crossbeam_channel::{Receiver, Sender, select, unbounded};
use std::collections::HashMap;
use std::sync::{Arc, mpsc};

/// From the session to the thread that waits for a cell.
pub enum Message {
    Event(Event),
    Input {
        prompt: String,
        password: bool,
        answer: mpsc::Sender<Answer>,
    },
    Done(Result<(), CellError>),
}

/// What a cell's output said about how it went.
#[derive(Default)]
pub struct Notes {
    /// The last panic on the cell's own thread, and its place.
    pub panic: Option<(String, String, usize)>,
    /// The number that evcxr has given the cell whose code raised it.
    pub cell: Option<u64>,
    /// Addresses in the cell's library that were on the stack then.
    pub frames: Vec<u64>,
    /// That panic ended the cell.
    pub panicked: bool,
    /// A `?` left the cell: the message and the line in the generated source.
    pub error: Option<(String, usize)>,
    /// Variables whose type is no longer what it was when they were kept.
    pub retyped: Vec<String>,
    /// What the process said of its end.
    pub last_words: Option<String>,
    /// The start of a line on standard error.
    pub unread: String,
}

/// A line on standard error that is longer is nobody's last words.
const LONGEST: usize = 64 << 10;

impl Notes {
    fn read_stderr(&mut self, text: &str) {
        self.unread.push_str(text);
        let whole = self.unread.rfind('\n').map_or(0, |end| end + 1);
        if whole == 0 && self.unread.len() > LONGEST {
            self.unread.clear();
        }
        let lines: String = self.unread.drain(..whole).collect();
        for line in lines.lines().map(str::trim) {
            self.read_line_of_stderr(line);
        }
    }

    fn read_line_of_stderr(&mut self, line: &str) {
        if line.ends_with("has overflowed its stack") || line.starts_with("memory allocation of ") {
            self.last_words = Some(line.to_owned());
        }
        let retyped = line
            .strip_prefix("The type of the variable ")
            .and_then(|rest| rest.strip_suffix(" was redefined, so was lost."));
        self.retyped.extend(retyped.map(str::to_owned));
    }
}

enum Order {
    Begin(Option<mpsc::Sender<Message>>),
    Finish(Sender<Notes>),
}

/// The reading thread.
pub struct Pump {
    orders: Sender<Order>,
}

impl Pump {
    pub fn start(outputs: evcxr::EvalContextOutputs, sources: Arc<Sources>) -> Self {
        let (orders, incoming) = unbounded();
        std::thread::spawn(move || {
            Reader {
                stdout: outputs.stdout,
                stderr: outputs.stderr,
                sink: None,
                waiting: Vec::new(),
                charts: Changing::default(),
                notes: Notes::default(),
                sources,
                places: Places::default(),
            }
            .run(&incoming);
        });
        Self { orders }
    }

    /// What comes from now on belongs to a new cell; without a `sink` it is dropped.
    pub fn begin(&self, sink: Option<mpsc::Sender<Message>>) {
        let _ = self.orders.send(Order::Begin(sink));
    }

    /// Delivers everything that the cell printed, and returns what its output said.
    pub fn finish(&self) -> Notes {
        let (answer, answers) = unbounded();
        let _ = self.orders.send(Order::Finish(answer));
        answers.recv().unwrap_or_default()
    }
}

struct Reader {
    stdout: Receiver<String>,
    stderr: Receiver<String>,
    sink: Option<mpsc::Sender<Message>>,
    /// Events that came between cells.
    waiting: Vec<Event>,
    charts: Changing,
    notes: Notes,
    sources: Arc<Sources>,
    places: Places,
}

impl Reader {
    fn run(mut self, orders: &Receiver<Order>) {
        loop {
            select! {
                recv(self.stdout) -> line => match line {
                    Ok(line) => self.out(&line),
                    Err(_) => return,
                },
                recv(self.stderr) -> line => match line {
                    // It comes this way when no sieve could be put behind it.
                    Ok(line) => self.err(&(line + "\n")),
                    // A dead child's stderr ends before the next child is there.
                    Err(_) => return,
                },
                recv(orders) -> order => match order {
                    Ok(Order::Begin(sink)) => self.begin(sink),
                    Ok(Order::Finish(answer)) => drop(answer.send(self.finish())),
                    Err(_) => return,
                },
            }
        }
    }

    fn begin(&mut self, sink: Option<mpsc::Sender<Message>>) {
        self.sink = sink;
        self.notes = Notes::default();
        if self.sink.is_some() {
            for event in std::mem::take(&mut self.waiting) {
                self.send(event);
            }
        }
    }

    fn finish(&mut self) -> Notes {
        while let Ok(line) = self.stdout.try_recv() {
            self.out(&line);
        }
        while let Ok(line) = self.stderr.try_recv() {
            self.err(&(line + "\n"));
        }
        self.release();
        for event in self.charts.end() {
            self.send(event);
        }
        if !self.notes.panicked
            && let Some((message, place, line)) = self.notes.panic.take()
        {
            let place = self.sources.place(self.notes.cell, &place, line);
            self.send(Event::Stderr(format!("caught a panic at {place}: {message}\n")));
        }
        self.sink = None;
        std::mem::take(&mut self.notes)
    }

    fn out(&mut self, line: &str) {
        for part in protocol::decode(line) {
            match part {
                Part::Text(text) => {
                    self.release();
                    self.send(Event::Stdout(text));
                }
                Part::Event(event) => {
                    if let Event::Stderr(text) = &event {
                        self.err(text);
                    } else {
                        self.release();
                        let event = self.charts.show(event);
                        self.send(event);
                    }
                }
                Part::Notice(Notice::Break) => {}
                Part::Notice(Notice::Panic {
                    message,
                    file,
                    line,
                    frames,
                    cell,
                }) => {
                    self.notes.frames = frames;
                    self.notes.cell = cell;
                    self.notes.panic = Some((message, file, line));
                }
                Part::Notice(notice @ Notice::PanicElsewhere { .. }) => {
                    if let Some(event) = notice.told(&self.sources) {
                        self.send(event);
                    }
                }
                Part::Notice(Notice::Panicked) => self.notes.panicked = true,
                Part::Notice(Notice::Error { message, line }) => self.notes.error = Some((message, line)),
            }
        }
    }

    fn err(&mut self, text: &str) {
        self.notes.read_stderr(text);
        let text = self.places.put(text, |line| self.sources.line_of_running(line));
        if !text.is_empty() {
            self.send(Event::Stderr(text));
        }
    }

    /// Nothing follows what was held back: it is no place.
    fn release(&mut self) {
        let held = self.places.rest();
        if !held.is_empty() {
            self.send(Event::Stderr(held));
        }
    }

    fn send(&mut self, event: Event) {
        match &self.sink {
            Some(sink) => drop(sink.send(Message::Event(event))),
            None => self.waiting.push(event),
        }
    }
}

/// The value that ended a cell, as evcxr collected it. A cell that ends in `()` shows nothing.
pub fn result(content: &HashMap<String, String>) -> Option<Event> {
    let mut data = protocol::from_evcxr(content.iter());
    let unit = data.len() == 1 && data.get("text/plain").is_some_and(|text| text == "()");
    if data.is_empty() || unit {
        return None;
    }
    // HTML that the plotly crate writes loads its library from the network.
    if data.contains_key(PLOTLY) {
        data.remove("text/html");
    }
    Some(charts::complete(Event::Result {
        data,
        metadata: MimeBundle::new(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    /// What a cell that prints these messages makes of them.
    fn cell(lines: &[Value]) -> Vec<Event> {
        charts::tests::draws();
        let (stdout, out) = unbounded();
        let (_stderr, err) = unbounded();
        let outputs = evcxr::EvalContextOutputs {
            stdout: out,
            stderr: err,
        };
        let pump = Pump::start(outputs, Arc::default());
        let (sink, messages) = mpsc::channel();
        pump.begin(Some(sink));
        for line in lines {
            stdout.send(format!("{}{line}", protocol::MARKER)).unwrap();
        }
        pump.finish();
        messages
            .try_iter()
            .filter_map(|message| match message {
                Message::Event(event) => Some(event),
                _ => None,
            })
            .collect()
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
        charts::tests::draws();
        let figure = json!({"layout": {"title": {"text": "Loss"}}, "data": [{"type": "bar", "y": [1, 2.5]}]});
        let content = HashMap::from([
            (PLOTLY.to_owned(), figure.to_string()),
            (
                "text/html".to_owned(),
                "<script src=\"https://cdn.plot.ly\">".to_owned(),
            ),
        ]);
        let Some(Event::Result { data, .. }) = result(&content) else {
            panic!("no result")
        };
        assert_eq!(data["text/plain"], "[chart] Loss\n  bar: 2 points, 1 to 2.5");
        assert_eq!(data["text/html"], "<complete>");
    }
}
