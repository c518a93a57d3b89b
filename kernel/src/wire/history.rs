//! What has been executed, by this kernel and by those before it.

use super::history_file::{Cell, HistoryFile};
use jupyter_protocol::{HistoryEntry, HistoryReply, HistoryRequest};
use std::collections::HashSet;

/// Executed cells with their counts and, where there was one, the plain text of their result.
#[derive(Default)]
pub struct History {
    /// Where it outlives this kernel, if it does.
    file: Option<HistoryFile>,
    /// Number of this session, once it has one: a kernel that is never asked leaves no trace.
    session: Option<usize>,
    /// What this kernel executed.
    cells: Vec<Cell>,
}

impl History {
    /// The user's.
    pub fn of_user() -> History {
        History {
            file: HistoryFile::of_user(),
            ..History::default()
        }
    }

    fn session(&mut self) -> usize {
        if let Some(session) = self.session {
            return session;
        }
        let session = self.on_file(HistoryFile::start_session).unwrap_or(1);
        self.session = Some(session);
        session
    }

    /// Does something with the file; where that fails, the history ends with this kernel.
    fn on_file<T>(&mut self, work: impl FnOnce(&HistoryFile) -> std::io::Result<T>) -> Option<T> {
        let file = self.file.as_ref()?;
        match work(file) {
            Ok(done) => Some(done),
            Err(error) => {
                eprintln!(
                    "jook: the history is not kept: {}: {error} (JOOK_HISTORY names another file, or is off)",
                    file.path().display()
                );
                self.file = None;
                None
            }
        }
    }

    /// Notes a cell that starts, with `store_history`.
    pub fn begin(&mut self, count: usize, input: &str) {
        let session = self.session();
        self.on_file(|file| file.note_input(session, count, input));
        self.cells.push(Cell {
            session,
            count,
            input: input.to_string(),
            output: String::new(),
        });
    }

    /// Notes the result of the cell that began last.
    pub fn end(&mut self, output: String) {
        let Some(cell) = self.cells.last_mut() else { return };
        cell.output.clone_from(&output);
        let (session, count) = (cell.session, cell.count);
        self.on_file(|file| file.note_output(session, count, &output));
    }

    /// Answers the three kinds of requests: a range of counts of one session, the last n, and a search by pattern.
    pub fn answer(&mut self, request: &HistoryRequest) -> HistoryReply {
        let (cells, output) = match request {
            HistoryRequest::Range {
                session,
                start,
                stop,
                output,
                ..
            } => (self.range(session.unwrap_or(0), *start, *stop), *output),
            HistoryRequest::Tail { n, output, .. } => (last(self.all(), *n), *output),
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

    /// Every session's cells. This one's come last, whatever other kernels did meanwhile: they are what its user
    /// looks for first.
    fn all(&mut self) -> Vec<Cell> {
        let ours = self.session();
        let mut cells = self.file.as_ref().map(HistoryFile::cells).unwrap_or_default();
        cells.retain(|cell| cell.session != ours);
        cells.sort_by_key(|cell| (cell.session, cell.count));
        cells.extend(self.cells.iter().cloned());
        cells
    }

    /// 0 means this session; negative numbers count back from it.
    fn range(&mut self, session: i32, start: i32, stop: i32) -> Vec<Cell> {
        let ours = i64::try_from(self.session()).unwrap_or(i64::MAX);
        let wanted = i64::from(session) + if session <= 0 { ours } else { 0 };
        let mut cells = if wanted == ours {
            self.cells.clone()
        } else {
            self.all()
        };
        cells.retain(|cell| {
            let count = i32::try_from(cell.count).unwrap_or(i32::MAX);
            i64::try_from(cell.session) == Ok(wanted) && start <= count && count < stop
        });
        cells
    }

    /// Cells whose whole input matches; with `unique` only the newest of equal ones.
    fn search(&mut self, pattern: &str, unique: bool) -> Vec<Cell> {
        let mut found = self.all();
        found.retain(|cell| glob(pattern, &cell.input));
        if unique {
            let mut seen = HashSet::new();
            found.reverse();
            found.retain(|cell| seen.insert(cell.input.clone()));
            found.reverse();
        }
        found
    }
}

fn last(mut cells: Vec<Cell>, n: i32) -> Vec<Cell> {
    let n = usize::try_from(n).unwrap_or(0);
    cells.split_off(cells.len().saturating_sub(n))
}

fn entry(cell: Cell, with_output: bool) -> HistoryEntry {
    if with_output {
        HistoryEntry::InputOutput(cell.session, cell.count, (cell.input, cell.output))
    } else {
        HistoryEntry::Input(cell.session, cell.count, cell.input)
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

    fn inputs(history: &mut History, request: HistoryRequest) -> Vec<String> {
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
            history.begin(count + 1, input);
        }
        let tail = HistoryRequest::Tail {
            n: 2,
            output: false,
            raw: true,
        };
        assert_eq!(inputs(&mut history, tail), ["let b = 2;", "a"]);
        let range = HistoryRequest::Range {
            session: Some(0),
            start: 1,
            stop: 3,
            output: false,
            raw: true,
        };
        assert_eq!(inputs(&mut history, range), ["let a = 1;", "a"]);
        assert_eq!(
            inputs(&mut history, search("let * = ?;", false, 9)),
            ["let a = 1;", "let b = 2;"]
        );
        assert_eq!(
            inputs(&mut history, search("let * = ?;", false, 1)),
            ["let b = 2;"]
        );
        assert_eq!(inputs(&mut history, search("a", true, 9)), ["a"]);
        assert_eq!(
            inputs(&mut history, search("let", false, 9)),
            Vec::<String>::new()
        );
    }

    fn range(session: i32) -> HistoryRequest {
        HistoryRequest::Range {
            session: Some(session),
            start: 1,
            stop: i32::MAX,
            output: false,
            raw: true,
        }
    }

    #[test]
    fn earlier_kernels_are_remembered() {
        let path = std::env::temp_dir().join(format!("jook-{}.jsonl", uuid::Uuid::new_v4()));
        let kernel = || History {
            file: Some(HistoryFile::at(path.clone())),
            ..History::default()
        };
        let mut first = kernel();
        first.begin(1, "let a = 1;");
        first.begin(2, "a");
        first.end("1".to_string());
        let mut second = kernel();
        second.begin(1, "b");
        // A third kernel works at the same time.
        kernel().begin(1, "c");
        assert_eq!(
            inputs(&mut second, search("*", false, 9)),
            ["let a = 1;", "a", "c", "b"]
        );
        assert_eq!(inputs(&mut second, range(0)), ["b"]);
        assert_eq!(inputs(&mut second, range(-1)), ["let a = 1;", "a"]);
        assert_eq!(inputs(&mut second, range(1)), ["let a = 1;", "a"]);
        assert_eq!(inputs(&mut second, range(-2)), Vec::<String>::new());
        let with_output = second.answer(&HistoryRequest::Tail {
            n: 3,
            output: true,
            raw: true,
        });
        let told = serde_json::to_value(with_output).unwrap();
        assert_eq!(told["history"][0], serde_json::json!([1, 2, ["a", "1"]]));
        for ending in ["", ".lock"] {
            std::fs::remove_file(format!("{}{ending}", path.display())).unwrap();
        }
    }

    #[test]
    fn a_file_that_cannot_be_written_costs_only_the_past() {
        let mut history = History {
            file: Some(HistoryFile::at("/dev/null/history.jsonl".into())),
            ..History::default()
        };
        history.begin(1, "a");
        assert_eq!(inputs(&mut history, range(0)), ["a"]);
    }
}
