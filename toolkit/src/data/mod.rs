//! What there is to learn from: datasets that ship, generators, loaders, splits and standardization.

mod dataset;
pub mod datasets;
mod display;
mod load;
mod shape;
mod split;
mod standardize;

pub use dataset::Dataset;
pub use shape::Shape;
pub use split::Split;
pub use standardize::Standardizer;
