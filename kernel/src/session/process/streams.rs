//! The standard streams of the process that runs cells.
//!
//! What Rust code there writes and reads piece by piece, its own and that of cells, goes through this module: its [`write`] and
//! [`read`] take the place of the C library's. So
//!
//! - standard output and standard error keep their order between each other: where the writer goes from one to the
//!   other, a mark in both tells the kernel so;
//! - standard input asks the user: a cell that reads it puts a question to the kernel;
//! - a thread's output can be diverted: what a widget's handler prints belongs to its message, not to the cell that
//!   happens to run.

use crate::session::process::channel;
use crate::session::process::content::{Held, Step};
use serde_json::{Value, json};
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// The thread that runs cells; 0 in every other role of this program.
static CELLS: AtomicI32 = AtomicI32::new(0);
static IN_CELL: AtomicBool = AtomicBool::new(false);
/// What the user has answered and the cell has not read yet.
static UNREAD: Mutex<Vec<u8>> = Mutex::new(Vec::new());
/// The library of the cell that runs.
static LIBRARY: Mutex<String> = Mutex::new(String::new());
/// Text of the cells' thread that may be more than text.
static HELD: Mutex<Held> = Mutex::new(Held::new());

/// The stream (1 or 2) that was written to last, and whether somebody is about to change that.
static TURN: AtomicI32 = AtomicI32::new(1);
static TURNING: AtomicBool = AtomicBool::new(false);

/// Takes this thread's output (stream, text, size); false when the stream is to have it.
pub type Divert = extern "C" fn(c_int, *const u8, usize) -> bool;

thread_local! {
    static DIVERTED: Cell<Option<Divert>> = const { Cell::new(None) };
}

/// From now on this thread is the one that runs cells.
pub fn take_over() {
    // SAFETY: asks for a number; the C library's own stream is told to pass on whole lines, as a terminal has them.
    unsafe {
        CELLS.store(libc::gettid(), Ordering::Relaxed);
        setvbuf(stdout, std::ptr::null_mut(), LINES, 0);
    }
}

/// The crate by which notebooks for evcxr ask.
const ASKER: &str = "evcxr_input";

/// `_IOLBF` of the C library.
const LINES: c_int = 1;

unsafe extern "C" {
    static stdout: *mut libc::FILE;
    fn setvbuf(stream: *mut libc::FILE, buffer: *mut libc::c_char, mode: c_int, size: usize) -> c_int;
}

/// The code of a cell begins, which is in `library`.
pub fn cell_begins(library: &str) {
    library.clone_into(&mut LIBRARY.lock().unwrap_or_else(PoisonError::into_inner));
    IN_CELL.store(true, Ordering::Relaxed);
}

/// The code of a cell is done: what it has printed is on its way.
pub fn cell_ends() {
    // SAFETY: empties the C library's own streams.
    unsafe { libc::fflush(std::ptr::null_mut()) };
    release_held();
    IN_CELL.store(false, Ordering::Relaxed);
    unread().clear();
}

fn on_the_cells_thread() -> bool {
    // SAFETY: asks for a number.
    CELLS.load(Ordering::Relaxed) == unsafe { libc::gettid() }
}

/// From now on the calling thread's output goes to `divert`; or to its streams again.
pub fn divert(divert: Option<Divert>) {
    DIVERTED.set(divert);
}

/// The C library's `write`.
///
/// # Safety
/// As the C library's: `data` points to `size` readable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(stream: c_int, data: *const c_void, size: usize) -> isize {
    if matches!(stream, 1 | 2) && CELLS.load(Ordering::Relaxed) != 0 && channel::is_here() {
        if let Ok(Some(divert)) = DIVERTED.try_with(Cell::get)
            && divert(stream, data.cast(), size)
        {
            return size as isize;
        }
        if stream == 2 && on_the_cells_thread() && HELD.try_lock().is_ok_and(|mut held| held.release()) {
            channel::mark_output(channel::RELEASE);
        }
        if stream == 1 && on_the_cells_thread() {
            // SAFETY: the caller's promise.
            let text = unsafe { std::slice::from_raw_parts(data.cast::<u8>(), size) };
            if let Some(written) = write_or_hold(text) {
                return written;
            }
        }
        turn_to(stream);
        return write_whatever_it_takes(stream, data, size);
    }
    write_on(stream, data, size)
}

/// What the writer of a stream expects, which is to wait.
fn write_whatever_it_takes(stream: c_int, data: *const c_void, size: usize) -> isize {
    loop {
        let written = write_on(stream, data, size);
        let would_block = || std::io::Error::last_os_error().kind() == std::io::ErrorKind::WouldBlock;
        if written != -1 || !would_block() || !channel::goes_on(stream) {
            return written;
        }
    }
}

/// Deals with text that may be more than text; `None` when it cannot be.
fn write_or_hold(text: &[u8]) -> Option<isize> {
    let mut held = match HELD.try_lock() {
        Ok(held) => held,
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
        // A signal's handler writes while its thread is here.
        Err(TryLockError::WouldBlock) => return None,
    };
    if held.is_free(text) {
        return None;
    }
    let steps = held.add(text);
    drop(held);
    for step in steps {
        match step {
            Step::Text(text) => write_whole(text),
            Step::Hold => channel::mark_output(channel::HOLD),
            Step::Release => channel::mark_output(channel::RELEASE),
        }
    }
    Some(text.len() as isize)
}

fn held() -> MutexGuard<'static, Held> {
    HELD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What was held back is text.
fn release_held() {
    let releases = held().release();
    if releases {
        channel::mark_output(channel::RELEASE);
    }
}

/// So many bytes of what was held back are not to be shown.
fn withdraw(bytes: usize) {
    channel::say(&json!({"kind": channel::WITHDRAWN, "bytes": bytes}).to_string());
}

fn write_whole(mut text: &[u8]) {
    if !text.is_empty() {
        turn_to(1);
    }
    while !text.is_empty() {
        match write_on(1, text.as_ptr().cast(), text.len()) {
            written @ 1.. => text = &text[written as usize..],
            -1 if channel::goes_on(1) => {}
            _ => return,
        }
    }
}

/// What comes next is a message: all that was printed before is text, and stands before it.
pub fn before_a_message() {
    settle();
    turn_to(1);
}

/// All that the cells' thread has printed so far is text.
pub extern "C" fn settle() {
    if on_the_cells_thread() {
        release_held();
    }
}

/// Says a message to the kernel, one line of JSON, at this place of what is printed. False when nobody hears it.
pub fn say(message: &str) -> bool {
    before_a_message();
    channel::say(message)
}

/// A call of `evcxr_display` has returned: what it has printed for evcxr, by MIME type.
pub fn displayed() -> Option<Vec<(String, String)>> {
    if !on_the_cells_thread() {
        return None;
    }
    let (content, bytes) = held().displayed()?;
    withdraw(bytes);
    Some(content)
}

fn write_on(stream: c_int, data: *const c_void, size: usize) -> isize {
    // SAFETY: the system call that the C library would make of these arguments, and its own way to set `errno`.
    unsafe { libc::syscall(libc::SYS_write, stream, data, size) as isize }
}

/// Marks in both streams that what follows is written to `stream`.
fn turn_to(stream: c_int) {
    if TURN.load(Ordering::Relaxed) == stream {
        return;
    }
    // No lock that waits: a signal's handler may write while its thread is here.
    for _ in 0..10_000 {
        if !TURNING.swap(true, Ordering::Acquire) {
            let before = TURN.load(Ordering::Relaxed);
            if before != stream {
                channel::turn(before, stream);
                TURN.store(stream, Ordering::Relaxed);
            }
            TURNING.store(false, Ordering::Release);
            return;
        }
        std::hint::spin_loop();
    }
}

fn unread() -> MutexGuard<'static, Vec<u8>> {
    UNREAD.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The C library's `read`.
///
/// # Safety
/// As the C library's: `data` points to `size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn read(stream: c_int, data: *mut c_void, size: usize) -> isize {
    if stream == 0 && CELLS.load(Ordering::Relaxed) != 0 && channel::is_here() {
        // A thread of the cell's may outlive it, when nobody waits for its question.
        if !on_the_cells_thread() || !IN_CELL.load(Ordering::Relaxed) {
            return 0;
        }
        // SAFETY: the caller's promise.
        let answer = read_answer(unsafe { std::slice::from_raw_parts_mut(data.cast::<u8>(), size) });
        return answer.map_or_else(
            || {
                // SAFETY: the place of this thread's `errno`.
                unsafe { *libc::__errno_location() = libc::ECANCELED };
                -1
            },
            |count| count as isize,
        );
    }
    // SAFETY: the system call that the C library would make of these arguments, and its own way to set `errno`.
    unsafe { libc::syscall(libc::SYS_read, stream, data, size) as isize }
}

/// Whether the notebook has added the crate whose questions are lines of text. Without it such a line is text, which
/// a program may log right before it reads.
fn has_evcxr_input() -> bool {
    let library = LIBRARY.lock().unwrap_or_else(PoisonError::into_inner);
    let mut folders = Path::new(library.as_str()).ancestors().skip(1);
    let manifest = folders.find_map(|folder| std::fs::read_to_string(folder.join("Cargo.toml")).ok());
    manifest.is_some_and(|manifest| manifest.contains(ASKER))
}

/// Has the user type a line, or the rest of one that is not read yet; returns how much of `into` it takes: nothing
/// when the input has ended, as it has when nobody can be asked. None when the cell was stopped.
fn read_answer(into: &mut [u8]) -> Option<usize> {
    let mut unread = unread();
    if unread.is_empty() {
        let asked = has_evcxr_input().then(|| held().question()).flatten();
        let (prompt, hidden) = match asked {
            Some((prompt, hidden, bytes)) => {
                withdraw(bytes);
                (prompt, hidden)
            }
            None => {
                release_held();
                Default::default()
            }
        };
        let answer: Value = serde_json::from_str(&ask("read", &prompt, hidden)).unwrap_or_default();
        if answer["stopped"] == true {
            return None;
        }
        if let Some(line) = answer["line"].as_str() {
            unread.extend_from_slice(line.as_bytes());
            unread.push(b'\n');
        }
    }
    let count = into.len().min(unread.len());
    into[..count].copy_from_slice(&unread[..count]);
    unread.drain(..count);
    Some(count)
}

/// Puts a question to the user, on evcxr's way; returns the answer in JSON. Only for the cells' thread.
pub fn ask(asker: &str, prompt: &str, hidden: bool) -> String {
    let word = if hidden {
        "EVCXR_INPUT_REQUEST_PASSWORD"
    } else {
        "EVCXR_INPUT_REQUEST"
    };
    // evcxr cuts a question at its next colon.
    let question = json!([asker, prompt]).to_string().replace(':', "\\u003a");
    channel::tell(&format!("{word}:{question}"));
    channel::order().unwrap_or_default()
}
