//! [`WeightHistory`]: how the weights are spread as a training goes.

use plotly::{Plot, Trace};
use polars::prelude::{Column, DataFrame};
use serde_json::json;

use crate::Result;
use crate::net::Role;
use crate::show::chart::{self, RawTrace};
use crate::show::{Bundle, Show};
use crate::train::watch::{Flow, Moment, Watcher};

/// Bins of a histogram, over both signs.
const BINS: usize = 128;

/// The histogram of all weights (not of biases, nor of norms) at the start and at each check, and how many of them are
/// exactly 0. It looks on and changes nothing.
///
/// ```
/// use jook::prelude::*;
/// use jook::train::WeightHistory;
/// let moons = datasets::two_moons(200, 0.1, 0)?;
/// let network = Mlp::new([2, 16, 2]).build(0)?;
/// let mut weights = WeightHistory::default();
/// let recipe = Recipe::new().epochs(20).sgd(0.1).l1_proximal(0.05);
/// network.training().watch(&mut weights).run(&moons, recipe)?;
/// assert!(weights.zeros() > 0.2);
/// # Ok::<(), jook::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WeightHistory {
    records: Vec<WeightRecord>,
}

/// The weights at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct WeightRecord {
    /// Updates made.
    pub step: u64,
    /// Passes over the training part, with the fraction.
    pub epoch: f64,
    /// How many there are.
    pub count: usize,
    /// How many are exactly 0.
    pub zeros: usize,
    /// The sum of their sizes, which L1 makes small.
    pub l1: f64,
    /// The sum of their squares, which L2 makes small.
    pub squares: f64,
    /// The largest size.
    pub largest: f32,
    /// How many lie in each of 128 bins from -`range` to `range`, exact zeros left out.
    pub bins: Vec<u32>,
    pub range: f32,
}

impl WeightHistory {
    /// The moments, oldest first.
    pub fn records(&self) -> &[WeightRecord] {
        &self.records
    }

    /// The share of exact zeros at the last moment; 0 where nothing was seen.
    pub fn zeros(&self) -> f64 {
        let last = self.records.last();
        last.map_or(0.0, |last| last.zeros as f64 / last.count.max(1) as f64)
    }

    /// A row a moment: step, epoch, share of zeros, sum of sizes, sum of squares, largest size.
    pub fn frame(&self) -> DataFrame {
        let column = |name: &str, of: fn(&WeightRecord) -> f64| {
            Column::new(name.into(), self.records.iter().map(of).collect::<Vec<f64>>())
        };
        let columns = vec![
            Column::new(
                "step".into(),
                self.records.iter().map(|r| r.step).collect::<Vec<u64>>(),
            ),
            column("epoch", |r| r.epoch),
            column("zeros", |r| r.zeros as f64 / r.count.max(1) as f64),
            column("sum of sizes", |r| r.l1),
            column("sum of squares", |r| r.squares),
            column("largest", |r| f64::from(r.largest)),
        ];
        DataFrame::new(self.records.len(), columns).unwrap_or_default()
    }

    /// The histograms over the training: time across, weights up, the share of the weights as colour, by powers of ten.
    pub fn chart(&self) -> Plot {
        Self::beside(&[("weights", self)])
    }

    /// The histograms of several trainings beside each other, on one scale: without and with a penalty, say. Under each
    /// name stands the share of exact zeros at the end.
    pub fn beside(trainings: &[(&str, &WeightHistory)]) -> Plot {
        let range = trainings
            .iter()
            .flat_map(|(_, one)| &one.records)
            .map(|record| record.largest)
            .fold(0.0f32, f32::max);
        let n = trainings.len().max(1) as f64;
        let (width, gap) = (1.0 / n, 0.03);
        let mut layout = chart::layout("Weights", "epoch", "weight").show_legend(false);
        let mut traces: Vec<Box<dyn Trace>> = Vec::new();
        let mut notes = Vec::new();
        for (i, (name, history)) in trainings.iter().enumerate() {
            let (heights, rows) = history.heights(range);
            let epochs: Vec<f64> = history.records.iter().map(|record| record.epoch).collect();
            traces.push(Box::new(RawTrace(json!({
                "type": "heatmap", "x": epochs, "y": heights, "z": rows, "xaxis": format!("x{}", chart::axis_number(i)),
                "zmin": -4.0, "zmax": 0.0, "showscale": i == 0,
                "colorscale": [[0.0, "#f3f6fb"], [0.5, "#5b84c4"], [1.0, "#1b2f5b"]],
                "colorbar": {"title": {"text": "share"}, "tickvals": [-4, -3, -2, -1, 0],
                    "ticktext": ["0.0001", "0.001", "0.01", "0.1", "1"], "thickness": 12},
                "hovertemplate": "epoch %{x}, weight %{y:.3g}: 10^%{z:.1f}<extra></extra>",
            }))));
            let (left, right) = (i as f64 * width + gap / 2.0, (i + 1) as f64 * width - gap / 2.0);
            let own = chart::axis("epoch").domain(&[left.max(0.0), right.min(1.0)]);
            layout = chart::with_x(layout, i, own);
            let words = format!("{}<br>{:.1}% zeros", chart::plain(name), 100.0 * history.zeros());
            notes.push(
                plotly::layout::Annotation::new()
                    .text(words)
                    .show_arrow(false)
                    .x_ref("paper")
                    .y_ref("paper")
                    .x((left + right) / 2.0)
                    .y(1.12),
            );
        }
        chart::plot(layout.annotations(notes), traces)
    }

    /// Middles of equal bins over +-`range`, and for each the logarithm of its share at each moment; none where it is
    /// empty. Exact zeros are in the bin around 0.
    fn heights(&self, range: f32) -> (Vec<f64>, Vec<Vec<Option<f64>>>) {
        // An odd number, so that one bin is around 0.
        let count = BINS / 2 + 1;
        let step = 2.0 * f64::from(range.max(f32::MIN_POSITIVE)) / count as f64;
        let heights: Vec<f64> = (0..count)
            .map(|i| (i as f64 + 0.5 - count as f64 / 2.0) * step)
            .collect();
        let mut rows = vec![vec![None; self.records.len()]; count];
        for (column, record) in self.records.iter().enumerate() {
            let mut shares = vec![0.0; count];
            let own = 2.0 * f64::from(record.range) / BINS as f64;
            let place = |x: f64| (((x / step) + count as f64 / 2.0).floor().max(0.0) as usize).min(count - 1);
            for (i, &bin) in record.bins.iter().enumerate() {
                let middle = (i as f64 + 0.5 - BINS as f64 / 2.0) * own;
                shares[place(middle)] += f64::from(bin);
            }
            shares[count / 2] += record.zeros as f64;
            for (row, share) in rows.iter_mut().zip(shares) {
                row[column] = (share > 0.0).then(|| (share / record.count.max(1) as f64).log10());
            }
        }
        (heights, rows)
    }

    fn record(&mut self, at: &mut Moment<'_, '_>) {
        let tensors = at.work.executor.tensors().iter();
        let ranges: Vec<_> = tensors
            .filter(|t| t.role == Role::Weight)
            .map(|t| t.range.clone())
            .collect();
        let (step, epoch) = (at.step(), at.epoch());
        let parameters = at.parameters();
        let weights = || ranges.iter().flat_map(|range| &parameters[range.clone()]);
        self.records.push(WeightRecord::of(step, epoch, weights));
    }
}

impl WeightRecord {
    fn of<'p, I: Iterator<Item = &'p f32>>(step: u64, epoch: f64, weights: impl Fn() -> I) -> Self {
        let largest = weights().fold(0.0f32, |most, w| most.max(w.abs()));
        let range = largest.max(f32::MIN_POSITIVE);
        let mut record = Self {
            step,
            epoch,
            count: 0,
            zeros: 0,
            l1: 0.0,
            squares: 0.0,
            largest,
            bins: vec![0; BINS],
            range,
        };
        for &weight in weights() {
            record.count += 1;
            record.l1 += f64::from(weight.abs());
            record.squares += f64::from(weight) * f64::from(weight);
            if weight == 0.0 {
                record.zeros += 1;
                continue;
            }
            let place = (f64::from(weight) / f64::from(range) + 1.0) * BINS as f64 / 2.0;
            record.bins[(place.max(0.0) as usize).min(BINS - 1)] += 1;
        }
        record
    }
}

impl Watcher for &mut WeightHistory {
    fn after_step(&mut self, at: &mut Moment<'_, '_>) -> Result<Flow> {
        // What the weights were before the first update is gone by now: the first one is near enough.
        if at.step() == 1 {
            self.record(at);
        }
        Ok(Flow::On)
    }

    fn after_check(&mut self, at: &mut Moment<'_, '_>) -> Result<Flow> {
        if self.records.last().is_none_or(|last| last.step != at.step()) {
            self.record(at);
        }
        Ok(Flow::On)
    }
}

impl Show for WeightHistory {
    fn bundle(&self) -> Bundle {
        let text = match self.records.last() {
            None => "weights: nothing seen yet".to_owned(),
            Some(last) => format!(
                "{} weights over {} moments: {:.1}% are exactly 0 at the end, the largest is {:.3}",
                last.count,
                self.records.len(),
                100.0 * self.zeros(),
                last.largest
            ),
        };
        match self.records.is_empty() {
            true => Bundle::text(text),
            false => Bundle::text(text).plot(&self.chart()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Mlp;
    use crate::train::Recipe;
    use crate::train::tests::clouds;

    fn seen(recipe: Recipe) -> (WeightHistory, crate::train::Run) {
        let data = clouds(60, 4, 3, 0.7, 1);
        let mut weights = WeightHistory::default();
        let network = Mlp::new([4, 16, 3]).build(0).expect("a network");
        let run = network
            .training()
            .watch(&mut weights)
            .run(&data, recipe.epochs(8).batch(20).sgd(0.1))
            .expect("a run");
        (weights, run)
    }

    #[test]
    fn each_record_counts_all_weights_and_no_biases() {
        let (weights, run) = seen(Recipe::new());
        let steps: Vec<u64> = weights.records().iter().map(|record| record.step).collect();
        assert_eq!(steps, [1, 3, 6, 9, 12, 15, 18, 21, 24]);
        let tensors = run.network().tensors().iter().filter(|t| t.role == Role::Weight);
        let all: Vec<f32> = tensors
            .flat_map(|t| run.network().parameters()[t.range.clone()].to_vec())
            .collect();
        let last = weights.records().last().expect("a record");
        assert_eq!((last.count, all.len()), (4 * 16 + 16 * 3, last.count));
        assert_eq!(last.bins.iter().sum::<u32>() as usize + last.zeros, last.count);
        let squares: f64 = all.iter().map(|&w| f64::from(w) * f64::from(w)).sum();
        assert!((last.squares - squares).abs() < 1e-9);
        let edge = last.range;
        for (i, &bin) in last.bins.iter().enumerate() {
            let (low, high) = (i as f32 / 64.0 - 1.0, (i + 1) as f32 / 64.0 - 1.0);
            let within = all
                .iter()
                .filter(|&&w| w / edge >= low && w / edge < high)
                .count();
            let ends = usize::from(i + 1 == BINS) * all.iter().filter(|&&w| w == edge).count();
            assert_eq!(bin as usize, within + ends, "bin {i}");
        }
    }

    #[test]
    fn penalties_are_seen_in_it_and_it_changes_nothing() {
        let (plain, run) = seen(Recipe::new());
        let (l2, _) = seen(Recipe::new().l2(0.05));
        let (l1, _) = seen(Recipe::new().l1_proximal(0.2));
        let last = |history: &WeightHistory| history.records().last().expect("a record").clone();
        assert!(last(&l2).squares < 0.8 * last(&plain).squares);
        assert_eq!((plain.zeros(), l2.zeros()), (0.0, 0.0));
        assert!(l1.zeros() > 0.2, "{}", l1.zeros());
        assert_eq!(plain.frame().height(), 9);
        let plot = WeightHistory::beside(&[("none", &plain), ("L2", &l2), ("L1", &l1)]);
        let figure = serde_json::to_value(&plot).expect("a figure");
        let panels = figure["data"].as_array().expect("panels");
        assert_eq!(panels.len(), 3);
        // All weights are in the picture, at each moment.
        for panel in panels {
            let rows = panel["z"].as_array().expect("rows");
            for column in 0..9 {
                let shares = rows.iter().filter_map(|row| row[column].as_f64());
                let sum: f64 = shares.map(|share| 10f64.powf(share)).sum();
                assert!((sum - 1.0).abs() < 1e-9, "{sum}");
            }
        }
        let bare = Mlp::new([4, 16, 3]).build(0).expect("a network");
        let alone = bare
            .train(
                &clouds(60, 4, 3, 0.7, 1),
                Recipe::new().epochs(8).batch(20).sgd(0.1),
            )
            .expect("a run");
        assert_eq!(alone.network().parameters(), run.network().parameters());
    }
}
