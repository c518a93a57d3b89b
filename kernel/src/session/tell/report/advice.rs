//! What rustc adds to an error: notes, and help with the code as it would be.

use serde_json::Value;

/// Longer notes are lists of what else there is.
const LINES: usize = 6;
/// Choices shown of those that rustc offers.
const CHOICES: usize = 3;

/// `(note or help, text)` of what rustc has said in JSON, in rustc's order.
pub fn of(said: &Value) -> Vec<(&'static str, String)> {
    let children = said["children"].as_array();
    let without_type = said["message"]
        .as_str()
        .is_some_and(|message| message.contains("`!: "));
    let mut told: Vec<(&'static str, String)> = children
        .into_iter()
        .flatten()
        .filter_map(|child| {
            let kind = match child["level"].as_str()? {
                "help" => "help",
                // A note with a place points into a library.
                "note" if child["spans"].as_array().is_none_or(Vec::is_empty) => "note",
                _ => return None,
            };
            let message = child["message"].as_str()?;
            let text = with_code(message, &suggestions(&child["spans"]));
            // What evcxr wrote around the cell is not the user's to change, nor are the compiler's files to be read.
            let in_between = ["evcxr", "jook_cell_"]
                .iter()
                .any(|word| text.to_lowercase().contains(word));
            // Of a type that nothing fixes, everything else is another type.
            let others = without_type && message.starts_with("the following other types");
            let idle = others || IDLE.iter().any(|start| message.starts_with(start));
            (!in_between && !idle).then(|| (kind, shortened(&text)))
        })
        .collect();
    told.dedup();
    told
}

/// How remarks begin that lead a notebook's reader nowhere.
const IDLE: [&str; 5] = [
    "`#[deny(",
    "this error originates",
    "the full name for the type has been written",
    "the full type name has been written",
    "consider using `--verbose`",
];

fn with_code(message: &str, code: &[String]) -> String {
    match code {
        [] => message.to_owned(),
        [one] if !one.contains('\n') => format!("{}: `{}`", message.trim_end_matches(':'), one.trim()),
        several => {
            let shown: Vec<&str> = several
                .iter()
                .take(CHOICES)
                .flat_map(|code| code.lines())
                .collect();
            format!("{}:\n  {}", message.trim_end_matches(':'), shown.join("\n  "))
        }
    }
}

fn shortened(text: &str) -> String {
    let mut lines: Vec<&str> = text.lines().collect();
    if lines.len() > LINES {
        lines.truncate(LINES - 1);
        lines.push("…");
    }
    lines.join("\n")
}

/// The lines as rustc would have them. Changes in different places belong together; changes in the same place
/// are choices.
fn suggestions(spans: &Value) -> Vec<String> {
    let spans: Vec<&Value> = spans.as_array().into_iter().flatten().collect();
    let changes: Vec<&Value> = spans
        .into_iter()
        .filter(|span| span["suggested_replacement"].is_string())
        .collect();
    let place = |span: &Value| (number(span, "byte_start"), number(span, "byte_end"));
    let Some(first) = changes.first() else {
        return Vec::new();
    };
    if changes.len() > 1 && changes.iter().all(|span| place(span) == place(first)) {
        return changes.iter().filter_map(|span| changed(&[span])).collect();
    }
    changed(&changes)
        .filter(|line| !is_torn(line))
        .into_iter()
        .collect()
}

/// Whether it is the end of the line in which a value is shown, around the cell.
fn is_torn(line: &str) -> bool {
    line.starts_with(')') && line.ends_with(")));")
}

/// The line with all of these changes in it; only what is put in when they span several lines.
fn changed(spans: &[&Value]) -> Option<String> {
    let new = |span: &Value| {
        span["suggested_replacement"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };
    let first = spans.first()?;
    let line = number(first, "line_start");
    let one_line = spans
        .iter()
        .all(|span| number(span, "line_start") == line && number(span, "line_end") == line);
    if !one_line || spans.iter().any(|span| new(span).contains('\n')) {
        let all: Vec<String> = spans.iter().map(|span| new(span).trim().to_owned()).collect();
        return Some(all.join(" … ")).filter(|text| !text.is_empty());
    }
    let mut text: Vec<char> = first["text"][0]["text"].as_str()?.chars().collect();
    let mut spans = spans.to_vec();
    // From behind, and of those that begin at one place the one that takes something away before the one that puts in.
    spans.sort_by_key(|span| std::cmp::Reverse((number(span, "column_start"), number(span, "column_end"))));
    for span in spans {
        let (start, end) = (number(span, "column_start"), number(span, "column_end"));
        text.splice(
            start.checked_sub(1)?..(end.checked_sub(1)?).min(text.len()),
            new(span).chars(),
        );
    }
    let text: String = text.into_iter().collect();
    Some(text.trim().to_owned())
}

fn number(span: &Value, name: &str) -> usize {
    span[name].as_u64().unwrap_or(0) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn span(column: usize, end: usize, new: &str) -> Value {
        json!({"line_start": 2, "line_end": 2, "column_start": column, "column_end": end, "byte_start": column,
            "byte_end": end, "suggested_replacement": new, "text": [{"text": "  take(é, x);"}]})
    }

    #[test]
    fn what_is_put_in_where_something_goes_stays() {
        // `take(é, x);` to `take(é.go);`, in two parts.
        let parts = suggestions(&json!([span(9, 9, ".go"), span(9, 12, "")]));
        assert_eq!(parts, ["take(é.go);"]);
    }

    #[test]
    fn a_suggestion_shows_the_line_as_it_would_be() {
        let borrowed = suggestions(&json!([span(11, 11, "&")]));
        assert_eq!(borrowed, ["take(é, &x);"]);
        assert_eq!(
            with_code("consider borrowing here", &borrowed),
            "consider borrowing here: `take(é, &x);`"
        );
        let both = suggestions(&json!([span(8, 8, "Some("), span(9, 9, ")")]));
        assert_eq!(both, ["take(Some(é), x);"]);
    }

    #[test]
    fn choices_are_listed() {
        let choices = suggestions(&json!([span(1, 1, "use a::Map;\n"), span(1, 1, "use b::Map;\n")]));
        assert_eq!(choices, ["use a::Map;", "use b::Map;"]);
        assert_eq!(
            with_code("consider importing:", &choices),
            "consider importing:\n  use a::Map;\n  use b::Map;"
        );
        assert_eq!(shortened("1\n2\n3\n4\n5\n6\n7"), "1\n2\n3\n4\n5\n…");
    }
}
