//! Metric learning: losses of an embedding, which draw examples of one class near each other and hold others apart.
//! Each is an [`Objective`](super::Objective) on one stream of data whose targets are classes, of which there may be more
//! than outputs. Those of pairs and triplets want several examples of a class in a batch: `Sampler::PerClass`.

mod center;
mod contrastive;
pub(crate) mod geometry;
mod margin_softmax;
mod miner;
mod multi_similarity;
mod part;
mod proxies;
mod proxy_anchor;
mod supervised_contrastive;
#[cfg(test)]
mod tests;
mod triplet;

pub use center::CenterLoss;
pub use contrastive::ContrastiveLoss;
pub use margin_softmax::{ArcFace, CosFace};
pub use miner::Miner;
pub use multi_similarity::MultiSimilarity;
pub use proxy_anchor::ProxyAnchor;
pub use supervised_contrastive::SupervisedContrastive;
pub use triplet::TripletLoss;
