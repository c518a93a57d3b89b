//! The `?` at the top of a cell: which errors it takes, and how they are told; and whether the cell's code has come to
//! its end, which a `return` keeps it from.
//!
//! evcxr takes errors with `Display`. What can become a `Box<dyn Error>` (every error of the standard library and
//! of crates, text, boxed errors) can also name its causes, and an error of the user's own may have nothing but
//! `Debug`. No one bound of stable Rust covers the three: they are tried in turn, and nearly every cell is content
//! with the first.

use crate::session::build::asynchronous;

/// What the errors of a cell must be able to do, in the order of trial.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// Become a boxed error: told with its causes.
    Error,
    /// Be displayed: also errors that borrow, such as a lock's.
    Display,
    /// Be debugged.
    Debug,
}

const HEAD: &str = "impl<T: std::fmt::Display> From<T> for EvcxrUserCodeError {";
/// With `:efmt {:?}`.
const DEBUG_HEAD: &str = "impl<T: std::fmt::Debug> From<T> for EvcxrUserCodeError {";

const FROM: &str = "fn from(error: T) -> Self";
/// How evcxr tells the error, by `:efmt`.
const PRINTS: [&str; 3] = [
    "eprintln!(\"{}\", error);",
    "eprintln!(\"{:?}\", error);",
    "eprintln!(\"{:#?}\", error);",
];

impl Bound {
    /// What to try after the compiler refused the cell with these diagnostics, one in JSON a line.
    pub fn next(self, diagnostics: &[String]) -> Option<Self> {
        let code = |line: &str, code: &str| line.contains(&format!("\"code\":\"{code}\""));
        // Of the toolkit's error rustc may say no more than what it could not be made of.
        let ours = |line: &str| {
            let boxed = "Box<(dyn std::error::Error";
            line.contains("`EvcxrUserCodeError`")
                || line.contains("couldn't convert the error: ") && line.contains(boxed)
        };
        let unconverted = |line: &String| code(line, "E0277") && ours(line);
        // A boxed error outlives the cell, and what borrows does not.
        let borrows = |line: &String| {
            [
                "E0499", "E0502", "E0505", "E0506", "E0515", "E0521", "E0597", "E0716",
            ]
            .iter()
            .any(|borrow| code(line, borrow))
        };
        match self {
            Self::Error if diagnostics.iter().any(|line| unconverted(line) || borrows(line)) => {
                Some(Self::Display)
            }
            Self::Display if diagnostics.iter().any(unconverted) => Some(Self::Debug),
            _ => None,
        }
    }
}

/// Whether errors can leave this cell, so that [`Bound`] matters.
pub fn is_in(source: &str) -> bool {
    source.contains(HEAD)
}

/// Whether the text around such errors is the one that [`tell`] changes.
pub fn is_known(source: &str) -> bool {
    [HEAD, DEBUG_HEAD].iter().any(|head| source.contains(head))
        && source.contains(FROM)
        && PRINTS.iter().any(|print| source.contains(print))
}

/// Has `source` tell the kernel of an error, and from where it came, instead of printing it.
pub fn tell(source: &mut String, bound: Bound) {
    if !source.contains(HEAD) && !source.contains(DEBUG_HEAD) {
        return;
    }
    let (needs, told) = match bound {
        // `:efmt` has another text.
        Bound::Error if source.contains(HEAD) => return take_from_the_toolkit(source),
        Bound::Error | Bound::Display => ("::std::fmt::Display", "::std::format!(\"{}\", error)"),
        Bound::Debug => ("::std::fmt::Debug", "::std::format!(\"{:?}\", error)"),
    };
    let place = "::std::panic::Location::caller()";
    *source = source
        .replacen(
            HEAD,
            &format!("impl<T: {needs}> ::std::convert::From<T> for EvcxrUserCodeError {{"),
            1,
        )
        .replacen(
            DEBUG_HEAD,
            "impl<T: ::std::fmt::Debug> ::std::convert::From<T> for EvcxrUserCodeError {",
            1,
        )
        .replacen(FROM, &format!("#[track_caller] {FROM}"), 1);
    let [plain, debug, pretty] = PRINTS;
    for (print, told) in [
        (plain, told),
        (debug, "::std::format!(\"{:?}\", error)"),
        (pretty, "::std::format!(\"{:#?}\", error)"),
    ] {
        *source = source.replacen(print, &format!("::jook::cells::left_with(&{told}, {place});"), 1);
    }
}

/// Puts the error that the toolkit has, where it is compiled once, in the place of evcxr's. No line moves.
fn take_from_the_toolkit(source: &mut String) {
    let Some(from) = source.find(DEFINITION) else {
        return;
    };
    // What evcxr writes makes one, and ends with the braces of the function and of the `impl`.
    let made = source[from + DEFINITION.len()..].find(MADE);
    let Some(made) = made.map(|at| from + DEFINITION.len() + at + MADE.len()) else {
        return;
    };
    let mut closing = source[made..].match_indices('}').map(|(at, _)| made + at + 1);
    let Some(end) = closing.nth(1) else { return };
    let lines = "\n".repeat(source[from..end].matches('\n').count());
    source.replace_range(
        from..end,
        &format!("use ::jook::cells::EvcxrUserCodeError;{lines}"),
    );
}

const DEFINITION: &str = "struct EvcxrUserCodeError {}";
const MADE: &str = "EvcxrUserCodeError {}\n";

/// Where the code of a cell that may leave early begins, in a runtime or not, and how it ends.
const BEGINS: [&str; 2] = [
    "let _ = (|| -> ::std::result::Result<(), EvcxrUserCodeError> {",
    asynchronous::AWAITS,
];
const ENDS: [&str; 2] = [
    "\n::std::result::Result::Ok(())})();",
    "\n::std::result::Result::Ok::<(), EvcxrUserCodeError>(())",
];

/// Has `source` tell when the cell's code is left before its end: what the cell has defined is not kept then.
pub fn watch(source: &mut String) {
    let begins = BEGINS
        .iter()
        .find_map(|text| Some(source.find(text)? + text.len()));
    let ends = ENDS.iter().find_map(|text| source.rfind(text));
    if let (Some(begins), Some(ends)) = (begins, ends) {
        source.insert_str(ends + 1, "evcxr_under_way.done(); ");
        source.insert_str(begins, " let evcxr_under_way = ::jook::cells::under_way();");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(format: &str) -> String {
        format!(
            "use a;\nstruct EvcxrUserCodeError {{}}\n{HEAD}\nfn from(error: T) -> Self {{\neprintln!(\"{format}\", error);\n\
             println!(\"x\");\nEvcxrUserCodeError {{}}\n}}\n}}\nfn code() {{\n}}\n"
        )
    }

    #[test]
    fn an_error_is_told_and_not_printed_and_no_line_moves() {
        for bound in [Bound::Display, Bound::Debug] {
            let mut changed = written("{}");
            tell(&mut changed, bound);
            assert!(!changed.contains("eprintln!"));
            let lines: Vec<&str> = changed.lines().collect();
            assert_eq!(lines[3], "#[track_caller] fn from(error: T) -> Self {");
            assert!(lines[4].starts_with("::jook::cells::left_with("));
        }
    }

    #[test]
    fn the_error_of_most_cells_is_the_toolkits() {
        let mut changed = written("{}");
        tell(&mut changed, Bound::Error);
        assert_eq!(
            changed,
            format!(
                "use a;\nuse ::jook::cells::EvcxrUserCodeError;{}\nfn code() {{\n}}\n",
                "\n".repeat(7)
            )
        );
    }

    #[test]
    fn bounds_follow_each_other_as_far_as_the_compiler_asks() {
        let refused = |code: &str, message: &str| {
            vec![format!(
                "{{\"message\":\"{message}\",\"code\":{{\"code\":\"{code}\"}}}}"
            )]
        };
        let unconverted = refused("E0277", "`?` couldn't convert the error to `EvcxrUserCodeError`");
        assert_eq!(Bound::Error.next(&unconverted), Some(Bound::Display));
        let unboxed = "`?` couldn't convert the error: `A: Error` is not satisfied; required for \
            `std::boxed::Box<(dyn std::error::Error + 'static)>` to implement `From<A>`";
        assert_eq!(
            Bound::Error.next(&refused("E0277", unboxed)),
            Some(Bound::Display)
        );
        assert_eq!(Bound::Display.next(&unconverted), Some(Bound::Debug));
        assert_eq!(Bound::Debug.next(&unconverted), None);
        assert_eq!(
            Bound::Error.next(&refused("E0597", "borrowed")),
            Some(Bound::Display)
        );
        assert_eq!(Bound::Error.next(&refused("E0308", "mismatched types")), None);
    }

    #[test]
    fn the_end_of_a_cells_code_is_watched_and_no_line_moves() {
        for (begins, ends) in BEGINS.iter().zip(ENDS) {
            let source = format!(
                "f(\n{begins}\ng();\nif a {{ return {}; }}{ends}\n",
                &ENDS[0][1..23]
            );
            let mut watched = source.clone();
            watch(&mut watched);
            assert!(
                watched.contains("under_way();\ng();") && watched.contains("\nevcxr_under_way.done(); ::std")
            );
            assert_eq!(watched.lines().count(), source.lines().count());
        }
        let mut other = "let a = 1;\n".to_owned();
        watch(&mut other);
        assert_eq!(other, "let a = 1;\n");
    }
}
