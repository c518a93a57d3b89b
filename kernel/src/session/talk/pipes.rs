//! The kernel's ends of the pipes that the cells' process writes to.
//!
//! The kernel holds the other ends too, to hand them on to the next process: a pipe never ends, whoever holds it.

use crate::session::process::channel::PIPES;
use std::io::{Error, Result};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

/// Three pipes: standard output, standard error, messages.
pub struct Pipes {
    read: [OwnedFd; 3],
    write: [OwnedFd; 3],
}

/// In [`Pipes`], the one of messages.
pub const SAID: usize = 2;

impl Pipes {
    /// Makes them.
    ///
    /// # Errors
    /// When the system has no more.
    pub fn new() -> Result<Self> {
        let [out, err, said] = [pipe()?, pipe()?, pipe()?];
        Ok(Self {
            read: [out.0, err.0, said.0],
            write: [out.1, err.1, said.1],
        })
    }

    /// Hands the writing ends on to `command`.
    pub fn give_to(&self, command: &mut Command) {
        let ends = [0, 1, 2].map(|at| self.write[at].as_raw_fd());
        command.env(PIPES, ends.map(|end| end.to_string()).join(","));
        // SAFETY: between fork and exec, only system calls: the ends are kept open in the new program.
        unsafe {
            command.pre_exec(move || {
                for end in ends {
                    if libc::fcntl(end, libc::F_SETFD, 0) == -1 {
                        return Err(Error::last_os_error());
                    }
                }
                Ok(())
            });
        }
    }

    /// Ends to write with.
    #[cfg(test)]
    pub fn writers(&self) -> [std::fs::File; 3] {
        [0, 1, 2].map(|at| self.write[at].try_clone().unwrap().into())
    }

    /// The reading end of a pipe.
    pub fn end(&self, at: usize) -> RawFd {
        self.read[at].as_raw_fd()
    }

    /// Reads what a pipe holds, as far as `buffer` has room; 0 when it is empty.
    pub fn read(&self, at: usize, buffer: &mut [u8]) -> usize {
        // SAFETY: reads into a slice, as much as it holds, without waiting.
        let read = unsafe { libc::syscall(libc::SYS_read, self.end(at), buffer.as_mut_ptr(), buffer.len()) };
        usize::try_from(read).unwrap_or(0)
    }
}

fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: fills the array with two new descriptors, which are owned from here on. Only the reading end, which has a
    // description of its own, is made not to wait.
    unsafe {
        if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) != 0 {
            return Err(Error::last_os_error());
        }
        let [read, write] = ends.map(|end| OwnedFd::from_raw_fd(end));
        libc::fcntl(read.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK);
        Ok((read, write))
    }
}
