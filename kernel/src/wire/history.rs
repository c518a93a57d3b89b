//! What has been executed in this session. Earlier sessions are not kept.

use jupyter_protocol::{HistoryEntry, HistoryReply, HistoryRequest};

/// Number of this session in the replies; there is only one.
const SESSION: usize = 1;

/// Executed cells with their counts and, where there was one, the plain text of their result.
#[derive(Default)]
pub struct History {
    cells: Vec<Cell>,
}

struct Cell {
    count: usize,
    input: String,
    output: String,
}

impl History {
    /// Notes a cell that was executed with `store_history`.
    pub fn push(&mut self, count: usize, input: &str, output: Option<String>) {
        let output = output.unwrap_or_default();
        self.cells.push(Cell {
            count,
            input: input.to_string(),
            output,
        });
    }

    /// Answers the three kinds of requests: a range of counts, the last n, and a search by pattern.
    pub fn answer(&self, request: &HistoryRequest) -> HistoryReply {
        let (cells, output) = match request {
            HistoryRequest::Range {
                session,
                start,
                stop,
                output,
                ..
            } => {
                // 0 means this session; negative numbers count back from it.
                let ours = session.is_none_or(|session| session == 0 || session == SESSION as i32);
                let cells = self.cells.iter().filter(|cell| {
                    let count = i32::try_from(cell.count).unwrap_or(i32::MAX);
                    ours && *start <= count && count < *stop
                });
                (cells.collect(), *output)
            }
            HistoryRequest::Tail { n, output, .. } => (last(self.cells.iter().collect(), *n), *output),
            HistoryRequest::Search {
                pattern,
                unique,
                output,
                n,
                ..
            } => (last(self.search(pattern, *unique), *n), *output),
        };
        HistoryReply::new(cells.into_iter().map(|cell| entry(cell, output)).collect())
    }

    /// Cells whose whole input matches; with `unique` only the newest of equal ones.
    fn search(&self, pattern: &str, unique: bool) -> Vec<&Cell> {
        let mut found: Vec<&Cell> = Vec::new();
        for cell in self.cells.iter().filter(|cell| glob(pattern, &cell.input)) {
            if unique {
                found.retain(|earlier| earlier.input != cell.input);
            }
            found.push(cell);
        }
        found
    }
}

fn last(mut cells: Vec<&Cell>, n: i32) -> Vec<&Cell> {
    let n = usize::try_from(n).unwrap_or(0);
    cells.split_off(cells.len().saturating_sub(n))
}

fn entry(cell: &Cell, with_output: bool) -> HistoryEntry {
    if with_output {
        HistoryEntry::InputOutput(SESSION, cell.count, (cell.input.clone(), cell.output.clone()))
    } else {
        HistoryEntry::Input(SESSION, cell.count, cell.input.clone())
    }
}

/// Shell-style match of the whole text: `*` any run of characters, `?` any one.
fn glob(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where to go on if the text after the last `*` does not fit: the star takes one character more.
    let mut retry = None;
    while t < text.len() {
        if p < pattern.len() && pattern[p] == '*' {
            p += 1;
            retry = Some((p, t));
        } else if p < pattern.len() && (pattern[p] == '?' || pattern[p] == text[t]) {
            p += 1;
            t += 1;
        } else if let Some((after_star, taken)) = retry {
            p = after_star;
            t = taken + 1;
            retry = Some((after_star, taken + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inputs(history: &History, request: HistoryRequest) -> Vec<String> {
        let reply = serde_json::to_value(history.answer(&request)).unwrap();
        reply["history"]
            .as_array()
            .unwrap()
            .iter()
            .map(|entry| entry[2].as_str().unwrap().to_string())
            .collect()
    }

    fn search(pattern: &str, unique: bool, n: i32) -> HistoryRequest {
        HistoryRequest::Search {
            pattern: pattern.to_string(),
            unique,
            output: false,
            raw: true,
            n,
        }
    }

    #[test]
    fn tail_range_and_search() {
        let mut history = History::default();
        for (count, input) in ["let a = 1;", "a", "let b = 2;", "a"].into_iter().enumerate() {
            history.push(count + 1, input, None);
        }
        let tail = HistoryRequest::Tail {
            n: 2,
            output: false,
            raw: true,
        };
        assert_eq!(inputs(&history, tail), ["let b = 2;", "a"]);
        let range = HistoryRequest::Range {
            session: Some(0),
            start: 1,
            stop: 3,
            output: false,
            raw: true,
        };
        assert_eq!(inputs(&history, range), ["let a = 1;", "a"]);
        assert_eq!(
            inputs(&history, search("let * = ?;", false, 9)),
            ["let a = 1;", "let b = 2;"]
        );
        assert_eq!(inputs(&history, search("let * = ?;", false, 1)), ["let b = 2;"]);
        assert_eq!(inputs(&history, search("a", true, 9)), ["a"]);
        assert_eq!(inputs(&history, search("let", false, 9)), Vec::<String>::new());
    }
}
