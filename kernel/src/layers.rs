//! The files of a folder are read from the bottom up: none uses one that uses it, be it by way of others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Which siblings each file of a folder names in its code, tests left out. A folder in it counts as one file.
fn uses(folder: &Path) -> BTreeMap<String, BTreeSet<String>> {
    let mut code: BTreeMap<String, String> = BTreeMap::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_string();
        if !["mod", "tests", "fuzz"].contains(&name.as_str()) {
            code.entry(name).or_default().push_str(&text(&path));
        }
    }
    let names: BTreeSet<String> = code.keys().cloned().collect();
    let of = |(name, text): (String, String)| {
        let mut named: BTreeSet<_> = siblings(&text).intersection(&names).cloned().collect();
        named.remove(&name);
        (name, named)
    };
    code.into_iter().map(of).collect()
}

/// The code of a file without its comments and tests. Of a folder only its `mod.rs` can name siblings by `super`.
fn text(path: &Path) -> String {
    let file = if path.is_dir() {
        path.join("mod.rs")
    } else {
        path.to_path_buf()
    };
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// What stands behind `super::`, alone or in braces.
fn siblings(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices("super::") {
        if text[..at].ends_with("super::") {
            continue;
        }
        let rest = &text[at + "super::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.insert(word(rest));
            continue;
        };
        let mut depth = 0;
        let mut begins = true;
        for (at, c) in group.char_indices() {
            match c {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                ',' if depth == 0 => begins = true,
                c if begins && !c.is_whitespace() => {
                    found.insert(word(&group[at..]));
                    begins = false;
                }
                _ => {}
            }
        }
    }
    found
}

/// Which parts of the session each part names by its whole path; parts are folders, or with `deep` the files in them.
fn session(deep: bool) -> BTreeMap<String, BTreeSet<String>> {
    const ROOT: &str = "crate::session::";
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/session");
    let mut code: BTreeMap<String, String> = BTreeMap::new();
    let mut open = vec![folder.clone()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            let inside = path.strip_prefix(&folder).unwrap().with_extension("");
            let words: Vec<_> = inside
                .iter()
                .map(|word| word.to_str().unwrap().to_string())
                .collect();
            if path.is_dir() {
                open.push(path);
            } else if words != ["mod"] {
                let words = words.iter().filter(|word| *word != "mod");
                let name: Vec<_> = words.take(if deep { 2 } else { 1 }).cloned().collect();
                code.entry(name.join("::")).or_default().push_str(&text(&path));
            }
        }
    }
    // The longest: a folder's own file stands for the folder.
    let part = |named: &str| {
        let holds = |key: &&String| named == **key || named.starts_with(&format!("{key}::"));
        code.keys().filter(holds).max_by_key(|key| key.len()).cloned()
    };
    let of = |(name, text): (&String, &String)| {
        let paths = text.match_indices(ROOT).map(|(at, _)| &text[at + ROOT.len()..]);
        let of_the_face = |rest: &&str| rest.starts_with(|c: char| c.is_uppercase() || c == '{');
        let above = paths.clone().find(of_the_face);
        assert_eq!(above, None, "{name} uses what stands above it");
        let named = paths.flat_map(|rest| {
            let before = rest
                .split(['{', ';', ' ', ',', '(', ')'])
                .next()
                .unwrap_or_default();
            match rest[before.len()..].strip_prefix('{') {
                Some(group) => {
                    let inner = group.split('}').next().unwrap_or_default().split(',');
                    inner.map(|one| format!("{before}{}", one.trim())).collect()
                }
                None => vec![before.to_string()],
            }
        });
        let mut named: BTreeSet<String> = named.filter_map(|named| part(&named)).collect();
        named.remove(name);
        (name.clone(), named)
    };
    code.iter().map(of).collect()
}

fn word(text: &str) -> String {
    text.chars()
        .take_while(|c| c.is_alphanumeric() || *c == '_')
        .collect()
}

/// A way from a file back to itself.
fn circle(uses: &BTreeMap<String, BTreeSet<String>>) -> Option<Vec<String>> {
    fn walk(
        uses: &BTreeMap<String, BTreeSet<String>>,
        way: &mut Vec<String>,
        done: &mut BTreeSet<String>,
    ) -> Option<Vec<String>> {
        let here = way.last()?.clone();
        for next in uses.get(&here).into_iter().flatten() {
            if let Some(at) = way.iter().position(|seen| seen == next) {
                return Some(way[at..].to_vec());
            }
            if done.insert(next.clone()) {
                way.push(next.clone());
                if let Some(found) = walk(uses, way, done) {
                    return Some(found);
                }
                way.pop();
            }
        }
        None
    }
    let mut done = BTreeSet::new();
    uses.keys()
        .find_map(|name| walk(uses, &mut vec![name.clone()], &mut done))
}

#[test]
fn no_file_uses_one_that_uses_it() {
    for folder in ["wire", "wire/gate", "page", "run"] {
        let uses = uses(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder));
        assert!(uses.values().flatten().count() > 0, "{folder}: {uses:?}");
        assert_eq!(circle(&uses), None, "{folder}");
    }
}

#[test]
fn the_session_is_read_from_the_bottom_up() {
    for deep in [false, true] {
        let uses = session(deep);
        let worker = &uses["worker"];
        let of_worker = if deep { "build::mask" } else { "build" };
        assert!(
            worker.contains(of_worker) && worker.contains("control"),
            "{worker:?}"
        );
        assert_eq!(circle(&uses), None);
    }
}

#[test]
fn a_circle_is_found() {
    let of = |text: &str| siblings(text);
    assert_eq!(
        of("use super::{a::{self, X}, b};\nuse super::c::Y; super::super::d"),
        ["a", "b", "c", "super"].map(str::to_string).into()
    );
    let uses = [("a", "b"), ("b", "c"), ("c", "b")];
    let uses = uses.map(|(from, to)| (from.to_string(), BTreeSet::from([to.to_string()])));
    assert_eq!(circle(&uses.into()), Some(vec!["b".to_string(), "c".to_string()]));
}
