//! How good a classifier is: accuracy with its interval, macro F1, log loss, confusion matrix.

mod confusion;
mod metrics;
mod regression;
#[cfg(test)]
mod tests;

pub use confusion::ConfusionMatrix;
pub(crate) use metrics::largest;
pub use metrics::{Evaluation, wilson_interval};
pub use regression::Regression;
