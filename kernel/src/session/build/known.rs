//! What the compiler of a cell knows from the cells before.

use crate::session::build::dylib::Library;
use crate::session::build::statics::Statics;
use crate::session::build::types::Types;
use crate::session::cell::lines::is_of_a_word;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// What the session knows from the cells before, kept in the folder of notes.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Known {
    types: BTreeMap<String, u64>,
    /// What identifies the imports of names, and those that were others before.
    imports: BTreeMap<String, u64>,
    moved: BTreeMap<String, u64>,
    /// The variables' types when they were kept, and their digests.
    kept: BTreeMap<String, (String, u64)>,
    /// How often a type was defined anew.
    pub generation: u64,
    /// For types as evcxr writes them, the paths of names in them that are not found as they stand.
    paths: BTreeMap<String, BTreeMap<String, String>>,
    /// The statics that earlier cells export.
    pub statics: Statics,
    /// The libraries of added crates that are loaded, the last one last.
    pub libraries: Vec<Library>,
    /// The process that all this was kept in.
    process: u64,
}

const FILE: &str = "known.json";

impl Known {
    /// What is known; nothing in a new session.
    pub fn read(notes: &Path) -> Self {
        let text = std::fs::read(notes.join(FILE)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Keeps it for the next cell.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write(&self, notes: &Path) -> anyhow::Result<()> {
        Ok(std::fs::write(notes.join(FILE), serde_json::to_vec(self)?)?)
    }

    /// Forgets what has ended with its process.
    pub fn is_in(&mut self, process: u64) {
        if std::mem::replace(&mut self.process, process) != process {
            self.kept.clear();
            self.statics.clear();
            self.libraries.clear();
        }
    }

    /// Learns what a cell defines and imports, and tells the types what was imported from elsewhere before. Whether
    /// something is another type than before.
    pub fn learn(&mut self, types: &mut Types) -> bool {
        let mut anew = false;
        for (name, import) in types.imports() {
            let before = self.imports.insert(name.to_owned(), import);
            if before.is_some_and(|before| before != import) {
                self.moved.insert(name.to_owned(), import);
                anew = true;
            }
        }
        types.have_moved(&self.moved);
        for (name, digest) in types.definitions() {
            let before = self.types.insert(name.to_owned(), digest);
            anew |= before.is_some_and(|before| before != digest);
        }
        self.generation += u64::from(anew);
        anew
    }

    /// Whether `variable` was kept with a type whose digest was another one.
    pub fn was_retyped(&self, variable: &str, digest: u64) -> bool {
        self.kept.get(variable).is_some_and(|(_, kept)| *kept != digest)
    }

    /// All variables, also those that the notebook has no more, whose type is another one among these types.
    pub fn retyped(&self, types: &Types) -> impl Iterator<Item = &str> {
        let kept = self.kept.iter();
        kept.filter(|(_, (of_type, digest))| types.digest(&self.spelled(of_type)) != *digest)
            .map(|(name, _)| name.as_str())
    }

    /// All variables, also those that the notebook has no more, whose type may hide another one: see [`Types::hides`].
    pub fn hidden(&self, types: &Types) -> impl Iterator<Item = &str> {
        let kept = self.kept.iter();
        kept.filter(|(_, (of_type, _))| types.hides(&self.spelled(of_type)))
            .map(|(name, _)| name.as_str())
    }

    /// In `of_type`, `word` is to be found by this path.
    pub fn spell(&mut self, of_type: &str, word: &str, path: &str) {
        let paths = self.paths.entry(of_type.to_owned()).or_default();
        paths.insert(word.to_owned(), path.to_owned());
    }

    /// The type with such names as paths, and with a name for `!`, which has none of its own.
    pub fn spelled(&self, of_type: &str) -> String {
        never_by_name(&self.with_paths(of_type))
    }

    fn with_paths(&self, of_type: &str) -> String {
        let Some(paths) = self.paths.get(of_type) else {
            return of_type.to_owned();
        };
        let (mut out, mut rest) = (String::new(), of_type);
        while !rest.is_empty() {
            let end = rest.find(|c| !is_of_a_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end.max(rest.chars().next().map_or(0, char::len_utf8)));
            match paths.get(word).filter(|_| !out.ends_with("::")) {
                Some(path) => out.push_str(path),
                None => out.push_str(word),
            }
            rest = after;
        }
        out
    }

    /// The cell keeps `variable`, of a type with this digest.
    pub fn keeps(&mut self, variable: &str, of_type: &str, digest: u64) {
        self.kept
            .insert(variable.to_owned(), (of_type.to_owned(), digest));
    }
}

/// `catch_unwind(|| panic!())` is a `Result<!, _>`, and only what a function returns may be written `!`.
fn never_by_name(of_type: &str) -> String {
    let mut parts = of_type.split('!');
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(match out.trim_end().ends_with("->") {
            true => "!",
            false => "::jook::cells::Never",
        });
        out.push_str(part);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_that_changes_is_another_generation() {
        let mut known = Known::default();
        let mut generation = |items: &str| {
            known.learn(&mut Types::read(items, &[]));
            known.generation
        };
        assert_eq!(generation("struct A { x: i32 }\nfn f() {}"), 0);
        assert_eq!(generation("struct A { x: i32 }\nstruct B;\nfn f(a: u8) {}"), 0);
        assert_eq!(generation("struct A { x: f32 }"), 1);
        assert_eq!(generation("struct A { x: i32 }"), 2);
        known.spell("Result<i32, Box<dyn Error>>", "Error", "::std::error::Error");
        assert_eq!(
            known.spelled("Result<i32, Box<dyn Error>>"),
            "Result<i32, Box<dyn ::std::error::Error>>"
        );
        assert_eq!(known.spelled("Box<dyn Error>"), "Box<dyn Error>");
        assert_eq!(
            known.spelled("Result<!, fn() -> !>"),
            "Result<::jook::cells::Never, fn() -> !>"
        );
        let (before, after) = (
            Types::read("struct A(u8);", &[]),
            Types::read("struct A(i8);", &[]),
        );
        known.is_in(0);
        known.keeps("a", "Vec<A>", before.digest("Vec<A>"));
        known.keeps("b", "u8", 0);
        assert!(known.was_retyped("a", after.digest("Vec<A>")) && !known.was_retyped("c", 1));
        assert_eq!(known.retyped(&before).count(), 0);
        assert_eq!(known.retyped(&after).collect::<Vec<_>>(), ["a"]);
        known.is_in(1);
        assert_eq!(known.retyped(&after).count(), 0);
    }

    #[test]
    fn a_name_that_is_imported_from_elsewhere_is_another_type() {
        let mut known = Known::default();
        let mut learned = |imports: &str| {
            let mut types = Types::read(&format!("{imports}\nstruct S {{ n: Count }}\nstruct T(u8);"), &[]);
            let anew = known.learn(&mut types);
            (
                anew,
                ["S", "Vec<Count>", "T", "a::Count"].map(|of_type| types.digest(of_type)),
            )
        };
        let first = learned("use a::A as Count;").1;
        assert_eq!(learned("use a::A as Count;\nuse b::T as Other;"), (false, first));
        let (anew, second) = learned("use a::B as Count;");
        assert!(anew && first[0] != second[0] && first[1] != second[1]);
        assert_eq!(first[2..], second[2..]);
        assert_eq!(learned("use a::B as Count;"), (false, second));
        assert_ne!(learned("use a::A as Count;").1[0], second[0]);
    }
}
