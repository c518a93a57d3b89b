//! Items of earlier cells that do not fit what a cell defines: a function that uses a field which has another type now, an
//! `impl` without a method that its trait has since. They are set aside, with a word, and the cell runs; else no type
//! that another cell uses could ever change.

use crate::session::cell::ALIAS;
use crate::session::cell::made;
use crate::session::cell::unnamed::{member_name, written_header};
use evcxr::CompilationError;
use ra_ap_syntax::ast::{self, HasModuleItem as _, HasName as _};
use ra_ap_syntax::{AstNode as _, Edition, SourceFile};
use serde_json::Value;
use std::collections::HashSet;

/// An item that does not fit.
#[derive(Clone, Debug, PartialEq)]
pub struct Unfit {
    /// What evcxr keeps it by.
    pub name: String,
    /// What a reader knows it by.
    pub shown: String,
    pub text: String,
    /// What rustc says of it.
    pub why: String,
}

/// The items that a refused cell has to go without, in the source that evcxr has `generated` for it. None when anything
/// else is wrong, too. `earlier` are the names of all items that there were before, `own` those of the cell.
pub fn unfit(
    errors: &[CompilationError],
    generated: &str,
    earlier: &HashSet<&str>,
    own: &HashSet<String>,
) -> Vec<Unfit> {
    let said = errors.iter().filter(|error| error.level().starts_with("error"));
    let said: Vec<Said> = said
        .map(|error| Said {
            json: &error.json,
            is_of_the_cell: (error.spanned_messages().iter())
                .any(|place| place.is_primary && place.span.is_some()),
        })
        .collect();
    among(&said, generated, earlier, own).unwrap_or_default()
}

struct Said<'a> {
    json: &'a Value,
    is_of_the_cell: bool,
}

fn among(
    said: &[Said],
    generated: &str,
    earlier: &HashSet<&str>,
    own: &HashSet<String>,
) -> Option<Vec<Unfit>> {
    let file = SourceFile::parse(generated, Edition::Edition2024).tree();
    let items: Vec<ast::Item> = file.items().collect();
    let mut found: Vec<Unfit> = Vec::new();
    for said in said {
        let code = said.json["code"]["code"].as_str().unwrap_or_default();
        let spans = said.json["spans"].as_array()?;
        // Of two `impl`s of one trait the newer counts, also where a `derive` is the newer.
        let doubled = ["E0119", "E0428", "E0592"].contains(&code);
        if said.is_of_the_cell && !doubled {
            return None;
        }
        let places = spans
            .iter()
            .filter(|span| doubled || span["is_primary"] == true)
            .map(line_in_an_item);
        let unfit = places.filter_map(|line| {
            let at = item_at(generated, &items, line?)?;
            let name = name_of(&items, at)?;
            let is_impl = name.starts_with(ALIAS) || name.starts_with(made::MODULE);
            let is_earlier = earlier.contains(name.as_str()) && !own.contains(&name);
            (is_earlier && (is_impl || !doubled)).then(|| Unfit {
                shown: shown(&items[at]),
                text: made::restored(&items[at].syntax().text().to_string())
                    .trim()
                    .to_owned(),
                why: match doubled {
                    true => "this cell has one, too".to_owned(),
                    false => why(said.json),
                },
                name,
            })
        });
        let before = found.len();
        let mut any = false;
        for unfit in unfit {
            any = true;
            if !found.iter().any(|other| other.name == unfit.name) {
                found.push(unfit);
            }
            if doubled && found.len() > before {
                break;
            }
        }
        if !any {
            return None;
        }
    }
    Some(found)
}

/// What of an earlier cell a message is about that points to no place in the refused one: the item's text, and how many
/// lines of it stand above the place.
pub fn elsewhere(said: &Value, generated: &str) -> Option<(String, usize)> {
    let spans = said["spans"].as_array()?;
    let line = line_in_an_item(spans.iter().find(|span| span["is_primary"] == true)?)?;
    let file = SourceFile::parse(generated, Edition::Edition2024).tree();
    let items: Vec<ast::Item> = file.items().collect();
    let item = &items[item_at(generated, &items, line)?];
    let start = usize::from(item.syntax().text_range().start());
    let head = generated[..start].matches('\n').count() + 1;
    Some((item.syntax().text().to_string(), line.checked_sub(head)?))
}

/// The line (from 1) that a place is in, of the call where it is within a macro.
fn line_in_an_item(span: &Value) -> Option<usize> {
    let mut span = span;
    while span["expansion"].is_object() {
        span = &span["expansion"]["span"];
    }
    usize::try_from(span["line_start"].as_u64()?).ok()
}

/// The item that the end of the line is in.
fn item_at(generated: &str, items: &[ast::Item], line: usize) -> Option<usize> {
    let before: usize = generated
        .split_inclusive('\n')
        .take(line.checked_sub(1)?)
        .map(str::len)
        .sum();
    let end = generated[before..].lines().next()?.trim_end().len();
    let at = (before + end).checked_sub(1)?;
    items.iter().position(|item| {
        let range = item.syntax().text_range();
        usize::from(range.start()) <= at && at < usize::from(range.end())
    })
}

/// What evcxr keeps the item by. One that has no name stands behind the alias that it is kept by.
fn name_of(items: &[ast::Item], at: usize) -> Option<String> {
    if let ast::Item::Use(import) = &items[at] {
        let tree = import.use_tree()?;
        let renamed = tree.rename().map(|rename| rename.name());
        return match renamed {
            Some(name) => name.map(|name| name.text().to_string()),
            None => Some(tree.path()?.segment()?.name_ref()?.text().to_string()),
        };
    }
    if let Some(name) = member_name(items[at].syntax()) {
        return Some(name);
    }
    let ast::Item::TypeAlias(alias) = items.get(at.checked_sub(1)?)? else {
        return None;
    };
    let name = alias.name()?.text().to_string();
    name.starts_with(ALIAS).then_some(name)
}

/// The item's head in one line; of what a macro makes, the call.
fn shown(item: &ast::Item) -> String {
    let text = item.syntax().text().to_string();
    let call = made::restored(&text);
    if call != text {
        return call.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    match item {
        ast::Item::Fn(function) => {
            let name = function.name().map(|name| name.text().to_string());
            format!("fn {}", name.unwrap_or_default())
        }
        _ => written_header(&text),
    }
}

fn why(said: &Value) -> String {
    let message = said["message"].as_str().unwrap_or_default();
    let spans = said["spans"].as_array().into_iter().flatten();
    let mut labels = spans
        .filter(|span| span["is_primary"] == true)
        .filter_map(|span| span["label"].as_str());
    match labels.find(|label| !label.is_empty() && !message.contains(label)) {
        Some(label) => format!("{message}: {label}"),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const GENERATED: &str = "use geo::P;\nstruct A(u64);\nfn f() -> u32 {\n    A(5).0\n}\ntype evcxr_item_1_0 = ();\n\
        impl Clone for A {\n    fn clone(&self) -> A { A(self.0 as u32) }\n}\nfn run_user_code_1() {\n    f()\n}\n";

    fn of(said: &[(Value, bool)]) -> Vec<(String, String)> {
        let earlier = HashSet::from(["P", "f", "evcxr_item_1_0"]);
        let own = HashSet::from(["A".to_owned()]);
        let said: Vec<Said> = said
            .iter()
            .map(|(json, is_of_the_cell)| Said {
                json,
                is_of_the_cell: *is_of_the_cell,
            })
            .collect();
        let found = among(&said, GENERATED, &earlier, &own).unwrap_or_default();
        found.into_iter().map(|unfit| (unfit.name, unfit.shown)).collect()
    }

    fn said(code: &str, lines: &[(usize, bool)]) -> Value {
        let spans: Vec<Value> = lines
            .iter()
            .map(|(line, primary)| json!({"line_start": line, "is_primary": primary, "label": "l"}))
            .collect();
        json!({"message": "m", "code": {"code": code}, "spans": spans})
    }

    #[test]
    fn an_item_of_an_earlier_cell_is_found_by_its_line() {
        let alias = format!("{ALIAS}1_0");
        assert_eq!(alias, "evcxr_item_1_0", "as the source above has it");
        let all = of(&[
            (said("E0308", &[(4, true), (2, false)]), false),
            (said("E0308", &[(8, true)]), false),
            (said("E0432", &[(1, true)]), false),
        ]);
        let pair = |name: &str, shown: &str| (name.to_owned(), shown.to_owned());
        assert_eq!(
            all,
            [
                pair("f", "fn f"),
                pair(&alias, "impl Clone for A"),
                pair("P", "use geo::P")
            ]
        );
        let macros = json!({"message": "m", "spans": [{"line_start": 99, "is_primary": true,
            "expansion": {"span": {"line_start": 4}}}]});
        assert_eq!(of(&[(macros, false)]), [pair("f", "fn f")]);
        let doubled = of(&[(said("E0119", &[(2, true), (7, false)]), true)]);
        assert_eq!(doubled, [pair(&alias, "impl Clone for A")]);
    }

    #[test]
    fn where_anything_else_is_wrong_nothing_is_set_aside() {
        let unfit = (said("E0308", &[(4, true)]), false);
        assert!(of(&[unfit.clone(), (said("E0308", &[(2, true)]), true)]).is_empty());
        assert!(of(&[unfit.clone(), (said("E0308", &[(11, true)]), false)]).is_empty());
        assert!(of(&[unfit.clone(), (said("E0308", &[(2, true)]), false)]).is_empty());
        assert!(of(&[unfit, (said("E0119", &[(2, true)]), true)]).is_empty());
    }
}
