//! The display protocol: one line of JSON behind a marker, on the standard output of a cell.

use super::MimeBundle;
use super::sources::Sources;
use serde_json::Value;

/// Something that a cell shows or prints.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Text on standard output, as it came.
    Stdout(String),
    /// Text on standard error, as it came.
    Stderr(String),
    /// An output. With an `id` it can be updated in place.
    Display {
        data: MimeBundle,
        metadata: MimeBundle,
        id: Option<String>,
    },
    /// A new state of the output with this `id`.
    Update {
        data: MimeBundle,
        metadata: MimeBundle,
        id: String,
    },
    /// Clear the cell's outputs, at once or when the next one comes.
    Clear { wait: bool },
    /// The value that ended the cell.
    Result { data: MimeBundle, metadata: MimeBundle },
    /// Documentation that the cell asked for, to be read beside the notebook.
    Page { data: MimeBundle },
}

/// Starts a message. It may follow text that did not end its line.
pub const MARKER: &str = "\u{1e}jook ";

/// What a line of a cell's output turned out to hold.
#[derive(Debug, PartialEq)]
pub enum Part {
    /// Text for the reader, with its newline where it had one.
    Text(String),
    /// Something to show.
    Event(Event),
    /// Something the kernel has to know.
    Notice(Notice),
}

/// Messages that are for the kernel and not for the reader.
#[derive(Debug, PartialEq)]
pub enum Notice {
    /// A panic was raised on the cell's own thread; it may still be caught.
    Panic {
        message: String,
        file: String,
        line: usize,
        /// Addresses in the cell's library that were on the stack, the innermost first.
        frames: Vec<u64>,
        /// The number that evcxr has given the cell whose code raised it.
        cell: Option<u64>,
    },
    /// A panic was raised on another thread.
    PanicElsewhere {
        /// Such as "a thread".
        who: String,
        message: String,
        file: String,
        line: usize,
        cell: Option<u64>,
    },
    /// The panic ended the cell.
    Panicked,
    /// A `?` at the top of the cell left with this error.
    Error { message: String, line: usize },
    /// Nothing: text that did not end its line is complete.
    Break,
}

/// Splits a line (without its newline) into the text before a message and the message.
pub fn decode(line: &str) -> Vec<Part> {
    let Some((text, message)) = line.split_once(MARKER) else {
        return vec![Part::Text(format!("{line}\n"))];
    };
    let mut parts = Vec::new();
    if !text.is_empty() {
        parts.push(Part::Text(text.to_owned()));
    }
    match serde_json::from_str(message).ok().and_then(message_part) {
        Some(part) => parts.push(part),
        // Not ours after all: the reader sees it as it came.
        None => return vec![Part::Text(format!("{line}\n"))],
    }
    parts
}

impl Notice {
    /// What a reader is told of a panic on a thread that is not the cells'.
    pub fn told(&self, sources: &Sources) -> Option<Event> {
        let Self::PanicElsewhere {
            who,
            message,
            file,
            line,
            cell,
        } = self
        else {
            return None;
        };
        let place = sources.place(*cell, file, *line);
        Some(Event::Stderr(format!("{who} panicked at {place}: {message}\n")))
    }
}

/// What a message says, when it is one.
pub fn message_part(message: Value) -> Option<Part> {
    let Value::Object(mut message) = message else {
        return None;
    };
    let kind = message.get("kind")?.as_str()?.to_owned();
    let text = |name: &str| message.get(name).and_then(Value::as_str).map(str::to_owned);
    let line = message.get("line").and_then(Value::as_u64).unwrap_or(0) as usize;
    Some(Part::Notice(match kind.as_str() {
        "part" => return text("text").map(Part::Text),
        "stderr" => return Some(Part::Event(Event::Stderr(text("text")?))),
        "panic" => Notice::Panic {
            message: text("message")?,
            file: text("file").unwrap_or_default(),
            line,
            frames: message
                .get("frames")
                .and_then(Value::as_array)
                .map(|frames| frames.iter().filter_map(Value::as_u64).collect())
                .unwrap_or_default(),
            cell: message.get("cell").and_then(Value::as_u64),
        },
        "panic_elsewhere" => Notice::PanicElsewhere {
            who: text("who")?,
            message: text("message")?,
            file: text("file").unwrap_or_default(),
            line,
            cell: message.get("cell").and_then(Value::as_u64),
        },
        "panicked" => Notice::Panicked,
        "error" => Notice::Error {
            message: text("message")?,
            line,
        },
        "break" => Notice::Break,
        "clear" => {
            let wait = message.get("wait").and_then(Value::as_bool).unwrap_or(false);
            return Some(Part::Event(Event::Clear { wait }));
        }
        "display" | "update" | "result" => {
            let id = text("id");
            let data = bundle(message.remove("data")?)?;
            let metadata = message.remove("metadata").and_then(bundle).unwrap_or_default();
            return Some(Part::Event(match (kind.as_str(), id) {
                ("update", Some(id)) => Event::Update { data, metadata, id },
                ("result", _) => Event::Result { data, metadata },
                (_, id) => Event::Display { data, metadata, id },
            }));
        }
        _ => return None,
    }))
}

fn bundle(value: Value) -> Option<MimeBundle> {
    match value {
        Value::Object(map) => Some(map),
        _ => None,
    }
}

/// Turns the output that a value wrote itself for evcxr (text by MIME type) into a bundle.
pub fn from_evcxr<'a>(content: impl Iterator<Item = (&'a String, &'a String)>) -> MimeBundle {
    content
        .map(|(mime, text)| {
            let value = if mime.ends_with("json") {
                serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.clone()))
            } else {
                Value::String(text.trim_end_matches('\n').to_owned())
            };
            (mime.clone(), value)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_may_follow_text_on_its_line() {
        let parts = decode("loss 0.5\u{1e}jook {\"kind\":\"display\",\"data\":{\"text/plain\":\"x\"}}");
        assert_eq!(parts[0], Part::Text("loss 0.5".into()));
        let Part::Event(Event::Display { data, id: None, .. }) = &parts[1] else {
            panic!("{parts:?}")
        };
        assert_eq!(data["text/plain"], "x");
    }

    #[test]
    fn lines_that_only_look_like_messages_stay_text() {
        for line in [
            "plain",
            "\u{1e}jook not json",
            "\u{1e}jook {\"kind\":\"unheard of\"}",
            "a \u{1e} b",
        ] {
            assert_eq!(decode(line), vec![Part::Text(format!("{line}\n"))]);
        }
    }

    #[test]
    fn updates_and_clears_keep_their_fields() {
        let parts = decode(
            "\u{1e}jook {\"kind\":\"update\",\"id\":\"p1\",\"data\":{\"text/plain\":\"50%\"},\"metadata\":{}}",
        );
        assert!(matches!(&parts[..], [Part::Event(Event::Update { id, .. })] if id == "p1"));
        let parts = decode("\u{1e}jook {\"kind\":\"clear\",\"wait\":true}");
        assert_eq!(parts, vec![Part::Event(Event::Clear { wait: true })]);
    }
}
