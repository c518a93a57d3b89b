//! What a model says of examples ([`Predictions`]), and how good that is: of a classifier accuracy with its interval,
//! macro F1, log loss and confusion matrix ([`Evaluation`]), and whether its probabilities are the shares in which it is
//! right ([`Calibration`]); of predicted numbers their errors ([`Regression`]); of an embedding what it retrieves and
//! verifies ([`EmbeddingEvaluation`]), and how it looks in the plane ([`View`], [`Pca`], [`Tsne`], [`Umap`]).

mod augmented;
mod calibration;
mod confusion;
mod embedding;
mod examples;
mod mc_dropout;
mod mean;
mod metrics;
mod mistakes;
mod predictions;
mod projection;
mod regression;
#[cfg(test)]
mod tests;
mod uncertainty;

pub(crate) use augmented::predict_augmented;
pub use calibration::{Calibration, ConfidenceBin, reliability_diagram};
pub use confusion::ConfusionMatrix;
pub use embedding::{EmbeddingEvaluation, EmbeddingOptions, Roc};
pub use examples::{Examples, Predictor};
pub(crate) use mc_dropout::predict_mc_dropout;
pub use metrics::{Evaluation, wilson_interval};
pub(crate) use metrics::{Z95, largest};
pub use mistakes::Mistakes;
pub(crate) use predictions::Meaning;
pub use predictions::Predictions;
pub use projection::{Pca, Tsne, Umap, View, trustworthiness};
pub use regression::Regression;
