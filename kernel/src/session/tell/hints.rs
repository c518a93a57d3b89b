//! One line of advice for the traps of a Rust notebook, which rustc knows nothing of.

use crate::session::tell::losses::Losses;
use evcxr::CompilationError;
use serde_json::Value;

/// Advice on what rustc said.
pub fn of_compiler(error: &CompilationError, losses: &Losses) -> Option<String> {
    let message = error.message();
    let name = quoted(&message);
    let misses = ["E0220", "E0277", "E0369", "E0599", "E0600", "E0608", "E0614"];
    if misses.contains(&error.code().unwrap_or_default())
        && let Some(hint) = losses.of_impl(&message, &error.rendered())
    {
        return Some(hint);
    }
    Some(match (error.code().unwrap_or_default(), name) {
        (
            "E0404" | "E0412" | "E0422" | "E0423" | "E0425" | "E0433" | "E0532" | "E0573" | "E0574",
            Some(name),
        ) if losses.why(name).is_some() => losses.why(name)?,
        ("E0659", Some(name)) if modules(&error.json).next().is_some() => {
            let paths: Vec<String> = modules(&error.json).map(|module| format!("`{module}::{name}`")).collect();
            format!("write the one that is meant with its module: {}", paths.join(" or "))
        }
        (_, Some(name)) if message.starts_with("cannot find macro") && losses.why(name).is_some() => {
            losses.why(name)?
        }
        ("E0382", Some(name)) => format!("give `&{name}` or `{name}.clone()` where `{name}` is moved"),
        ("E0282" | "E0283" | "E0284", _) => {
            "write the type: `let x: Vec<f32> = …;`, or in the call: `.collect::<Vec<_>>()`".into()
        }
        ("E0384" | "E0594" | "E0596", Some(name)) => {
            let name = name.trim_start_matches('*');
            format!(
                "declare it `let mut {name}`; one of an earlier cell becomes so by `let mut {name} = {name};`"
            )
        }
        ("E0433" | "E0432", Some(name)) if error.rendered().contains("unlinked crate") => {
            format!("a crate is added by a line `:dep {name} = \"version\"` in a cell")
        }
        ("E0277", _) if message.contains("`!: ") => {
            "nothing says which type is wanted; write it: `let n: f32 = …;`, or in the call: `.parse::<f32>()`".into()
        }
        _ if is_of_the_cells_function(error) => {
            "there is no loop around it; `return;` ends the cell early".into()
        }
        ("E0308", _) if error.rendered().contains("Result<(), EvcxrUserCodeError>") => {
            "a cell is no function: leave `return` away to show a value; `return;` ends the cell early".into()
        }
        ("E0277", _) if message.contains("`?` operator can only be used on `Result`") => {
            "make an `Option` a `Result`: `.ok_or(\"what is missing\")?`".into()
        }
        ("E0277", _) if message.contains("`?` operator can only be applied") => {
            "this value is no `Result` or `Option`: leave the `?` away".into()
        }
        ("E0277", _) if message.contains("`EvcxrUserCodeError`") => {
            "`?` takes errors that have at least `Debug`: add `#[derive(Debug)]` to the type".into()
        }
        _ if reborrowed(&error.rendered()).is_some() => {
            let name = reborrowed(&error.rendered()).unwrap_or_default();
            format!(
                "`{name}` is a `&'static mut`: borrow it in braces, `{{ let part = &mut *{name}; … }}`, or hand it on for good by \
                 `let whole = {name};`"
            )
        }
        ("E0505" | "E0515" | "E0597" | "E0716", _) => OWNED.into(),
        ("E0562", _) => BOXED.into(),
        _ => return None,
    })
}

/// Whether a `break` or `continue` has no loop around it: what it would leave is the function that runs the cell, which
/// is no line of the user's.
pub fn is_of_the_cells_function(error: &CompilationError) -> bool {
    let places = error.spanned_messages();
    let in_the_cell = places.iter().filter(|place| place.span.is_some()).count();
    error.code() == Some("E0267") && in_the_cell < 2
}

/// The modules that a notebook imports as a whole, in what rustc says of a name that it has from several.
fn modules(said: &Value) -> impl Iterator<Item = &str> {
    let children = said["children"].as_array().into_iter().flatten();
    let spans = children.flat_map(|child| child["spans"].as_array().into_iter().flatten());
    let lines = spans.filter_map(|span| span["text"][0]["text"].as_str());
    lines.filter_map(|line| line.trim().strip_prefix("use ")?.strip_suffix("::*;"))
}

/// The variable that holds a mutable reference which a cell borrows again for what is to stay.
fn reborrowed(rendered: &str) -> Option<String> {
    let (_, rest) = rendered.split_once("use of `*")?;
    let (name, rest) = rest.split_once('`')?;
    rest.starts_with(" in closure").then(|| name.to_owned())
}

const OWNED: &str = "what stays for later cells must own its data: keep `.clone()`, `.to_owned()`, `.to_vec()` or a `'static`; \
    or put what borrows in braces { … }";
/// On an error in what an earlier cell has defined.
pub const UNFIT: &str =
    "that does not fit what this cell defines, and this cell uses it: define both in one cell";
const BOXED: &str = "box it: `let v: Box<dyn Trait> = Box::new(…);`, or `.collect::<Vec<_>>()` an iterator; in braces { … } \
    it lives for this cell only";
const CLOSURE: &str = "box it: `let f: Box<dyn Fn(f64) -> f64> = Box::new(|x| …);`, or write a `fn`; in braces { … } it \
    lives for this cell only";

/// The crate by which evcxr tries a new dependency.
const TRIAL: &str = "evcxr_dummy_validate_dep";

/// For a panic of a library that has missed something in the notebook.
pub fn of_panic(message: &str) -> Option<&'static str> {
    message.contains("there is no reactor running").then_some(
        "a notebook has a runtime once a cell has awaited something: run `async {}.await;` in a cell of its own, then this \
         cell again",
    )
}

/// What evcxr says of a variable that it cannot keep, in a notebook's words, and advice. The text that is not
/// about a variable stays.
pub fn of_evcxr(message: &str) -> (String, Option<String>) {
    let name = quoted(message).unwrap_or_default();
    let (said, hint) = if message.contains("is a closure, which cannot be persisted") {
        (
            format!("`{name}` is a closure: its type has no name, so it cannot be kept for later cells"),
            CLOSURE.to_owned(),
        )
    } else if message.contains("Couldn't automatically determine type") {
        (
            format!("the type of `{name}` could not be determined"),
            format!("write it: `let {name}: Vec<f32> = …;`"),
        )
    } else if message.starts_with("Unrecognised command") {
        (
            message.replace("Unrecognised", "unknown"),
            "`:help` lists the commands".to_owned(),
        )
    } else if message.contains(TRIAL) {
        let told = message
            .lines()
            .filter(|line| {
                !(line.trim_start().starts_with("Updating") || line.trim_start().starts_with("Locking"))
            })
            .map(|line| line.trim_start_matches("error: "))
            .collect::<Vec<_>>()
            .join("\n");
        let told = told.replace(&format!("package `{TRIAL}`"), "this notebook");
        return (told.trim().to_owned(), None);
    } else if message.starts_with(BROKEN) {
        return of_a_broken_compiler(message);
    } else if message.contains("which cannot be persisted") {
        let kind = message.split('`').nth(3).unwrap_or_default();
        (
            format!("`{name}` has the type `{kind}`, which cannot be kept for later cells"),
            BOXED.to_owned(),
        )
    } else if message.contains("reference with a non-static lifetime") {
        (
            format!(
                "`{name}` holds a reference to what ends with this cell, so it cannot be kept for later cells"
            ),
            OWNED.to_owned(),
        )
    } else {
        return (message.to_owned(), None);
    };
    (said, Some(hint))
}

/// How evcxr begins when rustc has said nothing about the code.
const BROKEN: &str = "Compilation failed, but no parsable errors were found";

/// The compiler has ended without a word on the code: its own first lines, without the list of its functions.
fn of_a_broken_compiler(message: &str) -> (String, Option<String>) {
    const FIRST: usize = 4;
    let words = |line: &&str| !line.trim().is_empty() && !line.contains(".so(") && !line.starts_with('#');
    let lines = message.lines().skip(1).filter(words);
    let told: Vec<&str> = lines.filter(|line| *line != "STDOUT:").take(FIRST).collect();
    let said = format!(
        "the compiler has broken down and says nothing about the code\n{}",
        told.join("\n")
    );
    let deep = message.contains("SIGSEGV") || message.contains("overflowed its stack");
    let hint = "code that is nested very deeply, or a very long sum, overflows its stack: write it in parts";
    (said, deep.then(|| hint.to_owned()))
}

/// The first name in backquotes.
fn quoted(message: &str) -> Option<&str> {
    message.split('`').nth(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_kept_is_said_in_few_words() {
        let (said, hint) =
            of_evcxr("The variable `f` is a closure, which cannot be persisted.\nYou can however …");
        assert!(said.starts_with("`f` is a closure") && !said.contains('\n'));
        assert!(hint.unwrap().contains("Box<dyn Fn"));
        let (said, _) =
            of_evcxr("The variable `it` has type `impl Iterator<Item = i32>` which cannot be persisted.");
        assert!(said.contains("`impl Iterator<Item = i32>`"));
        assert_eq!(of_evcxr("something else"), ("something else".to_owned(), None));
    }

    #[test]
    fn a_runtime_that_is_missing_is_told_how_to_be_had() {
        let tokio = "there is no reactor running, must be called from the context of a Tokio 1.x runtime";
        assert!(of_panic(tokio).unwrap().contains("async {}.await;"));
        assert_eq!(of_panic("index out of bounds"), None);
    }
}
