//! Small tables: aligned text for a terminal, HTML for a page.

use super::html::escape_html;
use super::{Bundle, Show};

/// Lines and soft backgrounds that can be seen on white and on black.
pub(crate) const RULE_COLOR: &str = "rgba(128,128,128,0.35)";
const MUTED: &str = "opacity:0.65";
/// Columns a text cell may take; the HTML form is not cut.
const TEXT_CELL: usize = 48;

/// Which edge a column's cells keep to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    pub(crate) text: String,
    /// Set back: a missing value, an ellipsis.
    pub(crate) muted: bool,
    /// CSS background, with the text colour that reads on it.
    pub(crate) shade: Option<(String, &'static str)>,
}

impl Cell {
    pub(crate) fn plain(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            ..Self::default()
        }
    }

    pub(crate) fn muted(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            muted: true,
            shade: None,
        }
    }
}

/// A table that reads well as text and as HTML. Columns of numbers keep to the right by themselves.
///
/// ```
/// use jook::show::{Show, Table};
/// let table = Table::new(["class", "examples"]).row(["zero", "178"]).row(["one", "182"]);
/// assert!(table.bundle().plain().contains("zero        178"));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Table {
    headers: Vec<String>,
    types: Vec<String>,
    rows: Vec<Vec<Cell>>,
    aligned: Vec<(usize, Align)>,
    caption: Option<String>,
    note: Option<String>,
}

impl Table {
    /// A table with these column names and no rows yet.
    pub fn new<H: ToString>(headers: impl IntoIterator<Item = H>) -> Self {
        Self {
            headers: headers.into_iter().map(|h| h.to_string()).collect(),
            ..Self::default()
        }
    }

    /// Adds a row. Missing cells stay empty; extra ones widen the table.
    pub fn row<C: ToString>(self, cells: impl IntoIterator<Item = C>) -> Self {
        self.cells(cells.into_iter().map(|c| Cell::plain(c.to_string())).collect())
    }

    pub(crate) fn cells(mut self, cells: Vec<Cell>) -> Self {
        while self.headers.len() < cells.len() {
            self.headers.push(String::new());
        }
        self.rows.push(cells);
        self
    }

    /// A second, quieter line under the column names, such as their types.
    pub fn types<T: ToString>(mut self, types: impl IntoIterator<Item = T>) -> Self {
        self.types = types.into_iter().map(|t| t.to_string()).collect();
        self
    }

    /// Fixes the edge of a column (counted from 0).
    pub fn align(mut self, column: usize, align: Align) -> Self {
        self.aligned.push((column, align));
        self
    }

    /// A line above the table that says what it is.
    pub fn caption(mut self, caption: impl Into<String>) -> Self {
        self.caption = Some(caption.into());
        self
    }

    /// A quiet line below the table.
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    fn alignment(&self, column: usize) -> Align {
        if let Some((_, align)) = self.aligned.iter().rev().find(|(c, _)| *c == column) {
            return *align;
        }
        let mut words = self.rows.iter().filter_map(|row| row.get(column));
        let mut said = words
            .by_ref()
            .filter(|c| !c.muted && !c.text.is_empty())
            .peekable();
        match said.peek().is_some() && said.all(|cell| is_number(&cell.text)) {
            true => Align::Right,
            false => Align::Left,
        }
    }

    /// The table as text in aligned columns.
    pub fn to_text(&self) -> String {
        let line = |cells: Vec<String>| -> Vec<String> { cells.iter().map(|c| one_line(c)).collect() };
        let mut lines = vec![line(self.headers.clone())];
        if !self.types.is_empty() {
            lines.push(line(self.types.clone()));
        }
        let head = lines.len();
        let texts = |row: &Vec<Cell>| line(row.iter().map(|cell| cell.text.clone()).collect());
        lines.extend(self.rows.iter().map(texts));
        let columns = self.headers.len();
        let widths: Vec<usize> = (0..columns)
            .map(|c| {
                lines
                    .iter()
                    .filter_map(|l| l.get(c))
                    .map(|t| width(t))
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let aligns: Vec<Align> = (0..columns).map(|c| self.alignment(c)).collect();
        let mut out = String::new();
        if let Some(caption) = &self.caption {
            out += &format!("{caption}\n");
        }
        for (i, cells) in lines.iter().enumerate() {
            let mut text = String::new();
            for c in 0..columns {
                let cell = cells.get(c).map_or("", String::as_str);
                let pad = " ".repeat(widths[c] - width(cell));
                text += if c > 0 { "  " } else { "" };
                text += &match aligns[c] {
                    Align::Left => format!("{cell}{pad}"),
                    Align::Right => format!("{pad}{cell}"),
                };
            }
            out += text.trim_end();
            out.push('\n');
            if i + 1 == head {
                let total = widths.iter().sum::<usize>() + 2 * columns.saturating_sub(1);
                out += &format!("{}\n", "─".repeat(total));
            }
        }
        if let Some(note) = &self.note {
            out += &format!("{note}\n");
        }
        out.truncate(out.trim_end_matches('\n').len());
        out
    }

    /// The table as HTML. Every style is on its element, so that none reaches the page around it.
    pub fn to_html(&self) -> String {
        let columns = self.headers.len();
        let aligns: Vec<&str> = (0..columns)
            .map(|c| match self.alignment(c) {
                Align::Left => "left",
                Align::Right => "right",
            })
            .collect();
        let mut out = String::from("<div style=\"max-width:100%;overflow-x:auto\">");
        if let Some(caption) = &self.caption {
            out += &format!(
                "<div style=\"font-weight:600;margin:2px 0\">{}</div>",
                escape_html(caption)
            );
        }
        if columns > 0 {
            out += "<table style=\"border-collapse:collapse;table-layout:auto;width:auto;margin:2px 0;font-size:0.92em;\
                    font-variant-numeric:tabular-nums;color:inherit\"><thead>";
            out += &head_row(&self.headers, &aligns, "font-weight:600", self.types.is_empty());
            if !self.types.is_empty() {
                let quiet = format!("font-weight:400;font-size:0.85em;{MUTED}");
                out += &head_row(&self.types, &aligns, &quiet, true);
            }
            out += "</thead><tbody>";
            for row in &self.rows {
                out += "<tr>";
                for (c, align) in aligns.iter().enumerate() {
                    out += &body_cell(row.get(c), align);
                }
                out += "</tr>";
            }
            out += "</tbody></table>";
        }
        if let Some(note) = &self.note {
            out += &format!(
                "<div style=\"font-size:0.85em;{MUTED}\">{}</div>",
                escape_html(note)
            );
        }
        out + "</div>"
    }
}

impl Show for Table {
    fn bundle(&self) -> Bundle {
        Bundle::text(self.to_text()).html(self.to_html())
    }
}

/// A table of text as self-contained HTML, escaped.
pub fn table_html<H: AsRef<str>, C: AsRef<str>>(headers: &[H], rows: &[Vec<C>]) -> String {
    let start = Table::new(headers.iter().map(AsRef::as_ref));
    let add = |table: Table, row: &Vec<C>| table.row(row.iter().map(AsRef::as_ref));
    rows.iter().fold(start, add).to_html()
}

fn head_row(texts: &[String], aligns: &[&str], style: &str, last: bool) -> String {
    let line = match last {
        true => format!(";border-bottom:1px solid {RULE_COLOR}"),
        false => String::new(),
    };
    let cell = |(c, align): (usize, &&str)| {
        let text = escape_html(texts.get(c).map_or("", String::as_str));
        format!("<th style=\"text-align:{align};padding:2px 10px;{style}{line}\">{text}</th>")
    };
    let cells: String = aligns.iter().enumerate().map(cell).collect();
    format!("<tr style=\"background:none\">{cells}</tr>")
}

fn body_cell(cell: Option<&Cell>, align: &str) -> String {
    let mut style = format!("text-align:{align};padding:2px 10px");
    let Some(cell) = cell else {
        return format!("<td style=\"{style}\"></td>");
    };
    if cell.muted {
        style += &format!(";{MUTED}");
    }
    if let Some((background, ink)) = &cell.shade {
        style += &format!(";background:{background};color:{ink}");
    }
    format!(
        "<td style=\"{style}\">{}</td>",
        escape_html(&cell.text).replace('\n', "<br>")
    )
}

fn is_number(text: &str) -> bool {
    let text = text.trim().trim_end_matches('%').trim_end();
    let start = text.split([' ', '±']).next().unwrap_or("");
    start.parse::<f64>().is_ok() || start == "∞" || start == "-∞"
}

/// A cell's text on one line, cut to a width that leaves room for the others.
fn one_line(text: &str) -> String {
    let flat: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    shorten(&flat, TEXT_CELL)
}

/// `text` in at most `columns` columns, the cut marked by an ellipsis.
pub(crate) fn shorten(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let (mut out, mut used) = (String::new(), 0);
    for c in text.chars() {
        used += char_width(c);
        if used + 1 > columns {
            break;
        }
        out.push(c);
    }
    out + "…"
}

/// Columns a text takes in a terminal.
pub(crate) fn width(text: &str) -> usize {
    text.chars().map(char_width).sum()
}

/// Columns of one character: East Asian wide forms and emoji take two, combining marks none
/// (the blocks of Unicode Standard Annex 11 that occur in practice).
fn char_width(c: char) -> usize {
    match c as u32 {
        0x0300..=0x036f | 0x200b..=0x200f | 0x20d0..=0x20ff | 0xfe00..=0xfe0f | 0xfe20..=0xfe2f => 0,
        0x1100..=0x115f
        | 0x2e80..=0x303e
        | 0x3041..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1f64f
        | 0x1f680..=0x1f6ff
        | 0x1f900..=0x1f9ff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}
