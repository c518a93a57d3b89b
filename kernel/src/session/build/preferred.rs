//! Names that a `use module::*` of the notebook's brings in, and the toolkit's prelude, too: the notebook's is meant. In a
//! program neither goes before the other, and rustc has been known to take one of them with no more than a warning.

use serde_json::Value;

/// How the toolkit's prelude is brought in, when the source is ready for the compiler.
const PRELUDE: &str = "use ::jook::prelude::*;";

/// rustc's option by which it refuses what it may read in two ways.
pub const REFUSED: &str = "-Dambiguous_glob_imports";

/// Imports of the notebook's own for the names that rustc has found ambiguous: with them the cell says what it means.
pub fn imports(said: &[String]) -> Vec<String> {
    let mut imports: Vec<String> = said.iter().filter_map(|line| import(line)).collect();
    imports.sort();
    imports.dedup();
    imports
}

fn import(line: &str) -> Option<String> {
    let said: Value = serde_json::from_str(line).ok()?;
    let code = said["code"]["code"].as_str()?;
    if !["ambiguous_glob_imports", "E0659"].contains(&code) {
        return None;
    }
    let name = said["message"].as_str()?.split('`').nth(1)?;
    let children = said["children"].as_array().into_iter().flatten();
    let imports: Vec<&str> = children
        .flat_map(|child| child["spans"].as_array().into_iter().flatten())
        .filter_map(|span| span["text"][0]["text"].as_str())
        .map(str::trim)
        .collect();
    let own: Vec<&&str> = imports.iter().filter(|line| !is_prelude(line)).collect();
    let [own] = own[..] else { return None };
    let module = own.strip_prefix("use ")?.strip_suffix("::*;")?;
    imports
        .iter()
        .any(|line| is_prelude(line))
        .then(|| format!("use {module}::{name};"))
}

fn is_prelude(line: &str) -> bool {
    line == PRELUDE
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn said(code: &str, imports: &[&str]) -> String {
        let notes: Vec<Value> = imports
            .iter()
            .map(|line| json!({"message": "m", "spans": [{"text": [{"text": line}]}]}))
            .collect();
        json!({"message": "`show` is ambiguous", "code": {"code": code}, "children": notes}).to_string()
    }

    #[test]
    fn what_a_notebook_imports_as_a_whole_goes_before_the_prelude() {
        let lint = "ambiguous_glob_imports";
        let both = said(lint, &["use geo::*;", PRELUDE]);
        assert_eq!(imports(&[both.clone(), both]), ["use geo::show;"]);
        for own in [
            said(lint, &["use a::*;", "use b::*;"]),
            said(lint, &[PRELUDE, "use a::*;", "use b::*;"]),
            said("E0308", &["use geo::*;", PRELUDE]),
            said(lint, &[PRELUDE, "let a = 1;"]),
        ] {
            assert!(imports(std::slice::from_ref(&own)).is_empty(), "{own}");
        }
    }
}
