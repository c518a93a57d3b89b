//! Makes what cells print valid text: evcxr reads lines of UTF-8 and stops at anything else.
//!
//! A small process stands between a cell's output and the kernel. A thread would not do: what it had not
//! passed on yet would be lost when the cell ends its process.

use std::io::{Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{FromRawFd, RawFd};

/// Puts a sieve behind `stream` (1 or 2). Call it before the process has threads. When it cannot be had, the
/// stream stays as it is.
pub fn put_behind(stream: RawFd) {
    let mut ends = [0; 2];
    // SAFETY: plain system calls on descriptors that are this function's own, in a process of one thread.
    unsafe {
        if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) != 0 {
            return;
        }
        match libc::fork() {
            0 => {
                for other in (0..3).filter(|&other| other != stream) {
                    libc::close(other);
                }
                libc::close(ends[1]);
                let input = ManuallyDrop::new(std::fs::File::from_raw_fd(ends[0]));
                let output = ManuallyDrop::new(std::fs::File::from_raw_fd(stream));
                let _ = pass(&*input, &*output);
                libc::_exit(0);
            }
            -1 => {}
            _ => {
                libc::dup2(ends[1], stream);
            }
        }
        libc::close(ends[0]);
        libc::close(ends[1]);
    }
}

/// Passes everything on at once, with U+FFFD in the place of bytes that are no text.
fn pass(mut input: impl Read, mut output: impl Write) -> std::io::Result<()> {
    let mut buffer = vec![0u8; 64 << 10];
    // The start of a character whose rest has not come yet.
    let mut kept = 0;
    loop {
        let read = match input.read(&mut buffer[kept..]) {
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let whole = kept + read;
        let mut at = 0;
        while at < whole {
            let (valid, bad) = match std::str::from_utf8(&buffer[at..whole]) {
                Ok(text) => (text.len(), Some(0)),
                Err(error) => (error.valid_up_to(), error.error_len()),
            };
            output.write_all(&buffer[at..at + valid])?;
            at += valid;
            match bad {
                Some(0) => {}
                Some(bad) => {
                    output.write_all("\u{fffd}".as_bytes())?;
                    at += bad;
                }
                None if read == 0 => {
                    output.write_all("\u{fffd}".as_bytes())?;
                    at = whole;
                }
                None => break,
            }
        }
        if read == 0 {
            return Ok(());
        }
        buffer.copy_within(at..whole, 0);
        kept = whole - at;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Pieces(Vec<&'static [u8]>);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            let piece = self.0.remove(0);
            buffer[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    #[test]
    fn text_passes_and_the_rest_is_marked() {
        let mut out = Vec::new();
        pass(
            Pieces(vec![b"a\xff\xfeb\n", b"\xe2\x82", b"\xac|", b"\xf0\x9f"]),
            &mut out,
        )
        .unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "a\u{fffd}\u{fffd}b\n€|\u{fffd}");
    }
}
