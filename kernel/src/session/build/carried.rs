//! Dependencies that a notebook asks for and the toolkit already carries.

use crate::session::cell::lines;
use serde_json::Value;
use std::path::Path;

/// The crates that every cell can name because the toolkit brings them.
pub const NAMES: &[&str] = &["polars", "plotly", "dfdx"];

/// The carried crates and their versions.
#[derive(Default)]
pub struct Carried(Vec<(String, String)>);

impl Carried {
    /// Reads the versions from the toolkit's crate graph.
    pub fn of_graph(graph: &Path) -> Self {
        let graph: Value = std::fs::read(graph)
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        Self(
            graph["packages"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|package| (text(&package["name"]), text(&package["version"])))
                .filter(|(name, _)| NAMES.contains(&name.as_str()))
                .collect(),
        )
    }

    /// Blanks the lines that ask for the toolkit or a crate in it: every cell has them. Lines keep their
    /// numbers, and bytes their places. Also returns what to tell a user who asked for another version.
    pub fn satisfy(&self, code: &str) -> (String, Vec<String>) {
        let mut notes = Vec::new();
        let mut cell = String::with_capacity(code.len());
        let mut reader = lines::Reader::default();
        for line in code.split_inclusive('\n') {
            let in_text = reader.is_within();
            if !line.trim_start().starts_with(':') || in_text {
                reader.read(line);
            }
            if !in_text && self.has(line, &mut notes) {
                cell.extend(line.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }));
            } else {
                cell.push_str(line);
            }
        }
        (cell, notes)
    }

    fn has(&self, line: &str, notes: &mut Vec<String>) -> bool {
        let Some(asked) = line.trim_start().strip_prefix(":dep") else {
            return false;
        };
        if !asked.starts_with(char::is_whitespace) {
            return false;
        }
        let (name, requirement) = asked.split_once('=').unwrap_or((asked, ""));
        let name = name.trim();
        if name == "jook" {
            return true;
        }
        // Another source of the crate, or another crate under its name, is the user's own.
        if ["path", "git", "package", "registry"]
            .iter()
            .any(|key| sets(requirement, key))
        {
            return false;
        }
        let Some((_, version)) = self.0.iter().find(|(carried, _)| carried == name) else {
            return false;
        };
        if let Some(wanted) = wanted_version(requirement)
            && !compatible(&wanted, version)
        {
            notes.push(format!(
                "note: this notebook asks for {name} {wanted}; the toolkit's {name} {version} is used.\n"
            ));
        }
        true
    }
}

fn sets(requirement: &str, key: &str) -> bool {
    requirement
        .split(['{', ','])
        .any(|part| part.split_once('=').is_some_and(|(name, _)| name.trim() == key))
}

/// The version in `"0.55"` or `{ version = "0.55", features = [...] }`.
fn wanted_version(requirement: &str) -> Option<String> {
    let text = match requirement.split_once("version") {
        Some((_, rest)) => rest,
        None if requirement.contains('{') => return None,
        None => requirement,
    };
    text.split('"').nth(1).map(str::to_owned)
}

/// Whether cargo would take `version` for `wanted`, as far as the first number that may not change.
fn compatible(wanted: &str, version: &str) -> bool {
    let wanted = wanted.trim();
    if wanted.starts_with(['>', '<', '*']) {
        return true;
    }
    let wanted = wanted.trim_start_matches(['^', '~', '=', ' ']);
    let mut pairs = wanted.split('.').zip(version.split('.'));
    // The first number other than zero decides.
    pairs.all(|(a, b)| a == b || a == "*") || {
        let same = wanted
            .split('.')
            .zip(version.split('.'))
            .take_while(|(a, b)| a == b);
        same.into_iter().any(|(a, _)| a != "0")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carried() -> Carried {
        Carried(vec![
            ("polars".into(), "0.55.2".into()),
            ("plotly".into(), "1.4.1".into()),
        ])
    }

    #[test]
    fn carried_crates_are_blanked_and_others_stay() {
        let code = ":dep jook = { path = \"../toolkit\" }\n:dep jook_extra = \"1\"\n\
            :dep polars = { version = \"0.55\", features = [\"lazy\"] }\n:dep polars = { path = \"é\" }\nlet a = 1;";
        let (cell, notes) = carried().satisfy(code);
        assert_eq!(cell.len(), code.len());
        assert!(notes.is_empty());
        let blank: Vec<bool> = cell.lines().map(|line| line.trim().is_empty()).collect();
        assert_eq!(blank, [true, false, true, false, false]);
        assert_eq!(cell.lines().nth(3), code.lines().nth(3));
        let text = "let s = \"\n:dep polars\n\";";
        assert_eq!(carried().satisfy(text).0, text);
    }

    #[test]
    fn another_version_is_named() {
        for (line, noted) in [
            (":dep polars = \"0.54\"", true),
            (":dep polars = \"0.55.1\"", false),
            (":dep polars = { features = [\"lazy\"] }", false),
            (":dep plotly = \"1\"", false),
            (":dep plotly = \"1.9\"", false),
            (":dep plotly = \"2.4\"", true),
            (":dep plotly = \"*\"", false),
            (":dep plotly", false),
        ] {
            assert_eq!(carried().satisfy(line).1.len(), usize::from(noted), "{line}");
        }
    }
}
