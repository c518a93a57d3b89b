//! Small charts side by side, all with the same axes.

use plotly::common::Anchor;
use plotly::layout::Axis;
use plotly::{Layout, Plot, Trace};
use serde_json::json;

use super::{Curve, HEIGHT, RawTrace, axis, color, finite, framed, label, plain, plot, words_at};

/// Panels in a row and rows at most: plotly's crate knows eight axes each way.
const ACROSS: usize = 5;
const DOWN: usize = 8;
/// Pixels of a row, with the name above it.
const ROW: usize = 150;

/// A small chart for each group of curves, five in a row, with the same axes: what differs is the shape. Curves of the same
/// place in their groups have the same colour, and the first group names them. The first 40 groups are drawn, and the
/// title says so where there are more.
pub fn panels<N: AsRef<str>>(titles: [&str; 3], groups: &[(N, Vec<Curve>)]) -> Plot {
    let [title, x, y] = titles;
    let drawn = &groups[..groups.len().min(ACROSS * DOWN)];
    let title = match groups.len() > drawn.len() {
        true => format!("{title} (the first {} of {})", drawn.len(), groups.len()),
        false => title.to_owned(),
    };
    let columns = drawn.len().clamp(1, ACROSS);
    let rows = drawn.len().div_ceil(columns).max(1);
    let mut traces: Vec<Box<dyn Trace>> = Vec::new();
    let mut names = Vec::new();
    for (place, (name, curves)) in drawn.iter().enumerate() {
        let (column, row) = (place % columns, place / columns);
        for (index, curve) in curves.iter().enumerate() {
            traces.push(Box::new(RawTrace(json!({
                "type": "scatter", "mode": "lines", "name": label(&curve.name), "x": finite(&curve.x),
                "y": finite(&curve.y), "xaxis": format!("x{}", axis_number(column)), "yaxis": format!("y{}", axis_number(row)),
                "line": {"color": color(index), "width": 2}, "legendgroup": format!("{index}"),
                "showlegend": place == 0 && curves.len() > 1,
                "hovertemplate": format!(
                    "{}, {}<br>%{{x:.3g}}: %{{y:.4g}}<extra></extra>", plain(name.as_ref()), plain(&curve.name)
                ),
            }))));
        }
        let [left, right] = across(column, columns);
        names.push(
            words_at(name.as_ref())
                .x((left + right) / 2.0)
                .y(down(row, rows)[1])
                .x_anchor(Anchor::Center)
                .y_anchor(Anchor::Bottom),
        );
    }
    let reach = |of: fn(&Curve) -> &Vec<f64>| {
        let all = drawn.iter().flat_map(|group| &group.1).flat_map(of);
        let all: Vec<f64> = all.copied().filter(|x| x.is_finite()).collect();
        let low = all.iter().copied().fold(f64::INFINITY, f64::min);
        let high = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        (low <= high).then_some((low, high))
    };
    let ranged = |axis: Axis, reach: Option<(f64, f64)>, room: f64| match reach {
        Some((low, high)) => {
            let room = if high > low { room * (high - low) } else { 0.5 };
            axis.range(vec![low - room, high + room])
        }
        None => axis,
    };
    let mut layout = framed(&title, axis(x), axis(y)).height(HEIGHT.max(90 + ROW * rows));
    for column in 0..columns {
        // The words stand once, below the middle.
        let words = if column == columns / 2 { x } else { "" };
        let own = ranged(axis(words), reach(|curve| &curve.x), 0.0).domain(&across(column, columns));
        // Below the last panel of the column.
        let last = drawn.len().saturating_sub(1 + column) / columns;
        layout = with_x(
            layout,
            column,
            own.anchor(format!("y{}", axis_number(last)).as_str()),
        );
    }
    for row in 0..rows {
        let words = if row == rows / 2 { y } else { "" };
        let own = ranged(axis(words), reach(|curve| &curve.y), 0.05);
        layout = with_y(layout, row, own.domain(&down(row, rows)));
    }
    if traces.is_empty() {
        return plot(layout, traces);
    }
    plot(layout.annotations(names), traces)
}

/// What plotly puts behind the letter of an axis.
pub(crate) fn axis_number(place: usize) -> String {
    match place {
        0 => String::new(),
        _ => (place + 1).to_string(),
    }
}

/// From where to where a column goes, with a gap on either side.
fn across(place: usize, of: usize) -> [f64; 2] {
    let width = 1.0 / of as f64;
    [place as f64 * width + 0.015, (place + 1) as f64 * width - 0.015]
}

/// From where to where a row goes, counted from above; a fifth of it is for the names.
fn down(place: usize, of: usize) -> [f64; 2] {
    let height = 1.0 / of as f64;
    [
        1.0 - (place as f64 + 0.98) * height,
        1.0 - (place as f64 + 0.2) * height,
    ]
}

/// The layout with this axis for the panels of a column; plotly's crate has places for five and more.
pub(crate) fn with_x(layout: Layout, place: usize, axis: Axis) -> Layout {
    match place {
        0 => layout.x_axis(axis),
        1 => layout.x_axis2(axis),
        2 => layout.x_axis3(axis),
        3 => layout.x_axis4(axis),
        _ => layout.x_axis5(axis),
    }
}

/// As [`with_x`], for the panels of a row.
pub(crate) fn with_y(layout: Layout, place: usize, axis: Axis) -> Layout {
    match place {
        0 => layout.y_axis(axis),
        1 => layout.y_axis2(axis),
        2 => layout.y_axis3(axis),
        3 => layout.y_axis4(axis),
        4 => layout.y_axis5(axis),
        5 => layout.y_axis6(axis),
        6 => layout.y_axis7(axis),
        _ => layout.y_axis8(axis),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn group(name: &str, y: f64) -> (String, Vec<Curve>) {
        let curve = |name: &str, y: f64| Curve {
            name: name.into(),
            x: vec![0.0, 1.0],
            y: vec![0.0, y],
            band: None,
        };
        (name.into(), vec![curve("value", y), curve("slope", f64::NAN)])
    }

    #[test]
    fn panels_share_their_axes_and_say_their_names() {
        let groups: Vec<_> = (0..7).map(|i| group(&format!("<{i}>"), f64::from(i))).collect();
        let figure: Value = serde_json::from_str(&panels(["t", "x", "y"], &groups).to_json()).expect("JSON");
        let traces = figure["data"].as_array().expect("traces");
        assert_eq!(traces.len(), 14);
        assert_eq!(
            (&traces[13]["xaxis"], &traces[13]["yaxis"]),
            (&json!("x2"), &json!("y2"))
        );
        assert_eq!(
            traces.iter().filter(|trace| trace["showlegend"] == true).count(),
            2
        );
        let layout = &figure["layout"];
        assert_eq!(layout["yaxis"]["range"], layout["yaxis2"]["range"]);
        assert_eq!(layout["annotations"][6]["text"], json!("&lt;6&gt;"));
        assert!(layout["xaxis6"].is_null() && layout["yaxis3"].is_null());
        // Rows do not run into one another, and stay inside.
        let domain = |axis: &str, end: usize| layout[axis]["domain"][end].as_f64().expect("a number");
        assert!(domain("yaxis", 0) > domain("yaxis2", 1) && domain("yaxis2", 0) >= 0.0);
        assert!(domain("xaxis", 1) < domain("xaxis2", 0));
    }

    #[test]
    fn none_and_too_many_are_said() {
        let none: [(&str, Vec<Curve>); 0] = [];
        assert!(panels(["t", "", ""], &none).to_json().contains("no data"));
        let many: Vec<_> = (0..60).map(|i| group("n", f64::from(i))).collect();
        let plot = panels(["t", "", ""], &many).to_json();
        assert!(plot.contains("the first 40 of 60"), "{plot}");
    }
}
