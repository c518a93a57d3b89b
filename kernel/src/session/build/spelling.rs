//! Names in the types of variables that are not found as evcxr writes them: rust-analyzer writes `Box<dyn Error>`, and
//! `Error` may not be imported. rustc says where such a name can be found; its proposals are tried in turn.

use crate::session::build::known::Known;
use crate::session::build::lean;
use serde_json::{Value, json};
use std::collections::HashMap;

/// How often a cell is compiled again for that.
const TRIES: usize = 10;

/// What is left to be tried for one cell.
#[derive(Default)]
pub struct Spelling {
    /// By type and name, the paths not yet tried.
    left: HashMap<(String, String), Vec<String>>,
    tries: usize,
}

/// A name that rustc does not find in the type of a variable.
struct Missing {
    variable: String,
    of_type: String,
    word: String,
    paths: Vec<String>,
}

impl Spelling {
    /// Spells a type another way, after rustc has refused the cell that evcxr has written as `generated`. False when
    /// nothing is left to be tried.
    pub fn another(&mut self, said: &[String], generated: &str, known: &mut Known) -> bool {
        self.tries += 1;
        if self.tries > TRIES {
            return false;
        }
        let mut changed = false;
        for missing in said.iter().filter_map(|line| missing(line, generated)) {
            let key = (missing.of_type.clone(), missing.word.clone());
            let left = self.left.entry(key).or_insert(missing.paths);
            if let Some(path) = left.pop() {
                known.spell(&missing.of_type, &missing.word, &path);
                changed = true;
            }
        }
        if changed {
            return true;
        }
        // A path that was found led to another thing of that name.
        for of_type in said.iter().filter_map(|line| mismatched(line, generated)) {
            for ((_, word), left) in self.left.iter_mut().filter(|((other, _), _)| *other == of_type) {
                if let Some(path) = left.pop() {
                    known.spell(&of_type, word, &path);
                    return true;
                }
            }
        }
        false
    }
}

/// In words for the user, when a variable's type cannot be written.
pub fn refusal(said: &[String], generated: &str) -> Option<String> {
    let missing = said.iter().find_map(|line| missing(line, generated))?;
    let message = format!(
        "the type of `{}` is `{}`, and `{}` is not found here: import it by a `use`, or write the type with its path",
        missing.variable, missing.of_type, missing.word
    );
    Some(json!({"message": message, "level": "error", "spans": [], "children": []}).to_string())
}

/// The type of the variable that the line handles at which `said` points.
fn place<'a>(said: &Value, generated: &'a str) -> Option<(&'a str, &'a str)> {
    let spans = said["spans"].as_array()?;
    let primary = spans.iter().find(|span| span["is_primary"] == true)?;
    let line = primary["line_start"].as_u64()? as usize;
    lean::handled(generated.lines().nth(line.checked_sub(1)?)?)
}

fn missing(line: &str, generated: &str) -> Option<Missing> {
    let said: Value = serde_json::from_str(line).ok()?;
    let message = said["message"].as_str()?;
    let is_missing = ["cannot find t", "expected trait, found ", "expected type, found "]
        .iter()
        .any(|start| message.starts_with(start));
    let word = message.split('`').nth(1).filter(|_| is_missing)?.to_owned();
    let (variable, of_type) = place(&said, generated)?;
    let children = said["children"].as_array().into_iter().flatten();
    let proposals = children
        .flat_map(|child| child["spans"].as_array().into_iter().flatten())
        .filter_map(|span| span["suggested_replacement"].as_str());
    let mut paths: Vec<String> = proposals
        .filter_map(|text| text.trim().strip_prefix("use ")?.strip_suffix(';'))
        .map(|path| match path.starts_with("crate::") {
            true => path.to_owned(),
            false => format!("::{path}"),
        })
        .collect();
    // The last is tried first.
    paths.sort_by_key(|path| {
        (
            path.starts_with("::std::"),
            path.starts_with("crate::"),
            std::cmp::Reverse(path.len()),
        )
    });
    Some(Missing {
        variable: variable.to_owned(),
        of_type: of_type.to_owned(),
        word,
        paths,
    })
}

fn mismatched(line: &str, generated: &str) -> Option<String> {
    let said: Value = serde_json::from_str(line).ok()?;
    let code = said["code"]["code"].as_str()?;
    let (_, of_type) = place(&said, generated)?;
    ["E0308", "E0277"].contains(&code).then(|| of_type.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUT: &str = "evcxr_variable_store.put_variable::<Box<dyn Error>>(stringify!(e), e);";

    fn said(message: &str, code: &str, paths: &[&str]) -> String {
        let proposals: Vec<Value> = paths
            .iter()
            .map(|path| json!({"suggested_replacement": format!("use {path};\n")}))
            .collect();
        json!({
            "message": message, "code": {"code": code}, "spans": [{"is_primary": true, "line_start": 2}],
            "children": [{"spans": proposals}],
        })
        .to_string()
    }

    #[test]
    fn rustcs_proposals_are_tried_in_turn() {
        let generated = format!("fn f() {{\n{PUT}\n}}");
        let mut known = Known::default();
        let mut spelling = Spelling::default();
        let unknown = [said(
            "cannot find trait `Error` in this scope",
            "E0405",
            &["serde::de::Error", "std::error::Error"],
        )];
        assert!(spelling.another(&unknown, &generated, &mut known));
        assert_eq!(
            known.spelled_anew("Box<dyn Error>"),
            "Box<dyn ::std::error::Error>"
        );
        let other = [said("mismatched types", "E0308", &[])];
        assert!(spelling.another(&other, &generated, &mut known));
        assert_eq!(
            known.spelled_anew("Box<dyn Error>"),
            "Box<dyn ::serde::de::Error>"
        );
        assert!(!spelling.another(&other, &generated, &mut known));
        let nowhere = [said("cannot find trait `Error` in this scope", "E0405", &[])];
        assert!(!Spelling::default().another(&nowhere, &generated, &mut known));
        let told = refusal(&nowhere, &generated).unwrap();
        assert!(told.contains("the type of `e` is `Box<dyn Error>`"), "{told}");
    }

    #[test]
    fn what_the_user_wrote_is_left_to_him() {
        let generated = "fn f() {\nlet e: Box<dyn Error> = g();\n}";
        let unknown = [said(
            "cannot find trait `Error` in this scope",
            "E0405",
            &["std::error::Error"],
        )];
        assert!(!Spelling::default().another(&unknown, generated, &mut Known::default()));
        assert_eq!(refusal(&unknown, generated), None);
    }
}
