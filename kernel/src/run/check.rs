//! `jook run --check`: whether a notebook still puts out what it holds.

use super::compare::{Tolerance, is_progress, json_differences, same_line, visible, without_seconds};
use crate::page::notebook::{self, Kind, Notebook};
use crate::page::plotly;
use anyhow::{Result, bail};
use serde_json::Value;
use std::fmt::Write as _;

/// Cells with one of these tags run, and what they put out is not compared.
const SKIP: [&str; 2] = ["check-skip", "nbval-ignore-output"];

/// So many changed lines of one output are shown.
const SHOWN: usize = 8;
/// And so much of each.
const WIDTH: usize = 140;

/// The outputs of a notebook before it runs again.
pub struct Check {
    /// By the cells' places in the notebook; None where there is nothing to compare.
    stored: Vec<Option<Value>>,
    tolerance: Tolerance,
}

/// What the comparison found in the cells that ran.
#[derive(Debug, Default)]
pub struct Verdict {
    pub compared: usize,
    pub skipped: usize,
    /// Cells that failed, and those that the run did not come to.
    pub missing: usize,
    /// For each cell that differs, what to tell the user.
    pub different: Vec<String>,
}

impl Check {
    /// Takes the outputs that the notebook holds now. One that never ran has nothing to compare.
    pub fn of(notebook: &Notebook, tolerance: Tolerance) -> Result<Self> {
        let code = |cell: &&Value| notebook::kind(cell) == Kind::Code;
        let ran = |cell: &Value| {
            cell["execution_count"].is_u64() || cell["outputs"].as_array().is_some_and(|all| !all.is_empty())
        };
        if !notebook.cells().iter().filter(code).any(ran) {
            bail!("the notebook holds no outputs to compare with; a run with --inplace stores them");
        }
        let outputs = |cell: &Value| {
            let compared = !SKIP.iter().any(|tag| notebook::has_tag(cell, tag));
            compared.then(|| cell["outputs"].clone())
        };
        let stored = notebook.cells().iter().map(outputs).collect();
        Ok(Self { stored, tolerance })
    }

    /// Compares the notebook's cells at these places, in the order they ran, with what they held.
    pub fn compare(&self, notebook: &Notebook, ran: &[(usize, usize)]) -> Verdict {
        let mut verdict = Verdict::default();
        for &(number, index) in ran {
            let Some(stored) = &self.stored[index] else {
                verdict.skipped += 1;
                continue;
            };
            verdict.compared += 1;
            let found = differences(stored, &notebook.cells()[index]["outputs"], self.tolerance);
            if !found.is_empty() {
                let mut text = format!("\nCell {number} differs (cell {} of the notebook):\n", index + 1);
                for (what, lines) in found {
                    let _ = writeln!(text, "  {what}");
                    for line in lines {
                        let _ = writeln!(text, "    {line}");
                    }
                }
                verdict.different.push(text);
            }
        }
        verdict
    }
}

impl Verdict {
    /// The last line of a check.
    pub fn summary(&self, name: &str) -> String {
        let plural = |count: usize| format!("{count} cell{}", if count == 1 { "" } else { "s" });
        let mut rest = String::new();
        for (count, why) in [
            (self.skipped, "not compared, as tagged"),
            (self.missing, "failed or not reached"),
        ] {
            if count > 0 {
                let _ = write!(rest, "; {} {why}", plural(count));
            }
        }
        match self.different.len() {
            0 => format!("Same      {} as in {name}{rest}", plural(self.compared)),
            count => format!("Different {count} of {} from {name}{rest}", plural(self.compared)),
        }
    }
}

/// What differs between two lists of outputs: which output, and the lines that show it.
fn differences(stored: &Value, fresh: &Value, tolerance: Tolerance) -> Vec<(String, Vec<String>)> {
    let mut found = Vec::new();
    for name in ["stdout", "stderr"] {
        let lines = changed_lines(&stream(stored, name), &stream(fresh, name), tolerance);
        if !lines.is_empty() {
            found.push((name.to_string(), lines));
        }
    }
    let (mut stored, mut fresh) = (shown(stored), shown(fresh));
    // A study whose trials were kept shows no bar, and nothing else in its place.
    let bars = |outputs: &[&Value]| outputs.iter().filter(|output| bar(output)).count();
    if bars(&stored) != bars(&fresh) {
        stored.retain(|output| !bar(output));
        fresh.retain(|output| !bar(output));
    }
    for at in 0..stored.len().max(fresh.len()) {
        let lines = match (stored.get(at), fresh.get(at)) {
            (Some(old), Some(new)) => changed_output(old, new, tolerance),
            (Some(old), None) => vec![format!("- {}", brief(old)), "+ nothing".to_string()],
            (None, new) => vec![
                "- nothing".to_string(),
                format!("+ {}", new.map_or(String::new(), |new| brief(new))),
            ],
        };
        if !lines.is_empty() {
            found.push((format!("output {}", at + 1), lines));
        }
    }
    found
}

/// All that went to one stream. In which pieces, and what came between, is a matter of timing.
fn stream(outputs: &Value, name: &str) -> String {
    let of_name = |output: &&Value| output["output_type"] == "stream" && output["name"] == name;
    let all = outputs.as_array().into_iter().flatten().filter(of_name);
    visible(
        &all.map(|output| notebook::joined(&output["text"]))
            .collect::<String>(),
    )
}

fn shown(outputs: &Value) -> Vec<&Value> {
    let all = outputs.as_array().into_iter().flatten();
    all.filter(|output| output["output_type"] != "stream").collect()
}

fn bar(output: &Value) -> bool {
    is_progress(&notebook::joined(&output["data"]["text/plain"]))
}

/// Two outputs by the best form that both have.
fn changed_output(stored: &Value, fresh: &Value, tolerance: Tolerance) -> Vec<String> {
    // Also where neither has a form that could be compared.
    if stored == fresh {
        return Vec::new();
    }
    let both = || vec![format!("- {}", brief(stored)), format!("+ {}", brief(fresh))];
    let is_error = |output: &Value| output["output_type"] == "error";
    if is_error(stored) || is_error(fresh) {
        let same = is_error(stored) && is_error(fresh) && stored["ename"] == fresh["ename"];
        return if same { Vec::new() } else { both() };
    }
    let form = |mime: &str| Some((stored["data"].get(mime)?, fresh["data"].get(mime)?));
    if let Some((old, new)) = form(plotly::MIME) {
        return limited(json_differences(old, new, tolerance));
    }
    let others = stored["data"]
        .as_object()
        .into_iter()
        .flat_map(|data| data.keys());
    let common = std::iter::once("text/plain").chain(others.map(String::as_str));
    let Some((old, new)) = common.into_iter().find_map(form) else {
        return both();
    };
    match (old, new) {
        (Value::Object(_), _) | (_, Value::Object(_)) => limited(json_differences(old, new, tolerance)),
        _ => changed_lines(
            &visible(&notebook::joined(old)),
            &visible(&notebook::joined(new)),
            tolerance,
        ),
    }
}

/// An output in one line.
fn brief(output: &Value) -> String {
    if output["output_type"] == "error" {
        let (name, value) = (
            notebook::joined(&output["ename"]),
            notebook::joined(&output["evalue"]),
        );
        return cut(&format!("error {name}: {}", visible(&value)), 0);
    }
    let text = visible(&notebook::joined(&output["data"]["text/plain"]));
    if let Some(line) = text.lines().find(|line| !line.trim().is_empty()) {
        return cut(line, 0);
    }
    let forms = output["data"]
        .as_object()
        .into_iter()
        .flat_map(|data| data.keys());
    forms.map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// The stored lines after `-` and the new ones after `+`, where they differ.
fn changed_lines(stored: &str, fresh: &str, tolerance: Tolerance) -> Vec<String> {
    let same = |(old, new): &(&&str, &&str)| same_line(old, new, tolerance);
    let (stored, fresh) = (without_seconds(stored), without_seconds(fresh));
    let (old, new): (Vec<&str>, Vec<&str>) = (
        stored.trim_end().lines().collect(),
        fresh.trim_end().lines().collect(),
    );
    let begin = old.iter().zip(&new).take_while(same).count();
    let (old, new) = (&old[begin..], &new[begin..]);
    let end = old.iter().rev().zip(new.iter().rev()).take_while(same).count();
    let (old, new) = (&old[..old.len() - end], &new[..new.len() - end]);
    if old.len() == new.len() {
        let pairs = old.iter().zip(new).filter(|pair| !same(pair));
        let told = pairs.flat_map(|(old, new)| {
            let from = common_start(old, new);
            [format!("- {}", cut(old, from)), format!("+ {}", cut(new, from))]
        });
        return limited(told.collect());
    }
    let gone = old.iter().map(|line| format!("- {}", cut(line, 0)));
    let came = new.iter().map(|line| format!("+ {}", cut(line, 0)));
    // Something of both, however long the first is.
    let mut told = limited(gone.collect());
    told.extend(limited(came.collect()));
    told
}

fn limited(mut lines: Vec<String>) -> Vec<String> {
    if lines.len() > SHOWN {
        let more = lines.len() - SHOWN;
        lines.truncate(SHOWN);
        lines.push(format!("… and {more} more"));
    }
    lines
}

/// How many characters two lines begin with in common.
fn common_start(a: &str, b: &str) -> usize {
    a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count()
}

/// As much of a line as is readable, with what stands at `place` in it.
fn cut(line: &str, place: usize) -> String {
    let length = line.chars().count();
    if length <= WIDTH {
        return line.to_string();
    }
    let from = if place < WIDTH * 2 / 3 {
        0
    } else {
        place - WIDTH / 3
    };
    let part: String = line.chars().skip(from).take(WIDTH).collect();
    let (head, tail) = (
        if from > 0 { "…" } else { "" },
        if from + WIDTH < length { "…" } else { "" },
    );
    format!("{head}{part}{tail}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn told(stored: Value, fresh: Value) -> Vec<String> {
        let found = differences(&stored, &fresh, Tolerance::default());
        let text = |(what, lines): (String, Vec<String>)| format!("{what}\n{}", lines.join("\n"));
        found.into_iter().map(text).collect()
    }

    fn out(name: &str, text: &str) -> Value {
        json!({"output_type": "stream", "name": name, "text": [text]})
    }

    fn result(data: Value) -> Value {
        json!({"output_type": "execute_result", "execution_count": 1, "data": data, "metadata": {}})
    }

    #[test]
    fn streams_are_compared_whole_and_by_name() {
        let stored = json!([out("stdout", "a\n"), out("stderr", "w\n"), out("stdout", "b\n")]);
        let fresh = json!([out("stderr", "w\n"), out("stdout", "a\nb\n")]);
        assert!(told(stored.clone(), fresh).is_empty());
        let fresh = json!([out("stdout", "a\nc\n")]);
        assert_eq!(told(stored, fresh), ["stdout\n- b\n+ c", "stderr\n- w"]);
    }

    #[test]
    fn outputs_are_compared_by_the_best_form_both_have() {
        let chart =
            |y: f64, text: &str| result(json!({plotly::MIME: {"data": [{"y": [y]}]}, "text/plain": text}));
        assert!(told(json!([chart(1.0, "a")]), json!([chart(1.0, "b")])).is_empty());
        let found = told(json!([chart(1.0, "a")]), json!([chart(2.0, "a")]));
        assert_eq!(found, ["output 1\ndata[0].y[0]: 1.0, now 2.0"]);
        let text = |text: &str| result(json!({"text/plain": text, "text/html": text}));
        assert!(told(json!([chart(1.0, "a")]), json!([text("a")])).is_empty());
        assert_eq!(
            told(json!([text("4")]), json!([text("5")])),
            ["output 1\n- 4\n+ 5"]
        );
        let picture = |data: &str| result(json!({"image/png": data}));
        assert!(told(json!([picture("QQ")]), json!([picture("QQ")])).is_empty());
        assert_eq!(told(json!([picture("QQ")]), json!([picture("QR")])).len(), 1);
        assert_eq!(
            told(json!([picture("QQ")]), json!([text("a")])),
            ["output 1\n- image/png\n+ a"]
        );
        assert_eq!(told(json!([text("a")]), json!([])), ["output 1\n- a\n+ nothing"]);
    }

    #[test]
    fn a_bar_counts_only_where_both_have_it() {
        let text = |text: &str| result(json!({"text/plain": text}));
        let (bar, table) = (text("study a 45/45 [4.2 s]"), text("the table"));
        assert!(told(json!([bar, table]), json!([table])).is_empty());
        assert!(told(json!([bar]), json!([text("study a 45/45 [9 s]")])).is_empty());
        assert_eq!(told(json!([bar]), json!([text("study a 44/45 [9 s]")])).len(), 1);
    }

    #[test]
    fn errors_are_compared_by_name() {
        let error = |name: &str, value: &str| json!([{"output_type": "error", "ename": name, "evalue": value, "traceback": []}]);
        assert!(told(error("Panic", "a"), error("Panic", "b")).is_empty());
        let found = told(error("Panic", "a"), error("E0308", "b"));
        assert_eq!(found, ["output 1\n- error Panic: a\n+ error E0308: b"]);
    }

    #[test]
    fn a_difference_is_small_and_shows_the_place() {
        let long = |last: &str| format!("{}{last}", "x".repeat(500));
        let lines = changed_lines(&long("1"), &long("2"), Tolerance::default());
        assert!(lines[0].starts_with("- …xx") && lines[0].ends_with("x1") && lines[1].ends_with("x2"));
        assert!(lines[0].chars().count() < WIDTH);
        let many = |word: &str| (0..100).map(|n| format!("{word} {n}\n")).collect::<String>();
        let lines = changed_lines(&many("a"), &many("b"), Tolerance::default());
        assert_eq!((lines.len(), lines[8].as_str()), (9, "… and 192 more"));
        let lines = changed_lines("a\nb\nc\n", "a\nc\n", Tolerance::default());
        assert_eq!(lines, ["- b"]);
    }

    #[test]
    fn a_notebook_that_never_ran_cannot_be_checked() {
        let cell = |outputs: Value, tags: Value| json!({"cell_type": "code", "source": "1", "outputs": outputs, "metadata": {"tags": tags}});
        let book = |cells: Value| {
            let value = json!({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5});
            Notebook::parse(&value.to_string()).unwrap()
        };
        let fresh = book(json!([cell(json!([]), json!([]))]));
        let error = Check::of(&fresh, Tolerance::default()).err().unwrap();
        assert!(error.to_string().contains("--inplace"));
        let stored = book(json!([
            cell(json!([out("stdout", "a")]), json!([])),
            cell(json!([out("stdout", "a")]), json!(["check-skip"]))
        ]));
        let check = Check::of(&stored, Tolerance::default()).unwrap();
        let mut now = stored.clone();
        for index in 0..2 {
            now.cell_mut(index)["outputs"] = json!([out("stdout", "b")]);
        }
        let verdict = check.compare(&now, &[(1, 0), (2, 1)]);
        let wanted = "\nCell 1 differs (cell 1 of the notebook):\n  stdout\n    - a\n    + b\n";
        assert_eq!(verdict.different, [wanted]);
        assert_eq!(
            verdict.summary("a.ipynb"),
            "Different 1 of 1 cell from a.ipynb; 1 cell not compared, as tagged"
        );
    }
}
