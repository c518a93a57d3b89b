//! Words of evcxr's public protocols on the standard output of a cell.
//!
//! A type that shows itself for evcxr prints its forms between two lines, and the crate `evcxr_input` prints a question
//! before it reads the answer. A log may hold the same lines. They mean something only in their place: forms as the
//! last that was printed when a call of `evcxr_display` has returned, a question when the next thing that the cell does
//! is to read. So what looks like them is held back until it is known; everything else that happens makes it text.

use std::time::{Duration, Instant};

const BEGIN: &str = "EVCXR_BEGIN_CONTENT ";
const END: &str = "\nEVCXR_END_CONTENT\n";
const QUESTION: &str = "EVCXR_INPUT_REQUEST";
const HIDDEN: &str = "EVCXR_INPUT_REQUEST_PASSWORD";

/// How long forms may take to be written. A log that only begins like them does not keep what follows from its reader
/// for longer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Text of a cell's own thread that may be more than text.
pub struct Held {
    text: Vec<u8>,
    since: Option<Instant>,
}

#[derive(Debug, PartialEq)]
enum Meaning {
    /// More must come.
    Begun,
    /// The forms of a value, by MIME type.
    Content(Vec<(String, String)>),
    Question {
        prompt: String,
        hidden: bool,
    },
    /// Just text.
    Text,
}

impl Held {
    /// Nothing is held back.
    pub const fn new() -> Self {
        Self {
            text: Vec::new(),
            since: None,
        }
    }

    /// Takes what the thread writes; returns what is to be passed on now.
    pub fn add(&mut self, text: &[u8]) -> Vec<u8> {
        if self.text.is_empty() {
            let Some(at) = [BEGIN, QUESTION]
                .iter()
                .filter_map(|word| find(text, word.as_bytes()))
                .min()
            else {
                return text.to_vec();
            };
            self.since = Some(Instant::now());
            self.text = text[at..].to_vec();
            return [&text[..at], &self.unless_it_means_something()].concat();
        }
        self.text.extend_from_slice(text);
        self.unless_it_means_something()
    }

    /// Whether `text` may be passed on as it is.
    pub fn is_free(&self, text: &[u8]) -> bool {
        self.text.is_empty() && find(text, b"EVCXR_").is_none()
    }

    fn unless_it_means_something(&mut self) -> Vec<u8> {
        let late = self.since.is_some_and(|since| since.elapsed() > PATIENCE);
        match meaning(&self.text) {
            Meaning::Text => self.release(),
            Meaning::Begun if late => self.release(),
            _ => Vec::new(),
        }
    }

    /// What is held back is text after all.
    pub fn release(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.text)
    }

    /// A call of `evcxr_display` has returned: the forms that it has printed, by MIME type.
    pub fn displayed(&mut self) -> Option<Vec<(String, String)>> {
        match meaning(&self.text) {
            Meaning::Content(content) if !content.is_empty() => {
                self.text.clear();
                Some(content)
            }
            _ => None,
        }
    }

    /// The cell reads: the prompt that it has printed for that, and whether others may see the answer.
    pub fn question(&mut self) -> Option<(String, bool)> {
        match meaning(&self.text) {
            Meaning::Question { prompt, hidden } => {
                self.text.clear();
                Some((prompt, hidden))
            }
            _ => None,
        }
    }
}

fn meaning(text: &[u8]) -> Meaning {
    let Ok(text) = std::str::from_utf8(text) else {
        // A form may end within a character so far.
        return match text.starts_with(BEGIN.as_bytes()) {
            true => Meaning::Begun,
            false => Meaning::Text,
        };
    };
    if text.starts_with(QUESTION) {
        let Some((line, rest)) = text.split_once('\n') else {
            return Meaning::Begun;
        };
        let (word, prompt) = line.split_once(':').unwrap_or((line, ""));
        return match word {
            QUESTION | HIDDEN if rest.is_empty() => Meaning::Question {
                prompt: prompt.to_owned(),
                hidden: word == HIDDEN,
            },
            _ => Meaning::Text,
        };
    }
    let mut content = Vec::new();
    let mut rest = text;
    while let Some(block) = rest.strip_prefix(BEGIN) {
        let Some((mime, _)) = block.split_once('\n') else {
            return if block.len() < 256 {
                Meaning::Begun
            } else {
                Meaning::Text
            };
        };
        if !is_mime(mime) {
            return Meaning::Text;
        }
        // The line end behind the type may be the one before the end: nothing is between.
        let Some(end) = block[mime.len()..].find(END).map(|at| at + mime.len()) else {
            return Meaning::Begun;
        };
        let inner = block.get(mime.len() + 1..end).unwrap_or_default();
        content.push((mime.to_owned(), inner.to_owned()));
        rest = &block[end + END.len()..];
    }
    match rest {
        "" => Meaning::Content(content),
        rest if BEGIN.starts_with(rest) => Meaning::Begun,
        _ => Meaning::Text,
    }
}

fn is_mime(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-+.;=_".contains(&byte))
    };
    text.len() < 128
        && text
            .split_once('/')
            .is_some_and(|(kind, form)| part(kind) && part(form))
}

fn find(text: &[u8], word: &[u8]) -> Option<usize> {
    // SAFETY: both slices are whole; what is found is in `text`.
    let found = unsafe { libc::memmem(text.as_ptr().cast(), text.len(), word.as_ptr().cast(), word.len()) };
    (!found.is_null()).then(|| found as usize - text.as_ptr() as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: &[u8] = b"EVCXR_BEGIN_CONTENT text/plain\nx\ny\nEVCXR_END_CONTENT\n";

    fn passed(held: &mut Held, pieces: &[&[u8]]) -> String {
        let passed: Vec<u8> = pieces.iter().flat_map(|piece| held.add(piece)).collect();
        String::from_utf8(passed).unwrap()
    }

    #[test]
    fn forms_are_held_back_until_the_call_returns() {
        let mut held = Held::new();
        let html = b"EVCXR_BEGIN_CONTENT text/html\n<b>\xc3\xa9</b>\nEVCXR_END_CONTENT\n";
        // In pieces, as `println!` writes them.
        assert_eq!(
            passed(
                &mut held,
                &[
                    b"a ",
                    b"b EVCXR_BEGIN_CONTENT text/html\n",
                    &html[30..34],
                    &html[34..]
                ]
            ),
            "a b "
        );
        assert_eq!(passed(&mut held, &[&PLAIN[..7], &PLAIN[7..]]), "");
        let content = held.displayed().unwrap();
        assert_eq!(content[0], ("text/html".into(), "<b>é</b>".into()));
        assert_eq!(content[1], ("text/plain".into(), "x\ny".into()));
        assert_eq!(passed(&mut held, &[b"more"]), "more");
        assert_eq!(held.displayed(), None);
        assert_eq!(
            passed(
                &mut held,
                &[b"EVCXR_BEGIN_CONTENT text/plain\nEVCXR_END_CONTENT\n"]
            ),
            ""
        );
        assert_eq!(held.displayed().unwrap()[0].1, "");
    }

    #[test]
    fn what_is_followed_by_other_text_was_text() {
        let mut held = Held::new();
        let log = String::from_utf8_lossy(PLAIN);
        assert_eq!(
            passed(&mut held, &[PLAIN, b"next line\n"]),
            format!("{log}next line\n")
        );
        assert_eq!(passed(&mut held, &[PLAIN]), "");
        assert_eq!(held.release(), PLAIN);
        assert_eq!(held.displayed(), None);
        for text in [
            "EVCXR_BEGIN_CONTENT no type\n",
            "EVCXR_BEGIN_CONTENT a/b/c\nx\nEVCXR_END_CONTENT\n",
            "EVCXR_END_CONTENT\n",
            "EVCXR_EXECUTION_COMPLETE\n",
            "EVCXR_INPUT_REQUESTS: many\n",
        ] {
            assert_eq!(passed(&mut held, &[text.as_bytes()]), text);
        }
    }

    #[test]
    fn a_question_is_one_only_where_the_cell_reads_next() {
        let mut held = Held::new();
        assert_eq!(passed(&mut held, &[b"EVCXR_INPUT_REQUEST:your name: \n"]), "");
        assert_eq!(held.question(), Some(("your name: ".into(), false)));
        assert_eq!(
            passed(&mut held, &[b"EVCXR_INPUT_REQUEST_PASSWORD:word", b"\n"]),
            ""
        );
        assert_eq!(held.question(), Some(("word".into(), true)));
        assert_eq!(held.question(), None);
        let log = "EVCXR_INPUT_REQUEST_PASSWORD:[sudo] password for root\n";
        assert_eq!(passed(&mut held, &[log.as_bytes(), b"1\n"]), format!("{log}1\n"));
    }

    #[test]
    fn a_log_that_only_begins_like_forms_is_passed_on_after_a_while() {
        let mut held = Held::new();
        assert_eq!(passed(&mut held, &[b"EVCXR_BEGIN_CONTENT text/plain\n"]), "");
        held.since = Instant::now().checked_sub(2 * PATIENCE);
        assert_eq!(
            passed(&mut held, &[b"on\n"]),
            "EVCXR_BEGIN_CONTENT text/plain\non\n"
        );
    }
}
