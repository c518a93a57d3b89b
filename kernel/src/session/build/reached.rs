//! Which items of a notebook a cell reaches. evcxr brings all of them along with every cell; a derived trait alone has
//! rustc look through every implementation of it, in three hundred crates.
//!
//! By their names, as they stand anywhere in the text of what is reached: too much may be kept, never too little. A trait
//! is also reached by what is in it, and an `impl` when all of the notebook's own that it is about is reached.

use crate::session::cell::lines::is_of_a_word;
use ra_ap_syntax::ast::{self, HasModuleItem as _, HasName as _};
use ra_ap_syntax::{AstNode as _, Edition, SourceFile, SyntaxNode, TextRange};
use std::collections::HashSet;

/// Where the code of a cell begins.
const CODE: &str = "pub extern \"C-unwind\" fn jook_cell_";

/// The crate of a cell without the items that its code does not reach; none when it reaches all. No line moves.
pub fn reached(source: &str) -> Option<String> {
    let code = source.rfind(CODE)?;
    let file = SourceFile::parse(&source[..code], Edition::Edition2024).tree();
    let mut items: Vec<Item> = file.items().filter_map(|item| Item::of(&item)).collect();
    let own: HashSet<String> = items.iter().flat_map(|item| item.names.iter().cloned()).collect();
    for item in &mut items {
        item.about.retain(|name| own.contains(name));
    }
    // What may go is looked at when it is reached; everything else counts from the start.
    let mut rest = source.to_owned();
    for item in items.iter().rev() {
        blank(&mut rest, item.range);
    }
    let mut known: HashSet<String> = words(&rest).map(str::to_owned).collect();
    let mut left: Vec<&Item> = items.iter().collect();
    loop {
        let (found, others): (Vec<&Item>, Vec<&Item>) =
            left.into_iter().partition(|item| item.is_reached(&known));
        left = others;
        if found.is_empty() {
            break;
        }
        for item in found {
            known.extend(words(&source[item.range]).map(str::to_owned));
        }
    }
    if left.is_empty() {
        return None;
    }
    let mut kept = source.to_owned();
    for item in left.iter().rev() {
        blank(&mut kept, item.range);
    }
    Some(kept)
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !is_of_a_word(c))
        .filter(|word| !word.is_empty())
}

fn blank(source: &mut String, range: TextRange) {
    let lines = "\n".repeat(source[range].matches('\n').count());
    source.replace_range(std::ops::Range::<usize>::from(range), &lines);
}

/// An item that may go when nothing reaches it.
struct Item {
    range: TextRange,
    /// By any of which it is reached; none for an `impl`.
    names: Vec<String>,
    /// For an `impl`, what stands in its head.
    about: Vec<String>,
}

impl Item {
    /// None for what counts in any case: `use`, statics, constants, modules, calls of macros.
    fn of(item: &ast::Item) -> Option<Self> {
        let plain =
            |name: Option<ast::Name>| name.map(|name| name.text().trim_start_matches("r#").to_owned());
        let (mut names, mut about) = (Vec::new(), Vec::new());
        match item {
            ast::Item::Fn(item) => names.extend(plain(item.name())),
            ast::Item::Struct(item) => names.extend(plain(item.name())),
            ast::Item::Enum(item) => names.extend(plain(item.name())),
            ast::Item::Union(item) => names.extend(plain(item.name())),
            ast::Item::TypeAlias(item) => names.extend(plain(item.name())),
            ast::Item::MacroRules(item) => names.extend(plain(item.name())),
            ast::Item::Trait(item) => {
                names.extend(plain(item.name()));
                let within = item
                    .assoc_item_list()
                    .into_iter()
                    .flat_map(|list| list.assoc_items());
                names.extend(within.filter_map(|item| plain(name_of(item.syntax()))));
            }
            ast::Item::Impl(item) => {
                for head in [item.trait_(), item.self_ty()].iter().flatten() {
                    about.extend(words(&head.syntax().text().to_string()).map(str::to_owned));
                }
            }
            _ => return None,
        }
        let range = item.syntax().text_range();
        (!names.is_empty() || !about.is_empty()).then_some(Self { range, names, about })
    }

    fn is_reached(&self, known: &HashSet<String>) -> bool {
        match self.names.is_empty() {
            true => self.about.iter().all(|name| known.contains(name)),
            false => self.names.iter().any(|name| known.contains(name)),
        }
    }
}

/// The name that stands directly in a node.
fn name_of(node: &SyntaxNode) -> Option<ast::Name> {
    node.children().find_map(ast::Name::cast)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ITEMS: &str = "use a::b;\nstatic N: u8 = start();\nfn start() -> u8 { 1 }\n#[derive(Debug)]\nstruct P { q: Q }\n\
        struct Q;\nstruct Z;\nimpl Area for P { fn area(&self) -> f64 { helper() } }\nimpl Area for Z { fn area(&self) -> f64 { 0.0 } }\n\
        trait Area { fn area(&self) -> f64; }\nfn helper() -> f64 { 1.0 }\nfn other() {}\nmacro_rules! m { () => { other() } }\n\
        impl P { fn new() -> Self { P { q: Q } } }\nmod inner { pub fn f() { super::kept() } }\nfn kept() {}\n";

    fn left(code: &str) -> Vec<String> {
        let source = format!("{ITEMS}#[unsafe(no_mangle)]\n{CODE}3() {{\n{code}\n}}\n");
        let kept = reached(&source).unwrap_or_else(|| source.clone());
        assert_eq!(kept.lines().count(), source.lines().count());
        let heads = [
            "fn start()",
            "struct P",
            "struct Q;\n",
            "struct Z;\n",
            "impl Area for P",
            "impl Area for Z",
            "trait Area",
            "fn helper()",
            "fn other()",
            "macro_rules! m",
            "impl P",
            "fn kept()",
        ];
        heads
            .iter()
            .filter(|head| !kept.contains(**head))
            .map(|head| head.trim().to_owned())
            .collect()
    }

    #[test]
    fn what_a_cell_reaches_stays() {
        let rest = [
            "struct P",
            "struct Q;",
            "struct Z;",
            "impl Area for P",
            "impl Area for Z",
        ];
        let all = [
            &rest[..],
            &[
                "trait Area",
                "fn helper()",
                "fn other()",
                "macro_rules! m",
                "impl P",
            ],
        ]
        .concat();
        assert_eq!(left("1 + 1"), all);
        // A variable's type, a method by its name, a macro's code.
        assert_eq!(
            left("let p = store.take_as::<Vec<P>>(); p.len()"),
            [
                "struct Z;",
                "impl Area for P",
                "impl Area for Z",
                "trait Area",
                "fn helper()",
                "fn other()",
                "macro_rules! m"
            ]
        );
        assert_eq!(
            left("let p = P::new(); p.area()"),
            ["struct Z;", "impl Area for Z", "fn other()", "macro_rules! m"]
        );
        assert_eq!(
            left("m!()"),
            [&rest[..], &["trait Area", "fn helper()", "impl P"]].concat()
        );
        assert_eq!(left("fn g(x: &dyn Area) {} m!(); P::new(); Z;"), [""; 0]);
    }
}
