//! `let [a, b] = pair;`, in which evcxr sees no variables: where there is an `a` already, it would go on with that one's
//! type. Behind such a `let` its variables are bound once more, in a way that evcxr sees.

use ra_ap_syntax::ast::{self, HasName as _};
use ra_ap_syntax::{AstNode as _, SyntaxNode};

/// What is to stand behind a statement, when it binds variables in a pattern that evcxr does not look into.
pub fn bound_again(node: &SyntaxNode) -> Option<String> {
    let pattern = ast::LetStmt::cast(node.clone())?.pat()?;
    let top = pattern.syntax().clone();
    let is_seen = |ident: &ast::IdentPat| {
        let above = ident.syntax().ancestors().skip(1);
        let within = above.take_while(|node| top.text_range().contains_range(node.text_range()));
        within.filter_map(ast::Pat::cast).all(|pattern| {
            matches!(
                pattern,
                ast::Pat::RecordPat(_) | ast::Pat::TuplePat(_) | ast::Pat::TupleStructPat(_)
            )
        })
    };
    let mut names: Vec<(bool, String)> = Vec::new();
    for ident in top.descendants().filter_map(ast::IdentPat::cast) {
        let Some(name) = ident.name().map(|name| name.text().to_string()) else {
            continue;
        };
        // A constant or a variant without fields looks the same.
        let is_variable = !name.starts_with(char::is_uppercase);
        let is_known = names.iter().any(|(_, other)| *other == name);
        if is_variable && !is_known && !is_seen(&ident) {
            names.push((ident.mut_token().is_some(), name));
        }
    }
    if names.is_empty() {
        return None;
    }
    let list = |mutable: bool| -> String {
        let written = names.iter().map(|(is_mut, name)| match mutable && *is_mut {
            true => format!("mut {name},"),
            false => format!("{name},"),
        });
        written.collect()
    };
    Some(format!(" let ({}) = ({});", list(true), list(false)))
}

#[cfg(test)]
mod tests {
    use crate::session::cell::builtin::Around;
    use crate::session::cell::items::Items;

    #[test]
    fn what_evcxr_does_not_see_is_bound_again() {
        let text = |code: &str| Items::default().name(code, code, &Around::default()).0.text;
        assert_eq!(
            text("let [a, .., mut b] = c; a"),
            "let [a, .., mut b] = c; let (a,mut b,) = (a,b,); a"
        );
        assert_eq!(
            text("let (x, [a, None]) = c else { f() };"),
            "let (x, [a, None]) = c else { f() }; let (a,) = (a,);"
        );
        assert_eq!(text("let &(a, b) = c;"), "let &(a, b) = c; let (a,b,) = (a,b,);");
        assert_eq!(
            text("let P { q: (a), .. } = c;"),
            "let P { q: (a), .. } = c; let (a,) = (a,);"
        );
        assert_eq!(
            text("let all @ [first, ..] = c;"),
            "let all @ [first, ..] = c; let (first,) = (first,);"
        );
        for plain in [
            "let a = [b, c];",
            "let (a, B { c, d: E(f) }) = g;",
            "let [_, ..] = c;",
            "f(|[a, b]| a)",
        ] {
            assert_eq!(text(plain), plain);
        }
    }
}
