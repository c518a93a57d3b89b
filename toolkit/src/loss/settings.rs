//! What the numbers of a standard loss may be, and what is known of each loss.

use super::Loss;
use crate::{Error, Result};

impl Loss {
    /// Refuses numbers out of range.
    pub(crate) fn validate(&self) -> Result<()> {
        let wrong = |what: String| Err(Error::spec(what).at(format!("loss {self:?}")));
        match self {
            Loss::CrossEntropy { smoothing, .. } if !(0.0..1.0).contains(smoothing) => wrong(format!(
                "expected label smoothing of 0 to below 1, found {smoothing}"
            )),
            Loss::Focal { gamma, .. } if !(*gamma >= 0.0 && (*gamma as f32).is_finite()) => {
                wrong(format!("expected a gamma of 0 or more, found {gamma}"))
            }
            Loss::MultiClassHinge { margin: x } | Loss::Huber { delta: x }
                if !(*x as f32 > 0.0 && (*x as f32).is_finite()) =>
            {
                wrong(format!("expected a number above 0, found {x}"))
            }
            Loss::Quantile { tau } if !(*tau > 0.0 && *tau < 1.0) => {
                wrong(format!("expected a quantile above 0 and below 1, found {tau}"))
            }
            _ => match self.of_classes() {
                Some(weights)
                    if weights.iter().any(|w| !(*w >= 0.0 && (*w as f32).is_finite()))
                        || weights.iter().all(|&w| w == 0.0) =>
                {
                    wrong(format!(
                        "expected weights of classes of 0 or more and one above it, found {weights:?}"
                    ))
                }
                _ => Ok(()),
            },
        }
    }

    /// How much each class counts, where that is said.
    pub(super) fn of_classes(&self) -> Option<&[f64]> {
        match self {
            Loss::CrossEntropy {
                class_weights: weights,
                ..
            }
            | Loss::Focal { alpha: weights, .. } => Some(&weights[..]).filter(|all| !all.is_empty()),
            _ => None,
        }
    }

    /// Whether targets must be classes.
    pub(super) fn is_of_classes(&self) -> bool {
        matches!(
            self,
            Loss::SoftmaxCrossEntropy
                | Loss::CrossEntropy { .. }
                | Loss::Focal { .. }
                | Loss::MultiClassHinge { .. }
        )
    }

    /// Whether the softmax of what it trains becomes probabilities.
    pub(crate) fn gives_log_probabilities(&self) -> bool {
        match self {
            Loss::SoftmaxCrossEntropy | Loss::CrossEntropy { .. } => true,
            // Without it a cross entropy.
            Loss::Focal { gamma, .. } => *gamma == 0.0,
            _ => false,
        }
    }

    /// Its name in a sentence.
    pub(crate) fn words(&self) -> &'static str {
        match self {
            Loss::SoftmaxCrossEntropy => "softmax cross entropy",
            Loss::MeanSquaredError => "the mean squared error",
            Loss::CrossEntropy { .. } => "cross entropy with smoothing or weights of classes",
            Loss::Focal { .. } => "the focal loss",
            Loss::MultiClassHinge { .. } => "the multi-class hinge loss",
            Loss::Huber { .. } => "the Huber loss",
            Loss::Quantile { .. } => "the quantile loss",
            Loss::AbsoluteError => "the absolute error",
        }
    }
}
