//! How a cell that failed is told: which one, which line, why.

use crate::page::ansi;
use crate::session::CellError;
use std::fmt::Write as _;
use std::path::Path;

/// A cell that failed.
pub struct Failure {
    /// Its number among the code cells that run, from 1, as front ends show it.
    pub number: usize,
    /// How many of those there are.
    pub of: usize,
    /// Its place among all cells of the notebook, from 0.
    pub index: usize,
    pub source: String,
    pub error: CellError,
}

impl Failure {
    /// The cell's source around the line, and the error, for the terminal.
    pub fn describe(&self, colours: bool) -> String {
        let mut text = String::new();
        let place = self
            .error
            .line
            .map_or(String::new(), |line| format!(", line {line}"));
        let _ = writeln!(
            text,
            "\nCell {} of {} failed (cell {} of the notebook{place}):\n",
            self.number,
            self.of,
            self.index + 1
        );
        text.push_str(&self.excerpt());
        text.push('\n');
        let told = self.told();
        text.push_str(&if colours { told } else { ansi::strip(&told) });
        if !text.ends_with('\n') {
            text.push('\n');
        }
        text
    }

    /// One line, as compilers say it.
    pub fn summary(&self, notebook: &Path) -> String {
        let line = self
            .error
            .line
            .map_or(String::new(), |line| format!(", line {line}"));
        let why = ansi::strip(&self.error.evalue);
        let why = why
            .lines()
            .find(|line| !line.trim().is_empty())
            .unwrap_or("no message")
            .trim();
        let name = ansi::strip(&self.error.ename);
        let why = if why.starts_with(&name) {
            why.to_string()
        } else {
            format!("{name}: {why}")
        };
        format!("{}: cell {}{line}: {why}", notebook.display(), self.number)
    }

    /// The traceback, with the message before it if it is not part of it.
    fn told(&self) -> String {
        let traceback = self.error.traceback.join("\n");
        if !traceback.trim().is_empty()
            && ansi::strip(&traceback).contains(ansi::strip(&self.error.evalue).trim())
        {
            return traceback;
        }
        format!("{}: {}\n{traceback}", self.error.ename, self.error.evalue)
    }

    /// The line that failed between its neighbours; the start of the cell when no line is known.
    fn excerpt(&self) -> String {
        let lines: Vec<&str> = self.source.lines().collect();
        let (from, to) = match self.error.line {
            Some(line) => (line.saturating_sub(3), (line + 2).min(lines.len())),
            None => (0, lines.len().min(5)),
        };
        let width = to.to_string().len();
        let mut text = String::new();
        for (at, line) in lines.iter().enumerate().take(to).skip(from) {
            let mark = if self.error.line == Some(at + 1) { ">" } else { " " };
            let _ = writeln!(text, "{mark} {:>width$} | {line}", at + 1);
        }
        text
    }
}

/// The line that stands for a cell on the terminal: its first that is neither empty nor a comment.
pub fn first_line(source: &str) -> &str {
    let telling = |line: &&str| !line.is_empty() && !line.starts_with("//");
    source
        .lines()
        .map(str::trim)
        .find(telling)
        .or_else(|| source.lines().next())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn failure(line: Option<usize>, traceback: &[&str]) -> Failure {
        let error = CellError {
            ename: "E0308".to_string(),
            evalue: "mismatched types".to_string(),
            traceback: traceback.iter().map(|text| text.to_string()).collect(),
            line,
        };
        let source = "let a = 1;\nlet b: String = a;\nlet c = 3;\nlet d = 4;\nlet e = 5;\n".to_string();
        Failure {
            number: 3,
            of: 12,
            index: 5,
            source,
            error,
        }
    }

    #[test]
    fn number_line_source_and_error_are_told() {
        let text = failure(Some(2), &["\u{1b}[31merror\u{1b}[0m: mismatched types"]).describe(false);
        assert!(text.contains("Cell 3 of 12 failed (cell 6 of the notebook, line 2)"));
        assert!(text.contains("> 2 | let b: String = a;\n") && text.contains("  1 | let a = 1;\n"));
        assert!(text.contains("  4 | let d = 4;\n") && !text.contains("let e"));
        assert!(text.contains("error: mismatched types") && !text.contains('\u{1b}'));
        assert_eq!(text.matches("mismatched types").count(), 1);
    }

    #[test]
    fn an_error_without_line_or_traceback_is_told_too() {
        let failure = failure(None, &[]);
        assert!(failure.describe(true).contains("E0308: mismatched types"));
        assert_eq!(
            failure.summary(Path::new("a.ipynb")),
            "a.ipynb: cell 3: E0308: mismatched types"
        );
    }

    #[test]
    fn a_cell_is_named_by_its_first_telling_line() {
        assert_eq!(first_line("\n// comment\n  let x = 1;\n"), "let x = 1;");
        assert_eq!(first_line("// only"), "// only");
        assert_eq!(first_line(""), "");
    }
}
