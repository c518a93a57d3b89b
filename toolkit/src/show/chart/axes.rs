//! The axes of our charts: titles, names at places, and numbers that lie far apart.

use plotly::Layout;
use plotly::common::{AxisSide, Font, Title};
use plotly::layout::{Axis, AxisType, CategoryOrder};

use super::{Curve, GRID, legend, plain};
use crate::show::readable_number;
use crate::show::table::shorten;

/// Letters of a name below a chart, where names stand side by side.
pub(super) const ACROSS: usize = 18;
/// Lines of such a name.
const LINES: usize = 3;
/// Positions that are so many times as far apart are on a logarithmic axis.
const FAR: f64 = 100.0;

/// An axis in our look, to be changed and put into [`layout`](super::layout) with `.x_axis(..)` or `.y_axis(..)`.
pub fn axis(title: &str) -> Axis {
    let axis = Axis::new()
        .grid_color(GRID)
        .zero_line_color(GRID)
        .line_color(GRID)
        .tick_color(GRID)
        .auto_margin(true);
    match title {
        "" => axis,
        words => axis.title(Title::with_text(plain(words)).font(Font::new().size(13))),
    }
}

/// A layout with another axis at the right, and the legend beyond its numbers.
pub(crate) fn with_right_axis(layout: Layout, right: Axis) -> Layout {
    let right = right.overlaying("y").side(AxisSide::Right).show_grid(false);
    layout.y_axis2(right).legend(legend().x(1.16))
}

/// Names at places 0, 1, 2..; every name where there is room for it.
pub(crate) fn ticks<N: AsRef<str>>(axis: Axis, names: &[N], letters: usize) -> Axis {
    ticks_of(axis, names, |name| shorten(name, letters))
}

/// The same below a chart: the parts of a name, between commas, stand one below another.
pub(super) fn ticks_across<N: AsRef<str>>(axis: Axis, names: &[N]) -> Axis {
    ticks_of(axis, names, |name| match name.split(", ") {
        parts if parts.clone().count() > LINES => shorten(name, ACROSS),
        parts => parts
            .map(|part| shorten(part, ACROSS))
            .collect::<Vec<_>>()
            .join("\n"),
    })
}

fn ticks_of<N: AsRef<str>>(axis: Axis, names: &[N], words: impl Fn(&str) -> String) -> Axis {
    let every = names.len().div_ceil(40).max(1);
    let (places, texts): (Vec<f64>, Vec<String>) = (0..names.len())
        .step_by(every)
        .map(|i| (i as f64, plain(&words(names[i].as_ref()))))
        .unzip();
    axis.tick_values(places).tick_text(texts)
}

/// A logarithmic axis for these numbers. Over one to three powers of ten its ticks are 1, 2 and 5 times each, in full:
/// plotly's own are single digits between the powers.
pub(crate) fn logarithmic(axis: Axis, numbers: impl IntoIterator<Item = f64>) -> Axis {
    let axis = axis.type_(AxisType::Log);
    let positive = numbers.into_iter().filter(|x| *x > 0.0 && x.is_finite());
    let (low, high) = positive.fold((f64::INFINITY, 0.0f64), |(low, high), x| {
        (low.min(x), high.max(x))
    });
    let powers = (high / low).log10();
    if !(1.0..=3.0).contains(&powers) {
        return axis;
    }
    let first = low.log10().floor() as i32;
    let all = (first..=first + 5).flat_map(|power| [1.0, 2.0, 5.0].map(|x| x * 10f64.powi(power)));
    let within: Vec<f64> = all.filter(|x| *x >= 0.7 * low && *x <= 1.4 * high).collect();
    let texts = within.iter().map(|x| readable_number(*x)).collect();
    axis.tick_values(within).tick_text(texts)
}

/// The axis across for curves over the values of a setting: logarithmic where they are above 0 and span a factor of 100 or
/// more, such as rates; with a 0 among such values each value has a place of its own, as far from the next as from the
/// one before.
pub(crate) fn over_settings(title: &str, curves: &[Curve]) -> Axis {
    let all = || curves.iter().flat_map(|curve| curve.x.iter().copied());
    let above = || all().filter(|x| *x > 0.0);
    let (low, high) = (above().fold(f64::INFINITY, f64::min), above().fold(0.0, f64::max));
    let far = high.is_finite() && high >= FAR * low;
    if !far || all().any(|x| x < 0.0) {
        return axis(title);
    }
    if all().all(|x| x != 0.0) {
        return logarithmic(axis(title), all());
    }
    let mut values: Vec<f64> = all().collect();
    values.sort_by(f64::total_cmp);
    values.dedup();
    axis(title)
        .type_(AxisType::Category)
        .category_order(CategoryOrder::Array)
        .category_array(values)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn over(x: &[f64]) -> Value {
        let curve = Curve {
            x: x.to_vec(),
            ..Curve::default()
        };
        serde_json::to_value(over_settings("rate", &[curve])).unwrap()
    }

    #[test]
    fn numbers_far_apart_have_powers_of_ten_and_a_zero_a_place() {
        let rates = over(&[0.001, 0.01, 0.1]);
        assert_eq!(rates["type"], json!("log"));
        assert_eq!(
            rates["ticktext"],
            json!(["0.001", "0.002", "0.005", "0.01", "0.02", "0.05", "0.1"])
        );
        assert_eq!(over(&[1e-6, 1.0])["tickvals"], Value::Null);
        assert_eq!(over(&[0.01, 0.1, 0.5])["type"], Value::Null);
        let weights = over(&[0.0, 100.0, 0.01]);
        assert_eq!(weights["type"], json!("category"));
        assert_eq!(weights["categoryarray"], json!([0.0, 0.01, 100.0]));
        assert_eq!(over(&[-1.0, 0.0, 0.01, 100.0])["type"], Value::Null);
        assert_eq!(over(&[0.0, 0.5, 1.0])["type"], Value::Null);
    }

    #[test]
    fn parts_of_a_name_stand_below_one_another() {
        let names = [
            "wrong labels, before",
            "a, b, c, d",
            "a name of one part that is long",
        ];
        let axis = serde_json::to_value(ticks_across(axis(""), &names)).unwrap();
        let expected = [
            "wrong labels<br>before",
            "a, b, c, d",
            "a name of one par\u{2026}",
        ];
        assert_eq!(axis["ticktext"], json!(expected));
    }
}
