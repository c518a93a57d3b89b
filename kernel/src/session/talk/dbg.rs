//! `dbg!` in a cell tells the line of the source that evcxr generated; its reader knows the cell's.

/// How `dbg!` begins, which writes it in pieces.
const START: &str = "[cell/lib.rs:";

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
        while let Some(at) = self.held.find(START) {
            let rest = &self.held[at + START.len()..];
            let size = rest
                .find(|c: char| !c.is_ascii_digit() && c != ':')
                .unwrap_or(rest.len());
            if size == rest.len() && size < 16 {
                // The rest of it is on its way.
                out.extend(self.held.drain(..at));
                return out;
            }
            let place = rest[size..]
                .starts_with(']')
                .then(|| rest[..size].split_once(':'))
                .flatten();
            let found = place.and_then(|(number, column)| Some((line(number.parse().ok()?)?, column)));
            out.push_str(&self.held[..at]);
            match found {
                Some((line, column)) => out.push_str(&format!("[line {line}, column {column}")),
                None => out.push_str(&self.held[at..at + START.len() + size]),
            }
            self.held.drain(..at + START.len() + size);
        }
        let whole = self.held.len() - begun(self.held.as_bytes(), START.as_bytes());
        out.extend(self.held.drain(..whole));
        out
    }

    /// What was held back, when nothing follows it.
    pub fn rest(&mut self) -> String {
        std::mem::take(&mut self.held)
    }
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
}
