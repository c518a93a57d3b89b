//! `dbg!` in a cell, and a panic without the kernel's hook, tell the line of the source that evcxr generated; their reader
//! knows the cell's.

/// How they begin, which are written in pieces, and how the same begins for a reader.
const STARTS: [(&str, &str); 2] = [
    ("[cell/lib.rs:", "["),
    ("panicked at cell/lib.rs:", "panicked at "),
];

/// Puts the cell's lines into what a cell writes on standard error.
#[derive(Default)]
pub struct Places {
    /// What may be the start of a place.
    held: String,
}

impl Places {
    /// What can be passed on of `text`, and of what came before it. `line` finds the cell's line.
    pub fn put(&mut self, text: &str, line: impl Fn(usize) -> Option<usize>) -> String {
        self.held.push_str(text);
        let mut out = String::new();
        while let Some((at, (start, begin))) = first(&self.held) {
            let rest = &self.held[at + start.len()..];
            let size = rest
                .find(|c: char| !c.is_ascii_digit() && c != ':')
                .unwrap_or(rest.len());
            if size == rest.len() && size < 16 {
                // The rest of it is on its way.
                out.extend(self.held.drain(..at));
                return out;
            }
            let is_place = match begin {
                "[" => rest[size..].starts_with(']'),
                _ => rest[..size].ends_with(':'),
            };
            let place = rest[..size]
                .trim_end_matches(':')
                .split_once(':')
                .filter(|_| is_place);
            let found = place.and_then(|(number, column)| Some((line(number.parse().ok()?)?, column)));
            out.push_str(&self.held[..at]);
            match found {
                Some((line, column)) => {
                    let end = if begin == "[" { "" } else { ":" };
                    out.push_str(&format!("{begin}line {line}, column {column}{end}"));
                }
                None => out.push_str(&self.held[at..at + start.len() + size]),
            }
            self.held.drain(..at + start.len() + size);
        }
        // A letter that a word of anybody's may end with is not held back.
        let few = |start: &str| {
            if start.starts_with('[') {
                0
            } else {
                "panicked ".len()
            }
        };
        let begun = STARTS.map(|(start, _)| match begun(self.held.as_bytes(), start.as_bytes()) {
            size if size > few(start) => size,
            _ => 0,
        });
        let whole = self.held.len() - begun[0].max(begun[1]);
        out.extend(self.held.drain(..whole));
        out
    }

    /// What was held back, when nothing follows it.
    pub fn rest(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
}

/// The first of what begins a place.
fn first(text: &str) -> Option<(usize, (&'static str, &'static str))> {
    let found = STARTS
        .into_iter()
        .filter_map(|start| Some((text.find(start.0)?, start)));
    found.min_by_key(|(at, _)| *at)
}

/// How much of `word` the end of `text` may be the start of.
fn begun(text: &[u8], word: &[u8]) -> usize {
    let starts = (1..word.len()).rev();
    starts
        .into_iter()
        .find(|&size| text.ends_with(&word[..size]))
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_the_cells_however_the_text_comes() {
        let text = "a [1] [cell/lib.rs:12:5] x = [\n2]\n[cell/lib.rs:99:1] y\n[cell/lib.rs:x] [cell";
        let line = |number: usize| (number == 12).then_some(3);
        for size in [1, 4, 1000] {
            let mut places = Places::default();
            let mut out = String::new();
            for piece in text.as_bytes().chunks(size) {
                out += &places.put(std::str::from_utf8(piece).unwrap(), line);
            }
            out += &places.rest();
            assert_eq!(
                out,
                "a [1] [line 3, column 5] x = [\n2]\n[cell/lib.rs:99:1] y\n[cell/lib.rs:x] [cell"
            );
        }
    }

    #[test]
    fn the_run_times_own_word_on_a_panic_has_the_cells_line() {
        let line = |number: usize| (number == 12).then_some(3);
        // It writes that at once.
        let said =
            "\nthread 'main' (7) panicked at cell/lib.rs:12:7:\nx\nsteps panicked at cell/lib.rs:99:1:\n";
        let mut places = Places::default();
        let told = places.put(said, line) + &places.rest();
        assert_eq!(
            told,
            "\nthread 'main' (7) panicked at line 3, column 7:\nx\nsteps panicked at cell/lib.rs:99:1:\n"
        );
        // No letter of a word is kept from its reader.
        assert_eq!(places.put("step", line), "step");
    }
}
