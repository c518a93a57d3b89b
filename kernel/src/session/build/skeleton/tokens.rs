//! Rust source as tokens, as far as a skeleton has to know them.

/// What a token is.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Kind {
    Space,
    Comment,
    Doc,
    Word,
    Literal,
    Sign,
}

/// A piece of source.
#[derive(Clone, Copy)]
pub struct Token<'a> {
    pub kind: Kind,
    pub text: &'a str,
    /// For an opening bracket, the index of the closing one.
    pub close: usize,
}

/// Splits into tokens and pairs the brackets; nothing when they do not pair.
pub fn tokens(source: &str) -> Option<Vec<Token<'_>>> {
    let bytes = source.as_bytes();
    let mut tokens: Vec<Token<'_>> = Vec::with_capacity(bytes.len() / 3);
    let mut open: Vec<usize> = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        let (kind, end) = token(source, at)?;
        let text = &source[at..end];
        let index = tokens.len();
        if kind == Kind::Sign {
            match text {
                "(" | "[" | "{" => open.push(index),
                ")" | "]" | "}" => {
                    let start = open.pop()?;
                    let pair = format!("{}{text}", tokens[start].text);
                    if !["()", "[]", "{}"].contains(&pair.as_str()) {
                        return None;
                    }
                    tokens[start].close = index;
                }
                _ => {}
            }
        }
        tokens.push(Token { kind, text, close: 0 });
        at = end;
    }
    open.is_empty().then_some(tokens)
}

fn token(source: &str, at: usize) -> Option<(Kind, usize)> {
    let rest = &source[at..];
    let first = rest.chars().next()?;
    if first.is_whitespace() {
        let end = rest.find(|c: char| !c.is_whitespace()).unwrap_or(rest.len());
        return Some((Kind::Space, at + end));
    }
    if rest.starts_with("//") {
        let end = rest.find('\n').unwrap_or(rest.len());
        let doc = (rest.starts_with("///") && !rest.starts_with("////")) || rest.starts_with("//!");
        return Some((if doc { Kind::Doc } else { Kind::Comment }, at + end));
    }
    if rest.starts_with("/*") {
        let doc = (rest.starts_with("/**") && !rest.starts_with("/***") && !rest.starts_with("/**/"))
            || rest.starts_with("/*!");
        let (bytes, mut depth, mut end) = (rest.as_bytes(), 0, 0);
        loop {
            match bytes.get(end..end + 2)? {
                b"/*" => (depth, end) = (depth + 1, end + 2),
                b"*/" => (depth, end) = (depth - 1, end + 2),
                _ => end += 1,
            }
            if depth == 0 {
                break;
            }
        }
        return Some((if doc { Kind::Doc } else { Kind::Comment }, at + end));
    }
    if let Some(length) = string(rest) {
        return Some((Kind::Literal, at + length));
    }
    if first == '\'' {
        let mut chars = rest[1..].char_indices();
        let (_, second) = chars.next()?;
        let (after, third) = chars.next().unwrap_or((rest.len() - 1, ' '));
        if second == '\\' {
            // The escaped sign may itself be a quote.
            let from = 1 + after + third.len_utf8();
            return Some((Kind::Literal, at + from + rest[from..].find('\'')? + 1));
        }
        if third == '\'' {
            return Some((Kind::Literal, at + after + 2));
        }
        let end = rest[1..]
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .map_or(rest.len(), |end| end + 1);
        return Some((Kind::Literal, at + end.max(2)));
    }
    if first.is_alphabetic() || first == '_' {
        let end = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        return Some((Kind::Word, at + end));
    }
    if first.is_ascii_digit() {
        let end = rest
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(rest.len());
        return Some((Kind::Literal, at + end));
    }
    Some((Kind::Sign, at + first.len_utf8()))
}

/// The length of the string literal that `rest` starts with.
fn string(rest: &str) -> Option<usize> {
    let prefix = rest.find(|c: char| !matches!(c, 'b' | 'c' | 'r'))?;
    if prefix > 2 {
        return None;
    }
    let (raw, after) = (rest[..prefix].contains('r'), &rest[prefix..]);
    let byte = rest.starts_with("b'");
    if raw {
        let hashes = after.find(|c| c != '#')?;
        if !after[hashes..].starts_with('"') {
            return None;
        }
        let end = format!("\"{}", "#".repeat(hashes));
        let body = prefix + hashes + 1;
        return Some(body + rest[body..].find(&end)? + end.len());
    }
    let quote = if byte {
        b'\''
    } else if after.starts_with('"') {
        b'"'
    } else {
        return None;
    };
    let (bytes, mut end) = (rest.as_bytes(), prefix + 1);
    while *bytes.get(end)? != quote {
        end += if bytes[end] == b'\\' { 2 } else { 1 };
    }
    Some(end + 1)
}
