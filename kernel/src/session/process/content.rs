//! Words of evcxr's public protocols on the standard output of a cell.
//!
//! A type that shows itself for evcxr prints its forms between two lines, and the crate `evcxr_input` prints a question
//! before it reads the answer. A log may hold the same lines. They mean something only in their place: forms as the
//! last that was printed when a call of `evcxr_display` has returned, a question when the notebook has added that crate
//! and the next thing that the cell does is to read. So what looks like them is marked when it is written, and the kernel keeps it back until it is known;
//! everything else that happens makes it text. Whatever becomes of the process, it is in the pipe.

use std::time::{Duration, Instant};

const BEGIN: &str = "EVCXR_BEGIN_CONTENT ";
const END: &str = "\nEVCXR_END_CONTENT\n";
const QUESTION: &str = "EVCXR_INPUT_REQUEST";
const HIDDEN: &str = "EVCXR_INPUT_REQUEST_PASSWORD";

/// How long forms may take to be written. A log that only begins like them does not keep what follows from its reader
/// for much longer.
const PATIENCE: Duration = Duration::from_secs(2);

/// How long whole forms, or a question, may wait for what makes them more than text.
const WHOLE_PATIENCE: Duration = Duration::from_secs(10);

/// How much longer the kernel keeps such text aside, so that it does not show what the process then withdraws.
const LATER: Duration = Duration::from_secs(1);

/// How long the kernel still keeps text aside that has been there so long. It may be large, and is looked at only when
/// that decides.
pub fn patience(aside: &[u8], elapsed: Duration) -> Duration {
    let left = (PATIENCE + LATER).saturating_sub(elapsed);
    match left.is_zero() && is_whole(aside) {
        true => (WHOLE_PATIENCE + LATER).saturating_sub(elapsed),
        false => left,
    }
}

/// Whether this is more than text by itself: whole forms, or a question.
pub fn is_whole(text: &[u8]) -> bool {
    match meaning(text) {
        Meaning::Content(content) => !content.is_empty(),
        Meaning::Question { .. } => true,
        Meaning::Begun | Meaning::Text => false,
    }
}

/// What is to be written, in order.
#[derive(Debug, PartialEq)]
pub enum Step<'t> {
    Text(&'t [u8]),
    /// What follows may be more than text.
    Hold,
    /// What has followed is text.
    Release,
}

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

    /// Takes what the thread writes; says how it is to be written.
    pub fn add<'t>(&mut self, text: &'t [u8]) -> Vec<Step<'t>> {
        if self.is_late() && self.release() {
            return vec![Step::Release, Step::Text(text)];
        }
        if !self.text.is_empty() {
            self.text.extend_from_slice(text);
            let mut steps = vec![Step::Text(text)];
            steps.extend(self.is_known_as_text().then_some(Step::Release));
            return steps;
        }
        let words = [BEGIN, QUESTION].iter();
        let found = words.filter_map(|word| find(text, word.as_bytes())).min();
        let Some(at) = found else {
            return vec![Step::Text(text)];
        };
        self.since = Some(Instant::now());
        self.text = text[at..].to_vec();
        if self.is_known_as_text() {
            return vec![Step::Text(text)];
        }
        vec![Step::Text(&text[..at]), Step::Hold, Step::Text(&text[at..])]
    }

    /// Whether `text` may be passed on as it is.
    pub fn is_free(&self, text: &[u8]) -> bool {
        self.text.is_empty() && find(text, b"EVCXR_").is_none()
    }

    /// Whether what is held turns out to be text; then it is held no longer.
    fn is_known_as_text(&mut self) -> bool {
        meaning(&self.text) == Meaning::Text && self.release()
    }

    /// Whether the kernel may soon take what is held for text.
    fn is_late(&self) -> bool {
        let elapsed = self.since.map(|since| since.elapsed()).unwrap_or_default();
        elapsed > PATIENCE && (elapsed > WHOLE_PATIENCE || !is_whole(&self.text))
    }

    /// What is held is text after all; false when nothing is.
    pub fn release(&mut self) -> bool {
        !std::mem::take(&mut self.text).is_empty()
    }

    /// A call of `evcxr_display` has returned: the forms that it has printed, by MIME type, and how many bytes they took.
    pub fn displayed(&mut self) -> Option<(Vec<(String, String)>, usize)> {
        match meaning(&self.text) {
            Meaning::Content(content) if !content.is_empty() && !self.is_late() => {
                Some((content, self.withdrawn()))
            }
            _ => None,
        }
    }

    /// The cell reads: the prompt that it has printed for that, whether others may see the answer, and how many bytes that took.
    pub fn question(&mut self) -> Option<(String, bool, usize)> {
        match meaning(&self.text) {
            Meaning::Question { prompt, hidden } if !self.is_late() => {
                Some((prompt, hidden, self.withdrawn()))
            }
            _ => None,
        }
    }

    fn withdrawn(&mut self) -> usize {
        std::mem::take(&mut self.text).len()
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

    /// What is shown of these writes before anything else happens: what is held is not.
    fn passed(held: &mut Held, pieces: &[&[u8]]) -> String {
        let (mut passed, mut kept, mut holding) = (Vec::new(), Vec::new(), !held.text.is_empty());
        for piece in pieces {
            for step in held.add(piece) {
                match step {
                    Step::Text(text) if holding => kept.extend_from_slice(text),
                    Step::Text(text) => passed.extend_from_slice(text),
                    Step::Hold => holding = true,
                    Step::Release => {
                        holding = false;
                        passed.append(&mut kept);
                    }
                }
            }
        }
        String::from_utf8(passed).unwrap()
    }

    #[test]
    fn forms_are_held_back_until_the_call_returns() {
        let mut held = Held::new();
        let html = b"EVCXR_BEGIN_CONTENT text/html\n<b>\xc3\xa9</b>\nEVCXR_END_CONTENT\n";
        // In pieces, as `println!` writes them.
        let begun: [&[u8]; 4] = [
            b"a ",
            b"b EVCXR_BEGIN_CONTENT text/html\n",
            &html[30..34],
            &html[34..],
        ];
        assert_eq!(passed(&mut held, &begun), "a b ");
        assert_eq!(passed(&mut held, &[&PLAIN[..7], &PLAIN[7..]]), "");
        let (content, bytes) = held.displayed().unwrap();
        assert_eq!(content[0], ("text/html".into(), "<b>é</b>".into()));
        assert_eq!(content[1], ("text/plain".into(), "x\ny".into()));
        assert_eq!(bytes, html.len() + PLAIN.len());
        assert_eq!(passed(&mut held, &[b"more"]), "more");
        assert_eq!(held.displayed(), None);
        assert_eq!(
            passed(
                &mut held,
                &[b"EVCXR_BEGIN_CONTENT text/plain\nEVCXR_END_CONTENT\n"]
            ),
            ""
        );
        assert_eq!(held.displayed().unwrap().0[0].1, "");
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
        assert!(held.release() && !held.release());
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
        let asked = b"EVCXR_INPUT_REQUEST:your name: \n";
        assert_eq!(passed(&mut held, &[asked]), "");
        assert_eq!(held.question(), Some(("your name: ".into(), false, asked.len())));
        assert_eq!(
            passed(&mut held, &[b"EVCXR_INPUT_REQUEST_PASSWORD:word", b"\n"]),
            ""
        );
        assert_eq!(held.question(), Some(("word".into(), true, 34)));
        assert_eq!(held.question(), None);
        let log = "EVCXR_INPUT_REQUEST_PASSWORD:[sudo] password for root\n";
        assert_eq!(passed(&mut held, &[log.as_bytes(), b"1\n"]), format!("{log}1\n"));
    }

    #[test]
    fn a_log_that_only_begins_like_forms_is_passed_on_after_a_while() {
        let mut held = Held::new();
        assert_eq!(passed(&mut held, &[b"EVCXR_BEGIN_CONTENT text/plain\n"]), "");
        held.since = Instant::now().checked_sub(2 * PATIENCE);
        assert_eq!(held.add(b"on\n"), [Step::Release, Step::Text(b"on\n")]);
        // What was whole for long is not a value's any more.
        assert_eq!(passed(&mut held, &[PLAIN]), "");
        held.since = Instant::now().checked_sub(2 * WHOLE_PATIENCE);
        assert_eq!(held.displayed(), None);
        // The kernel waits for longer than the process in either case, and no longer than it must.
        assert!(!patience(PLAIN, WHOLE_PATIENCE).is_zero() && !patience(b"EVCXR_BEGIN", PATIENCE).is_zero());
        assert!(
            patience(PLAIN, WHOLE_PATIENCE + LATER).is_zero()
                && patience(b"EVCXR_BEGIN", PATIENCE + LATER).is_zero()
        );
    }
}
