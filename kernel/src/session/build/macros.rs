//! A notebook's macros before all else. evcxr writes items in any order, and a macro is only known below its
//! definition.

use ra_ap_syntax::ast::{self, HasAttrs as _, HasModuleItem as _};
use ra_ap_syntax::{AstNode as _, Edition, SourceFile, SyntaxElement, SyntaxKind};

/// The items with each macro also before the first of them, in the same line: no line moves. Below its own definition
/// that one counts, whose places are the user's.
pub fn first(items: &str) -> String {
    let file = SourceFile::parse(items, Edition::Edition2024).tree();
    let copies: String = file
        .items()
        .filter_map(|item| match item {
            ast::Item::MacroRules(item) => in_one_line(&item),
            _ => None,
        })
        .collect();
    let Some(start) = file.items().next().filter(|_| !copies.is_empty()) else {
        return items.to_owned();
    };
    let at = usize::from(start.syntax().text_range().start());
    format!("{}{copies}{}", &items[..at], &items[at..])
}

/// None of what is the whole crate's anyway, and of what keeps its lines: text over several of them, documentation.
fn in_one_line(item: &ast::MacroRules) -> Option<String> {
    let exported = item
        .attrs()
        .any(|attr| attr.syntax().text().to_string().contains("macro_export"));
    let attributes: Vec<_> = item.attrs().map(|attr| attr.syntax().text_range()).collect();
    let tokens = item
        .syntax()
        .descendants_with_tokens()
        .filter_map(SyntaxElement::into_token);
    let mut text = String::from("#[allow(unused_macros)] ");
    for token in tokens {
        let within = |range: &ra_ap_syntax::TextRange| range.contains_range(token.text_range());
        match token.kind() {
            SyntaxKind::WHITESPACE if text.ends_with(' ') => {}
            SyntaxKind::WHITESPACE => text.push(' '),
            SyntaxKind::COMMENT
                if !["///", "//!", "/**", "/*!"]
                    .iter()
                    .any(|doc| token.text().starts_with(doc)) =>
            {
                text.push(' ');
            }
            SyntaxKind::COMMENT if token.parent().is_some_and(|parent| parent == *item.syntax()) => {}
            // In one line the rest of the macro would be documentation.
            SyntaxKind::COMMENT => match token.text().strip_prefix("///") {
                Some(doc) => text.push_str(&format!("#[doc = {doc:?}] ")),
                None => return None,
            },
            _ if attributes.iter().any(within) => {}
            _ => text.push_str(token.text()),
        }
    }
    text.push(' ');
    (!exported && !text.contains('\n')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn macros_come_first_and_no_line_moves() {
        let items = "#![allow(dead_code)]\nuse a::b;\nfn f() -> u8 { m!(1) }\n/// Doc.\n#[allow(unused)]\n\
            macro_rules! m {\n    // One more.\n    ($x:expr) => {\n        $x + 1\n    };\n}\n\
            #[macro_export]\nmacro_rules! n { () => {} }\nmacro_rules! o { () => { \"a\nb\" } }\n";
        let written = first(items);
        let (before, after) = written.split_once("use a::b;").unwrap();
        assert!(before.starts_with("#![allow(dead_code)]\n#[allow(unused_macros)] macro_rules! m {"));
        assert!(before.contains("$x + 1") && !before.contains("Doc") && !before.contains("macro_rules! n"));
        assert!(!before.contains("macro_rules! o"));
        assert_eq!(after, items.split_once("use a::b;").unwrap().1);
        assert_eq!(written.lines().count(), items.lines().count());
        assert_eq!(first("fn f() {}"), "fn f() {}");
        let documented = first("fn f() {}\nmacro_rules! d { () => {\n    /// A \"b\".\n    struct A;\n} }\n");
        assert!(
            documented.contains("#[doc = \" A \\\"b\\\".\"] struct A;"),
            "{documented}"
        );
    }
}
