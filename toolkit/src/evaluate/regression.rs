//! [`Regression`]: how far predicted numbers lie from the true ones.

use std::fmt;

use plotly::Plot;
use rand::Rng as _;
use serde_json::json;

use crate::seed::stream;
use crate::show::{Bundle, Show, chart, readable_number, table_html};
use crate::{Error, Result};

/// Resamples of the examples behind an interval.
const RESAMPLES: usize = 1000;
/// Numbers looked at for an interval at most; beyond, fewer resamples are drawn.
const WORK: usize = 20_000_000;
/// Points in a chart at most.
const POINTS: usize = 5000;

/// How good a model is that predicts numbers: root mean squared error, mean absolute error and R², each with a 95%
/// interval by the percentile bootstrap over the examples (Efron 1979), drawn with a fixed seed. Ends a cell as a chart of
/// predicted against true values.
#[doc(alias = "mean_squared_error")]
#[doc(alias = "mean_absolute_error")]
#[doc(alias = "r2_score")]
#[derive(Clone, Debug)]
pub struct Regression {
    /// Root of the mean squared error, over examples and values, in the unit of the values.
    pub rmse: f64,
    /// Mean absolute error, over examples and values, in the unit of the values.
    pub mae: f64,
    /// 1 - squared error / squared distance from the mean, the mean over the values: 1 is perfect, 0 is as good as the
    /// mean. NaN where all true values are alike (scikit-learn's `r2_score` of several outputs, which gives 0 or 1 there).
    pub r2: f64,
    /// The 95% interval of [`rmse`](Self::rmse).
    pub rmse_interval: (f64, f64),
    /// The 95% interval of [`mae`](Self::mae).
    pub mae_interval: (f64, f64),
    /// The 95% interval of [`r2`](Self::r2).
    pub r2_interval: (f64, f64),
    /// Examples.
    pub n: usize,
    names: Vec<String>,
    predicted: Vec<f32>,
    actual: Vec<f32>,
}

impl Regression {
    /// Compares predicted with true numbers, both examples x values, row-major; `names` are those of the values.
    ///
    /// # Errors
    /// Without examples, when there are more or fewer of one than of the other, and when a predicted number is not
    /// finite.
    pub fn of(predicted: &[f32], actual: &[f32], names: &[String]) -> Result<Self> {
        let width = names.len();
        if width == 0 || actual.is_empty() || !actual.len().is_multiple_of(width) {
            return Err(
                Error::data("expected at least one example with values, found none")
                    .at("evaluation")
                    .fix("evaluate on a dataset with values"),
            );
        }
        if predicted.len() != actual.len() {
            return Err(Error::data(format!(
                "expected {} predicted numbers, {width} an example, found {}",
                actual.len(),
                predicted.len()
            ))
            .at("evaluation"));
        }
        if let Some(i) = predicted.iter().position(|x| !x.is_finite()) {
            return Err(
                Error::data(format!("expected finite numbers, found {}", predicted[i]))
                    .at(format!("evaluation, row {}", i / width))
                    .fix("look for a diverged training: a lower rate, or standardized features"),
            );
        }
        let n = actual.len() / width;
        let scores = |rows: &mut dyn Iterator<Item = usize>| scores(predicted, actual, width, rows);
        let [rmse, mae, r2] = scores(&mut (0..n));
        let mut rng = stream(0, "bootstrap");
        let times = (WORK / actual.len()).clamp(20, RESAMPLES);
        let mut drawn: [Vec<f64>; 3] = Default::default();
        for _ in 0..times {
            let found = scores(&mut (0..n).map(|_| rng.random_range(0..n as u64) as usize));
            for (all, one) in drawn.iter_mut().zip(found) {
                // Resamples of one and the same value have no R².
                all.extend(Some(one).filter(|x| x.is_finite()));
            }
        }
        let [rmse_interval, mae_interval, r2_interval] = drawn.map(middle);
        Ok(Self {
            rmse,
            mae,
            r2,
            rmse_interval,
            mae_interval,
            r2_interval,
            n,
            names: names.to_vec(),
            predicted: predicted.to_vec(),
            actual: actual.to_vec(),
        })
    }

    /// Predicted against true values, each value a color; the line is where they are the same.
    pub fn chart(&self) -> Plot {
        let width = self.names.len();
        let every = self.n.div_ceil(POINTS).max(1);
        let column = |numbers: &[f32], j: usize| -> Vec<f32> {
            numbers
                .chunks_exact(width)
                .step_by(every)
                .map(|row| row[j])
                .collect()
        };
        let cloud = |j: usize| {
            chart::RawTrace(json!({
                "type": "scatter", "mode": "markers", "name": chart::plain(&self.names[j]),
                "x": column(&self.actual, j), "y": column(&self.predicted, j),
                "marker": {"size": 6, "color": chart::color(j), "opacity": 0.6},
            }))
        };
        let all = self.actual.iter().chain(&self.predicted);
        let (low, high) = all.fold((f32::INFINITY, f32::NEG_INFINITY), |(a, b), &x| {
            (a.min(x), b.max(x))
        });
        let same = chart::RawTrace(json!({
            "type": "scatter", "mode": "lines", "name": "the same", "x": [low, high], "y": [low, high],
            "line": {"color": "#888", "dash": "dot"},
        }));
        let traces = (0..width).map(cloud).chain([same]);
        let layout = chart::layout("Predicted against true", "true", "predicted");
        chart::plot(
            layout,
            traces
                .map(|trace| Box::new(trace) as Box<dyn plotly::Trace>)
                .collect(),
        )
    }
}

/// Root mean squared error, mean absolute error and R² over these rows.
fn scores(
    predicted: &[f32],
    actual: &[f32],
    width: usize,
    rows: &mut dyn Iterator<Item = usize>,
) -> [f64; 3] {
    let (mut n, mut absolute) = (0.0, 0.0);
    let mut sums = vec![[0.0f64; 3]; width];
    for row in rows {
        n += 1.0;
        for (j, sums) in sums.iter_mut().enumerate() {
            let (p, y) = (
                f64::from(predicted[row * width + j]),
                f64::from(actual[row * width + j]),
            );
            // From the first value on, so that far-off means lose no digits.
            let from_first = y - f64::from(actual[j]);
            absolute += (p - y).abs();
            sums[0] += (p - y) * (p - y);
            sums[1] += from_first;
            sums[2] += from_first * from_first;
        }
    }
    let squared: f64 = sums.iter().map(|sums| sums[0]).sum();
    let r2 = |&[error, sum, square]: &[f64; 3]| match square - sum * sum / n {
        spread if spread > 1e-12 * square => 1.0 - error / spread,
        _ => f64::NAN,
    };
    let count = n * width as f64;
    let r2 = sums.iter().map(r2).sum::<f64>() / width as f64;
    [(squared / count).sqrt(), absolute / count, r2]
}

/// The middle 95% of drawn numbers.
fn middle(mut drawn: Vec<f64>) -> (f64, f64) {
    drawn.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = share * drawn.len().saturating_sub(1) as f64;
        let (below, above) = (place.floor() as usize, place.ceil() as usize);
        match (drawn.get(below), drawn.get(above)) {
            (Some(a), Some(b)) => a + (b - a) * place.fract(),
            _ => f64::NAN,
        }
    };
    (at(0.025), at(0.975))
}

impl fmt::Display for Regression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = |x: f64, (low, high): (f64, f64)| {
            let [x, low, high] = [x, low, high].map(readable_number);
            format!("{x} (95% interval {low} to {high})")
        };
        write!(
            f,
            "RMSE {}, MAE {}, R\u{b2} {}, n {}",
            one(self.rmse, self.rmse_interval),
            one(self.mae, self.mae_interval),
            one(self.r2, self.r2_interval),
            self.n
        )
    }
}

impl Show for Regression {
    fn bundle(&self) -> Bundle {
        let row = |name: &str, x: f64, (low, high): (f64, f64)| {
            let [x, low, high] = [x, low, high].map(readable_number);
            vec![name.to_owned(), x, format!("{low} to {high}")]
        };
        let html = table_html(
            &[
                format!("on {} examples", self.n),
                String::new(),
                "95% interval".into(),
            ],
            &[
                row("RMSE", self.rmse, self.rmse_interval),
                row("MAE", self.mae, self.mae_interval),
                row("R\u{b2}", self.r2, self.r2_interval),
            ],
        );
        Bundle::text(self.to_string()).html(html).plot(&self.chart())
    }
}
