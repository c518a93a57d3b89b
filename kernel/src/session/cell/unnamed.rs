//! Items without a name, above all `impl`s: what they are of, and which replace which.

use crate::session::cell::ALIAS;
use crate::session::cell::lines::is_of_a_word;
use crate::session::digest::digest_of;
use ra_ap_syntax::ast::{self, HasGenericParams as _, HasModuleItem as _, HasName as _};
use ra_ap_syntax::{AstNode as _, Edition, SourceFile, SyntaxKind, SyntaxNode};
use std::collections::HashSet;

/// An item without a name.
#[derive(Clone, Debug)]
pub struct Item {
    pub alias: String,
    /// For an `impl`, which trait and which type; else what it is.
    header: String,
    /// Whether a second item with this header and other names may stand beside it.
    many: bool,
    /// What it defines.
    names: HashSet<String>,
    /// Types and traits of its header that its cell defines, too.
    pub with: HashSet<String>,
    pub text: String,
}

impl Item {
    /// What is left of this item beside those of a newer cell, which defines the types `defined`.
    pub fn beside(&self, newer: &[Item], defined: &HashSet<String>) -> Option<Item> {
        if newer.iter().any(|item| item.alias == self.alias)
            || self.with.iter().any(|name| defined.contains(name))
        {
            return None;
        }
        let mut taken: HashSet<&str> = HashSet::new();
        for item in newer.iter().filter(|item| item.header == self.header) {
            if !self.many {
                return None;
            }
            taken.extend(self.names.intersection(&item.names).map(String::as_str));
        }
        match taken.len() {
            0 => Some(self.clone()),
            all if all == self.names.len() => None,
            _ => self.without(&taken),
        }
    }

    /// Whether it is of the same trait and type.
    pub fn is_of_the_same(&self, other: &Item) -> bool {
        self.header == other.header
    }

    /// The type or trait of its own cell that it has gone with, where a cell defines these.
    pub fn gone_with(&self, defined: &HashSet<String>) -> Option<&str> {
        let gone = self.with.iter().filter(|name| defined.contains(*name));
        gone.min().map(String::as_str)
    }

    /// The item without what has one of these names, in one line.
    fn without(&self, taken: &HashSet<&str>) -> Option<Item> {
        let parsed = SourceFile::parse(&self.text, Edition::Edition2024);
        let item = parsed.tree().items().next()?;
        let members: Vec<SyntaxNode> = item
            .syntax()
            .children()
            .filter(|list| {
                matches!(
                    list.kind(),
                    SyntaxKind::ASSOC_ITEM_LIST | SyntaxKind::EXTERN_ITEM_LIST
                )
            })
            .flat_map(|list| list.children())
            .filter(|member| member_name(member).is_some_and(|name| taken.contains(name.as_str())))
            .collect();
        let mut text = String::new();
        for token in item
            .syntax()
            .descendants_with_tokens()
            .filter_map(|it| it.into_token())
        {
            let at = token.text_range();
            if members
                .iter()
                .any(|member| member.text_range().contains_range(at))
            {
                continue;
            }
            match token.kind().is_trivia() {
                true => text.push(' '),
                false => text.push_str(token.text()),
            }
        }
        let names = self.names.iter().filter(|name| !taken.contains(name.as_str()));
        (!text.contains('\n')).then(|| Item {
            names: names.cloned().collect(),
            text,
            ..self.clone()
        })
    }
}

/// An item's first words, up to what it holds, in one line.
pub fn written_header(text: &str) -> String {
    let head = text.split(['{', ';', '=']).next().unwrap_or_default();
    head.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The name that an item has in its own text.
pub fn member_name(node: &SyntaxNode) -> Option<String> {
    let name = node.children().find_map(ast::Name::cast);
    name.map(|name| name.text().to_string())
}

/// The item, when evcxr would find no name of it.
pub fn unnamed(item: &ast::Item) -> Option<Item> {
    let members = |node: Option<&SyntaxNode>| -> HashSet<String> {
        let members = node.into_iter().flat_map(SyntaxNode::children);
        members.filter_map(|member| member_name(&member)).collect()
    };
    let (header, many, names, with) = match item {
        ast::Item::Impl(item) => {
            let list = item.assoc_item_list();
            let (of_trait, of_type) = header_of(item);
            let words = words(&format!("{of_trait} {of_type}"));
            let many = of_trait.is_empty();
            let names = members(list.as_ref().map(ast::AssocItemList::syntax));
            (format!("impl {of_trait} for {of_type}"), many, names, words)
        }
        ast::Item::ExternBlock(item) => {
            let list = item.extern_item_list();
            let names = members(list.as_ref().map(ast::ExternItemList::syntax));
            ("extern".to_owned(), true, names, HashSet::new())
        }
        ast::Item::Const(item) if item.name().is_none() => (
            item.syntax().text().to_string(),
            false,
            HashSet::new(),
            HashSet::new(),
        ),
        _ => return None,
    };
    let mut sorted: Vec<&String> = names.iter().filter(|_| many).collect();
    sorted.sort();
    let key = digest_of(&(&header, sorted));
    Some(Item {
        alias: format!("{ALIAS}{key:016x}"),
        header,
        many,
        names,
        with,
        text: item.syntax().text().to_string(),
    })
}

fn words(text: &str) -> HashSet<String> {
    let words = text
        .split(|c: char| !is_of_a_word(c))
        .filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// Where the standard library's traits are found.
const STD: [&str; 14] = [
    "std", "core", "alloc", "fmt", "ops", "iter", "convert", "error", "hash", "cmp", "default", "clone",
    "borrow", "io",
];

/// Trait and type of an `impl`, however the two are spelled: without the standard library's paths, and with its parameters
/// by their places.
fn header_of(item: &ast::Impl) -> (String, String) {
    let parameters = item.generic_param_list();
    let parameters: Vec<String> = parameters
        .into_iter()
        .flat_map(|list| list.generic_params())
        .filter_map(|parameter| {
            let name = parameter.syntax().children().find_map(|node| {
                let name = ast::Name::cast(node.clone()).map(|name| name.text().to_string());
                name.or_else(|| ast::Lifetime::cast(node).map(|lifetime| lifetime.text().to_string()))
            });
            name.map(|name| name.to_string())
        })
        .collect();
    let spelled = |node: Option<ast::Type>| {
        let Some(node) = node else { return String::new() };
        let tokens = node
            .syntax()
            .descendants_with_tokens()
            .filter_map(|it| it.into_token());
        let tokens: Vec<String> = tokens
            .filter(|token| !token.kind().is_trivia())
            .map(|token| token.text().to_owned())
            .collect();
        let mut text = String::new();
        for (at, token) in tokens.iter().enumerate() {
            let text_at = |at: usize| tokens.get(at).map_or("", String::as_str);
            let is_word = |at: usize| {
                let first = text_at(at).chars().next();
                first.is_some_and(|first| first.is_alphabetic() || first == '_' || !first.is_ascii())
            };
            // The standard library's paths say nothing that the last name does not.
            let mut start = if token == "::" { at.saturating_sub(1) } else { at };
            while start >= 2 && text_at(start - 1) == "::" && is_word(start - 2) {
                start -= 2;
            }
            let leads_on = is_word(at) && text_at(at + 1) == "::" && is_word(at + 2);
            if STD.contains(&text_at(start)) && (leads_on || token == "::")
                || token == "::" && start == at && !is_word(at.wrapping_sub(1))
            {
                continue;
            }
            match parameters.iter().position(|parameter| parameter == token) {
                Some(place) => text.push_str(&format!("<{place}>")),
                None => text.push_str(token),
            }
            text.push(' ');
        }
        text.trim_end().to_owned()
    };
    (spelled(item.trait_()), spelled(item.self_ty()))
}
