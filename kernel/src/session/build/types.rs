//! Which definitions a variable's type is made of: what was kept as one thing must not be taken for another.
//!
//! A type of a notebook's own keeps its name, and for the compiler its identity, when it is defined anew with other
//! fields. So each variable is kept with a digest of all that the layout of its type depends on: the definitions it
//! names, those that they name, the files that these are read from, and the crates that the notebook has added. What a
//! name is imported from counts once it is imported from elsewhere. Functions' bodies, comments and derives do not matter, nor do the associated types of an `impl` where nothing asks for them.

use crate::session::build::dylib;
use crate::session::cell::made;
use crate::session::digest::digest_of;
use ra_ap_syntax::ast::{self, HasModuleItem as _, HasName as _};
use ra_ap_syntax::{
    AstNode as _, Edition, SourceFile, SyntaxElement, SyntaxKind, SyntaxNode, SyntaxToken, TextRange,
};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::PathBuf;

mod asked;
mod files;
#[cfg(test)]
mod tests;
mod tokens;

use asked::Asked;
pub use tokens::{AT_HAND, free_words};
use tokens::{all_words, inner_names, is_last_comma, is_of_std, is_skipped, is_visibility, plain, words};

/// What a crate that evcxr has written defines.
#[derive(Default)]
pub struct Types {
    named: HashMap<String, Vec<Definition>>,
    /// Items that any type may depend on: what is imported as a whole.
    everywhere: Vec<Definition>,
    /// What gives a type's associated types.
    given: Vec<Definition>,
    /// The notebook's own crates, each with what identifies its library.
    crates: HashMap<String, u64>,
    /// Names that once were imported from elsewhere, and what identifies their import now.
    moved: BTreeMap<String, u64>,
}

#[derive(Debug)]
struct Definition {
    digest: u64,
    /// Names that it uses.
    uses: HashSet<String>,
    /// Those of them that it neither defines itself nor finds by a path.
    free: HashSet<String>,
    /// Of a module, the types that it defines itself.
    defines: HashSet<String>,
    /// Whether a change of it makes another type.
    is_type: bool,
    /// Whether it only leads to what it names.
    is_import: bool,
    /// Whether it speaks of values of any type.
    is_any: bool,
    /// What in it may ask for the associated types of others.
    asked: Asked,
}

impl Types {
    /// Reads what stands before the entry point of a cell's crate.
    pub fn read(items: &str, crates: &[(String, PathBuf)]) -> Self {
        let mut types = Self {
            crates: crates
                .iter()
                .map(|(name, path)| (name.clone(), dylib::identity(path)))
                .collect(),
            ..Self::default()
        };
        for item in SourceFile::parse(items, Edition::Edition2024).tree().items() {
            types.add(&item);
        }
        types
    }

    fn add(&mut self, item: &ast::Item) {
        let name = match item {
            ast::Item::Use(item) => return self.add_imports(item),
            ast::Item::Module(item)
                if item
                    .name()
                    .is_some_and(|name| name.text().starts_with(made::MODULE)) =>
            {
                return self.add_made(item);
            }
            ast::Item::Impl(item) => {
                // Its constants and types; no layout depends on its functions.
                let members = item
                    .assoc_item_list()
                    .into_iter()
                    .flat_map(|list| list.assoc_items());
                if members
                    .into_iter()
                    .any(|member| !matches!(member, ast::AssocItem::Fn(_)))
                {
                    self.given.push(Definition::of(item.syntax(), true));
                }
                return;
            }
            ast::Item::Struct(item) => item.name(),
            ast::Item::Enum(item) => item.name(),
            ast::Item::Union(item) => item.name(),
            ast::Item::Trait(item) => item.name(),
            ast::Item::TypeAlias(item) => item.name(),
            ast::Item::Const(item) => item.name(),
            ast::Item::Module(item) => item.name(),
            ast::Item::MacroRules(item) => item.name(),
            // Of the others no layout is made.
            ast::Item::Fn(item) if item.const_token().is_some() => item.name(),
            _ => None,
        };
        if let Some(name) = name {
            let is_type = !matches!(item, ast::Item::Fn(_) | ast::Item::Const(_));
            let definition = Definition::of(item.syntax(), is_type);
            self.named.entry(plain(name.text())).or_default().push(definition);
        }
    }

    /// What a macro makes may have any of the names in it and in its call.
    fn add_made(&mut self, module: &ast::Module) {
        let Definition { digest, uses, .. } = Definition::of(module.syntax(), true);
        // The way to the macro makes nothing.
        let calls = module.syntax().descendants().filter_map(ast::MacroCall::cast);
        let ways: HashSet<String> = calls
            .filter_map(|call| call.path())
            .flat_map(|path| all_words(&path.syntax().text().to_string()).collect::<Vec<_>>())
            .collect();
        for name in uses
            .into_iter()
            .filter(|name| !is_of_std(name) && !ways.contains(name))
        {
            let definition = Definition {
                digest,
                uses: HashSet::new(),
                free: HashSet::new(),
                defines: HashSet::new(),
                is_type: true,
                is_import: false,
                is_any: false,
                asked: Asked::unknown(),
            };
            self.named.entry(name).or_default().push(definition);
        }
    }

    fn add_imports(&mut self, item: &ast::Use) {
        let definition = Definition::of(item.syntax(), false);
        let trees = item.syntax().descendants().filter_map(ast::UseTree::cast);
        // A trait without a name is in no type.
        let nameless = |tree: &ast::UseTree| {
            tree.rename()
                .is_some_and(|rename| rename.underscore_token().is_some())
        };
        let trees: Vec<ast::UseTree> = trees.filter(|tree| !nameless(tree)).collect();
        if !trees.iter().any(|tree| tree.use_tree_list().is_none()) {
            return;
        }
        let names: Vec<String> = trees
            .into_iter()
            .filter(|tree| tree.use_tree_list().is_none() && tree.star_token().is_none())
            .filter_map(|tree| match tree.rename() {
                Some(rename) => Some(plain(rename.name()?.text())),
                None => Some(plain(tree.path()?.segment()?.name_ref()?.text())),
            })
            .collect();
        match names.first() {
            // evcxr writes one import an item.
            Some(name) => self.named.entry(name.clone()).or_default().push(definition),
            None => self.everywhere.push(definition),
        }
    }

    /// The digest of a type, as source writes it. 0 when nothing of the notebook's own is in it.
    pub fn digest(&self, of_type: &str) -> u64 {
        let mut seen: BTreeSet<String> = BTreeSet::new();
        let mut digests: BTreeSet<u64> = BTreeSet::new();
        let means = |word: &str| self.named.contains_key(word) || self.crates.contains_key(word);
        let inner = |module: &str, word: &str| {
            let all = self.named.get(module).map(Vec::as_slice).unwrap_or_default();
            !all.is_empty() && all.iter().all(|one| one.defines.contains(word))
        };
        let mut open: Vec<String> = words(of_type, means, inner).collect();
        let mut free: BTreeSet<String> = free_words(of_type).collect();
        // Names that may come from an import as a whole: what is defined or imported by its name goes before.
        let is_elsewhere = |word: &String| !is_of_std(word) && !self.named.contains_key(word);
        let mut imports = free_words(of_type).any(|word| is_elsewhere(&word));
        let mut imported = false;
        let holds = |word: &str| self.holds(word);
        let mut asks = Asked::of(&asked::pieces(of_type)).asks(holds);
        loop {
            while let Some(word) = open.pop() {
                if let Some(library) = self.crates.get(&word) {
                    digests.insert(*library);
                }
                for definition in self.named.get(&word).into_iter().flatten() {
                    if definition.is_import || digests.insert(definition.digest) {
                        imports |= definition.free.iter().any(is_elsewhere);
                        asks |= !definition.is_import && definition.asked.asks(holds);
                        free.extend(definition.free.iter().filter(|_| !definition.is_import).cloned());
                        open.extend(
                            definition
                                .uses
                                .iter()
                                .filter(|word| !seen.contains(*word))
                                .cloned(),
                        );
                    }
                }
                seen.insert(word);
            }
            for given in self.given.iter().filter(|_| asks) {
                if !digests.contains(&given.digest)
                    && given
                        .uses
                        .iter()
                        .any(|word| self.named.contains_key(word) && seen.contains(word))
                {
                    digests.insert(given.digest);
                    imports |= given.free.iter().any(is_elsewhere);
                    free.extend(given.free.iter().cloned());
                    open.extend(given.uses.iter().filter(|word| !seen.contains(*word)).cloned());
                }
            }
            if imports && !std::mem::replace(&mut imported, true) {
                open.extend(
                    self.everywhere
                        .iter()
                        .flat_map(|import| import.uses.iter().cloned()),
                );
            }
            if open.is_empty() {
                break;
            }
        }
        let moved = self.moved.iter().filter(|(name, _)| free.contains(*name));
        digests.extend(moved.map(digest_of_import));
        match digests.is_empty() {
            true => 0,
            false => digest_of(&digests),
        }
    }

    /// Whether the notebook means by this word a type of its own, whose definition is looked at as well, or one of the
    /// standard library's under its own name.
    fn holds(&self, word: &str) -> bool {
        let Some(all) = self.named.get(word) else {
            return asked::is_holder(word);
        };
        all.iter().all(|one| match one.is_import {
            true => one.asked.is_std_import() && asked::is_holder(word),
            false => one.is_type,
        })
    }

    /// Whether a value of this type may hold another whose type only a `downcast` tells: a `dyn Any`, also within what
    /// the notebook defines, or behind a trait of its own.
    pub fn hides(&self, of_type: &str) -> bool {
        hides_any(of_type) || self.reaches(of_type, |_| false, |definition| definition.is_any)
    }

    /// Whether a value of this type may change though nothing takes it to be changed: by a lock, a cell or an atomic in it.
    pub fn may_change(&self, of_type: &str) -> bool {
        self.reaches(of_type, may_change, |_| false)
    }

    /// Whether a word of the type, or of the notebook's definitions that it leads to, or one of these, is such a one.
    fn reaches(
        &self,
        of_type: &str,
        word_is: impl Fn(&str) -> bool,
        definition_is: impl Fn(&Definition) -> bool,
    ) -> bool {
        let mut seen: HashSet<String> = HashSet::new();
        let mut open: Vec<String> = all_words(of_type).collect();
        while let Some(word) = open.pop() {
            let definitions = || self.named.get(&word).into_iter().flatten();
            // A name that the notebook has given to a type of its own is that.
            if !definitions().any(|one| one.is_type) && word_is(&word) {
                return true;
            }
            for definition in definitions() {
                if definition_is(definition) {
                    return true;
                }
                let new = definition.uses.iter().filter(|word| !seen.contains(*word));
                open.extend(new.cloned());
            }
            seen.insert(word);
        }
        false
    }

    /// Each name that is imported, with what identifies its import.
    pub fn imports(&self) -> impl Iterator<Item = (&str, u64)> {
        let imported = |all: &[Definition]| {
            let imports = all.iter().filter(|one| one.is_import);
            let digests: BTreeSet<u64> = imports.map(|one| one.digest).collect();
            (!digests.is_empty()).then(|| digest_of(&digests))
        };
        let names = self.named.iter();
        names.filter_map(move |(name, all)| Some((name.as_str(), imported(all)?)))
    }

    /// These names were imported from elsewhere before: what was made of them is of other types.
    pub fn have_moved(&mut self, names: &BTreeMap<String, u64>) {
        self.moved.clone_from(names);
    }

    /// Each type that is defined, with its digest.
    pub fn definitions(&self) -> impl Iterator<Item = (&str, u64)> {
        let types = self
            .named
            .iter()
            .filter(|(_, all)| all.iter().any(|one| one.is_type));
        types.map(|(name, all)| {
            (
                name.as_str(),
                digest_of(&all.iter().map(|one| one.digest).collect::<BTreeSet<_>>()),
            )
        })
    }
}

/// Names of types whose values change behind a shared reference: the standard library's, and the toolkit's that stand for
/// what its user sets.
pub fn may_change(word: &str) -> bool {
    const CELLS: [&str; 11] = [
        "Mutex",
        "RwLock",
        "RefCell",
        "Cell",
        "UnsafeCell",
        "ReentrantLock",
        "Slider",
        "Dropdown",
        "Button",
        "Comm",
        "Receiver",
    ];
    CELLS.contains(&word) || word.starts_with("Atomic")
}

/// Another number than that of the import, which leads to what the digest is made of as well.
fn digest_of_import((name, import): (&String, &u64)) -> u64 {
    digest_of(&(name, import))
}

/// Whether source speaks of a `dyn Any`, however it is spaced and found.
fn hides_any(source: &str) -> bool {
    let source: String = source.split_whitespace().collect::<Vec<_>>().join(" ");
    let source = source.replace(" :: ", "::");
    [
        "",
        "std::any::",
        "::std::any::",
        "core::any::",
        "::core::any::",
        "any::",
    ]
    .iter()
    .any(|path| source.contains(&format!("dyn {path}Any")))
}

/// Whether it is the `Item` of `Iterator<Item = u8>`.
fn is_a_binding(token: &SyntaxToken) -> bool {
    let name = token.parent();
    let of = name.and_then(|name| name.parent());
    of.is_some_and(|of| ast::AssocTypeArg::can_cast(of.kind()))
}

impl Definition {
    fn of(item: &SyntaxNode, is_type: bool) -> Self {
        let skipped: Vec<TextRange> = item
            .descendants()
            .filter(|node| is_skipped(node) || is_visibility(node, item))
            .map(|node| node.text_range())
            .collect();
        let tokens = item
            .descendants_with_tokens()
            .filter_map(SyntaxElement::into_token);
        let matters = |token: &SyntaxToken| {
            !token.kind().is_trivia()
                && !is_last_comma(token)
                && !skipped
                    .iter()
                    .any(|range| range.contains_range(token.text_range()))
        };
        let own: HashSet<String> = item
            .descendants()
            .filter(|node| ast::Item::can_cast(node.kind()) || ast::GenericParam::can_cast(node.kind()))
            .filter_map(|node| Some(plain(node.children().find_map(ast::Name::cast)?.text())))
            .collect();
        let (mut text, mut uses, mut free) = (String::new(), HashSet::new(), HashSet::new());
        let inner = inner_names(item);
        let (mut before, mut path) = (SyntaxKind::EOF, String::new());
        let tokens: Vec<SyntaxToken> = tokens.filter(matters).collect();
        let pieces: Vec<&str> = tokens.iter().map(SyntaxToken::text).collect();
        let asked = Asked::of(&pieces);
        for token in &tokens {
            text.push_str(token.text());
            text.push(' ');
            // The name of a field leads nowhere.
            let names = token
                .parent()
                .is_some_and(|parent| ast::Name::can_cast(parent.kind()));
            if token.kind() == SyntaxKind::IDENT && !names {
                let word = plain(token.text());
                let is_free = before != SyntaxKind::COLON2;
                if is_free && !own.contains(&word) {
                    free.insert(word.clone());
                }
                // What a trait, or a type, calls a type of its own leads nowhere either.
                let is_of_self = !is_free && path == "Self";
                if !(is_free && inner.contains(&word) || is_of_self || is_a_binding(token)) {
                    uses.insert(word);
                }
            }
            if token.kind() != SyntaxKind::COLON2 {
                path.clear();
                path.push_str(token.text());
            }
            before = token.kind();
        }
        // Most items name none, and some are long.
        let names_files = ["include", "path"].iter().any(|word| uses.contains(*word));
        for file in names_files.then(|| files::named_in(item)).into_iter().flatten() {
            text.push_str(&format!(
                "{:016x} ",
                digest_of(&std::fs::read(file).unwrap_or_default())
            ));
        }
        let is_trait = ast::Trait::can_cast(item.kind());
        Self {
            is_any: hides_any(&text)
                || is_trait
                    && [": Any ", "+ Any ", ":: Any "]
                        .iter()
                        .any(|any| text.contains(any)),
            digest: digest_of(&text),
            uses,
            free,
            defines: match ast::Module::can_cast(item.kind()) {
                true => inner,
                false => HashSet::new(),
            },
            is_type,
            is_import: ast::Use::can_cast(item.kind()),
            asked,
        }
    }
}
