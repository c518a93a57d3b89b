//! Items without a name, above all `impl`s, made replaceable: running a cell again replaces what it has defined.
//!
//! evcxr keeps items by their names, and an item without one with the named item before it in the cell, or for ever. Here
//! each gets a name: a type alias that nobody uses is written before it, and evcxr keeps the two together. The same
//! alias alone takes an item away. `use a::{self as b}`, which evcxr takes for `use a`, is written out.

use crate::session::cell::ALIAS;
use crate::session::cell::builtin::{self, Around};
use crate::session::cell::folded;
use crate::session::cell::made::Macros;
use crate::session::cell::thread_locals;
use ra_ap_syntax::ast::{self, HasGenericParams as _, HasModuleItem as _, HasName as _};
use ra_ap_syntax::{AstNode as _, Edition, SourceFile, SyntaxKind, SyntaxNode};
use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use unicode_normalization::UnicodeNormalization as _;

const HEAD: &str = "fn f(){";

/// The items without a name that a notebook has.
#[derive(Clone, Default)]
pub struct Items {
    all: Vec<Item>,
    macros: Macros,
}

#[derive(Clone, Debug)]
struct Item {
    alias: String,
    /// For an `impl`, which trait and which type; else what it is.
    header: String,
    /// Whether a second item with this header and other names may stand beside it.
    many: bool,
    /// What it defines.
    names: HashSet<String>,
    /// Types and traits of its header that its cell defines, too.
    with: HashSet<String>,
    text: String,
}

/// A cell as evcxr gets it.
#[derive(Debug, Default)]
pub struct Named {
    pub text: String,
    /// What was written into which line, at which column; both count from 1.
    insertions: Vec<(usize, usize, usize)>,
    /// The names of its items, for evcxr.
    pub defines: HashSet<String>,
    /// The lists that were made short, which the compiler gets whole: what stands for which.
    pub folds: Vec<(String, String)>,
}

impl Named {
    /// The column of the user's cell at a place of the text; of what was written into it there is none.
    pub fn column(&self, line: usize, column: usize) -> usize {
        let mut own = column;
        for (_, at, width) in self.insertions.iter().filter(|(other, ..)| *other == line) {
            if column >= at + width {
                own -= width;
            } else if column > *at {
                own -= column - at;
            }
        }
        own
    }
}

impl Items {
    /// Names the items of `cell` and takes away what they replace; `code` is the same with blanks in the place of
    /// commands. Returns what the notebook has when the cell has run.
    pub fn name(&self, cell: &str, code: &str, around: &Around) -> (Named, Items) {
        let text = format!("{HEAD}{code}\n}}");
        let parsed = SourceFile::parse(&text, Edition::Edition2024);
        let block = parsed.tree().items().next().and_then(|item| match item {
            ast::Item::Fn(block) => block.body()?.stmt_list(),
            _ => None,
        });
        let nodes: Vec<SyntaxNode> = block.iter().flat_map(|list| list.syntax().children()).collect();
        let place = |node: &SyntaxNode| usize::from(node.text_range().start()) - HEAD.len();
        // evcxr takes a path at a cell's head for a command.
        let head = code.len() - code.trim_start().len();
        let first = nodes.first().map_or(head, place);
        let mut edits: Vec<Edit> = Vec::new();
        if code[first..].starts_with("::") {
            edits.push(Edit::insertion(first, "/**/".to_owned()));
        }
        let defined: HashSet<String> = nodes.iter().filter_map(type_name).collect();
        let mut own: Vec<Item> = Vec::new();
        let mut defines: HashSet<String> = nodes.iter().filter_map(any_name).collect();
        let mut macros = self.macros.clone();
        macros.learn(&nodes);
        for node in &nodes {
            if let Some((module, own)) = macros.module(node, HEAD.len()) {
                defines.insert(module);
                edits.extend(own.map(|(at, text)| Edit::insertion(at, text)));
                continue;
            }
            if let Some((alias, own)) = thread_locals::as_item(node, HEAD.len()) {
                defines.insert(alias);
                edits.extend(own.into_iter().map(|(at, text)| Edit::insertion(at, text)));
                continue;
            }
            if let Some(text) = ast::Use::cast(node.clone()).and_then(|item| written_out(&item)) {
                let removed = node.text_range().len().into();
                edits.push(Edit {
                    at: place(node),
                    removed,
                    text,
                });
            }
            let Some(mut item) = ast::Item::cast(node.clone()).and_then(|item| unnamed(&item)) else {
                continue;
            };
            // Two of them in one cell are the compiler's business.
            let twins = own
                .iter()
                .filter(|other| other.alias.starts_with(&item.alias))
                .count();
            item.alias = format!("{}_{twins}", item.alias);
            defines.insert(item.alias.clone());
            item.with.retain(|name| defined.contains(name));
            edits.push(Edit::insertion(place(node), format!("type {} = ();", item.alias)));
            own.push(item);
        }
        let mut lists = Vec::new();
        for node in &nodes {
            edits.extend(composed(node).map(|(at, removed, text)| Edit {
                at: at - HEAD.len(),
                removed,
                text,
            }));
            let line = |at: usize| text[..at].matches('\n').count() + 1;
            for (at, removed, text) in builtin::edits(node, around, line) {
                let at = at - HEAD.len();
                edits.push(Edit { at, removed, text });
            }
            for fold in folded::folds(node) {
                let edit = Edit {
                    at: place(node) + fold.at,
                    removed: fold.text.len(),
                    text: fold.short.clone(),
                };
                edits.push(edit);
                lists.push((fold.short, fold.text));
            }
        }
        let mut kept = Vec::new();
        let mut gone = String::new();
        for old in &self.all {
            match old.beside(&own, &defined) {
                Some(left) => {
                    if left.text != old.text {
                        gone.push_str(&format!("type {} = ();{} ", left.alias, left.text));
                    }
                    kept.push(left);
                }
                None if own.iter().any(|item| item.alias == old.alias) => {}
                None => gone.push_str(&format!("type {} = ();", old.alias)),
            }
        }
        if !gone.is_empty() {
            let first = nodes.iter().find(|node| !is_inner_attribute(node));
            edits.insert(0, Edit::insertion(first.map_or(code.len(), place), gone));
        }
        kept.extend(own);
        let mut named = edited(cell, edits);
        named.defines = defines;
        named.folds = lists;
        (named, Items { all: kept, macros })
    }
}

impl Item {
    /// What is left of this item beside those of a newer cell, which defines the types `defined`.
    fn beside(&self, newer: &[Item], defined: &HashSet<String>) -> Option<Item> {
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

/// A change of a cell's text: so many bytes at a place give way to others.
struct Edit {
    at: usize,
    removed: usize,
    text: String,
}

impl Edit {
    fn insertion(at: usize, text: String) -> Self {
        Self { at, removed: 0, text }
    }
}

fn edited(cell: &str, mut edits: Vec<Edit>) -> Named {
    let mut named = Named::default();
    let mut from = 0;
    edits.sort_by_key(|edit| edit.at);
    for edit in edits {
        // Within a list that was made short nothing else is to be done.
        if edit.at < from {
            continue;
        }
        named.text.push_str(&cell[from..edit.at]);
        let line = named.text.matches('\n').count() + 1;
        let column = named.text.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        if edit.removed == 0 {
            named.insertions.push((line, column, edit.text.chars().count()));
        }
        named.text.push_str(&edit.text);
        from = edit.at + edit.removed;
    }
    named.text.push_str(&cell[from..]);
    named
}

/// The imports one by one, in as many lines, when one of them renames a `self`.
fn written_out(item: &ast::Use) -> Option<String> {
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

/// Names as the compiler reads them, where they are written in another form: evcxr takes the two for different ones.
fn composed(node: &SyntaxNode) -> impl Iterator<Item = (usize, usize, String)> {
    let tokens = node.descendants_with_tokens().filter_map(|it| it.into_token());
    let words = tokens.filter(|token| token.kind() == SyntaxKind::IDENT && !token.text().is_ascii());
    words.filter_map(|word| {
        let composed: String = word.text().nfc().collect();
        let at = word.text_range();
        (composed != word.text()).then(|| (at.start().into(), at.len().into(), composed))
    })
}

fn is_inner_attribute(node: &SyntaxNode) -> bool {
    ast::Attr::cast(node.clone()).is_some_and(|attr| attr.excl_token().is_some())
}

/// The name of a type or a trait that is defined.
fn type_name(node: &SyntaxNode) -> Option<String> {
    let name = match ast::Item::cast(node.clone())? {
        ast::Item::Struct(item) => item.name(),
        ast::Item::Enum(item) => item.name(),
        ast::Item::Union(item) => item.name(),
        ast::Item::Trait(item) => item.name(),
        ast::Item::TypeAlias(item) => item.name(),
        _ => None,
    };
    name.map(|name| name.text().to_string())
}

fn any_name(node: &SyntaxNode) -> Option<String> {
    ast::Item::can_cast(node.kind())
        .then(|| member_name(node))
        .flatten()
}

fn member_name(node: &SyntaxNode) -> Option<String> {
    let name = node.children().find_map(ast::Name::cast);
    name.map(|name| name.text().to_string())
}

/// The item, when evcxr would find no name of it.
fn unnamed(item: &ast::Item) -> Option<Item> {
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
    let mut key = DefaultHasher::new();
    header.hash(&mut key);
    if many {
        let mut sorted: Vec<&String> = names.iter().collect();
        sorted.sort();
        sorted.hash(&mut key);
    }
    Some(Item {
        alias: format!("{ALIAS}{:016x}", key.finish()),
        header,
        many,
        names,
        with,
        text: item.syntax().text().to_string(),
    })
}

fn words(text: &str) -> HashSet<String> {
    let is_of_a_word = |c: char| c.is_alphanumeric() || c == '_' || !c.is_ascii();
    let words = text
        .split(|c: char| !is_of_a_word(c))
        .filter(|word| !word.is_empty());
    words.map(str::to_owned).collect()
}

/// Trait and type of an `impl`, however the two are spelled: without the paths to them, and with its parameters by their
/// places.
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
            let is_path = |ahead: usize| tokens.get(at + ahead).is_some_and(|token| token == "::");
            let is_word = |ahead: usize| {
                let word = tokens.get(at + ahead).and_then(|token| token.chars().next());
                word.is_some_and(|first| first.is_alphabetic() || first == '_' || !first.is_ascii())
            };
            let leads_on = token == "::" && is_word(1) || is_word(0) && is_path(1) && is_word(2);
            if leads_on {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// What evcxr would keep of cells that are run one after the other: by the item that has a name before each.
    fn after(cells: &[&str]) -> Vec<String> {
        let (mut items, mut kept) = (Items::default(), std::collections::BTreeMap::new());
        for cell in cells {
            let (named, next) = items.name(cell, cell, &Around::default());
            let text = format!("{HEAD}{}\n}}", named.text);
            let parsed = SourceFile::parse(&text, Edition::Edition2024);
            assert!(parsed.errors().is_empty(), "{}", named.text);
            let mut name = String::new();
            let Some(ast::Item::Fn(block)) = parsed.tree().items().next() else {
                panic!("{}", named.text)
            };
            let list = block.body().unwrap().stmt_list().unwrap();
            for node in list.syntax().children() {
                let text = node.text().to_string();
                match type_name(&node) {
                    Some(own) => {
                        name = own;
                        kept.insert(name.clone(), String::new());
                    }
                    None => kept.entry(name.clone()).or_default().push_str(&text),
                }
            }
            items = next;
        }
        kept.into_values().filter(|text| !text.is_empty()).collect()
    }

    #[test]
    fn a_cell_that_is_run_again_replaces_its_items() {
        let cell = "struct A;\nimpl A { fn f() {} }\nimpl Clone for A { fn clone(&self) -> A { A } }";
        assert_eq!(after(&[cell, cell]).len(), 2);
        assert_eq!(
            after(&["impl A { fn f() {} }", "impl A { fn f() { g() } }"]),
            ["impl A { fn f() { g() } }"]
        );
        let display = "impl std::fmt::Display for A { fn a() {} }";
        assert_eq!(
            after(&[display, "use std::fmt; impl fmt::Display for A { fn b() {} }"]).len(),
            2
        );
        let both = after(&[
            "impl From<i32> for A { fn a() {} }",
            "impl From<f32> for A { fn b() {} }",
        ]);
        assert_eq!(both.len(), 2);
        let generic = after(&[
            "impl<T> Show for W<T> { fn a() {} }",
            "impl<'a, U> Show for &'a W<U> { fn a() {} }",
            "impl<U> Show for W<U> { fn b() {} }",
        ]);
        assert_eq!(generic.len(), 2);
        assert!(generic.contains(&"impl<U> Show for W<U> { fn b() {} }".to_owned()));
        let foreign = "unsafe extern \"C\" { fn abs(x: i32) -> i32; }";
        assert_eq!(after(&[foreign, foreign]), [foreign]);
    }

    #[test]
    fn what_a_newer_cell_does_not_define_stays() {
        assert_eq!(after(&["impl A { fn f() {} }", "impl A { fn g() {} }"]).len(), 2);
        let left = after(&[
            "impl A {\n    // One.\n    fn f() { x(\"a b\") }\n    fn g() {}\n}",
            "impl A { fn g() { 2 } fn h() {} }",
        ]);
        assert_eq!(left.len(), 2, "{left:?}");
        assert!(
            left.iter()
                .any(|text| text.contains("fn f() { x(\"a b\") }") && !text.contains("fn g")),
            "{left:?}"
        );
        assert_eq!(
            after(&[
                "impl A { fn f() {} fn g() {} }",
                "impl A { fn f() {} fn g() {} fn h() {} }"
            ])
            .len(),
            1
        );
    }

    #[test]
    fn an_item_goes_with_the_type_of_its_own_cell() {
        let cell = "struct A { x: i32 }\nimpl A { fn f(&self) -> i32 { self.x } }";
        assert_eq!(after(&[cell, "struct A { y: i32 }"]), [""; 0]);
        let stays = after(&[
            "struct A { x: i32 }",
            "impl A { fn f() {} }",
            "struct A { y: i32 }",
        ]);
        assert_eq!(stays, ["impl A { fn f() {} }"]);
        assert_eq!(after(&[cell, "#![allow(x)]\nenum A {}\nlet a = 1;"]).len(), 2);
    }

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

    #[test]
    fn columns_are_those_of_the_users_cell() {
        let items = Items::default();
        let code = "let é = 1; impl A { fn f() {} } b\nc";
        let (named, _) = items.name(code, code, &Around::default());
        let line = named.text.lines().next().unwrap();
        for (column, c) in code.lines().next().unwrap().chars().enumerate().skip(11) {
            let at = line.chars().count() - (code.lines().next().unwrap().chars().count() - column);
            assert_eq!(line.chars().nth(at), Some(c));
            assert_eq!(named.column(1, at + 1), column + 1);
        }
        assert_eq!((named.column(1, 5), named.column(2, 1)), (5, 1));
        assert_eq!(
            items.name("let a = 1;", "let a = 1;", &Around::default()).0.text,
            "let a = 1;"
        );
        let path = "// A.\n ::std::mem::drop(1);";
        let (named, _) = items.name(path, path, &Around::default());
        assert_eq!(named.text, "// A.\n /**/::std::mem::drop(1);");
        assert_eq!((named.column(2, 6), named.column(2, 8)), (2, 4));
    }
}
