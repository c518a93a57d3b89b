//! Imports that evcxr takes for others: `use a::{self as b}` for `use a`, and `use a::{*}` and `use {a, b}` for none.

use ra_ap_syntax::AstNode as _;
use ra_ap_syntax::ast;

/// The imports one by one, in as many lines, when one of them renames a `self`, or is a `*` or braces alone.
pub fn written_out(item: &ast::Use) -> Option<String> {
    fn imports(tree: &ast::UseTree, before: &str, out: &mut Vec<String>) {
        let path = tree
            .path()
            .map(|path| path.syntax().text().to_string())
            .unwrap_or_default();
        let rename = tree
            .rename()
            .map(|rename| format!(" {}", rename.syntax().text()))
            .unwrap_or_default();
        let whole = match (before.is_empty(), path.as_str()) {
            (false, "self") => before.to_owned(),
            (false, _) if !path.is_empty() => format!("{before}::{path}"),
            (false, _) => before.to_owned(),
            (true, _) => path,
        };
        match tree.use_tree_list() {
            Some(list) => list.use_trees().for_each(|tree| imports(&tree, &whole, out)),
            None if tree.star_token().is_some() => out.push(match whole.as_str() {
                "" => "use *;".to_owned(),
                _ => format!("use {whole}::*;"),
            }),
            None => out.push(format!("use {whole}{rename};")),
        }
    }
    let text = item.syntax().text().to_string();
    let taken_for_another = item
        .syntax()
        .descendants()
        .filter_map(ast::UseTree::cast)
        .any(|tree| match tree.path() {
            Some(path) => path.syntax().text() == "self" && tree.rename().is_some(),
            None => true,
        });
    let mut out = Vec::new();
    if taken_for_another {
        imports(&item.use_tree()?, "", &mut out);
    }
    taken_for_another.then(|| format!("{}{}", out.concat(), "\n".repeat(text.matches('\n').count())))
}

#[cfg(test)]
mod tests {
    use crate::session::cell::builtin::Around;
    use crate::session::cell::items::Items;

    #[test]
    fn what_would_be_another_import_is_written_out() {
        let text = |code: &str| Items::default().name(code, code, &Around::default()).0.text;
        assert_eq!(
            text("use std::{fmt::{self as f, *}, fs as g,\n io::{self, Read}}; a"),
            "use std::fmt as f;use std::fmt::*;use std::fs as g;use std::io;use std::io::Read;\n a"
        );
        assert_eq!(
            text("let e\u{301}t = e\u{301}t; \"e\u{301}\""),
            "let \u{e9}t = \u{e9}t; \"e\u{301}\""
        );
        assert_eq!(
            text("use std::sync::{*, atomic::*};"),
            "use std::sync::*;use std::sync::atomic::*;"
        );
        assert_eq!(
            text("use {std::fs, std::io::{self}};"),
            "use std::fs;use std::io;"
        );
        let plain = "use std::{fmt::{self}, fs as g};";
        assert_eq!(text(plain), plain);
    }
}
