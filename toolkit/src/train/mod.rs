//! Training: [`Recipe`] says how, `train` on a network does it, [`Run`] holds what came of it.
//!
//! The same call trains a fused network ([`Mlp`](crate::net::Mlp), [`Cnn`](crate::net::Cnn),
//! [`Network`](crate::net::Network)) and a
//! typed dfdx model (through [`Train`], and [`Load`] for its files); `train_with` takes a loss written in dfdx.
//! [`Stepper`] is for a loop of one's own over a network, [`TypedOptimizer`] over a dfdx model.
//!
//! # What a training is made of
//!
//! A step goes the same way for every model, loss and trick, and each of its parts is a trait that a feature of its own
//! implements:
//!
//! | part | trait | what comes with Jook |
//! |---|---|---|
//! | which rows make a batch | [`Batches`] | [`Sampler`]: shuffled, so many of each class, by weight |
//! | changes of the examples | | [`Augmentation`], with a random stream for each epoch and row |
//! | forward, backward, update where the numbers live | [`Executor`](crate::net::executor::Executor) | the CPU's, and one for typed dfdx models |
//! | what is made small, by the outputs of any layers | [`Objective`](crate::loss::Objective) | [`Loss`](crate::loss::Loss), sums, closures over dfdx tensors or plain numbers |
//! | how a gradient changes a tensor | [`UpdateRule`](crate::optim::UpdateRule) | [`Rule`], with [`Group`](crate::optim::Group)s by name |
//! | looks on, stops, freezes, changes the rate | [`Watcher`] | plateau, average, checkpoints, progress, the search for a rate |
//!
//! [`Training`] takes what a recipe cannot say: an objective, a rule or watchers of one's own, and more streams of data.
//! Large products are shared among threads, and in a study each trial keeps to one; the bits depend on the network, the
//! data, the recipe and the instruction set, not on the number of threads.
//!
//! ```
//! use jook::prelude::*;
//! let moons = datasets::two_moons(300, 0.1, 0)?.split(0.2, 0)?;
//! let recipe = Recipe::new().epochs(30).batch(16).sgd(0.1).momentum(0.9).early_stopping(0.2);
//! let run = Mlp::new([2, 16, 2]).fit(&moons, recipe)?;
//! println!("{run:?}\n{}", run.history().frame());
//! # Ok::<(), jook::Error>(())
//! ```

mod batches;
mod ending;
mod engine;
mod file;
mod gather;
mod history;
mod holdout;
mod noise_scale;
mod recipe;
mod rules;
mod run;
mod schedule;
mod setters;
mod show;
mod start;
mod state;
mod stepper;
mod surface;
pub(crate) mod sweep;
#[cfg(test)]
mod tests;
mod training;
mod typed;
mod watch;
mod watchers;

pub use batches::{Batches, Sampler};

pub use crate::data::Augmentation;
pub use crate::loss::OneHot;
pub use crate::optim::Rule;
pub use ending::{Cause, Ending};
pub(crate) use engine::{check_fits, check_shape};
pub use history::{History, Record};
pub use noise_scale::NoiseScale;
pub use recipe::{Budget, Recipe};
pub use run::Run;
pub use schedule::{Anneal, RateSchedule, Rates, Stage};
pub use stepper::Stepper;
pub use surface::{Path, Surface};
pub use training::Training;
pub use typed::{Example, Load, Train, TypedLogits, TypedOneHot, TypedOptimizer};
pub use watch::{Flow, Moment, Watcher};
pub use watchers::{Plateau, Probes, RateSearch, WeightHistory};

/// Checks without a better held-out loss before stopping, when the recipe does not say.
const PATIENCE: usize = 10;
/// The version of this crate, written into every result.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Where trainings run.
pub(crate) const DEVICE: &str = "cpu";
