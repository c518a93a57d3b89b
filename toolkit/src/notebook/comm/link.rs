//! The toolkit's end of the socket to the kernel, and the two threads behind it.
//!
//! Reading is apart from handling: a cell that waits until the kernel has heard it must not wait for a handler
//! that trains a network. There is one of each in a process, started when the first comm is wanted.

use std::cell::RefCell;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use serde_json::{Value, json};

use crate::cells::{self, Stream};
use crate::show::request::{self, Request};
use crate::{Error, Result, interrupt};

/// What is said at the kernel's door.
const WHO: &[u8] = b"{\"role\": \"comms\"}\n";
/// How long a cell waits for the kernel to publish what it said. The kernel waits for slow front ends.
const PATIENCE: Duration = Duration::from_secs(5);
/// A handler may train a network: as much as a cell's own thread has.
const STACK: usize = 16 << 20;

pub(super) struct Link {
    writer: Mutex<Writer>,
    heard: Mutex<u64>,
    news: Condvar,
}

struct Writer {
    stream: UnixStream,
    /// The number of the last message.
    number: u64,
}

thread_local! {
    /// The binary data that came with it.
    static BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Requests of the front end that are not handled yet.
static WAITING: AtomicUsize = AtomicUsize::new(0);
/// The handler that runs was asked to stop.
static STOPPED: AtomicBool = AtomicBool::new(false);

/// A message as the kernel passes it on: the JSON, and the binary data behind it.
struct Received {
    message: Value,
    buffers: Vec<Vec<u8>>,
}

/// Takes the binary data of the message that this thread handles.
pub(super) fn take_buffers() -> Vec<Vec<u8>> {
    BUFFERS.take()
}

static LINK: OnceLock<Result<Link>> = OnceLock::new();

/// The link, made on the first call.
pub(super) fn link() -> Result<&'static Link> {
    LINK.get_or_init(connect).as_ref().map_err(Clone::clone)
}

/// The link, if there is one already.
pub(super) fn established() -> Option<&'static Link> {
    LINK.get()?.as_ref().ok()
}

fn connect() -> Result<Link> {
    let Some(path) = cells::kernel().and_then(|kernel| kernel.door()) else {
        return Err(
            Error::spec("comms and widgets need the Jook kernel, which does not run this program")
                .fix("run it as a cell: `jook lab` opens JupyterLab with the kernel"),
        );
    };
    let failed = |error: std::io::Error| Error::io(path, &error).fix("restart the kernel");
    let mut stream = UnixStream::connect(path).map_err(failed)?;
    stream.write_all(WHO).map_err(failed)?;
    let reader = BufReader::new(stream.try_clone().map_err(failed)?);
    let (handle, requests) = channel();
    let start = |name: &str| std::thread::Builder::new().name(name.into()).stack_size(STACK);
    start("comms")
        .spawn(move || read(reader, &handle))
        .map_err(failed)?;
    start("comm handlers")
        .spawn(move || requests.into_iter().for_each(handle_one))
        .map_err(failed)?;
    Ok(Link {
        writer: Mutex::new(Writer { stream, number: 0 }),
        heard: Mutex::new(0),
        news: Condvar::new(),
    })
}

fn read(mut reader: impl BufRead, handle: &Sender<Received>) {
    while let Ok(Some(received)) = receive(&mut reader) {
        let message = &received.message;
        match (message["kind"].as_str(), message["n"].as_u64()) {
            (Some("heard"), Some(number)) => heard(number),
            (Some("stop"), _) => stop(),
            _ => {
                WAITING.fetch_add(1, Ordering::SeqCst);
                drop(handle.send(received));
            }
        }
    }
    heard(u64::MAX);
}

/// A line of JSON, whose `buffers` are the sizes of the binary data that follows it. `None` at the end.
fn receive(reader: &mut impl BufRead) -> io::Result<Option<Received>> {
    let mut line = Vec::new();
    if reader.read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    let message: Value = serde_json::from_slice(&line).unwrap_or_default();
    let sizes = message["buffers"].as_array().into_iter().flatten();
    let buffers = sizes
        .map(|size| {
            let mut buffer = Vec::new();
            reader
                .by_ref()
                .take(size.as_u64().unwrap_or(0))
                .read_to_end(&mut buffer)?;
            Ok(buffer)
        })
        .collect::<io::Result<_>>()?;
    Ok(Some(Received { message, buffers }))
}

/// The Stop button, while no cell runs: the loops of the handler that is running stop.
fn stop() {
    if WAITING.load(Ordering::SeqCst) > 0 {
        STOPPED.store(true, Ordering::SeqCst);
        interrupt::request();
    }
}

fn heard(number: u64) {
    // The thread that reads may be faster than the one that makes the link known.
    if let Ok(link) = LINK.wait() {
        let mut heard = lock(&link.heard);
        *heard = number.max(*heard);
        link.news.notify_all();
    }
}

fn handle_one(Received { message, buffers }: Received) {
    let id = message["request"].as_str().unwrap_or_default().to_owned();
    request::work_on(Some(Request { id, say: super::show }));
    BUFFERS.set(buffers);
    cells::taken_by(print, || super::carefully(|| super::handle(message)));
    BUFFERS.take();
    WAITING.fetch_sub(1, Ordering::SeqCst);
    if STOPPED.swap(false, Ordering::SeqCst) {
        // Meant for this handler alone.
        interrupt::clear();
    }
    if let Some(link) = established() {
        let _ = link.say(json!({"kind": "comm_done"}));
    }
    request::work_on(None);
}

/// What the handler prints is about the message that it handles.
fn print(stream: Stream, text: &str) {
    if let Some(link) = established() {
        let kind = match stream {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        };
        let _ = link.say(json!({"kind": kind, "text": text}));
    }
}

impl Link {
    /// Says something, and waits until the kernel has published it: outputs, which take another way, come after
    /// it then. In a handler everything takes this way, and nothing need wait.
    pub fn say(&self, message: Value) -> Result<()> {
        self.say_with(message, &[])
    }

    /// The same, with binary data.
    pub fn say_with(&self, message: Value, buffers: &[&[u8]]) -> Result<()> {
        let request = request::current();
        let id = request.as_ref().map(|request| request.id.as_str());
        let number = self.write_with(id, message, buffers)?;
        if request.is_none() {
            let ended = |heard: &mut u64| *heard < number;
            drop(self.news.wait_timeout_while(lock(&self.heard), PATIENCE, ended));
        }
        Ok(())
    }

    /// Writes one message about a request; returns its number.
    pub fn write(&self, request: Option<&str>, message: Value) -> Result<u64> {
        self.write_with(request, message, &[])
    }

    fn write_with(&self, request: Option<&str>, mut message: Value, buffers: &[&[u8]]) -> Result<u64> {
        let mut writer = lock(&self.writer);
        writer.number += 1;
        message["n"] = writer.number.into();
        if let Some(request) = request {
            message["parent"] = request.into();
        }
        if !buffers.is_empty() {
            message["buffers"] = buffers.iter().map(|buffer| buffer.len()).collect();
        }
        let mut whole = format!("{message}\n").into_bytes();
        buffers.iter().for_each(|buffer| whole.extend_from_slice(buffer));
        let written = writer.stream.write_all(&whole);
        written.map_err(|error| Error::io("the Jook kernel", &error).fix("restart the kernel"))?;
        Ok(writer.number)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}
