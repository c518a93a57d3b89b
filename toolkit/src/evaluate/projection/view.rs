//! [`View`]: examples in the plane, by their classes.

use plotly::layout::Axis;
use plotly::{Plot, Trace};
use serde_json::json;

use super::pca::Pca;
use crate::data::{Dataset, Split};
use crate::net::Network;
use crate::show::{Bundle, Show, chart};
use crate::transfer::Features;
use crate::{Error, Result};

/// Classes with a colour and a sign of their own; the rest are drawn as one.
const CLASSES: usize = 20;
/// Points of a part at most; of more, every so many.
const POINTS: usize = 3000;
/// Height of the chart in pixels: the plane wants to be a square.
const HEIGHT: usize = 460;
/// Views beside each other at most.
const BESIDE: usize = 3;

/// Examples as points of the plane, as in the figures of Wen et al. (2016): a colour for each class, filled for training
/// and hollow for the test, both axes at one scale. Each class's name stands at the mean of its training examples.
/// Ends a cell as its chart.
///
/// ```
/// use jook::prelude::*;
/// let data = datasets::iris()?.split(0.3, 0)?.standardized()?;
/// let run = Mlp::new([4, 16, 2, 3]).fit(&data, Recipe::new().epochs(20).adam(0.01))?;
/// let learned = run.network().view("dense2", &data)?; // what the layer of two units puts out
/// let given = View::new("as given").training(&data.train.pca(2)?)?;
/// let _ = View::beside(&[learned, given])?;
/// # Ok::<(), jook::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct View {
    title: String,
    /// Name, examples, and whether they are hollow.
    parts: Vec<(&'static str, Dataset)>,
}

impl Network {
    /// What the layer of this name puts out for both parts of `data`, in the plane: as it is where it puts out two numbers,
    /// else along the first two principal components of the training part's.
    ///
    /// # Errors
    /// When there is no such layer, it puts out one number, or the data do not fit the network.
    pub fn view(&self, layer: &str, data: &Split) -> Result<View> {
        let features = |part: &Dataset| Features::of(self, layer).without_cache().run(part);
        let (train, test) = (features(&data.train)?, features(&data.test)?);
        let view = View::new(layer);
        match train.width() {
            1 => Err(
                Error::spec("expected a layer that puts out two numbers or more, found one")
                    .at(format!("view of layer {layer}"))
                    .fix("name a wider layer"),
            ),
            2 => view.training(&train)?.test(&test),
            _ => {
                let pca = Pca::fit(&train, 2)?;
                view.training(&pca.apply(&train)?)?.test(&pca.apply(&test)?)
            }
        }
    }
}

impl View {
    /// Nothing yet, under this title.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            parts: Vec::new(),
        }
    }

    /// The same under another title.
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Adds examples of two features as filled points.
    ///
    /// # Errors
    /// When they have other than two features, or other classes than those that are there.
    pub fn training(self, data: &Dataset) -> Result<Self> {
        self.part("training", data)
    }

    /// Adds examples of two features as hollow points.
    ///
    /// # Errors
    /// As [`training`](Self::training).
    pub fn test(self, data: &Dataset) -> Result<Self> {
        self.part("test", data)
    }

    fn part(mut self, name: &'static str, data: &Dataset) -> Result<Self> {
        let wrong = |what: String| Error::data(what).at(format!("view of dataset {}", data.name()));
        if data.width() != 2 {
            return Err(wrong(format!(
                "expected examples of two features, found {} of {}",
                data.len(),
                data.shape()
            ))
            .fix("bring them into the plane: data.pca(2)?, or Tsne::new().run(&data)?"));
        }
        if let Some((_, other)) = self
            .parts
            .iter()
            .find(|(_, other)| other.class_names() != data.class_names())
        {
            return Err(wrong(format!(
                "expected the classes of dataset {}, {:?}, found {:?}",
                other.name(),
                other.class_names(),
                data.class_names()
            ))
            .fix("take parts of one split"));
        }
        self.parts.push((name, data.clone()));
        Ok(self)
    }

    /// The chart.
    pub fn chart(&self) -> Plot {
        let [x, y] = self.axes(0, 1);
        let layout = chart::layout(&self.title, "", "")
            .x_axis(x)
            .y_axis(y)
            .height(HEIGHT);
        chart::plot(layout, self.traces(0))
    }

    /// Up to three beside each other, each at a scale of its own, with one legend.
    ///
    /// # Errors
    /// When there is none, or more than three.
    pub fn beside(views: &[View]) -> Result<Plot> {
        if views.is_empty() || views.len() > BESIDE {
            return Err(Error::spec(format!(
                "expected 1 to {BESIDE} views beside each other, found {}",
                views.len()
            ))
            .fix("show the others by a call of their own"));
        }
        let mut layout = chart::layout("", "", "").height(HEIGHT);
        for (place, view) in views.iter().enumerate() {
            let [x, y] = view.axes(place, views.len());
            layout = chart::with_y(chart::with_x(layout, place, x), place, y);
        }
        let titles = views
            .iter()
            .enumerate()
            .map(|(place, view)| chart::heading(&view.title, middle(place, views.len())));
        layout = layout.annotations(titles.collect());
        let traces = views
            .iter()
            .enumerate()
            .flat_map(|(place, view)| view.traces(place));
        Ok(chart::plot(layout, traces.collect()))
    }

    /// The axes of the view at this place of so many.
    fn axes(&self, place: usize, of: usize) -> [Axis; 2] {
        let name = |j: usize| {
            let names = self
                .parts
                .first()
                .map_or(&[][..], |(_, data)| data.feature_names());
            names.get(j).map_or("", String::as_str)
        };
        let middle = middle(place, of);
        let half = 0.5 / of as f64 - if of > 1 { 0.03 } else { 0.0 };
        let x = chart::axis(name(0)).domain(&[middle - half, middle + half]);
        let y = chart::axis(name(1)).scale_anchor(axis_of("x", place));
        [x.anchor(axis_of("y", place)), y.anchor(axis_of("x", place))]
    }

    fn traces(&self, place: usize) -> Vec<Box<dyn Trace>> {
        let mut all: Vec<Box<dyn Trace>> = Vec::new();
        let classes = self.parts.first().map_or(0, |(_, data)| data.classes());
        // None: examples without labels. One more than the last class that is drawn: the rest.
        let groups: Vec<Option<usize>> = match classes {
            0 => vec![None],
            n => (0..n.min(CLASSES + 1)).map(Some).collect(),
        };
        for group in groups {
            let mut named = place == 0;
            for (part, data) in &self.parts {
                if let Some(points) = cloud(data, part, group, (named, place)) {
                    all.push(points);
                    named = false;
                }
            }
        }
        if let Some((_, first)) = self.parts.first().filter(|(_, data)| data.labels().is_some()) {
            all.push(means(first, place));
        }
        all
    }
}

impl Show for View {
    fn bundle(&self) -> Bundle {
        let parts: Vec<String> = self
            .parts
            .iter()
            .map(|(name, data)| format!("{} for {name}", data.len()))
            .collect();
        Bundle::text(format!(
            "{}: points of the plane, {}",
            self.title,
            parts.join(", ")
        ))
        .plot(&self.chart())
    }
}

/// Where the middle of the view at this place of so many is, from 0 to 1.
fn middle(place: usize, of: usize) -> f64 {
    (place as f64 + 0.5) / of as f64
}

fn axis_of(letter: &str, place: usize) -> String {
    format!("{letter}{}", chart::axis_number(place))
}

/// The points of a class of one part, where there are any.
fn cloud(
    data: &Dataset,
    part: &str,
    group: Option<usize>,
    (named, place): (bool, usize),
) -> Option<Box<dyn Trace>> {
    let every = data.len().div_ceil(POINTS).max(1);
    let belongs = |row: &usize| match (group, data.label(*row)) {
        (Some(CLASSES), Some(label)) => label as usize >= CLASSES,
        (Some(class), Some(label)) => label as usize == class,
        _ => true,
    };
    let rows: Vec<usize> = (0..data.len()).step_by(every).filter(belongs).collect();
    if rows.is_empty() {
        return None;
    }
    let [x, y] = [0, 1].map(|j| rows.iter().map(|&row| data.row(row)[j]).collect::<Vec<f32>>());
    let words = |row: &usize| {
        let class = data.label(*row).map(|label| data.class_name(label as usize));
        let class = class.map_or(String::new(), |class| format!(", class {}", chart::plain(&class)));
        format!("{part} {row}{class}")
    };
    let (color, sign, name) = match group {
        Some(CLASSES) => (
            chart::INK,
            chart::sign(0),
            format!("{} more classes", data.classes() - CLASSES),
        ),
        Some(class) => (chart::color(class), chart::sign(class), data.class_name(class)),
        None => (chart::color(0), chart::sign(0), part.to_owned()),
    };
    let hollow = if part == "test" { "-open" } else { "" };
    Some(Box::new(chart::RawTrace(json!({
        "type": "scatter", "mode": "markers", "name": chart::plain(&name), "x": x, "y": y,
        "xaxis": axis_of("x", place), "yaxis": axis_of("y", place),
        "legendgroup": format!("{group:?}"), "showlegend": named,
        "text": rows.iter().map(words).collect::<Vec<_>>(),
        "hovertemplate": "%{text}<br>%{x:.4g}, %{y:.4g}<extra></extra>",
        "marker": {"size": 6, "color": color, "symbol": format!("{sign}{hollow}"), "opacity": 0.75},
    }))))
}

/// The name of each class at the mean of its examples.
fn means(data: &Dataset, place: usize) -> Box<dyn Trace> {
    let of = |class: &usize| -> Option<(String, f64, f64)> {
        let rows = data.rows_of(*class);
        let mean =
            |j: usize| rows.iter().map(|&row| f64::from(data.row(row)[j])).sum::<f64>() / rows.len() as f64;
        (!rows.is_empty()).then(|| (data.class_name(*class), mean(0), mean(1)))
    };
    let found: Vec<(String, f64, f64)> = (0..data.classes().min(CLASSES))
        .filter_map(|class| of(&class))
        .collect();
    let names: Vec<String> = found
        .iter()
        .map(|(name, ..)| format!("<b>{}</b>", chart::plain(name)))
        .collect();
    Box::new(chart::RawTrace(json!({
        "type": "scatter", "mode": "markers+text", "showlegend": false,
        "x": found.iter().map(|f| f.1).collect::<Vec<_>>(), "y": found.iter().map(|f| f.2).collect::<Vec<_>>(),
        "xaxis": axis_of("x", place), "yaxis": axis_of("y", place),
        "text": names, "textposition": "top center", "textfont": {"size": 15},
        "hovertemplate": "mean of class %{text}<br>%{x:.4g}, %{y:.4g}<extra></extra>",
        "marker": {"size": 11, "color": chart::INK, "symbol": "x"},
    })))
}
