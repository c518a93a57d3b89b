//! Which tokens of a definition its layout depends on, and which names it looks up.

use crate::session::cell::lines::is_of_a_word;
use ra_ap_syntax::ast;
use ra_ap_syntax::{AstNode as _, Direction, SyntaxKind, SyntaxNode, SyntaxToken};
use std::collections::HashSet;

/// What no layout depends on: the body of a function that is not `const`, derives.
pub fn is_skipped(node: &SyntaxNode) -> bool {
    if let Some(block) = ast::BlockExpr::cast(node.clone()) {
        let of = block.syntax().parent().and_then(ast::Fn::cast);
        return of.is_some_and(|function| function.const_token().is_none());
    }
    ast::Attr::cast(node.clone()).is_some_and(|attr| {
        let text = attr.syntax().text().to_string();
        ["#[derive", "#[allow", "#[doc", "#[must_use"]
            .iter()
            .any(|start| text.starts_with(start))
    })
}

/// Who else may see the item or a field of it; in a module it decides what an import as a whole brings.
pub fn is_visibility(node: &SyntaxNode, item: &SyntaxNode) -> bool {
    let of = node.parent().filter(|_| ast::Visibility::can_cast(node.kind()));
    of.is_some_and(|of| {
        matches!(of.kind(), SyntaxKind::RECORD_FIELD | SyntaxKind::TUPLE_FIELD) || of == *item
    })
}

/// A comma before what closes a list, as rustfmt puts it and takes it away. In a tuple it has a meaning.
pub fn is_last_comma(token: &SyntaxToken) -> bool {
    let lists = [
        SyntaxKind::RECORD_FIELD_LIST,
        SyntaxKind::TUPLE_FIELD_LIST,
        SyntaxKind::VARIANT_LIST,
        SyntaxKind::GENERIC_PARAM_LIST,
        SyntaxKind::GENERIC_ARG_LIST,
        SyntaxKind::PARAM_LIST,
        SyntaxKind::ARG_LIST,
        SyntaxKind::WHERE_CLAUSE,
        SyntaxKind::USE_TREE_LIST,
        SyntaxKind::ARRAY_EXPR,
    ];
    token.kind() == SyntaxKind::COMMA && token.parent().is_some_and(|list| lists.contains(&list.kind())) && {
        // Only what is behind it is looked at: tables have thousands of commas.
        let behind = token.siblings_with_tokens(Direction::Next).skip(1);
        let mut behind = behind.filter(|it| !it.kind().is_trivia());
        behind
            .next()
            .is_none_or(|it| it.as_token().is_some() && behind.next().is_none())
    }
}

pub fn plain(name: &str) -> String {
    name.trim_start_matches("r#").to_owned()
}

/// The words of a type that may be names of the notebook's: none is behind a path that begins in the standard library,
/// where its name is not one that the notebook `means` otherwise, none is what a module defines that is `inner` to it
/// (`geo::Point`), and none is what a trait calls a type of its own (`Iterator<Item = u8>`).
pub fn words<'t>(
    text: &'t str,
    means: impl Fn(&str) -> bool + 't,
    inner: impl Fn(&str, &str) -> bool + 't,
) -> impl Iterator<Item = String> + 't {
    let is_of_the_library = move |word: &str| {
        let end = word.as_ptr() as usize - text.as_ptr() as usize + word.len();
        let path = text[..end].rsplit(|c| !is_of_a_word(c) && c != ':').next();
        let path = path.unwrap_or_default();
        let mut steps = path.trim_start_matches("::").split("::");
        let root = steps.next().unwrap_or_default();
        let is_root = ["std", "core", "alloc"].contains(&root) && (path.starts_with("::") || !means(root));
        match (steps.next(), steps.next()) {
            (None, _) => false,
            (Some(name), None) => is_root || !path.starts_with("::") && inner(root, name),
            _ => is_root,
        }
    };
    let is_a_binding = move |word: &str| {
        let end = word.as_ptr() as usize - text.as_ptr() as usize + word.len();
        let behind = text[end..].trim_start();
        behind.starts_with('=') && !behind.starts_with("==") && !behind.starts_with("=>")
    };
    pieces(text)
        .filter(move |word| !is_of_the_library(word) && !is_a_binding(word))
        .map(plain)
}

/// All words of a type.
pub fn all_words(text: &str) -> impl Iterator<Item = String> {
    pieces(text).map(plain)
}

/// Names that mean within the item what it says itself, whatever has them outside: its generic parameters, and the types
/// of a module that has no other in it.
pub fn inner_names(item: &SyntaxNode) -> HashSet<String> {
    let named = |node: &SyntaxNode| Some(plain(node.children().find_map(ast::Name::cast)?.text()));
    if ast::Module::can_cast(item.kind()) {
        let inside = || item.descendants().skip(1);
        if inside().any(|node| ast::Module::can_cast(node.kind())) {
            return HashSet::new();
        }
        let is_type = |node: &SyntaxNode| {
            ast::Struct::can_cast(node.kind())
                || ast::Enum::can_cast(node.kind())
                || ast::Union::can_cast(node.kind())
                || ast::Trait::can_cast(node.kind())
        };
        let list = item.children().find_map(ast::ItemList::cast);
        let items = list.into_iter().flat_map(|list| list.syntax().children());
        return items.filter(is_type).filter_map(|node| named(&node)).collect();
    }
    let list = item.children().find_map(ast::GenericParamList::cast);
    let params = list.into_iter().flat_map(|list| list.syntax().children());
    params
        .filter(|node| ast::GenericParam::can_cast(node.kind()))
        .filter_map(|node| named(&node))
        .collect()
}

fn pieces(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !is_of_a_word(c))
        .filter(|word| !word.is_empty())
}

/// The words of a type that are looked up where it stands, and not behind a path.
pub fn free_words(text: &str) -> impl Iterator<Item = String> {
    const KEYWORDS: [&str; 10] = [
        "dyn", "impl", "for", "fn", "mut", "const", "unsafe", "extern", "as", "static",
    ];
    let free = pieces(text).filter(move |word| {
        let before = &text[..word.as_ptr() as usize - text.as_ptr() as usize];
        !before.ends_with("::") && !before.ends_with('\'') && !KEYWORDS.contains(word)
    });
    free.map(plain)
}

/// Types without a definition.
pub const PRIMITIVE: [&str; 17] = [
    "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "str", "u8", "u16", "u32",
    "u64", "u128", "usize",
];

/// The names of the standard library that nobody imports, and where they are.
pub const AT_HAND: [(&str, &str); 20] = [
    ("AsRef", "::std::convert::AsRef"),
    ("Box", "::std::boxed::Box"),
    ("Clone", "::std::clone::Clone"),
    ("Copy", "::std::marker::Copy"),
    ("Drop", "::std::ops::Drop"),
    ("ExactSizeIterator", "::std::iter::ExactSizeIterator"),
    ("DoubleEndedIterator", "::std::iter::DoubleEndedIterator"),
    ("Fn", "::std::ops::Fn"),
    ("FnMut", "::std::ops::FnMut"),
    ("FnOnce", "::std::ops::FnOnce"),
    ("From", "::std::convert::From"),
    ("Iterator", "::std::iter::Iterator"),
    ("Option", "::std::option::Option"),
    ("Result", "::std::result::Result"),
    ("Send", "::std::marker::Send"),
    ("String", "::std::string::String"),
    ("Sync", "::std::marker::Sync"),
    ("ToString", "::std::string::ToString"),
    ("Unpin", "::std::marker::Unpin"),
    ("Vec", "::std::vec::Vec"),
];

/// Whether nobody imports it.
pub fn is_of_std(word: &str) -> bool {
    const ROOTS: [&str; 4] = ["std", "core", "alloc", "crate"];
    PRIMITIVE.contains(&word)
        || ROOTS.contains(&word)
        || AT_HAND.iter().any(|(name, _)| *name == word)
        || word.starts_with(|c: char| c.is_ascii_digit())
}
