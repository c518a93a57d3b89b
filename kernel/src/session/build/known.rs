//! What the compiler of a cell knows from the cells before.

use crate::session::build::dylib::Library;
use crate::session::build::statics::Statics;
use crate::session::build::types::{AT_HAND, Types, free_words};
use crate::session::cell::lines::is_of_a_word;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// By name, the path at which it is found.
type Paths = BTreeMap<String, String>;

/// What the session knows from the cells before, kept in the folder of notes.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Known {
    types: BTreeMap<String, u64>,
    /// What identifies the imports of names, and those that were others before.
    imports: BTreeMap<String, u64>,
    moved: BTreeMap<String, u64>,
    /// The variables' types when they were kept, and their digests.
    kept: BTreeMap<String, (String, u64)>,
    /// The same by variable, of names that everybody has and by which the notebook means something else now.
    #[serde(default)]
    of_the_library: BTreeMap<String, Paths>,
    /// How often a type was defined anew.
    pub generation: u64,
    /// For types as evcxr writes them, the paths of names in them that are not found as they stand.
    paths: BTreeMap<String, Paths>,
    /// The statics that earlier cells export.
    pub statics: Statics,
    /// The libraries of added crates that are loaded, the last one last.
    pub libraries: Vec<Library>,
    /// The process that all this was kept in.
    process: u64,
}

/// A variable that a cell keeps.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept {
    pub variable: String,
    /// As evcxr writes it.
    pub of_type: String,
    /// Of its type.
    pub digest: u64,
    /// Whether the cell has made it, and not only used it.
    pub own: bool,
}

impl Kept {
    pub fn of(variable: &str, of_type: &str, digest: u64, own: bool) -> Self {
        Self {
            variable: variable.to_owned(),
            of_type: of_type.to_owned(),
            digest,
            own,
        }
    }
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
            self.of_the_library.clear();
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
            if before.is_none() {
                self.keep_for_the_library(name);
            }
        }
        types.have_moved(&self.moved);
        for (name, digest) in types.definitions() {
            let before = self.types.insert(name.to_owned(), digest);
            anew |= before.is_some_and(|before| before != digest);
            if before.is_none() {
                self.keep_for_the_library(name);
            }
        }
        self.generation += u64::from(anew);
        anew
    }

    /// The notebook takes a name that everybody has for another type, its own or one that it imports: where variables have it in their types, it
    /// still is the standard library's.
    fn keep_for_the_library(&mut self, name: &str) {
        let Some((_, path)) = AT_HAND.iter().find(|(other, _)| *other == name) else {
            return;
        };
        for (variable, (of_type, _)) in &self.kept {
            if free_words(of_type).any(|word| word == name) {
                let paths = self.of_the_library.entry(variable.clone()).or_default();
                paths.insert(name.to_owned(), (*path).to_owned());
            }
        }
    }

    /// Whether `variable` was kept with a type whose digest was another one.
    pub fn was_retyped(&self, variable: &str, digest: u64) -> bool {
        self.kept.get(variable).is_some_and(|(_, kept)| *kept != digest)
    }

    /// All variables, also those that the notebook has no more, whose type is another one among these types.
    pub fn retyped(&self, types: &Types) -> impl Iterator<Item = &str> {
        let kept = self.kept.iter();
        kept.filter(|(name, (of_type, digest))| types.digest(&self.spelled(name, of_type)) != *digest)
            .map(|(name, _)| name.as_str())
    }

    /// All variables, also those that the notebook has no more, whose type may hide another one: see [`Types::hides`].
    pub fn hidden(&self, types: &Types) -> impl Iterator<Item = &str> {
        let kept = self.kept.iter();
        kept.filter(|(name, (of_type, _))| types.hides(&self.spelled(name, of_type)))
            .map(|(name, _)| name.as_str())
    }

    /// In `of_type`, `word` is to be found by this path.
    pub fn spell(&mut self, of_type: &str, word: &str, path: &str) {
        let paths = self.paths.entry(of_type.to_owned()).or_default();
        paths.insert(word.to_owned(), path.to_owned());
    }

    /// The type of a variable that was kept, with such names as paths, and with a name for `!`, which has none of its own.
    pub fn spelled(&self, variable: &str, of_type: &str) -> String {
        let own = self.of_the_library.get(variable);
        never_by_name(&self.with_paths(of_type, own))
    }

    /// The same for a variable that is new, or is another one now.
    pub fn spelled_anew(&self, of_type: &str) -> String {
        never_by_name(&self.with_paths(of_type, None))
    }

    fn with_paths(&self, of_type: &str, own: Option<&Paths>) -> String {
        let paths = [own, self.paths.get(of_type)];
        if paths.iter().all(Option::is_none) {
            return of_type.to_owned();
        }
        let path = |word: &str| paths.iter().flatten().find_map(|paths| paths.get(word));
        let (mut out, mut rest) = (String::new(), of_type);
        while !rest.is_empty() {
            let end = rest.find(|c| !is_of_a_word(c)).unwrap_or(rest.len());
            let (word, after) = rest.split_at(end.max(rest.chars().next().map_or(0, char::len_utf8)));
            match path(word).filter(|_| !out.ends_with("::")) {
                Some(path) => out.push_str(path),
                None => out.push_str(word),
            }
            rest = after;
        }
        out
    }

    /// A cell keeps a variable.
    pub fn keeps(&mut self, kept: &Kept) {
        if kept.own {
            self.of_the_library.remove(&kept.variable);
        }
        let of = (kept.of_type.clone(), kept.digest);
        self.kept.insert(kept.variable.clone(), of);
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

    /// A variable that a cell has made.
    fn kept(variable: &str, of_type: &str, digest: u64) -> Kept {
        Kept::of(variable, of_type, digest, true)
    }

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
            known.spelled("e", "Result<i32, Box<dyn Error>>"),
            "Result<i32, Box<dyn ::std::error::Error>>"
        );
        assert_eq!(known.spelled("e", "Box<dyn Error>"), "Box<dyn Error>");
        assert_eq!(
            known.spelled_anew("Result<!, fn() -> !>"),
            "Result<::jook::cells::Never, fn() -> !>"
        );
        let (before, after) = (
            Types::read("struct A(u8);", &[]),
            Types::read("struct A(i8);", &[]),
        );
        known.is_in(0);
        known.keeps(&kept("a", "Vec<A>", before.digest("Vec<A>")));
        known.keeps(&kept("b", "u8", 0));
        assert!(known.was_retyped("a", after.digest("Vec<A>")) && !known.was_retyped("c", 1));
        assert_eq!(known.retyped(&before).count(), 0);
        assert_eq!(known.retyped(&after).collect::<Vec<_>>(), ["a"]);
        known.is_in(1);
        assert_eq!(known.retyped(&after).count(), 0);
    }

    #[test]
    fn a_name_that_everybody_has_stays_the_librarys_in_what_was_kept_before() {
        let mut known = Known::default();
        let none = Types::default();
        for (name, of_type) in [("s", "String"), ("v", "Vec<Option<i32>>"), ("t", "String")] {
            known.keeps(&kept(name, of_type, none.digest(of_type)));
        }
        let mut own = Types::read("struct String(u8);\nenum Option { A }", &[]);
        assert!(!known.learn(&mut own));
        assert_eq!(known.retyped(&own).count(), 0);
        assert_eq!(
            known.spelled("v", "Vec<Option<i32>>"),
            "Vec<::std::option::Option<i32>>"
        );
        // What is made from now on is of the notebook's own, and changes with it.
        assert_eq!(known.spelled("mine", "Vec<String>"), "Vec<String>");
        known.keeps(&kept("mine", "Vec<String>", own.digest("Vec<String>")));
        known.keeps(&kept("t", "String", own.digest("String")));
        let mut other = Types::read("struct String(i8);\nenum Option { A }", &[]);
        assert!(known.learn(&mut other));
        assert_eq!(known.retyped(&other).collect::<Vec<_>>(), ["mine", "t"]);
        assert_eq!(known.spelled("s", "String"), "::std::string::String");
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
