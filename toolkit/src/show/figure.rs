//! A Plotly figure in words. The kernel compiles this file too, for charts that come without any: nothing in
//! it needs the rest of the toolkit.

use serde_json::Value;

/// Traces that are described.
const TRACES: usize = 12;

/// What a chart says where it cannot be drawn: its title and axes, and what is in each trace.
pub fn describe(figure: &Value) -> String {
    let layout = &figure["layout"];
    let mut text = "[chart]".to_owned();
    if let Some(title) = title(layout) {
        text += &format!(" {title}");
    }
    if let (Some(x), Some(y)) = (title(&layout["xaxis"]), title(&layout["yaxis"])) {
        text += &format!(" ({y} over {x})");
    }
    let traces = figure["data"].as_array().into_iter().flatten();
    // Words written on a chart are no data.
    let traces: Vec<&Value> = traces.filter(|trace| trace["mode"] != "text").collect();
    for trace in traces.iter().take(TRACES) {
        // A trace that does not say what it is, is a scatter to Plotly.
        text += &format!("\n  {}", trace["type"].as_str().unwrap_or("scatter"));
        if let Some(name) = trace["name"].as_str() {
            text += &format!(" {}", readable(name));
        }
        if let Some(contents) = contents(trace) {
            text += &format!(": {contents}");
        }
    }
    if traces.len() > TRACES {
        text += &format!("\n  and {} more", traces.len() - TRACES);
    }
    text
}

/// The title of a layout or an axis: Plotly takes a text, or an object with it.
fn title(of: &Value) -> Option<String> {
    let title = &of["title"];
    let words = title["text"].as_str().or_else(|| title.as_str())?;
    (!words.is_empty()).then(|| readable(words))
}

/// Words without the HTML that Plotly takes in them.
fn readable(words: &str) -> String {
    words
        .replace("<br>", " ")
        .replace("&lt;", "<")
        .replace("&gt;", ">")
        .replace("&amp;", "&")
}

/// How many points a trace has, and from where to where they reach.
fn contents(trace: &Value) -> Option<String> {
    let axes = ["z", "y", "x", "values"].map(|axis| trace[axis].as_array());
    let axes: Vec<&Vec<Value>> = axes.into_iter().flatten().collect();
    // An axis of words names what is measured on the other.
    let measured = axes
        .iter()
        .find(|values| values.iter().any(|value| !value.is_string()))
        .or(axes.first())?;
    let unit = if measured.first().is_some_and(Value::is_array) {
        "cell"
    } else {
        "point"
    };
    let (mut n, mut low, mut high) = (0_usize, f64::INFINITY, f64::NEG_INFINITY);
    for entry in measured.iter() {
        for value in entry
            .as_array()
            .map_or(std::slice::from_ref(entry), Vec::as_slice)
        {
            n += 1;
            if let Some(x) = value.as_f64() {
                (low, high) = (low.min(x), high.max(x));
            }
        }
    }
    let mut text = format!("{n} {unit}{}", if n == 1 { "" } else { "s" });
    if low < high {
        text += &format!(", {} to {}", short(low), short(high));
    } else if low == high {
        text += &format!(", {}", short(low));
    }
    Some(text)
}

/// A number to four significant digits.
fn short(x: f64) -> String {
    let rounded = format!("{x:.3e}").parse().unwrap_or(x);
    if rounded == 0.0 || (1e-4..1e7).contains(&f64::abs(rounded)) {
        rounded.to_string()
    } else {
        format!("{rounded:e}")
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_figure_is_described_with_its_titles_points_and_ranges() {
        let figure = json!({
            "layout": {
                "title": {"text": "loss of a&lt;b"}, "xaxis": {"title": "epoch"}, "yaxis": {"title": {"text": "value"}},
            },
            "data": [
                {"type": "scatter", "name": "a", "x": [1, 2, 3], "y": [0.123_456, null, 2]},
                {"type": "heatmap", "x": ["p", "q"], "y": ["r", "s"], "z": [[1, 2], [3, 4e-9]]},
                {"type": "bar", "orientation": "h", "x": [5], "y": ["p"]},
                {"y": [null, null], "x": [7, 8]},
                {"type": "scatter", "mode": "text", "x": [0], "y": [0]},
                {"type": "sankey"},
            ],
        });
        let expected = "[chart] loss of a<b (value over epoch)\n  scatter a: 3 points, 0.1235 to 2\n  \
                        heatmap: 4 cells, 4e-9 to 3\n  bar: 1 point, 5\n  scatter: 2 points\n  sankey";
        assert_eq!(describe(&figure), expected);
        assert_eq!(describe(&json!(null)), "[chart]");
        let many = vec![json!({"y": []}); 14];
        let text = describe(&json!({"data": many}));
        assert!(
            text.contains("scatter: 0 points") && text.ends_with("and 2 more"),
            "{text}"
        );
    }
}
