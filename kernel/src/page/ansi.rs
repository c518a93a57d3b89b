//! Terminal output on a page: colours become spans, cursor movement is carried out or dropped.

use super::escape;
use std::fmt::Write as _;

/// Names of the eight terminal colours, in their code's order; also the ends of the CSS classes.
const COLOURS: [&str; 8] = [
    "black", "red", "green", "yellow", "blue", "magenta", "cyan", "white",
];

#[derive(Clone, Copy, PartialEq, Debug)]
enum Colour {
    /// One of the sixteen the reader's theme defines.
    Named(u8),
    Rgb(u8, u8, u8),
}

#[derive(Clone, Copy, PartialEq, Default, Debug)]
struct Style {
    front: Option<Colour>,
    back: Option<Colour>,
    bold: bool,
    faint: bool,
    italic: bool,
    underline: bool,
    struck: bool,
    inverse: bool,
}

/// Text with escape sequences as HTML: colours and weights as spans with classes, the rest escaped.
pub fn to_html(text: &str) -> String {
    let text = overwrite(text);
    let mut out = String::with_capacity(text.len() + 64);
    let mut style = Style::default();
    for piece in Pieces::of(&text) {
        match piece {
            Piece::Text(text) => match style.attributes() {
                Some(attributes) => {
                    let _ = write!(out, "<span{attributes}>{}</span>", escape::html(text));
                }
                None => out.push_str(&escape::html(text)),
            },
            Piece::Style(codes) => style.apply(codes),
        }
    }
    out
}

/// Text without its escape sequences.
pub fn strip(text: &str) -> String {
    Pieces::of(text)
        .filter_map(|piece| match piece {
            Piece::Text(text) => Some(text),
            Piece::Style(_) => None,
        })
        .collect()
}

/// What is left on the screen after carriage returns and backspaces: `10 %\r20 %` is `20 %`.
pub fn overwrite(text: &str) -> String {
    if !text.contains(['\r', '\u{8}']) {
        return text.to_string();
    }
    let text = text.replace("\r\n", "\n");
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        out.push_str(&overwrite_line(line));
        out.push_str(end);
    }
    out
}

fn overwrite_line(line: &str) -> String {
    if !line.contains(['\r', '\u{8}']) {
        return line.to_string();
    }
    // A return before nothing new leaves the line as it was.
    let line = line.trim_end_matches('\r');
    let shown = line.rsplit('\r').next().unwrap_or(line);
    let covered = line.len() > shown.len() && !shown.contains('\u{1b}');
    let mut cells: Vec<char> = Vec::new();
    for c in shown.chars() {
        match c {
            '\u{8}' => drop(cells.pop()),
            c => cells.push(c),
        }
    }
    if covered {
        // What stood further right than the new text reaches stays visible.
        let before = strip(&overwrite_line(&line[..line.len() - shown.len() - 1]));
        cells.extend(before.chars().skip(cells.len()));
    }
    cells.into_iter().collect()
}

impl Style {
    fn apply(&mut self, codes: &str) {
        let mut codes = codes
            .split([';', ':'])
            .map(|code| code.parse::<u16>().unwrap_or(0));
        while let Some(code) = codes.next() {
            match code {
                0 => *self = Style::default(),
                1 => self.bold = true,
                2 => self.faint = true,
                3 => self.italic = true,
                4 => self.underline = true,
                7 => self.inverse = true,
                9 => self.struck = true,
                21 | 22 => (self.bold, self.faint) = (false, false),
                23 => self.italic = false,
                24 => self.underline = false,
                27 => self.inverse = false,
                29 => self.struck = false,
                30..=37 => self.front = Some(Colour::Named((code - 30) as u8)),
                38 => self.front = extended(&mut codes).or(self.front),
                39 => self.front = None,
                40..=47 => self.back = Some(Colour::Named((code - 40) as u8)),
                48 => self.back = extended(&mut codes).or(self.back),
                49 => self.back = None,
                90..=97 => self.front = Some(Colour::Named((code - 82) as u8)),
                100..=107 => self.back = Some(Colour::Named((code - 92) as u8)),
                _ => {}
            }
        }
    }

    fn attributes(&self) -> Option<String> {
        if *self == Style::default() {
            return None;
        }
        let mut classes = Vec::new();
        let mut inline = String::new();
        for (flag, class) in [
            (self.bold, "a-bold"),
            (self.faint, "a-faint"),
            (self.italic, "a-italic"),
            (self.underline, "a-underline"),
            (self.struck, "a-struck"),
            (self.inverse, "a-inverse"),
        ] {
            if flag {
                classes.push(class.to_string());
            }
        }
        for (colour, class, property) in [
            (self.front, "a-", "color"),
            (self.back, "a-on-", "background-color"),
        ] {
            match colour {
                Some(Colour::Named(n)) => {
                    let bright = if n >= 8 { "bright-" } else { "" };
                    classes.push(format!("{class}{bright}{}", COLOURS[n as usize % 8]));
                }
                Some(Colour::Rgb(r, g, b)) => {
                    let _ = write!(inline, "{property}:rgb({r},{g},{b});");
                }
                None => {}
            }
        }
        let mut attributes = String::new();
        if !classes.is_empty() {
            let _ = write!(attributes, " class=\"{}\"", classes.join(" "));
        }
        if !inline.is_empty() {
            let _ = write!(attributes, " style=\"{inline}\"");
        }
        Some(attributes)
    }
}

/// The colour after code 38 or 48: `5;n` from the palette of 256, or `2;r;g;b`.
fn extended(codes: &mut impl Iterator<Item = u16>) -> Option<Colour> {
    let byte = |code: Option<u16>| code.map(|code| code.min(255) as u8);
    match codes.next()? {
        5 => Some(match byte(codes.next())? {
            n @ 0..=15 => Colour::Named(n),
            n @ 16..=231 => {
                let level = |n: u8| if n == 0 { 0 } else { 55 + 40 * n };
                Colour::Rgb(level((n - 16) / 36), level((n - 16) / 6 % 6), level((n - 16) % 6))
            }
            n => {
                let grey = 8 + 10 * (n - 232);
                Colour::Rgb(grey, grey, grey)
            }
        }),
        2 => Some(Colour::Rgb(
            byte(codes.next())?,
            byte(codes.next())?,
            byte(codes.next())?,
        )),
        _ => None,
    }
}

enum Piece<'a> {
    Text(&'a str),
    /// The parameters of a colour sequence, `1;31` of `ESC[1;31m`.
    Style(&'a str),
}

/// Splits text at its escape sequences; those that set no style are dropped.
struct Pieces<'a> {
    rest: &'a str,
}

impl<'a> Pieces<'a> {
    fn of(text: &'a str) -> Self {
        Self { rest: text }
    }
}

impl<'a> Iterator for Pieces<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let text = self.rest.find('\u{1b}').unwrap_or(self.rest.len());
            if text > 0 {
                let (piece, rest) = self.rest.split_at(text);
                self.rest = rest;
                return Some(Piece::Text(piece));
            }
            let (style, length) = sequence(self.rest);
            self.rest = &self.rest[length..];
            if let Some(codes) = style {
                return Some(Piece::Style(codes));
            }
        }
    }
}

/// The escape sequence that `text` starts with: its colour codes, if it is one that sets them, and its length.
fn sequence(text: &str) -> (Option<&str>, usize) {
    let bytes = text.as_bytes();
    match bytes.get(1) {
        Some(b'[') => {
            let end = bytes[2..]
                .iter()
                .position(|b| (0x40..=0x7e).contains(b))
                .map(|at| at + 2);
            match end {
                Some(end) if bytes[end] == b'm' => (Some(&text[2..end]), end + 1),
                Some(end) => (None, end + 1),
                None => (None, text.len()),
            }
        }
        // An operating system command, such as a link, ends with BEL or ESC backslash.
        Some(b']') => {
            let end = text.find('\u{7}').map(|at| at + 1);
            let other = text.find("\u{1b}\\").map(|at| at + 2);
            (
                None,
                [end, other].into_iter().flatten().min().unwrap_or(text.len()),
            )
        }
        Some(b) if b.is_ascii() => (None, 2),
        _ => (None, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_become_spans_and_end() {
        assert_eq!(
            to_html("\u{1b}[1;31merror\u{1b}[0m: <T>"),
            "<span class=\"a-bold a-red\">error</span>: &lt;T&gt;"
        );
        assert_eq!(
            to_html("\u{1b}[38;5;9mx\u{1b}[m"),
            "<span class=\"a-bright-red\">x</span>"
        );
        assert_eq!(
            to_html("\u{1b}[38;2;1;2;3;48;5;231mx"),
            "<span style=\"color:rgb(1,2,3);background-color:rgb(255,255,255);\">x</span>"
        );
    }

    #[test]
    fn other_sequences_leave_nothing() {
        let text = "a\u{1b}[2Kb\u{1b}]8;;file:///x\u{7}c\u{1b}]8;;\u{1b}\\d\u{1b}Me";
        assert_eq!(strip(text), "abcde");
        assert_eq!(to_html(text), "abcde");
        assert_eq!(strip("cut \u{1b}[3"), "cut ");
        assert_eq!(strip("lone \u{1b}é"), "lone é");
    }

    #[test]
    fn returns_overwrite_from_the_left() {
        assert_eq!(overwrite("10 %\r20 %\ndone\r\n"), "20 %\ndone\n");
        assert_eq!(overwrite("abcdef\rxy"), "xycdef");
        assert_eq!(overwrite("abc\r"), "abc");
        assert_eq!(overwrite("ab\u{8}c"), "ac");
    }
}
