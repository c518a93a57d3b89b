//! Statics that each cell has its own of: those that a macro makes within a function, and those that are found by a symbol
//! of their own.

use crate::session::cell::lines::is_of_a_word;
use ra_ap_syntax::ast::{self, HasAttrs as _, HasName as _};
use ra_ap_syntax::{AstNode as _, SyntaxNode};
use std::collections::HashSet;

/// The macro that a statement defines, when what it makes may be a static.
pub fn macro_with_one(node: &SyntaxNode) -> Option<String> {
    let rules = ast::MacroRules::cast(node.clone())?;
    let tree = rules.token_tree()?.syntax().text().to_string();
    let has_one = words(&tree).any(|word| ["static", "thread_local"].contains(&word));
    has_one
        .then(|| rules.name())
        .flatten()
        .map(|name| name.text().to_string())
}

/// Attributes by which a static has a symbol of its own.
pub const SYMBOL: [&str; 2] = ["no_mangle", "export_name"];

/// Whether a static has one of these attributes, also within `unsafe(…)`.
pub fn has_attribute(of: &ast::Static, names: &[&str]) -> bool {
    of.attrs()
        .any(|attr| words(&attr.syntax().text().to_string()).any(|word| names.contains(&word)))
}

/// The functions of a statement that call one of these macros, and its statics that have a symbol of their own.
pub fn of(node: &SyntaxNode, macros: &HashSet<String>) -> Vec<String> {
    let range = node.text_range();
    let names = node.descendants().filter_map(|node| {
        if let Some(one) = ast::Static::cast(node.clone()) {
            return one.name().filter(|_| has_attribute(&one, &SYMBOL));
        }
        let call = ast::MacroCall::cast(node)?;
        let called = call.path()?.segment()?.name_ref()?.text().to_string();
        // Around the statements of a cell stands a function that is none of the cell's.
        let mut within =
            (call.syntax().ancestors()).take_while(|around| range.contains_range(around.text_range()));
        let function = within.find_map(ast::Fn::cast)?;
        function.name().filter(|_| macros.contains(&called))
    });
    names.map(|name| name.text().to_string()).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !is_of_a_word(c))
}
