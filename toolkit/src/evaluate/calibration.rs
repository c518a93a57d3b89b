//! [`Calibration`]: whether the probabilities of a classifier are the shares in which it is right.

use std::collections::BTreeMap;
use std::fmt;

use plotly::{Plot, Trace};
use serde_json::json;

use super::metrics::Z95;
use super::{Evaluation, Predictions, largest, wilson_interval};
use crate::show::{Bundle, Show, chart, table_html};
use crate::{Error, Result};

/// Bins of [`Predictions::calibration`], as Guo et al. (2017) have them.
const BINS: usize = 15;

/// Whether the probabilities that a classifier gives are the shares in which it is right: a calibrated one is right about
/// nine tenths of what it is 90% sure of. Ends a cell as its numbers and a reliability diagram.
///
/// ```
/// use jook::prelude::*;
/// let digits = datasets::digits()?.few_shot(10, 7)?;
/// let run = Mlp::new([64, 64, 10]).dropout(0.2).train(&digits.train, Recipe::new().epochs(60))?;
/// let one = run.predict(&digits.test)?.calibration()?;
/// let mean = run.predict_mc_dropout(&digits.test, 20, 7)?.calibration()?;
/// println!("log loss {:.3}, and {:.3} as the mean of 20 passes", one.log_loss, mean.log_loss);
/// reliability_diagram(&[("one pass", &one), ("mean of 20", &mean)])
/// # ;
/// # Ok::<(), jook::Error>(())
/// ```
#[doc(alias = "calibration_curve")]
#[doc(alias = "brier_score_loss")]
#[doc(alias = "ECE")]
#[derive(Clone, Debug, PartialEq)]
pub struct Calibration {
    /// Negative log likelihood: the mean of -ln(probability given to the true class), in nats. It is least for the true
    /// probabilities, and without bound for a sure mistake.
    #[doc(alias = "nll")]
    pub log_loss: f64,
    /// The mean of the squared distance between the probabilities of all classes and 1 for the true one, 0 for the others
    /// (Brier 1950): 0 to 2. scikit-learn's `brier_score_loss` with `scale_by_half=False`.
    pub brier: f64,
    /// Expected calibration error (Guo et al. 2017): by how much confidence and accuracy differ in a bin, the mean over the
    /// examples. It depends on the bins, and few examples make it larger than it is.
    #[doc(alias = "expected_calibration_error")]
    pub ece: f64,
    /// Share classified rightly.
    pub accuracy: f64,
    /// Mean probability of the predicted class. Above the accuracy it is overconfidence.
    pub confidence: f64,
    /// The bins that hold examples, from low to high confidence.
    pub bins: Vec<ConfidenceBin>,
    /// Examples.
    pub n: usize,
}

/// Examples whose predicted class has a probability in one range.
#[derive(Clone, Debug, PartialEq)]
pub struct ConfidenceBin {
    /// Above this.
    pub from: f64,
    /// Up to this, included.
    pub to: f64,
    /// Mean probability of the predicted class.
    pub confidence: f64,
    /// Share classified rightly.
    pub accuracy: f64,
    /// Wilson's 95% interval of the accuracy.
    pub interval: (f64, f64),
    /// Examples in it, 1 at least.
    pub n: usize,
}

impl Predictions {
    /// Whether the probabilities are the shares in which the model is right, in 15 bins of confidence.
    ///
    /// # Errors
    /// As [`evaluation`](Self::evaluation), and when the outputs were not trained to give probabilities.
    pub fn calibration(&self) -> Result<Calibration> {
        self.calibration_in(BINS)
    }

    /// As [`calibration`](Self::calibration), in so many bins of one width.
    ///
    /// # Errors
    /// As [`calibration`](Self::calibration), and without bins.
    pub fn calibration_in(&self, bins: usize) -> Result<Calibration> {
        // Refuses outputs that are no logits of a softmax.
        self.probabilities()?;
        Calibration::of(&self.outputs, self.truth()?, self.names(), bins).map_err(|e| e.at(self.place()))
    }
}

impl Calibration {
    /// From `logits`, row-major, one row an example and one column a class: probabilities are their softmax. `bins` is how
    /// many ranges of one width, each open below and closed above, split the confidence from 0 to 1.
    ///
    /// # Errors
    /// As [`Evaluation::of`], and without bins.
    pub fn of(logits: &[f32], labels: &[u32], class_names: &[String], bins: usize) -> Result<Self> {
        if bins == 0 {
            return Err(Error::spec("0 bins hold no example: expected 1 or more").fix("15 are usual"));
        }
        let found = Evaluation::of(logits, labels, class_names)?;
        let (mut brier, mut sure) = (0.0, 0.0);
        // Examples, the right ones, and the sum of confidences.
        let mut sums: BTreeMap<usize, (usize, usize, f64)> = BTreeMap::new();
        for (row, &label) in logits.chunks_exact(class_names.len()).zip(labels) {
            let top = largest(row);
            let powers: Vec<f64> = row
                .iter()
                .map(|&x| (f64::from(x) - f64::from(row[top])).exp())
                .collect();
            let sum: f64 = powers.iter().sum();
            for (class, power) in powers.iter().enumerate() {
                let off = power / sum - f64::from(u8::from(class == label as usize));
                brier += off * off;
            }
            let confidence = powers[top] / sum;
            sure += confidence;
            let bin = ((confidence * bins as f64).ceil() as usize).clamp(1, bins) - 1;
            let (all, right, confidences) = sums.entry(bin).or_default();
            *all += 1;
            *right += usize::from(top == label as usize);
            *confidences += confidence;
        }
        let n = found.n as f64;
        let width = 1.0 / bins as f64;
        let bins: Vec<ConfidenceBin> = sums
            .into_iter()
            .map(|(bin, (all, right, confidences))| ConfidenceBin {
                from: bin as f64 * width,
                to: (bin + 1) as f64 * width,
                confidence: confidences / all as f64,
                accuracy: right as f64 / all as f64,
                interval: wilson_interval(right as u64, all as u64, Z95),
                n: all,
            })
            .collect();
        let gap = |bin: &ConfidenceBin| bin.n as f64 / n * (bin.accuracy - bin.confidence).abs();
        Ok(Self {
            log_loss: found.log_loss,
            brier: brier / n,
            ece: bins.iter().map(gap).sum(),
            accuracy: found.accuracy,
            confidence: sure / n,
            bins,
            n: found.n,
        })
    }

    /// Its reliability diagram: see [`reliability_diagram`].
    pub fn chart(&self) -> Plot {
        reliability_diagram(&[("this model", self)])
    }

    /// Its numbers by name, as a study has them.
    pub(crate) fn numbers(&self) -> [(&'static str, f64); 5] {
        [
            ("accuracy", self.accuracy),
            ("confidence", self.confidence),
            ("log_loss", self.log_loss),
            ("brier", self.brier),
            ("ece", self.ece),
        ]
    }
}

/// The accuracy in each bin of confidence, with its 95% interval, for each of several calibrations of this name: on the
/// dotted line they are the same, below it the model is overconfident. The larger a point, the more examples it stands for
/// (Niculescu-Mizil and Caruana 2005).
pub fn reliability_diagram<N: AsRef<str>>(all: &[(N, &Calibration)]) -> Plot {
    let same = chart::RawTrace(json!({
        "type": "scatter", "mode": "lines", "name": "calibrated", "x": [0, 1], "y": [0, 1],
        "line": {"color": "#888", "dash": "dot"}, "hoverinfo": "skip",
    }));
    let points = |(i, (name, one)): (usize, &(N, &Calibration))| {
        let column = |of: &dyn Fn(&ConfidenceBin) -> f64| -> Vec<f64> { one.bins.iter().map(of).collect() };
        let intervals: Vec<(f64, f64)> = one.bins.iter().map(|bin| bin.interval).collect();
        let share = |bin: &ConfidenceBin| bin.n as f64 / one.n as f64;
        let name = format!("{}, ECE {:.3}", name.as_ref(), one.ece);
        chart::RawTrace(json!({
            "type": "scatter", "mode": "lines+markers", "name": chart::plain(&name),
            "x": column(&|bin| bin.confidence), "y": column(&|bin| bin.accuracy),
            "text": one.bins.iter().map(|bin| bin.n.to_string()).collect::<Vec<_>>(),
            "line": {"color": chart::color(i), "width": 1.5},
            "marker": {"size": column(&|bin| 5.0 + 18.0 * share(bin).sqrt()), "opacity": 1},
            "error_y": chart::error_bars(&column(&|bin| bin.accuracy), &intervals, chart::color(i), 3),
            "hovertemplate": format!(
                "{}<br>sure %{{x:.3f}}, right %{{y:.3f}}, %{{text}} examples<extra></extra>", chart::plain(&name)
            ),
        }))
    };
    let layout = chart::layout("How often it is right", "confidence", "accuracy");
    let drawn = all.iter().enumerate().map(points);
    let traces = [same].into_iter().chain(drawn);
    chart::plot(
        layout,
        traces.map(|trace| Box::new(trace) as Box<dyn Trace>).collect(),
    )
}

impl fmt::Display for Calibration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "accuracy {:.1}% at a confidence of {:.1}%, log loss {:.3}, Brier score {:.3}, ECE {:.3}, n {}",
            100.0 * self.accuracy,
            100.0 * self.confidence,
            self.log_loss,
            self.brier,
            self.ece,
            self.n
        )
    }
}

impl Show for Calibration {
    fn bundle(&self) -> Bundle {
        let row = |name: &str, value: String| vec![name.to_owned(), value];
        let rows = [
            row("accuracy", format!("{:.1}%", 100.0 * self.accuracy)),
            row("mean confidence", format!("{:.1}%", 100.0 * self.confidence)),
            row("log loss", format!("{:.3}", self.log_loss)),
            row("Brier score", format!("{:.3}", self.brier)),
            row("expected calibration error", format!("{:.3}", self.ece)),
        ];
        let html = table_html(&[format!("on {} examples", self.n), String::new()], &rows);
        Bundle::text(self.to_string()).html(html).plot(&self.chart())
    }
}
