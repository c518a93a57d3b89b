//! The standard streams of the process that runs cells.
//!
//! Whatever Rust code there writes or reads, its own and that of cells, goes through this module: its [`write`] and
//! [`read`] take the place of the C library's. So
//!
//! - standard output and standard error keep their order between each other: where the writer goes from one to the
//!   other, a mark in both tells [`sieve`] so;
//! - standard input asks the user: a cell that reads it without having asked a question of evcxr's protocol puts one to
//!   the kernel. evcxr's orders come by a descriptor of their own, which no cell and no process that a cell starts
//!   reads by mistake;
//! - a thread's output can be diverted: what a widget's handler prints belongs to its message, not to the cell that
//!   happens to run.

use super::protocol::MARKER;
use super::sieve;
use serde_json::Value;
use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};

/// The thread that runs cells; 0 in every other role of this program.
static CELLS: AtomicI32 = AtomicI32::new(0);
/// The process that [`take_over`] was called in: a fork of it writes as it likes.
static PROCESS: AtomicI32 = AtomicI32::new(0);
/// Where evcxr's orders and the answers of the user come from.
static ORDERS: AtomicI32 = AtomicI32::new(0);
/// A cell runs: what is read is not an order.
static IN_CELL: AtomicBool = AtomicBool::new(false);
/// The cell has asked by evcxr's protocol, and reads the answer.
static ASKED: AtomicBool = AtomicBool::new(false);
/// What the user has answered and the cell has not read yet.
static UNREAD: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// The stream (1 or 2) that was written to last, and whether somebody is about to change that.
static TURN: AtomicI32 = AtomicI32::new(1);
static TURNING: AtomicBool = AtomicBool::new(false);

/// The files that a [`sieve`] reads: whoever redirects a stream elsewhere gets no marks. 0 when there are none.
static PIPES: [AtomicU64; 2] = [AtomicU64::new(0), AtomicU64::new(0)];

/// The number of the file behind a stream.
fn file_of(stream: c_int) -> u64 {
    // SAFETY: all zeros is a valid value, and the call fills it in.
    unsafe {
        let mut file: libc::stat = std::mem::zeroed();
        match libc::fstat(stream, &mut file) {
            0 => file.st_ino,
            _ => u64::MAX,
        }
    }
}

/// Takes this thread's output (stream, text, size); false when the stream is to have it.
type Divert = extern "C" fn(c_int, *const u8, usize) -> bool;

thread_local! {
    static DIVERTED: Cell<Option<Divert>> = const { Cell::new(None) };
}

/// Arranges the streams of the process that is about to run cells on this thread. Call it before there are others.
pub fn take_over() {
    if sieve::put_behind_output() {
        for (pipe, stream) in PIPES.iter().zip([1, 2]) {
            pipe.store(file_of(stream), Ordering::Relaxed);
        }
    }
    // SAFETY: plain system calls on this process's own descriptors.
    unsafe {
        let orders = libc::fcntl(libc::STDIN_FILENO, libc::F_DUPFD_CLOEXEC, 3);
        let nothing = libc::open(c"/dev/null".as_ptr(), libc::O_RDONLY | libc::O_CLOEXEC);
        if orders < 0 || nothing < 0 {
            // The stream stays as it is, as does what reads it.
            return;
        }
        libc::dup2(nothing, libc::STDIN_FILENO);
        libc::close(nothing);
        ORDERS.store(orders, Ordering::Relaxed);
        PROCESS.store(libc::getpid(), Ordering::Relaxed);
        CELLS.store(libc::gettid(), Ordering::Relaxed);
    }
}

fn on_the_cells_thread() -> bool {
    // SAFETY: asks for a number.
    CELLS.load(Ordering::Relaxed) == unsafe { libc::gettid() }
}

/// From now on the calling thread's output goes to `divert`; or to its streams again.
#[unsafe(no_mangle)]
pub extern "C" fn jook_divert_output(divert: Option<Divert>) {
    DIVERTED.set(divert);
}

/// The C library's `write`.
///
/// # Safety
/// As the C library's: `data` points to `size` readable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn write(stream: c_int, data: *const c_void, size: usize) -> isize {
    if matches!(stream, 1 | 2) && CELLS.load(Ordering::Relaxed) != 0 {
        if let Ok(Some(divert)) = DIVERTED.try_with(Cell::get)
            && divert(stream, data.cast(), size)
        {
            return size as isize;
        }
        if TURN.load(Ordering::Relaxed) != stream {
            turn_to(stream);
        }
        if stream == 1 {
            // SAFETY: the caller's promise.
            note_evcxrs_words(unsafe { std::slice::from_raw_parts(data.cast(), size) });
        }
    }
    write_on(stream, data, size)
}

fn write_on(stream: c_int, data: *const c_void, size: usize) -> isize {
    // SAFETY: the system call that the C library would make of these arguments, and its own way to set `errno`.
    unsafe { libc::syscall(libc::SYS_write, stream, data, size) as isize }
}

/// Marks in both streams that what follows is written to `stream`.
fn turn_to(stream: c_int) {
    // SAFETY: asks for a number.
    if PROCESS.load(Ordering::Relaxed) != unsafe { libc::getpid() } {
        return;
    }
    // No lock that waits: a signal's handler may write while its thread is here.
    for _ in 0..10_000 {
        if !TURNING.swap(true, Ordering::Acquire) {
            let before = TURN.load(Ordering::Relaxed);
            let ours = [1, 2].map(file_of) == [0, 1].map(|at: usize| PIPES[at].load(Ordering::Relaxed));
            if before != stream && ours {
                for marked in [before, stream] {
                    write_on(marked, sieve::TURN.as_ptr().cast(), sieve::TURN.len());
                }
            }
            if before != stream {
                TURN.store(stream, Ordering::Relaxed);
            }
            TURNING.store(false, Ordering::Release);
            return;
        }
        std::hint::spin_loop();
    }
}

/// The words by which the process and evcxr know what the next line of the orders is.
fn note_evcxrs_words(text: &[u8]) {
    let has = |word: &str| sieve::memmem(text, word.as_bytes()).is_some();
    if !has("EVCXR_") || !on_the_cells_thread() {
        return;
    }
    if has("EVCXR_EXECUTION_COMPLETE") {
        IN_CELL.store(false, Ordering::Relaxed);
        ASKED.store(false, Ordering::Relaxed);
        unread().clear();
    } else if has("EVCXR_INPUT_REQUEST") {
        ASKED.store(true, Ordering::Relaxed);
    }
}

fn unread() -> std::sync::MutexGuard<'static, Vec<u8>> {
    UNREAD.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// The C library's `read`.
///
/// # Safety
/// As the C library's: `data` points to `size` writable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn read(stream: c_int, data: *mut c_void, size: usize) -> isize {
    if stream != 0 || CELLS.load(Ordering::Relaxed) == 0 {
        return read_on(stream, data, size);
    }
    // A thread of the cell's may outlive it, and would take an order for an answer.
    if !on_the_cells_thread() {
        return 0;
    }
    // SAFETY: the caller's promise.
    let into = unsafe { std::slice::from_raw_parts_mut(data.cast::<u8>(), size) };
    let in_cell = IN_CELL.load(Ordering::Relaxed);
    if in_cell && !ASKED.load(Ordering::Relaxed) {
        return ask(into) as isize;
    }
    let count = read_on(ORDERS.load(Ordering::Relaxed), data, size);
    // The end of the line may come later than the rest.
    if count > 0 && into[..count as usize].ends_with(b"\n") {
        ASKED.store(false, Ordering::Relaxed);
        IN_CELL.store(true, Ordering::Relaxed);
    }
    count
}

fn read_on(stream: c_int, data: *mut c_void, size: usize) -> isize {
    // SAFETY: the system call that the C library would make of these arguments, and its own way to set `errno`.
    unsafe { libc::syscall(libc::SYS_read, stream, data, size) as isize }
}

/// Has the user type a line, or the rest of one that is not read yet; returns how much of `into` it takes: nothing
/// when the input has ended, as it has when nobody can be asked or the cell was stopped.
fn ask(into: &mut [u8]) -> usize {
    let mut unread = unread();
    if unread.is_empty() {
        let question = format!("EVCXR_INPUT_REQUEST:{MARKER}{{}}\n");
        if TURN.load(Ordering::Relaxed) != 1 {
            turn_to(1);
        }
        write_on(1, question.as_ptr().cast(), question.len());
        let answer: Value = serde_json::from_slice(&answer()).unwrap_or_default();
        if let Some(line) = answer["line"].as_str() {
            unread.extend_from_slice(line.as_bytes());
            unread.push(b'\n');
        }
    }
    let count = into.len().min(unread.len());
    into[..count].copy_from_slice(&unread[..count]);
    unread.drain(..count);
    count
}

/// The next line of the orders.
fn answer() -> Vec<u8> {
    let mut line = Vec::new();
    let mut byte = [0u8];
    while !line.ends_with(b"\n") && read_on(ORDERS.load(Ordering::Relaxed), byte.as_mut_ptr().cast(), 1) == 1
    {
        line.extend_from_slice(&byte);
    }
    line
}
