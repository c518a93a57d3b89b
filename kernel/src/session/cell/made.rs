//! Items that a macro of the notebook makes, when a cell calls it as a statement: evcxr takes the call for code, and
//! forgets with the cell what it defines.
//!
//! evcxr gets the call in a module, with a copy of the macro that makes everything public, so that rust-analyzer knows what
//! there is. The compiler gets the call alone, among the items of the notebook.

use crate::session::cell::making::{Names, Rules};
use crate::session::digest::digest_of;
use ra_ap_syntax::ast::{self, HasModuleItem as _, HasName as _};
use ra_ap_syntax::{AstNode as _, Edition, NodeOrToken, SourceFile, SyntaxKind, SyntaxNode};
use std::collections::{BTreeSet, HashMap};

/// How the modules' names begin.
pub const MODULE: &str = "evcxr_made_";

/// The macros of a notebook that make items, by name.
#[derive(Clone, Default)]
pub struct Macros(HashMap<String, Macro>);

#[derive(Clone)]
struct Macro {
    /// Its rules, with all that is made public.
    public: String,
    /// Its rules, for the names of what they make.
    rules: Rules,
}

/// What a call makes.
#[derive(Clone)]
pub struct Made {
    /// What evcxr keeps it by.
    pub module: String,
    /// The names in it, as far as they are known.
    pub names: BTreeSet<String>,
    /// Statics among them that no cell shares with another.
    pub statics: BTreeSet<String>,
    /// The call, in one line.
    pub shown: String,
    /// What is to be written at which places of the cell.
    pub edits: Vec<(usize, String)>,
}

impl Macros {
    /// Learns the macros that these statements define.
    pub fn learn(&mut self, nodes: &[SyntaxNode]) {
        let rules = nodes
            .iter()
            .filter_map(|node| match ast::Item::cast(node.clone())? {
                ast::Item::MacroRules(rules) => Some((rules.name()?.text().to_string(), rules.token_tree()?)),
                _ => None,
            });
        let rules: Vec<(String, ast::TokenTree)> = rules.collect();
        for (name, _) in &rules {
            self.0.remove(name);
        }
        // One that calls another of them may stand before it.
        for _ in 0..=rules.len() {
            let before = self.0.len();
            for (name, tree) in &rules {
                let own =
                    |other: &str| other == name || GIVING.contains(&other) || self.0.contains_key(other);
                if let Some(public) = public_rules(tree, &own) {
                    let rules = Rules::read(tree);
                    self.0.insert(name.clone(), Macro { public, rules });
                }
            }
            if self.0.len() == before {
                break;
            }
        }
    }

    /// For a statement that calls one of them, or one of an added crate that is given items: what that makes; `before`
    /// bytes stand before the cell.
    pub fn made(&self, node: &SyntaxNode, before: usize) -> Option<Made> {
        let call = call_of(node)?;
        let name = call.path()?.syntax().text().to_string();
        let place = |at: ra_ap_syntax::TextSize| usize::from(at) - before;
        let text = call.syntax().text().to_string();
        let shown = text.split_whitespace().collect::<Vec<_>>().join(" ");
        let range = call.syntax().text_range();
        let of = |Names { all: names, statics }: Names, begin: String, end: &str| {
            // Another call that makes things of the same names replaces this one.
            let whole = names.is_empty().then_some(&text);
            let module = format!("{MODULE}{:016x}", digest_of(&(&name, &names, whole)));
            let begin = format!("mod {module} {{ use super::*; {begin}");
            let end = format!("{end} }} use {module}::*;");
            Made {
                edits: vec![(place(range.start()), begin), (place(range.end()), end)],
                module,
                names,
                statics,
                shown,
            }
        };
        let tree = call.token_tree()?;
        let Some(Macro { public, rules }) = self.0.get(&name) else {
            let given = given(&call)?;
            let names = Names {
                statics: given.statics(&text),
                all: given.names.into_iter().collect(),
            };
            let mut made = of(names, String::new(), "");
            let private = given.private.into_iter();
            made.edits
                .extend(private.map(|at| (place(at), "pub ".to_owned())));
            return Some(made);
        };
        let open = match tree.right_delimiter_token()?.kind() {
            SyntaxKind::R_CURLY => "",
            _ => ";",
        };
        let rules_of = |other: &str| self.0.get(other).map(|other| &other.rules);
        // Those that it calls make everything public, too.
        let called = |other: &&String| **other != name && public.contains(&format!("{other} !"));
        let mut others: Vec<&String> = self.0.keys().filter(called).collect();
        others.sort();
        let others = others
            .into_iter()
            .filter_map(|other| Some((other, &self.0.get(other)?.public)));
        let begin: String = others
            .chain([(&name, public)])
            .map(|(name, public)| format!("macro_rules! {name} {public} "))
            .collect();
        Some(of(rules.made_by(&tree, &rules_of), begin, open))
    }
}

/// Items that a macro of an added crate is given, such as `bitflags!` or `lazy_static!`.
struct Given {
    names: Vec<String>,
    /// Where those begin that are not public.
    private: Vec<ra_ap_syntax::TextSize>,
}

/// Macros of others that make items.
const GIVING: [&str; 3] = ["bitflags", "lazy_static", "thread_local"];

/// Macros that are given items and make something else of them.
const QUOTING: [&str; 5] = [
    "quote",
    "quote_spanned",
    "parse_quote",
    "thread_local",
    "stringify",
];

fn given(call: &ast::MacroCall) -> Option<Given> {
    let name = call.path()?.segment()?.to_string();
    let tree = call.token_tree()?;
    let braces = tree.right_delimiter_token()?.kind() == SyntaxKind::R_CURLY;
    if QUOTING.contains(&name.as_str()) || !braces {
        return None;
    }
    let all = elements(&tree);
    let inner = &all[1..all.len().checked_sub(1)?];
    let mut given = Given {
        names: Vec::new(),
        private: Vec::new(),
    };
    let mut begins = true;
    let mut public = false;
    for (at, element) in inner.iter().enumerate() {
        let text = element.to_string();
        let next = |ahead: usize| inner.get(at + ahead).map(ToString::to_string).unwrap_or_default();
        let is_tree = element.as_node().is_some();
        if begins && !is_tree && ["struct", "enum", "fn", "static", "const", "type"].contains(&text.as_str())
        {
            if !public {
                given.private.push(element.text_range().start());
            }
            let named = if ["ref", "mut"].contains(&next(1).as_str()) {
                next(2)
            } else {
                next(1)
            };
            given.names.push(named);
            (begins, public) = (false, false);
        } else if begins && text == "pub" {
            public = true;
        } else if begins && !(is_tree || ["#", "unsafe", "async"].contains(&text.as_str())) {
            return None;
        }
        begins |= text == ";" || is_tree && text.starts_with('{');
    }
    (!given.names.is_empty()).then_some(given)
}

impl Given {
    /// Those that are statics in the text of the call.
    fn statics(&self, text: &str) -> BTreeSet<String> {
        let is_static = |name: &&String| {
            ["static ref ", "static "]
                .iter()
                .any(|word| text.contains(&format!("{word}{name}")))
        };
        self.names.iter().filter(is_static).cloned().collect()
    }
}

/// The call that a statement is.
fn call_of(node: &SyntaxNode) -> Option<ast::MacroCall> {
    let expression = match ast::ExprStmt::cast(node.clone()) {
        Some(statement) => statement.expr()?.syntax().clone(),
        None => node.clone(),
    };
    ast::MacroExpr::cast(expression)?.macro_call()
}

type Element = NodeOrToken<SyntaxNode, ra_ap_syntax::SyntaxToken>;

fn elements(tree: &ast::TokenTree) -> Vec<Element> {
    let all = tree.syntax().children_with_tokens();
    all.filter(|it| it.as_token().is_none_or(|token| !token.kind().is_trivia()))
        .collect()
}

/// The rules in one line, when each makes items, by itself or by one of the notebook's `own` macros.
fn public_rules(tree: &ast::TokenTree, own: &dyn Fn(&str) -> bool) -> Option<String> {
    let all = elements(tree);
    let mut out = String::from("{");
    let mut rules = 0;
    let mut is_body = false;
    for element in &all[1..all.len().checked_sub(1)?] {
        match element {
            NodeOrToken::Node(node) if is_body => {
                let body = ast::TokenTree::cast(node.clone())?;
                is_body = false;
                // The end of a macro that calls itself makes nothing.
                match elements(&body).len() {
                    0..=2 => out.push_str("{}"),
                    _ => {
                        out.push_str(&public_items(&body, own)?);
                        rules += 1;
                    }
                }
            }
            NodeOrToken::Node(node) => out.push_str(&in_one_line(node)),
            NodeOrToken::Token(token) => {
                is_body |= matches!(token.text(), "=>" | ">");
                out.push_str(token.text());
                // `=>` is two signs here.
                if token.text() != "=" {
                    out.push(' ');
                }
            }
        }
    }
    out.push('}');
    (rules > 0 && !out.contains('\n')).then_some(out)
}

fn in_one_line(node: &SyntaxNode) -> String {
    let tokens = node.descendants_with_tokens().filter_map(|it| it.into_token());
    tokens
        .map(|token| match token.kind().is_trivia() {
            true => " ".to_owned(),
            false => token.text().to_owned(),
        })
        .collect()
}

const ITEMS: [&str; 12] = [
    "struct", "enum", "union", "fn", "trait", "type", "const", "static", "mod", "use", "async", "extern",
];

/// What a rule makes, with a `pub` before each item that has none; none when it makes something else.
fn public_items(body: &ast::TokenTree, own: &dyn Fn(&str) -> bool) -> Option<String> {
    let all = elements(body);
    let mut out = all.first()?.to_string();
    let mut begins = true;
    let mut items = 0;
    let inner = &all[1..all.len().checked_sub(1)?];
    for (at, element) in inner.iter().enumerate() {
        let text = element.to_string();
        let next = inner.get(at + 1).map(ToString::to_string).unwrap_or_default();
        let before = at
            .checked_sub(1)
            .map(|at| inner[at].to_string())
            .unwrap_or_default();
        match element {
            NodeOrToken::Node(node) => {
                let tree = ast::TokenTree::cast(node.clone())?;
                let repeats = before == "$" && begins;
                match repeats.then(|| public_items(&tree, own)).flatten() {
                    Some(public) => {
                        out.push_str(&public);
                        items += 1;
                    }
                    None => out.push_str(&in_one_line(node)),
                }
                // Behind an attribute, a repetition or a visibility the item has not begun.
                begins = begins || text.starts_with('{');
            }
            NodeOrToken::Token(_) => {
                if begins && next == "!" && own(&text) {
                    begins = false;
                    items += 1;
                } else if begins {
                    let block = next.starts_with('{');
                    let always = ["impl", "macro_rules"].contains(&text.as_str());
                    let is_item = always || !block && (ITEMS.contains(&text.as_str()) || text == "unsafe");
                    let leads =
                        ["#", "$", "pub", "*", "+", ";", ","].contains(&text.as_str()) || before == "$";
                    if is_item {
                        let has_none = always || text == "unsafe" && next == "impl";
                        let public = has_none || before == "pub" || before.starts_with('(');
                        if !public {
                            out.push_str("pub ");
                        }
                        items += 1;
                        begins = false;
                    } else if !leads {
                        return None;
                    }
                }
                begins |= text == ";";
                out.push_str(&text);
                if !["$", "#", ":", "-", "="].contains(&text.as_str()) {
                    out.push(' ');
                }
            }
        }
    }
    out.push_str(&all.last()?.to_string());
    (items > 0).then_some(out)
}

/// The items of a crate with such calls in the place of the modules. No line moves.
pub fn restored(items: &str) -> String {
    if !items.contains(MODULE) {
        return items.to_owned();
    }
    let file = SourceFile::parse(items, Edition::Edition2024).tree();
    let mut out = String::new();
    let mut from = 0;
    for item in file.items() {
        let range = item.syntax().text_range();
        let text = item.syntax().text().to_string();
        let call = match &item {
            ast::Item::Module(module)
                if module.name().is_some_and(|name| name.text().starts_with(MODULE)) =>
            {
                let calls = module.item_list().into_iter().flat_map(|list| list.items());
                let last = calls
                    .filter(|item| matches!(item, ast::Item::MacroCall(_)))
                    .last();
                last.map(|call| call.syntax().text().to_string())
                    .unwrap_or_default()
            }
            ast::Item::Use(_) if text.starts_with(&format!("use {MODULE}")) => String::new(),
            _ => continue,
        };
        out.push_str(&items[from..usize::from(range.start())]);
        let lines = text.matches('\n').count() - call.matches('\n').count();
        out.push_str(&call);
        out.push_str(&"\n".repeat(lines));
        from = range.end().into();
    }
    out.push_str(&items[from..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::cell::builtin::Around;
    use crate::session::cell::items::Items;

    const RULES: &str = "macro_rules! point {\n    ($name:ident) => {\n        /// A point.\n        #[derive(Clone, Debug)]\n        struct $name { x: i32 }\n\
        impl $name { fn new() -> Self { $name { x: 1 } } }\n    };\n    ($($name:ident),*) => { $(#[allow(x)] pub(crate) fn $name() {} const fn g() {})* };\n}";

    /// What evcxr and the compiler get of a cell that comes after the macro.
    fn after(rules: &str, cell: &str) -> (String, String) {
        let around = Around::default();
        let (_, items) = Items::default().name(rules, rules, &around);
        let (named, _) = items.name(cell, cell, &around);
        let restored = restored(&named.text);
        (named.text, restored)
    }

    #[test]
    fn what_a_macro_makes_is_an_item() {
        let (analysed, compiled) = after(RULES, "point!(P);\nlet p = P::new();");
        assert!(
            analysed.starts_with("mod evcxr_made_") && analysed.contains("pub struct $name"),
            "{analysed}"
        );
        assert!(
            analysed.contains("impl $name {") && !analysed.contains("pub impl"),
            "{analysed}"
        );
        assert!(
            analysed.contains("pub (crate)fn $name") && analysed.contains("pub const fn g"),
            "{analysed}"
        );
        let module = analysed.split(" use evcxr_made_").next().unwrap();
        let parsed = SourceFile::parse(module, Edition::Edition2024);
        assert!(parsed.errors().is_empty(), "{module}\n{:?}", parsed.errors());
        assert_eq!(analysed.lines().count(), 2);
        assert!(
            compiled.starts_with("point!(P);") && !compiled.contains("evcxr_made"),
            "{compiled}"
        );
        let (_, compiled) = after(RULES, "point! {\n    P\n}\npoint!(a, b);");
        assert!(
            compiled.starts_with("point! {\n    P\n}") && compiled.contains("point!(a, b);"),
            "{compiled}"
        );
    }

    #[test]
    fn what_a_macro_of_a_crate_is_given_is_kept() {
        let (analysed, compiled) = after(
            "",
            "lazy_static! {\n    /// A.\n    static ref A: Vec<u8> = vec![];\n    pub static ref B: u8 = 1;\n}\nA.len()",
        );
        assert!(
            analysed.contains("lazy_static! {")
                && analysed.contains("    pub static ref A:")
                && analysed.contains("    pub static ref B:"),
            "{analysed}"
        );
        assert!(
            compiled.starts_with("lazy_static! {") && compiled.ends_with("\nA.len()"),
            "{compiled}"
        );
        let (analysed, _) = after(
            "",
            "bitflags! { #[derive(Debug)] pub struct F: u32 { const A = 1; } }",
        );
        assert!(analysed.starts_with("mod evcxr_made_"), "{analysed}");
        for code in [
            "quote! { struct A; }",
            "json! { 1 }",
            "html! { <p> }",
            "m!(struct A;)",
            "select! { x = f() => x }",
        ] {
            assert_eq!(after("", code).0, code);
        }
    }

    #[test]
    fn what_a_macro_makes_by_another_is_an_item() {
        let rules = "macro_rules! outer { ($n:ident) => { inner!($n); } }\nmacro_rules! inner { ($n:ident) => { struct $n; } }\n\
            macro_rules! each { () => {}; ($n:ident $($rest:tt)*) => { fn $n() {} each!($($rest)*); } }";
        let (analysed, compiled) = after(rules, "outer!(P);");
        assert!(
            analysed.contains("macro_rules! inner {") && analysed.contains("pub struct $n"),
            "{analysed}"
        );
        assert!(compiled.starts_with("outer!(P);"), "{compiled}");
        let around = Around::default();
        let (_, items) = Items::default().name(rules, rules, &around);
        let (_, items) = items.name("each!(a b c);", "each!(a b c);", &around);
        assert_eq!(
            items.name("each!(a b);", "each!(a b);", &around).0.unmade,
            [("c".to_owned(), "each!(a b c)".to_owned())]
        );
    }

    #[test]
    fn a_call_replaces_one_that_makes_the_same() {
        let around = Around::default();
        let (_, items) = Items::default().name(RULES, RULES, &around);
        let module = |cell: &str| items.name(cell, cell, &around).0.defines;
        assert_eq!(module("point!(P);"), module("point! { P }"));
        assert_ne!(module("point!(P);"), module("point!(Q);"));
    }

    #[test]
    fn other_calls_are_code() {
        for rules in [
            "macro_rules! m { ($x:expr) => { $x + 1 } }",
            "macro_rules! m { ($x:ident) => { let $x = 1; } }",
            "macro_rules! m { () => { unsafe { f() } } }",
            "macro_rules! m { () => { println!(\"a\") }; (a) => { struct A; } }",
        ] {
            assert_eq!(after(rules, "m!(a)").0, "m!(a)", "{rules}");
        }
        assert_eq!(after(RULES, "let a = point!(P);").0, "let a = point!(P);");
    }
}
