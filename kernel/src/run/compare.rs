//! Whether two texts or two charts say the same: exactly, or with numbers within a tolerance.
//!
//! What differs from run to run without meaning anything is left out of texts first: colours, what a progress
//! bar has overwritten, how long things took and how fast they went (in a polars table the column `seconds`), what
//! was found in a cache, addresses in memory, and how wide the columns of a table are.

use crate::page::ansi;
use regex::Regex;
use serde_json::Value;
use std::sync::LazyLock;

/// How far a number may be from the stored one. Both zero: texts have to be equal, digit for digit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tolerance {
    /// As a share of the stored number.
    pub relative: f64,
    pub absolute: f64,
}

/// `12.3 s`, `1 min 05 s`, `340ms`, `1 h 04 min`, `7 seconds`.
static TIMES: LazyLock<Regex> = LazyLock::new(|| {
    let unit = "(?:ns|[µμu]s|ms|s|secs?|seconds?|min|minutes?|h|hours?)";
    regex(&format!(
        r"\b\d+(?:\.\d+)?\s?{unit}\b(?: \d+(?:\.\d+)?\s?{unit}\b)*"
    ))
});
/// `1200 images/s`, `3.4 it/s`.
static RATES: LazyLock<Regex> = LazyLock::new(|| regex(r"\b\d[\d.,]*\s?\p{L}*/s\b"));
static ADDRESSES: LazyLock<Regex> = LazyLock::new(|| regex(r"\b0x[0-9a-fA-F]{8,}\b"));
/// `533 from the cache, 0 computed`: the second run on a machine computes less.
static CACHED: LazyLock<Regex> = LazyLock::new(|| regex(r"\b\d+ from the cache, \d+ computed\b"));
/// `training 200/200 [28 ms]  completed`: what a bar of the toolkit leaves.
static PROGRESS: LazyLock<Regex> = LazyLock::new(|| regex(r"^[^\n]* \d+/\d+ \[[^\]\n]+\][^\n]*\n?$"));
/// What is as long as a column is wide.
static FILLING: LazyLock<Regex> = LazyLock::new(|| regex(r"[ \t]+|─+|═+|━+|---+|===+"));
/// Words, numbers, and whatever stands between them.
static TOKENS: LazyLock<Regex> =
    LazyLock::new(|| regex(r"[\p{L}_][\p{L}\p{N}_]*|[-−]?(?:\d+(?:\.\d+)?|\.\d+)(?:[eE][-+]?\d+)?|\s+|."));

fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the patterns are constant, and tests use each")
}

/// A text as a reader sees it: without colours, and with what was overwritten gone.
pub fn visible(text: &str) -> String {
    ansi::strip(&ansi::overwrite(text))
}

/// A text whose polars tables say nothing in their columns `seconds`.
pub fn without_seconds(text: &str) -> String {
    // The cells of the table's lines, and which of them are seconds.
    let mut seconds: Option<(usize, Vec<usize>)> = None;
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let inside = line.strip_prefix('│').and_then(|rest| rest.strip_suffix('│'));
        let Some(inside) = inside else {
            if line.starts_with('┌') {
                seconds = None;
            }
            lines.push(line.to_string());
            continue;
        };
        let mut cells: Vec<&str> = inside.split('┆').collect();
        match &seconds {
            // The first line of a table names its columns.
            None => {
                let named = cells
                    .iter()
                    .enumerate()
                    .filter(|(_, cell)| cell.trim() == "seconds");
                seconds = Some((cells.len(), named.map(|(place, _)| place).collect()));
            }
            // A cell of text may have a stroke of its own: then nobody knows which is which.
            Some((count, _)) if cells.len() != *count => {}
            Some((_, places)) => places.iter().for_each(|&place| cells[place] = " TIME "),
        }
        lines.push(format!("│{}│", cells.join("┆")));
    }
    lines.join("\n")
}

/// Whether an output is a progress bar, which is there only when there was something to wait for.
pub fn is_progress(text: &str) -> bool {
    PROGRESS.is_match(text)
}

/// Whether two lines of [`visible`] text say the same.
pub fn same_line(stored: &str, fresh: &str, tolerance: Tolerance) -> bool {
    if stored == fresh {
        return true;
    }
    let (stored, fresh) = (masked(stored), masked(fresh));
    if stored == fresh || !tolerance.any() {
        return stored == fresh;
    }
    let (mut stored, mut fresh) = (TOKENS.find_iter(&stored), TOKENS.find_iter(&fresh));
    loop {
        match (stored.next(), fresh.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if a.as_str() == b.as_str() => {}
            (Some(a), Some(b)) => match (number(a.as_str()), number(b.as_str())) {
                (Some(a), Some(b)) if tolerance.allows(a, b) => {}
                _ => return false,
            },
            _ => return false,
        }
    }
}

/// A line without what means nothing, see the head of this file.
fn masked(line: &str) -> String {
    let line = ADDRESSES.replace_all(line, "ADDRESS");
    let line = RATES.replace_all(&line, "RATE");
    let line = TIMES.replace_all(&line, "TIME");
    let line = CACHED.replace_all(&line, "CACHED");
    let line = FILLING.replace_all(&line, |filling: &regex::Captures<'_>| {
        filling[0].replace('\t', " ").chars().take(1).collect::<String>()
    });
    line.trim_end().to_string()
}

fn number(token: &str) -> Option<f64> {
    // No word is a number here, not even `inf`.
    token
        .ends_with(|last: char| last.is_ascii_digit())
        .then(|| token.replace('−', "-").parse().ok())
        .flatten()
}

impl Tolerance {
    fn any(self) -> bool {
        self.relative > 0.0 || self.absolute > 0.0
    }

    fn allows(self, stored: f64, fresh: f64) -> bool {
        stored == fresh || (stored - fresh).abs() <= self.absolute + self.relative * stored.abs()
    }
}

/// Where two JSON values differ, in the order of the stored one: `data[0].y[3]: 0.5, now 0.7`.
pub fn json_differences(stored: &Value, fresh: &Value, tolerance: Tolerance) -> Vec<String> {
    let mut found = Vec::new();
    differences("", stored, fresh, tolerance, &mut found);
    found
}

fn differences(path: &str, stored: &Value, fresh: &Value, tolerance: Tolerance, found: &mut Vec<String>) {
    let same = match (stored, fresh) {
        (Value::Object(old), Value::Object(new)) => {
            let inside = |key: &str| match path {
                "" => key.to_string(),
                path => format!("{path}.{key}"),
            };
            for (key, value) in old {
                match new.get(key) {
                    Some(other) => differences(&inside(key), value, other, tolerance, found),
                    None => found.push(format!("{}: {}, now gone", inside(key), short(value))),
                }
            }
            for (key, value) in new.iter().filter(|(key, _)| !old.contains_key(*key)) {
                found.push(format!("{}: new, {}", inside(key), short(value)));
            }
            return;
        }
        (Value::Array(old), Value::Array(new)) if old.len() != new.len() => {
            found.push(format!("{path}: {} values, now {}", old.len(), new.len()));
            return;
        }
        (Value::Array(old), Value::Array(new)) => {
            for (index, (old, new)) in old.iter().zip(new).enumerate() {
                differences(&format!("{path}[{index}]"), old, new, tolerance, found);
            }
            return;
        }
        (Value::Number(old), Value::Number(new)) => {
            let (old, new) = (old.as_f64(), new.as_f64());
            old.zip(new).is_some_and(|(old, new)| tolerance.allows(old, new))
        }
        (Value::String(old), Value::String(new)) => {
            old == new || same_line(&visible(old), &visible(new), tolerance)
        }
        (old, new) => old == new,
    };
    if !same {
        found.push(format!("{path}: {}, now {}", short(stored), short(fresh)));
    }
}

/// A JSON value in a few words.
fn short(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const EXACT: Tolerance = Tolerance {
        relative: 0.0,
        absolute: 0.0,
    };
    const NEAR: Tolerance = Tolerance {
        relative: 1e-3,
        absolute: 0.0,
    };

    #[test]
    fn times_rates_addresses_and_widths_mean_nothing() {
        let same = [
            ("done in 12.3 s", "done in 9.8 s"),
            ("took 59.9 s, then", "took 1 min 05 s, then"),
            ("340ms", "1.2s"),
            ("1 h 04 min of training", "12 seconds of training"),
            ("1200 images/s", "998.5 images/s"),
            ("at 0x7ffd1234abcd", "at 0x7ffe00001234"),
            (
                "[2 ms]  0 from the cache, 533 computed",
                "[985 µs]  533 from the cache, 0 computed",
            ),
            ("│ a    ┆ 1.0 s │", "│ a  ┆ 10.0 s │"),
            ("├──────┤  ", "├───┤"),
            ("=====", "==="),
        ];
        for (a, b) in same {
            assert!(same_line(a, b, EXACT), "{a} / {b}");
        }
        let different = [
            ("12.3 steps", "9.8 steps"),
            ("seed 7", "seed 8"),
            ("a b", "ab"),
            ("0x10", "0x11"),
            ("a - -5", "a - 5"),
            ("--x", "-x"),
            ("2020-01-01 00:00:00", "2020-01-02 00:00:00"),
        ];
        for (a, b) in different {
            assert!(!same_line(a, b, EXACT), "{a} / {b}");
        }
        assert!(is_progress("study a: b x c 45/45 [4.2 s]") && !is_progress("1/2 [3]\na table"));
        assert_eq!(visible("\u{1b}[31m10 %\r20 %\u{1b}[0m"), "20 %");
    }

    #[test]
    fn seconds_in_a_table_mean_nothing_and_its_other_columns_all() {
        let table = |rate: &str, seconds: &str| {
            let rows = format!("│ {rate} ┆ 1 ┆ {seconds} │");
            format!(
                "shape: (1, 3)\n┌──┬──┬──┐\n│ rate ┆ n ┆ seconds │\n│ f64 ┆ u32 ┆ f64 │\n╞══╪══╪══╡\n{rows}\n└──┴──┴──┘"
            )
        };
        let other = "\n┌──┬──┬──┐\n│ a ┆ b ┆ c │\n╞══╪══╪══╡\n│ 1 ┆ 2 ┆ 3 │\n└──┴──┴──┘";
        let read = |rate, seconds| without_seconds(&(table(rate, seconds) + other));
        assert_eq!(read("0.1", "0.0123"), read("0.1", "12.5"));
        assert_ne!(read("0.1", "0.0123"), read("0.2", "0.0123"));
        assert!(read("0.1", "0.0123").ends_with(other) && read("0.1", "2").contains("┆ seconds │"));
        assert_eq!(without_seconds("no table"), "no table");
    }

    #[test]
    fn numbers_may_differ_by_the_tolerance_and_words_may_not() {
        assert!(same_line("loss 0.50000, n 12", "loss 0.50001, n 12", NEAR));
        assert!(!same_line("loss 0.50000", "loss 0.50001", EXACT));
        assert!(!same_line("loss 0.5", "loss 0.51", NEAR));
        assert!(same_line("│ 1.0e-5 ┆ -2.0000 │", "│ 0.00001 ┆ -2 │", NEAR));
        assert!(!same_line("x1000", "x1001", NEAR), "a name is no number");
        assert!(!same_line("NaN", "0.1", NEAR) && !same_line("1 2", "1", NEAR));
        let absolute = Tolerance {
            absolute: 0.1,
            ..EXACT
        };
        assert!(same_line("0", "-0.05", absolute) && !same_line("0", "0.2", absolute));
    }

    #[test]
    fn charts_are_compared_value_by_value() {
        let stored = json!({"data": [{"y": [1.0, 2.0], "name": "a 3.1 s"}], "layout": {"title": "t"}});
        let fresh = json!({"data": [{"y": [1, 2.0001], "name": "a 9 s"}], "layout": {"title": "t"}});
        assert!(json_differences(&stored, &fresh, NEAR).is_empty());
        assert_eq!(
            json_differences(&stored, &fresh, EXACT),
            ["data[0].y[1]: 2.0, now 2.0001"]
        );
        let other = json!({"data": [{"y": [1.0], "name": null}], "layout": {"width": 3}});
        assert_eq!(
            json_differences(&stored, &other, EXACT),
            [
                "data[0].name: \"a 3.1 s\", now null",
                "data[0].y: 2 values, now 1",
                "layout.title: \"t\", now gone",
                "layout.width: new, 3"
            ]
        );
    }
}
