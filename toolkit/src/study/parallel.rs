//! Parallel coordinates, drawn with plain lines: plotly's own trace needs WebGL, which a printed page or a
//! virtual machine may lack.

use plotly::common::Anchor;
use plotly::layout::Annotation;
use plotly::{Plot, Trace};
use serde_json::json;

use super::settings::Settings;
use crate::show::{chart, readable_number};

/// Five points of Cividis (Nunez, Anderton and Renslow 2018), dark to light: even steps for any colour vision.
const CIVIDIS: [[f64; 3]; 5] = [
    [0.0, 34.0, 78.0],
    [65.0, 77.0, 107.0],
    [124.0, 123.0, 120.0],
    [188.0, 175.0, 111.0],
    [254.0, 232.0, 56.0],
];

/// One axis: where each line crosses it (0 to 1) and what is written beside it.
struct Axis {
    name: String,
    heights: Vec<f64>,
    ticks: Vec<(f64, String)>,
}

/// One line a combination; `lines` holds settings and the mean of the metric.
pub(super) fn parallel_coordinates(
    title: &str,
    varied: &[String],
    metric: &str,
    lines: &[(&Settings, f64)],
    less_is_better: bool,
) -> Plot {
    let metrics: Vec<f64> = lines.iter().map(|line| line.1).collect();
    let mut axes: Vec<Axis> = varied.iter().map(|name| setting_axis(name, lines)).collect();
    axes.push(number_axis(metric, &metrics, false));
    let last = axes.len() - 1;
    let mut traces: Vec<Box<dyn Trace>> = Vec::new();
    let mut push = |trace: serde_json::Value| traces.push(Box::new(chart::RawTrace(trace)));
    // The best lines are drawn last, on top.
    let mut order: Vec<usize> = (0..lines.len()).collect();
    let sign = if less_is_better { -1.0 } else { 1.0 };
    order.sort_by(|&a, &b| (sign * metrics[a]).total_cmp(&(sign * metrics[b])));
    for i in order {
        let (settings, value) = lines[i];
        let height = axes[last].heights[i];
        push(json!({
            "type": "scatter", "mode": "lines",
            "x": (0..=last).collect::<Vec<_>>(),
            "y": axes.iter().map(|axis| axis.heights[i]).collect::<Vec<_>>(),
            "line": {"color": color(height), "width": 1.5 + 1.5 * if sign > 0.0 { height } else { 1.0 - height }},
            "opacity": 0.85,
            "name": "", "hoverinfo": "text",
            "hovertext": chart::plain(&format!("{settings}\n{metric} {}", readable_number(value))),
        }));
    }
    let mut words = Vec::new();
    for (at, axis) in axes.iter().enumerate() {
        push(json!({
            "type": "scatter", "mode": "lines", "x": [at, at], "y": [0, 1],
            "line": {"color": chart::INK, "width": 1}, "hoverinfo": "skip",
        }));
        words.push(
            word(&axis.name, at as f64, 1.05)
                .x_anchor(Anchor::Center)
                .y_anchor(Anchor::Bottom),
        );
        for (height, text) in &axis.ticks {
            let side = if at == last {
                (Anchor::Left, 6.0)
            } else {
                (Anchor::Right, -6.0)
            };
            let text = word(text, at as f64, *height).x_anchor(side.0).x_shift(side.1);
            // Lines run behind the words of inner axes.
            words.push(text.background_color("rgba(255,255,255,0.85)").border_pad(1.0));
        }
    }
    let hidden = |axis: plotly::layout::Axis| axis.visible(false).fixed_range(true);
    let x = hidden(chart::axis("")).range(vec![-0.35, last as f64 + 0.35]);
    let y = hidden(chart::axis("")).range(vec![-0.06, 1.16]);
    let layout = chart::layout(title, "", "")
        .x_axis(x)
        .y_axis(y)
        .show_legend(false)
        .annotations(words);
    chart::plot(layout, if lines.is_empty() { Vec::new() } else { traces })
}

fn word(text: &str, x: f64, y: f64) -> Annotation {
    Annotation::new()
        .text(chart::plain(text))
        .x(x)
        .y(y)
        .show_arrow(false)
}

fn setting_axis(name: &str, lines: &[(&Settings, f64)]) -> Axis {
    let values: Vec<_> = lines
        .iter()
        .filter_map(|(settings, _)| settings.get(name))
        .collect();
    let numbers: Vec<f64> = values.iter().filter_map(|value| value.number().ok()).collect();
    if numbers.len() == lines.len() {
        let (low, high) = range(&numbers);
        // A range over two powers of ten and more was chosen for its logarithm.
        return number_axis(name, &numbers, low > 0.0 && high / low >= 100.0);
    }
    let mut levels: Vec<String> = Vec::new();
    let place: Vec<usize> = values
        .iter()
        .map(|value| {
            let text = value.to_string();
            levels.iter().position(|level| *level == text).unwrap_or_else(|| {
                levels.push(text);
                levels.len() - 1
            })
        })
        .collect();
    let height = |i: usize| {
        if levels.len() < 2 {
            0.5
        } else {
            i as f64 / (levels.len() - 1) as f64
        }
    };
    Axis {
        name: name.to_owned(),
        heights: place.into_iter().map(height).collect(),
        ticks: levels
            .iter()
            .enumerate()
            .map(|(i, level)| (height(i), level.clone()))
            .collect(),
    }
}

fn number_axis(name: &str, values: &[f64], logarithmic: bool) -> Axis {
    let scale = |x: f64| if logarithmic { x.log10() } else { x };
    let (low, high) = range(values);
    let span = scale(high) - scale(low);
    let height = |x: f64| {
        if span > 0.0 {
            (scale(x) - scale(low)) / span
        } else {
            0.5
        }
    };
    let mut different: Vec<f64> = values.to_vec();
    different.sort_by(f64::total_cmp);
    different.dedup();
    // Few values are all written; of many, five even places.
    let ticks = match different.len() {
        0..=6 => different,
        _ => (0..5)
            .map(|i| scale(low) + span * f64::from(i) / 4.0)
            .map(|x| if logarithmic { 10_f64.powf(x) } else { x })
            .collect(),
    };
    let mut written: Vec<(f64, String)> = Vec::new();
    for tick in ticks {
        // Labels closer than this would lie on each other.
        if written
            .last()
            .is_none_or(|(before, _)| height(tick) - before > 0.05)
        {
            written.push((height(tick), readable_number(tick)));
        }
    }
    Axis {
        name: name.to_owned(),
        heights: values.iter().map(|&x| height(x)).collect(),
        ticks: written,
    }
}

fn range(values: &[f64]) -> (f64, f64) {
    let low = values.iter().copied().fold(f64::INFINITY, f64::min);
    (low, values.iter().copied().fold(f64::NEG_INFINITY, f64::max))
}

/// The colour at a height of 0 to 1.
fn color(height: f64) -> String {
    let at = height.clamp(0.0, 1.0) * (CIVIDIS.len() - 1) as f64;
    let (from, to) = (at.floor() as usize, at.ceil() as usize);
    let mix = |c: usize| CIVIDIS[from][c] + (CIVIDIS[to][c] - CIVIDIS[from][c]) * at.fract();
    format!("rgb({:.0},{:.0},{:.0})", mix(0), mix(1), mix(2))
}
