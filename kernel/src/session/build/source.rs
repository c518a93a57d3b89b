//! Small additions to the source that evcxr generates for a cell, before it is compiled.
//!
//! No line that the user wrote moves: replacements stay within generated lines, and the rest is appended.

use crate::session::build::displays;
use crate::session::build::early_return;
use crate::session::build::early_return::Bound;
use crate::session::build::known::Known;
use crate::session::build::lean;
use crate::session::build::types::may_change;
use crate::session::cell::lines::is_of_a_word;
use crate::session::digest::digest_of;
use std::collections::HashSet;

/// Adds to a cell's crate what the kernel needs to know from it:
///
/// - a wrapper around its entry point, which flushes output without a final newline and says when it ends;
/// - the error of a `?`, the fact of a panic and the value that ends the cell, by the kernel's own way instead of
///   standard output;
/// - where values show themselves: see [`displays::watch`], which `looks` is for.
pub fn with_notices(source: &str, bound: Bound, looks: bool) -> String {
    let mut out = String::with_capacity(source.len() + source.len() / 8);
    for line in source.split_inclusive('\n') {
        match FULL_PATHS.iter().find(|(text, _)| line.trim_end() == *text) {
            Some((_, text)) => {
                out.push_str(text);
                out.push('\n');
            }
            None => out.push_str(line),
        }
    }
    leave_out_text_on_standard_output(&mut out);
    out = out
        .replace(PANIC_LINE, "::jook::cells::panicked();")
        .replace(LEFT_LINE, "::jook::cells::left_early();")
        .replace(TEXT_CALL, "::jook::cells::send_value_as!((");
    displays::watch(&mut out, looks);
    early_return::tell(&mut out, bound);
    early_return::watch(&mut out);
    if let Some((before, number)) = entry_point(&out) {
        out.replace_range(
            before..before + ENTRY.len(),
            "pub extern \"C-unwind\" fn jook_cell_",
        );
        out.push_str(&wrapper(number));
    }
    out
}

/// The code that evcxr writes for rust-analyzer, and has rustc check when the type of a variable is not found: the types
/// of the variables so that their names are found, and no name that a notebook may give to something else.
pub fn of_analysis(source: &str, known: &Known) -> String {
    let Some((before, rest)) = source.rsplit_once(ANALYSIS) else {
        return source.to_owned();
    };
    let Some((variables, code)) = rest.split_once(ANALYSIS_END) else {
        return source.to_owned();
    };
    let variables: String = variables
        .split_inclusive('\n')
        .map(|line| match line.split_once(": ") {
            Some((name, of_type)) => {
                let of_type = of_type.trim_end_matches(['\n', ',']);
                let variable = name.trim().trim_start_matches("mut ").trim_start_matches("r#");
                format!("{name}: {},\n", lasting(&known.spelled(variable, of_type)))
            }
            None => line.to_owned(),
        })
        .collect();
    let code = match code.strip_suffix("\nOk(())\n}\n") {
        Some(code) => format!("{code}\n::std::result::Result::Ok(())\n}}\n"),
        None => code.to_owned(),
    };
    format!("{before}{ANALYSIS}{variables}) -> ::std::result::Result<(), EvcxrUserCodeError> {{{code}")
}

/// The type with `'static` for lifetimes that it leaves out: what a notebook keeps lasts. In the types of functions such
/// lifetimes are those of each call.
fn lasting(of_type: &str) -> String {
    let mut out = String::with_capacity(of_type.len());
    // Of the brackets that are open, whether what stands in them is a function's.
    let mut open: Vec<bool> = Vec::new();
    let mut returned = false;
    let mut rest = of_type;
    while let Some(c) = rest.chars().next() {
        let of_a_function = open.contains(&true) || returned;
        let (piece, written) = if let Some(lifetime) = rest.strip_prefix("'_").filter(|_| !of_a_function) {
            (rest.len() - lifetime.len(), "'static")
        } else if c == '&' && !of_a_function && !rest[1..].trim_start().starts_with('\'') {
            (1, "&'static ")
        } else {
            (c.len_utf8(), &rest[..c.len_utf8()])
        };
        match c {
            '(' => {
                let word = out.rsplit(|c: char| !is_of_a_word(c)).next().unwrap_or_default();
                open.push(["fn", "Fn", "FnMut", "FnOnce"].contains(&word));
            }
            ')' => {
                let of_a_function = open.pop().unwrap_or_default();
                returned = of_a_function && rest[1..].trim_start().starts_with("->");
            }
            ',' | '>' | '+' if !out.ends_with('-') => returned = false,
            _ => {}
        }
        out.push_str(written);
        rest = &rest[piece..];
    }
    out
}

const ANALYSIS: &str = "async fn evcxr_analysis_wrapper(";
const ANALYSIS_END: &str = ") -> Result<(), EvcxrUserCodeError> {";

/// Blanks evcxr's own function for the text of a value, which nobody calls any more.
fn leave_out_text_on_standard_output(source: &mut String) {
    let Some(from) = source.find(TEXT_FUNCTION) else {
        return;
    };
    let Some(length) = source[from..].find(TEXT_CALL) else {
        return;
    };
    let to = source[from..from + length]
        .rfind('\n')
        .map_or(from, |end| from + end + 1);
    let text = &source[from..to];
    // The type's name is shown, too.
    let to = text.find(TYPE_NAME).map_or(to, |at| from + at);
    let lines = "\n".repeat(source[from..to].matches('\n').count());
    source.replace_range(from..to, &lines);
}

const TEXT_FUNCTION: &str = "fn evcxr_send_text_plain(";
const TYPE_NAME: &str = "/// Shorten a type name.";

/// What of evcxr's text is not as this module and its neighbours know it; the source should have all of it that it has
/// a use for. Should evcxr ever write another text, the kernel says so, and does not go on as if nothing had changed.
pub fn unknown(source: &str) -> Vec<&'static str> {
    let has = |text: &str| source.contains(text);
    let left = has("struct EvcxrUserCodeError");
    [
        ("the entry point of a cell", entry_point(source).is_some()),
        (
            "the word for a panic",
            has(PANIC_LINE) || !source.lines().any(|line| [CATCHES, MATCHES].contains(&line)),
        ),
        ("the word for an early return", has(LEFT_LINE) || !left),
        (
            "the error of an early return",
            early_return::is_known(source) || !left,
        ),
        (
            "the text of a value",
            has(TEXT_CALL) || !has("evcxr_send_text_plain"),
        ),
        ("the store of variables", lean::is_known(source)),
    ]
    .into_iter()
    .filter_map(|(what, known)| (!known).then_some(what))
    .collect()
}

/// Lines that evcxr writes around a cell, which use names that a notebook may give to something else.
const FULL_PATHS: [(&str, &str); 11] = [
    (
        "evcxr_variable_store: *mut u8) -> *mut u8 {",
        "evcxr_variable_store: *mut ::jook::cells::VariableStore) -> *mut ::jook::cells::VariableStore {",
    ),
    ("use jook::prelude::*;", "use ::jook::prelude::*;"),
    (
        CATCHES,
        "if ::std::panic::catch_unwind(||{ use ::jook::show::Show as _; use ::jook::cells::Settle as _; ::jook::cells::entered();",
    ),
    (MATCHES, "match ::jook::cells::caught("),
    (
        "  std::panic::AssertUnwindSafe(||{",
        "  ::std::boxed::Box::new(||{ use ::jook::show::Show as _; use ::jook::cells::Settle as _; ::jook::cells::entered();",
    ),
    (
        "let _ = (|| -> std::result::Result<(), EvcxrUserCodeError> {",
        "let _ = (|| -> ::std::result::Result<(), EvcxrUserCodeError> {",
    ),
    ("Ok(())})();", "::std::result::Result::Ok(())})();"),
    (
        "Ok::<(), EvcxrUserCodeError>(())",
        "::std::result::Result::Ok::<(), EvcxrUserCodeError>(())",
    ),
    ("  Ok(_) => {}", "  ::std::result::Result::Ok(_) => {}"),
    ("  Err(_) => {", "  ::std::result::Result::Err(_) => {"),
    (
        "mut x: *mut std::os::raw::c_void) -> *mut std::os::raw::c_void {x}",
        "mut evcxr_x: *mut ::jook::cells::VariableStore) -> *mut ::jook::cells::VariableStore {evcxr_x}",
    ),
];

const CATCHES: &str = "if std::panic::catch_unwind(||{";
const MATCHES: &str = "match std::panic::catch_unwind(";
const PANIC_LINE: &str = "println!(\"EVCXR_PANIC_NOTIFICATION\");";
const LEFT_LINE: &str = "println!(\"{}\", evcxr_internal_runtime::USER_ERROR_OCCURRED);";
const TEXT_CALL: &str = "evcxr_send_text_plain(&format!(";
const ENTRY: &str = "pub extern \"C\" fn run_user_code_";

/// What stands before the entry point of a cell: the items of the notebook.
pub fn items(source: &str) -> &str {
    &source[..entry_point(source).map_or(source.len(), |(at, _)| at)]
}

fn entry_point(source: &str) -> Option<(usize, usize)> {
    let at = source.rfind(ENTRY)?;
    let digits: String = source[at + ENTRY.len()..]
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    Some((at, digits.parse().ok()?))
}

/// By which a cell says what its code is.
const MADE_OF: &str = "::jook::cells::made_of";

/// In lines that hand variables to and from the store.
const STORE_WORDS: [&str; 2] = ["evcxr_variable_store", "vars_ok"];

/// Calls that say how much of a study is to be computed, not what its trials do: with more seeds or values, those that
/// were there before stay what they are.
const EXTENT: [&str; 5] = [".seeds(", ".seed_list(", ".vary(", ".threads(", ".metric("];

/// Has a cell's crate say what it was made of: the source of what it reaches, but for the number that it has as a crate and
/// the extent of a study.
pub fn with_its_digest(source: &str, reached: &str) -> String {
    let number = entry_point(&reached.replace("jook_cell_", "run_user_code_")).map(|(_, number)| number);
    let plain = match number {
        Some(number) => reached
            .replace(&format!("run_user_code_{number}"), "run_user_code_")
            .replace(&format!("jook_cell_{number}"), "jook_cell_")
            .replace(&format!("begun({number},"), "begun("),
        None => reached.to_owned(),
    };
    // Which variables there are already is no part of the code, nor the place of what is not reached, nor how often the
    // same is imported.
    let mut imports: HashSet<&str> = HashSet::new();
    let code: Vec<&str> = plain
        .lines()
        .filter(|line| !line.trim().is_empty() && !STORE_WORDS.iter().any(|word| line.contains(word)))
        .filter(|line| !line.starts_with("use ") || imports.insert(line))
        .collect();
    let text = without_extent(&code.join("\n"));
    // What a static holds that changes is not known here: no run is taken for another.
    let moves = |line: &&str| line.contains("static ") && line.split(|c| !is_of_a_word(c)).any(may_change);
    let digest = match code.iter().any(moves) {
        true => digest_of(&(text, number)),
        false => digest_of(&text),
    };
    source.replacen(&format!("{MADE_OF}(0);"), &format!("{MADE_OF}({digest:#x});"), 1)
}

/// The source without the arguments of calls that say the extent of a study.
fn without_extent(source: &str) -> String {
    let mut out = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((at, call)) = EXTENT
        .iter()
        .filter_map(|call| rest.find(call).map(|at| (at, call)))
        .min()
    {
        let arguments = at + call.len();
        out.push_str(&rest[..arguments]);
        let mut depth = 1;
        let end = rest[arguments..].find(|c: char| {
            depth += match c {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            depth == 0
        });
        rest = end.map_or("", |end| &rest[arguments + end..]);
    }
    out + rest
}

fn wrapper(number: usize) -> String {
    format!(
        r#"
#[unsafe(no_mangle)]
pub extern "C" fn run_user_code_{number}(evcxr_store: *mut ::std::ffi::c_void) -> *mut ::std::ffi::c_void {{
    ::jook::cells::begun({number}, jook_cell_{number} as *const ());
    {MADE_OF}(0);
    let evcxr_store = ::jook::cells::guarded(evcxr_store, jook_cell_{number});
    ::jook::cells::finished();
    evcxr_store
}}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENERATED: &str = "#![allow(unused_imports, unused_mut, dead_code)]\n\
        #[unsafe(no_mangle)]\n\
        pub extern \"C\" fn run_user_code_7(\n\
        evcxr_variable_store: *mut u8) -> *mut u8 {\n\
        if std::panic::catch_unwind(||{\n\
        (\n\
        x\n\
        ).evcxr_display();\n\
        }).is_err() {\n    println!(\"EVCXR_PANIC_NOTIFICATION\");\n}\n\
        evcxr_variable_store\n}\n";

    #[test]
    fn text_of_another_evcxr_is_not_taken_for_its_own() {
        assert_eq!(unknown(GENERATED), [""; 0]);
        for (word, other, what) in [
            ("run_user_code_", "call_user_code_", "the entry point of a cell"),
            ("EVCXR_PANIC_NOTIFICATION", "EVCXR_PANIC", "the word for a panic"),
            (
                "evcxr_variable_store\n",
                "struct EvcxrUserCodeError;\n",
                "the word for an early return",
            ),
            (
                "evcxr_variable_store\n",
                "evcxr_send_text_plain(\"x\");\n",
                "the text of a value",
            ),
        ] {
            assert!(unknown(&GENERATED.replace(word, other)).contains(&what), "{what}");
        }
        let store = GENERATED.replace(
            "evcxr_variable_store: *mut u8",
            "mod evcxr_internal_runtime{struct VariableStore{}}",
        );
        assert_eq!(unknown(&store), ["the store of variables"]);
    }

    #[test]
    fn a_cell_says_what_it_is_made_of() {
        let said = |source: &str| {
            let source = with_notices(source, Bound::Error, true);
            let source = with_its_digest(&source, &source);
            let (_, digest) = source.split_once("made_of(").unwrap();
            digest.split(')').next().unwrap().to_owned()
        };
        let study = |words: &str| GENERATED.replace("(\nx\n)", words);
        assert_eq!(
            said(GENERATED),
            said(&GENERATED.replace("run_user_code_7", "run_user_code_8"))
        );
        assert_ne!(said(GENERATED), said(&study("(y)")));
        let again = GENERATED.replace(
            "(\nx\n)",
            "let mut v = evcxr_variable_store.take_as::<u8>(0x0, \"v\");\n(\nx\n)",
        );
        assert_eq!(said(GENERATED), said(&again));
        let five = study("Study::new(\"a\").vary(\"x\", [f(1), 2]).seeds(5).run(|t| g(t))");
        let ten = study("Study::new(\"a\").vary(\"x\", [f(1), 2, 3]).seeds(10).run(|t| g(t))");
        assert_eq!(said(&five), said(&ten));
        assert_ne!(said(&five), said(&five.replace("g(t)", "h(t)")));
    }

    #[test]
    fn what_is_written_for_rust_analyzer_is_found_by_rustc() {
        let source = "struct A;\nasync fn evcxr_analysis_wrapper(\nb: Box<dyn Shape>,\nmut n: u8,\n) -> Result<(), \
            EvcxrUserCodeError> {\nlet x = g();\nOk(())\n}\n";
        let mut known = Known::default();
        known.spell("Box<dyn Shape>", "Shape", "crate::m::Shape");
        let written = of_analysis(source, &known);
        assert!(written.contains("\nb: Box<dyn crate::m::Shape>,\nmut n: u8,\n) -> ::std::result::Result<"));
        assert!(written.ends_with("let x = g();\n::std::result::Result::Ok(())\n}\n"));
        assert_eq!(of_analysis(GENERATED, &known), GENERATED);
    }

    #[test]
    fn what_a_notebook_keeps_lasts() {
        for (of_type, written) in [
            ("Vec<&str>", "Vec<&'static str>"),
            ("&'static mut [&u8]", "&'static mut [&'static u8]"),
            ("std::str::Chars<'_>", "std::str::Chars<'static>"),
            (
                "Box<dyn Fn(&str, (&u8,)) -> &str>",
                "Box<dyn Fn(&str, (&u8,)) -> &str>",
            ),
            ("(fn(&str) -> &str, &u8)", "(fn(&str) -> &str, &'static u8)"),
            (
                "HashMap<&str, Box<dyn Fn(&str) -> usize + Send>>",
                "HashMap<&'static str, Box<dyn Fn(&str) -> usize + Send>>",
            ),
            ("&dyn Debug", "&'static dyn Debug"),
        ] {
            assert_eq!(lasting(of_type), written);
        }
    }

    #[test]
    fn the_entry_point_is_wrapped_and_no_line_moves() {
        let changed = with_notices(GENERATED, Bound::Error, true);
        assert!(changed.contains("pub extern \"C-unwind\" fn jook_cell_7(\n"));
        assert!(changed.contains("pub extern \"C\" fn run_user_code_7(evcxr_store"));
        assert!(changed.contains(").jook_settled().evcxr_display(); ::jook::cells::displayed();"));
        for (index, line) in GENERATED.lines().enumerate() {
            let same = changed.lines().nth(index).unwrap();
            let touched = [
                "run_user_code_",
                "*mut u8",
                "PANIC",
                "evcxr_display",
                "catch_unwind",
            ]
            .iter()
            .any(|word| line.contains(word));
            assert_eq!(same == line, !touched, "line {index}: {same}");
        }
    }
}
