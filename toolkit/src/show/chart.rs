//! One look for every chart of ours, on the plotly crate.
//!
//! Backgrounds are transparent and the ink is a grey that reads on white and on black, so that a chart
//! fits a light and a dark page. Words are escaped: plotly takes some HTML in them.
//!
//! Helpers that make a whole [`Plot`] take its titles as `[title, x axis, y axis]`; any may be empty.

use plotly::common::{Anchor, Font, Orientation, Title};
use plotly::configuration::DisplayModeBar;
use plotly::layout::{Annotation, Axis, HoverMode, Legend, Margin};
use plotly::{Configuration, Layout, Plot, Trace};
use serde::Serialize;
use serde_json::{Value, json};

use super::readable_number;
use super::table::shorten;

/// Colours that people with any colour vision tell apart, and that show on white and on black (Okabe and
/// Ito, "Color Universal Design", 2008, without black and yellow).
pub const PALETTE: [&str; 7] = [
    "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#8c8c8c",
];

/// Text and axis lines: contrast of about 4.3 on white and on black.
pub const INK: &str = "#767d87";
const GRID: &str = "rgba(128,128,128,0.22)";
const CLEAR: &str = "rgba(0,0,0,0)";
/// Height of a chart in pixels; its width follows the page.
pub const HEIGHT: usize = 380;
/// Letters of a tick label or of a name in the legend; the whole stands in the hover text.
const LABEL: usize = 28;

/// A colour of the palette, starting over after the last.
pub fn color(index: usize) -> &'static str {
    PALETTE[index % PALETTE.len()]
}

/// A colour of the palette as a see-through fill.
fn fill(index: usize, alpha: f64) -> String {
    let channel = |at: usize| u8::from_str_radix(&color(index)[at..at + 2], 16).unwrap_or(128);
    format!("rgba({},{},{},{alpha})", channel(1), channel(3), channel(5))
}

/// The layout of all our charts: transparent, as wide as the page, 380 pixels high.
pub fn layout(title: &str, x_title: &str, y_title: &str) -> Layout {
    framed(title, axis(x_title), axis(y_title))
}

/// An axis in our look, to be changed and put into [`layout`] with `.x_axis(..)` or `.y_axis(..)`.
pub fn axis(title: &str) -> Axis {
    let axis = Axis::new()
        .grid_color(GRID)
        .zero_line_color(GRID)
        .line_color(GRID)
        .auto_margin(true);
    match title {
        "" => axis,
        words => axis.title(Title::with_text(plain(words))),
    }
}

fn framed(title: &str, x: Axis, y: Axis) -> Layout {
    let layout = Layout::new()
        .auto_size(true)
        .height(HEIGHT)
        .margin(
            Margin::new()
                .top(if title.is_empty() { 24 } else { 52 })
                .right(24)
                .bottom(48)
                .left(56),
        )
        .paper_background_color(CLEAR)
        .plot_background_color(CLEAR)
        .font(Font::new().color(INK).size(13))
        .colorway(PALETTE.to_vec())
        .hover_mode(HoverMode::Closest)
        .legend(
            Legend::new()
                .background_color(CLEAR)
                .orientation(Orientation::Vertical),
        )
        .x_axis(x)
        .y_axis(y);
    match title {
        "" => layout,
        words => layout.title(Title::with_text(plain(words)).font(Font::new().size(15))),
    }
}

/// A chart of these traces; says "no data" where there are none.
pub fn plot(layout: Layout, traces: Vec<Box<dyn Trace>>) -> Plot {
    let mut plot = Plot::new();
    plot.set_layout(match traces.is_empty() {
        true => layout.annotations(vec![no_data()]),
        false => layout,
    });
    plot.add_traces(traces);
    let bar = Configuration::new().responsive(true).display_logo(false);
    plot.set_configuration(bar.display_mode_bar(DisplayModeBar::Hover));
    plot
}

fn no_data() -> Annotation {
    Annotation::new()
        .text("no data")
        .show_arrow(false)
        .x_ref("paper")
        .y_ref("paper")
        .x(0.5)
        .y(0.5)
        .x_anchor(Anchor::Center)
}

/// A trace given as plotly's own JSON, for what the plotly crate has no type for.
#[derive(Clone, Debug, Serialize)]
#[serde(transparent)]
pub struct RawTrace(pub Value);

impl Trace for RawTrace {
    fn to_json(&self) -> String {
        self.0.to_string()
    }
}

/// Words as plotly shows them letter by letter: it would take `<b>` and `&lt;` for markup.
pub fn plain(words: &str) -> String {
    words
        .replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('\n', "<br>")
}

fn label(words: &str) -> String {
    plain(&shorten(words, LABEL))
}

/// A line in the palette's colour `index`; few points get markers. Points that are not finite are gaps.
pub fn curve(index: usize, name: &str, x: &[f64], y: &[f64]) -> Box<dyn Trace> {
    let mode = if x.len() <= 25 { "lines+markers" } else { "lines" };
    Box::new(RawTrace(json!({
        "type": "scatter", "mode": mode, "name": label(name), "x": finite(x), "y": finite(y),
        "line": {"color": color(index), "width": 2}, "marker": {"size": 6},
        "legendgroup": format!("{index}"),
        "hovertemplate": format!("{}<br>%{{x}}: %{{y:.5g}}<extra></extra>", plain(name)),
    })))
}

/// The area between two curves over `x`, such as an interval, under the curve of the same `index`.
/// Points where a bound is not finite are left out.
pub fn band(index: usize, name: &str, x: &[f64], low: &[f64], high: &[f64]) -> Box<dyn Trace> {
    let points = x
        .iter()
        .zip(low)
        .zip(high)
        .map(|((x, low), high)| (*x, *low, *high));
    let points: Vec<_> = points
        .filter(|(x, l, h)| x.is_finite() && l.is_finite() && h.is_finite())
        .collect();
    let there = points.iter().map(|(x, _, high)| (*x, *high));
    let back = points.iter().rev().map(|(x, low, _)| (*x, *low));
    let (xs, ys): (Vec<f64>, Vec<f64>) = there.chain(back).unzip();
    Box::new(RawTrace(json!({
        "type": "scatter", "mode": "lines", "name": label(name), "x": xs, "y": ys, "fill": "toself",
        "fillcolor": fill(index, 0.2), "line": {"width": 0, "color": color(index)},
        "legendgroup": format!("{index}"), "showlegend": false, "hoverinfo": "skip",
    })))
}

/// One curve of [`curves`], with an interval around it or none.
#[derive(Clone, Debug, Default)]
pub struct Curve {
    /// Its name in the legend.
    pub name: String,
    /// Positions, one a point.
    pub x: Vec<f64>,
    /// Values, one a point.
    pub y: Vec<f64>,
    /// Lower and upper ends of the interval at each point.
    pub band: Option<(Vec<f64>, Vec<f64>)>,
}

/// Curves over one axis, each with its interval.
pub fn curves(titles: [&str; 3], curves: &[Curve]) -> Plot {
    let mut traces = Vec::new();
    for (i, one) in curves.iter().enumerate().filter(|(_, c)| !c.x.is_empty()) {
        if let Some((low, high)) = &one.band {
            traces.push(band(i, &one.name, &one.x, low, high));
        }
        traces.push(curve(i, &one.name, &one.x, &one.y));
    }
    let [title, x, y] = titles;
    plot(layout(title, x, y).show_legend(curves.len() > 1), traces)
}

/// A box for each group of values, every value a dot beside it.
pub fn boxes<N: AsRef<str>>(titles: [&str; 3], groups: &[(N, Vec<f64>)]) -> Plot {
    let filled = |(i, (name, values)): (usize, &(N, Vec<f64>))| {
        let values: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
        let places = vec![i; values.len()];
        let trace = json!({
            "type": "box", "name": plain(name.as_ref()), "x": places, "y": values, "boxpoints": "all",
            "jitter": 0.35, "pointpos": 0, "boxmean": true, "fillcolor": fill(i, 0.2), "width": 0.5,
            "line": {"color": color(i), "width": 1.5}, "marker": {"size": 5, "opacity": 0.75},
            "hovertemplate": format!("{}: %{{y:.5g}}<extra></extra>", plain(name.as_ref())),
        });
        (!places.is_empty()).then(|| Box::new(RawTrace(trace)) as Box<dyn Trace>)
    };
    let traces: Vec<_> = groups.iter().enumerate().filter_map(filled).collect();
    let names: Vec<&str> = groups.iter().map(|(name, _)| name.as_ref()).collect();
    let [title, x, y] = titles;
    plot(
        framed(title, ticks(axis(x), &names), axis(y)).show_legend(false),
        traces,
    )
}

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
    trace["colorbar"]["title"] = json!({"text": "share of<br>true class"});
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
    let x = ticks(axis(x), columns).show_grid(false).zero_line(false);
    let y = ticks(axis(y), rows).show_grid(false).zero_line(false);
    let last = rows.len() as f64 - 0.5;
    let y = if rows.is_empty() {
        y
    } else {
        y.range(vec![last, -0.5])
    };
    // Room for a line of text in every row.
    let height = HEIGHT.max(130 + 26 * rows.len()).min(1200);
    plot(framed(title, x, y).height(height), traces)
}

/// Names at places 0, 1, 2..; every name where there is room for it.
fn ticks<N: AsRef<str>>(axis: Axis, names: &[N]) -> Axis {
    let every = names.len().div_ceil(40).max(1);
    let (places, texts): (Vec<f64>, Vec<String>) = (0..names.len())
        .step_by(every)
        .map(|i| (i as f64, label(names[i].as_ref())))
        .unzip();
    axis.tick_values(places).tick_text(texts)
}

/// Blue below zero, white at zero, orange above: told apart with any colour vision.
fn diverging() -> Value {
    json!([
        [0, "#2166ac"],
        [0.25, "#92c5de"],
        [0.5, "#f7f7f7"],
        [0.75, "#f4a582"],
        [1, "#b2182b"]
    ])
}

/// Numbers for JSON, which has no NaN: null is a gap.
fn finite(values: &[f64]) -> Vec<Option<f64>> {
    values.iter().map(|v| v.is_finite().then_some(*v)).collect()
}
