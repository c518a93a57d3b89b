//! Errors as a reader wants them: the message, the cell's own lines, and a caret.

use crate::session::cell::edit::Named;
use crate::session::said::CellError;
use crate::session::tell::hints;
use crate::session::tell::losses::Losses;
use crate::session::tell::notes::Notes;
use crate::session::tell::place;
use crate::session::tell::sources::{Place, Sources};
use evcxr::{CompilationError, Error};
use serde_json::Value;
use std::collections::BTreeSet;

mod advice;
mod death;
mod direct;
mod marks;

pub use direct::{of_syntax, of_warning};

use marks::{BLUE, BOLD, Mark, PLAIN, RED, excerpt, remark};

/// Whether and how a cell was stopped.
pub struct Stopped {
    pub interrupted: bool,
    /// It did not answer, and its process was ended.
    pub killed: bool,
    /// Programs that it had started were stopped with it.
    pub programs: bool,
}

/// More errors than this are usually echoes of the first.
const SHOWN: usize = 5;

/// An error without a place.
pub fn plain(ename: &str, message: &str) -> CellError {
    let mut traceback: Vec<String> = message.lines().map(str::to_owned).collect();
    if let Some(first) = traceback.first_mut() {
        *first = format!("{RED}{ename}{PLAIN}: {first}");
    }
    CellError {
        ename: ename.to_owned(),
        evalue: message.lines().next().unwrap_or_default().to_owned(),
        traceback,
        line: None,
    }
}

/// A cell that did not answer to a stop.
pub fn killed() -> CellError {
    plain(
        "Interrupted",
        "the cell did not stop and was killed\nThe notebook's variables are lost; its `use` lines and functions are still there.",
    )
}

/// A cell whose programs were stopped, and that has ended so, perhaps by a `return`.
pub fn programs_stopped(end: Result<(), CellError>, left: bool) -> CellError {
    let mut error = plain(
        "Interrupted",
        "the programs that the cell had started were stopped",
    );
    match end {
        Ok(()) => error.traceback.push(match left {
            true => "The cell has gone on after that, to a `return`.".to_owned(),
            false => "The cell has gone on to its end, and its variables are kept.".to_owned(),
        }),
        Err(end) => {
            error.line = end.line;
            error.traceback.extend(end.traceback);
        }
    }
    error
}

/// A cell whose library could not be loaded, and what the loader says.
pub fn unloadable(why: &str) -> CellError {
    let mut error = plain(
        "ToolkitError",
        &format!("the compiled cell could not be loaded: {why}"),
    );
    error.traceback.push(
        "Its variables are still there. Where a `:dep` needs a library of the system, install that; where the toolkit \
         has changed under this kernel, restart it."
            .to_owned(),
    );
    error
}

/// All that evcxr says, for errors outside cells.
pub fn all_messages(error: &Error) -> String {
    match error {
        Error::CompilationErrors(errors) => {
            let shown: Vec<String> = errors
                .iter()
                .map(|e| format!("{}\n{}", e.message(), e.rendered()))
                .collect();
            shown.join("\n")
        }
        other => other.to_string(),
    }
}

/// How the toolkit ends a cell that was stopped in an `.await`.
const STOPPED_WAITING: &str = "stopped while it waited for a future";

/// A cell whose code ran: did it panic, or leave by `?`?
/// `behind` finds the lines of the generated source that were running when a library panicked.
pub fn of_notes(
    notes: &Notes,
    generated: &str,
    cell: &str,
    sources: &Sources,
    behind: impl FnOnce(&[u64]) -> Option<Vec<usize>>,
) -> Result<(), CellError> {
    let in_cell = |line: usize| match place::item_at(generated, line) {
        Some((item, below)) => place::line_of_item(cell, &item, below),
        None => place::cell_line(generated, cell, line),
    };
    if notes.panicked {
        let (message, file, at) = notes.panic.clone().unwrap_or_else(|| {
            let passed_on = "it said neither what nor where it was: passed on by `resume_unwind`, or past a panic \
                             hook of the notebook's own";
            (passed_on.to_owned(), String::new(), 0)
        });
        let here = file.is_empty() || file.ends_with("cell/lib.rs");
        if message == STOPPED_WAITING {
            return Err(plain("Interrupted", &message));
        }
        let mut error = plain("Panic", &message);
        if here {
            let place = notes.cell.and_then(|cell| sources.locate(cell, at));
            match place {
                Some(place) if place.code != cell => error.traceback.extend(excerpt_of(&place)),
                Some(place) => error.line = Some(place.line),
                None => error.line = in_cell(at),
            }
        } else {
            let place = place::short_path(&file);
            error.traceback.push(format!("{BLUE}  --> {PLAIN}{place}:{at}"));
            error.line = behind(&notes.frames).and_then(|lines| lines.into_iter().find_map(in_cell));
        }
        if let Some(line) = error.line {
            error.traceback.extend(excerpt(cell, line));
        }
        error
            .traceback
            .extend(hints::of_panic(&message).map(|hint| remark("hint", hint)));
        return Err(error);
    }
    if let Some((message, at)) = &notes.error {
        let mut error = plain("UserError", message);
        error.line = in_cell(*at);
        if let Some(line) = error.line {
            error.traceback.extend(excerpt(cell, line));
        }
        return Err(error);
    }
    Ok(())
}

/// A cell as its user wrote it, and as evcxr got it.
pub struct Cell<'a> {
    pub code: &'a str,
    pub named: &'a Named,
    /// Variables that it would lose: it defines their types anew.
    pub losing: &'a BTreeSet<&'a str>,
    /// The place in an earlier cell that a message of rustc's is about.
    pub elsewhere: &'a dyn Fn(&Value) -> Option<Place>,
}

/// A line of another cell.
fn excerpt_of(place: &Place) -> Vec<String> {
    let mut lines = excerpt(&place.code, place.line);
    let cell = match place.count {
        0 => "an earlier cell".to_owned(),
        count => format!("cell [{count}]"),
    };
    lines[0].push_str(&format!(" of {cell}"));
    lines
}

/// What evcxr returned instead of outputs.
pub fn of_error(error: &Error, notes: &Notes, cell: &Cell, losses: &Losses, stopped: &Stopped) -> CellError {
    match error {
        _ if stopped.killed => killed(),
        Error::SubprocessTerminated(message) => death::of_child(message, notes),
        _ if stopped.interrupted => plain("Interrupted", "stopped before the cell ran"),
        Error::CompilationErrors(errors) => compile_errors(errors, cell, losses),
        Error::TypeRedefinedVariablesLost(names) => plain(
            "CompileError",
            &format!(
                "variables lost because their type was defined anew: {}",
                names.join(", ")
            ),
        ),
        Error::Message(message) => {
            let (said, hint) = hints::of_evcxr(message);
            let mut error = plain("CompileError", &said);
            error.line = named_variable(message, cell.code);
            if let Some(line) = error.line {
                error.traceback.extend(excerpt(cell.code, line));
            }
            error.traceback.extend(hint.map(|hint| remark("hint", &hint)));
            error
        }
    }
}

/// evcxr names the variable whose type it does not know, in backquotes.
fn named_variable(message: &str, cell: &str) -> Option<usize> {
    let name = message.split('`').nth(1)?;
    let words = |line: &str| -> Vec<String> {
        line.split(|c: char| !c.is_alphanumeric() && c != '_')
            .map(str::to_owned)
            .collect()
    };
    let defines = |line: &str| {
        let words = words(line);
        let of = words.iter().position(|word| word == "let");
        of.is_some_and(|at| words[at..].iter().any(|word| word == name))
    };
    // `let a`, not `let b = a`.
    let plainly = |line: &str| {
        let words = words(line);
        let mut after = words.iter().skip_while(|word| *word != "let").skip(1);
        after
            .find(|word| !word.is_empty() && *word != "mut")
            .is_some_and(|word| word == name)
    };
    let lines = || cell.lines();
    let found = lines().position(plainly).or_else(|| lines().position(defines));
    found.map(|index| index + 1)
}

fn compile_errors(errors: &[CompilationError], cell: &Cell, losses: &Losses) -> CellError {
    // evcxr sometimes gives the help that belongs to an error as one more.
    let mut real: Vec<&CompilationError> = errors
        .iter()
        .filter(|error| error.level().starts_with("error"))
        .collect();
    if real.is_empty() {
        // Of an error in the words around a cell only the notes about the cell are left.
        real = errors.iter().collect();
        // How a value is shown is the kernel's: a note about that says that its type is not known.
        real.retain(|error| !error.message().contains("evcxr_display"));
        if real.is_empty() {
            let mut error = plain(
                "E0282",
                "type annotations needed: the type of the value that ends the cell is not known",
            );
            let hint = "write the type: `let x: Vec<f32> = …;`, or in the call: `.collect::<Vec<_>>()`";
            error.traceback.push(remark("hint", hint));
            return error;
        }
    }
    // What is wrong around a cell is an echo of what is wrong in it.
    if real.iter().any(|error| line_of(error).is_some()) {
        real.retain(|error| line_of(error).is_some() || unplaced_line(error, cell.code).is_some());
    }
    // The display of a value is tried in two ways.
    let mut told: Vec<&CompilationError> = Vec::new();
    for error in std::mem::take(&mut real) {
        match told.iter_mut().find(|other| {
            other.message() == error.message() && line_of(error).is_none_or(|_| line_of(other).is_none())
        }) {
            Some(other) if line_of(error).is_some() => *other = error,
            Some(_) => {}
            None => told.push(error),
        }
    }
    let real = told;
    let Some(first) = real.first() else {
        return plain("CompileError", "the cell could not be compiled");
    };
    let mut traceback = Vec::new();
    for error in real.iter().take(SHOWN) {
        if !traceback.is_empty() {
            traceback.push(String::new());
        }
        traceback.extend(one_error(error, cell, losses));
    }
    if real.len() > SHOWN {
        traceback.push(String::new());
        traceback.push(format!("and {} more errors", real.len() - SHOWN));
    }
    CellError {
        ename: first.code().unwrap_or("CompileError").to_owned(),
        evalue: as_written(hints::of_evcxr(&said(first)).0.lines().next().unwrap_or_default()),
        traceback,
        line: line_of(first),
    }
}

/// Cells know the toolkit as `jook` and its crates by their own names; rustc also tells the name of the
/// library that passes them on.
fn as_written(text: &str) -> String {
    let mut text = text.to_owned();
    for name in crate::session::build::carried::NAMES {
        for path in ["jook_cells", "jook"] {
            text = text.replace(&format!("{path}::prelude::{name}::"), &format!("{name}::"));
        }
    }
    let text = without_places(&text);
    text.replace("jook_cells::", "jook::")
        .replace("EvcxrUserCodeError", "Error")
}

/// A closure's type has the place of the closure in its name, in what evcxr has written.
fn without_places(text: &str) -> String {
    let mut parts = text.split("@cell/lib.rs:");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        out.push_str(part.find('}').map_or("", |end| &part[end..]));
    }
    out
}

/// The error's message. A missing `;` is told by the word that rustc found in its place, which it may have found in
/// what evcxr wrote behind the line.
fn said(error: &CompilationError) -> String {
    let message = error.message();
    let places = error.spanned_messages();
    let in_the_cell = places.iter().filter(|place| place.span.is_some()).count();
    match message.split_once(", found") {
        Some((expected, _)) if expected == "expected `;`" && in_the_cell < 2 => expected.to_owned(),
        // What it is in is the kernel's.
        _ if hints::is_of_the_cells_function(error) => {
            let (what, _) = message.split_once(" inside of ").unwrap_or((&message, ""));
            format!("{what} outside of a loop or labeled block")
        }
        _ => message,
    }
}

fn line_of(error: &CompilationError) -> Option<usize> {
    error.primary_spanned_message()?.span.map(|span| span.start_line)
}

/// The label without what rustc says of the `Result` that evcxr has a cell end with.
fn without_the_cells_result(label: &str) -> &str {
    match label.split_once(" compatible with ") {
        Some((before, of)) if of.contains("EvcxrUserCodeError") => before,
        _ => label,
    }
}

fn one_error(error: &CompilationError, cell: &Cell, losses: &Losses) -> Vec<String> {
    let code = error.code().map(|code| format!("[{code}]")).unwrap_or_default();
    let (message, kept) = hints::of_evcxr(&said(error));
    let mut message = as_written(&message);
    // The closure that evcxr puts around a cell is not the user's.
    let mut labels = error.spanned_messages().iter().map(|place| place.label.as_str());
    if labels.any(|label| without_the_cells_result(label) != label) {
        message = message.replace(" in a closure that returns `Result`", " in a cell");
    }
    let mut lines = message.lines();
    let first = lines.next().unwrap_or_default();
    let mut out = vec![format!("{RED}error{code}{PLAIN}{BOLD}: {first}{PLAIN}")];
    out.extend(lines.map(str::to_owned));
    let mut marks: Vec<Mark> = error
        .spanned_messages()
        .iter()
        .filter_map(|message| {
            let span = message.span?;
            let single = span.start_line == span.end_line;
            Some(Mark {
                line: span.start_line,
                column: cell.named.column(span.start_line, span.start_column),
                width: if single {
                    span.end_column.saturating_sub(span.start_column).max(1)
                } else {
                    1
                },
                // evcxr repeats the error where rustc says nothing.
                label: match message.label.strip_prefix("error: ") {
                    Some(again) if again == error.message() => String::new(),
                    _ => as_written(without_the_cells_result(&message.label)),
                },
                primary: message.is_primary,
            })
        })
        .collect();
    marks::sort(&mut marks);
    let elsewhere = match marks.iter().any(|mark| mark.primary) {
        false => (cell.elsewhere)(&error.json),
        true => None,
    };
    match marks.is_empty() {
        // Of two that conflict the other one may be an earlier cell's.
        false => {
            out.extend(marks::place_and_lines(&marks, cell.code));
            out.extend(elsewhere.iter().flat_map(excerpt_of));
        }
        // In what evcxr wrote around the cell, which may hold a line of it.
        true => match unplaced_line(error, cell.code) {
            Some(line) => {
                out.extend(excerpt(cell.code, line));
                // rustc's word on a place that is in no line as the user wrote it.
                out.extend(label(error).map(|label| remark("note", &as_written(label))));
            }
            None if elsewhere.is_some() => out.extend(elsewhere.iter().flat_map(excerpt_of)),
            None if error.json["children"]
                .as_array()
                .is_some_and(|notes| !notes.is_empty()) => {}
            None => out.extend(error.rendered().lines().skip(1).map(as_written)),
        },
    }
    for (kind, text) in advice::of(&error.json) {
        out.push(remark(kind, &as_written(&text)));
    }
    let hint = kept
        .or_else(|| losing(error, cell))
        .or_else(|| {
            let alone = marks.is_empty();
            elsewhere.filter(|_| alone).map(|_| hints::UNFIT.to_owned())
        })
        .or_else(|| hints::of_compiler(error, losses));
    out.extend(hint.map(|hint| remark("hint", &as_written(&hint))));
    out
}

/// What rustc has written at the error's main place.
fn label(error: &CompilationError) -> Option<&str> {
    let spans = error.json["spans"].as_array()?;
    let main = spans.iter().find(|span| span["is_primary"] == true)?;
    let own = |label: &&str| !label.is_empty() && !label.to_lowercase().contains("evcxr");
    main["label"].as_str().filter(own)
}

/// Why a variable that was there is not found in this cell.
fn losing(error: &CompilationError, cell: &Cell) -> Option<String> {
    let message = error.message();
    let name = message.split('`').nth(1)?;
    // A name that a macro has too is another error.
    let is_missing = matches!(error.code(), Some("E0425" | "E0423"));
    let lost = is_missing && cell.losing.contains(name);
    lost.then(|| {
        format!(
            "this cell, or a file or a crate that changed, defines the type of `{name}` anew, by which `{name}` is \
             lost: make a new one in it"
        )
    })
}

/// The cell's line that is in the code that rustc shows, when it is only one.
fn unplaced_line(error: &CompilationError, cell: &str) -> Option<usize> {
    let spans = error.json["spans"].as_array()?;
    let shown: Vec<&str> = spans
        .iter()
        .flat_map(|span| span["text"].as_array().into_iter().flatten())
        .filter_map(|line| line["text"].as_str())
        .map(str::trim)
        .collect();
    // A statement that shares its line with others stands alone there.
    let holds = |line: &str| shown.iter().any(|text| text.len() > 2 && line.contains(text));
    let only = |is_it: &dyn Fn(&str) -> bool| {
        let mut found = cell.lines().enumerate().filter(|(_, line)| is_it(line.trim()));
        let first = found.next().map(|(index, _)| index + 1);
        first.filter(|_| found.next().is_none())
    };
    // The value that ends the cell is shown by a macro of the toolkit's.
    let shows = |span: &Value| {
        let name = span["expansion"]["macro_decl_name"].as_str();
        name.is_some_and(|name| name.contains("send_value"))
    };
    let last = || {
        let last = cell.trim_end().lines().count();
        (last > 0 && spans.iter().any(shows)).then_some(last)
    };
    let found = only(&|line| !line.is_empty() && shown.contains(&line));
    found.or_else(|| only(&holds)).or_else(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_found_by_its_whole_name() {
        let cell = "let data = 1;\nlet b = a2(data);\nlet mut a = make(b);\nlet (x, y) = f(a);";
        assert_eq!(named_variable("the type of `a` is not known", cell), Some(3));
        assert_eq!(named_variable("`y`", cell), Some(4));
        assert_eq!(named_variable("`z`", cell), None);
    }

    #[test]
    fn paths_are_told_as_a_cell_writes_them() {
        assert_eq!(
            as_written("jook_cells::prelude::polars::prelude::CsvWriter"),
            "polars::prelude::CsvWriter"
        );
        assert_eq!(as_written("jook_cells::prelude::Mlp"), "jook::prelude::Mlp");
        assert_eq!(
            as_written("`Vec<{closure@cell/lib.rs:121:6: 121:14}>` and `{async block@cell/lib.rs:1:1: 1:6}`"),
            "`Vec<{closure}>` and `{async block}`"
        );
    }
}
