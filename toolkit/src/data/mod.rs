//! What there is to learn from: datasets that ship, generators, loaders, splits and standardization.

mod dataset;

pub use dataset::{Dataset, Shape};
