//! `return;` at the top of a cell ends the cell, as `return Ok(());` does: evcxr runs the code in a function that may
//! leave by `?`.

use ra_ap_syntax::ast;
use ra_ap_syntax::{AstNode as _, SyntaxNode};

/// Where a statement's own `return`s without a value end, and what is to be written there.
pub fn ends(node: &SyntaxNode) -> Vec<(usize, &'static str)> {
    if ast::Item::can_cast(node.kind()) {
        return Vec::new();
    }
    let returns = node.descendants().filter_map(ast::ReturnExpr::cast);
    let own = returns.filter(|it| it.expr().is_none() && !is_of_another(it.syntax(), node));
    own.map(|it| {
        let end = usize::from(it.syntax().text_range().end());
        // The last of a cell is no value to be shown.
        (end, if it.syntax() == node { STATEMENT } else { VALUE })
    })
    .collect()
}

const VALUE: &str = " ::std::result::Result::Ok(())";
const STATEMENT: &str = " ::std::result::Result::Ok(());";

/// Whether it leaves a closure, a function or a future within the statement.
fn is_of_another(it: &SyntaxNode, statement: &SyntaxNode) -> bool {
    if it == statement {
        return false;
    }
    let above = it.ancestors().skip(1).take_while(|above| above != statement);
    above
        .chain([statement.clone()])
        .any(|above| match ast::BlockExpr::cast(above.clone()) {
            Some(block) => block.async_token().is_some() || block.const_token().is_some(),
            None => ast::ClosureExpr::can_cast(above.kind()) || ast::Item::can_cast(above.kind()),
        })
}

#[cfg(test)]
mod tests {
    use crate::session::cell::builtin::Around;
    use crate::session::cell::items::Items;

    #[test]
    fn a_return_of_the_cells_own_has_the_value_of_its_function() {
        let text = |code: &str| Items::default().name(code, code, &Around::default()).0.text;
        let value = "::std::result::Result::Ok(())";
        assert_eq!(text("return;"), format!("return {value};"));
        assert_eq!(text("f();\nreturn"), format!("f();\nreturn {value};"));
        assert_eq!(
            text("for i in 0..3 { if i == 1 { return } }"),
            format!("for i in 0..3 {{ if i == 1 {{ return {value} }} }}")
        );
        assert_eq!(
            text("let Some(x) = f() else { return; };"),
            format!("let Some(x) = f() else {{ return {value}; }};")
        );
        for other in [
            "return Ok(());",
            "let f = || { return; };",
            "let f = |x| return;",
            "fn f() { return; }",
            "impl A { fn f() { return; } }",
            "{ fn g() { return; } g() }",
            "let f = async { return; };",
            "\"return;\"",
        ] {
            assert_eq!(
                text(other)
                    .split_once("= ();")
                    .map_or(text(other), |(_, it)| it.to_owned()),
                other
            );
        }
    }
}
