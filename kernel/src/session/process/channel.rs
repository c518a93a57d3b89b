//! What the cells' process says beside its standard streams, by descriptors that no cell and no program that a cell
//! starts has.
//!
//! - To evcxr, by the pipes that it has made: its orders come in, its words ([`tell`]) go out.
//! - To the kernel, by a pipe of messages ([`say`]). A message has its place in the text that is printed: a mark in the
//!   pipe of standard output tells it. Marks hold a word that is made at the start of the process and never printed,
//!   so that no text can be one by chance or by intent.

use serde_json::json;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

/// Names the three pipes to the process: standard output, standard error, messages.
pub const PIPES: &str = "JOOK_PIPES";

/// How marks start and end; between stands the word, and what the mark means.
pub const MARK_START: &[u8] = b"\x1e\x1d";
/// See [`MARK_START`].
pub const MARK_END: u8 = 0x1d;
/// Bytes of the word.
pub const WORD: usize = 16;
/// Bytes of a mark.
pub const MARK: usize = MARK_START.len() + WORD + 2;
/// In both streams: the writer has gone from one to the other.
pub const TURN: u8 = b't';
/// In standard output: here stands the next message.
pub const MESSAGE: u8 = b'm';
/// In standard output: what follows may be more than text.
pub const HOLD: u8 = b'h';
/// In standard output: what has followed such a mark is text.
pub const RELEASE: u8 = b'r';
/// The kind of the message that so many bytes behind such a mark are not to be shown.
pub const WITHDRAWN: &str = "withdrawn";

/// The process's ends of the kernel's pipes.
#[derive(Clone, Copy)]
pub struct Pipes {
    pub out: RawFd,
    pub err: RawFd,
    pub said: RawFd,
}

impl Pipes {
    /// As [`PIPES`] has them.
    pub fn parse(text: &str) -> Option<Self> {
        let mut numbers = text.split(',').map(|number| number.parse().ok());
        let mut next = || numbers.next().flatten();
        Some(Self {
            out: next()?,
            err: next()?,
            said: next()?,
        })
    }
}

static ORDERS: AtomicI32 = AtomicI32::new(-1);
static EVCXR: AtomicI32 = AtomicI32::new(-1);
static OUT: AtomicI32 = AtomicI32::new(-1);
static ERR: AtomicI32 = AtomicI32::new(-1);
static SAID: AtomicI32 = AtomicI32::new(-1);
/// The process that [`open`] was called in: a fork of it says nothing.
static PROCESS: AtomicI32 = AtomicI32::new(0);
static SECRET: OnceLock<String> = OnceLock::new();
/// One message at a time: the order of the marks is the order of the messages.
static TURN_TO_SPEAK: Mutex<()> = Mutex::new(());

/// Takes evcxr's pipes from the standard streams and puts the kernel's there. Call it before the process has threads.
pub fn open(pipes: Pipes) {
    // SAFETY: plain system calls on this process's own descriptors.
    unsafe {
        let private = |fd: RawFd| libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 64);
        ORDERS.store(private(0), Ordering::Relaxed);
        EVCXR.store(private(1), Ordering::Relaxed);
        OUT.store(private(pipes.out), Ordering::Relaxed);
        ERR.store(private(pipes.err), Ordering::Relaxed);
        SAID.store(private(pipes.said), Ordering::Relaxed);
        let nothing = libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        libc::dup2(nothing, 0);
        libc::dup2(pipes.out, 1);
        libc::dup2(pipes.err, 2);
        for fd in [nothing, pipes.out, pipes.err, pipes.said] {
            if fd > 2 {
                libc::close(fd);
            }
        }
        PROCESS.store(libc::getpid(), Ordering::Relaxed);
    }
    let word = SECRET.get_or_init(secret);
    // What a process before this one had begun to say does not run into it.
    write_all(SAID.load(Ordering::Relaxed), b"\n");
    write_line(
        SAID.load(Ordering::Relaxed),
        &json!({"kind": "hello", "word": word}).to_string(),
    );
}

fn secret() -> String {
    let mut bytes = [0u8; WORD / 2];
    // SAFETY: fills the array; short reads do not occur below 256 bytes.
    unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether this is the cells' process, and not a fork of it.
pub fn is_here() -> bool {
    let process = PROCESS.load(Ordering::Relaxed);
    // SAFETY: asks for a number.
    process != 0 && process == unsafe { libc::getpid() }
}

/// Says something to the kernel, on one line; its place is where standard output stands. False when there is nobody to
/// hear it.
pub fn say(message: &str) -> bool {
    if !is_here() {
        return false;
    }
    let _turn = TURN_TO_SPEAK.lock().unwrap_or_else(PoisonError::into_inner);
    write_line(SAID.load(Ordering::Relaxed), message) && mark(OUT.load(Ordering::Relaxed), MESSAGE)
}

/// Tells both streams that what follows is written to the other one.
pub fn turn(before: RawFd, after: RawFd) {
    for stream in [before, after] {
        let pipe = if stream == 1 { &OUT } else { &ERR };
        mark(pipe.load(Ordering::Relaxed), TURN);
    }
}

/// Marks a place in standard output.
pub fn mark_output(kind: u8) {
    if is_here() {
        mark(OUT.load(Ordering::Relaxed), kind);
    }
}

fn mark(pipe: RawFd, kind: u8) -> bool {
    let Some(word) = SECRET.get() else { return false };
    let mut mark = [0; MARK];
    mark[..2].copy_from_slice(MARK_START);
    mark[2..2 + WORD].copy_from_slice(word.as_bytes());
    mark[2 + WORD] = kind;
    mark[3 + WORD] = MARK_END;
    write_all(pipe, &mark)
}

/// Says a line of evcxr's own protocol.
pub fn tell(line: &str) {
    if is_here() {
        write_line(EVCXR.load(Ordering::Relaxed), line);
    }
}

/// The next line that evcxr sends; none when it will send no more, and in a fork of the process, which they are not for.
pub fn order() -> Option<String> {
    if !is_here() {
        return None;
    }
    let mut line = Vec::new();
    let mut byte = [0u8];
    loop {
        // SAFETY: reads one byte into an array of one.
        let read = unsafe {
            libc::syscall(
                libc::SYS_read,
                ORDERS.load(Ordering::Relaxed),
                byte.as_mut_ptr(),
                1,
            )
        };
        match (read, byte[0]) {
            (1, b'\n') => return Some(String::from_utf8_lossy(&line).into_owned()),
            (1, byte) => line.push(byte),
            (-1, _) if std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted => {}
            _ => return None,
        }
    }
}

fn write_line(fd: RawFd, line: &str) -> bool {
    let mut whole = String::with_capacity(line.len() + 1);
    whole.push_str(line);
    whole.push('\n');
    write_all(fd, whole.as_bytes())
}

fn write_all(fd: RawFd, mut bytes: &[u8]) -> bool {
    while !bytes.is_empty() {
        // SAFETY: writes bytes of a slice.
        match unsafe { libc::syscall(libc::SYS_write, fd, bytes.as_ptr(), bytes.len()) } {
            written @ 1.. => bytes = &bytes[written as usize..],
            -1 if goes_on(fd) => {}
            _ => return false,
        }
    }
    true
}

/// Whether a write that has just failed is to be tried again: it was interrupted, or a program that shares the pipe has
/// set it not to wait, and there is room again.
pub fn goes_on(fd: RawFd) -> bool {
    match std::io::Error::last_os_error().kind() {
        std::io::ErrorKind::Interrupted => true,
        std::io::ErrorKind::WouldBlock => {
            let mut room = libc::pollfd {
                fd,
                events: libc::POLLOUT,
                revents: 0,
            };
            // SAFETY: one descriptor, described by a value that outlives the call.
            unsafe { libc::poll(&raw mut room, 1, -1) };
            true
        }
        _ => false,
    }
}
