//! The modules of a study import one way.

use std::path::Path;

/// The order that the documentation of the module gives.
fn order() -> Vec<String> {
    let text = include_str!("mod.rs");
    let start = text.find("import one way").expect("the order is given");
    let words: String = text[start..]
        .lines()
        .take_while(|line| line.starts_with("//!") || line.starts_with("import"))
        .map(|line| line.trim_start_matches("//!"))
        .collect();
    let list = words.split_once(':').expect("a list").1;
    list.split(',')
        .map(|name| name.trim().trim_end_matches('.').to_owned())
        .collect()
}

#[test]
fn modules_import_only_those_before_them() {
    let order = order();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/study");
    let mut found = 0;
    for entry in std::fs::read_dir(&folder).expect("the folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        if path.extension().is_none_or(|end| end != "rs") || ["mod", "tests"].contains(&name.as_str()) {
            continue;
        }
        found += 1;
        let own = order.iter().position(|other| *other == name);
        let own = own.unwrap_or_else(|| panic!("{name} is not in the order"));
        let text = std::fs::read_to_string(&path).expect("a source file");
        // Tests at the end of a file may build whole studies.
        let code = text.split("#[cfg(test)]").next().expect("text");
        for line in code.lines().filter_map(|line| line.strip_prefix("use super::")) {
            let used = line.split([':', ';']).next().expect("a name");
            if used.starts_with('{') {
                continue;
            }
            let used_at = order.iter().position(|other| other == used);
            let used_at =
                used_at.unwrap_or_else(|| panic!("{name} imports {used}, which is not in the order"));
            assert!(used_at < own, "{name} imports {used}, which comes after it");
        }
    }
    assert_eq!(found, order.len(), "{order:?}");
}
