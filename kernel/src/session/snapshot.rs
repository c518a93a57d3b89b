//! Completion and inspection while a cell runs.
//!
//! The thread that owns evcxr waits for the cell then, and its analysis with it. A fork of this process has a copy of
//! both, taken in milliseconds: whatever it does, the session does not notice. It answers questions until the cell
//! ends. Memory is shared until written to, which takes time when a page is first written: a copy that has answered
//! once answers twice as fast.

use anyhow::{Context, Result, ensure};
use evcxr::CommandContext;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::{Read, Write};
use std::os::fd::{FromRawFd, IntoRawFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// An answer that takes longer than this is not wanted any more.
const PATIENCE: Duration = Duration::from_secs(2);

/// The session's context, seen from other threads while its own waits for a cell.
#[derive(Clone, Copy)]
pub struct Waiting(*mut CommandContext);

// SAFETY: the pointer is followed in a forked process only, where the thread that owns the context does not exist.
unsafe impl Send for Waiting {}

impl Waiting {
    pub fn of(context: &mut CommandContext) -> Self {
        Self(context)
    }

    /// A copy of the context, which answers by `answer`. The owning thread must be waiting for a cell: should it have
    /// gone on, the copy may be torn, and gives no answers.
    ///
    /// # Errors
    /// When the copy cannot be made.
    pub fn copy<Q: DeserializeOwned, A: Serialize>(
        self,
        answer: impl Fn(&mut CommandContext, &Q) -> A,
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
                serve(alone(copys), |question: Q| answer(&mut *self.0, &question));
            }
            child
        };
        ensure!(
            child > 0,
            "no copy of the session: {}",
            std::io::Error::last_os_error()
        );
        Ok(Copied { child, stream: ours })
    }
}

/// A copy of the session, which lives as long as this value.
pub struct Copied {
    child: libc::pid_t,
    stream: UnixStream,
}

impl Copied {
    /// What the copy says to a question.
    ///
    /// # Errors
    /// When it fails or takes too long; it is not to be asked again then.
    pub fn ask<A: DeserializeOwned>(&mut self, question: &impl Serialize) -> Result<A> {
        let until = Instant::now() + PATIENCE;
        send(&mut self.stream, &serde_json::to_vec(question)?)?;
        let text =
            receive(&mut self.stream, Some(until)).context("the copy of the session gave no answer")?;
        Ok(serde_json::from_slice(&text)?)
    }
}

impl Drop for Copied {
    fn drop(&mut self) {
        // SAFETY: ends and reaps the child that this value stands for.
        unsafe {
            libc::kill(self.child, libc::SIGKILL);
            libc::waitpid(self.child, std::ptr::null_mut(), 0);
        }
    }
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
fn serve<Q: DeserializeOwned, A: Serialize>(mut stream: UnixStream, answer: impl Fn(Q) -> A) -> ! {
    let mut next = || -> Result<()> {
        let question = serde_json::from_slice(&receive(&mut stream, None)?)?;
        send(&mut stream, &serde_json::to_vec(&answer(question))?)
    };
    while let Ok(Ok(())) = std::panic::catch_unwind(std::panic::AssertUnwindSafe(&mut next)) {}
    // SAFETY: no destructor or exit handler of the copied session may run: its files are the session's.
    unsafe { libc::_exit(0) }
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
