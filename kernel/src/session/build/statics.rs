//! One memory for each static of a notebook: the code of items is compiled with each cell that uses them, and a static
//! with it.
//!
//! The cell that defines a static exports it under a name of its own; every other cell has a declaration in its place, and
//! is linked against the library of the first.
//! What `thread_local!` makes is exported as a function that gives the key. A static begins anew when the cell that
//! defines it runs again, or when its type is another one.

use crate::session::build::types::Types;
use crate::session::cell::own_statics;
use crate::session::cell::thread_locals;
use crate::session::digest::digest_of;
use ra_ap_syntax::ast::{self, HasModuleItem as _, HasName as _, HasVisibility as _};
use ra_ap_syntax::{AstNode as _, Edition, SourceFile, SyntaxKind, SyntaxNode, TextRange, TextSize};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};

/// What is being run, as the kernel notes it before each cell.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Run {
    /// Another number for each run of a cell.
    pub number: u64,
    /// The items that the cell defines.
    pub defines: HashSet<String>,
    /// Another number for each process that runs cells: nothing of an earlier one is there any more.
    pub process: u64,
}

const FILE: &str = "run.json";

impl Run {
    /// Notes it for the compiler.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn note(&self, notes: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(notes)?;
        Ok(std::fs::write(notes.join(FILE), serde_json::to_vec(self)?)?)
    }

    /// What the kernel has noted.
    pub fn read(notes: &Path) -> Self {
        let text = std::fs::read(notes.join(FILE)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }
}

/// A static of an earlier cell's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Static {
    /// The name that it is exported by.
    symbol: String,
    /// The run of a cell that exports it.
    run: u64,
    /// Of its type.
    digest: u64,
    /// Whether a constant needs its value: such a static cannot be declared, and never changes.
    #[serde(default)]
    copied: bool,
}

/// Statics by where they are defined.
pub type Statics = BTreeMap<String, Static>;

/// The library of the run of a cell, for those that are linked against it; beside the one that is loaded.
pub fn library(folder: &Path, run: u64) -> PathBuf {
    folder.join(format!("libexports_{run}.so"))
}

/// Items whose statics are shared.
#[derive(Default)]
pub struct Shared {
    pub items: String,
    /// All that there are when the cell has run.
    pub statics: Statics,
    /// Whether some are exported.
    pub exports: bool,
    /// The runs of cells that export others.
    pub needs: BTreeSet<u64>,
    /// Names of those that begin anew though their cell does not run: their type is another one.
    pub anew: Vec<String>,
}

/// Shares the statics of `items`, which `run` is compiled with; `known` are those of earlier cells.
pub fn share(items: &str, run: &Run, known: &Statics, types: &Types) -> Shared {
    let mut shared = Shared {
        statics: known.clone(),
        ..Shared::default()
    };
    let mut edits: Vec<(TextRange, String)> = Vec::new();
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let mut alias = None;
    let file = SourceFile::parse(items, Edition::Edition2024).tree();
    for item in file.items() {
        let name = item.syntax().children().find_map(ast::Name::cast);
        let name = name.map(|name| name.text().to_string());
        // What has no name stands behind an alias that is its name.
        let top = name.clone().or(alias.take()).unwrap_or_default();
        alias = matches!(item, ast::Item::TypeAlias(_)).then_some(name).flatten();
        for found in statics_in(item.syntax()) {
            let mut owner = |one: &One| {
                let mut key = format!("{}::{}", path_to(&found.node), one.name);
                let twins = seen.entry(key.clone()).or_default();
                *twins += 1;
                key.push_str(&format!("#{twins}"));
                let digest = digest_of(&(&one.of_type, types.digest(&one.of_type)));
                let known = known.get(&key).filter(|_| !run.defines.contains(&top));
                match known.filter(|known| known.digest == digest) {
                    Some(known) if known.copied => Owner::Nobody,
                    Some(known) => {
                        shared.needs.insert(known.run);
                        Owner::Other(known.symbol.clone())
                    }
                    None => {
                        if known.is_some() {
                            shared.anew.push(one.name.clone());
                        }
                        let symbol = format!("{SYMBOL}{:016x}_{}", digest_of(&key), run.number);
                        shared.exports = true;
                        let new = Static {
                            symbol: symbol.clone(),
                            run: run.number,
                            digest,
                            copied: false,
                        };
                        shared.statics.insert(key, new);
                        Owner::This(symbol)
                    }
                }
            };
            edits.extend(found.edit(&mut owner));
        }
    }
    edits.sort_by_key(|(range, _)| range.start());
    let mut from = 0;
    for (range, text) in edits {
        shared.items.push_str(&items[from..usize::from(range.start())]);
        shared.items.push_str(&text);
        from = usize::from(range.end());
    }
    shared.items.push_str(&items[from..]);
    shared
}

/// Who has a static.
enum Owner {
    /// This cell, which exports it by a name.
    This(String),
    /// Another cell, which exports it by a name.
    Other(String),
    /// Each has its own.
    Nobody,
}

/// A static's type with `'static` where a lifetime may be left out, but not in the types of functions, where that is
/// another one.
fn for_ever(of_type: &SyntaxNode) -> String {
    let mut edits: Vec<(TextRange, &str)> = Vec::new();
    for node in of_type.descendants() {
        let of_a_function = node
            .ancestors()
            .take_while(|around| around != of_type)
            .any(|around| {
                ast::FnPtrType::can_cast(around.kind()) || around.kind() == SyntaxKind::PARENTHESIZED_ARG_LIST
            });
        if of_a_function || ast::FnPtrType::can_cast(of_type.kind()) {
            continue;
        }
        if let Some(reference) = ast::RefType::cast(node.clone()).filter(|it| it.lifetime().is_none())
            && let Some(sign) = reference.amp_token()
        {
            edits.push((TextRange::empty(sign.text_range().end()), "'static "));
        }
        if ast::Lifetime::can_cast(node.kind()) && node.text() == "'_" {
            edits.push((node.text_range(), "'static"));
        }
    }
    edits.sort_by_key(|(range, _)| std::cmp::Reverse(range.start()));
    let (mut text, from) = (of_type.text().to_string(), of_type.text_range().start());
    for (range, new) in edits {
        let place = usize::from(range.start() - from)..usize::from(range.end() - from);
        text.replace_range(place, new);
    }
    text
}

/// Copies the statics whose value rustc wants for a constant, and those that cannot be declared. False when there is none that is not copied already.
pub fn copy_for_constants(said: &[String], statics: &mut Statics) -> bool {
    const WANTED: &str = "cannot access extern static `";
    let mut copied = false;
    for line in said.iter().filter(|line| line.contains("\"level\":\"error\"")) {
        let marks = line.split("#[link_name = \\\"").skip(1);
        for symbol in marks.filter_map(|rest| rest.split('\\').next()) {
            for known in statics
                .values_mut()
                .filter(|known| !known.copied && known.symbol == symbol)
            {
                known.copied = true;
                copied = true;
            }
        }
    }
    let names = said.iter().filter_map(|line| {
        let (_, rest) = line.split_once(WANTED)?;
        rest.split('`').next()?.rsplit("::").next()
    });
    for name in names {
        let of_that_name = |key: &str| {
            let path = key.rsplit_once('#').map_or(key, |(path, _)| path);
            path.rsplit("::").next() == Some(name)
        };
        for (_, known) in statics
            .iter_mut()
            .filter(|(key, known)| !known.copied && of_that_name(key))
        {
            known.copied = true;
            copied = true;
        }
    }
    copied
}

/// One static, of a `static` item or of a `thread_local!`.
struct One {
    name: String,
    of_type: String,
    /// The type with the lifetime that only a static's own need not name.
    written_out: String,
    visibility: String,
    mutable: bool,
}

impl One {
    fn of(item: &ast::Static) -> Option<Self> {
        Some(Self {
            name: item.name()?.text().to_string(),
            of_type: item.ty()?.syntax().text().to_string(),
            written_out: for_ever(item.ty()?.syntax()),
            visibility: item
                .visibility()
                .map(|it| format!("{} ", it.syntax().text()))
                .unwrap_or_default(),
            mutable: item.mut_token().is_some(),
        })
    }
}

struct Found {
    node: SyntaxNode,
    all: Vec<One>,
    thread_local: bool,
}

/// The statics within an item, also those of its functions.
fn statics_in(item: &SyntaxNode) -> Vec<Found> {
    let found = item.descendants().filter_map(|node| {
        if let Some(item) = ast::Static::cast(node.clone()) {
            let foreign = node
                .parent()
                .is_some_and(|parent| ast::ExternItemList::can_cast(parent.kind()));
            // Who names a symbol himself has a reason.
            let named = own_statics::has_attribute(&item, &own_statics::SYMBOL)
                || own_statics::has_attribute(&item, &["link_section", "thread_local"]);
            let one = One::of(&item).filter(|_| !foreign && !named)?;
            return Some(Found {
                node,
                all: vec![one],
                thread_local: false,
            });
        }
        let call = ast::MacroCall::cast(node.clone())?;
        let all = thread_locals::declared(&call)?;
        let all = all.iter().map(One::of).collect::<Option<Vec<_>>>()?;
        Some(Found {
            node,
            all,
            thread_local: true,
        })
    });
    found.collect()
}

/// An attribute that says where a static is there; of others a declaration has none.
fn condition(attr: ast::Attr) -> String {
    let text = attr.syntax().text().to_string();
    match text.replace(' ', "").starts_with("#[cfg(") {
        true => format!("{text} "),
        false => String::new(),
    }
}

const KEY: &str = "::std::thread::LocalKey";
const SYMBOL: &str = "jook_static_";
/// How what is written before a static begins.
pub const EXPORT: &str = "#[unsafe(export_name = \"jook_static_";

impl Found {
    /// The static exported, or a declaration of it; `owner` says by which name, and whether another cell has it.
    fn edit(&self, owner: &mut impl FnMut(&One) -> Owner) -> Vec<(TextRange, String)> {
        let range = self.node.text_range();
        let lines = "\n".repeat(self.node.text().to_string().matches('\n').count());
        let owned: Vec<(&One, Owner)> = self.all.iter().map(|one| (one, owner(one))).collect();
        if !self.thread_local {
            return match owned.first() {
                Some((one, Owner::Other(symbol))) => {
                    let (safety, mutable) = if one.mutable { ("", "mut ") } else { ("safe ", "") };
                    let conditions: String = self
                        .node
                        .children()
                        .filter_map(ast::Attr::cast)
                        .map(condition)
                        .collect();
                    // A declaration of another's has an ASCII name.
                    let (declared, as_named) = match one.name.is_ascii() {
                        true => (one.name.as_str(), String::new()),
                        false => (
                            symbol.as_str(),
                            format!(" {}use {symbol} as {};", one.visibility, one.name),
                        ),
                    };
                    let declared = format!(
                        "{conditions}unsafe extern \"Rust\" {{ #[link_name = \"{symbol}\"] {}{safety}static {mutable}{declared}: {}; }}{as_named}{lines}",
                        one.visibility, one.written_out
                    );
                    vec![(range, declared)]
                }
                Some((_, Owner::This(symbol))) => {
                    let exported = format!("{EXPORT}{}\")] ", symbol.trim_start_matches(SYMBOL));
                    vec![(TextRange::empty(self.first_word()), exported)]
                }
                _ => Vec::new(),
            };
        }
        // All of a call are here or elsewhere.
        let elsewhere = owned.iter().all(|(_, owner)| matches!(owner, Owner::Other(_)));
        let text: String = owned
            .iter()
            .filter_map(|(one, owner)| {
                let (name, of_type) = (&one.name, &one.written_out);
                match owner {
                    Owner::Other(symbol) if elsewhere => Some(format!(
                        "{}static {name}: ::std::sync::LazyLock<&'static {KEY}<{of_type}>> = ::std::sync::LazyLock::new(|| {{ \
                         unsafe extern \"Rust\" {{ #[link_name = \"{symbol}\"] safe fn key() -> &'static {KEY}<{of_type}>; }} \
                         key() }}); ",
                        one.visibility
                    )),
                    Owner::This(symbol) => Some(format!(
                        " const _: () = {{ #[unsafe(export_name = \"{symbol}\")] fn key() -> &'static {KEY}<{of_type}> {{ &{name} }} }};"
                    )),
                    _ => None,
                }
            })
            .collect();
        if elsewhere {
            return vec![(range, text + &lines)];
        }
        let call = self.node.text().to_string();
        let open = if call.ends_with(['}', ';']) { "" } else { ";" };
        vec![(TextRange::empty(range.end()), format!("{open}{text}"))]
    }

    /// Where the item begins, behind its attributes and documentation.
    fn first_word(&self) -> TextSize {
        let first = self
            .node
            .children_with_tokens()
            .filter(|it| !it.kind().is_trivia())
            .find(|it| {
                let attribute = it.as_node().is_some_and(|node| ast::Attr::can_cast(node.kind()));
                !attribute && it.as_token().is_none_or(|token| !token.text().starts_with("//"))
            });
        first.map_or(self.node.text_range().start(), |first| first.text_range().start())
    }
}

/// The items that a static is in.
fn path_to(node: &SyntaxNode) -> String {
    let around = node.ancestors().skip(1).filter_map(ast::Item::cast);
    let mut names: Vec<String> = around
        .map(|item| match item.syntax().children().find_map(ast::Name::cast) {
            Some(name) => name.text().to_string(),
            None => {
                let text = item.syntax().text().to_string();
                text.split('{').next().unwrap_or_default().trim().to_owned()
            }
        })
        .collect();
    names.reverse();
    names.join("::")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(number: u64, defines: &[&str]) -> Run {
        Run {
            number,
            defines: defines.iter().map(|name| (*name).to_owned()).collect(),
            process: 0,
        }
    }

    fn shared(items: &str, run: &Run, known: &Statics) -> Shared {
        let shared = share(items, run, known, &Types::read(items, &[]));
        let parsed = SourceFile::parse(&shared.items, Edition::Edition2024);
        assert!(
            parsed.errors().is_empty(),
            "{}\n{:?}",
            shared.items,
            parsed.errors()
        );
        assert_eq!(shared.items.lines().count(), items.lines().count());
        shared
    }

    const ITEMS: &str = "/// Of mine.\n#[allow(dead_code)]\npub static N: AtomicU32 =\n    AtomicU32::new(0);\n\
        fn f() -> u32 {\n    static N: Mutex<Vec<P>> = Mutex::new(vec![]);\n    1\n}\nstatic mut M: u8 = 1;\n\
        struct P(u8);\nmod m {\n    thread_local! {\n        pub static T: Cell<u8> = const { Cell::new(1) };\n        static U: u8 = 2\n    }\n}\n\
        type alias = ();\nimpl P { fn g() { static G: u8 = 1; } }";

    #[test]
    fn a_static_is_exported_once_and_declared_by_others() {
        let first = shared(
            ITEMS,
            &run(1, &["N", "f", "M", "P", "m", "alias"]),
            &Statics::default(),
        );
        assert!(first.exports && first.anew.is_empty());
        assert_eq!(first.statics.len(), 6);
        assert_eq!(first.items.matches("export_name").count(), 6);
        assert!(
            first
                .items
                .contains("#[allow(dead_code)]\n#[unsafe(export_name = \"jook_static_")
        );
        let second = shared(ITEMS, &run(2, &["unrelated"]), &first.statics);
        assert!(!second.exports && second.statics == first.statics);
        assert_eq!(
            (second.items.matches("link_name").count(), second.needs),
            (6, [1].into())
        );
        assert!(
            second.items.contains("pub safe static N: AtomicU32;")
                && second.items.contains("] static mut M: u8;")
        );
        assert!(
            second
                .items
                .contains("pub static T: ::std::sync::LazyLock<&'static ::std::thread::LocalKey<Cell<u8>>>")
        );
    }

    #[test]
    fn a_static_begins_anew_with_its_cell_and_with_its_type() {
        let first = shared(ITEMS, &run(1, &[]), &Statics::default());
        let again = shared(ITEMS, &run(2, &["f"]), &first.statics);
        assert_eq!(again.items.matches("export_name").count(), 1);
        assert!(again.exports && again.anew.is_empty() && again.statics != first.statics);
        let other = shared(&ITEMS.replace("P(u8)", "P(u16)"), &run(3, &["P"]), &again.statics);
        assert_eq!(other.anew, ["N"]);
        let by_alias = shared(ITEMS, &run(4, &["alias"]), &first.statics);
        assert_eq!(by_alias.items.matches("export_name").count(), 1);
    }

    #[test]
    fn a_static_whose_value_a_constant_needs_is_copied() {
        let mut statics = shared(ITEMS, &run(1, &[]), &Statics::default()).statics;
        let said = ["{\"message\":\"cannot access extern static `m::N`\"}".to_owned()];
        assert!(copy_for_constants(&said, &mut statics) && !copy_for_constants(&said, &mut statics));
        assert!(!copy_for_constants(
            &["mismatched types".to_owned()],
            &mut statics
        ));
        let copied = shared(ITEMS, &run(2, &[]), &statics);
        assert!(
            copied
                .items
                .contains("pub static N: AtomicU32 =\n    AtomicU32::new(0);")
        );
        assert_eq!(copied.items.matches("link_name").count(), 4);
        let symbol = &statics.values().find(|one| !one.copied).unwrap().symbol;
        let undeclared = [format!(
            "{{\"level\":\"error\",\"text\":\"#[link_name = \\\"{symbol}\\\"] safe\"}}"
        )];
        assert!(copy_for_constants(&undeclared, &mut statics.clone()));
    }

    #[test]
    fn a_lifetime_that_only_a_static_leaves_out_is_written() {
        let items = "static A: &[&str] = &[];\nstatic F: fn(&u8) -> &u8 = f;\nstatic B: Box<dyn Fn(&str) + Sync> = b;\n\
            static C: (&u8, Cow<'_, str>) = c;";
        let first = shared(items, &run(1, &[]), &Statics::default());
        let second = shared(items, &run(2, &[]), &first.statics).items;
        for part in [
            "A: &'static [&'static str];",
            "F: fn(&u8) -> &u8;",
            "B: Box<dyn Fn(&str) + Sync>;",
            "C: (&'static u8, Cow<'static, str>);",
        ] {
            assert!(second.contains(part), "{second}");
        }
    }

    #[test]
    fn what_is_foreign_or_named_stays() {
        for items in [
            "unsafe extern \"C\" { static environ: u8; }",
            "#[unsafe(no_mangle)] static A: u8 = 1;",
            "macro_rules! m { () => { static A: u8 = 1; } }",
            "fn f(x: &'static str) {}",
        ] {
            let shared = shared(items, &run(1, &[]), &Statics::default());
            assert!(shared.items == items && !shared.exports, "{}", shared.items);
        }
    }
}
