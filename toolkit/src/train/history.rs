//! [`History`]: what happened while training, a row a check.

use plotly::common::{DashType, Line, Mode};
use plotly::{Plot, Scatter, Trace};
use polars::prelude::{Column, DataFrame};

use crate::show::{Bundle, Show, chart, readable_number};

/// What was seen at one check.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Record {
    /// Updates made so far.
    pub step: u64,
    /// Passes over the training part so far, with the fraction.
    pub epoch: f64,
    /// The rate of the last update.
    pub rate: f64,
    /// Mean loss over the training examples seen since the row before, as they were seen: with dropout, and
    /// without the penalties.
    pub loss: f64,
    /// Mean loss over the held-out part, in evaluation mode; NaN when nothing is held out.
    pub held_out_loss: f64,
    /// Share of the held-out part classified rightly; NaN when nothing is held out.
    pub held_out_accuracy: f64,
    /// Time since training began, in seconds; goes on counting over a resumed run.
    pub seconds: f64,
}

impl Record {
    pub(super) const COLUMNS: usize = 7;

    pub(super) fn numbers(&self) -> [f64; Self::COLUMNS] {
        [
            self.step as f64,
            self.epoch,
            self.rate,
            self.loss,
            self.held_out_loss,
            self.held_out_accuracy,
            self.seconds,
        ]
    }

    pub(super) fn from_numbers(numbers: [f64; Self::COLUMNS]) -> Self {
        let [step, epoch, rate, loss, held_out_loss, held_out_accuracy, seconds] = numbers;
        Self {
            step: step as u64,
            epoch,
            rate,
            loss,
            held_out_loss,
            held_out_accuracy,
            seconds,
        }
    }
}

/// The rows of one training, oldest first. Ends a cell as a chart of its curves.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    pub(super) records: Vec<Record>,
}

impl History {
    /// The rows.
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether training ended before its first check.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The newest row.
    pub fn last(&self) -> Option<&Record> {
        self.records.last()
    }

    /// The rows as a polars frame: step (u64), epoch, rate, loss, held_out_loss, held_out_accuracy,
    /// seconds (f64). What was not measured is null.
    pub fn frame(&self) -> DataFrame {
        let measured = |of: fn(&Record) -> f64| -> Vec<Option<f64>> {
            self.records
                .iter()
                .map(|record| Some(of(record)).filter(|x| !x.is_nan()))
                .collect()
        };
        let steps: Vec<u64> = self.records.iter().map(|record| record.step).collect();
        let columns = vec![
            Column::new("step".into(), steps),
            Column::new("epoch".into(), measured(|r| r.epoch)),
            Column::new("rate".into(), measured(|r| r.rate)),
            Column::new("loss".into(), measured(|r| r.loss)),
            Column::new("held_out_loss".into(), measured(|r| r.held_out_loss)),
            Column::new("held_out_accuracy".into(), measured(|r| r.held_out_accuracy)),
            Column::new("seconds".into(), measured(|r| r.seconds)),
        ];
        DataFrame::new(self.records.len(), columns).unwrap_or_default()
    }

    /// The curves: losses on the left axis, held-out accuracy on the right one, over epochs.
    pub fn chart(&self) -> Plot {
        let lowest = |a: &&Record, b: &&Record| a.held_out_loss.total_cmp(&b.held_out_loss);
        let watched = self.records.iter().filter(|r| r.held_out_loss.is_finite());
        self.titled_chart("Training", watched.min_by(lowest))
    }

    /// As [`chart`](Self::chart), the best row marked, with what going on from there cost.
    pub(super) fn titled_chart(&self, title: &str, best: Option<&Record>) -> Plot {
        let column = |of: fn(&Record) -> f64| -> Vec<f64> { self.records.iter().map(of).collect() };
        let epochs = column(|r| r.epoch);
        let mut traces = vec![chart::curve(0, "training loss", &epochs, &column(|r| r.loss))];
        let mut layout = chart::layout(title, "epoch", "loss");
        if self.records.iter().any(|r| r.held_out_loss.is_finite()) {
            let accuracy = column(|r| r.held_out_accuracy);
            traces.push(chart::curve(
                1,
                "held-out loss",
                &epochs,
                &column(|r| r.held_out_loss),
            ));
            // Lines on the second axis need a trace of plotly's own making.
            let gaps: Vec<Option<f64>> = accuracy
                .into_iter()
                .map(|x| Some(x).filter(|x| x.is_finite()))
                .collect();
            traces.extend(best.map(|best| self.mark(best)));
            // Values have no accuracy.
            if gaps.iter().all(Option::is_none) {
                return chart::plot(layout, traces);
            }
            traces.push(
                Scatter::new(epochs, gaps)
                    .mode(Mode::Lines)
                    .name("held-out accuracy")
                    .line(Line::new().color(chart::color(2)).dash(DashType::Dot))
                    .y_axis("y2"),
            );
            layout = chart::with_right_axis(layout, chart::axis("accuracy").range(vec![0.0, 1.0]));
        }
        chart::plot(layout, traces)
    }
}

impl History {
    /// The best row as a point on the held-out loss; its name says what going on cost.
    fn mark(&self, best: &Record) -> Box<dyn Trace> {
        let last = self.records.iter().rfind(|r| r.held_out_loss.is_finite());
        let cost = last.map_or(0.0, |last| last.held_out_loss - best.held_out_loss);
        let name = match cost > 0.0 {
            true => format!("best; later {} more", readable_number(cost)),
            false => "best".to_owned(),
        };
        chart::mark(1, &name, best.epoch, best.held_out_loss)
    }
}

impl Show for History {
    fn bundle(&self) -> Bundle {
        let bundle = Bundle::text(self.frame().to_string());
        if self.is_empty() {
            bundle
        } else {
            bundle.plot(&self.chart())
        }
    }
}
