//! Which lines of a cell begin as code: what stands in a string or a comment is no command, whatever it looks like.

/// Follows a cell from line to line.
#[derive(Default)]
pub struct Reader {
    inside: Inside,
    /// Brackets that are open, and the most that were at once.
    open: usize,
    deepest: usize,
}

/// The most brackets within each other that the compiler is given: a few times as many overflow its stack, some ten
/// thousand that of whatever reads them.
const DEEPEST: usize = 1000;

/// Refuses code that nothing can read, in words for the user.
///
/// # Errors
/// When there are too many brackets within each other.
pub fn check_depth(code: &str) -> Result<(), String> {
    let mut reader = Reader::default();
    code.lines().for_each(|line| reader.read(line));
    match reader.deepest {
        depth if depth > DEEPEST => Err(format!(
            "{depth} brackets stand within each other in this cell, and the compiler reads about {DEEPEST}: name the inner parts by \
             a `let`"
        )),
        _ => Ok(()),
    }
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Inside {
    #[default]
    Code,
    /// So many comments within each other.
    Comment(usize),
    Text,
    /// Text that ends with a quote and so many `#`.
    RawText(usize),
}

impl Reader {
    /// Whether the line that comes next begins within a string or a comment.
    pub fn is_in_text(&self) -> bool {
        self.inside != Inside::Code
    }

    /// Whether the line that comes next begins within a string, a comment or brackets: what stands there is no command.
    pub fn is_within(&self) -> bool {
        self.is_in_text() || self.open > 0
    }

    /// Reads a line of code.
    pub fn read(&mut self, line: &str) {
        let mut rest = line;
        while !rest.is_empty() {
            rest = match self.inside {
                Inside::Code => self.code(rest),
                Inside::Comment(depth) => self.comment(rest, depth),
                Inside::Text => self.text(rest),
                Inside::RawText(hashes) => {
                    let end = format!("\"{}", "#".repeat(hashes));
                    match rest.split_once(&end) {
                        Some((_, after)) => {
                            self.inside = Inside::Code;
                            after
                        }
                        None => "",
                    }
                }
            };
        }
    }

    /// One token; what is left behind it.
    fn code<'a>(&mut self, rest: &'a str) -> &'a str {
        if rest.starts_with("//") {
            return "";
        }
        if let Some(after) = rest.strip_prefix("/*") {
            self.inside = Inside::Comment(1);
            return after;
        }
        if let Some(after) = rest.strip_prefix('"') {
            self.inside = Inside::Text;
            return after;
        }
        if let Some(after) = rest.strip_prefix('\'') {
            return character(after);
        }
        let word = rest.find(|c| !is_of_a_word(c)).unwrap_or(rest.len());
        if word == 0 {
            let mut chars = rest.chars();
            match chars.next() {
                Some('(' | '[' | '{') => {
                    self.open += 1;
                    self.deepest = self.deepest.max(self.open);
                }
                Some(')' | ']' | '}') => self.open = self.open.saturating_sub(1),
                _ => {}
            }
            return chars.as_str();
        }
        let (word, after) = rest.split_at(word);
        let hashes = after.len() - after.trim_start_matches('#').len();
        if matches!(word, "r" | "br" | "cr")
            && let Some(text) = after[hashes..].strip_prefix('"')
        {
            self.inside = Inside::RawText(hashes);
            return text;
        }
        after
    }

    fn comment<'a>(&mut self, rest: &'a str, depth: usize) -> &'a str {
        let opens = rest.find("/*").unwrap_or(rest.len());
        let closes = rest.find("*/").unwrap_or(rest.len());
        let at = opens.min(closes);
        if at == rest.len() {
            return "";
        }
        self.inside = match (opens < closes, depth) {
            (true, _) => Inside::Comment(depth + 1),
            (false, 1) => Inside::Code,
            (false, _) => Inside::Comment(depth - 1),
        };
        &rest[at + 2..]
    }

    fn text<'a>(&mut self, rest: &'a str) -> &'a str {
        let Some(at) = rest.find(['"', '\\']) else {
            return "";
        };
        if rest[at..].starts_with('"') {
            self.inside = Inside::Code;
            return &rest[at + 1..];
        }
        let mut chars = rest[at + 1..].chars();
        chars.next();
        chars.as_str()
    }
}

/// Whether a name goes on with it.
pub fn is_of_a_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || !c.is_ascii()
}

/// What is left behind a character or a lifetime, whose quote has been read.
fn character(after: &str) -> &str {
    let mut chars = after.chars();
    match (chars.next(), chars.next()) {
        (Some('\\'), Some(_)) => chars.as_str().split_once('\'').map_or("", |(_, rest)| rest),
        (Some(_), Some('\'')) => chars.as_str(),
        _ => after,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which lines begin in text.
    fn in_text(code: &str) -> Vec<bool> {
        let mut reader = Reader::default();
        let lines = code.lines().map(|line| {
            let inside = reader.is_in_text();
            reader.read(line);
            inside
        });
        lines.collect()
    }

    #[test]
    fn what_stands_in_brackets_is_no_command() {
        for (code, within) in [
            ("st!(\n:help\n)", true),
            ("st!{ a [\n] :help\n}", true),
            ("f('(', \"(\", 1);\n:help\n", false),
            (")\n:help\n", false),
        ] {
            let mut reader = Reader::default();
            let found: Vec<bool> = code
                .lines()
                .map(|line| {
                    let within = reader.is_within();
                    reader.read(line);
                    within
                })
                .collect();
            assert_eq!((found[0], found[1]), (false, within), "{code}");
        }
    }

    #[test]
    fn what_begins_in_text_is_found() {
        for code in [
            "let s = \"\n:help\n\";\n",
            "let s = r#\"a \" b\n:help\n\"#;",
            "/* a /* b */\n:help\n*/",
            "let s = \"\\\"\n!ls\\\\\"; f();\nlet t = 1;",
            "let a = br##\"\"#\n:help\"##;\n1",
            "let c = '\"'; let s = c\"x\n:help\n\"",
            "let s = \"x \\\n:help\n\";",
        ] {
            assert_eq!(&in_text(code)[..2], [false, true], "{code}");
            assert!(!in_text(&format!("{code}\n:after"))[code.lines().count()] || code.ends_with('"'));
        }
        let last = in_text("let s = \"\\\"\n!ls\\\\\"; f();\nlet t = 1;");
        assert!(!last[2]);
    }

    #[test]
    fn what_only_looks_like_text_is_code() {
        for code in [
            "let c = '\"';\n:help",
            "fn f<'a>(x: &'a str) {}\n:help",
            "let c = '\\'';\n:help",
            "let r#type = 1;\n:help",
            "// \"\n:help",
            "// /*\n:help",
            "let s = \"//\";\n:help",
            "/* \" */\n:help",
            "let c = '\\u{22}';\n:help",
            "let b = b'\"';\n:help",
            "'outer: loop {}\n:help",
        ] {
            assert_eq!(in_text(code), [false, false], "{code}");
        }
    }
}
