//! What rustc says, made fit for evcxr, which takes the places in it for those of the cell.

use serde_json::Value;

/// The file that a cell is compiled from.
const CELL: &str = "cell/lib.rs";

/// A line that rustc has said, with `added` for what was written into lines of the user's own, whose columns count as
/// he has them:
///
/// - what is in another crate's `lib.rs` is in no line of the cell;
/// - what belongs to an error in the user's code stays with it: evcxr would tell a note alone that stands in another
///   line of his.
pub fn fit(line: String, added: &str) -> String {
    if !line.starts_with('{') || !(line.contains("lib.rs") || line.contains(added)) {
        return line;
    }
    let Ok(mut said) = serde_json::from_str::<Value>(&line) else {
        return line;
    };
    let before = said.clone();
    for span in said["spans"].as_array_mut().into_iter().flatten() {
        fit_span(span, added);
    }
    let is_users = |span: &Value| {
        let text = span["text"][0]["text"].as_str().unwrap_or_default();
        let generated = ["evcxr", "::jook::"].iter().any(|word| text.contains(word));
        span["is_primary"] == true && span["file_name"] == CELL && !generated
    };
    let in_the_cell = said["spans"].as_array().into_iter().flatten().any(is_users);
    for child in said["children"].as_array_mut().into_iter().flatten() {
        for span in child["spans"].as_array_mut().into_iter().flatten() {
            fit_span(span, added);
            if in_the_cell {
                leave_the_cell(span);
            }
        }
    }
    if said == before { line } else { said.to_string() }
}

fn leave_the_cell(span: &mut Value) {
    span["file_name"] = "elsewhere".into();
}

fn fit_span(span: &mut Value, added: &str) {
    let file = span["file_name"].as_str().unwrap_or_default();
    if file != CELL && file.ends_with("lib.rs") {
        leave_the_cell(span);
        return;
    }
    let Some(lines) = span["text"].as_array_mut() else {
        return;
    };
    // By line: where it was written, and how far it reaches.
    let mut taken: Vec<Option<(u64, u64)>> = Vec::new();
    for line in lines.iter_mut() {
        let text = line["text"].as_str().unwrap_or_default();
        let found = text.split_once(added).and_then(|(left, rest)| {
            let (own, rest) = rest.split_once("\")] ")?;
            let width = added.chars().count() + own.chars().count() + "\")] ".len();
            Some((left.chars().count() as u64, width as u64, format!("{left}{rest}")))
        });
        taken.push(found.as_ref().map(|(at, width, _)| (*at, *width)));
        let Some((at, width, text)) = found else { continue };
        line["text"] = text.into();
        for name in ["highlight_start", "highlight_end"] {
            shift(&mut line[name], at, width);
        }
    }
    if let Some(Some((at, width))) = taken.first() {
        shift(&mut span["column_start"], *at, *width);
    }
    if let Some(Some((at, width))) = taken.last() {
        shift(&mut span["column_end"], *at, *width);
    }
}

/// A column, from 1, without what was written at `at`, from 0.
fn shift(column: &mut Value, at: u64, width: u64) {
    if let Some(now) = column.as_u64().filter(|now| *now > at) {
        *column = now.saturating_sub(width).max(at + 1).into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ADDED: &str = "#[unsafe(export_name = \"jook_static_";

    fn fitted(said: &Value) -> Value {
        serde_json::from_str(&fit(said.to_string(), ADDED)).unwrap()
    }

    #[test]
    fn columns_are_those_of_the_user() {
        let text = format!("pub {ADDED}12_3\")] static N: Vec<C> = f();");
        let column = text.find("C>").unwrap() + 1;
        let said = json!({"message": "m", "spans": [{
            "file_name": CELL, "column_start": column, "column_end": column + 1,
            "text": [{"text": text, "highlight_start": column, "highlight_end": column + 1}],
        }]});
        let span = &fitted(&said)["spans"][0];
        assert_eq!(span["text"][0]["text"], "pub static N: Vec<C> = f();");
        assert_eq!(
            (&span["column_start"], &span["column_end"]),
            (&json!(19), &json!(20))
        );
    }

    #[test]
    fn what_is_elsewhere_is_in_no_line_of_the_cell() {
        let span =
            |file: &str, text: &str| json!({"file_name": file, "is_primary": true, "text": [{"text": text}]});
        let said = json!({"message": "m", "spans": [span(CELL, "c.area()"), span("/shapes/src/lib.rs", "")],
            "children": [{"spans": [span(CELL, "use std::rc::Rc;")]}]});
        let fitted = fitted(&said);
        let files = |spans: &Value| -> Vec<Value> {
            let spans = spans.as_array().unwrap().iter();
            spans.map(|span| span["file_name"].clone()).collect()
        };
        assert_eq!(files(&fitted["spans"]), [CELL, "elsewhere"]);
        assert_eq!(files(&fitted["children"][0]["spans"]), ["elsewhere"]);
        let around =
            json!({"message": "m", "spans": [span(CELL, "evcxr_display()")], "children": said["children"]});
        assert_eq!(self::tests::fitted(&around)["children"], said["children"]);
        assert_eq!(fit("no JSON lib.rs".into(), ADDED), "no JSON lib.rs");
    }
}
