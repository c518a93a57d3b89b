//! What cargo says while it builds the toolkit, as lines that tell how far it is.

use std::io::{BufReader, Read};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Splits at newlines and at the carriage returns of cargo's progress bar.
pub fn split_lines(source: impl Read, mut each: impl FnMut(String)) {
    let mut line = Vec::new();
    for byte in BufReader::new(source).bytes().map_while(Result::ok) {
        if byte == b'\n' || byte == b'\r' {
            if !line.is_empty() {
                each(String::from_utf8_lossy(&line).into_owned());
                line.clear();
            }
        } else {
            line.push(byte);
        }
    }
}

/// Turns cargo's words into progress lines, and keeps those that explain a failure.
pub fn follow(lines: &mpsc::Receiver<String>, on_progress: &dyn Fn(&str)) -> String {
    let start = Instant::now();
    let mut told = Instant::now();
    let mut said = String::new();
    for line in lines {
        let plain = without_escapes(&line);
        match progress(&plain) {
            Some((done, total, now)) => {
                if told.elapsed() > Duration::from_secs(5) {
                    told = Instant::now();
                    on_progress(&format!(
                        "building the toolkit: {now} ({done} of {total}), {} so far",
                        spoken(start.elapsed())
                    ));
                }
            }
            None if plain.trim_start().starts_with("Compiling") || plain.trim().is_empty() => {}
            None => {
                said.push_str(&plain);
                said.push('\n');
            }
        }
    }
    said
}

/// Reads `Building [====>   ] 312/405: polars-core, serde`.
fn progress(line: &str) -> Option<(usize, usize, String)> {
    let (_, rest) = line.trim_start().strip_prefix("Building [")?.split_once("] ")?;
    let (count, names) = rest.split_once(':').unwrap_or((rest, ""));
    let (done, total) = count.trim().split_once('/')?;
    let now = names
        .split(',')
        .next()
        .unwrap_or_default()
        .trim()
        .trim_end_matches("...")
        .to_owned();
    Some((done.parse().ok()?, total.parse().ok()?, now))
}

fn without_escapes(line: &str) -> String {
    let mut out = String::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            for inner in chars.by_ref() {
                if inner.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            out.push(c);
        }
    }
    out
}

fn spoken(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => format!("{} min", seconds / 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cargos_progress_bar_is_understood() {
        let line = "\u{1b}[1m\u{1b}[36m    Building\u{1b}[0m [=======>  ] 312/405: polars-core, serde(build)";
        assert_eq!(
            progress(&without_escapes(line)),
            Some((312, 405, "polars-core".into()))
        );
        assert_eq!(progress("   Compiling serde v1.0"), None);
        assert_eq!(progress("Building something else"), None);
    }
}
