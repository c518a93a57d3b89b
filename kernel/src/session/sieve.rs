//! Makes what cells print valid lines of text: evcxr reads lines of UTF-8, stops at anything else, and sees a
//! line only when it is whole.
//!
//! A small process stands between a cell's output and the kernel. A thread would not do: what it had not
//! passed on yet would be lost when the cell ends its process.
//!
//! Whole lines pass as they are. A line whose author takes his time (a progress bar that ends in `\r`, a prompt,
//! dots) is passed on in parts, each a message of the protocol on a line of its own; the kernel puts the parts
//! together. What evcxr and the toolkit say to the kernel is never parted.

use super::protocol::MARKER;
use std::io::{Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{FromRawFd, RawFd};
use std::time::{Duration, Instant};

/// How long a line may take before its reader sees a part of it.
const PATIENCE: Duration = Duration::from_millis(50);
/// How evcxr's own lines start.
const EVCXR: &str = "EVCXR_";
const BEGIN_CONTENT: &str = "EVCXR_BEGIN_CONTENT ";
/// Lines of evcxr's that a program may write behind text of its own, which must not hide them.
const AFTER_TEXT: [&str; 2] = [BEGIN_CONTENT, "EVCXR_INPUT_REQUEST"];

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
                let _ = pass(&*input, &*output, |wait| is_quiet(ends[0], wait));
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

/// Whether nothing comes from `input` for this long.
fn is_quiet(input: RawFd, wait: Duration) -> bool {
    let mut asked = libc::pollfd {
        fd: input,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: one descriptor, described by a value that outlives the call.
    unsafe { libc::poll(&mut asked, 1, wait.as_millis() as libc::c_int + 1) == 0 }
}

/// Passes everything on, with U+FFFD in the place of bytes that are no text. `quiet` waits for more.
fn pass(
    mut input: impl Read,
    mut output: impl Write,
    mut quiet: impl FnMut(Duration) -> bool,
) -> std::io::Result<()> {
    let mut buffer = vec![0u8; 64 << 10];
    // The start of a character whose rest has not come yet.
    let mut kept = 0;
    let mut lines = Lines::default();
    let mut out = String::new();
    loop {
        if let Some(since) = lines.waiting_since
            && quiet(PATIENCE.saturating_sub(since.elapsed()))
        {
            lines.part(true, &mut out);
            lines.waiting_since = None;
        }
        output.write_all(out.as_bytes())?;
        out.clear();
        let read = match input.read(&mut buffer[kept..]) {
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let whole = kept + read;
        let mut at = 0;
        while at < whole {
            let (valid, bad) = match std::str::from_utf8(&buffer[at..whole]) {
                Ok(text) => (text, Some(0)),
                Err(error) => {
                    let text = &buffer[at..at + error.valid_up_to()];
                    (std::str::from_utf8(text).unwrap_or_default(), error.error_len())
                }
            };
            lines.add(valid, &mut out);
            at += valid.len();
            match bad {
                Some(0) => {}
                Some(bad) => {
                    lines.add("\u{fffd}", &mut out);
                    at += bad;
                }
                None if read == 0 => {
                    lines.add("\u{fffd}", &mut out);
                    at = whole;
                }
                None => break,
            }
        }
        if read == 0 {
            lines.part(true, &mut out);
            out.push_str(&lines.rest);
            return output.write_all(out.as_bytes());
        }
        lines.progress(&mut out);
        buffer.copy_within(at..whole, 0);
        kept = whole - at;
    }
}

/// Text on its way through, up to the end of its line.
#[derive(Default)]
struct Lines {
    rest: String,
    /// Between evcxr's marks of a value's content, where lines belong to the value.
    in_content: bool,
    /// When `rest` began to wait; `None` too when all of it that may be parted has been passed on.
    waiting_since: Option<Instant>,
}

impl Lines {
    fn add(&mut self, mut text: &str, out: &mut String) {
        if !self.rest.is_empty()
            && let Some(end) = text.find('\n')
        {
            self.rest.push_str(&text[..end]);
            text = &text[end + 1..];
            let line = std::mem::take(&mut self.rest);
            self.line(&line, out);
            self.waiting_since = None;
        }
        while let Some(end) = text.find('\n') {
            self.line(&text[..end], out);
            text = &text[end + 1..];
        }
        self.rest.push_str(text);
    }

    fn line(&mut self, line: &str, out: &mut String) {
        let mut line = line;
        if self.in_content {
            self.in_content = !matches!(line, "EVCXR_END_CONTENT" | "EVCXR_PANIC_NOTIFICATION");
        } else if line.contains(EVCXR)
            && let Some(at) = AFTER_TEXT.iter().filter_map(|word| line.find(word)).min()
            && !line[..at].contains(MARKER)
        {
            push_part(&line[..at], out);
            line = &line[at..];
            self.in_content = line.starts_with(BEGIN_CONTENT);
        } else if line.ends_with('\r') {
            // evcxr takes it for a part of the line's end.
            push_part(line, out);
            line = "";
        }
        out.push_str(line);
        out.push('\n');
    }

    /// At the end of what has come so far: a `\r` means that its author wants it seen.
    fn progress(&mut self, out: &mut String) {
        if self.rest.is_empty() {
            self.waiting_since = None;
            return;
        }
        let since = *self.waiting_since.get_or_insert_with(Instant::now);
        if let Some(at) = self.rest[..self.free(false)].rfind('\r') {
            push_part(&self.rest[..=at], out);
            self.rest.drain(..=at);
        }
        if since.elapsed() >= PATIENCE {
            self.part(false, out);
        }
    }

    /// Passes on as much of the unfinished line as is its author's own; `settled` when no more is on its way.
    fn part(&mut self, settled: bool, out: &mut String) {
        let free = self.free(settled);
        push_part(&self.rest[..free], out);
        self.rest.drain(..free);
    }

    /// How much of the unfinished line can hold no word for the kernel.
    fn free(&self, settled: bool) -> usize {
        if self.in_content {
            return 0;
        }
        let limit = self.rest.find(['\u{1e}']).unwrap_or(self.rest.len());
        let limit = self.rest[..limit].find(EVCXR).unwrap_or(limit);
        if settled || limit < self.rest.len() {
            return limit;
        }
        let starts = (1..EVCXR.len()).rev();
        let begun = starts
            .into_iter()
            .find(|&size| self.rest.ends_with(&EVCXR[..size]));
        limit - begun.unwrap_or(0)
    }
}

fn push_part(text: &str, out: &mut String) {
    if !text.is_empty() {
        let message = serde_json::json!({ "kind": "part", "text": text });
        out.push_str(MARKER);
        out.push_str(&message.to_string());
        out.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::super::protocol::{Part, decode};
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

    /// The lines that evcxr reads when nothing comes for a while after each piece, or when all comes at once.
    fn lines(pieces: &[&'static [u8]], slow: bool) -> Vec<String> {
        let mut out = Vec::new();
        pass(Pieces(pieces.to_vec()), &mut out, |_| slow).unwrap();
        String::from_utf8(out)
            .unwrap()
            .lines()
            .map(str::to_owned)
            .collect()
    }

    /// What the kernel makes of those lines that evcxr leaves to it.
    fn shown(lines: &[String]) -> String {
        let parts = lines.iter().flat_map(|line| decode(line));
        parts
            .map(|part| match part {
                Part::Text(text) => text,
                other => format!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn text_passes_and_the_rest_is_marked() {
        let pieces: [&[u8]; 4] = [b"a\xff\xfeb\n", b"\xe2\x82", b"\xac|", b"\xf0\x9f"];
        for slow in [false, true] {
            assert_eq!(shown(&lines(&pieces, slow)), "a\u{fffd}\u{fffd}b\n€|\u{fffd}");
        }
    }

    #[test]
    fn no_byte_is_lost_changed_or_moved() {
        let pieces: [&[u8]; 7] = [
            b"10%\r20%",
            b"\r30%",
            b" done\r\nnext\r",
            b"\n\n",
            b"EVCX",
            b"R is a prefix",
            b"\nend",
        ];
        let whole: String = pieces
            .iter()
            .map(|piece| std::str::from_utf8(piece).unwrap())
            .collect();
        for slow in [false, true] {
            assert_eq!(shown(&lines(&pieces, slow)), whole);
        }
    }

    #[test]
    fn a_carriage_return_is_not_waited_for() {
        assert_eq!(
            lines(&[b"10%\r20", b"%\n"], false)[0],
            "\u{1e}jook {\"kind\":\"part\",\"text\":\"10%\\r\"}"
        );
    }

    #[test]
    fn words_for_the_kernel_stand_on_lines_of_their_own_and_are_never_parted() {
        for slow in [false, true] {
            let asked = lines(&[b"Who? EVCXR_INPUT", b"_REQUEST:name\nso\n"], slow);
            assert_eq!(asked[1..], ["EVCXR_INPUT_REQUEST:name", "so"], "{asked:?}");
            let message = lines(&[b"text\x1ejoo", b"k {\"kind\":", b"\"end\"}\n"], slow);
            assert_eq!(shown(&message), "textNotice(End)", "{message:?}");
            let value: [&[u8]; 3] = [
                b"x EVCXR_BEGIN_CONTENT text/html\n<p",
                b">\r",
                b"a\nEVCXR_END_CONTENT\ny",
            ];
            let value = lines(&value, slow);
            assert_eq!(
                value[1..4],
                ["EVCXR_BEGIN_CONTENT text/html", "<p>\ra", "EVCXR_END_CONTENT"]
            );
        }
    }
}
