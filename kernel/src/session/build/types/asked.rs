//! Whether a definition may ask for the associated types of what it names. Only then does an `impl` that is added later
//! matter to it.

use crate::session::build::types::tokens::PRIMITIVE;
use crate::session::cell::lines::is_of_a_word;
use std::collections::HashSet;

/// What stands before paths and before generic arguments.
#[derive(Debug, Default)]
pub struct Asked {
    /// Before `::`.
    paths: HashSet<String>,
    /// Before `<`; nothing, before one that opens a path (`<T as Trait>::Type`) or compares.
    generic: HashSet<String>,
    /// `use std::...;` without another name.
    std_import: bool,
}

/// Types of the standard library, and traits of functions, that hold their arguments and ask nothing of them.
const HOLDERS: [&str; 32] = [
    "Arc",
    "BTreeMap",
    "BTreeSet",
    "BinaryHeap",
    "Box",
    "Cell",
    "HashMap",
    "HashSet",
    "JoinHandle",
    "LinkedList",
    "ManuallyDrop",
    "MaybeUninit",
    "Mutex",
    "NonNull",
    "OnceCell",
    "OnceLock",
    "Option",
    "PhantomData",
    "Pin",
    "Range",
    "Rc",
    "Receiver",
    "RefCell",
    "Result",
    "Reverse",
    "RwLock",
    "Sender",
    "SyncSender",
    "Vec",
    "VecDeque",
    "Weak",
    "for",
];

/// Whether it holds its arguments, unless the notebook means something else by it.
pub fn is_holder(word: &str) -> bool {
    HOLDERS.contains(&word)
}

/// The words and signs of a type that source writes.
pub fn pieces(source: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = source.trim_start();
    while let Some(first) = rest.chars().next() {
        let word = rest.find(|c: char| !is_of_a_word(c)).unwrap_or(rest.len());
        let end = match rest {
            _ if word > 0 => word,
            _ if rest.starts_with("::") => 2,
            _ if rest.starts_with("->") => 2,
            _ => first.len_utf8(),
        };
        pieces.push(&rest[..end]);
        rest = rest[end..].trim_start();
    }
    pieces
}

impl Asked {
    /// What these words and signs ask for.
    pub fn of(pieces: &[&str]) -> Self {
        let mut asked = Self {
            std_import: matches!(pieces, ["use", "std" | "core" | "alloc", ..]) && !pieces.contains(&"as"),
            ..Self::default()
        };
        for (at, piece) in pieces.iter().enumerate() {
            let before = at.checked_sub(1).map_or("", |at| pieces[at]);
            let is_word = before.starts_with(|c: char| c.is_alphabetic() || c == '_');
            let word = if is_word { before } else { "" };
            match *piece {
                // `::<` belongs to what stands before it.
                "::" if pieces.get(at + 1) == Some(&"<") => drop(asked.generic.insert(word.to_owned())),
                // A path from the root.
                "::" if !is_word && before != ">" => {}
                "::" => drop(asked.paths.insert(word.to_owned())),
                "<" if before != "::" => drop(asked.generic.insert(word.to_owned())),
                _ => {}
            }
        }
        asked
    }

    /// Of what nothing is known.
    pub fn unknown() -> Self {
        Self {
            generic: HashSet::from([String::new()]),
            ..Self::default()
        }
    }

    /// Whether there is a path that may lead to an associated type, or an argument of something that `holds` does not
    /// know.
    pub fn asks(&self, holds: impl Fn(&str) -> bool) -> bool {
        let is_module = |word: &String| {
            word.starts_with(|c: char| c.is_lowercase())
                && !PRIMITIVE.contains(&word.as_str())
                && !holds(word)
        };
        !self.paths.iter().all(is_module) || !self.generic.iter().all(|word| holds(word))
    }

    /// Whether it imports from the standard library, under the names that things have there.
    pub fn is_std_import(&self) -> bool {
        self.std_import
    }
}
