//! How good a classifier is: accuracy with its interval, macro F1, log loss, confusion matrix.

mod confusion;
mod metrics;
#[cfg(test)]
mod tests;

pub use confusion::ConfusionMatrix;
pub use metrics::{Evaluation, wilson_interval};
