//! How surfaces and paths look: the values as lines of equal height, the paths on them.

use plotly::{Plot, Trace};
use polars::prelude::{Column, DataFrame};
use serde_json::json;

use super::{Path, Surface};
use crate::show::chart::{self, RawTrace};
use crate::show::{Bundle, Show};

/// Points of the grid each way.
const GRID: usize = 121;

/// Marks along a path at most: more blur into a line.
const MARKS: usize = 400;

impl Surface {
    /// What the chart shows of it: the ranges of x and y.
    fn window(self) -> [[f64; 2]; 2] {
        match self {
            Surface::Bowl(_) => [[-10.0, 10.0], [-3.0, 3.0]],
            Surface::Rosenbrock => [[-2.0, 2.0], [-1.0, 3.0]],
            Surface::Beale => [[-1.0, 4.5], [-1.5, 2.0]],
            Surface::Himmelblau => [[-5.0, 5.0], [-5.0, 5.0]],
            Surface::Saddle => [[-2.0, 2.0], [-1.8, 1.8]],
            Surface::Rastrigin => [[-4.0, 4.0], [-4.0, 4.0]],
        }
    }

    /// Paths on the surface, whose heights are drawn as lines, close where it is low: each is a factor above the last.
    /// Stars are minima. What leaves the window is not seen.
    pub fn chart(self, paths: &[Path]) -> Plot {
        let [xs, ys] = self.window().map(|[low, high]| {
            let step = (high - low) / (GRID - 1) as f64;
            (0..GRID).map(|i| low + i as f64 * step).collect::<Vec<f64>>()
        });
        let lowest = self
            .minima()
            .iter()
            .map(|&at| self.value(at))
            .fold(f64::INFINITY, f64::min);
        // Heights above the lowest point as powers of ten: valleys are deep in the small numbers.
        let height = |x: f64, y: f64| (self.value([x, y]) - lowest + 0.01).log10();
        let heights: Vec<Vec<f64>> = ys
            .iter()
            .map(|&y| xs.iter().map(|&x| height(x, y)).collect())
            .collect();
        let mut traces: Vec<Box<dyn Trace>> = vec![Box::new(RawTrace(json!({
            "type": "contour", "x": xs, "y": ys, "z": heights, "ncontours": 18, "showscale": false,
            "colorscale": [[0.0, "#f3f6fb"], [1.0, "#8fa3c4"]], "hoverinfo": "skip", "showlegend": false,
            "line": {"width": 0.6, "color": "#8a96a8"},
        })))];
        for (index, path) in paths.iter().enumerate() {
            let every = path.points.len().div_ceil(MARKS).max(1);
            let shown = || path.points.iter().step_by(every).chain(path.points.last());
            let [x, y] = [0, 1].map(|axis| shown().map(|point| point[axis]).collect::<Vec<f64>>());
            traces.push(Box::new(RawTrace(json!({
                "type": "scatter", "mode": "lines+markers", "x": x, "y": y, "name": chart::plain(&path.name),
                "line": {"color": chart::color(index), "width": 1.5}, "marker": {"size": 3.5},
                "hovertemplate": "%{x:.3g}, %{y:.3g}<extra></extra>",
            }))));
        }
        let minima = self.minima();
        let [x, y] = [0, 1].map(|axis| minima.iter().map(|at| at[axis]).collect::<Vec<f64>>());
        traces.push(Box::new(RawTrace(json!({
            "type": "scatter", "mode": "markers", "x": x, "y": y, "name": "minimum",
            "marker": {"symbol": "star", "size": 12, "color": "#d9a300"}, "hoverinfo": "skip",
        }))));
        let [across, up] = self.window();
        let layout = chart::layout(&self.to_string(), "x", "y")
            .x_axis(chart::axis("x").range(across.to_vec()))
            .y_axis(chart::axis("y").range(up.to_vec()));
        chart::plot(layout.height(460), traces)
    }

    /// A row a path: the updates made, the value at the end and the distance from the nearest minimum.
    pub fn table(paths: &[Path]) -> DataFrame {
        let column = |name: &str, of: fn(&Path) -> f64| {
            Column::new(name.into(), paths.iter().map(of).collect::<Vec<f64>>())
        };
        let names: Vec<&str> = paths.iter().map(|path| path.name.as_str()).collect();
        let updates: Vec<u64> = paths.iter().map(|path| path.points.len() as u64 - 1).collect();
        let columns = vec![
            Column::new("rule".into(), names),
            Column::new("updates".into(), updates),
            column("value", Path::value),
            column("from a minimum", |path| path.distance),
        ];
        DataFrame::new(paths.len(), columns).unwrap_or_default()
    }
}

impl Show for Path {
    fn bundle(&self) -> Bundle {
        let plot = self.surface.chart(std::slice::from_ref(self));
        Bundle::text(self.to_string()).plot(&plot)
    }
}

impl Show for Surface {
    fn bundle(&self) -> Bundle {
        Bundle::text(self.to_string()).plot(&self.chart(&[]))
    }
}
