//! `thread_local!`, which is a call of a macro and defines statics.

use crate::session::cell::ALIAS;
use crate::session::digest::digest_of;
use ra_ap_syntax::ast::{self, HasModuleItem as _, HasName as _};
use ra_ap_syntax::{AstNode as _, Edition, SourceFile, SyntaxKind, SyntaxNode, TextSize};

/// The statics that a call of `thread_local!` declares.
pub fn declared(call: &ast::MacroCall) -> Option<Vec<ast::Static>> {
    let path = call.path()?.syntax().text().to_string();
    if !["thread_local", "std::thread_local", "::std::thread_local"].contains(&path.as_str()) {
        return None;
    }
    let tree = call.token_tree()?.syntax().text().to_string();
    let inner = tree.get(1..tree.len().checked_sub(1)?)?;
    // The last may go without a semicolon.
    let inner = match inner.trim_end().ends_with(';') {
        true => inner.to_owned(),
        false => format!("{inner};"),
    };
    let parsed = SourceFile::parse(&inner, Edition::Edition2024);
    if !parsed.errors().is_empty() {
        return None;
    }
    let items = parsed.tree().items();
    let all: Option<Vec<_>> = items
        .map(|item| match item {
            ast::Item::Static(item) => Some(item),
            _ => None,
        })
        .collect();
    all.filter(|all| !all.is_empty())
}

/// A call of `thread_local!` as an item of its own: evcxr takes it for a statement, and forgets it with its cell. The name
/// of the item, and what is to be written at which places of the cell; `before` bytes stand before it.
pub fn as_item(node: &SyntaxNode, before: usize) -> Option<(String, Vec<(usize, String)>)> {
    let call = node.descendants().find_map(ast::MacroCall::cast)?;
    let whole = [
        Some(call.syntax().clone()),
        call.syntax().parent(),
        call.syntax().parent().and_then(|it| it.parent()),
    ];
    if !whole.into_iter().flatten().any(|around| around == *node)
        || node.text_range().start() != call.syntax().text_range().start()
    {
        return None;
    }
    let names: Vec<String> = declared(&call)?
        .iter()
        .filter_map(|item| Some(item.name()?.text().to_string()))
        .collect();
    let alias = format!("{ALIAS}{:016x}", digest_of(&names));
    let place = |at: TextSize| usize::from(at) - before;
    let mut edits = vec![(
        place(node.text_range().start()),
        format!("mod {alias} {{ use super::*; "),
    )];
    // What is imported from there must be public there.
    let tokens: Vec<_> = call
        .token_tree()?
        .syntax()
        .children_with_tokens()
        .filter(|it| !it.kind().is_trivia())
        .collect();
    for (at, token) in tokens.iter().enumerate() {
        let begins = at.checked_sub(1).is_some_and(|before| {
            matches!(
                tokens[before].kind(),
                SyntaxKind::L_CURLY | SyntaxKind::L_PAREN | SyntaxKind::SEMICOLON | SyntaxKind::TOKEN_TREE
            )
        });
        if token.kind() == SyntaxKind::STATIC_KW && begins {
            edits.push((place(token.text_range().start()), "pub ".to_owned()));
        }
    }
    let end = format!(" }} use {alias}::{{{}}};", names.join(", "));
    edits.push((
        place(call.syntax().text_range().end()),
        match call.token_tree()?.right_delimiter_token()?.kind() {
            SyntaxKind::R_CURLY => end,
            _ => format!(";{end}"),
        },
    ));
    Some((alias, edits))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::cell::builtin::Around;
    use crate::session::cell::items::Items;

    #[test]
    fn what_a_call_makes_can_be_imported() {
        let code = "let a = 1;\nthread_local! {\n    /// Of mine.\n    static A: Cell<u8> = Cell::new(1);\n    #[allow(x)] pub static B: u8 = const { 2 }\n}\na";
        let (named, _) = Items::default().name(code, code, &Around::default());
        assert_eq!(named.text.lines().count(), code.lines().count());
        let alias = named.defines.iter().find(|name| name.starts_with(ALIAS)).unwrap();
        let text = &named.text;
        assert!(
            text.contains(&format!("mod {alias} {{ use super::*; thread_local! {{")),
            "{text}"
        );
        assert!(
            text.contains("    pub static A:") && text.contains("#[allow(x)] pub static B:"),
            "{text}"
        );
        assert!(text.contains(&format!("}} }} use {alias}::{{A, B}};")), "{text}");
        for plain in [
            "thread_local!(x);",
            "let x = thread_local! { static A: u8 = 1; };",
            "print!(\"static\")",
        ] {
            assert_eq!(
                Items::default().name(plain, plain, &Around::default()).0.text,
                plain
            );
        }
    }
}
