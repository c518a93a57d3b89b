//! What rustc says to the kernel itself, without evcxr between: of a cell's syntax, and its warnings.

use crate::session::build::syntax;
use crate::session::complete::{STRAY, unfinished};
use crate::session::said::CellError;
use crate::session::tell::place;
use crate::session::tell::report::advice;
use crate::session::tell::report::as_written;
use crate::session::tell::report::marks::{self, BOLD, Mark, PLAIN, RED, YELLOW, remark};
use crate::session::tell::report::plain;
use serde_json::Value;

/// More faults than this are usually echoes of the first.
const SHOWN: usize = 3;

/// A cell that cannot be read as a whole, of which evcxr would leave the rest out; none where nothing is wrong.
pub fn of_syntax(faults: &[Value], cell: &str) -> Option<CellError> {
    if faults.is_empty() {
        return None;
    }
    let mut error = of_faults(faults, cell);
    // Where rustc can only point behind the cell's end, or has lost count of its brackets.
    let lost = error.line.is_none() || error.evalue.contains("delimiter");
    let explains = |said: &str| lost || said.starts_with(STRAY);
    match unfinished(cell).filter(|(said, ..)| explains(said)) {
        Some((said, line, column)) => {
            error = plain("CompileError", &said);
            mark(&mut error, line, column, cell);
        }
        None if error.line.is_none() => {
            let whole = cell.trim_end();
            let last = whole.lines().last().unwrap_or_default();
            mark(
                &mut error,
                whole.lines().count().max(1),
                last.chars().count().max(1),
                cell,
            );
        }
        None => {}
    }
    Some(error)
}

/// Puts the error at a place of the cell.
fn mark(error: &mut CellError, line: usize, column: usize, cell: &str) {
    let mark = Mark {
        line,
        column,
        width: 1,
        label: String::new(),
        primary: true,
    };
    error.line = Some(line);
    error.traceback.extend(marks::place_and_lines(&[mark], cell));
}

/// What rustc says of the cell's syntax.
fn of_faults(faults: &[Value], cell: &str) -> CellError {
    let last = cell.lines().count();
    let place = |line: usize, column: usize| {
        let line = line
            .checked_sub(syntax::BEFORE)
            .filter(|line| (1..=last).contains(line))?;
        Some((line, column))
    };
    let mut traceback = Vec::new();
    let mut first = None;
    for fault in faults.iter().take(SHOWN) {
        let marks = marks_of(fault, place);
        first = first.or_else(|| marks.iter().find(|mark| mark.primary).map(|mark| mark.line));
        let code = code(fault).map(|code| format!("[{code}]")).unwrap_or_default();
        traceback.push(format!(
            "{RED}error{code}{PLAIN}{BOLD}: {}{PLAIN}",
            refusal(fault)
        ));
        let command = marks.iter().find(|mark| mark.primary).and_then(|mark| {
            let line = cell.lines().nth(mark.line - 1)?;
            let word = line.split_whitespace().next()?;
            let is_command = word
                .strip_prefix(':')
                .is_some_and(|name| name.starts_with(char::is_alphabetic));
            is_command.then(|| word.to_owned())
        });
        match command {
            Some(command) => {
                traceback.extend(marks::place_and_lines(&marks, cell));
                let hint =
                    format!("a line `{command} …` is a command at the head of a cell, before all code");
                traceback.push(remark("hint", &hint));
            }
            None => traceback.extend(below(fault, &marks, cell)),
        }
    }
    CellError {
        ename: faults.first().and_then(code).unwrap_or("CompileError").to_owned(),
        evalue: faults.first().map(refusal).unwrap_or_default(),
        traceback,
        line: first,
    }
}

/// A warning about what stands in the cell, whose generated source rustc speaks of.
pub fn of_warning(warning: &Value, generated: &str, cell: &str) -> Option<String> {
    let place = |line: usize, column: usize| {
        let at = place::cell_line(generated, cell, line)?;
        // A statement that shares its line with others stands alone in the generated source.
        let alone = generated.lines().nth(line - 1)?;
        let shared = cell.lines().nth(at - 1)?;
        let moved = match shared.find(alone.trim_end()) {
            Some(bytes) => shared[..bytes].chars().count(),
            None => 0,
        };
        Some((at, column + moved))
    };
    let marks = marks_of(warning, place);
    if !marks.iter().any(|mark| mark.primary) {
        return None;
    }
    let mut lines = vec![format!(
        "{YELLOW}warning{PLAIN}{BOLD}: {}{PLAIN}",
        message(warning)
    )];
    lines.extend(below(warning, &marks, cell));
    let of_a_result = ["`Result`", "::Result`"]
        .iter()
        .any(|word| message(warning).contains(word));
    if code(warning) == Some("unused_must_use") && of_a_result {
        lines.push(remark(
            "hint",
            "with `?` behind it a failure ends the cell and is told",
        ));
    }
    Some(lines.join("\n") + "\n")
}

fn below(said: &Value, marks: &[Mark], cell: &str) -> Vec<String> {
    let mut lines = marks::place_and_lines(marks, cell);
    let advice = advice::of(said).into_iter();
    // Which lint it is says nothing to a reader; nor is there a file to set its level in.
    let of_a_lint = |text: &str| text.starts_with("`#[") || text.starts_with("requested on the command line");
    let advice = advice.filter(|(_, text)| !of_a_lint(text));
    lines.extend(advice.map(|(kind, text)| remark(kind, &as_written(&text))));
    lines
}

/// The place of a span: of one within another file's macro, where that is called.
fn where_called(mut span: &Value) -> &Value {
    while let Some(call) = span.pointer("/expansion/span") {
        if call["file_name"] == span["file_name"] {
            break;
        }
        span = call;
    }
    span
}

fn marks_of(said: &Value, place: impl Fn(usize, usize) -> Option<(usize, usize)>) -> Vec<Mark> {
    let number = |span: &Value, name: &str| span[name].as_u64().unwrap_or(0) as usize;
    let spans = said["spans"].as_array().into_iter().flatten();
    let mut marks: Vec<Mark> = spans
        .filter_map(|said| {
            let span = where_called(said);
            let start = number(span, "column_start");
            let (line, column) = place(number(span, "line_start"), start)?;
            let one = number(span, "line_start") == number(span, "line_end");
            let width = number(span, "column_end").saturating_sub(start);
            Some(Mark {
                line,
                column,
                width: if one { width.max(1) } else { 1 },
                label: as_written(said["label"].as_str().unwrap_or_default()),
                primary: said["is_primary"] == true,
            })
        })
        .collect();
    marks::sort(&mut marks);
    marks
}

/// The brace that rustc finds is the kernel's, behind the cell.
fn refusal(fault: &Value) -> String {
    message(fault).replace("found `}`", "found the end of the cell")
}

fn message(said: &Value) -> String {
    as_written(said["message"].as_str().unwrap_or_default())
}

fn code(said: &Value) -> Option<&str> {
    said["code"]["code"].as_str()
}
