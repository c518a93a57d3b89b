//! Words that people search for, and what the toolkit calls it: its `#[doc(alias = "…")]`.

use crate::session::build::home;
use std::path::Path;

/// What the toolkit has for a word of other libraries: paths such as `Recipe::rate`.
pub fn meant(word: &str) -> Vec<String> {
    let word = word.rsplit(['.', ':']).next().unwrap_or(word);
    let mut found = Vec::new();
    search(&home::workspace().join("toolkit/src"), word, &mut found);
    found.sort();
    found.dedup();
    found
}

/// Says so to the reader; none where there is nothing of the kind.
pub fn told(word: &str) -> Option<String> {
    let found = meant(word);
    let quoted: Vec<String> = found.iter().map(|path| format!("`{path}`")).collect();
    (!found.is_empty()).then(|| format!("`{word}` is {} here\n", quoted.join(", or ")))
}

fn search(dir: &Path, word: &str, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            search(&path, word, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.extend(within(&std::fs::read_to_string(&path).unwrap_or_default(), word));
        }
    }
}

/// What has the alias in a source file.
fn within(source: &str, word: &str) -> Vec<String> {
    let mut found = Vec::new();
    // What stands at the margin is what the lines below are in.
    let (mut around, mut asked) = (None, false);
    for line in source.lines() {
        let text = line.trim();
        if let Some(alias) = text.strip_prefix("#[doc(alias = \"") {
            asked |= alias
                .split('"')
                .next()
                .is_some_and(|alias| alias.eq_ignore_ascii_case(word));
            continue;
        }
        if text.is_empty() || text.starts_with("//") || text.starts_with('#') {
            continue;
        }
        let inside = line.starts_with(' ');
        if asked {
            let name = named(text);
            found.extend(match (&around, name) {
                (Some(around), Some(name)) if inside => Some(format!("{around}::{name}")),
                (_, name) => name.map(str::to_owned),
            });
            asked = false;
        }
        if !inside {
            around = match text.strip_prefix("impl") {
                Some(head) => implemented(head).map(str::to_owned),
                None => named(text).map(str::to_owned),
            };
        }
    }
    found
}

/// The type that an `impl` is of.
fn implemented(head: &str) -> Option<&str> {
    // The parameters of the `impl` itself say nothing.
    let head = match head.strip_prefix('<') {
        Some(rest) => rest.split_once("> ")?.1,
        None => head.trim_start(),
    };
    let of = head.split_once(" for ").map_or(head, |(_, of)| of);
    Some(of.split(|c: char| !(c.is_alphanumeric() || c == '_')).next()?).filter(|name| !name.is_empty())
}

/// The name of an item, or of a variant.
fn named(line: &str) -> Option<&str> {
    const BEFORE: [&str; 9] = [
        "pub", "const", "fn", "struct", "enum", "trait", "type", "mod", "unsafe",
    ];
    let words = line.split(|c: char| !(c.is_alphanumeric() || c == '_'));
    let mut words = words.filter(|word| !word.is_empty());
    words.find(|word| !BEFORE.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_leads_to_what_has_it() {
        let source = "/// A.\n#[doc(alias = \"callbacks\")]\n#[doc(alias = \"Callback\")]\npub trait Watcher {\n    fn a();\n}\n\n\
            impl<'a> Show for Recipe<'a> {\n    /// B.\n    #[doc(alias = \"lr\")]\n    pub fn rate(self) {}\n}\n\
            pub enum Loss {\n    #[doc(alias = \"MSELoss\")]\n    MeanSquaredError,\n}\n";
        for (word, path) in [
            ("callbacks", "Watcher"),
            ("callback", "Watcher"),
            ("lr", "Recipe::rate"),
            ("MSELoss", "Loss::MeanSquaredError"),
        ] {
            assert_eq!(within(source, word), [path], "{word}");
        }
        assert!(within(source, "rate").is_empty());
    }

    #[test]
    fn the_words_of_other_libraries_are_known() {
        for word in [
            "learning_rate",
            "weight_decay",
            "optimizer",
            "callbacks",
            "validation",
            "state_dict",
            "DataLoader",
            "argmax",
            "one_hot",
        ] {
            assert!(!meant(word).is_empty(), "{word}");
        }
        assert_eq!(meant("learning_rate"), ["Recipe::rate"]);
    }
}
