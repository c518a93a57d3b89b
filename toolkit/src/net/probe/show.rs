//! How a [`Probe`] reads: a frame, a chart over the layers, and both at the end of a cell.

use plotly::common::ExponentFormat;
use plotly::layout::AxisType;
use plotly::{Plot, Trace};
use polars::prelude::{Column, DataFrame};
use serde_json::json;

use super::{Probe, Probed};
use crate::show::{Bundle, Show, chart, readable_number};

impl Probe {
    /// The layers, in the order of the spec.
    pub fn layers(&self) -> &[Probed] {
        &self.layers
    }

    /// The layer of this name.
    pub fn layer(&self, name: &str) -> Option<&Probed> {
        self.layers.iter().find(|layer| layer.name == name)
    }

    /// Examples that went through.
    pub fn examples(&self) -> usize {
        self.examples
    }

    /// A row for each layer as a polars frame: layer, kind (text), units (u64), mean, sd, zeros, dead, saturated,
    /// gradient_sd (f64). What a layer has not is null.
    pub fn frame(&self) -> DataFrame {
        let words = |of: fn(&Probed) -> &str| -> Vec<&str> { self.layers.iter().map(of).collect() };
        let numbers =
            |of: fn(&Probed) -> Option<f64>| -> Vec<Option<f64>> { self.layers.iter().map(of).collect() };
        let units: Vec<u64> = self.layers.iter().map(|layer| layer.units as u64).collect();
        let columns = vec![
            Column::new("layer".into(), words(|l| &l.name)),
            Column::new("kind".into(), words(|l| &l.kind)),
            Column::new("units".into(), units),
            Column::new("mean".into(), numbers(|l| Some(l.mean))),
            Column::new("sd".into(), numbers(|l| Some(l.sd))),
            Column::new("zeros".into(), numbers(|l| Some(l.zeros))),
            Column::new("dead".into(), numbers(|l| l.dead)),
            Column::new("saturated".into(), numbers(|l| l.saturated)),
            Column::new("gradient_sd".into(), numbers(|l| l.gradient_sd)),
        ];
        DataFrame::new(self.layers.len(), columns).unwrap_or_default()
    }

    /// Over the layers, from the input on: standard deviations of outputs and gradients on a logarithmic axis, and the
    /// shares of dead units and of saturated outputs as bars on the right one.
    pub fn chart(&self) -> Plot {
        let mut traces: Vec<Box<dyn Trace>> = Vec::new();
        traces.extend(self.bars(3, "dead units", |l| l.dead));
        traces.extend(self.bars(1, "saturated outputs", |l| l.saturated));
        let shares = !traces.is_empty();
        // No 0 has a place on a logarithmic axis.
        traces.extend(self.line(0, "sd of outputs", |l| Some(l.sd).filter(|sd| *sd > 0.0)));
        traces.extend(self.line(2, "sd of gradients", |l| l.gradient_sd.filter(|sd| *sd > 0.0)));
        let names: Vec<&str> = self.layers.iter().map(|layer| layer.name.as_str()).collect();
        let title = format!("Layers, on {} examples", readable_number(self.examples as f64));
        let layout = chart::layout(&title, "", "standard deviation")
            .x_axis(chart::ticks(chart::axis("layer"), &names, 14))
            .y_axis(
                chart::axis("standard deviation")
                    .type_(AxisType::Log)
                    .exponent_format(ExponentFormat::Power),
            );
        let layout = match shares {
            true => chart::with_right_axis(layout, chart::axis("share").range(vec![0.0, 1.0])),
            false => layout,
        };
        chart::plot(layout, traces)
    }

    /// The layers that have this number: places and names, and the numbers.
    fn measured(&self, of: fn(&Probed) -> Option<f64>) -> (Vec<usize>, Vec<String>, Vec<f64>) {
        let (mut places, mut names, mut numbers) = (Vec::new(), Vec::new(), Vec::new());
        for (place, layer) in self.layers.iter().enumerate() {
            if let Some(x) = of(layer).filter(|x| x.is_finite()) {
                places.push(place);
                names.push(chart::plain(&layer.name));
                numbers.push(x);
            }
        }
        (places, names, numbers)
    }

    fn line(&self, color: usize, name: &str, of: fn(&Probed) -> Option<f64>) -> Option<Box<dyn Trace>> {
        let (x, text, y) = self.measured(of);
        (!x.is_empty()).then(|| {
            Box::new(chart::RawTrace(json!({
                "type": "scatter", "mode": "lines+markers", "name": name, "x": x, "y": y, "text": text,
                "line": {"color": chart::color(color), "width": 2}, "marker": {"size": 6},
                "hovertemplate": format!("%{{text}}<br>{name}: %{{y:.4g}}<extra></extra>"),
            }))) as Box<dyn Trace>
        })
    }

    fn bars(&self, color: usize, name: &str, of: fn(&Probed) -> Option<f64>) -> Option<Box<dyn Trace>> {
        let (x, text, y) = self.measured(of);
        (!x.is_empty()).then(|| {
            Box::new(chart::RawTrace(json!({
                "type": "bar", "name": name, "x": x, "y": y, "text": text, "textposition": "none", "yaxis": "y2",
                "width": 0.5, "opacity": 0.35, "marker": {"color": chart::color(color)},
                "hovertemplate": format!("%{{text}}<br>{name}: %{{y:.1%}}<extra></extra>"),
            }))) as Box<dyn Trace>
        })
    }
}

impl Show for Probe {
    fn bundle(&self) -> Bundle {
        self.frame().bundle().plot(&self.chart())
    }
}

impl Show for Probed {
    fn bundle(&self) -> Bundle {
        let [mean, sd] = [self.mean, self.sd].map(readable_number);
        let mut text = format!(
            "{}, {} ({} units): mean {mean}, sd {sd}, {:.1}% zeros",
            self.name,
            self.kind,
            self.units,
            100.0 * self.zeros
        );
        if let Some(dead) = self.dead {
            text += &format!(", {:.1}% of units dead", 100.0 * dead);
        }
        if let Some(saturated) = self.saturated {
            text += &format!(", {:.1}% saturated", 100.0 * saturated);
        }
        if let Some(sd) = self.gradient_sd {
            text += &format!(", gradient sd {}", readable_number(sd));
        }
        Bundle::text(text)
    }
}
