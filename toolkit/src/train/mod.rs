//! Training: [`Recipe`] says how, `train` on a network does it, [`Run`] holds what came of it.
//!
//! The same call trains a fused network ([`Mlp`](crate::net::Mlp), [`Cnn`](crate::net::Cnn),
//! [`Network`](crate::net::Network)) and a
//! typed dfdx model (through [`Train`], and [`Load`] for its files); `train_with` takes a loss written in dfdx.
//! [`Stepper`] is for a loop of one's own over a network, [`TypedOptimizer`] over a dfdx model. One training uses one
//! thread; its bits depend on the network, the data and the recipe alone.
//!
//! ```
//! use jook::prelude::*;
//! let moons = datasets::two_moons(300, 0.1, 0)?.split(0.2, 0)?;
//! let recipe = Recipe::new().epochs(30).batch(16).sgd(0.1).momentum(0.9).early_stopping(0.2);
//! let run = Mlp::new([2, 16, 2]).fit(&moons, recipe)?;
//! println!("{run:?}\n{}", run.history().frame());
//! # Ok::<(), jook::Error>(())
//! ```

mod augment;
mod batches;
mod ending;
mod engine;
mod file;
mod gather;
mod history;
mod holdout;
mod recipe;
mod run;
mod setters;
mod show;
mod state;
mod stepper;
#[cfg(test)]
mod tests;
mod training;
mod typed;
mod watch;
mod watchers;

pub use augment::Augmentation;
pub use batches::{Batches, Sampler};

pub use crate::loss::OneHot;
pub use crate::optim::Rule;
pub use ending::{Cause, Ending};
pub(crate) use engine::check_shape;
pub use history::{History, Record};
pub use recipe::{Budget, RateSchedule, Recipe};
pub use run::Run;
pub use stepper::Stepper;
pub use training::Training;
pub use typed::{Example, Load, Train, TypedLogits, TypedOneHot, TypedOptimizer};
pub use watch::{Flow, Moment, Watcher};
pub use watchers::{Plateau, RateSearch};

/// Checks without a better held-out loss before stopping, when the recipe does not say.
const PATIENCE: usize = 10;
/// The version of this crate, written into every result.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Where trainings run.
pub(crate) const DEVICE: &str = "cpu";
