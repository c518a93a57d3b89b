//! Tables of numbers as colours.

use plotly::common::Anchor;
use plotly::{Plot, Trace};
use serde_json::json;

use super::axes::ticks_across;
use super::{HEIGHT, LABEL, RawTrace, axis, finite, framed, plain, plot, ticks, words_at};
use crate::show::even_numbers;

/// Letters that stand side by side in a row of cells, with room between cells.
const ROOM: usize = 62;

/// A table of values as colours, each cell with its number. `values[row][column]`; the first row is on
/// top; NaN is a gap. With values on both sides of zero the colours part at zero.
pub fn heatmap<C: AsRef<str>, R: AsRef<str>>(
    titles: [&str; 3],
    columns: &[C],
    rows: &[R],
    values: &[Vec<f64>],
) -> Plot {
    let mut texts = even_numbers(values.iter().flatten().copied()).into_iter();
    let texts = values
        .iter()
        .map(|row| texts.by_ref().take(row.len()).collect())
        .collect();
    let all = || values.iter().flatten().copied().filter(|v| v.is_finite());
    let low = all().fold(f64::INFINITY, f64::min);
    let high = all().fold(f64::NEG_INFINITY, f64::max);
    let scale = match low < 0.0 && high > 0.0 {
        true => {
            let size = high.max(-low);
            Scale::new(&DIVERGING, -size, size)
        }
        false => Scale::new(&SEQUENTIAL, low, high),
    };
    let traces = match low.is_finite() {
        true => cells(columns, rows, values, texts, &scale),
        false => Vec::new(),
    };
    grid_plot(titles, columns, rows, traces)
}

/// True classes down, predicted classes across: `counts` holds k × k numbers row by row. The colour is
/// the share of the true class, the text the count. The title says so where there are more or fewer of them.
pub fn confusion<N: AsRef<str>>(title: &str, names: &[N], counts: &[u64]) -> Plot {
    let k = names.len();
    let title = match counts.len() {
        found if found == k * k => title.to_owned(),
        found => format!("{title} ({} counts expected, {found} found)", k * k),
    };
    let rows: Vec<&[u64]> = counts.chunks(k.max(1)).take(k).collect();
    // A cell of none is a gap: what was never confused is bare, on a light page and on a dark one.
    let share = |row: &&[u64]| -> Vec<f64> {
        let total = row.iter().sum::<u64>() as f64;
        let part = |n: &u64| if *n == 0 { f64::NAN } else { *n as f64 / total };
        row.iter().map(part).collect()
    };
    let text = |row: &&[u64]| -> Vec<String> { row.iter().map(|n| nonzero(*n)).collect() };
    let shares: Vec<Vec<f64>> = rows.iter().map(share).collect();
    let scale = Scale::new(&SHARES, 0.0, 1.0);
    let mut traces = cells(names, names, &shares, rows.iter().map(text).collect(), &scale);
    match traces.first_mut() {
        Some(RawTrace(colours)) if !rows.is_empty() => {
            colours["colorbar"]["title"] = json!({"text": "share of true class", "side": "right"});
            colours["colorbar"]["tickformat"] = json!(".0%");
            colours["hovertemplate"] = json!(
                "true %{customdata[1]}<br>predicted %{customdata[0]}<br>%{text} (%{z:.1%})<extra></extra>"
            );
        }
        _ => traces.clear(),
    }
    grid_plot([&title, "predicted", "true"], names, names, traces)
}

fn nonzero(count: u64) -> String {
    match count {
        0 => String::new(),
        n => n.to_string(),
    }
}

/// A heatmap over places 0, 1, 2..: names are tick texts, so that equal names stay apart and a name like
/// "0.1" is not taken for a number. The numbers are a trace of their own, each in the ink that reads on its
/// cell: a heatmap's text has one colour or plotly's choice, which is dark grey on the middle colours.
fn cells<C: AsRef<str>, R: AsRef<str>>(
    columns: &[C],
    rows: &[R],
    values: &[Vec<f64>],
    texts: Vec<Vec<String>>,
    scale: &Scale,
) -> Vec<RawTrace> {
    let names = |row: &R| -> Vec<[String; 2]> {
        columns
            .iter()
            .map(|c| [plain(c.as_ref()), plain(row.as_ref())])
            .collect()
    };
    let names: Vec<_> = rows.iter().map(names).collect();
    let mut written = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut all = Vec::new();
    for (y, (row, words)) in values.iter().zip(&texts).enumerate() {
        for (x, (value, text)) in row.iter().zip(words).enumerate() {
            if value.is_finite() {
                written.0.push(x);
                written.1.push(y);
                written.2.push(text.clone());
                all.push(*value);
                written.3.push(scale.ink(*value));
            }
        }
    }
    let values: Vec<_> = values.iter().map(|row| finite(row)).collect();
    let colours = json!({
        "type": "heatmap", "z": values, "text": texts, "customdata": names,
        "colorscale": scale.colours(), "zmin": scale.low, "zmax": scale.high,
        "xgap": 1, "ygap": 1, "hoverongaps": false,
        "colorbar": {"thickness": 12, "outlinewidth": 0, "len": 0.9},
        "hovertemplate": "%{customdata[0]}<br>%{customdata[1]}<br>%{text}<extra></extra>",
    });
    let mut traces = vec![RawTrace(colours)];
    let (x, y, text, ink) = written;
    let text = match rows.len() <= 25 {
        true => fitting(text, &all, ROOM / columns.len().max(1)),
        false => None,
    };
    if let Some(text) = text {
        traces.push(RawTrace(json!({
            "type": "scatter", "mode": "text", "x": x, "y": y, "text": text,
            "textfont": {"size": 13, "color": ink}, "hoverinfo": "skip", "showlegend": false,
        })));
    }
    traces
}

/// The texts of these values if each has at most so many letters, else with fewer decimals; none where that would leave the
/// largest value less than two digits.
fn fitting(texts: Vec<String>, values: &[f64], letters: usize) -> Option<Vec<String>> {
    let fits = |texts: &[String]| texts.iter().all(|text| text.chars().count() <= letters);
    if fits(&texts) {
        return Some(texts);
    }
    let largest = values.iter().fold(0.0f64, |most, value| most.max(value.abs()));
    let least = if largest < 10.0 { 1 } else { 0 };
    let shorter = (least..letters).rev().map(|decimals| {
        values
            .iter()
            .map(|value| format!("{value:.decimals$}"))
            .collect::<Vec<String>>()
    });
    let told = |texts: &Vec<String>| {
        let digits = |text: &String| {
            text.trim_start_matches(['-', '0', '.'])
                .chars()
                .filter(char::is_ascii_digit)
                .count()
        };
        texts.iter().map(digits).max() >= Some(2)
    };
    shorter.into_iter().find(|texts| fits(texts)).filter(told)
}

fn grid_plot<C: AsRef<str>, R: AsRef<str>>(
    [title, x, y]: [&str; 3],
    columns: &[C],
    rows: &[R],
    traces: Vec<RawTrace>,
) -> Plot {
    let traces: Vec<Box<dyn Trace>> = traces.into_iter().map(|t| Box::new(t) as _).collect();
    let (across, down) = (ticks_across(axis(x), columns), ticks(axis(""), rows, LABEL));
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
    let x = match columns.is_empty() {
        true => x,
        false => x.range(vec![-0.5, columns.len() as f64 - 0.5]),
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

/// Light for little, dark for much, with even steps of lightness.
const SEQUENTIAL: [[u8; 3]; 5] = [
    [246, 239, 214],
    [186, 220, 190],
    [100, 180, 184],
    [44, 124, 166],
    [24, 62, 116],
];

/// The same for shares of a class, from a tint that can be told from the page.
const SHARES: [[u8; 3]; 3] = [[222, 234, 246], [98, 158, 210], [8, 69, 126]];

/// Blue below zero, white at zero, red above: told apart with any colour vision.
const DIVERGING: [[u8; 3]; 5] = [
    [33, 102, 172],
    [146, 197, 222],
    [247, 247, 247],
    [244, 165, 130],
    [178, 24, 43],
];

/// Colours at equal steps from the lowest value to the highest.
struct Scale {
    stops: &'static [[u8; 3]],
    low: f64,
    high: f64,
}

impl Scale {
    fn new(stops: &'static [[u8; 3]], low: f64, high: f64) -> Self {
        // One value only is much, not little.
        let low = if high > low { low } else { high - 1.0 };
        Self { stops, low, high }
    }

    fn colours(&self) -> Vec<(f64, String)> {
        let last = (self.stops.len() - 1) as f64;
        let stop = |(i, [r, g, b]): (usize, &[u8; 3])| (i as f64 / last, format!("rgb({r},{g},{b})"));
        self.stops.iter().enumerate().map(stop).collect()
    }

    /// Red, green and blue of a value, 0 to 255.
    fn colour(&self, value: f64) -> [f64; 3] {
        let steps = self.stops.len() - 1;
        let place = ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0) * steps as f64;
        let below = (place.floor() as usize).min(steps - 1);
        let part = place - below as f64;
        let (from, to) = (self.stops[below], self.stops[below + 1]);
        std::array::from_fn(|i| f64::from(from[i]) * (1.0 - part) + f64::from(to[i]) * part)
    }

    /// Near black or white, whichever has the greater contrast to a value's colour (WCAG 2).
    fn ink(&self, value: f64) -> &'static str {
        let [white, black] = [1.0, luminance([28.0, 30.0, 34.0])];
        let behind = luminance(self.colour(value));
        match (white + 0.05) / (behind + 0.05) > (behind + 0.05) / (black + 0.05) {
            true => "#ffffff",
            false => "#1c1e22",
        }
    }
}

/// Relative luminance of an sRGB colour, 0 to 1.
fn luminance(colour: [f64; 3]) -> f64 {
    let linear = colour.map(|channel| match channel / 255.0 {
        c if c <= 0.040_45 => c / 12.92,
        c => ((c + 0.055) / 1.055).powf(2.4),
    });
    0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_number_reads_on_its_cell() {
        for stops in [&SEQUENTIAL[..], &SHARES, &DIVERGING] {
            let scale = Scale::new(stops, 0.0, 1.0);
            for step in 0..=100 {
                let value = f64::from(step) / 100.0;
                let behind = luminance(scale.colour(value)) + 0.05;
                let ink = match scale.ink(value) {
                    "#ffffff" => 1.05,
                    _ => luminance([28.0, 30.0, 34.0]) + 0.05,
                };
                let contrast = f64::max(ink / behind, behind / ink);
                assert!(contrast >= 4.0, "{stops:?} at {value}: {contrast:.2}");
            }
        }
    }

    #[test]
    fn numbers_stand_on_their_cells_and_gaps_are_bare() {
        let plot = heatmap(
            ["t", "x", "y"],
            &["a", "b"],
            &["c", "d"],
            &[vec![0.5, 1.0], vec![f64::NAN, 0.25]],
        );
        let figure: Value = serde_json::from_str(&plot.to_json()).unwrap();
        let text = &figure["data"][1];
        assert_eq!(text["text"], json!(["0.50", "1.00", "0.25"]));
        assert_eq!((&text["x"], &text["y"]), (&json!([0, 1, 1]), &json!([0, 0, 1])));
        assert_eq!(
            text["textfont"]["color"],
            json!(["#1c1e22", "#ffffff", "#1c1e22"])
        );
        let same = heatmap(["", "", ""], &["a"], &["b"], &[vec![3.0]]);
        let figure: Value = serde_json::from_str(&same.to_json()).unwrap();
        assert_eq!(figure["data"][0]["zmax"], json!(3.0));

        // In many columns fewer digits, and none where they would say nothing.
        let wide = |values: Vec<f64>| {
            let names: Vec<String> = (0..values.len()).map(|i| i.to_string()).collect();
            let figure = serde_json::to_value(heatmap(["", "", ""], &names, &["b"], &[values])).unwrap();
            figure["data"][1]["text"].clone()
        };
        let shares = wide((0..11).map(|i| 0.015_62 * f64::from(i)).collect());
        assert_eq!((&shares[1], &shares[10]), (&json!("0.016"), &json!("0.156")));
        let logarithms = wide((0..11).map(|i| -0.333_33 * f64::from(i + 1)).collect());
        assert_eq!(
            (&logarithms[0], &logarithms[10]),
            (&json!("-0.33"), &json!("-3.67"))
        );
        assert_eq!(
            wide((0..11).map(|i| 1e-7 * f64::from(i + 1)).collect()),
            Value::Null
        );
        assert_eq!(wide((0..30).map(|i| f64::from(i) / 64.0).collect()), Value::Null);

        let plot = confusion("", &["a", "b"], &[4, 0, 1, 3]);
        let figure: Value = serde_json::from_str(&plot.to_json()).unwrap();
        assert_eq!(figure["data"][0]["z"][0], json!([1.0, null]));
        assert_eq!(figure["data"][1]["text"], json!(["4", "1", "3"]));
    }
}
