//! Completion and inspection, answered apart from the session.
//!
//! rust-analyzer may fail at any half-written line: panic, overflow the stack, go round in circles. A fork of this
//! process has a copy of the session's analysis, taken in milliseconds while the thread that owns it leaves it alone:
//! whatever the copy does, the session does not notice. It answers questions until the session goes on to another cell.
//! Memory is shared until written to, which takes time when a page is first written: a copy that has answered once
//! answers twice as fast.

use anyhow::{Context, Result, ensure};
use evcxr::CommandContext;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ffi::{c_char, c_int};
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, IntoRawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// An answer that takes longer than this is not wanted any more.
const PATIENCE: Duration = Duration::from_secs(2);

/// The session's context, seen from other threads while its own leaves it alone.
#[derive(Clone, Copy)]
pub struct Resting(*mut CommandContext);

// SAFETY: the pointer is followed in a forked process only, where the thread that owns the context does not exist.
unsafe impl Send for Resting {}

impl Resting {
    pub fn of(context: &mut CommandContext) -> Self {
        Self(context)
    }

    /// A copy of the context, which answers by `answer`. The owning thread must leave the context alone: should it have
    /// gone on, the copy may be torn, and gives no answers.
    ///
    /// # Errors
    /// When the copy cannot be made.
    pub fn copy<Q: DeserializeOwned, A: Serialize>(
        self,
        answer: impl Fn(&mut CommandContext, &Q) -> A + 'static,
    ) -> Result<Copied> {
        let (ours, copys) = UnixStream::pair()?;
        // SAFETY: plain system calls. The forked process touches what this thread may touch, the context, and ends
        // by `_exit`; the allocator survives a fork, and no lock that is taken there is held by another thread
        // here for longer than a moment.
        let child = unsafe {
            let child = libc::fork();
            if child == 0 {
                libc::signal(libc::SIGINT, libc::SIG_IGN);
                drop(ours);
                IS_COPY.store(true, Ordering::Relaxed);
                let stream = alone(copys);
                // What is caught is not told: the kernel's log is for what concerns its user.
                std::panic::set_hook(Box::new(|_| {}));
                let context = self;
                on_a_deep_stack(move || {
                    let context = context;
                    serve(stream, |question: Q| answer(&mut *context.0, &question))
                });
            }
            child
        };
        ensure!(
            child > 0,
            "no copy of the session: {}",
            std::io::Error::last_os_error()
        );
        Ok(Copied {
            child,
            ended: AtomicBool::new(false),
            late: AtomicBool::new(false),
            stream: Mutex::new(ours),
        })
    }
}

/// Whether this process is a copy.
static IS_COPY: AtomicBool = AtomicBool::new(false);

/// The C library's `open64`. In a copy whatever is opened to be written to is nothing: evcxr keeps the crate of a cell in
/// files, and those are the session's, which may be at work on them.
///
/// # Safety
/// As the C library's: `path` is a text that ends in a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn open64(path: *const c_char, flags: c_int, mode: libc::mode_t) -> c_int {
    let writes = flags & libc::O_ACCMODE != libc::O_RDONLY;
    let (path, flags) = match writes && IS_COPY.load(Ordering::Relaxed) {
        true => (c"/dev/null".as_ptr(), libc::O_WRONLY | flags & libc::O_CLOEXEC),
        false => (path, flags),
    };
    // SAFETY: the system call that the C library would make of these arguments, and its own way to set `errno`.
    unsafe { libc::syscall(libc::SYS_openat, libc::AT_FDCWD, path, flags, mode) as c_int }
}

/// A copy of the session, which lives until it is told to end.
pub struct Copied {
    child: libc::pid_t,
    ended: AtomicBool,
    late: AtomicBool,
    stream: Mutex<UnixStream>,
}

impl Copied {
    /// What the copy says to a question.
    ///
    /// # Errors
    /// When it fails, takes too long or is told to end; it is not to be asked again then.
    pub fn ask<A: DeserializeOwned>(&self, question: &impl Serialize) -> Result<A> {
        let mut stream = self.stream.lock().unwrap_or_else(PoisonError::into_inner);
        let until = Instant::now() + PATIENCE;
        send(&mut stream, &serde_json::to_vec(question)?)?;
        let text = receive(&mut stream, Some(until));
        self.late.fetch_or(Instant::now() >= until, Ordering::Relaxed);
        let text = text.context("the copy of the session gave no answer")?;
        Ok(serde_json::from_slice(&text)?)
    }

    /// Whether a question has taken too long: another copy would not do better.
    pub fn is_late(&self) -> bool {
        self.late.load(Ordering::Relaxed)
    }

    /// Ends it; returns when it does nothing any more.
    pub fn end(&self) {
        if !self.ended.swap(true, Ordering::SeqCst) {
            // SAFETY: ends and reaps, once, the child that this value stands for.
            unsafe {
                libc::kill(self.child, libc::SIGKILL);
                libc::waitpid(self.child, std::ptr::null_mut(), 0);
            }
        }
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        self.end();
    }
}

/// In the forked process: analysis goes as deep as code is nested, and whoever has asked for the copy has a small stack.
fn on_a_deep_stack(run: impl FnOnce() + 'static) -> ! {
    /// As much as the session's own thread has.
    const DEEP: usize = 256 << 20;
    struct Alone<T>(T);
    // SAFETY: the only thread of this process hands it over and waits.
    unsafe impl<T> Send for Alone<T> {}
    let run = Alone(run);
    let thread = std::thread::Builder::new().stack_size(DEEP).spawn(move || {
        let run = run;
        (run.0)();
    });
    if let Ok(thread) = thread {
        let _ = thread.join();
    }
    // SAFETY: no destructor or exit handler of the copied session may run: its files are the session's.
    unsafe { libc::_exit(0) }
}

/// In the forked process: keeps this one of the kernel's files. With the others it would hold the kernel's ports when
/// that has ended, and not see its end.
unsafe fn alone(stream: UnixStream) -> UnixStream {
    const FIRST: libc::c_int = 3;
    let stream = stream.into_raw_fd();
    // SAFETY: this process has one thread, which uses no other file.
    unsafe {
        if stream != FIRST {
            libc::dup2(stream, FIRST);
        }
        libc::syscall(libc::SYS_close_range, FIRST + 1, libc::c_int::MAX, 0);
        UnixStream::from_raw_fd(FIRST)
    }
}

/// In the forked process: answers until the kernel has heard enough or is gone, or something fails.
fn serve<Q: DeserializeOwned, A: Serialize>(mut stream: UnixStream, answer: impl Fn(Q) -> A) {
    let mut next = || -> Result<()> {
        let question = serde_json::from_slice(&receive(&mut stream, None)?)?;
        // One that does not come to an end ends the process, also when the kernel is gone meanwhile.
        // SAFETY: a timer of this process, which has no handler for its signal.
        unsafe { libc::alarm(PATIENCE.as_secs() as libc::c_uint) };
        let answer = answer(question);
        // SAFETY: as above.
        unsafe { libc::alarm(0) };
        send(&mut stream, &serde_json::to_vec(&answer)?)
    };
    while let Ok(Ok(())) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(&mut next)) {}
}

/// A message is its length in eight bytes, then its text.
fn send(stream: &mut UnixStream, text: &[u8]) -> Result<()> {
    stream.write_all(&(text.len() as u64).to_le_bytes())?;
    Ok(stream.write_all(text)?)
}

fn receive(stream: &mut UnixStream, until: Option<Instant>) -> Result<Vec<u8>> {
    let mut read = |size: usize| -> Result<Vec<u8>> {
        let mut text = vec![0; size];
        let mut at = 0;
        while at < size {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            ensure!(left != Some(Duration::ZERO), "no answer within {PATIENCE:?}");
            stream.set_read_timeout(left)?;
            match stream.read(&mut text[at..])? {
                0 => anyhow::bail!("the other side is gone"),
                n => at += n,
            }
        }
        Ok(text)
    };
    let size = read(8)?;
    let size = u64::from_le_bytes(size.try_into().unwrap_or_default());
    read(size as usize)
}

/// Has the system keep this process's memory in large pages, where it can: a copy that works on four hundred megabytes
/// of analysis then takes two hundred pages over, not a hundred thousand. Takes some tenths of a second.
pub fn gather_memory() {
    /// `MADV_COLLAPSE` of Linux 6.1, which older systems refuse.
    const COLLAPSE: libc::c_int = 25;
    const LARGE: usize = 2 << 20;
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    for line in maps.lines() {
        let mut words = line.split_whitespace();
        let (Some(range), Some(rights)) = (words.next(), words.next()) else {
            continue;
        };
        let anonymous = matches!(words.nth(3), None | Some("[heap]"));
        let Some((from, to)) = range.split_once('-') else {
            continue;
        };
        let (Ok(from), Ok(to)) = (usize::from_str_radix(from, 16), usize::from_str_radix(to, 16)) else {
            continue;
        };
        let (from, to) = (from.next_multiple_of(LARGE), to / LARGE * LARGE);
        if anonymous && rights.starts_with("rw") && from < to {
            // SAFETY: advice on how memory is kept changes nothing of what it holds; a range that is gone meanwhile is
            // refused.
            unsafe { libc::madvise(from as *mut libc::c_void, to - from, COLLAPSE) };
        }
    }
}
