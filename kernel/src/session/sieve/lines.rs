//! Lines of standard output on their way through the sieve.

use super::super::protocol::MARKER;
use super::begun;
use std::time::{Duration, Instant};

/// How long a line may take before its reader sees a part of it.
pub const PATIENCE: Duration = Duration::from_millis(50);
/// How evcxr's own lines start.
const EVCXR: &str = "EVCXR_";
const BEGIN_CONTENT: &str = "EVCXR_BEGIN_CONTENT ";
/// Lines of evcxr's that a program may write behind text of its own, which must not hide them.
const AFTER_TEXT: [&str; 2] = [BEGIN_CONTENT, "EVCXR_INPUT_REQUEST"];

/// Text on its way through, up to the end of its line.
#[derive(Default)]
pub struct Lines {
    pub rest: String,
    /// Between evcxr's marks of a value's content, where lines belong to the value.
    pub in_content: bool,
    /// When `rest` began to wait; `None` too when all of it that may be parted has been passed on.
    pub waiting_since: Option<Instant>,
}

impl Lines {
    pub fn add(&mut self, mut text: &str, out: &mut String) {
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
    pub fn progress(&mut self, out: &mut String) {
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
    pub fn part(&mut self, settled: bool, out: &mut String) {
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
        limit - begun(self.rest.as_bytes(), EVCXR.as_bytes())
    }
}

fn push_part(text: &str, out: &mut String) {
    push_message("part", text, out);
}

/// A message of the protocol on a line of its own.
pub fn push_message(kind: &str, text: &str, out: &mut String) {
    if !text.is_empty() {
        let message = serde_json::json!({ "kind": kind, "text": text });
        out.push_str(MARKER);
        out.push_str(&message.to_string());
        out.push('\n');
    }
}
