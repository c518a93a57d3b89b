//! Sources without what type inference never reads, written once beside the toolkit.
//!
//! A session starts by having rust-analyzer parse every crate that a cell can name, the standard library
//! included. Most of that text is function bodies and comments. What a `let` needs are signatures, types
//! and `impl` blocks, so rust-analyzer is given copies that hold little else. Private fields get names that tell what
//! they are: evcxr has rust-analyzer offer them to whoever writes a cell, who cannot name them.

mod tokens;

use crate::session::build::files::newest;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;
use tokens::{Kind, Token, tokens};

/// Part of the folder's name: changes when the copies are made in another way.
const FORM: u32 = 3;

/// Before the name of a private field.
pub const PRIVATE: &str = "jook_private_";

/// The crates of the standard library that cells can name.
const STANDARD: &[&str] = &["core", "alloc", "std", "proc_macro"];

/// Points the packages of a pruned graph at copies of their sources, and makes those that are not there. Packages of
/// the workspace change: the name of their copy tells the time of their last change.
pub fn use_copies(graph: &mut Value, cache: &Path) -> Result<()> {
    for package in graph["packages"].as_array_mut().into_iter().flatten() {
        let mut name = format!(
            "{}-{}",
            package["name"].as_str().unwrap_or_default(),
            package["version"].as_str().unwrap_or_default()
        );
        let Some(manifest) = package["manifest_path"].as_str().map(PathBuf::from) else {
            continue;
        };
        let root = manifest.parent().context("a manifest in no folder")?.to_owned();
        if package["source"].is_null() {
            let changed = newest(&root.join("src")).and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            name.push_str(&format!("-{}", changed.unwrap_or_default().as_nanos()));
        }
        let copy = folder(cache).join(name);
        let mut targets = package["targets"].clone();
        let mut moved = true;
        for target in targets.as_array_mut().into_iter().flatten() {
            let file = target["src_path"].as_str().map(PathBuf::from).unwrap_or_default();
            match file.strip_prefix(&root) {
                Ok(inside) if inside.starts_with("src") => target["src_path"] = json!(copy.join(inside)),
                _ => moved = false,
            }
        }
        if moved {
            once(&copy, |new| copy_folder(&root.join("src"), &new.join("src")))?;
            package["targets"] = targets;
            package["manifest_path"] = json!(copy.join("Cargo.toml"));
        }
    }
    Ok(())
}

/// A copy of the standard library's source, or nothing when the source is not installed.
pub fn standard_library(source: &Path, toolchain: &str, cache: &Path) -> Option<PathBuf> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    if !source.join("core").exists() {
        return None;
    }
    let mut key = DefaultHasher::new();
    toolchain.hash(&mut key);
    let copy = folder(cache).join(format!("library-{:016x}", key.finish()));
    let made = once(&copy, |new| {
        STANDARD
            .iter()
            .try_for_each(|name| copy_folder(&source.join(name).join("src"), &new.join(name).join("src")))
    });
    made.ok().map(|()| copy)
}

fn folder(cache: &Path) -> PathBuf {
    cache.join(format!("source-{FORM}"))
}

/// Makes a folder whole or not at all.
fn once(folder: &Path, make: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    if folder.exists() {
        return Ok(());
    }
    let new = folder.with_extension(format!("new-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&new);
    make(&new)?;
    match std::fs::rename(&new, folder) {
        Err(_) if folder.exists() => Ok(std::fs::remove_dir_all(&new)?),
        other => Ok(other?),
    }
}

fn copy_folder(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from).with_context(|| format!("could not read {}", from.display()))? {
        let path = entry?.path();
        let target = to.join(path.file_name().unwrap_or_default());
        if path.is_dir() {
            copy_folder(&path, &target)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = String::from_utf8_lossy(&std::fs::read(&path)?).into_owned();
            std::fs::write(target, skeleton(&text))?;
        }
    }
    Ok(())
}

/// `source` without comments and modules of tests, with [`PRIVATE`] before the names of private fields, and with empty
/// function bodies where no type depends on them.
pub fn skeleton(source: &str) -> String {
    match tokens(source) {
        Some(tokens) => {
            let mut out = String::with_capacity(source.len() / 2);
            write(&tokens, 0, tokens.len(), false, &mut out);
            out
        }
        None => source.to_owned(),
    }
}

fn write(tokens: &[Token<'_>], from: usize, to: usize, in_macro: bool, out: &mut String) {
    let mut at = from;
    // A body found ahead of where it stands.
    let mut body = usize::MAX;
    while at < to {
        let token = tokens[at];
        if at == body {
            out.push_str("{}");
            at = token.close + 1;
            continue;
        }
        match token.kind {
            Kind::Comment => out.push(' '),
            Kind::Doc if in_macro => out.push(' '),
            Kind::Space => out.push(if token.text.contains('\n') { '\n' } else { ' ' }),
            Kind::Sign if token.text == "#" && (in_macro || is_test_module(tokens, at, to).is_some()) => {
                if let Some(end) = is_test_module(tokens, at, to) {
                    at = end;
                    continue;
                }
                if let Some(end) = doc_attribute(tokens, at, to) {
                    at = end;
                    continue;
                }
                out.push_str(token.text);
            }
            Kind::Word if token.text == "macro_rules" => {
                out.push_str(token.text);
                if let Some(open) = (at + 1..to.min(at + 8)).find(|&i| tokens[i].close > i) {
                    write(tokens, at + 1, open + 1, true, out);
                    write(tokens, open + 1, tokens[open].close, true, out);
                    at = tokens[open].close;
                    continue;
                }
            }
            Kind::Word if token.text == "struct" && !in_macro => {
                if let Some(open) = fields(tokens, at, to) {
                    let mut from = at;
                    for name in private_fields(tokens, open) {
                        out.push_str(tokens[from].text);
                        write(tokens, from + 1, name, false, out);
                        out.push_str(PRIVATE);
                        from = name;
                    }
                    out.push_str(tokens[from].text);
                    write(tokens, from + 1, tokens[open].close, false, out);
                    at = tokens[open].close;
                    continue;
                }
                out.push_str(token.text);
            }
            Kind::Word if token.text == "fn" => {
                if let Some(found) = dispensable_body(tokens, at, to) {
                    body = found;
                }
                out.push_str(token.text);
            }
            _ => out.push_str(token.text),
        }
        at += 1;
    }
}

fn next(tokens: &[Token<'_>], mut at: usize, to: usize) -> Option<usize> {
    while at < to {
        if !matches!(tokens[at].kind, Kind::Space | Kind::Comment | Kind::Doc) {
            return Some(at);
        }
        at += 1;
    }
    None
}

/// By how much the token changes the depth of angle brackets; the `>` of an arrow is none.
fn angle(tokens: &[Token<'_>], at: usize) -> i32 {
    match tokens[at].text {
        "<" => 1,
        ">" if !matches!(tokens[at - 1].text, "-" | "=") => -1,
        _ => 0,
    }
}

/// The opening brace of the fields of the struct whose `struct` stands at `at`.
fn fields(tokens: &[Token<'_>], at: usize, to: usize) -> Option<usize> {
    let mut here = next(tokens, at + 1, to).filter(|&name| tokens[name].kind == Kind::Word)? + 1;
    let mut angles = 0i32;
    while here < to {
        let token = tokens[here];
        angles += angle(tokens, here);
        match token.text {
            "{" if angles <= 0 => return Some(here),
            ";" => return None,
            "(" if angles <= 0 => return None,
            _ => {}
        }
        here = token.close.max(here) + 1;
    }
    None
}

/// Where the names of the fields stand that not everybody may name.
fn private_fields(tokens: &[Token<'_>], open: usize) -> Vec<usize> {
    let close = tokens[open].close;
    let (mut from, mut here, mut angles) = (open + 1, open + 1, 0i32);
    let mut found = Vec::new();
    while here <= close {
        let token = tokens[here];
        angles += angle(tokens, here);
        if here == close || (token.text == "," && angles <= 0) {
            found.extend(private_name(tokens, from, here));
            from = here + 1;
        }
        here = token.close.max(here) + 1;
    }
    found
}

/// The name of the field that stands there, unless it is `pub` for all or cannot be told.
fn private_name(tokens: &[Token<'_>], from: usize, to: usize) -> Option<usize> {
    let mut here = from;
    loop {
        let at = next(tokens, here, to)?;
        here = match tokens[at].text {
            "#" => tokens[next(tokens, at + 1, to)?].close + 1,
            "pub" => {
                let restricted = next(tokens, at + 1, to).filter(|&after| tokens[after].text == "(")?;
                tokens[restricted].close + 1
            }
            _ => return (tokens[at].kind == Kind::Word && !tokens[at].text.starts_with("r#")).then_some(at),
        };
    }
}

/// The end of `#[doc = ...]`, unless it is what a macro repeats.
fn doc_attribute(tokens: &[Token<'_>], at: usize, to: usize) -> Option<usize> {
    let open = next(tokens, at + 1, to).filter(|&i| tokens[i].text == "[")?;
    let doc = next(tokens, open + 1, to).filter(|&i| tokens[i].text == "doc")?;
    next(tokens, doc + 1, to).filter(|&i| tokens[i].text == "=")?;
    let before = tokens[..at]
        .iter()
        .rev()
        .find(|token| token.kind != Kind::Space)?;
    (before.text != "(").then_some(tokens[open].close + 1)
}

/// The end of `#[cfg(test)] mod name { ... }`.
fn is_test_module(tokens: &[Token<'_>], at: usize, to: usize) -> Option<usize> {
    let mut here = at;
    for wanted in ["#", "[", "cfg", "(", "test", ")", "]", "mod"] {
        here = next(tokens, here, to).filter(|&i| tokens[i].text == wanted)? + 1;
    }
    let name = next(tokens, here, to).filter(|&i| tokens[i].kind == Kind::Word)?;
    let open = next(tokens, name + 1, to).filter(|&i| tokens[i].text == "{")?;
    Some(tokens[open].close + 1)
}

/// The body of the function whose `fn` stands at `at`, when nothing outside it can depend on it.
fn dispensable_body(tokens: &[Token<'_>], at: usize, to: usize) -> Option<usize> {
    let name = next(tokens, at + 1, to)?;
    if tokens[name].kind != Kind::Word && tokens[name].text != "$" {
        return None;
    }
    // The value of a constant may be a length in a type.
    let constant = tokens[..at]
        .iter()
        .rev()
        .filter(|token| token.kind != Kind::Space && token.kind != Kind::Comment)
        .take_while(|token| {
            token.kind == Kind::Literal || ["unsafe", "extern", "async", "const"].contains(&token.text)
        })
        .any(|token| token.text == "const");
    if constant {
        return None;
    }
    let (mut angles, mut opaque) = (0i32, false);
    let mut here = name + 1;
    while here < to {
        let token = tokens[here];
        angles += angle(tokens, here);
        match token.text {
            "impl" => opaque = true,
            ";" => return None,
            "{" if angles <= 0 => break,
            _ => {}
        }
        here = token.close.max(here) + 1;
    }
    if here >= to || opaque {
        return None;
    }
    let inner = &tokens[here + 1..tokens[here].close];
    let counts = |(index, token): (usize, &Token<'_>)| {
        // Items that reach out of the body; a macro's pattern.
        ["impl", "macro_rules"].contains(&token.text)
            || (token.text == "$"
                && inner.get(index + 1).is_some_and(|word| word.kind == Kind::Word)
                && inner.get(index + 2).is_some_and(|colon| colon.text == ":")
                && inner.get(index + 3).is_some_and(|word| word.kind == Kind::Word))
    };
    (!inner.iter().enumerate().any(counts)).then_some(here)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bare(source: &str) -> String {
        skeleton(source).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn bodies_go_and_signatures_stay() {
        assert_eq!(
            bare("/// Doc.\npub fn f<T>(x: [u8; { 1 + 1 }]) -> T where T: A<{ 2 }>, { x // why\n }"),
            "/// Doc. pub fn f<T>(x: [u8; { 1 + 1 }]) -> T where T: A<{ 2 }>, {}"
        );
        assert_eq!(
            bare("trait A { fn f(&self); fn g() { '}' } }"),
            "trait A { fn f(&self); fn g() {} }"
        );
        assert_eq!(
            bare("type F = fn(u8) -> u8; static S: &str = r#\"fn x() { \"#;"),
            "type F = fn(u8) -> u8; static S: &str = r#\"fn x() { \"#;"
        );
    }

    #[test]
    fn bodies_that_types_depend_on_stay() {
        for kept in [
            "const fn n() -> usize { 3 }",
            "fn it() -> impl Iterator<Item = u8> { std::iter::empty() }",
            "fn local() { impl Clone for S {} }",
            "macro_rules! m { (fn $n:ident() { $($b:tt)* }) => { struct $n; } }",
        ] {
            assert_eq!(bare(kept), kept);
        }
    }

    #[test]
    fn private_fields_are_named_so() {
        assert_eq!(
            bare(
                "pub struct A<T, U> where T: B<{ 1 }> { /// Doc.\n pub a: Map<T, U>, b: Vec<T>, #[serde(x)] pub c: fn(T) -> U, pub(crate) d: u8 } struct E { f: u8, }"
            ),
            "pub struct A<T, U> where T: B<{ 1 }> { /// Doc. pub a: Map<T, U>, jook_private_b: Vec<T>, #[serde(x)] pub c: fn(T) -> U, pub(crate) jook_private_d: u8 } struct E { jook_private_f: u8, }"
        );
        for kept in [
            "struct A;",
            "struct B(u8);",
            "pub struct C<T>(pub T) where T: D;",
            "struct E {}",
        ] {
            assert_eq!(bare(kept), kept);
        }
    }

    #[test]
    fn tests_go() {
        assert_eq!(
            bare("struct A; #[cfg(test)] mod tests { fn t() {} } struct B;"),
            "struct A; struct B;"
        );
    }

    #[test]
    fn lifetimes_and_characters_are_told_apart() {
        assert_eq!(
            bare("fn f<'a>(c: &'a char) -> bool { *c == '\\'' || *c == '{' } struct S;"),
            "fn f<'a>(c: &'a char) -> bool {} struct S;"
        );
    }
}
