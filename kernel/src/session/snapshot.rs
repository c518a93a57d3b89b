//! Completion and inspection while a cell runs.
//!
//! The thread that owns evcxr waits for the cell then, and its analysis with it. A fork of this process has a copy of
//! both, taken in milliseconds and thrown away after one answer: whatever it does, the session does not notice. Memory
//! is shared until written to.

use anyhow::{Context, Result, ensure};
use evcxr::CommandContext;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::io::Read;
use std::os::fd::{FromRawFd, OwnedFd};
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

    /// Has a copy of the context work on `question`. The owning thread must be waiting for a cell: should it have gone
    /// on, the copy may be torn, and gives no answer.
    ///
    /// # Errors
    /// When the copy cannot be made.
    pub fn ask<T: Serialize>(self, question: impl FnOnce(&mut CommandContext) -> Result<T>) -> Result<Asked> {
        let mut ends = [0; 2];
        // SAFETY: plain system calls. The forked process touches what this thread may touch, the context, and ends
        // by `_exit`; the allocator survives a fork, and no lock that is taken there is held by another thread
        // here for longer than a moment.
        let (child, answer) = unsafe {
            ensure!(
                libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) == 0,
                "no pipe: {}",
                std::io::Error::last_os_error()
            );
            let child = libc::fork();
            if child == 0 {
                libc::signal(libc::SIGINT, libc::SIG_IGN);
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                answer_and_end(ends[1], || question(&mut *self.0));
            }
            libc::close(ends[1]);
            (child, std::fs::File::from(OwnedFd::from_raw_fd(ends[0])))
        };
        ensure!(
            child > 0,
            "no copy of the session: {}",
            std::io::Error::last_os_error()
        );
        Ok(Asked { child, answer })
    }
}

/// A copy at work.
pub struct Asked {
    child: libc::pid_t,
    answer: std::fs::File,
}

impl Asked {
    /// Waits for the answer.
    ///
    /// # Errors
    /// When the copy fails or takes too long.
    pub fn answer<T: DeserializeOwned>(mut self) -> Result<T> {
        let text = read_within(&mut self.answer, PATIENCE)?;
        serde_json::from_slice(&text).context("the copy of the session gave no answer")
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        // SAFETY: ends and reaps the child that this value stands for.
        unsafe {
            libc::kill(self.child, libc::SIGKILL);
            libc::waitpid(self.child, std::ptr::null_mut(), 0);
        }
    }
}

/// In the forked process: writes the answer and ends, whatever happens.
fn answer_and_end<T: Serialize>(to: libc::c_int, answer: impl FnOnce() -> Result<T>) -> ! {
    let answer = std::panic::catch_unwind(std::panic::AssertUnwindSafe(answer));
    if let Ok(Ok(answer)) = answer
        && let Ok(text) = serde_json::to_vec(&answer)
    {
        // SAFETY: the writing end is this process's own.
        let mut out = unsafe { std::fs::File::from_raw_fd(to) };
        let _ = std::io::Write::write_all(&mut out, &text);
    }
    // SAFETY: no destructor or exit handler of the copied session may run: its files are the session's.
    unsafe { libc::_exit(0) }
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

fn read_within(file: &mut std::fs::File, patience: Duration) -> Result<Vec<u8>> {
    use std::os::fd::AsRawFd;
    let until = Instant::now() + patience;
    let mut text = Vec::new();
    let mut buffer = [0; 16 << 10];
    loop {
        let left = until.saturating_duration_since(Instant::now()).as_millis();
        let mut poll = libc::pollfd {
            fd: file.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one descriptor that is open.
        let ready = unsafe { libc::poll(&mut poll, 1, left as libc::c_int) };
        ensure!(ready > 0, "no answer within {patience:?}");
        match file.read(&mut buffer)? {
            0 => return Ok(text),
            n => text.extend_from_slice(&buffer[..n]),
        }
    }
}
