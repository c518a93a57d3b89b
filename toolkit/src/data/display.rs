//! How datasets and splits show themselves: a few images, the classes, the ranges of the features.

use std::collections::{HashMap, HashSet};

use super::content::Content;
use super::sounds::{SIZE, picture};
use super::{Dataset, Shape, Split, Standardizer};
use crate::show::{Align, Bundle, ImageGrid, Show, Table, chart, escape_html, readable_number};
use plotly::{Plot, Trace};
use serde_json::json;

/// Images a class, classes, and features that are shown.
const PER_CLASS: usize = 10;
const CLASSES: usize = 20;
const FEATURES: usize = 12;
/// Stretches of a histogram.
const BINS: usize = 16;
/// Points of a chart.
const POINTS: usize = 5000;

impl Show for Dataset {
    /// Images and sounds, which are drawn: a row of them for each class and a table of the classes. Texts: the first of
    /// each class. Other data: the table of the
    /// classes, or of the values to predict with their histograms, and one of the features.
    fn bundle(&self) -> Bundle {
        let mut parts = Vec::new();
        if let Some(grid) = self.grid() {
            parts.push(grid.bundle());
        }
        if self.labels().is_some() {
            parts.push(self.class_table().bundle());
        }
        if let Some(values) = self.values().filter(|values| !values.is_empty()) {
            parts.push(self.value_table(values).bundle());
        }
        if self.vocabulary().is_some() {
            parts.push(self.text_table().bundle());
        } else if let (Shape::Flat(_), None, false) = (self.shape(), self.rate(), self.is_empty()) {
            parts.push(self.feature_table().bundle());
        }
        join(&self.heading(), self.notes(), &self.origin(), &parts)
    }
}

impl Show for Shape {
    fn bundle(&self) -> Bundle {
        Bundle::text(self.to_string())
    }
}

impl Show for Standardizer {
    /// What it takes from each feature and divides it by, for the first of them.
    fn bundle(&self) -> Bundle {
        let mut table = Table::new(["feature", "mean", "standard deviation"]);
        for (i, (mean, deviation)) in self
            .mean()
            .iter()
            .zip(self.deviation())
            .enumerate()
            .take(FEATURES)
        {
            table = table.row([i.to_string(), readable_number(*mean), readable_number(*deviation)]);
        }
        match self.mean().len().saturating_sub(FEATURES) {
            0 => table.bundle(),
            more => table.note(format!("and {more} more features")).bundle(),
        }
    }
}

impl Show for Split {
    /// How many examples of each class are in which part.
    fn bundle(&self) -> Bundle {
        let named = [
            ("train", Some(&self.train)),
            ("validation", self.validation.as_ref()),
            ("test", Some(&self.test)),
        ];
        let named: Vec<(&str, &Dataset)> = named
            .into_iter()
            .filter_map(|(name, part)| Some((name, part?)))
            .collect();
        let train = &self.train;
        let head = std::iter::once("class").chain(named.iter().map(|part| part.0));
        let mut table = Table::new(head).align(0, Align::Left);
        // By name: parts from several files may count their classes in other orders.
        let mut names: Vec<String> = Vec::new();
        let mut notes: Vec<String> = Vec::new();
        let mut known = HashSet::new();
        for (_, part) in &named {
            names.extend(
                part.class_names()
                    .iter()
                    .filter(|name| known.insert(*name))
                    .cloned(),
            );
            let new: Vec<String> = part
                .notes()
                .iter()
                .filter(|note| !notes.contains(note))
                .cloned()
                .collect();
            notes.extend(new);
        }
        let counted: Vec<HashMap<&String, usize>> = named
            .iter()
            .map(|(_, part)| part.class_names().iter().zip(part.class_counts()).collect())
            .collect();
        for name in names.iter().take(CLASSES) {
            let counts = counted
                .iter()
                .map(|part| part.get(name).copied().unwrap_or(0).to_string());
            table = table.row(std::iter::once(name.clone()).chain(counts));
        }
        let sizes = named.iter().map(|(_, part)| part.len().to_string());
        table = table.row(std::iter::once("all".to_owned()).chain(sizes));
        if let Some(note) = rest(names.len(), CLASSES, "classes") {
            table = table.note(note);
        }
        let validation = match &self.validation {
            Some(part) => format!("{} to choose by, ", part.len()),
            None => String::new(),
        };
        let heading = format!(
            "Split: {} examples to train on, {validation}{} to test on, {}",
            train.len(),
            self.test.len(),
            train.shape()
        );
        join(&heading, &notes, &train.origin(), &[table.bundle()])
    }
}

impl Dataset {
    /// The examples as points over their first two features, a colour for each class, or by the first value to predict.
    /// Data with one feature show the first value over it, if they have values, else nothing. Of many, every so many.
    pub fn chart(&self) -> Plot {
        let name = |j: usize| match self.feature_names().get(j) {
            Some(name) => name.clone(),
            None => format!("feature {j}"),
        };
        if let Some(values) = self.values() {
            return self.value_chart(values, &name);
        }
        let layout = chart::layout(self.name(), &name(0), &name(1));
        if self.width() < 2 {
            return chart::plot(layout, Vec::new());
        }
        let every = self.len().div_ceil(POINTS).max(1);
        let classes = match self.labels() {
            Some(_) => self.classes().min(CLASSES),
            None => 1,
        };
        let cloud = |class: usize| {
            let of_class = |row: &usize| self.label(*row).is_none_or(|label| label as usize == class);
            let rows: Vec<usize> = (0..self.len()).step_by(every).filter(of_class).collect();
            let [x, y] = [0, 1].map(|j| rows.iter().map(|&row| self.row(row)[j]).collect::<Vec<f32>>());
            let words = match self.labels() {
                Some(_) => chart::plain(&self.class_name(class)),
                None => String::new(),
            };
            Box::new(chart::RawTrace(json!({
                "type": "scatter", "mode": "markers", "name": words, "x": x, "y": y,
                "marker": {"size": 6, "color": chart::color(class), "symbol": chart::sign(class), "opacity": 0.8},
            }))) as Box<dyn Trace>
        };
        chart::plot(layout, (0..classes).map(cloud).collect())
    }

    fn value_chart(&self, values: &[f32], name: &dyn Fn(usize) -> String) -> Plot {
        let every = self.len().div_ceil(POINTS).max(1);
        let rows = || (0..self.len()).step_by(every);
        let feature = |j: usize| -> Vec<f32> { rows().map(|row| self.row(row)[j]).collect() };
        let value: Vec<f32> = rows().map(|row| values[row * self.value_names().len()]).collect();
        let title = &self.value_names()[0];
        let (y_title, y, marker) = match self.width() {
            1 => (
                title.clone(),
                value,
                json!({"size": 6, "color": chart::color(0), "opacity": 0.8}),
            ),
            _ => {
                let bar = json!({"title": {"text": chart::plain(title)}});
                let marker = json!({
                    "size": 6, "color": value, "colorscale": "Viridis", "showscale": true, "colorbar": bar,
                });
                (name(1), feature(1), marker)
            }
        };
        let points = chart::RawTrace(json!({
            "type": "scatter", "mode": "markers", "x": feature(0), "y": y, "marker": marker,
        }));
        chart::plot(
            chart::layout(self.name(), &name(0), &y_title),
            vec![Box::new(points)],
        )
    }

    fn heading(&self) -> String {
        match self.range().filter(|_| self.vocabulary().is_none()) {
            Some((low, high)) => {
                let [low, high] = [low, high].map(|x| readable_number(f64::from(x)));
                format!("{self}, values {low} to {high}")
            }
            None => self.to_string(),
        }
    }

    fn origin(&self) -> String {
        match (self.source(), self.licence()) {
            ("", licence) => licence.to_owned(),
            (source, "") => source.to_owned(),
            (source, licence) => format!("{source}. {licence}"),
        }
    }

    /// The first images of each class, in the order of the classes; without labels, the first images.
    fn grid(&self) -> Option<ImageGrid> {
        let size = match (self.content(), self.shape()) {
            (Content::Sound(_), _) => SIZE,
            (
                _,
                Shape::Image {
                    height,
                    width,
                    channels,
                },
            ) => (height, width, channels),
            _ => return None,
        };
        let mut rows = Vec::new();
        if self.labels().is_some() {
            let mut shown = vec![0; self.classes().min(CLASSES)];
            for (row, &label) in self.labels()?.iter().enumerate() {
                if let Some(n) = shown.get_mut(label as usize).filter(|n| **n < PER_CLASS) {
                    *n += 1;
                    rows.push((label, row));
                }
            }
            // Stable: within a class the order of the data stays. Round by round, so that a terminal,
            // which has room for few images, shows every class.
            rows.sort_by_key(|&(label, _)| label);
            let mut turn = vec![0; shown.len()];
            let mut by_turn: Vec<(usize, usize, usize)> = Vec::with_capacity(rows.len());
            for (label, row) in rows.drain(..) {
                by_turn.push((turn[label as usize], label as usize, row));
                turn[label as usize] += 1;
            }
            by_turn.sort_unstable();
            rows.extend(by_turn.into_iter().map(|(_, label, row)| (label as u32, row)));
        } else {
            rows.extend((0..self.len().min(PER_CLASS)).map(|row| (0, row)));
        }
        let (low, high) = self.range()?;
        let sound = matches!(self.content(), Content::Sound(_));
        let (black, white) = if sound { (0.0, 1.0) } else { (low, high) };
        let images: Vec<f32> = rows
            .iter()
            .flat_map(|&(_, row)| match sound {
                true => picture(self.row(row), low.abs().max(high)),
                false => self.row(row).to_vec(),
            })
            .collect();
        let captions = rows.iter().map(|&(label, row)| match self.labels() {
            Some(_) => self.class_name(label as usize),
            None => row.to_string(),
        });
        // Four channels and the like have no grid; values outside 0..1 are stretched.
        let grid = ImageGrid::new(size, &images, captions).ok()?;
        let grid = if black < 0.0 || white > 1.0 {
            grid.range(black, white)
        } else {
            grid
        };
        let columns = self.classes().clamp(1, CLASSES);
        Some(
            grid.columns(if self.labels().is_some() {
                columns
            } else {
                PER_CLASS
            })
            .limit(PER_CLASS * CLASSES),
        )
    }

    /// The first texts of each class; without labels, the first texts.
    fn text_table(&self) -> Table {
        let table = Table::new(["class", "text"])
            .align(0, Align::Left)
            .align(1, Align::Left);
        let rows: Vec<usize> = match self.classes() {
            0 => (0..self.len().min(PER_CLASS)).collect(),
            classes => (0..classes.min(CLASSES))
                .flat_map(|class| self.rows_of(class).into_iter().take(PER_CLASS / 2))
                .collect(),
        };
        rows.into_iter().fold(table, |table, row| {
            let class = self
                .label(row)
                .map_or(String::new(), |label| self.class_name(label as usize));
            table.row([class, self.text(row).unwrap_or_default()])
        })
    }

    fn class_table(&self) -> Table {
        let mut table = Table::new(["class", "examples", "share"]).align(0, Align::Left);
        let total = self.len().max(1) as f64;
        for (class, n) in self.class_counts().into_iter().enumerate().take(CLASSES) {
            let share = format!("{:.1}%", 100.0 * n as f64 / total);
            table = table.row([self.class_name(class), n.to_string(), share]);
        }
        match rest(self.classes(), CLASSES, "classes") {
            Some(note) => table.note(note),
            None => table,
        }
    }

    fn value_table(&self, values: &[f32]) -> Table {
        let names = self.value_names();
        let mut table =
            Table::new(["to predict", "lowest", "mean", "highest", "histogram"]).align(0, Align::Left);
        for (j, name) in names.iter().enumerate().take(FEATURES) {
            let column: Vec<f64> = values
                .chunks_exact(names.len())
                .map(|row| f64::from(row[j]))
                .collect();
            let low = column.iter().copied().fold(f64::INFINITY, f64::min);
            let high = column.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let mean = column.iter().sum::<f64>() / column.len() as f64;
            let numbers = [low, mean, high].map(readable_number);
            let cells = [name.clone()].into_iter().chain(numbers);
            table = table.row(cells.chain([histogram(&column, low, high)]));
        }
        match rest(names.len(), FEATURES, "values") {
            Some(note) => table.note(note),
            None => table,
        }
    }

    fn feature_table(&self) -> Table {
        let mut table = Table::new(["feature", "lowest", "mean", "highest"]);
        for (j, (low, high)) in self.feature_ranges().into_iter().enumerate().take(FEATURES) {
            let name = self
                .feature_names()
                .get(j)
                .cloned()
                .unwrap_or_else(|| j.to_string());
            let sum: f64 = self.rows().map(|row| f64::from(row[j])).sum();
            let numbers = [f64::from(low), sum / self.len() as f64, f64::from(high)].map(readable_number);
            table = table.row([name].into_iter().chain(numbers));
        }
        match rest(self.width(), FEATURES, "features") {
            Some(note) => table.note(note),
            None => table,
        }
    }
}

/// How many numbers lie in each of so many stretches of equal length from `low` to `high`, as blocks of such heights.
fn histogram(numbers: &[f64], low: f64, high: f64) -> String {
    const HEIGHTS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let mut counts = [0usize; BINS];
    for x in numbers {
        let share = if high > low { (x - low) / (high - low) } else { 0.5 };
        counts[((share * BINS as f64) as usize).min(BINS - 1)] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let block = |&count: &usize| match count {
        0 => '·',
        _ => HEIGHTS[(count * HEIGHTS.len()).div_ceil(most) - 1],
    };
    counts.iter().map(block).collect()
}

fn rest(all: usize, shown: usize, what: &str) -> Option<String> {
    (all > shown).then(|| format!("{shown} of {all} {what}"))
}

/// A heading, what has to be known, the parts below each other, and where the data come from.
fn join(heading: &str, notes: &[String], origin: &str, parts: &[Bundle]) -> Bundle {
    let mut text = heading.to_owned();
    let mut html = format!(
        "<div style=\"font-weight:600;margin:2px 0\">{}</div>",
        escape_html(heading)
    );
    for note in notes {
        text += &format!("\n  \u{26a0} {note}");
        html += &format!("<div style=\"margin:2px 0\">\u{26a0} {}</div>", escape_html(note));
    }
    html += "<div style=\"display:flex;flex-wrap:wrap;gap:12px 32px;align-items:flex-start\">";
    for part in parts {
        text += &format!("\n\n{}", part.plain());
        html += &format!("<div style=\"max-width:100%\">{}</div>", part.to_html());
    }
    html += "</div>";
    if !origin.is_empty() {
        text += &format!("\n\n{origin}");
        html += &format!(
            "<div style=\"font-size:0.85em;opacity:0.65\">{}</div>",
            escape_html(origin)
        );
    }
    Bundle::text(text).html(html)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::datasets;

    #[test]
    fn digits_show_images_of_every_class_and_a_table() {
        let bundle = datasets::digits().unwrap().bundle();
        let html = bundle.to_html();
        assert_eq!(html.matches("<img").count(), 100);
        assert_eq!(html.matches("data:image/png;base64,").count(), 100);
        for part in [
            "digits: 1797 examples, 8 x 8 images, 10 classes, values 0 to 1",
            "CC BY 4.0",
        ] {
            assert!(html.contains(part) && bundle.plain().contains(part), "{part}");
        }
        assert!(bundle.plain().contains("178"), "{}", bundle.plain());
        assert!(bundle.plain().contains('█'), "{}", bundle.plain());
        // A terminal, which has room for ten images, sees each class.
        let captions = bundle.plain().lines().filter(|line| !line.contains('.'));
        let captions: String = captions.collect::<Vec<_>>().join(" ");
        assert!((0..10).all(|class| captions.contains(&class.to_string())));
    }

    #[test]
    fn flat_data_show_classes_and_ranges() {
        let text = datasets::iris().unwrap().bundle().plain().to_owned();
        for part in [
            "setosa",
            "33.3%",
            "petal width (cm)",
            "0.1",
            "5.843",
            "7.9",
            "CC BY 4.0",
        ] {
            assert!(text.contains(part), "no {part} in: {text}");
        }
        let cancer = datasets::breast_cancer().unwrap().bundle().plain().to_owned();
        assert!(cancer.contains("12 of 30 features"), "{cancer}");
    }

    #[test]
    fn odd_data_show_too() {
        let image = |channels| Shape::Image {
            height: 2,
            width: 2,
            channels,
        };
        let bare = Dataset::new("<bare>", image(1), vec![-3.0, 0.0, 1.0, 5.0]).unwrap();
        let html = bare.bundle().to_html();
        assert!(
            html.contains("&lt;bare&gt;") && !html.contains("<bare>"),
            "{html}"
        );
        assert!(html.contains("<img") && html.contains("no labels"), "{html}");
        let deep = Dataset::new("deep", image(5), vec![0.5; 20]).unwrap();
        assert!(deep.bundle().plain().contains("2 x 2 x 5 images"));
        let empty = bare.subset(&[]).unwrap();
        assert!(empty.bundle().plain().contains("0 examples"));
        let many = datasets::blobs(90, 30, 1.0, 0).unwrap();
        assert!(many.bundle().plain().contains("20 of 30 classes"));
    }

    #[test]
    fn a_chart_has_a_cloud_for_each_class() {
        let figure = |data: Dataset| serde_json::to_value(data.chart()).unwrap();
        let moons = figure(datasets::two_moons(20_000, 0.1, 0).unwrap());
        let clouds = moons["data"].as_array().unwrap();
        let points: usize = clouds
            .iter()
            .map(|cloud| cloud["x"].as_array().unwrap().len())
            .sum();
        assert_eq!((clouds.len(), points), (2, 5000));
        let line = Dataset::new("line", Shape::Flat(1), vec![1.0, 2.0]).unwrap();
        assert_eq!(figure(line)["data"].as_array().unwrap().len(), 0);
    }

    #[test]
    fn values_show_with_histograms_and_charts() {
        let homes = |width: usize| {
            Dataset::new(
                "homes",
                Shape::Flat(width),
                (0..8 * width).map(|i| i as f32).collect(),
            )
            .and_then(|data| {
                data.with_values([0.0, 0.0, 0.0, 0.0, 5.0, 8.0, 8.0, 16.0].to_vec(), ["<price>"])
            })
            .unwrap()
        };
        let bundle = homes(2).bundle();
        let text = bundle.plain();
        // Four of 0, one of 5, two of 8, one of 16, in sixteen stretches of 1.
        for part in ["<price> to predict", "█····▂··▄······▂", "4.625", "feature"] {
            assert!(text.contains(part), "no {part} in: {text}");
        }
        assert!(!bundle.to_html().contains("<price>"));
        let figure = |data: Dataset| serde_json::to_value(data.chart()).unwrap()["data"][0].clone();
        let (line, plane) = (figure(homes(1)), figure(homes(2)));
        assert_eq!(
            (line["x"][5].as_f64(), line["y"][5].as_f64()),
            (Some(5.0), Some(8.0))
        );
        assert_eq!(
            (plane["y"][5].as_f64(), plane["marker"]["color"][5].as_f64()),
            (Some(11.0), Some(8.0))
        );
        let same = homes(1).with_values(vec![2.0; 8], ["same"]).unwrap();
        assert!(same.bundle().plain().contains('█'));
        let empty = homes(1).subset(&[]).unwrap();
        assert!(
            empty.bundle().plain().contains("0 examples")
                && figure(empty)["x"].as_array().unwrap().is_empty()
        );
    }

    #[test]
    fn a_split_shows_both_parts() {
        let split = datasets::iris().unwrap().split(0.2, 0).unwrap();
        let text = split.bundle().plain().to_owned();
        for part in [
            "120 examples to train on, 30 to test on",
            "versicolor     40    10",
            "all           120    30",
        ] {
            assert!(text.contains(part), "no {part} in: {text}");
        }
    }
}
