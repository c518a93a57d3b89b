//! The beginning of a text that is too long to be shown whole, and what is said of the rest.

use std::fmt;
use std::time::{Duration, Instant};

/// Characters that are counted at most, and how long it may take.
const MOST_COUNTED: usize = 1_000_000;
const LONGEST_COUNT: Duration = Duration::from_millis(50);

/// Characters of a value that are shown at most.
pub(crate) const MOST: usize = 5_000;

/// The first characters of what a value writes. What comes behind them is only counted, and the writing ends with an
/// error once that takes long: a value of any size takes little more time and memory than what is shown of it.
#[derive(Debug)]
pub(crate) struct Beginning {
    text: String,
    is_cut: bool,
    /// Characters in all, as far as they were counted, and since when those behind the cut are.
    count: usize,
    since: Option<Instant>,
    /// Whether the counting has come to its end before the value has.
    is_endless: bool,
}

impl Beginning {
    /// What `arguments` write, up to [`MOST`] characters.
    pub(crate) fn of(arguments: fmt::Arguments<'_>) -> Self {
        let mut beginning = Self {
            text: String::new(),
            is_cut: false,
            count: 0,
            since: None,
            is_endless: false,
        };
        let ended = fmt::write(&mut beginning, arguments);
        beginning.is_endless = ended.is_err();
        if ended.is_err() && !beginning.is_cut {
            beginning
                .text
                .push_str("… (the value's own formatting failed here)");
        }
        beginning
    }

    /// The text; of one that is cut it says so, with the value's `length` in words where that is known, and what
    /// prints all of it.
    pub(crate) fn with_note(self, length: Option<String>, printing: &str) -> String {
        if !self.is_cut {
            return self.text;
        }
        let counted = || match self.is_endless {
            true => format!("more than {} characters", self.count),
            false => format!("{} characters", self.count),
        };
        let length = length.unwrap_or_else(counted);
        self.text + &note(&length, printing)
    }
}

impl fmt::Write for Beginning {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let before = self.count;
        self.count += text.chars().count();
        if self.is_cut {
            let since = self.since.get_or_insert_with(Instant::now);
            return match self.count > MOST_COUNTED || since.elapsed() > LONGEST_COUNT {
                true => Err(fmt::Error),
                false => Ok(()),
            };
        }
        match text.char_indices().nth(MOST - before) {
            Some((end, _)) => {
                self.text.push_str(&text[..end]);
                self.is_cut = true;
                Ok(())
            }
            None => {
                self.text.push_str(text);
                Ok(())
            }
        }
    }
}

/// The beginning of a text that is there already, if it is cut.
pub(crate) fn shortened(text: &str, length: impl FnOnce() -> String, printing: &str) -> Option<String> {
    let (end, _) = text.char_indices().nth(MOST)?;
    Some(text[..end].to_owned() + &note(&length(), printing))
}

fn note(length: &str, printing: &str) -> String {
    format!("…\n(cut: the first {MOST} characters of {length}; `{printing}` prints all)")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes for ever, unless it is told to stop.
    struct Endless;

    impl fmt::Debug for Endless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            loop {
                f.write_str("é")?;
            }
        }
    }

    struct Failing;

    impl fmt::Debug for Failing {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("so far")?;
            Err(fmt::Error)
        }
    }

    #[test]
    fn writing_ends_at_the_cut_which_falls_between_characters() {
        let text = Beginning::of(format_args!("{Endless:?}")).with_note(None, "println!(…)");
        let (shown, note) = text.split_once("…\n").unwrap();
        assert_eq!(shown, "é".repeat(MOST));
        let words = [
            "(cut: the first 5000 characters of more than ",
            " characters; `println!(…)` prints all)",
        ];
        assert!(words.iter().all(|words| note.contains(words)), "{note}");
        let long = "x".repeat(123_456);
        let text = Beginning::of(format_args!("{:?}", Some(&long))).with_note(None, "…");
        assert!(
            text.ends_with("(cut: the first 5000 characters of 123464 characters; `…` prints all)"),
            "{}",
            &text[5000..]
        );
    }

    #[test]
    fn what_fits_is_whole_and_a_failure_is_told() {
        let whole = "x".repeat(MOST);
        assert_eq!(Beginning::of(format_args!("{whole}")).with_note(None, ""), whole);
        assert_eq!(shortened(&whole, String::new, ""), None);
        let failed = Beginning::of(format_args!("{Failing:?}")).with_note(None, "");
        assert!(failed.starts_with("so far… ("), "{failed}");
        let longer = shortened(&(whole + "y"), || "5001 characters".into(), "p").unwrap();
        assert!(longer.contains("x…\n(cut: the first 5000 characters of 5001 characters;"));
    }
}
