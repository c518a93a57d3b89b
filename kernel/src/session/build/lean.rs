//! Makes the crate that evcxr writes for a cell small: what is compiled anew with every cell is what the cell says.
//!
//! evcxr has each cell take every variable of the notebook out of a store and put it back, and brings the store's
//! code along. Here a cell takes the variables that it names, and the store is the toolkit's, compiled once. With
//! thirty variables that is a third of the compiler's work. No line moves.

use std::collections::HashSet;

const TAKE: &str = "= evcxr_variable_store.take_variable::<";
const CHECK: &str = "vars_ok &= evcxr_variable_store.check_variable::<";
const PUT: &str = "evcxr_variable_store.put_variable::<";
const RUNTIME: &str = "mod evcxr_internal_runtime {\n";

/// The same crate, as small as it can be.
pub fn lean(source: &str) -> String {
    let source = with_the_toolkits_store(source);
    let lines: Vec<&str> = source.split('\n').collect();
    let handled: Vec<Option<&str>> = lines.iter().map(|line| variable_of(line)).collect();
    // Anywhere outside those lines, also in text: `format!("{frame}")` names a variable.
    let named: HashSet<&str> = lines
        .iter()
        .zip(&handled)
        .filter(|(_, variable)| variable.is_none())
        .flat_map(|(line, _)| line.split(|c: char| !c.is_alphanumeric() && c != '_'))
        .collect();
    let kept: Vec<&str> = lines
        .iter()
        .zip(handled)
        .map(|(line, variable)| match variable {
            Some(variable) if !named.contains(variable) => "",
            _ => line,
        })
        .collect();
    kept.join("\n")
}

/// Whether the store of variables is written as this module knows it, if the crate has one.
pub fn is_known(source: &str) -> bool {
    let included = source.contains("struct VariableStore");
    let words = [
        ("evcxr_variable_store.take_variable::<", TAKE),
        ("evcxr_variable_store.check_variable::<", CHECK),
        ("evcxr_variable_store.put_variable::<", PUT),
    ];
    (!included || with_the_toolkits_store(source) != source)
        && words
            .iter()
            .all(|(word, whole)| source.contains(whole) || !source.contains(word))
        && (!source.contains(TAKE) || source.contains("(stringify!("))
}

/// Whether a generated line puts a variable back into the store.
pub fn puts_back(line: &str) -> bool {
    line.trim_start().starts_with(PUT)
}

/// The variable that a generated line takes, checks or puts back, when that is all the line does.
fn variable_of(line: &str) -> Option<&str> {
    let generated =
        line.starts_with(CHECK) || line.starts_with(PUT) || (line.starts_with("let ") && line.contains(TAKE));
    let (rest, name) = line.rsplit_once("(stringify!(")?;
    let (name, end) = name.split_once(')')?;
    // A type of several lines, or a look-alike of the user's, stays as it is.
    let whole =
        (end == ");" || end == format!(", {name});")) && !rest.contains(';') && !rest.contains("stringify!");
    (generated && whole).then_some(name.trim_start_matches("r#"))
}

/// The store that evcxr includes as source gives way to the toolkit's, which has the same face.
fn with_the_toolkits_store(source: &str) -> String {
    let Some(start) = source.find(RUNTIME) else {
        return source.to_owned();
    };
    let Some(end) = source[start..]
        .find("\n}\n}\n")
        .map(|at| start + at + "\n}\n}".len())
    else {
        return source.to_owned();
    };
    let blank = "\n".repeat(source[start..end].matches('\n').count());
    format!(
        "{}use ::jook::cells as evcxr_internal_runtime;{blank}{}",
        &source[..start],
        &source[end..]
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENERATED: &str = "use jook::prelude::*;\n\
        mod evcxr_internal_runtime {\npub struct VariableStore {\n}\npub fn create_variable_store() {\n}\n}\n\
        {let mut vars_ok = true;\n\
        vars_ok &= evcxr_variable_store.check_variable::<DataFrame>(stringify!(frame));\n\
        vars_ok &= evcxr_variable_store.check_variable::<Vec<i32>>(stringify!(v));\n\
        if !vars_ok {return evcxr_variable_store;}}\n\
        let frame = evcxr_variable_store.take_variable::<DataFrame>(stringify!(frame));\n\
        let mut v = evcxr_variable_store.take_variable::<Vec<i32>>(stringify!(v));\n\
        let inline = evcxr_variable_store.take_variable::<u8>(stringify!(inline));\n\
        println!(\"{inline}\"); v.len()\n\
        evcxr_variable_store.put_variable::<DataFrame>(stringify!(frame), frame);\n\
        evcxr_variable_store.put_variable::<Vec<i32>>(stringify!(v), v);\n\
        evcxr_variable_store.put_variable::<u8>(stringify!(inline), inline);\n";

    #[test]
    fn only_what_the_cell_names_is_taken_and_no_line_moves() {
        let lean = lean(GENERATED);
        assert!(!lean.contains("frame"), "{lean}");
        assert_eq!(lean.matches("stringify!(v)").count(), 3);
        assert_eq!(lean.matches("stringify!(inline)").count(), 2);
        assert_eq!(lean.lines().count(), GENERATED.lines().count());
        for (before, after) in GENERATED.lines().zip(lean.lines()) {
            let blanked =
                before.contains("frame") || before.contains("evcxr_internal_runtime") || after.is_empty();
            assert!(before == after || blanked, "{before} became {after}");
        }
    }

    #[test]
    fn the_store_is_the_toolkits() {
        let lean = lean(GENERATED);
        assert!(lean.contains("use ::jook::cells as evcxr_internal_runtime;"));
        assert!(!lean.contains("struct VariableStore"));
        assert_eq!(lean.lines().nth(7), GENERATED.lines().nth(7));
    }

    #[test]
    fn what_only_looks_generated_stays() {
        for line in [
            "let x = 1; let y = evcxr_variable_store.take_variable::<u8>(stringify!(y));",
            "f(stringify!(x));",
            "evcxr_variable_store.put_variable::<u8>(stringify!(y), y); g();",
        ] {
            assert_eq!(variable_of(line), None, "{line}");
        }
        assert_eq!(
            variable_of("let r#type = evcxr_variable_store.take_variable::<u8>(stringify!(r#type));"),
            Some("type")
        );
    }
}
