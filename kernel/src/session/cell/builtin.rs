//! Macros of the language that ask for the source file: a cell's is not the one that its user knows.

use ra_ap_syntax::ast::{self, HasAttrs as _, HasName as _};
use ra_ap_syntax::{AstNode as _, SyntaxKind, SyntaxNode, SyntaxToken};
use std::path::{Path, PathBuf};

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
    // An escape is left to the compiler, and so is a path that is whole.
    let beside = |path: &SyntaxToken| {
        let named = path.text().strip_prefix('"')?.strip_suffix('"')?;
        let text = || format!("{:?}", around.folder.join(named).display().to_string());
        let range = path.text_range();
        let relative = !named.contains('\\') && !named.starts_with('/');
        relative.then(|| (range.start().into(), range.len().into(), text()))
    };
    let mut found: Vec<(usize, usize, String)> = module_beside(node, &around.folder).into_iter().collect();
    for (at, token) in tokens.iter().enumerate() {
        let is_path = token.text() == "path" && is(at + 1, SyntaxKind::EQ) && is(at + 2, SyntaxKind::STRING);
        if is_path && at > 0 && is(at - 1, SyntaxKind::L_BRACK) {
            found.extend(beside(&tokens[at + 2]));
        }
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
            "include" | "include_str" | "include_bytes" if is(at + 3, SyntaxKind::STRING) => {
                found.extend(beside(&tokens[at + 3]));
            }
            _ => {}
        }
    }
    found
}

/// For a module whose file is beside the notebook: what says so to the compiler.
fn module_beside(node: &SyntaxNode, folder: &Path) -> Option<(usize, usize, String)> {
    let module = ast::Module::cast(node.clone())?;
    module.semicolon_token()?;
    let is_path = |attr: ast::Attr| {
        attr.syntax()
            .text()
            .to_string()
            .replace(' ', "")
            .starts_with("#[path=")
    };
    if module.attrs().any(is_path) {
        return None;
    }
    let name = module.name()?.text().trim_start_matches("r#").to_owned();
    let (file, inner) = (
        folder.join(format!("{name}.rs")),
        folder.join(&name).join("mod.rs"),
    );
    let file = if inner.is_file() && !file.is_file() {
        inner
    } else {
        file
    };
    let text = format!("#[path = {:?}] ", file.display().to_string());
    Some((node.text_range().start().into(), 0, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use ra_ap_syntax::{Edition, SourceFile};

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
        assert_eq!(
            edited("include!(\"a.rs\"); #[path = \"b.rs\"] mod b; mod c { include!(\"/d.rs\"); }"),
            "include!(\"/notes/a.rs\"); #[path = \"/notes/b.rs\"] mod b; mod c { include!(\"/d.rs\"); }"
        );
        let plain = "fn line() { \"line!()\"; line(); file.line }";
        assert_eq!(edited(plain), plain);
    }
}
