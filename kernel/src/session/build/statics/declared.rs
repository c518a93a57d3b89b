//! The statics within an item: found, exported, or declared in the place of their definition.

use crate::session::cell::own_statics;
use crate::session::cell::thread_locals;
use ra_ap_syntax::ast::{self, HasName as _, HasVisibility as _};
use ra_ap_syntax::{AstNode as _, SyntaxKind, SyntaxNode, TextRange, TextSize};

/// Who has a static.
pub(super) enum Owner {
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

/// One static, of a `static` item or of a `thread_local!`.
pub(super) struct One {
    pub name: String,
    pub of_type: String,
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

pub(super) struct Found {
    pub node: SyntaxNode,
    all: Vec<One>,
    thread_local: bool,
}

/// The statics within an item, also those of its functions.
pub(super) fn statics_in(item: &SyntaxNode) -> Vec<Found> {
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
pub(super) const SYMBOL: &str = "jook_static_";
/// How what is written before an exported static begins.
pub const EXPORT: &str = "#[unsafe(export_name = \"jook_static_";

impl Found {
    /// The static exported, or a declaration of it; `owner` says by which name, and whether another cell has it.
    pub fn edit(&self, owner: &mut impl FnMut(&One) -> Owner) -> Vec<(TextRange, String)> {
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
pub(super) fn path_to(node: &SyntaxNode) -> String {
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
