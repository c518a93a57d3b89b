//! Items without a name, above all `impl`s, made replaceable: running a cell again replaces what it has defined.
//!
//! evcxr keeps items by their names, and an item without one with the named item before it in the cell, or for ever. Here
//! each gets a name: a type alias that nobody uses is written before it, and evcxr keeps the two together. The same
//! alias alone takes an item away.

use crate::session::cell::ALIAS;
use crate::session::cell::builtin::{self, Around};
use crate::session::cell::conditions;
use crate::session::cell::edit::{Edit, Named, edited};
use crate::session::cell::folded;
use crate::session::cell::imports::written_out;
use crate::session::cell::lengths;
use crate::session::cell::made::{Macros, Made};
use crate::session::cell::own_statics;
use crate::session::cell::patterns;
use crate::session::cell::returns;
use crate::session::cell::thread_locals;
use crate::session::cell::unnamed::{Item, member_name, unnamed, written_header};
use ra_ap_syntax::ast::{self, HasModuleItem as _, HasName as _};
use ra_ap_syntax::{AstNode as _, Edition, SourceFile, SyntaxKind, SyntaxNode};
use std::collections::HashSet;
use unicode_normalization::UnicodeNormalization as _;

const HEAD: &str = "fn f(){";

/// The items without a name that a notebook has.
#[derive(Clone, Default)]
pub struct Items {
    all: Vec<Item>,
    macros: Macros,
    /// What calls of them have made.
    made: Vec<Made>,
    /// The names of all other items.
    written: HashSet<String>,
    /// Statics, and functions with statics, that each cell has its own of.
    unshared: HashSet<String>,
    /// Macros by which a function gets a static.
    hiding: HashSet<String>,
    /// What evcxr keeps those by that the next cell takes away.
    aside: Vec<String>,
    /// What the next cell imports beside its own.
    imports: String,
}

impl Items {
    /// The same for a cell that takes away these items of earlier cells, which evcxr keeps by such names.
    pub fn without(&self, names: &[&str]) -> Items {
        let mut left = self.clone();
        left.all.retain(|item| !names.contains(&item.alias.as_str()));
        left.made.retain(|call| !names.contains(&call.module.as_str()));
        left.aside = names.iter().map(|&name| name.to_owned()).collect();
        left
    }

    /// The same for a cell that has these imports beside its own. None when it has them already.
    pub fn importing(&self, imports: &str) -> Option<Items> {
        let new = imports.lines().filter(|line| !self.imports.contains(line));
        let new: String = new.map(|line| format!("{line} ")).collect();
        (!new.is_empty()).then(|| Items {
            imports: format!("{}{new}", self.imports),
            ..self.clone()
        })
    }

    /// Names the items of `cell` and takes away what they replace; `code` is the same with blanks in the place of
    /// commands. Returns what the notebook has when the cell has run.
    pub fn name(&self, cell: &str, code: &str, around: &Around) -> (Named, Items) {
        let text = format!("{HEAD}{code}\n}}");
        let parsed = SourceFile::parse(&text, Edition::Edition2024);
        let block = parsed.tree().items().next().and_then(|item| match item {
            ast::Item::Fn(block) => block.body()?.stmt_list(),
            _ => None,
        });
        let nodes = block.iter().flat_map(|list| list.syntax().children());
        let (out, nodes): (Vec<SyntaxNode>, Vec<SyntaxNode>) = nodes.partition(conditions::leave_out);
        let place = |node: &SyntaxNode| usize::from(node.text_range().start()) - HEAD.len();
        // evcxr takes a path at a cell's head for a command.
        let head = code.len() - code.trim_start().len();
        let first = nodes.first().map_or(head, place);
        let mut edits: Vec<Edit> = out.iter().map(|node| left_out(node, place(node))).collect();
        if code[first..].starts_with("::") {
            edits.push(Edit::insertion(first, "/**/".to_owned()));
        }
        let defined: HashSet<String> = nodes.iter().filter_map(type_name).collect();
        let mut own: Vec<Item> = Vec::new();
        let mut defines: HashSet<String> = nodes.iter().filter_map(any_name).collect();
        let written = defines.clone();
        let mut macros = self.macros.clone();
        macros.learn(&nodes);
        let mut made: Vec<Made> = Vec::new();
        for node in &nodes {
            if let Some(mut call) = macros.made(node, HEAD.len()) {
                defines.insert(call.module.clone());
                let own = std::mem::take(&mut call.edits);
                edits.extend(own.into_iter().map(|(at, text)| Edit::insertion(at, text)));
                made.push(call);
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
            let end = usize::from(node.text_range().end()) - HEAD.len();
            edits.extend(patterns::bound_again(node).map(|text| Edit::insertion(end, text)));
            for (at, value) in returns::ends(node) {
                edits.push(Edit::insertion(at - HEAD.len(), value.to_owned()));
            }
            edits.extend(composed(node).map(|(at, removed, text)| Edit {
                at: at - HEAD.len(),
                removed,
                text,
            }));
            edits.extend(lengths::found(node).into_iter().map(|(at, removed, text)| Edit {
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
        let mut kept_calls = Vec::new();
        // An empty module in the place of an item: whatever uses it is refused.
        let taken = |name: &String| match name.starts_with(ALIAS) {
            true => format!("type {name} = ();"),
            false => format!("mod {name} {{}} "),
        };
        let mut gone = self.imports.clone();
        gone.extend(self.aside.iter().map(taken));
        let mut gone_with = Vec::new();
        let mut unmade = Vec::new();
        let makes = |name: &String| made.iter().any(|call| call.names.contains(name));
        for old in &self.made {
            let replaced = made.iter().any(|call| call.module == old.module);
            let again = |name: &String| written.contains(name) || makes(name);
            if !replaced && !old.names.iter().any(again) {
                kept_calls.push(old.clone());
                continue;
            }
            if !replaced {
                gone.push_str(&format!("mod {} {{}} ", old.module));
            }
            let left = old.names.iter().filter(|name| !again(name));
            unmade.extend(left.map(|name| (name.clone(), old.shown.clone())));
        }
        // What an earlier cell defines under a name that a macro gives now gives way to a macro of that name, which is
        // nowhere in its way.
        for name in self
            .written
            .iter()
            .filter(|name| makes(name) && !written.contains(*name))
        {
            gone.push_str(&format!("macro_rules! {name} {{ () => {{}} }} "));
        }
        kept_calls.extend(made.iter().cloned());
        for old in &self.all {
            match old.beside(&own, &defined) {
                Some(left) => {
                    if left.text != old.text {
                        gone.push_str(&format!("type {} = ();{} ", left.alias, left.text));
                    }
                    kept.push(left);
                }
                None if own.iter().any(|item| item.alias == old.alias) => {}
                None => {
                    gone.push_str(&format!("type {} = ();", old.alias));
                    let with = old.gone_with(&defined);
                    let with = with.filter(|_| !own.iter().any(|item| item.is_of_the_same(old)));
                    gone_with.extend(with.map(|with| (written_header(&old.text), with.to_owned())));
                }
            }
        }
        if !gone.is_empty() {
            let first = nodes.iter().find(|node| !is_inner_attribute(node));
            edits.insert(0, Edit::insertion(first.map_or(code.len(), place), gone));
        }
        kept.extend(own);
        let mut named = edited(cell, edits);
        named.defines = defines;
        named.gone = gone_with;
        named.unmade = unmade;
        named.folds = lists;
        let mut unshared = self.unshared.clone();
        unshared.retain(|name| !written.contains(name) && !makes(name));
        unshared.extend(made.iter().flat_map(|call| call.statics.iter().cloned()));
        let mut hiding = self.hiding.clone();
        hiding.retain(|name| !written.contains(name));
        hiding.extend(nodes.iter().filter_map(own_statics::macro_with_one));
        unshared.extend(nodes.iter().flat_map(|node| own_statics::of(node, &hiding)));
        named.unshared = mentioned(&nodes, &unshared);
        let mut all_written = self.written.clone();
        all_written.retain(|name| !makes(name));
        all_written.extend(written);
        let items = Items {
            all: kept,
            macros,
            made: kept_calls,
            written: all_written,
            unshared,
            hiding,
            ..Items::default()
        };
        (named, items)
    }
}

/// Nothing in the place of this; the lines behind it stay where they are.
fn left_out(node: &SyntaxNode, at: usize) -> Edit {
    let text = node.text().to_string();
    Edit {
        at,
        removed: text.len(),
        text: "\n".repeat(text.matches('\n').count()),
    }
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

/// Which of these names the statements use.
fn mentioned(nodes: &[SyntaxNode], names: &HashSet<String>) -> Vec<String> {
    if names.is_empty() {
        return Vec::new();
    }
    let tokens = nodes.iter().flat_map(|node| node.descendants_with_tokens());
    let tokens = tokens.filter_map(|it| it.into_token());
    let used = tokens
        .map(|token| token.text().to_owned())
        .filter(|text| names.contains(text));
    let mut used: Vec<String> = used.collect();
    used.sort();
    used.dedup();
    used
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
        assert_eq!(
            after(&["impl a::S { fn f() {} }", "impl b::S { fn f() {} }"]).len(),
            2
        );
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
        let around = Around::default();
        let (_, items) = Items::default().name(cell, cell, &around);
        let gone = |code: &str| items.name(code, code, &around).0.gone;
        let with = |item: &str| vec![(item.to_owned(), "A".to_owned())];
        assert_eq!(gone("struct A { y: i32 }"), with("impl A"));
        assert!(gone(cell).is_empty() && gone("struct A; impl A { fn g() {} }").is_empty());
        let stays = after(&[
            "struct A { x: i32 }",
            "impl A { fn f() {} }",
            "struct A { y: i32 }",
        ]);
        assert_eq!(stays, ["impl A { fn f() {} }"]);
        assert_eq!(after(&[cell, "#![allow(x)]\nenum A {}\nlet a = 1;"]).len(), 2);
    }

    #[test]
    fn what_is_set_aside_is_taken_away() {
        let cell = "impl Clone for A { fn clone(&self) -> A { A } }";
        let around = Around::default();
        let (named, items) = Items::default().name(cell, cell, &around);
        let alias = named.text.split([' ', '=']).nth(1).unwrap();
        let (named, left) = items
            .without(&[alias, "f"])
            .name("struct A;", "struct A;", &around);
        assert_eq!(named.text, format!("type {alias} = ();mod f {{}} struct A;"));
        assert_eq!(left.name("1", "1", &around).0.text, "1");
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
