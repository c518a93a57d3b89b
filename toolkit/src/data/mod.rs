//! What there is to learn from: datasets that ship, generators, loaders, splits and standardization.

mod augmentation;
mod content;
mod dataset;
pub mod datasets;
mod digest;
mod display;
mod folds;
mod images;
mod join;
mod load;
mod names;
mod shape;
mod share;
mod sounds;
mod split;
mod standardize;
mod targets;
mod texts;
mod transpose;

pub use augmentation::{Augmentation, Preview};
pub(crate) use augmentation::{change_each, check_all, mix_batch};
pub use dataset::Dataset;
pub use datasets::ImageDomain;
pub use images::{DamagedImage, ImageBatch, ImageBatches, ImageFolder, ImagePreparation};
pub(crate) use load::MAX_EXPANSION;
pub use load::TableOptions;
pub(crate) use names::Names;
pub use shape::Shape;
pub(crate) use share::{share_of_classes, share_of_groups};
pub use sounds::Spectrogram;
pub use split::Split;
pub(crate) use split::check_test_share;
pub use standardize::Standardizer;
pub use targets::Targets;
pub use texts::Vocabulary;
