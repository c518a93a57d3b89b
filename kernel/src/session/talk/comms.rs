//! Comms: messages between what a cell has made and its counterpart in the front end, at any time.
//!
//! They have a connection of their own: the toolkit knocks at the session's [`door`](crate::session::life::door) when a cell first
//! wants a comm. Both sides write lines of JSON. The child numbers what it says and waits until
//! it is published, so that a widget's model is with the front end before the output that shows it. A message of
//! the front end carries the id of its request; everything the child says while it handles it carries it too, as
//! `parent`, and `comm_done` ends it. Binary data follows its line, which holds the sizes as `buffers`.

use crate::session::said::MimeBundle;
use crate::session::talk::charts;
use crate::session::talk::charts::Resting;
use crate::session::talk::protocol;
use crate::session::talk::protocol::Event;
use crate::session::talk::protocol::Part;
use crate::session::tell::sources::Sources;
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::{HashMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

/// The child always reads, unless it is stopped or about to end.
const PATIENCE: Duration = Duration::from_secs(1);

/// A child that says more in one line, or sends more binary data with it, is broken.
const LINE: u64 = 256 << 20;

/// How long the handler that runs has to answer a stop request before the user is told how to end it.
const GRACE: Duration = Duration::from_secs(2);

/// Something about a comm, in either direction.
#[derive(Clone, Debug, PartialEq)]
pub struct CommMessage {
    pub step: Step,
    pub comm_id: String,
    pub data: MimeBundle,
    pub metadata: MimeBundle,
    /// Binary data beside `data`.
    pub buffers: Vec<Bytes>,
}

/// What a [`CommMessage`] does.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    Open { target: String },
    Message,
    Close,
}

/// What the child says, apart from the output of its cells.
#[derive(Clone, Debug, PartialEq)]
pub enum Said {
    /// To a comm's counterpart.
    Comm(CommMessage),
    /// What the handler of a request shows.
    Show(Event),
    /// The request is handled.
    Done,
    /// The child is gone, its comms are closed; no request that is open will be handled.
    Gone,
}

type Listener = dyn Fn(Option<&str>, Said) + Send + Sync;

/// The comms of a session's child.
pub struct Comms {
    on_said: Arc<Listener>,
    /// The charts that handlers change.
    pub resting: Arc<Resting>,
    /// The cells that what runs has come from.
    pub sources: Arc<Sources>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    child: Option<Child>,
    connections: u64,
}

struct Child {
    number: u64,
    stream: UnixStream,
    /// Target by comm.
    open: HashMap<String, String>,
    targets: Vec<String>,
    /// Requests that it has not handled yet, the first of them at work.
    waiting: VecDeque<String>,
}

impl Comms {
    /// No comms yet. `on_said` hears what the child says, with the id of the request that it is about; the child
    /// waits until it returns.
    pub fn new(on_said: impl Fn(Option<&str>, Said) + Send + Sync + 'static) -> Arc<Self> {
        let on_said: Arc<Listener> = Arc::new(on_said);
        let publish = on_said.clone();
        Arc::new(Self {
            on_said,
            // The request is closed by then.
            resting: Resting::new(move |event| publish(None, Said::Show(event))),
            sources: Arc::default(),
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Every open comm with its target.
    pub fn list(&self) -> Vec<(String, String)> {
        let state = self.state();
        let open = state.child.iter().flat_map(|child| &child.open);
        open.map(|(id, target)| (id.clone(), target.clone())).collect()
    }

    /// Passes a message of the front end to the child, which answers with what the handler says and with
    /// [`Said::Done`]. False when nobody is there to handle it.
    pub fn pass_on(&self, request: &str, message: &CommMessage) -> bool {
        let mut state = self.state();
        let Some(child) = &mut state.child else {
            return false;
        };
        let id = &message.comm_id;
        let (kind, target) = match &message.step {
            Step::Open { target } if child.targets.contains(target) && !child.open.contains_key(id) => {
                child.open.insert(id.clone(), target.clone());
                ("comm_open", Some(target))
            }
            Step::Message if child.open.contains_key(id) => ("comm_msg", None),
            Step::Close if child.open.remove(id).is_some() => ("comm_close", None),
            _ => return false,
        };
        child.waiting.push_back(request.to_owned());
        let sizes: Vec<usize> = message.buffers.iter().map(Bytes::len).collect();
        let line = json!({
            "kind": kind, "request": request, "comm_id": id, "target_name": target,
            "data": message.data, "metadata": message.metadata, "buffers": sizes,
        });
        child.write(&line, &message.buffers)
    }

    /// The Stop button while no cell runs: the handler that is running is asked to stop. One that does not within
    /// two seconds says how to end it.
    pub fn stop(self: &Arc<Self>) {
        let mut state = self.state();
        let Some(child) = &mut state.child else { return };
        let Some(request) = child.waiting.front().cloned() else {
            return;
        };
        child.write(&json!({"kind": "stop"}), &[]);
        drop(state);
        let comms = self.clone();
        std::thread::spawn(move || {
            std::thread::sleep(GRACE);
            let at_work = |child: &Child| child.waiting.front() == Some(&request);
            if comms.state().child.as_ref().is_some_and(at_work) {
                let text = "This handler does not answer to the stop request. Restarting the kernel ends it; the \
                            notebook's variables are lost then.\n";
                (comms.on_said)(Some(&request), Said::Show(Event::Stderr(text.into())));
            }
        });
    }

    /// Reads what one child says until it ends.
    pub fn hear(&self, stream: UnixStream) {
        let Ok(reader) = stream.try_clone() else { return };
        let _ = stream.set_write_timeout(Some(PATIENCE));
        let (number, before) = {
            let mut state = self.state();
            state.connections += 1;
            let child = Child {
                number: state.connections,
                stream,
                open: HashMap::new(),
                targets: Vec::new(),
                waiting: VecDeque::new(),
            };
            (state.connections, state.child.replace(child))
        };
        // The child before is gone, even if a process that it left behind still holds its end.
        self.close_all(before);
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        loop {
            line.clear();
            match reader.by_ref().take(LINE).read_until(b'\n', &mut line) {
                Ok(1..) if line.ends_with(b"\n") => {}
                _ => break,
            }
            if let Ok(Value::Object(message)) = serde_json::from_slice(&line) {
                let Some(buffers) = buffers(&message, &mut reader) else {
                    break;
                };
                self.take(message, buffers);
            }
        }
        let child = self.state().child.take_if(|child| child.number == number);
        self.close_all(child);
    }

    /// Tells that a child is gone, with its comms.
    fn close_all(&self, child: Option<Child>) {
        let Some(child) = child else { return };
        let _ = child.stream.shutdown(std::net::Shutdown::Both);
        for comm_id in child.open.into_keys() {
            let close = CommMessage {
                step: Step::Close,
                comm_id,
                data: MimeBundle::new(),
                metadata: MimeBundle::new(),
                buffers: Vec::new(),
            };
            (self.on_said)(None, Said::Comm(close));
        }
        (self.on_said)(None, Said::Gone);
    }

    fn take(&self, mut message: MimeBundle, buffers: Vec<Bytes>) {
        let number = message.remove("n");
        let parent = message.remove("parent");
        let parent = parent.as_ref().and_then(Value::as_str);
        match self.understand(message, buffers) {
            Some(Said::Show(event)) => self.show(parent, event),
            Some(said) => {
                if let (Said::Done, Some(child)) = (&said, &mut self.state().child) {
                    child.waiting.retain(|request| Some(request.as_str()) != parent);
                }
                (self.on_said)(parent, said);
            }
            None => {}
        }
        if let (Some(number), Some(child)) = (number, &mut self.state().child) {
            child.write(&json!({"kind": "heard", "n": number}), &[]);
        }
    }

    fn show(&self, parent: Option<&str>, event: Event) {
        if let Event::Update { id, .. } = &event {
            self.resting.forget(id);
        }
        match charts::live(&event, false) {
            Some(live) => {
                (self.on_said)(parent, Said::Show(live));
                self.resting.changed(event);
            }
            None => (self.on_said)(parent, Said::Show(charts::complete(event))),
        }
    }

    fn understand(&self, mut message: MimeBundle, buffers: Vec<Bytes>) -> Option<Said> {
        let text = |name: &str| message.get(name).and_then(Value::as_str).map(str::to_owned);
        let kind = text("kind")?;
        let step = match kind.as_str() {
            "comm_target" => {
                let name = text("name")?;
                self.state().child.as_mut()?.targets.push(name);
                return None;
            }
            "comm_done" => return Some(Said::Done),
            "stdout" => return Some(Said::Show(Event::Stdout(text("text")?))),
            "comm_open" => Step::Open {
                target: text("target_name")?,
            },
            "comm_msg" => Step::Message,
            "comm_close" => Step::Close,
            _ => {
                return match protocol::message_part(Value::Object(message))? {
                    Part::Event(event) => Some(Said::Show(event)),
                    Part::Notice(notice) => notice.told(&self.sources).map(Said::Show),
                };
            }
        };
        let comm_id = text("comm_id")?;
        {
            let mut state = self.state();
            let open = &mut state.child.as_mut()?.open;
            match &step {
                Step::Open { target } => drop(open.insert(comm_id.clone(), target.clone())),
                Step::Message => drop(open.get(&comm_id)?),
                Step::Close => drop(open.remove(&comm_id)?),
            }
        }
        let mut part = |name: &str| match message.remove(name) {
            Some(Value::Object(part)) => part,
            _ => MimeBundle::new(),
        };
        Some(Said::Comm(CommMessage {
            step,
            comm_id,
            data: part("data"),
            metadata: part("metadata"),
            buffers,
        }))
    }
}

/// The binary data that follows a message.
fn buffers(message: &MimeBundle, reader: &mut impl Read) -> Option<Vec<Bytes>> {
    let sizes = message.get("buffers").and_then(Value::as_array);
    let sizes = sizes.into_iter().flatten().map(Value::as_u64);
    let sizes: Vec<u64> = sizes.collect::<Option<_>>()?;
    let whole = sizes.iter().try_fold(0u64, |sum, size| sum.checked_add(*size))?;
    if whole > LINE {
        return None;
    }
    let mut read = |size: u64| {
        let mut buffer = Vec::new();
        let read = reader.by_ref().take(size).read_to_end(&mut buffer).ok()?;
        (read as u64 == size).then(|| buffer.into())
    };
    sizes.into_iter().map(&mut read).collect()
}

impl Child {
    fn write(&mut self, message: &Value, buffers: &[Bytes]) -> bool {
        let mut whole = format!("{message}\n").into_bytes();
        buffers.iter().for_each(|buffer| whole.extend_from_slice(buffer));
        let written = self.stream.write_all(&whole);
        if written.is_err() {
            // Half a line may be out: nothing after it would be understood.
            let _ = self.stream.shutdown(std::net::Shutdown::Both);
        }
        written.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    struct Toolkit {
        lines: std::io::Lines<BufReader<UnixStream>>,
        stream: UnixStream,
    }

    impl Toolkit {
        fn say(&mut self, message: Value) {
            writeln!(self.stream, "{message}").unwrap();
        }

        fn hears(&mut self) -> Value {
            serde_json::from_str(&self.lines.next().unwrap().unwrap()).unwrap()
        }
    }

    fn message(step: Step, comm_id: &str) -> CommMessage {
        CommMessage {
            step,
            comm_id: comm_id.into(),
            data: MimeBundle::new(),
            metadata: MimeBundle::new(),
            buffers: Vec::new(),
        }
    }

    #[test]
    fn comms_go_both_ways_and_close_with_the_child() {
        let (tell, said) = mpsc::channel();
        let comms = Comms::new(move |parent, said| {
            let _ = tell.send((parent.map(str::to_owned), said));
        });
        let open = |id: &str| {
            let target = "t".to_owned();
            message(Step::Open { target }, id)
        };
        assert!(!comms.pass_on("r0", &open("a")), "no child is there");

        let (stream, kernels) = UnixStream::pair().unwrap();
        let hears = comms.clone();
        std::thread::spawn(move || hears.hear(kernels));
        let lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let mut toolkit = Toolkit { lines, stream };
        toolkit.say(json!({"kind": "comm_target", "name": "t", "n": 1}));
        assert_eq!(toolkit.hears(), json!({"kind": "heard", "n": 1}));
        toolkit.say(
            json!({"kind": "comm_open", "comm_id": "own", "target_name": "w", "data": {"a": 1}, "n": 2}),
        );
        let (None, Said::Comm(opened)) = said.recv().unwrap() else {
            panic!("not opened")
        };
        assert_eq!((opened.comm_id.as_str(), &opened.data["a"]), ("own", &json!(1)));
        assert_eq!(toolkit.hears()["n"], 2);

        assert!(comms.pass_on("r1", &open("a")) && !comms.pass_on("r2", &open("a")));
        assert!(comms.pass_on("r3", &message(Step::Message, "own")));
        assert!(!comms.pass_on("r4", &message(Step::Message, "nobody")));
        assert_eq!(toolkit.hears()["request"], "r1");
        assert_eq!(toolkit.hears()["comm_id"], "own");
        assert!(comms.pass_on("r5", &message(Step::Close, "a")));
        assert_eq!(comms.list(), [("own".to_owned(), "w".to_owned())]);

        comms.stop();
        assert_eq!(toolkit.hears()["request"], "r5");
        assert_eq!(toolkit.hears(), json!({"kind": "stop"}));
        toolkit.say(json!({"kind": "display", "data": {"text/plain": "x"}, "parent": "r3"}));
        toolkit.say(json!({"kind": "comm_done", "parent": "r3"}));
        let r3 = Some("r3".to_owned());
        let shown = said.recv().unwrap();
        assert!(shown.0 == r3 && matches!(shown.1, Said::Show(Event::Display { .. })));
        assert_eq!(said.recv().unwrap(), (r3, Said::Done));

        drop(toolkit);
        assert_eq!(
            said.recv().unwrap(),
            (None, Said::Comm(message(Step::Close, "own")))
        );
        assert_eq!(said.recv().unwrap(), (None, Said::Gone));
        assert!(comms.list().is_empty());
    }
}
