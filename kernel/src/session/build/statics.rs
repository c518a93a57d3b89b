//! One memory for each static of a notebook: the code of items is compiled with each cell that uses them, and a static
//! with it.
//!
//! The cell that defines a static exports it under a name of its own; every other cell has a declaration in its place, and
//! is linked against the library of the first.
//! What `thread_local!` makes is exported as a function that gives the key. A static begins anew when the cell that
//! defines it runs again, or when its type is another one.

mod declared;

pub use declared::EXPORT;

use crate::session::build::types::Types;
use crate::session::digest::digest_of;
use declared::{One, Owner, SYMBOL, path_to, statics_in};
use ra_ap_syntax::ast::{self, HasModuleItem as _};
use ra_ap_syntax::{AstNode as _, Edition, SourceFile, TextRange};
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
