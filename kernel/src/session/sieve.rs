//! Makes what cells print valid lines of text, in one stream and in order: evcxr reads lines of UTF-8, stops at
//! anything else, sees a line only when it is whole, and reads standard error apart.
//!
//! A small process stands between a cell's output and the kernel. A thread would not do: what it had not
//! passed on yet would be lost when the cell ends its process.
//!
//! Whole lines of standard output pass as they are. A line whose author takes his time (a progress bar that ends in
//! `\r`, a prompt, dots) is passed on in parts, each a message of the protocol on a line of its own; the kernel puts
//! the parts together. What evcxr and the toolkit say to the kernel is never parted. Text on standard error becomes
//! messages of the protocol, at its place between the lines.

mod lines;

use lines::{Lines, PATIENCE, push_message};
use std::io::{Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{FromRawFd, RawFd};

/// In both streams, where their writer goes from one to the other. What precedes it in either stream was written
/// before what follows it in the other.
pub const TURN: &[u8] = b"\x1e\x1djook turns\x1d\x1e";

/// Puts a sieve behind standard output and standard error. Call it before the process has threads. When it cannot be
/// had, the streams stay as they are, and the answer is false.
pub fn put_behind_output() -> bool {
    let (mut out, mut err) = ([0; 2], [0; 2]);
    // SAFETY: plain system calls on descriptors that are this function's own, in a process of one thread.
    unsafe {
        if libc::pipe2(out.as_mut_ptr(), libc::O_CLOEXEC) != 0 {
            return false;
        }
        if libc::pipe2(err.as_mut_ptr(), libc::O_CLOEXEC) != 0 {
            libc::close(out[0]);
            libc::close(out[1]);
            return false;
        }
        let sieve = libc::fork();
        match sieve {
            0 => {
                libc::close(libc::STDIN_FILENO);
                libc::close(out[1]);
                libc::close(err[1]);
                let output = ManuallyDrop::new(std::fs::File::from_raw_fd(libc::STDOUT_FILENO));
                let _ = pass([out[0], err[0]], &*output);
                libc::_exit(0);
            }
            -1 => {}
            _ => {
                libc::dup2(out[1], libc::STDOUT_FILENO);
                libc::dup2(err[1], libc::STDERR_FILENO);
            }
        }
        for end in [out, err].as_flattened() {
            libc::close(*end);
        }
        sieve > 0
    }
}

/// Passes everything on from the two streams.
fn pass(streams: [RawFd; 2], mut output: impl Write) -> std::io::Result<()> {
    let mut sieve = Sieve::default();
    let mut buffer = vec![0u8; 64 << 10];
    let mut out = String::new();
    loop {
        output.write_all(out.as_bytes())?;
        out.clear();
        let open = sieve.wants();
        if open == [false, false] {
            return Ok(());
        }
        // A descriptor below zero is not looked at.
        let mut asked = [0, 1].map(|at| libc::pollfd {
            fd: if open[at] { streams[at] } else { -1 },
            events: libc::POLLIN,
            revents: 0,
        });
        let wait = match sieve.lines.waiting_since {
            Some(since) => PATIENCE.saturating_sub(since.elapsed()).as_millis() as libc::c_int + 1,
            None => -1,
        };
        // SAFETY: two descriptors, described by values that outlive the call.
        if unsafe { libc::poll(asked.as_mut_ptr(), 2, wait) } == 0 {
            sieve.quiet(&mut out);
        }
        for (at, asked) in asked.iter().enumerate().filter(|(_, asked)| asked.revents != 0) {
            // SAFETY: an open descriptor of this process; the file is not dropped.
            let mut input = ManuallyDrop::new(unsafe { std::fs::File::from_raw_fd(asked.fd) });
            match input.read(&mut buffer) {
                Ok(0) => sieve.ended(at),
                Ok(read) => sieve.streams[at].came.extend_from_slice(&buffer[..read]),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        sieve.sort(&mut out);
    }
}

const OUT: usize = 0;
const ERR: usize = 1;

/// The two streams on their way through.
#[derive(Default)]
struct Sieve {
    streams: [Stream; 2],
    lines: Lines,
    /// Text of standard error that waits for the end of a value's content.
    held: String,
}

#[derive(Default)]
struct Stream {
    /// What has come and has not been sorted.
    came: Vec<u8>,
    /// The start of a character whose rest has not come yet.
    begun: Vec<u8>,
    /// `came` starts with a turn that the other stream has not reached.
    at_turn: bool,
    ended: bool,
}

impl Stream {
    /// Takes what stands before the next turn.
    fn take(&mut self) -> Vec<u8> {
        if self.at_turn {
            return Vec::new();
        }
        let found = memmem(&self.came, TURN);
        self.at_turn = found.is_some();
        // The end may be the start of a turn.
        let kept = match self.ended {
            true => 0,
            false => begun(&self.came, TURN),
        };
        let whole = self.came.len() - kept;
        self.came.drain(..found.unwrap_or(whole)).collect()
    }
}

/// Where `word` is in `text`.
pub fn memmem(text: &[u8], word: &[u8]) -> Option<usize> {
    // SAFETY: both slices are whole; what is found is in `text`.
    let found = unsafe { libc::memmem(text.as_ptr().cast(), text.len(), word.as_ptr().cast(), word.len()) };
    (!found.is_null()).then(|| found as usize - text.as_ptr() as usize)
}

/// How much of `word` the end of `text` may be the start of.
pub fn begun(text: &[u8], word: &[u8]) -> usize {
    let starts = (1..word.len()).rev();
    starts
        .into_iter()
        .find(|&size| text.ends_with(&word[..size]))
        .unwrap_or(0)
}

impl Sieve {
    /// Which streams are to be read on: not those that are at a turn before the other is.
    fn wants(&self) -> [bool; 2] {
        [OUT, ERR].map(|at| !self.streams[at].ended && !self.streams[at].at_turn)
    }

    fn ended(&mut self, at: usize) {
        self.streams[at].ended = true;
    }

    /// Nothing more comes for a while.
    fn quiet(&mut self, out: &mut String) {
        self.lines.part(true, out);
        self.lines.waiting_since = None;
    }

    /// Passes on what may be passed on.
    fn sort(&mut self, out: &mut String) {
        loop {
            let text = self.streams[OUT].take();
            self.add_output(&text, out);
            let text = self.streams[ERR].take();
            self.add_error(&text, out);
            let passes = |stream: &Stream| stream.at_turn || (stream.ended && stream.came.is_empty());
            let turns = self.streams.iter().any(|stream| stream.at_turn);
            if !turns || !self.streams.iter().all(passes) {
                break;
            }
            for stream in self.streams.iter_mut().filter(|stream| stream.at_turn) {
                stream.came.drain(..TURN.len());
                stream.at_turn = false;
            }
        }
        let [output, error] = [OUT, ERR].map(|at| {
            let stream = &self.streams[at];
            stream.ended && stream.came.is_empty()
        });
        if output && error {
            self.end(out);
        } else {
            self.lines.progress(out);
        }
    }

    fn add_output(&mut self, text: &[u8], out: &mut String) {
        let text = whole_text(&mut self.streams[OUT].begun, text);
        // Line by line where something waits for the last line of a value.
        let mut rest = text.as_str();
        while !self.held.is_empty()
            && let Some(end) = rest.find('\n')
        {
            self.lines.add(&rest[..=end], out);
            self.give_back(out);
            rest = &rest[end + 1..];
        }
        self.lines.add(rest, out);
        self.give_back(out);
    }

    fn add_error(&mut self, text: &[u8], out: &mut String) {
        let text = whole_text(&mut self.streams[ERR].begun, text);
        if text.is_empty() {
            return;
        }
        self.lines.part(false, out);
        self.held.push_str(&text);
        self.give_back(out);
    }

    /// Passes on the text of standard error, unless it would get into a value's content.
    fn give_back(&mut self, out: &mut String) {
        if !self.lines.in_content && !self.held.is_empty() {
            push_message("stderr", &self.held, out);
            self.held.clear();
        }
    }

    fn end(&mut self, out: &mut String) {
        for at in [OUT, ERR] {
            if !std::mem::take(&mut self.streams[at].begun).is_empty() {
                match at {
                    OUT => self.lines.add("\u{fffd}", out),
                    _ => self.held.push('\u{fffd}'),
                }
            }
        }
        self.lines.part(true, out);
        out.push_str(&std::mem::take(&mut self.lines.rest));
        self.lines.in_content = false;
        if !self.held.is_empty() && !out.is_empty() && !out.ends_with('\n') {
            out.push('\n');
        }
        self.give_back(out);
    }
}

/// `text` behind what had `begun`, with U+FFFD in the place of bytes that are no text; keeps the start of a character
/// whose rest is missing.
fn whole_text(begun: &mut Vec<u8>, text: &[u8]) -> String {
    begun.extend_from_slice(text);
    let mut whole = String::with_capacity(begun.len());
    let mut at = 0;
    while at < begun.len() {
        match std::str::from_utf8(&begun[at..]) {
            Ok(valid) => {
                whole.push_str(valid);
                at = begun.len();
            }
            Err(error) => {
                let valid = &begun[at..at + error.valid_up_to()];
                whole.push_str(std::str::from_utf8(valid).unwrap_or_default());
                at += valid.len();
                let Some(bad) = error.error_len() else { break };
                whole.push('\u{fffd}');
                at += bad;
            }
        }
    }
    begun.drain(..at);
    whole
}

#[cfg(test)]
mod tests {
    use super::super::protocol::{Event, Part, decode};
    use super::*;

    /// The lines that evcxr reads when nothing comes for a while after each piece, or when all comes at once.
    fn lines(pieces: &[&'static [u8]], slow: bool) -> Vec<String> {
        let pieces: Vec<_> = pieces.iter().map(|piece| (OUT, *piece)).collect();
        both(&pieces, slow)
    }

    /// The same for pieces of the two streams.
    fn both(pieces: &[(usize, &[u8])], slow: bool) -> Vec<String> {
        let (mut sieve, mut out) = (Sieve::default(), String::new());
        for (at, piece) in pieces {
            sieve.streams[*at].came.extend_from_slice(piece);
            sieve.sort(&mut out);
            if slow {
                sieve.quiet(&mut out);
            }
        }
        sieve.ended(OUT);
        sieve.ended(ERR);
        sieve.sort(&mut out);
        assert_eq!(sieve.wants(), [false, false]);
        out.lines().map(str::to_owned).collect()
    }

    /// What the kernel makes of those lines that evcxr leaves to it.
    fn shown(lines: &[String]) -> String {
        let parts = lines.iter().flat_map(|line| decode(line));
        parts
            .map(|part| match part {
                Part::Text(text) => text,
                Part::Event(Event::Stderr(text)) => format!("<{text}>"),
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
            let message = lines(&[b"text\x1ejoo", b"k {\"kind\":", b"\"break\"}\n"], slow);
            assert_eq!(shown(&message), "textNotice(Break)", "{message:?}");
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

    #[test]
    fn the_streams_keep_their_order_whichever_is_read_first() {
        let written: [(usize, &[u8]); 8] = [
            (OUT, b"1 "),
            (ERR, b"2\n"),
            (OUT, b"3\n"),
            (ERR, b"4 \xe2\x82"),
            (ERR, b"\xac"),
            (OUT, b"EVCXR_BEGIN_CONTENT text/plain\nvalue\n"),
            (ERR, b"5"),
            (OUT, b"EVCXR_END_CONTENT\n6\n"),
        ];
        let mut streams: [Vec<u8>; 2] = Default::default();
        let mut last = OUT;
        for (at, text) in written {
            if at != last {
                streams
                    .iter_mut()
                    .for_each(|stream| stream.extend_from_slice(TURN));
            }
            streams[at].extend_from_slice(text);
            last = at;
        }
        for order in [[OUT, ERR], [ERR, OUT]] {
            for size in [1, 7, 1000] {
                let pieces: Vec<(usize, &[u8])> = order
                    .iter()
                    .flat_map(|&at| streams[at].chunks(size).map(move |piece| (at, piece)))
                    .collect();
                let lines = both(&pieces, false);
                let told = shown(&lines).replace("><", "");
                assert_eq!(
                    told, "1 <2\n>3\n<4 €>EVCXR_BEGIN_CONTENT text/plain\nvalue\nEVCXR_END_CONTENT\n<5>6\n",
                    "{order:?} {size}"
                );
            }
        }
    }

    #[test]
    fn a_turn_that_only_one_stream_tells_of_holds_nothing_back() {
        let piece = [b"a\n", TURN, b"b\n"].concat();
        assert_eq!(shown(&both(&[(OUT, &piece)], false)), "a\nb\n");
        assert_eq!(
            shown(&both(&[(ERR, &piece)], false)).replace("><", ""),
            "<a\nb\n>"
        );
    }
}
