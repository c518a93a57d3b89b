//! The cell's own lines, with carets below.

pub const RED: &str = "\u{1b}[1;31m";
pub const YELLOW: &str = "\u{1b}[1;33m";
pub const BLUE: &str = "\u{1b}[1;34m";
pub const BOLD: &str = "\u{1b}[1m";
pub const PLAIN: &str = "\u{1b}[0m";

/// A place in the cell; lines and columns count from 1.
pub struct Mark {
    pub line: usize,
    pub column: usize,
    pub width: usize,
    pub label: String,
    pub primary: bool,
}

/// Puts marks in the order of the cell.
pub fn sort(marks: &mut [Mark]) {
    marks.sort_by_key(|mark| (mark.line, std::cmp::Reverse(mark.column)));
}

/// Where the marks are and the lines that they are in; nothing where there is none.
pub fn place_and_lines(marks: &[Mark], cell: &str) -> Vec<String> {
    let Some(main) = marks.iter().find(|mark| mark.primary).or(marks.first()) else {
        return Vec::new();
    };
    let place = format!("{BLUE}  --> {PLAIN}line {}, column {}", main.line, main.column);
    std::iter::once(place).chain(lines(marks, cell)).collect()
}

fn lines(marks: &[Mark], cell: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut shown = 0;
    for mark in marks {
        let text = cell.lines().nth(mark.line.saturating_sub(1)).unwrap_or_default();
        if mark.line != shown {
            if shown != 0 && mark.line > shown + 1 {
                out.push(format!("{BLUE}   ...{PLAIN}"));
            }
            out.push(format!("{BLUE}{:4} | {PLAIN}{text}", mark.line));
            shown = mark.line;
        }
        // Tabs stay tabs, so that the caret stands under its column.
        let pad: String = text
            .chars()
            .take(mark.column.saturating_sub(1))
            .map(|c| if c == '\t' { '\t' } else { ' ' })
            .collect();
        let (color, sign) = if mark.primary { (RED, "^") } else { (BLUE, "-") };
        let label = mark.label.lines().next().unwrap_or_default();
        out.push(format!(
            "{BLUE}     | {PLAIN}{pad}{color}{} {label}{PLAIN}",
            sign.repeat(mark.width)
        ));
    }
    out
}

/// A line of the cell alone.
pub fn excerpt(cell: &str, line: usize) -> Vec<String> {
    let text = cell.lines().nth(line - 1).unwrap_or_default();
    vec![
        format!("{BLUE}  --> {PLAIN}line {line}"),
        format!("{BLUE}{line:4} | {PLAIN}{text}"),
    ]
}

/// A line (or more) below the code.
pub fn remark(kind: &str, text: &str) -> String {
    let text = text.replace('\n', "\n           ");
    format!("{BLUE}   = {PLAIN}{BOLD}{kind}{PLAIN}: {text}")
}
