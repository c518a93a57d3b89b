//! Frames: how messages and commands are cut into pieces on a connection.
//!
//! A frame is a byte of flags, its length in one byte or eight, and the bytes. Those of a message follow each other,
//! all but the last flagged with [`MORE`].

use super::room::{Held, Room};
use super::{End, Limits, Pace, SMALL, refused};
use bytes::{BufMut, Bytes, BytesMut};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncReadExt, BufReader};

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;
/// What the book-keeping of a frame costs, however short it is.
const FRAME: usize = 64;
/// Frames up to this size are copied to one run of bytes with their neighbours, longer ones are sent as they are.
const COPIED: usize = 16 << 10;

/// A whole message. As long as it lives, it holds its part of the room.
pub struct Message {
    pub frames: Vec<Bytes>,
    pub held: Held,
}

/// What comes on a connection.
pub enum Piece {
    Message(Message),
    Command(Bytes),
}

/// Reads the pieces of a connection.
pub struct Reader<R> {
    stream: BufReader<R>,
    room: Arc<Room>,
    limits: Limits,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub fn new(stream: R, room: Arc<Room>, limits: Limits) -> Reader<R> {
        Reader {
            stream: BufReader::with_capacity(SMALL, stream),
            room,
            limits,
        }
    }

    /// From here on these limits hold.
    pub fn limit(&mut self, limits: Limits) {
        self.limits = limits;
    }

    /// The next bytes, as they are.
    pub async fn exactly<const N: usize>(&mut self) -> Result<[u8; N], End> {
        let mut bytes = [0; N];
        self.stream.read_exact(&mut bytes).await?;
        Ok(bytes)
    }

    /// The next message or command. A connection may be silent for as long as it likes between two of them.
    pub async fn next(&mut self) -> Result<Piece, End> {
        let mut flags = self.stream.read_u8().await?;
        let mut pace = Pace::new(self.limits.standstill);
        let mut held = Held::nothing(&self.room);
        let mut frames = Vec::new();
        loop {
            if flags & !(MORE | LONG | COMMAND) != 0 || flags & COMMAND != 0 && flags & MORE != 0 {
                return Err(refused(format!("a frame with the flags {flags:#04x}")));
            }
            let length = match flags & LONG {
                0 => u64::from(pace.within(self.stream.read_u8(), SENDING).await?),
                _ => pace.within(self.stream.read_u64(), SENDING).await?,
            };
            if flags & COMMAND != 0 {
                if !frames.is_empty() {
                    return Err(refused("a command inside a message"));
                }
                let command = self.body(length, SMALL, &mut held, &mut pace).await?;
                return Ok(Piece::Command(command));
            }
            let body = self
                .body(length, self.limits.message, &mut held, &mut pace)
                .await?;
            frames.push(body);
            if flags & MORE == 0 {
                return Ok(Piece::Message(Message { frames, held }));
            }
            flags = pace.within(self.stream.read_u8(), SENDING).await?;
        }
    }

    /// The bytes of a frame; what it says of its length is believed only as far as they come.
    async fn body(
        &mut self,
        length: u64,
        most: usize,
        held: &mut Held,
        pace: &mut Pace,
    ) -> Result<Bytes, End> {
        held.grow(FRAME)?;
        let left = most.checked_sub(held.bytes());
        let length = usize::try_from(length)
            .ok()
            .filter(|length| left.is_some_and(|left| *length <= left));
        let Some(length) = length else {
            return Err(refused(format!("it announced more than {most} bytes")));
        };
        let mut body = BytesMut::with_capacity(length.min(SMALL));
        while body.len() < length {
            if body.len() == body.capacity() {
                // At most as much again as has come already.
                body.reserve(body.len().min(length - body.len()));
            }
            let wanted = (length - body.len()).min(body.capacity() - body.len());
            let mut part = (&mut body).limit(wanted);
            let read = pace.within(self.stream.read_buf(&mut part), SENDING).await?;
            if read == 0 {
                return Err(End::Left);
            }
            pace.moved(read);
            held.grow(read)?;
        }
        Ok(body.freeze())
    }
}

const SENDING: &str = "was in the middle of a message";

/// A message as it goes over a connection, in runs of bytes.
pub fn encode(frames: &[Bytes]) -> Vec<Bytes> {
    let mut runs = Vec::new();
    let mut run = BytesMut::new();
    for (at, frame) in frames.iter().enumerate() {
        header(
            &mut run,
            if at + 1 < frames.len() { MORE } else { 0 },
            frame.len(),
        );
        if frame.len() <= COPIED {
            run.put_slice(frame);
        } else {
            runs.push(run.split().freeze());
            runs.push(frame.clone());
        }
    }
    if !run.is_empty() {
        runs.push(run.freeze());
    }
    runs
}

/// A command as it goes over a connection.
pub fn command(name: &str, rest: &[u8]) -> Bytes {
    let mut bytes = BytesMut::new();
    header(&mut bytes, COMMAND, 1 + name.len() + rest.len());
    bytes.put_u8(name.len() as u8);
    bytes.put_slice(name.as_bytes());
    bytes.put_slice(rest);
    bytes.freeze()
}

fn header(out: &mut BytesMut, flags: u8, length: usize) {
    match u8::try_from(length) {
        Ok(length) => out.put_slice(&[flags, length]),
        Err(_) => {
            out.put_u8(flags | LONG);
            out.put_u64(length as u64);
        }
    }
}

/// Name of a command, and what follows it.
pub fn named(command: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = command.split_first()?;
    rest.split_at_checked(usize::from(*length))
}
