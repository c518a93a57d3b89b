//! What a network is trained to make small: [`Loss`] has the standard ones, [`Objective`] is what they are and what one
//! of one's own is: over plain numbers ([`objective`]), over dfdx tensors ([`on_tape`]), or a [`Sum`] of several.

mod cross_entropy;
mod errors;
mod focal;
mod fused;
mod hinge;
pub(crate) mod metric;
mod objective;
mod settings;
mod tape;
#[cfg(test)]
mod tests;

use serde::{Deserialize, Serialize};

use crate::data::{Dataset, Targets};
use crate::show::{Bundle, Show};
use crate::{Error, Result};
pub use metric::{
    ArcFace, CenterLoss, ContrastiveLoss, CosFace, Miner, MultiSimilarity, ProxyAnchor,
    SupervisedContrastive, TripletLoss,
};
pub use objective::{Learned, Objective, Own, Part, Seen, Sum, objective};
pub use tape::{OnTape, OneHot, on_tape};
pub(crate) use tape::{WithTable, one_hot};

/// A loss, averaged over the batch.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Loss {
    /// -log softmax(logits)\[class\], the mean over the rows: PyTorch's `CrossEntropyLoss`. With shares as targets
    /// -sum share log softmax(logits).
    #[default]
    #[doc(alias = "CrossEntropyLoss")]
    SoftmaxCrossEntropy,
    /// (output - target)^2, the mean over rows and outputs: PyTorch's `MSELoss`. With classes as targets
    /// the target is 1 for the class and 0 elsewhere.
    #[doc(alias = "MSELoss")]
    MeanSquaredError,
    /// Softmax cross entropy with smoothed labels and with classes that count differently: PyTorch's
    /// `CrossEntropyLoss(weight, label_smoothing)`. With K classes, class c and class weights w a row has
    /// (1 - smoothing) w_c (-log p_c) + smoothing / K sum_k w_k (-log p_k), and the mean is the sum of these divided by
    /// the sum of the rows' w_c. A batch of classes that weigh 0 alone has a loss of 0. The weight of an example
    /// multiplies what its row has, and is no part of the divisor. With shares as targets, share_k stands for the class
    /// and the divisor is the number of rows, as in PyTorch.
    /// Label smoothing is of Szegedy et al. 2016, section 7. Weighted classes give the probabilities that they would have
    /// if each were that many times as frequent.
    #[doc(alias = "label_smoothing")]
    #[doc(alias = "class_weight")]
    CrossEntropy {
        /// The share of a target that is spread over all classes, 0 to below 1.
        #[serde(default)]
        smoothing: f64,
        /// How much each class counts, 0 or more, one a class; empty: all alike.
        #[serde(default)]
        class_weights: Vec<f64>,
    },
    /// -alpha_c (1 - p_c)^gamma log p_c with p the softmax, the mean over the rows (Lin et al. 2017, equation 5, for one
    /// class of several): what is nearly right counts less. Its optimum is not the probabilities of the classes
    /// (Charoenphakdee et al. 2021), so that a model trained by it gives none, unless gamma is 0.
    #[doc(alias = "FocalLoss")]
    Focal {
        /// How much less the easy examples count, 0 or more; 2 in the paper.
        gamma: f64,
        /// How much each class counts, 0 or more, one a class; empty: all alike.
        #[serde(default)]
        alpha: Vec<f64>,
    },
    /// sum over j other than the class of max(0, margin - z_class + z_j) / K, the mean over the rows: PyTorch's
    /// `MultiMarginLoss`. The sum over classes is Weston and Watkins's (1999); Crammer and Singer (2001), whom it is often
    /// ascribed to, take the largest alone.
    #[doc(alias = "MultiMarginLoss")]
    #[doc(alias = "hinge")]
    MultiClassHinge {
        /// By how much the class must lie above the others, above 0; 1 in PyTorch.
        margin: f64,
    },
    /// Half the square of output - target up to a size of delta, and delta (|output - target| - delta / 2) beyond, the mean
    /// over rows and outputs (Huber 1964): PyTorch's `HuberLoss`. Classes as targets are as for
    /// [`MeanSquaredError`](Self::MeanSquaredError), here and in what follows.
    #[doc(alias = "HuberLoss")]
    #[doc(alias = "SmoothL1Loss")]
    Huber {
        /// Where the line begins, in the unit of the targets, above 0.
        delta: f64,
    },
    /// tau x (target - output) where the target is above, and (1 - tau) x (output - target) where it is below, the mean
    /// over rows and outputs (Koenker and Bassett 1978): the pinball loss. The output becomes the quantile tau of the target.
    #[doc(alias = "pinball")]
    Quantile {
        /// The quantile, above 0 and below 1; 0.5 is the median.
        tau: f64,
    },
    /// |output - target|, the mean over rows and outputs: PyTorch's `L1Loss`. The output becomes the median.
    #[doc(alias = "L1Loss")]
    AbsoluteError,
}

impl Show for Loss {
    fn bundle(&self) -> Bundle {
        Bundle::text(format!("{self:?}"))
    }
}

/// A [`Loss`] at a layer, for one of several streams: see [`Loss::at`].
#[derive(Clone, Debug, PartialEq)]
pub struct At {
    loss: Loss,
    tap: String,
    stream: usize,
}

impl Loss {
    /// Cross entropy with smoothed labels: see [`Loss::CrossEntropy`].
    ///
    /// ```
    /// use jook::prelude::*;
    /// let iris = datasets::iris()?.split(0.3, 0)?.standardized()?;
    /// let recipe = Recipe::new().epochs(20).loss(Loss::label_smoothing(0.1));
    /// let run = Mlp::new([4, 16, 3]).fit(&iris, recipe)?;
    /// # assert!(run.evaluation.is_some());
    /// # Ok::<(), jook::Error>(())
    /// ```
    pub fn label_smoothing(smoothing: f64) -> Self {
        Loss::CrossEntropy {
            smoothing,
            class_weights: Vec::new(),
        }
    }

    /// Cross entropy of classes that count differently, a weight each: see [`Loss::CrossEntropy`].
    ///
    /// ```
    /// use jook::prelude::*;
    /// // The second class is rare.
    /// let recipe = Recipe::new().loss(Loss::class_weights([1.0, 10.0]));
    /// # assert!(recipe.validate().is_ok());
    /// ```
    pub fn class_weights(weights: impl IntoIterator<Item = f64>) -> Self {
        Loss::CrossEntropy {
            smoothing: 0.0,
            class_weights: weights.into_iter().collect(),
        }
    }

    /// The loss of what the layer of this name puts out, on the first stream.
    pub fn at(self, layer: impl Into<String>) -> At {
        At {
            loss: self,
            tap: layer.into(),
            stream: 0,
        }
    }

    /// Whether these targets fit a batch of `rows` with `outputs` each: as many as rows, classes in range,
    /// finite values for a loss on values. Check once, before training.
    ///
    /// # Errors
    /// When they do not fit.
    pub fn check(&self, rows: usize, outputs: usize, targets: Targets<'_>) -> Result<()> {
        self.validate()?;
        if let Some(weights) = self.of_classes().filter(|weights| weights.len() != outputs) {
            return Err(Error::spec(format!(
                "{} weights of classes for {outputs} outputs",
                weights.len()
            ))
            .at(format!("loss {self:?}"))
            .fix("give one a class, in the order of the classes, or none"));
        }
        match (self, targets) {
            (_, Targets::None) => Err(Error::data("expected targets to learn, found none")),
            (_, Targets::Classes(classes)) => {
                if classes.len() != rows {
                    return Err(Error::data(format!(
                        "{} labels for {rows} examples",
                        classes.len()
                    )));
                }
                classes_below(classes, outputs)
            }
            (loss, Targets::Values(_)) if loss.is_of_classes() => Err(Error::spec(format!(
                "{} needs classes as targets, and got values",
                loss.words()
            ))
            .fix("use Loss::MeanSquaredError, or targets that are classes")),
            (Loss::Focal { .. } | Loss::MultiClassHinge { .. }, Targets::Shares { .. }) => {
                Err(Error::spec(format!(
                    "{} needs one class an example, and got shares of classes",
                    self.words()
                ))
                .fix("use Loss::SoftmaxCrossEntropy, or no mixing of examples"))
            }
            (_, Targets::Shares { shares: values, .. } | Targets::Values(values)) => {
                if rows.checked_mul(outputs) != Some(values.len()) {
                    return Err(Error::data(format!(
                        "{} target values for {rows} examples of {outputs} outputs each",
                        values.len()
                    ))
                    .fix("give the last layer as many units as an example has targets"));
                }
                match values.iter().position(|value| !value.is_finite()) {
                    Some(i) => Err(Error::data(format!(
                        "expected finite target values, found {}",
                        values[i]
                    ))
                    .at(format!("example {}, output {}", i / outputs + 1, i % outputs + 1))
                    .fix("drop or fill missing values first")),
                    None => Ok(()),
                }
            }
        }
    }
}

impl At {
    /// Of this stream, counted from 0.
    pub fn stream(mut self, stream: usize) -> Self {
        self.stream = stream;
        self
    }
}

impl Objective for Loss {
    fn check(&mut self, data: &[&Dataset], widths: &[usize]) -> Result<()> {
        self.fits(data[0], widths[0])
    }

    fn value(&mut self, seen: &Seen<'_>, slopes: &mut [&mut [f32]]) -> Result<f64> {
        self.of_stream(seen, 0, slopes)
    }

    fn is_own(&self) -> bool {
        false
    }
}

impl Objective for At {
    fn taps(&self) -> Vec<String> {
        vec![self.tap.clone()]
    }

    fn streams(&self) -> usize {
        self.stream + 1
    }

    fn check(&mut self, data: &[&Dataset], widths: &[usize]) -> Result<()> {
        match data.get(self.stream) {
            Some(data) => self.loss.fits(data, widths[0]),
            None => Err(Error::spec(format!(
                "the loss at {} is of stream {}, and there are {}",
                self.tap,
                self.stream,
                data.len()
            ))),
        }
    }

    fn value(&mut self, seen: &Seen<'_>, slopes: &mut [&mut [f32]]) -> Result<f64> {
        self.loss.of_stream(seen, self.stream, slopes)
    }
}

impl Loss {
    fn fits(&self, data: &Dataset, outputs: usize) -> Result<()> {
        if data.targets() == Targets::None {
            return Err(lacking(data));
        }
        self.check(data.len(), outputs, data.targets())
            .map_err(|error| error.at(format!("dataset {}", data.name())))
    }

    /// The value on one stream's rows at the first tap, with the slopes there.
    ///
    /// # Errors
    /// When the targets do not fit the outputs: of data that were checked before training they do.
    fn of_stream(&self, seen: &Seen<'_>, stream: usize, slopes: &mut [&mut [f32]]) -> Result<f64> {
        let part = &seen.streams[stream];
        self.check(part.range.len(), seen.widths[0], part.targets)?;
        let slope = &mut slopes[0][seen.place(0, stream)];
        let value = self.of_rows(
            seen.output(0, stream),
            seen.widths[0],
            part.targets,
            part.weights,
            slope,
        );
        Ok(f64::from(value))
    }
}

/// An error for data without targets.
pub(crate) fn lacking(data: &Dataset) -> Error {
    Error::data("expected labels to learn, found none")
        .at(format!("dataset {}", data.name()))
        .fix("add them with Dataset::with_labels, or values with Dataset::with_values")
}

/// Refuses weights, for a loss that is not given them.
pub(crate) fn unweighted(part: &Part<'_>) -> Result<()> {
    match part.weights {
        None => Ok(()),
        Some(_) => Err(Error::data(
            "expected examples that all count alike, found weights, which this loss is not given",
        )
        .at("train_with")
        .fix(
            "leave them out with Dataset::without_weights, draw by them with Sampler::Weighted, or weigh in an \
             objective: net.training().objective(on_tape([\"logits\"], |outputs, seen| ..)) sees them as \
             seen.streams[0].weights",
        )),
    }
}

/// Refuses labels that an output is lacking for.
pub(crate) fn in_range(data: &Dataset, labels: &[u32], outputs: usize) -> Result<()> {
    classes_below(labels, outputs).map_err(|error| error.at(format!("dataset {}", data.name())))
}

fn classes_below(classes: &[u32], outputs: usize) -> Result<()> {
    match classes
        .iter()
        .enumerate()
        .find(|&(_, &class)| class as usize >= outputs)
    {
        Some((row, class)) => Err(Error::data(format!(
            "label {class} is out of range: the network has {outputs} outputs, so expected 0 to {}",
            outputs.saturating_sub(1)
        ))
        .at(format!("example {}", row + 1))
        .fix("give the last layer as many units as there are classes")),
        None => Ok(()),
    }
}
