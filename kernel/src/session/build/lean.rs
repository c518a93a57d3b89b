//! Makes the crate that evcxr writes for a cell small: what is compiled anew with every cell is what the cell says.
//!
//! evcxr has each cell take every variable of the notebook out of a store and put it back, and brings the store's
//! code along. Here a cell takes the variables that it names, and the store is the toolkit's, compiled once. With
//! thirty variables that is a third of the compiler's work. No line moves.

use crate::session::build::known::{Kept, Known};
use crate::session::build::types::Types;
use crate::session::cell::lines::is_of_a_word;
use std::collections::HashSet;

const TAKE: &str = "= evcxr_variable_store.take_variable::<";
const CHECK: &str = "vars_ok &= evcxr_variable_store.check_variable::<";
const PUT: &str = "evcxr_variable_store.put_variable::<";
/// The same as this module writes it.
const PUT_AS: &str = "evcxr_variable_store.put_as::<";
const STORE: &str = "let evcxr_variable_store = unsafe {&mut *evcxr_variable_store};";
const RUNTIME: &str = "mod evcxr_internal_runtime {\n";

/// A crate made small.
pub struct Lean {
    pub source: String,
    /// The variables that the cell keeps, with their types and the digests of those.
    pub kept: Vec<Kept>,
}

/// The same crate, as small as it can be; `known` is what earlier cells have kept, `types` are the crate's.
pub fn lean(source: &str, types: &Types, known: &Known) -> Lean {
    let source = with_the_toolkits_store(source);
    let lines: Vec<&str> = source.split('\n').collect();
    let handled: Vec<Option<Handling>> = lines.iter().map(|line| handling(line)).collect();
    // Anywhere outside those lines, also in text: `format!("{frame}")` names a variable.
    let named: HashSet<&str> = lines
        .iter()
        .zip(&handled)
        .filter(|(_, handling)| handling.is_none())
        .flat_map(|(line, _)| line.split(|c: char| !is_of_a_word(c)))
        .collect();
    let is_named = |name: &str| named.contains(name);
    let lost: HashSet<&str> = handled
        .iter()
        .flatten()
        .filter(|line| {
            line.what == What::Check
                && known.was_retyped(
                    line.plain(),
                    types.digest(&known.spelled(line.plain(), line.of_type)),
                )
        })
        .map(Handling::plain)
        .collect();
    // What the cell defines itself is put back where its code ends, everything else behind that. Where no panic is
    // caught all of it is put back at the end; there the cell may define what its code names.
    let end = lines.iter().position(|line| line.contains(PANICKED));
    let code = lines
        .iter()
        .position(|line| line.contains(STORE))
        .unwrap_or_default();
    let in_code: HashSet<&str> = match end {
        Some(_) => HashSet::new(),
        None => (lines[code..].iter().zip(&handled[code..]))
            .filter(|(_, handling)| handling.is_none())
            .flat_map(|(line, _)| line.split(|c: char| !is_of_a_word(c)))
            .collect(),
    };
    let puts_own = |at: usize, handling: &Handling<'_>| {
        let defines = || end.map_or_else(|| in_code.contains(handling.plain()), |end| at < end);
        handling.what == What::Put && defines()
    };
    // Variables that the cell puts another value under: what stood there before is not what is kept.
    let replaced: HashSet<&str> = (handled.iter().enumerate())
        .filter_map(|(at, handling)| Some((at, handling.as_ref()?)))
        .filter(|(at, handling)| puts_own(*at, handling))
        .map(|(_, handling)| handling.plain())
        .collect();
    let users: String = (lines[code..].iter().zip(&handled[code..]))
        .filter(|(_, handling)| handling.is_none())
        .map(|(line, _)| format!("{line}\n"))
        .collect();
    let mut kept = Vec::new();
    let out: Vec<String> = lines
        .iter()
        .zip(&handled)
        .enumerate()
        .map(|(at, (line, handling))| {
            let Some(handling) = handling else {
                return line.to_string();
            };
            let plain = handling.plain();
            if !is_named(plain) || lost.contains(plain) && !puts_own(at, handling) {
                return String::new();
            }
            let own = puts_own(at, handling);
            let spelled = match own {
                true => known.spelled_anew(handling.of_type),
                false => known.spelled(plain, handling.of_type),
            };
            let digest = types.digest(&spelled);
            if handling.what == What::Put {
                kept.push(Kept::of(plain, handling.of_type, digest, own));
            }
            let fate = match replaced.contains(plain) {
                false => Fate::Kept,
                true if is_defined_first(plain, &users) => Fate::Unseen,
                true => Fate::Replaced,
            };
            let fixed = !types.may_change(&spelled);
            handling.written(&spelled, digest, fate, fixed)
        })
        .collect();
    let mut source = out.join("\n");
    if !lost.is_empty() {
        let names: Vec<&str> = lost.iter().copied().collect();
        let forget = format!("{STORE} evcxr_variable_store.forget(&{names:?});");
        source = source.replacen(STORE, &forget, 1);
    }
    Lean { source, kept }
}

/// The kernel's word for a panic, which stands where the code of a cell has ended.
const PANICKED: &str = "::jook::cells::panicked();";

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

/// Whether a line, as [`lean`] has written it, puts a variable back into the store.
pub fn puts_back(line: &str) -> bool {
    line.trim_start().starts_with(PUT_AS)
}

/// The variable that a line handles, as [`lean`] has written it, and its type as evcxr has.
pub fn handled(generated: &str) -> Option<(&str, &str)> {
    handling(generated).map(|line| (line.plain(), line.of_type))
}

#[derive(Clone, Copy, PartialEq)]
enum What {
    Check,
    Take { mutable: bool },
    Put,
}

/// What becomes of a variable that a cell takes.
#[derive(Clone, Copy)]
enum Fate {
    /// The cell defines none of its name.
    Kept,
    /// Another one takes its place.
    Replaced,
    /// Another one takes its place before anything looks at it.
    Unseen,
}

/// Whether code defines a variable by a `let` of its own before it names it, as far as its text tells.
fn is_defined_first(name: &str, code: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        let words = text.split(|c: char| !is_of_a_word(c));
        words.filter(|word| !word.is_empty()).map(str::to_owned).collect()
    };
    let bounded = |at: usize| {
        let (before, after) = (
            code[..at].chars().next_back(),
            code[at + name.len()..].chars().next(),
        );
        !before.is_some_and(is_of_a_word) && !after.is_some_and(is_of_a_word)
    };
    let Some((at, _)) = code.match_indices(name).find(|&(at, _)| bounded(at)) else {
        return false;
    };
    // Only the plain form: what a pattern takes apart counts as looked at.
    let before = code[..at].trim_end();
    let before = before.strip_suffix("mut").map_or(before, str::trim_end);
    let defines = before
        .strip_suffix("let")
        .is_some_and(|before| !before.chars().next_back().is_some_and(is_of_a_word));
    let statement = &code[at + name.len()..];
    let statement = &statement[..statement.find(';').unwrap_or(statement.len())];
    defines && !words(statement).iter().any(|word| word == name)
}

/// A line that does nothing but hand a variable to or from the store.
struct Handling<'a> {
    what: What,
    name: &'a str,
    of_type: &'a str,
}

impl<'a> Handling<'a> {
    fn plain(&self) -> &'a str {
        self.name.trim_start_matches("r#")
    }

    /// The line with the type, spelled so that it is found, and its digest; `fixed` is a value that changes only where it is
    /// taken to be changed.
    fn written(&self, of_type: &str, digest: u64, fate: Fate, fixed: bool) -> String {
        let name = self.name;
        let with = format!("::<{of_type}>({digest:#x}, ::core::stringify!({name})");
        match self.what {
            What::Check => format!("vars_ok &= evcxr_variable_store.check_as{with});"),
            What::Take { mutable } => {
                let take = match fate {
                    Fate::Kept if !mutable && fixed => "take_as",
                    Fate::Unseen => "take_to_replace_as",
                    _ => "take_to_change_as",
                };
                let mutable = if mutable { "mut " } else { "" };
                format!("let {mutable}{name} = evcxr_variable_store.{take}{with});")
            }
            What::Put => format!("evcxr_variable_store.put_as{with}, {name});"),
        }
    }
}

/// What a generated line does with a variable, when that is all it does.
fn handling(line: &str) -> Option<Handling<'_>> {
    let (what, rest) = if let Some(rest) = line.strip_prefix(CHECK) {
        (What::Check, rest)
    } else if let Some(rest) = line.strip_prefix(PUT) {
        (What::Put, rest)
    } else {
        let (before, rest) = line.strip_prefix("let ")?.split_once(TAKE)?;
        let name = before.trim_end();
        let mutable = name.starts_with("mut ");
        let name = name.trim_start_matches("mut ").trim_start_matches("r#");
        if name.is_empty() || !name.chars().all(is_of_a_word) {
            return None;
        }
        (What::Take { mutable }, rest)
    };
    let (of_type, end) = rest.rsplit_once(">(stringify!(")?;
    let (name, end) = end.split_once(')')?;
    let whole = match what {
        What::Put => end == format!(", {name});"),
        _ => end == ");",
    };
    // A look-alike of the user's stays as it is.
    (whole && !of_type.contains("stringify!")).then_some(Handling { what, name, of_type })
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

    fn leaned(source: &str, known: &Known) -> Lean {
        lean(source, &Types::read("struct P;", &[]), known)
    }

    #[test]
    fn a_variable_may_be_defined_before_it_is_looked_at() {
        for (code, first) in [
            ("let data = load();\ndata.len()", true),
            ("let mut data = load();", true),
            ("let data: Vec<u8> = load();", true),
            ("let data = data.len();", false),
            ("data.len();\nlet data = 1;", false),
            ("let (data, other) = load();", false),
            ("let data2 = data;", false),
            ("let d = 1;", false),
        ] {
            assert_eq!(is_defined_first("data", code), first, "{code}");
        }
    }

    #[test]
    fn only_what_the_cell_names_is_taken_and_no_line_moves() {
        let lean = leaned(GENERATED, &Known::default()).source;
        assert!(!lean.contains("frame"), "{lean}");
        assert_eq!(lean.matches("stringify!(v)").count(), 3);
        assert_eq!(lean.matches("stringify!(inline)").count(), 2);
        assert_eq!(lean.lines().count(), GENERATED.lines().count());
        for (before, after) in GENERATED.lines().zip(lean.lines()) {
            let written = before.contains("stringify!")
                || before.contains("evcxr_internal_runtime")
                || after.is_empty();
            assert!(before == after || written, "{before} became {after}");
        }
    }

    #[test]
    fn the_store_is_the_toolkits() {
        let lean = leaned(GENERATED, &Known::default()).source;
        assert!(lean.contains("use ::jook::cells as evcxr_internal_runtime;"));
        assert!(!lean.contains("struct VariableStore"));
        let take =
            "\nlet mut v = evcxr_variable_store.take_to_change_as::<Vec<i32>>(0x0, ::core::stringify!(v));\n";
        assert!(lean.contains(take));
    }

    #[test]
    fn what_only_looks_generated_stays() {
        for line in [
            "let x = 1; let y = evcxr_variable_store.take_variable::<u8>(stringify!(y));",
            "f(stringify!(x));",
            "evcxr_variable_store.put_variable::<u8>(stringify!(y), y); g();",
        ] {
            assert_eq!(handled(line), None, "{line}");
        }
        assert_eq!(
            handled("let r#type = evcxr_variable_store.take_variable::<[u8; 3]>(stringify!(r#type));"),
            Some(("type", "[u8; 3]"))
        );
    }

    #[test]
    fn a_variable_whose_type_is_another_one_is_dropped_and_its_new_value_kept() {
        let handle = |name: &str, of_type: &str| {
            (
                format!(
                    "vars_ok &= evcxr_variable_store.check_variable::<{of_type}>(stringify!({name}));\n\
                     let {name} = evcxr_variable_store.take_variable::<{of_type}>(stringify!({name}));\n"
                ),
                format!("evcxr_variable_store.put_variable::<{of_type}>(stringify!({name}), {name});\n"),
            )
        };
        let (own, other) = (handle("own", "P"), handle("other", "Vec<P>"));
        let source = format!(
            "{STORE}\n{}{}let own = P; // other\n{}{PANICKED}\n{}",
            own.0, other.0, own.1, other.1
        );
        let types = Types::read("struct P;", &[]);
        let mut known = Known::default();
        known.keeps(&Kept::of("own", "P", 1, true));
        known.keeps(&Kept::of("other", "Vec<P>", 1, true));
        let lean = leaned(&source, &known);
        assert_eq!(lean.kept, [Kept::of("own", "P", types.digest("P"), true)]);
        assert_eq!(lean.source.matches("stringify!(own)").count(), 1);
        assert!(!lean.source.contains("stringify!(other)") && lean.source.contains("forget(&["));
        for (name, kind) in [("own", "P"), ("other", "Vec<P>")] {
            known.keeps(&Kept::of(name, kind, types.digest(kind), true));
        }
        assert!(!leaned(&source, &known).source.contains("forget"));
    }
}
