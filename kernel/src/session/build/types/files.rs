//! Files that definitions are read from: `include!` and `#[path]`.

use ra_ap_syntax::ast::{self, HasAttrs as _, HasModuleItem as _};
use ra_ap_syntax::{AstNode as _, SyntaxElement, SyntaxKind, SyntaxNode};
use std::path::PathBuf;

/// The files that an item names.
pub fn named_in(item: &SyntaxNode) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for node in item.descendants() {
        if let Some(call) = ast::MacroCall::cast(node.clone()) {
            let is_include = call
                .path()
                .and_then(|path| path.segment())
                .is_some_and(|last| last.syntax().text() == "include");
            files.extend(is_include.then(|| text_in(call.syntax())).flatten());
        } else if let Some(module) = ast::Module::cast(node)
            && module
                .item_list()
                .is_none_or(|list| list.items().next().is_none())
        {
            let attrs = module
                .attrs()
                .filter(|attr| attr.syntax().text().to_string().starts_with("#[path"));
            files.extend(attrs.filter_map(|attr| text_in(attr.syntax())));
        }
    }
    files
}

/// The first text that is written there.
fn text_in(node: &SyntaxNode) -> Option<PathBuf> {
    let tokens = node
        .descendants_with_tokens()
        .filter_map(SyntaxElement::into_token);
    let mut texts = tokens.filter(|token| token.kind() == SyntaxKind::STRING);
    let text = texts.next()?.text().to_owned();
    let start = text.find('"')? + 1;
    Some(text[start..text.rfind('"')?.max(start)].into())
}
