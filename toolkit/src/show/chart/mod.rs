//! One look for every chart of ours, on the plotly crate.
//!
//! Backgrounds are transparent and the ink is a grey that reads on white and on black, so that a chart
//! fits a light and a dark page. Words are escaped: plotly takes some HTML in them.
//!
//! Helpers that make a whole [`Plot`] take its titles as `[title, x axis, y axis]`; any may be empty.

mod axes;
mod matrix;
mod panels;

pub use axes::axis;
pub(crate) use axes::{logarithmic, over_settings, ticks, with_right_axis};
pub use matrix::{confusion, heatmap};
pub use panels::panels;
pub(crate) use panels::{axis_number, with_x, with_y};

use axes::ticks_across;
use plotly::common::{Anchor, Font, Orientation, Reference, Title};
use plotly::configuration::DisplayModeBar;
use plotly::layout::{Annotation, Axis, HoverMode, Legend, Margin, ModeBar};
use plotly::{Configuration, Layout, Plot, Trace};
use serde::Serialize;
use serde_json::{Value, json};

use super::table::{shorten, width};
use super::{Bundle, Show};

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
/// Letters of a line of a title.
const TITLE: usize = 76;

/// A colour of the palette, starting over after the last.
pub fn color(index: usize) -> &'static str {
    PALETTE[index % PALETTE.len()]
}

/// The sign of a point in the palette's colour `index`: another one each time the colours start over.
pub(crate) fn sign(index: usize) -> &'static str {
    ["circle", "diamond", "square"][index / PALETTE.len() % 3]
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

fn legend() -> Legend {
    Legend::new()
        .background_color(CLEAR)
        .orientation(Orientation::Vertical)
}

fn framed(title: &str, x: Axis, y: Axis) -> Layout {
    let title = in_lines(title, TITLE);
    let lines = title.lines().count();
    let layout = Layout::new()
        .auto_size(true)
        .height(HEIGHT)
        .margin(
            Margin::new()
                .top(if title.is_empty() { 24 } else { 32 + 20 * lines })
                .right(24)
                .bottom(48)
                .left(56),
        )
        .paper_background_color(CLEAR)
        .plot_background_color(CLEAR)
        .font(Font::new().color(INK).size(13))
        .colorway(PALETTE.to_vec())
        .hover_mode(HoverMode::Closest)
        .legend(legend())
        .mode_bar(
            ModeBar::new()
                .background_color(CLEAR)
                .color(GRID)
                .active_color(INK),
        )
        .x_axis(x)
        .y_axis(y);
    match &*title {
        "" => layout,
        // At the left: the middle is where the buttons of a narrow chart reach.
        words => layout.title(
            Title::with_text(plain(words))
                .font(Font::new().size(15))
                .x(0.0)
                .x_ref(Reference::Paper)
                .x_anchor(Anchor::Left),
        ),
    }
}

/// The words in lines of at most so many letters each; a word that is longer has one to itself.
fn in_lines(words: &str, letters: usize) -> String {
    let mut lines: Vec<String> = Vec::new();
    for word in words.split(' ') {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= letters => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.join("\n")
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
    words_at("no data").x(0.5).y(0.5).x_anchor(Anchor::Center)
}

/// A title above one of several drawings, whose middle is at this share of the width.
pub(crate) fn heading(words: &str, middle: f64) -> Annotation {
    let bold = Font::new().size(15);
    words_at(words)
        .font(bold)
        .x(middle)
        .y(1.0)
        .x_anchor(Anchor::Center)
        .y_anchor(Anchor::Bottom)
}

/// Words placed by shares of the drawing's width and height.
fn words_at(words: &str) -> Annotation {
    Annotation::new()
        .text(plain(words))
        .show_arrow(false)
        .x_ref("paper")
        .y_ref("paper")
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

/// A point of its own on a curve, in the palette's colour `index`, with its name in the legend.
pub fn mark(index: usize, name: &str, x: f64, y: f64) -> Box<dyn Trace> {
    Box::new(RawTrace(json!({
        "type": "scatter", "mode": "markers", "name": label(name), "x": finite(&[x]), "y": finite(&[y]),
        "marker": {"color": color(index), "size": 11, "symbol": "diamond"},
        "hovertemplate": format!("{}<br>%{{x:.3g}}: %{{y:.5g}}<extra></extra>", plain(name)),
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
        // One point has no area: its interval is a bar.
        "fillcolor": fill(index, 0.2), "line": {"width": if points.len() == 1 { 2 } else { 0 }, "color": color(index)},
        "legendgroup": format!("{index}"), "showlegend": false, "hoverinfo": "skip",
    })))
}

/// The ends of a point's interval as plotly's error bars, from values and such ends: `width` is that of the strokes across.
pub(crate) fn error_bars(values: &[f64], ends: &[(f64, f64)], colour: &str, width: u32) -> Value {
    let away = |of: fn((f64, (f64, f64))) -> f64| -> Vec<f64> {
        let pairs = values.iter().copied().zip(ends.iter().copied());
        pairs.map(|pair| of(pair).max(0.0)).collect()
    };
    json!({
        "type": "data", "symmetric": false, "thickness": 1.5, "width": width, "color": colour,
        "array": away(|(value, (_, high))| high - value), "arrayminus": away(|(value, (low, _))| value - low),
    })
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

impl Show for Curve {
    fn bundle(&self) -> Bundle {
        curves([&self.name, "x", "y"], std::slice::from_ref(self)).bundle()
    }
}

/// Curves over one axis, each with its interval.
pub fn curves(titles: [&str; 3], curves: &[Curve]) -> Plot {
    let [title, x, y] = titles;
    curves_over(axis(x), [title, y], curves)
}

/// Curves over an axis, each with its interval.
pub(crate) fn curves_over(across: Axis, [title, y]: [&str; 2], curves: &[Curve]) -> Plot {
    let drawn = || curves.iter().enumerate().filter(|(_, c)| !c.x.is_empty());
    let area = |(i, c): (usize, &Curve)| {
        let (low, high) = c.band.as_ref()?;
        Some(band(i, &c.name, &c.x, low, high))
    };
    // Lines last, so that no area tints them.
    let lines = drawn().map(|(i, c)| curve(i, &c.name, &c.x, &c.y));
    let traces = drawn().filter_map(area).chain(lines).collect();
    plot(
        framed(title, across, axis(y)).show_legend(curves.len() > 1),
        traces,
    )
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
        framed(title, ticks_across(axis(x), &names), axis(y)).show_legend(false),
        traces,
    )
}

/// Numbers for JSON, which has no NaN: null is a gap.
fn finite(values: &[f64]) -> Vec<Option<f64>> {
    values.iter().map(|v| v.is_finite().then_some(*v)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_title_has_lines_and_room_for_them() {
        let title =
            "dropout: images x width x rate: accuracy minus that with rate=0, with 95% interval, 5 seeds";
        let figure = serde_json::to_value(layout(title, "", "")).unwrap();
        let lines =
            "dropout: images x width x rate: accuracy minus that with rate=0, with 95%<br>interval, 5 seeds";
        assert_eq!(figure["title"]["text"], json!(lines));
        assert_eq!(figure["margin"]["t"], json!(72));
        let short = serde_json::to_value(layout("a &amp; b", "", "")).unwrap();
        assert_eq!(
            (&short["title"]["text"], &short["margin"]["t"]),
            (&json!("a &amp;amp; b"), &json!(52))
        );
    }

    #[test]
    fn error_bars_reach_from_the_value_to_both_ends() {
        let bars = error_bars(&[0.5, 0.25], &[(0.25, 1.0), (0.25, 0.25)], "#000", 3);
        assert_eq!(
            (&bars["array"], &bars["arrayminus"]),
            (&json!([0.5, 0.0]), &json!([0.25, 0.0]))
        );
    }
}
