//! Sources without what type inference never reads, written once beside the toolkit.
//!
//! A session starts by having rust-analyzer parse every crate that a cell can name, the standard library
//! included. Most of that text is function bodies and comments. What a `let` needs are signatures, types
//! and `impl` blocks, so rust-analyzer is given copies that hold little else. Private fields get names that tell what
//! they are: evcxr has rust-analyzer offer them to whoever writes a cell, who cannot name them. A struct that has some gets
//! one more, of the types that it is given: rust-analyzer looks into fields for how a type varies with them, and where it
//! cannot see the crate of a field it would take a `HashMap<K, V>` for one of any `K` and `V`.

mod dispensable;
mod tokens;

use crate::session::build::files::newest;
use anyhow::{Context, Result};
use dispensable::{
    body_of_trait_impl, dispensable_attribute, dispensable_body, dispensable_methods, doc_attribute, fields,
    handed, is_test_module, private_fields, type_parameters,
};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;
use tokens::{Kind, Token, tokens};

/// Part of the folder's name: changes when the copies are made in another way.
const FORM: u32 = 6;

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

/// `source` without comments, modules of tests and attributes that tell nothing of types, with [`PRIVATE`] before the
/// names of private fields, and with empty function bodies where no type depends on them.
pub fn skeleton(source: &str) -> String {
    match tokens(source) {
        Some(tokens) => {
            let mut out = String::with_capacity(source.len() / 2);
            write(&tokens, 0, tokens.len(), Place::Items, &mut out);
            out
        }
        None => source.to_owned(),
    }
}

/// Where tokens stand.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Items,
    /// What a macro by example takes.
    Pattern,
    /// What it makes of that.
    Made,
    /// What is handed to a macro, whose pattern may have attributes.
    Handed,
}

impl Place {
    /// Whether it is within the rules of a macro.
    fn in_rules(self) -> bool {
        matches!(self, Self::Pattern | Self::Made)
    }
}

fn write(tokens: &[Token<'_>], from: usize, to: usize, place: Place, out: &mut String) {
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
            Kind::Doc if place.in_rules() => out.push(' '),
            Kind::Space => {
                let space = if token.text.contains('\n') { '\n' } else { ' ' };
                if !out.ends_with(['\n', ' ']) {
                    out.push(space);
                } else if space == '\n' && out.ends_with(' ') {
                    out.pop();
                    out.push('\n');
                }
            }
            Kind::Sign if token.text == "#" => {
                let end = is_test_module(tokens, at, to)
                    .or_else(|| doc_attribute(tokens, at, to).filter(|_| place.in_rules()))
                    .or_else(|| {
                        let counts = matches!(place, Place::Items | Place::Made);
                        dispensable_attribute(tokens, at, to).filter(|_| counts)
                    });
                if let Some(end) = end {
                    at = end;
                    continue;
                }
                out.push_str(token.text);
            }
            Kind::Word if token.text == "macro_rules" => {
                out.push_str(token.text);
                if let Some(open) = (at + 1..to.min(at + 8)).find(|&i| tokens[i].close > i) {
                    write(tokens, at + 1, open + 1, Place::Pattern, out);
                    write_rules(tokens, open + 1, tokens[open].close, out);
                    at = tokens[open].close;
                    continue;
                }
            }
            Kind::Word if place != Place::Pattern && handed(tokens, at, to).is_some() => {
                let open = handed(tokens, at, to).unwrap_or(at);
                tokens[at..=open]
                    .iter()
                    .for_each(|token| out.push_str(token.text));
                write(tokens, open + 1, tokens[open].close, Place::Handed, out);
                at = tokens[open].close;
                continue;
            }
            Kind::Word if token.text == "struct" && !place.in_rules() => {
                if let Some(open) = fields(tokens, at, to) {
                    out.push_str(token.text);
                    write(tokens, at + 1, open + 1, place, out);
                    let private = private_fields(tokens, open);
                    let types = type_parameters(tokens, at, open);
                    if !private.is_empty() && !types.is_empty() {
                        let types: String = types.iter().map(|name| format!("*const {name}, ")).collect();
                        // In a list, for a field that can be called is offered as a call.
                        out.push_str(&format!(" {PRIVATE}: [fn() -> ({types}); 0],"));
                    }
                    let mut from = open + 1;
                    for name in private {
                        write(tokens, from, name, place, out);
                        out.push_str(PRIVATE);
                        out.push_str(tokens[name].text);
                        from = name + 1;
                    }
                    write(tokens, from, tokens[open].close, place, out);
                    at = tokens[open].close;
                    continue;
                }
                out.push_str(token.text);
            }
            Kind::Word if token.text == "impl" && !matches!(place, Place::Pattern | Place::Handed) => {
                if let Some(open) = body_of_trait_impl(tokens, at, to) {
                    out.push_str(token.text);
                    write(tokens, at + 1, open + 1, place, out);
                    let close = tokens[open].close;
                    let mut from = open + 1;
                    for gone in dispensable_methods(tokens, open) {
                        write(tokens, from, gone.start, place, out);
                        from = gone.end;
                    }
                    write(tokens, from, close, place, out);
                    at = close;
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

/// The rules of a macro: a pattern, an arrow, and what it makes.
fn write_rules(tokens: &[Token<'_>], from: usize, to: usize, out: &mut String) {
    let (mut at, mut place) = (from, Place::Pattern);
    while at < to {
        let close = tokens[at].close;
        if close <= at {
            write(tokens, at, at + 1, Place::Pattern, out);
            at += 1;
            continue;
        }
        out.push_str(tokens[at].text);
        write(tokens, at + 1, close, place, out);
        out.push_str(tokens[close].text);
        at = close + 1;
        place = match place {
            Place::Pattern => Place::Made,
            _ => Place::Pattern,
        };
    }
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
    fn attributes_go_but_not_where_a_macro_matches_them() {
        assert_eq!(
            bare(
                "#[stable(feature = \"a\")] #[inline] pub fn f() {} #[lang = \"x\"] #[doc(alias = \"y\")] trait T {}"
            ),
            "pub fn f() {} #[lang = \"x\"] trait T {}"
        );
        assert_eq!(
            bare("#![allow(x)] m! { #[stable] fn f() { 1 } }"),
            "#![allow(x)] m! { #[stable] fn f() {} }"
        );
        assert_eq!(
            bare(
                "macro_rules! m { (#[$s:meta] #[stable] $t:ty) => { #[$s] #[inline] fn f(self) { n! { #[stable] 1 } } }; }"
            ),
            "macro_rules! m { (#[$s:meta] #[stable] $t:ty) => { #[$s] fn f(self) {} }; }"
        );
        assert_eq!(
            bare("macro_rules! m { () => { #[inline] n! { #[stable] 1 } } }"),
            "macro_rules! m { () => { n! { #[stable] 1 } } }"
        );
    }

    #[test]
    fn the_methods_of_a_trait_are_the_traits() {
        assert_eq!(
            bare(
                "impl<T: for<'a> A<'a>> B for C<T> where T: D { type E = fn(u8); #[x] unsafe fn f(&self) -> F<{ 1 }> { g() } const N: u8 = 1; fn h() -> impl I { i() } }"
            ),
            "impl<T: for<'a> A<'a>> B for C<T> where T: D { type E = fn(u8); const N: u8 = 1; fn h() -> impl I { i() } }"
        );
        for kept in [
            "impl<T: for<'a> A<'a>> B<T> { fn f(&self); }",
            "fn f(x: impl A) { }",
            "macro_rules! m { ($($n:ident)*) => { impl A for B { $(fn $n() {})* } } }",
        ] {
            assert_eq!(bare(kept).replace(' ', ""), kept.replace(' ', ""));
        }
        assert_eq!(
            bare(
                "macro_rules! m { ($t:ty) => { impl A for $t { #[x] fn f(self) { 1 } n! { a } fn g() {} } } }"
            ),
            "macro_rules! m { ($t:ty) => { impl A for $t { n! { a } } } }"
        );
    }

    #[test]
    fn a_constant_method_keeps_its_body_where_lengths_are_written_with_it() {
        assert_eq!(
            bare(
                "impl A { pub const fn rotate<T>(self, n: u32) -> u8 { 1 } const fn pow(self) -> usize { 2 } }"
            ),
            "impl A { pub const fn rotate<T>(self, n: u32) -> u8 {} const fn pow(self) -> usize { 2 } }"
        );
        assert_eq!(
            bare("const fn f(a: u8) -> u8 { a }"),
            "const fn f(a: u8) -> u8 { a }"
        );
    }

    #[test]
    fn private_fields_are_named_so() {
        assert_eq!(
            bare(
                "pub struct A<T, U> where T: B<{ 1 }> { /// Doc.\n pub a: Map<T, U>, b: Vec<T>, #[serde(x)] pub c: fn(T) -> U, pub(crate) d: u8 } struct E { f: u8, }"
            ),
            "pub struct A<T, U> where T: B<{ 1 }> { jook_private_: [fn() -> (*const T, *const U, ); 0], /// Doc. pub a: Map<T, U>, jook_private_b: Vec<T>, #[serde(x)] pub c: fn(T) -> U, pub(crate) jook_private_d: u8 } struct E { jook_private_f: u8, }"
        );
        assert_eq!(
            bare(
                "struct A<'a, #[x] S: ?Sized + B<C, D> = E<F>, const N: usize = 3, G = H> { i: u8 } struct J<'a> { k: u8 }"
            ),
            "struct A<'a, #[x] S: ?Sized + B<C, D> = E<F>, const N: usize = 3, G = H> { jook_private_: [fn() -> (*const S, *const G, ); 0], jook_private_i: u8 } struct J<'a> { jook_private_k: u8 }"
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
