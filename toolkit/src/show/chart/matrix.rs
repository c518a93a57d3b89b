//! Tables of numbers as colours.

use plotly::common::Anchor;
use plotly::{Plot, Trace};
use serde_json::{Value, json};

use super::{ACROSS, HEIGHT, LABEL, RawTrace, axis, finite, framed, plain, plot, ticks, words_at};
use crate::show::readable_number;

/// A table of values as colours, each cell with its number. `values[row][column]`; the first row is on
/// top; NaN is a gap. With values on both sides of zero the colours part at zero.
pub fn heatmap<C: AsRef<str>, R: AsRef<str>>(
    titles: [&str; 3],
    columns: &[C],
    rows: &[R],
    values: &[Vec<f64>],
) -> Plot {
    let texts = values
        .iter()
        .map(|row| row.iter().map(|v| number_or_gap(*v)).collect())
        .collect();
    let all = || values.iter().flatten().copied().filter(|v| v.is_finite());
    let low = all().fold(f64::INFINITY, f64::min);
    let high = all().fold(f64::NEG_INFINITY, f64::max);
    let mut trace = cells(columns, rows, values, texts);
    if low < 0.0 && high > 0.0 {
        let size = high.max(-low);
        trace["colorscale"] = diverging();
        (trace["zmin"], trace["zmax"]) = (json!(-size), json!(size));
    } else {
        trace["colorscale"] = json!("Cividis");
    }
    let traces: Vec<Box<dyn Trace>> = match low.is_finite() {
        true => vec![Box::new(RawTrace(trace))],
        false => Vec::new(),
    };
    grid_plot(titles, columns, rows, traces)
}

/// True classes down, predicted classes across: `counts` holds k × k numbers row by row. The colour is
/// the share of the true class, the text the count.
pub fn confusion<N: AsRef<str>>(title: &str, names: &[N], counts: &[u64]) -> Plot {
    let k = names.len();
    let rows: Vec<&[u64]> = counts.chunks(k.max(1)).take(k).collect();
    let share = |row: &&[u64]| -> Vec<f64> {
        let total = row.iter().sum::<u64>().max(1) as f64;
        row.iter().map(|n| *n as f64 / total).collect()
    };
    let text = |row: &&[u64]| -> Vec<String> { row.iter().map(|n| nonzero(*n)).collect() };
    let shares: Vec<Vec<f64>> = rows.iter().map(share).collect();
    let mut trace = cells(names, names, &shares, rows.iter().map(text).collect());
    (trace["zmin"], trace["zmax"]) = (json!(0), json!(1));
    trace["colorscale"] = json!([[0, "#f4f6fa"], [0.5, "#6fa8d6"], [1, "#08457e"]]);
    trace["colorbar"]["title"] = json!({"text": "share of true class", "side": "right"});
    trace["colorbar"]["tickformat"] = json!(".0%");
    trace["hovertemplate"] =
        json!("true %{customdata[1]}<br>predicted %{customdata[0]}<br>%{text} (%{z:.1%})<extra></extra>");
    let traces: Vec<Box<dyn Trace>> = match rows.is_empty() {
        true => Vec::new(),
        false => vec![Box::new(RawTrace(trace))],
    };
    grid_plot([title, "predicted", "true"], names, names, traces)
}

fn nonzero(count: u64) -> String {
    match count {
        0 => String::new(),
        n => n.to_string(),
    }
}

fn number_or_gap(value: f64) -> String {
    match value.is_finite() {
        true => readable_number(value),
        false => String::new(),
    }
}

/// A heatmap over places 0, 1, 2..: names are tick texts, so that equal names stay apart and a name like
/// "0.1" is not taken for a number.
fn cells<C: AsRef<str>, R: AsRef<str>>(
    columns: &[C],
    rows: &[R],
    values: &[Vec<f64>],
    texts: Vec<Vec<String>>,
) -> Value {
    let names = |row: &R| -> Vec<[String; 2]> {
        columns
            .iter()
            .map(|c| [plain(c.as_ref()), plain(row.as_ref())])
            .collect()
    };
    let names: Vec<_> = rows.iter().map(names).collect();
    let values: Vec<_> = values.iter().map(|row| finite(row)).collect();
    let many = columns.len() > 25 || rows.len() > 25;
    json!({
        "type": "heatmap", "z": values, "text": texts, "customdata": names,
        "texttemplate": if many { "" } else { "%{text}" }, "textfont": {"size": 12},
        "xgap": 1, "ygap": 1, "hoverongaps": false,
        "colorbar": {"thickness": 12, "outlinewidth": 0, "len": 0.9},
        "hovertemplate": "%{customdata[0]}<br>%{customdata[1]}<br>%{text}<extra></extra>",
    })
}

fn grid_plot<C: AsRef<str>, R: AsRef<str>>(
    [title, x, y]: [&str; 3],
    columns: &[C],
    rows: &[R],
    traces: Vec<Box<dyn Trace>>,
) -> Plot {
    let (across, down) = (ticks(axis(x), columns, ACROSS), ticks(axis(""), rows, LABEL));
    let (x, down) = (
        across.show_grid(false).zero_line(false),
        down.show_grid(false).zero_line(false),
    );
    let last = rows.len() as f64 - 0.5;
    let down = if rows.is_empty() {
        down
    } else {
        down.range(vec![last, -0.5])
    };
    // Room for a line of text in every row.
    let height = HEIGHT.max(130 + 26 * rows.len()).min(1200);
    let layout = framed(title, x, down).height(height);
    if traces.is_empty() || y.is_empty() {
        return plot(layout, traces);
    }
    // Beside the axis its title would run into long names.
    let y = words_at(&format!("↓ {y}"))
        .x(0.0)
        .y(1.0)
        .x_anchor(Anchor::Left)
        .y_anchor(Anchor::Bottom);
    plot(layout.annotations(vec![y]), traces)
}

/// Blue below zero, white at zero, red above: told apart with any colour vision.
fn diverging() -> Value {
    json!([
        [0, "#2166ac"],
        [0.25, "#92c5de"],
        [0.5, "#f7f7f7"],
        [0.75, "#f4a582"],
        [1, "#b2182b"]
    ])
}
