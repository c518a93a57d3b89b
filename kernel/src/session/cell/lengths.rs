//! `let a: [u8; _] = ..`, whose length rustc finds from the value. evcxr would keep the variable with the type as it is
//! written, and in another cell there is nothing to find the length from: so the value alone gets that type, and the
//! variable the value's.

use ra_ap_syntax::ast;
use ra_ap_syntax::{AstNode as _, SyntaxNode};

/// What is to change about such a `let`: places, bytes that go, and text.
pub fn found(node: &SyntaxNode) -> Vec<(usize, usize, String)> {
    let written = ast::LetStmt::cast(node.clone()).and_then(|statement| {
        let (of_type, value) = (statement.ty()?, statement.initializer()?);
        let lengths = of_type.syntax().descendants().filter_map(ast::ArrayType::cast);
        let open = lengths.filter(|array| {
            array
                .const_arg()
                .is_some_and(|length| length.syntax().text() == "_")
        });
        (open.count() > 0).then_some((statement.colon_token()?, of_type, value))
    });
    let Some((colon, of_type, value)) = written else {
        return Vec::new();
    };
    let from = usize::from(colon.text_range().start());
    let to = usize::from(of_type.syntax().text_range().end());
    let value = value.syntax().text_range();
    let lines = "\n".repeat(of_type.syntax().text().to_string().matches('\n').count());
    vec![
        (from, to - from, lines),
        (
            value.start().into(),
            0,
            format!("{{ let jook_value: {} = ", one_line(&of_type)),
        ),
        (value.end().into(), 0, "; jook_value }".to_owned()),
    ]
}

fn one_line(of_type: &ast::Type) -> String {
    of_type.syntax().text().to_string().replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use crate::session::cell::builtin::Around;
    use crate::session::cell::items::Items;

    #[test]
    fn a_length_to_be_found_is_that_of_the_value() {
        let text = |code: &str| Items::default().name(code, code, &Around::default()).0.text;
        assert_eq!(
            text("let mut a: [i32; _] = [1, 2]; a"),
            "let mut a = { let jook_value: [i32; _] = [1, 2]; jook_value }; a"
        );
        assert_eq!(
            text("let v: Vec<[u8; _]> = f();"),
            "let v = { let jook_value: Vec<[u8; _]> = f(); jook_value };"
        );
        for plain in [
            "let a: [i32; 2] = [1, 2];",
            "let v: Vec<_> = f();",
            "let a: [i32; _];",
        ] {
            assert_eq!(text(plain), plain);
        }
    }
}
