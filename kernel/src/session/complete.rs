//! Whether a cell is whole, or its author is still writing (for consoles: Enter runs it or adds a line).

/// What a console should do with the code so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// Run it.
    Complete,
    /// Ask for another line, which starts with this.
    Incomplete {
        /// Spaces, four for each open bracket.
        indent: String,
    },
    /// A bracket closes what was not opened; running it shows the error.
    Invalid,
}

/// Follows brackets, text and comments; the rest of the grammar is rustc's business.
pub fn is_complete(code: &str) -> Completeness {
    match end_of(code) {
        End::Stray { .. } => Completeness::Invalid,
        End::Inside { .. } => Completeness::Incomplete {
            indent: String::new(),
        },
        End::Open { depth, .. } => Completeness::Incomplete {
            indent: "    ".repeat(depth),
        },
        End::Waiting => Completeness::Incomplete {
            indent: "    ".into(),
        },
        End::Whole => Completeness::Complete,
    }
}

/// How it is told that a bracket is one too many.
pub const STRAY: &str = "unexpected closing";

/// What an unfinished cell lacks, or which bracket is one too many, in a few words, and the place of what it is about: a line from 1, a column from 1.
pub fn unfinished(code: &str) -> Option<(String, usize, usize)> {
    let (said, at) = match end_of(code) {
        End::Inside { at } => ("text or a comment begins here and does not end".to_owned(), at),
        End::Open { bracket, at, .. } => (format!("unclosed `{bracket}`"), at),
        End::Waiting => {
            let last = code.trim_end().char_indices().next_back()?.0;
            ("the cell ends where something should follow".to_owned(), last)
        }
        End::Stray { bracket, at } => (format!("{STRAY} `{bracket}`"), at),
        End::Whole => return None,
    };
    let before = &code[..at];
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    Some((said, line, column))
}

/// How code ends; places are in bytes.
enum End {
    Whole,
    /// By an operator, a dot, an attribute: something must follow.
    Waiting,
    /// In text or a comment that began there.
    Inside {
        at: usize,
    },
    /// In so many brackets, of which the innermost stands there.
    Open {
        bracket: char,
        at: usize,
        depth: usize,
    },
    /// This bracket closes what was not opened.
    Stray {
        bracket: char,
        at: usize,
    },
}

fn end_of(code: &str) -> End {
    let mut scanner = Scanner {
        rest: code.char_indices().collect(),
        at: 0,
    };
    let mut open = Vec::new();
    let mut last = ' ';
    loop {
        let at = scanner.place();
        let Some(c) = scanner.next() else { break };
        let whole = match c {
            '/' if scanner.peek() == Some('/') => {
                scanner.skip_line();
                continue;
            }
            '/' if scanner.peek() == Some('*') => scanner.skip_comment(),
            '"' => scanner.skip_text(),
            '\'' => {
                scanner.skip_char_or_lifetime();
                true
            }
            '(' | '[' | '{' => {
                open.push((c, at));
                true
            }
            ')' | ']' | '}' => {
                let expected = match c {
                    ')' => '(',
                    ']' => '[',
                    _ => '{',
                };
                if open.pop().is_none_or(|(bracket, _)| bracket != expected) {
                    return End::Stray { bracket: c, at };
                }
                true
            }
            c if c.is_alphabetic() || c == '_' => scanner.skip_word(c),
            _ => true,
        };
        if !whole {
            return End::Inside { at };
        }
        if !c.is_whitespace() {
            last = c;
        }
    }
    if let Some(&(bracket, at)) = open.last() {
        let depth = open.len();
        return End::Open { bracket, at, depth };
    }
    // A line that ends in an operator, or a chain that goes on, is not the end.
    let waits = matches!(last, '.' | '=' | '+' | '-' | '*' | '&' | '|' | ',' | ':' | '<')
        && !code.trim_start().starts_with(':');
    if waits || ends_with_attribute(code) || ends_in_a_head(code) {
        return End::Waiting;
    }
    End::Whole
}

/// Whether the last line begins what has a block, and has none yet, or ends in a word that needs another.
fn ends_in_a_head(code: &str) -> bool {
    const HEADS: [&str; 14] = [
        "async", "const", "enum", "fn", "for", "if", "impl", "loop", "match", "mod", "pub", "trait",
        "unsafe", "while",
    ];
    const JOINTS: [&str; 6] = ["as", "else", "in", "let", "mut", "where"];
    let last = code.trim_end().lines().last().unwrap_or_default().trim();
    // Words of text or of a comment say nothing.
    if last.contains('"') || last.contains("//") || last.ends_with("*/") {
        return false;
    }
    let words: Vec<&str> = last.split_whitespace().collect();
    let head = words.first().is_some_and(|word| HEADS.contains(word));
    let joint = words.last().is_some_and(|word| JOINTS.contains(word));
    (head && !last.contains(['{', '}', ';'])) || joint
}

fn ends_with_attribute(code: &str) -> bool {
    let last = code.trim_end().lines().last().unwrap_or_default().trim();
    last.starts_with("#[") && last.ends_with(']')
}

struct Scanner {
    rest: Vec<(usize, char)>,
    at: usize,
}

impl Scanner {
    /// Where the next character begins.
    fn place(&self) -> usize {
        self.rest.get(self.at).map_or(0, |(place, _)| *place)
    }

    fn next(&mut self) -> Option<char> {
        let c = self.rest.get(self.at)?.1;
        self.at += 1;
        Some(c)
    }

    fn peek(&self) -> Option<char> {
        self.peek_at(0)
    }

    fn peek_at(&self, ahead: usize) -> Option<char> {
        self.rest.get(self.at + ahead).map(|(_, c)| *c)
    }

    fn skip_line(&mut self) {
        while self.next().is_some_and(|c| c != '\n') {}
    }

    /// After `/` of `/*`; comments nest.
    fn skip_comment(&mut self) -> bool {
        self.at += 1;
        let mut depth = 1;
        while depth > 0 {
            match (self.next(), self.peek()) {
                (None, _) => return false,
                (Some('/'), Some('*')) => {
                    self.at += 1;
                    depth += 1;
                }
                (Some('*'), Some('/')) => {
                    self.at += 1;
                    depth -= 1;
                }
                _ => {}
            }
        }
        true
    }

    /// After the opening quote.
    fn skip_text(&mut self) -> bool {
        loop {
            match self.next() {
                None => return false,
                Some('"') => return true,
                Some('\\') => drop(self.next()),
                Some(_) => {}
            }
        }
    }

    /// After `'`: a character ends with another one, a lifetime does not.
    fn skip_char_or_lifetime(&mut self) {
        if self.peek() == Some('\\') {
            self.at += 2;
            while self.next().is_some_and(|c| c != '\'' && c != '\n') {}
        } else if self.peek_at(1) == Some('\'') {
            self.at += 2;
        }
    }

    /// A word; `r"..."`, `r#"..."#`, `b"..."` and their like are text.
    fn skip_word(&mut self, first: char) -> bool {
        let mut word = String::from(first);
        while let Some(c) = self.peek().filter(|c| c.is_alphanumeric() || *c == '_') {
            word.push(c);
            self.at += 1;
        }
        match word.as_str() {
            "r" | "br" | "cr" => {
                let hashes = (0..)
                    .take_while(|ahead| self.peek_at(*ahead) == Some('#'))
                    .count();
                if self.peek_at(hashes) != Some('"') {
                    return true;
                }
                self.at += hashes + 1;
                self.skip_raw_text(hashes)
            }
            _ => true,
        }
    }

    fn skip_raw_text(&mut self, hashes: usize) -> bool {
        while let Some(c) = self.next() {
            if c == '"' && (0..hashes).all(|ahead| self.peek_at(ahead) == Some('#')) {
                self.at += hashes;
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_cells() {
        for code in [
            "",
            "1 + 1",
            "let x = '}';",
            "let s = \"{\";",
            "fn f<'a>(x: &'a str) -> &'a str { x }",
            "// {",
            "/* { /* ( */ */ 1",
            r##"let s = r#"a " { "#;"##,
            "let c = '\\'';",
            "let b = b'{'; let t = br\"(\";",
            ":dep rand = \"0.9\"",
            "let a = [1, 2];\na",
            "let q = '\"';",
            "r#type()",
            "let r = 1;",
            ":vars",
            "let s = \"\\\"{\";",
            "for i in 0..3 { f(i) }",
            "format!(\"it is in\")",
            "mod_2 + format_x",
            "x // which one to sort in",
            "const N: i32 = 1;",
            "if a { b } else { c }",
        ] {
            assert_eq!(is_complete(code), Completeness::Complete, "{code}");
        }
    }

    #[test]
    fn cells_that_go_on() {
        for code in [
            "fn f() {",
            "let s = \"a",
            "let s = r#\"a\"",
            "/* a /* b */",
            "let x = f(1,",
            "frame\n    .",
            "let x =",
            "#[derive(Debug)]",
            "a &&",
            "let v = vec![1, 2",
            "let n = 1;\nfor i in 0..n",
            "pub fn f()",
            "if true { 1 } else",
            "x as",
            "unsafe",
            "fn f<T>(t: T)\nwhere",
        ] {
            assert!(
                matches!(is_complete(code), Completeness::Incomplete { .. }),
                "{code}"
            );
        }
        let Completeness::Incomplete { indent } = is_complete("for i in 0..3 { if i > 1 {") else {
            panic!()
        };
        assert_eq!(indent.len(), 8);
    }

    #[test]
    fn what_is_unfinished_has_a_place() {
        let place = |code| unfinished(code).map(|(said, line, column)| (said, (line, column)));
        let found = |code, said: &str, at| assert_eq!(place(code), Some((said.to_owned(), at)), "{code}");
        found("let é = 1;\nprintln!(\"é\"", "unclosed `(`", (2, 9));
        found("if true { f()", "unclosed `{`", (1, 9));
        found(
            "let x = 5;\nx +\n",
            "the cell ends where something should follow",
            (2, 3),
        );
        found(
            "1;\n \"a",
            "text or a comment begins here and does not end",
            (2, 2),
        );
        found("f();\n let a = 1;)", "unexpected closing `)`", (2, 12));
        found("} fn g() {", "unexpected closing `}`", (1, 1));
        assert_eq!(place("let x = 1;"), None);
    }

    #[test]
    fn cells_that_cannot_be_saved() {
        assert_eq!(is_complete("let x = (1, 2];"), Completeness::Invalid);
        assert_eq!(is_complete("}"), Completeness::Invalid);
    }
}
