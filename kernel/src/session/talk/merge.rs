//! Puts together what the cells' process writes: its two streams of text and its messages, in the order in which they
//! were written.
//!
//! Bytes of either stream are text, but for the marks that only this process can have made (see
//! [`channel`](crate::session::process::channel)). A mark in standard output is the place of the next message; a mark of a turn
//! stands in both streams, where their writer has gone from one to the other: what precedes it in either was written
//! before what follows it in the other.

use crate::session::process::channel::HOLD;
use crate::session::process::channel::MARK;
use crate::session::process::channel::MARK_END;
use crate::session::process::channel::MARK_START;
use crate::session::process::channel::MESSAGE;
use crate::session::process::channel::RELEASE;
use crate::session::process::channel::TURN;
use crate::session::process::channel::WITHDRAWN;
use crate::session::process::channel::WORD;
use crate::session::process::content;
use serde_json::Value;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Standard output.
pub const OUT: usize = 0;
/// Standard error.
pub const ERR: usize = 1;

/// How long a stream waits at a turn for the other one to reach it. A writer makes both marks in one go, unless it is
/// stopped or gone.
const PATIENCE: Duration = Duration::from_secs(1);

/// What was written.
#[derive(Debug, PartialEq)]
pub enum Piece {
    Stdout(String),
    Stderr(String),
    Message(Value),
}

/// The streams on their way.
#[derive(Default)]
pub struct Merge {
    word: Option<Vec<u8>>,
    /// Of a process that has taken the place of the one before, which is told to its end first.
    next: Option<Vec<u8>>,
    streams: [Stream; 2],
    messages: VecDeque<Value>,
    /// The start of a message whose rest has not come yet.
    begun: Vec<u8>,
    /// Since when a stream waits at a turn.
    waiting: Option<Instant>,
    aside: Option<Aside>,
}

/// Text of standard output that may be more than text, as its writer says, and is not told until that is known.
struct Aside {
    text: Vec<u8>,
    since: Instant,
}

/// Most of it, in bytes.
const ASIDE: usize = 64 << 20;

impl Aside {
    /// How long it is still kept.
    fn patience(&self) -> Duration {
        content::patience(&self.text, self.since.elapsed())
    }
}

#[derive(Default)]
struct Stream {
    /// What has come and has not been sorted.
    came: Vec<u8>,
    /// The start of a character whose rest has not come yet.
    begun: Vec<u8>,
    /// `came` starts behind a turn that the other stream has not reached.
    at_turn: bool,
}

impl Merge {
    /// Bytes of a stream.
    pub fn text(&mut self, at: usize, bytes: &[u8]) {
        self.streams[at].came.extend_from_slice(bytes);
    }

    /// Bytes of the messages. Give them before the bytes of the streams are sorted: the message of a mark has come when
    /// the mark has.
    pub fn messages(&mut self, bytes: &[u8]) {
        self.begun.extend_from_slice(bytes);
        let Some(whole) = self.begun.iter().rposition(|&byte| byte == b'\n') else {
            return;
        };
        let rest = self.begun.split_off(whole + 1);
        let lines = std::mem::replace(&mut self.begun, rest);
        for line in lines.split(|&byte| byte == b'\n') {
            // What a process could not say to its end is no message.
            let Ok(message) = serde_json::from_slice::<Value>(line) else {
                continue;
            };
            match (message["kind"].as_str(), message["word"].as_str()) {
                (Some("hello"), Some(word)) if word.len() == WORD => {
                    self.next = Some(word.into());
                }
                _ => self.messages.push_back(message),
            }
        }
    }

    /// Whether another process has announced itself: call [`Merge::end`] when all that the one before has written is
    /// here. The new one writes nothing before it is asked to.
    pub fn has_another(&self) -> bool {
        self.next.is_some()
    }

    /// Whether a stream is to be read on: not while it waits at a turn, for it is ahead of the other.
    pub fn wants(&self, at: usize) -> bool {
        !self.streams[at].at_turn
    }

    /// When [`Merge::sort`] should be called again, though nothing has come.
    pub fn patience(&self) -> Option<Duration> {
        let waiting = self.waiting.map(|since| PATIENCE.saturating_sub(since.elapsed()));
        let aside = self.aside.as_ref().map(Aside::patience);
        waiting.into_iter().chain(aside).min()
    }

    /// All that was written is here, and marks are written whole: what could be the start of one is none.
    pub fn settle(&mut self, mut tell: impl FnMut(Piece)) {
        self.sort(&mut tell);
        for at in [OUT, ERR] {
            if !self.streams[at].at_turn {
                let rest = std::mem::take(&mut self.streams[at].came);
                self.take_text(at, &rest, &mut tell);
            }
        }
    }

    /// What can be told of what has come, in order.
    pub fn sort(&mut self, mut tell: impl FnMut(Piece)) {
        let over = |aside: &Aside| aside.patience() == Duration::ZERO || aside.text.len() > ASIDE;
        if self.aside.as_ref().is_some_and(over) {
            self.release(&mut tell);
        }
        loop {
            for at in [OUT, ERR] {
                self.pass(at, &mut tell);
            }
            let waiting = [OUT, ERR].map(|at| self.streams[at].at_turn);
            if waiting == [false, false] {
                self.waiting = None;
                return;
            }
            let since = *self.waiting.get_or_insert_with(Instant::now);
            if waiting != [true, true] && since.elapsed() < PATIENCE {
                return;
            }
            self.waiting = None;
            for stream in &mut self.streams {
                stream.at_turn = false;
            }
        }
    }

    /// The writer is gone: whatever has come is told as it stands.
    pub fn end(&mut self, mut tell: impl FnMut(Piece)) {
        for stream in &mut self.streams {
            stream.at_turn = false;
        }
        self.sort(&mut tell);
        while !(self.wants(OUT) && self.wants(ERR)) {
            self.waiting = Instant::now().checked_sub(PATIENCE);
            self.sort(&mut tell);
        }
        self.release(&mut tell);
        for at in [OUT, ERR] {
            let stream = &mut self.streams[at];
            let rest = std::mem::take(&mut stream.came);
            let mut text = whole_text(&mut stream.begun, &rest);
            if !std::mem::take(&mut stream.begun).is_empty() {
                text.push('\u{fffd}');
            }
            tell_text(at, text, &mut tell);
        }
        for message in self.messages.drain(..) {
            tell(Piece::Message(message));
        }
        if let Some(next) = self.next.take() {
            self.word = Some(next);
        }
    }

    /// Tells what stands before the next turn in a stream.
    fn pass(&mut self, at: usize, tell: &mut impl FnMut(Piece)) {
        while !self.streams[at].at_turn {
            let stream = &mut self.streams[at];
            let (text, mark) = match &self.word {
                Some(word) => next_mark(&stream.came, word),
                None => (stream.came.len(), None),
            };
            let bytes: Vec<u8> = stream.came.drain(..text).collect();
            self.take_text(at, &bytes, tell);
            let Some(kind) = mark else { return };
            self.streams[at].came.drain(..MARK);
            match kind {
                TURN => self.streams[at].at_turn = true,
                MESSAGE => match self.messages.pop_front() {
                    Some(message) if message["kind"] == WITHDRAWN => {
                        let bytes = message["bytes"].as_u64().unwrap_or_default() as usize;
                        if let Some(aside) = &mut self.aside
                            // Others may have written there meanwhile: into it, then all of it is shown.
                            && aside.text.get(..bytes).is_some_and(content::is_whole)
                        {
                            aside.text.drain(..bytes);
                        }
                        self.release(tell);
                    }
                    Some(message) => tell(Piece::Message(message)),
                    None => {}
                },
                HOLD => {
                    self.release(tell);
                    self.aside = Some(Aside {
                        text: Vec::new(),
                        since: Instant::now(),
                    });
                }
                RELEASE => self.release(tell),
                _ => {}
            }
        }
    }

    /// Text of a stream, told at once unless it may be more than text.
    fn take_text(&mut self, at: usize, bytes: &[u8], tell: &mut impl FnMut(Piece)) {
        match &mut self.aside {
            Some(aside) if at == OUT => aside.text.extend_from_slice(bytes),
            _ => tell_text(at, whole_text(&mut self.streams[at].begun, bytes), tell),
        }
    }

    /// What was kept aside is text.
    fn release(&mut self, tell: &mut impl FnMut(Piece)) {
        if let Some(aside) = self.aside.take() {
            self.take_text(OUT, &aside.text, tell);
        }
    }
}

fn tell_text(at: usize, text: String, tell: &mut impl FnMut(Piece)) {
    match (text.is_empty(), at) {
        (true, _) => {}
        (_, OUT) => tell(Piece::Stdout(text)),
        _ => tell(Piece::Stderr(text)),
    }
}

/// How many bytes are text, and the mark behind them. The end of what has come may be the start of a mark.
fn next_mark(came: &[u8], word: &[u8]) -> (usize, Option<u8>) {
    let mut from = 0;
    while let Some(at) = came[from..].iter().position(|&byte| byte == MARK_START[0]) {
        let at = from + at;
        let rest = &came[at..];
        let start = [MARK_START, word].concat();
        let known = rest.len().min(start.len());
        if rest[..known] == start[..known] {
            if rest.len() < MARK {
                return (at, None);
            }
            if rest[MARK - 1] == MARK_END {
                return (at, Some(rest[MARK - 2]));
            }
        }
        from = at + 1;
    }
    (came.len(), None)
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
    use super::*;
    use serde_json::json;

    const SECRET: &str = "0123456789abcdef";

    fn mark(kind: u8) -> Vec<u8> {
        [MARK_START, SECRET.as_bytes(), &[kind, MARK_END]].concat()
    }

    fn hello() -> String {
        format!("\n{}\n", json!({"kind": "hello", "word": SECRET}))
    }

    fn merge() -> Merge {
        let mut merge = Merge::default();
        merge.messages(hello().as_bytes());
        assert!(merge.has_another());
        merge.end(|piece| panic!("{piece:?}"));
        merge
    }

    fn sorted(merge: &mut Merge) -> Vec<Piece> {
        let mut told = Vec::new();
        merge.sort(|piece| told.push(piece));
        told
    }

    fn out(text: &str) -> Piece {
        Piece::Stdout(text.into())
    }

    fn err(text: &str) -> Piece {
        Piece::Stderr(text.into())
    }

    #[test]
    fn a_message_stands_where_its_mark_is_however_the_bytes_come() {
        let text = [
            b"a\xc3\xa9".as_slice(),
            &mark(MESSAGE),
            b"b",
            &mark(MESSAGE),
            b"\x1e\x1d c",
        ]
        .concat();
        let messages = b"{\"kind\":\"clear\"}\n{\"kind\":\"x\",\"n\":1}\n";
        for step in 1..text.len() {
            let mut merge = merge();
            merge.messages(messages);
            let mut told = Vec::new();
            for piece in text.chunks(step) {
                merge.text(OUT, piece);
                merge.sort(|piece| told.push(piece));
            }
            merge.end(|piece| told.push(piece));
            let text: String = told
                .iter()
                .map(|piece| match piece {
                    Piece::Stdout(text) => text.clone(),
                    Piece::Message(message) => message["kind"].to_string(),
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(text, "aé\"clear\"b\"x\"\u{1e}\u{1d} c", "in steps of {step}");
        }
    }

    #[test]
    fn the_streams_keep_their_order_whichever_comes_first() {
        for err_first in [false, true] {
            let mut merge = merge();
            let streams = [
                [b"1".as_slice(), &mark(TURN), &mark(TURN), b"3"].concat(),
                [mark(TURN).as_slice(), b"2", &mark(TURN)].concat(),
            ];
            let mut order = [OUT, ERR];
            if err_first {
                order.reverse();
            }
            let mut told = Vec::new();
            for at in order {
                merge.text(at, &streams[at]);
                told.extend(sorted(&mut merge));
            }
            assert_eq!(told, [out("1"), err("2"), out("3")]);
            assert_eq!(merge.patience(), None);
        }
    }

    #[test]
    fn a_turn_that_never_comes_holds_nothing_for_long() {
        let mut merge = merge();
        merge.text(OUT, &[b"1".as_slice(), &mark(TURN), b"2"].concat());
        assert_eq!(sorted(&mut merge), [out("1")]);
        assert!(!merge.wants(OUT) && merge.wants(ERR) && merge.patience().is_some());
        merge.waiting = Instant::now().checked_sub(PATIENCE);
        assert_eq!(sorted(&mut merge), [out("2")]);
        assert!(merge.wants(OUT));
    }

    #[test]
    fn what_may_be_more_than_text_is_told_when_it_is_known_or_nobody_says_any_more() {
        let held = |after: &[u8]| [b"a".as_slice(), &mark(HOLD), b"EVCXR", after].concat();
        let mut merge = merge();
        merge.text(OUT, &held(b"_BEGIN"));
        assert_eq!(sorted(&mut merge), [out("a")]);
        merge.text(OUT, &[b"!".as_slice(), &mark(RELEASE), b"b"].concat());
        assert_eq!(sorted(&mut merge), [out("EVCXR_BEGIN!"), out("b")]);
        // Withdrawn, but for what others have written behind it; into it, nothing is.
        const FORMS: &str = "EVCXR_BEGIN_CONTENT text/plain\nx\nEVCXR_END_CONTENT\n";
        let (start, end) = FORMS.split_at(40);
        for (text, told) in [
            (FORMS.to_owned(), vec![]),
            (format!("{FORMS}echo"), vec![out("echo")]),
            (
                format!("{start}echo{end}"),
                vec![out(&format!("{start}echo{end}"))],
            ),
        ] {
            let withdrawn = json!({"kind": WITHDRAWN, "bytes": FORMS.len()});
            merge.messages(format!("{withdrawn}\n").as_bytes());
            merge.text(
                OUT,
                &[mark(HOLD).as_slice(), text.as_bytes(), &mark(MESSAGE)].concat(),
            );
            assert_eq!(sorted(&mut merge), told);
        }
        merge.text(OUT, &held(b""));
        assert_eq!(sorted(&mut merge), [out("a")]);
        assert!(merge.patience().is_some());
        merge.aside.as_mut().unwrap().since = Instant::now().checked_sub(4 * PATIENCE).unwrap();
        assert_eq!(sorted(&mut merge), [out("EVCXR")]);
        assert_eq!(merge.patience(), None);
        merge.text(OUT, &held(b""));
        let mut told = Vec::new();
        merge.end(|piece| told.push(piece));
        assert_eq!(told, [out("a"), out("EVCXR")]);
    }

    #[test]
    fn what_only_begins_like_a_mark_is_text_when_a_cell_has_ended() {
        let mut merge = merge();
        merge.text(OUT, b"a\x1e\x1d0123");
        merge.text(ERR, b"\x1e");
        assert_eq!(sorted(&mut merge), [out("a")]);
        let mut told = Vec::new();
        merge.settle(|piece| told.push(piece));
        assert_eq!(told, [out("\u{1e}\u{1d}0123"), err("\u{1e}")]);
    }

    #[test]
    fn marks_of_another_process_and_bytes_that_are_no_text_are_text() {
        let mut merge = merge();
        let strange = [MARK_START, b"fedcba9876543210m\x1d"].concat();
        merge.text(OUT, &strange);
        merge.text(ERR, b"\xff\xc3");
        let mut told = sorted(&mut merge);
        assert_eq!(
            told,
            [out("\u{1e}\u{1d}fedcba9876543210m\u{1d}"), err("\u{fffd}")]
        );
        told.clear();
        merge.end(|piece| told.push(piece));
        assert_eq!(told, [err("\u{fffd}")]);
    }

    #[test]
    fn what_a_dying_process_left_is_told_and_does_not_reach_the_next() {
        let mut merge = merge();
        merge.messages(b"{\"kind\":\"panicked\"}\n{\"kind\":\"half");
        merge.text(OUT, &[mark(TURN).as_slice(), b"last"].concat());
        let mut told = sorted(&mut merge);
        merge.messages(hello().as_bytes());
        merge.end(|piece| told.push(piece));
        assert_eq!(told, [out("last"), Piece::Message(json!({"kind": "panicked"}))]);
        merge.messages(b"{\"kind\":\"clear\"}\n");
        merge.text(OUT, &mark(MESSAGE));
        assert_eq!(sorted(&mut merge), [Piece::Message(json!({"kind": "clear"}))]);
    }
}
