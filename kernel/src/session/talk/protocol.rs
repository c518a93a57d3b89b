//! The display protocol: messages in JSON, which the cells' process says beside what it prints.

use crate::session::said::MimeBundle;
use crate::session::tell::sources::Sources;
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

/// What a message turned out to be.
#[derive(Debug, PartialEq)]
pub enum Part {
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
    /// It was raised by a value that the cell replaces, when that was dropped. The cell had ended.
    DropPanicked,
    /// A `?` at the top of the cell left with this error.
    Error { message: String, line: usize },
    /// The cell's code was left before its end.
    Left,
    /// The cell's library could not be loaded; why.
    Unloadable(String),
    /// The type of this variable is no longer what it was when it was kept.
    Retyped(String),
    /// A value that ended the cell, as it has shown itself for evcxr: text by MIME type.
    Content(MimeBundle),
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
        "drop_panicked" => Notice::DropPanicked,
        "error" => Notice::Error {
            message: text("message")?,
            line,
        },
        "left" => Notice::Left,
        "unloadable" => Notice::Unloadable(text("message")?),
        "retyped" => Notice::Retyped(text("name")?),
        "content" => Notice::Content(bundle(message.remove("data")?)?),
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

/// Turns what a value has shown for evcxr (text by MIME type) into a bundle.
pub fn from_evcxr(content: MimeBundle) -> MimeBundle {
    content
        .into_iter()
        .map(|(mime, text)| {
            let Value::String(text) = text else {
                return (mime, text);
            };
            let value = if mime.ends_with("json") {
                serde_json::from_str(&text).unwrap_or(Value::String(text))
            } else {
                Value::String(text.trim_end_matches('\n').to_owned())
            };
            (mime, value)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_no_message_says_nothing() {
        for message in [
            json!(1),
            json!({}),
            json!({"kind": "unheard of"}),
            json!({"kind": "display"}),
        ] {
            assert_eq!(message_part(message), None);
        }
    }

    #[test]
    fn updates_and_clears_keep_their_fields() {
        let update = json!({"kind": "update", "id": "p1", "data": {"text/plain": "50%"}, "metadata": {}});
        let part = message_part(update);
        assert!(matches!(part, Some(Part::Event(Event::Update { id, .. })) if id == "p1"));
        let part = message_part(json!({"kind": "clear", "wait": true}));
        assert_eq!(part, Some(Part::Event(Event::Clear { wait: true })));
    }

    #[test]
    fn evcxrs_json_is_read_and_its_text_loses_the_last_line_end() {
        let content = json!({"a/b+json": "{\"x\": 1}", "c/json": "no json", "text/plain": "a\nb\n"});
        let read = Value::Object(from_evcxr(content.as_object().unwrap().clone()));
        assert_eq!(
            read,
            json!({"a/b+json": {"x": 1}, "c/json": "no json", "text/plain": "a\nb"})
        );
    }
}
