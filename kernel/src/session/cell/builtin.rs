//! Macros of the language that ask for the source file: a cell's is not the one that its user knows.

use ra_ap_syntax::{SyntaxKind, SyntaxNode, SyntaxToken};
use std::path::PathBuf;

/// Where a cell stands.
#[derive(Default)]
pub struct Around {
    /// Its execution count; 0 when it has none.
    pub number: usize,
    /// The notebook's folder.
    pub folder: PathBuf,
}

/// What is to be written in whose place, in bytes of the text that `node` is in, of which the first line ends nowhere
/// before the cell.
pub fn edits(
    node: &SyntaxNode,
    around: &Around,
    line: impl Fn(usize) -> usize,
) -> Vec<(usize, usize, String)> {
    let tokens = node.descendants_with_tokens().filter_map(|it| it.into_token());
    let tokens: Vec<SyntaxToken> = tokens.filter(|token| !token.kind().is_trivia()).collect();
    let is = |at: usize, kind: SyntaxKind| {
        tokens
            .get(at)
            .is_some_and(|token: &SyntaxToken| token.kind() == kind)
    };
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let call = token.kind() == SyntaxKind::IDENT
            && is(at + 1, SyntaxKind::BANG)
            && is(at + 2, SyntaxKind::L_PAREN);
        if !call {
            continue;
        }
        let start = usize::from(token.text_range().start());
        let empty = is(at + 3, SyntaxKind::R_PAREN);
        let whole = |text: String| {
            let end = usize::from(tokens[at + 3].text_range().end());
            (start, end - start, text)
        };
        match token.text() {
            "line" if empty => found.push(whole(format!("{}u32", line(start)))),
            "file" if empty => found.push(whole(match around.number {
                0 => "\"a cell\"".to_owned(),
                number => format!("\"cell [{number}]\""),
            })),
            "include_str" | "include_bytes" if is(at + 3, SyntaxKind::STRING) => {
                let path = &tokens[at + 3];
                let named = path.text().trim_matches('"');
                // An escape is left to the compiler, and so is a path that is whole.
                if path.text().starts_with('"') && !named.contains('\\') && !named.starts_with('/') {
                    let text = format!("{:?}", around.folder.join(named).display().to_string());
                    found.push((
                        path.text_range().start().into(),
                        path.text_range().len().into(),
                        text,
                    ));
                }
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use ra_ap_syntax::{AstNode as _, Edition, SourceFile};

    fn edited(code: &str) -> String {
        let file = SourceFile::parse(code, Edition::Edition2024).tree();
        let around = Around {
            number: 3,
            folder: "/notes".into(),
        };
        let line = |at: usize| code[..at].matches('\n').count() + 1;
        let mut out = code.to_owned();
        for (at, removed, text) in edits(file.syntax(), &around, line).into_iter().rev() {
            out.replace_range(at..at + removed, &text);
        }
        out
    }

    #[test]
    fn the_cell_answers_in_the_place_of_the_source_file() {
        assert_eq!(
            edited("fn f() {\n g(line!(), file!());\n println!(\"{}\", line!()) }"),
            "fn f() {\n g(2u32, \"cell [3]\");\n println!(\"{}\", 3u32) }"
        );
        assert_eq!(
            edited("const A: &str = include_str!(\"data/a.txt\"); const B: &[u8] = include_bytes!(\"/b\");"),
            "const A: &str = include_str!(\"/notes/data/a.txt\"); const B: &[u8] = include_bytes!(\"/b\");"
        );
        let plain = "fn line() { \"line!()\"; line(); file.line }";
        assert_eq!(edited(plain), plain);
    }
}
