//! Reads what the cells' process writes, always, and hands it to whoever is to have it: the cell that runs, or, between
//! cells, whoever hears what threads and programs say that outlive theirs.

use crate::session::said::Answer;
use crate::session::said::CellError;
use crate::session::talk::merge::ERR;
use crate::session::talk::merge::Merge;
use crate::session::talk::merge::OUT;
use crate::session::talk::merge::Piece;
use crate::session::talk::pipes::Pipes;
use crate::session::talk::pipes::SAID;
use crate::session::talk::protocol::Event;
use crate::session::talk::teller::Teller;
use crate::session::tell::notes::Notes;
use crate::session::tell::sources::Sources;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::sync::{Arc, mpsc};
use std::time::Duration;

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

/// To the thread that waits for a cell. It holds few messages: who writes faster than they are read waits.
pub type Sink = mpsc::SyncSender<Message>;

/// Messages that may wait for the thread that takes them. Text comes in pieces of up to [`PIECE`] bytes.
const WAITING: usize = 32;
/// Bytes of a stream that are read at once.
const PIECE: usize = 64 << 10;
/// Bytes of text that a cell may print. What it prints beyond is counted and not kept: no page shows so much.
const MOST: usize = 32 << 20;

/// A way to the thread that waits for a cell.
pub fn sink() -> (Sink, mpsc::Receiver<Message>) {
    mpsc::sync_channel(WAITING)
}

enum Order {
    Begin(Option<Sink>),
    /// Answered when all is told that was written before.
    CatchUp(mpsc::Sender<()>),
    Finish {
        died: bool,
        answer: mpsc::Sender<Notes>,
    },
}

/// Who hears what comes between cells; without one it waits for the next cell.
pub type Between = Box<dyn Fn(Event) + Send>;

/// The reading thread.
pub struct Pump {
    orders: mpsc::Sender<Order>,
    /// Wakes the thread, which waits for what is written.
    bell: File,
}

impl Pump {
    /// Reads the pipes from now on.
    ///
    /// # Errors
    /// When there is no thread, or no descriptor, to be had.
    pub fn start(
        pipes: Arc<Pipes>,
        between: Option<Between>,
        sources: Arc<Sources>,
    ) -> std::io::Result<Self> {
        let (orders, incoming) = mpsc::channel();
        let (hears, bell) = std::io::pipe()?;
        let reader = Reader {
            pipes,
            bell: File::from(std::os::fd::OwnedFd::from(hears)),
            between,
            sink: To::Nobody,
            waiting: Vec::new(),
            printed: 0,
            merge: Merge::default(),
            teller: Teller::new(sources),
        };
        std::thread::Builder::new()
            .name("pump".into())
            .spawn(move || reader.run(&incoming))?;
        Ok(Self {
            orders,
            bell: File::from(std::os::fd::OwnedFd::from(bell)),
        })
    }

    /// What comes from now on belongs to a new cell; without a `sink` it is dropped.
    pub fn begin(&self, sink: Option<Sink>) {
        self.order(Order::Begin(sink));
    }

    /// Returns when everything that is written so far is delivered.
    pub fn catch_up(&self) {
        let (answer, answers) = mpsc::channel();
        self.order(Order::CatchUp(answer));
        let _ = answers.recv();
    }

    /// Delivers everything that the cell printed, and returns what its output said. The process may have `died` with it.
    pub fn finish(&self, died: bool) -> Notes {
        let (answer, answers) = mpsc::channel();
        self.order(Order::Finish { died, answer });
        answers.recv().unwrap_or_default()
    }

    fn order(&self, order: Order) {
        let _ = self.orders.send(order);
        let _ = (&self.bell).write(&[0]);
    }
}

/// Who gets what is told now.
enum To {
    Cell(Sink),
    /// A cell of the kernel's own runs.
    Nobody,
    /// No cell runs.
    Between,
}

struct Reader {
    pipes: Arc<Pipes>,
    bell: File,
    between: Option<Between>,
    sink: To,
    /// Events between cells that nobody hears.
    waiting: Vec<Event>,
    /// Bytes of text since the cell began.
    printed: usize,
    merge: Merge,
    teller: Teller,
}

impl Reader {
    fn run(mut self, orders: &mpsc::Receiver<Order>) {
        let mut buffer = vec![0; PIECE];
        loop {
            let mut watched = [OUT, ERR, SAID].map(|at| libc::pollfd {
                // A descriptor below zero is not looked at.
                fd: if at == SAID || self.merge.wants(at) {
                    self.pipes.end(at)
                } else {
                    -1
                },
                events: libc::POLLIN,
                revents: 0,
            });
            let bell = libc::pollfd {
                fd: self.bell.as_raw_fd(),
                events: libc::POLLIN,
                revents: 0,
            };
            let mut all = [watched[0], watched[1], watched[2], bell];
            let patience = self.merge.patience().unwrap_or(Duration::from_secs(3600));
            // SAFETY: four descriptors, described by values that outlive the call.
            unsafe { libc::poll(all.as_mut_ptr(), 4, patience.as_millis() as libc::c_int + 1) };
            watched.copy_from_slice(&all[..3]);
            if watched.iter().any(|one| one.revents != 0) || self.merge.patience().is_some() {
                self.read(&mut buffer);
                self.sort();
            }
            if all[3].revents == 0 {
                continue;
            }
            if self.bell.read(&mut [0]).unwrap_or(0) == 0 {
                return;
            }
            match orders.recv() {
                Ok(Order::Begin(sink)) => self.begin(sink, &mut buffer),
                Ok(Order::CatchUp(answer)) => {
                    self.drain(&mut buffer);
                    let _ = answer.send(());
                }
                Ok(Order::Finish { died, answer }) => {
                    let notes = self.finish(died, &mut buffer);
                    let _ = answer.send(notes);
                }
                Err(_) => return,
            }
        }
    }

    /// Reads a piece of each stream, and all messages; says how much there was.
    fn read(&mut self, buffer: &mut [u8]) -> usize {
        let mut whole = 0;
        for at in [OUT, ERR] {
            if self.merge.wants(at) {
                let read = self.pipes.read(at, buffer);
                self.merge.text(at, &buffer[..read]);
                whole += read;
            }
        }
        // After the streams: the message of each mark that has come is there.
        loop {
            let read = self.pipes.read(SAID, buffer);
            if read == 0 {
                break;
            }
            self.merge.messages(&buffer[..read]);
            whole += read;
        }
        if self.merge.has_another() {
            self.end_of_process(buffer);
        }
        whole
    }

    /// The process is gone: all that it has written is in the pipes.
    fn end_of_process(&mut self, buffer: &mut [u8]) {
        for at in [OUT, ERR] {
            loop {
                let read = self.pipes.read(at, buffer);
                self.merge.text(at, &buffer[..read]);
                if read == 0 {
                    break;
                }
                self.sort();
            }
        }
        let mut pieces = Vec::new();
        self.merge.end(|piece| pieces.push(piece));
        self.tell(pieces);
    }

    /// Tells what the pipes hold at this moment.
    /// Says whether that was all: somebody may go on writing.
    fn drain(&mut self, buffer: &mut [u8]) -> bool {
        /// Somebody may go on writing: no more than the pipes can have held.
        const HELD: usize = 4 << 20;
        let mut whole = 0;
        while whole < HELD {
            let read = self.read(buffer);
            self.sort();
            if read == 0 {
                return true;
            }
            whole += read;
        }
        false
    }

    fn sort(&mut self) {
        let mut pieces = Vec::new();
        self.merge.sort(|piece| pieces.push(piece));
        self.tell(pieces);
    }

    fn tell(&mut self, pieces: Vec<Piece>) {
        for piece in pieces {
            for event in self.teller.told(piece) {
                self.send(event);
            }
        }
    }

    fn begin(&mut self, sink: Option<Sink>, buffer: &mut [u8]) {
        // What was written before belongs to the time between cells.
        self.drain(buffer);
        self.flush_places();
        self.printed = 0;
        self.teller.take_notes();
        self.sink = match sink {
            Some(sink) => To::Cell(sink),
            None => To::Nobody,
        };
        if matches!(self.sink, To::Cell(_)) {
            for event in std::mem::take(&mut self.waiting) {
                self.send(event);
            }
        }
    }

    fn finish(&mut self, died: bool, buffer: &mut [u8]) -> Notes {
        let all = self.drain(buffer);
        if died {
            self.end_of_process(buffer);
        }
        if all {
            let mut pieces = Vec::new();
            self.merge.settle(|piece| pieces.push(piece));
            self.tell(pieces);
        }
        self.flush_places();
        for event in self.teller.end() {
            self.send(event);
        }
        if let Some(more) = self.printed.checked_sub(MOST).filter(|more| *more > 0) {
            self.pass(Event::Stderr(format!(
                "[{:.1} MiB more were printed and are not shown]\n",
                more as f64 / f64::from(1 << 20)
            )));
        }
        self.printed = 0;
        self.sink = To::Between;
        self.teller.take_notes()
    }

    fn flush_places(&mut self) {
        if let Some(event) = self.teller.release() {
            self.send(event);
        }
    }

    /// Passes an event on, and text only as far as a cell may print.
    fn send(&mut self, event: Event) {
        let (Event::Stdout(text) | Event::Stderr(text)) = &event else {
            return self.pass(event);
        };
        let before = self.printed;
        self.printed += text.len();
        if self.printed <= MOST {
            self.pass(event);
        } else if before <= MOST {
            self.pass(Event::Stderr(format!(
                "\n[the output is cut here: more than {} MiB of text]\n",
                MOST >> 20
            )));
        }
    }

    fn pass(&mut self, event: Event) {
        match (&self.sink, &self.between) {
            (To::Cell(sink), _) => drop(sink.send(Message::Event(event))),
            (To::Nobody, _) => {}
            (To::Between, Some(between)) => between(event),
            (To::Between, None) => self.waiting.push(event),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pump over pipes, and an end to write each of them.
    fn pump(between: Option<Between>) -> (Pump, [File; 3]) {
        let pipes = Arc::new(Pipes::new().unwrap());
        let ends = pipes.writers();
        (Pump::start(pipes, between, Arc::default()).unwrap(), ends)
    }

    fn text(message: Message) -> String {
        match message {
            Message::Event(Event::Stdout(text) | Event::Stderr(text)) => text,
            Message::Event(other) => panic!("{other:?}"),
            _ => panic!("no event"),
        }
    }

    #[test]
    fn between_cells_text_is_heard_at_once() {
        let (tell, told) = mpsc::channel();
        let (pump, [mut out, ..]) = pump(Some(Box::new(move |event| tell.send(event).unwrap())));
        pump.begin(None);
        out.write_all(b"of the kernel's own").unwrap();
        pump.finish(false);
        out.write_all(b"later").unwrap();
        assert_eq!(told.recv().unwrap(), Event::Stdout("later".into()));
    }

    #[test]
    fn output_is_cut_with_a_word_and_what_waits_is_bounded() {
        let (pump, [mut out, ..]) = pump(None);
        let (sink, messages) = sink();
        pump.begin(Some(sink));
        let lines = vec![b'x'; 1 << 20];
        let writer = std::thread::spawn(move || {
            for _ in 0..(MOST >> 20) + 3 {
                out.write_all(&lines).unwrap();
            }
            pump.finish(false);
        });
        // Nobody reads: the writer waits, and is not ahead by more than the pipe and the channel hold.
        std::thread::sleep(Duration::from_millis(200));
        assert!(!writer.is_finished());
        let all: String = messages.iter().map(text).collect();
        writer.join().unwrap();
        assert!(all.len() < MOST + 300 && all.contains("the output is cut here"));
        assert!(
            all.ends_with(" MiB more were printed and are not shown]\n"),
            "{}",
            &all[all.len() - 99..]
        );
    }
}
