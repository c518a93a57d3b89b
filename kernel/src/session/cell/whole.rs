//! Whether a cell is one block of statements: evcxr runs what it can read and leaves the rest out.

use ra_ap_syntax::ast::{self, HasModuleItem as _};
use ra_ap_syntax::{AstNode as _, Edition, SourceFile};

/// What evcxr puts before a cell to read it.
const HEAD: &str = "fn f(){";

/// Whether all of `code`, which has no commands, is read. When it is not, the compiler should have a look: it may know
/// more of Rust.
pub fn is_read(code: &str) -> bool {
    let text = format!("{HEAD}{code}\n}}");
    let parsed = SourceFile::parse(&text, Edition::Edition2024);
    let mut items = parsed.tree().items();
    let Some(ast::Item::Fn(block)) = items.next() else {
        return false;
    };
    let statements = block.body().and_then(|body| body.stmt_list());
    let last = statements.and_then(|list| list.syntax().children().last());
    // An attribute that stands above nothing.
    let lone = last.is_some_and(|last| ast::Attr::cast(last).is_some_and(|attr| attr.excl_token().is_none()));
    parsed.errors().is_empty() && !lone && usize::from(block.syntax().text_range().end()) == text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_is_seen() {
        for whole in [
            "",
            "1 + 1",
            "#![allow(unused)]\nlet a = 1;",
            "fn f() {}\n// }",
            "use a::{self, b as c};\nlet s = \"}\";",
            "#[derive(Debug)]\nstruct A;",
            "match a { _ => {} }",
            "let Some(x) = y else { return Ok(()) };",
            "if let Some(a) = b && a > 1 { a }",
        ] {
            assert!(is_read(whole), "{whole}");
        }
        for broken in [
            "/* open",
            "use std::",
            "use std::{fs",
            "let",
            "let q",
            "#[derive(Debug)]",
            "fn f();let x = ;",
            "let z = \"open",
            "r#\"open",
            "struct",
            "fn f( {",
            "} let a = 1;",
            "a; } fn g() {",
        ] {
            assert!(!is_read(broken), "{broken}");
        }
    }
}
