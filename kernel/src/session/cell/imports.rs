//! `use a::{self as b}`, which evcxr takes for `use a`.

use ra_ap_syntax::AstNode as _;
use ra_ap_syntax::ast;

/// The imports one by one, in as many lines, when one of them renames a `self`.
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
            None if tree.star_token().is_some() => out.push(format!("use {whole}::*;")),
            None => out.push(format!("use {whole}{rename};")),
        }
    }
    let text = item.syntax().text().to_string();
    let renames_self = item
        .syntax()
        .descendants()
        .filter_map(ast::UseTree::cast)
        .any(|tree| {
            let is_self = tree.path().is_some_and(|path| path.syntax().text() == "self");
            is_self && tree.rename().is_some()
        });
    let mut out = Vec::new();
    if renames_self {
        imports(&item.use_tree()?, "", &mut out);
    }
    renames_self.then(|| format!("{}{}", out.concat(), "\n".repeat(text.matches('\n').count())))
}

#[cfg(test)]
mod tests {
    use crate::session::cell::builtin::Around;
    use crate::session::cell::items::Items;

    #[test]
    fn a_renamed_self_is_written_out() {
        let text = |code: &str| Items::default().name(code, code, &Around::default()).0.text;
        assert_eq!(
            text("use std::{fmt::{self as f, *}, fs as g,\n io::{self, Read}}; a"),
            "use std::fmt as f;use std::fmt::*;use std::fs as g;use std::io;use std::io::Read;\n a"
        );
        assert_eq!(
            text("let e\u{301}t = e\u{301}t; \"e\u{301}\""),
            "let \u{e9}t = \u{e9}t; \"e\u{301}\""
        );
        let plain = "use std::{fmt::{self}, fs as g};";
        assert_eq!(text(plain), plain);
    }
}
