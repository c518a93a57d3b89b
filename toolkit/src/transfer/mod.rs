//! What one network has learned, put to use for another task: [`Features`] of a frozen network, kept on disk; a new
//! last layer on top of them ([`Retrain`]); two networks side by side under one ([`Concat`]); source examples that count
//! by how much they look like the target's ([`instance`]).
//!
//! ```
//! use jook::prelude::*;
//!
//! // A network that has seen the digits 0 to 4 ...
//! let digits = datasets::digits()?;
//! let seen = digits.of_classes(&["0", "1", "2", "3", "4"])?;
//! let recipe = Recipe::new().epochs(3).adam(0.003);
//! let net = Cnn::new(digits.shape(), 5).channels([8, 16]).hidden(0).train(&seen, recipe)?.model;
//!
//! // ... learns 5 to 9 by a new last layer; its convolutions stay.
//! let unseen = digits.of_classes(&["5", "6", "7", "8", "9"])?;
//! let retrained = Retrain::of(&net, "logits").without_cache()
//!     .recipe(Recipe::new().steps(500).batch(100).sgd(0.01).momentum(0.9))
//!     .run(&unseen)?;
//! println!("{retrained}");
//! assert_eq!(retrained.network.predict(unseen.row(0))?.len(), 5);
//! # Ok::<(), jook::Error>(())
//! ```
//!
//! What it is worth on these digits (`toolkit/tests/transfer.rs`; 80 labelled images a class, 20 seeds, two dense layers
//! trained anew on features of two convolutions): 97.8% right, against 98.5% with everything trained on 5 to 9, in a
//! quarter of the time; on convolutions with random numbers, 97.0%.

mod bottleneck;
mod concat;
mod features;
pub mod instance;
mod resolution;
mod retrain;
#[cfg(test)]
mod tests;

pub use concat::Concat;
pub use features::{FeatureSet, Features, Images};
pub use retrain::{Retrain, Retrained};
