//! Photographs for networks: decoded, brought to one size, normalized, a batch at a time.

mod batches;
mod preparation;
mod resize;
#[cfg(test)]
mod tests;

pub use batches::{DamagedImage, ImageBatch, ImageBatches, ImageFolder};
pub use preparation::ImagePreparation;
