//! Training: [`Recipe`] says how, `train` on a network does it, [`Run`] holds what came of it.
//!
//! The same call trains a fused network ([`Mlp`](crate::net::Mlp), [`Cnn`](crate::net::Cnn),
//! [`Network`](crate::net::Network)) and a
//! typed dfdx model (through [`Train`]); `train_with` takes a loss written in dfdx. One training uses one
//! thread; its bits depend on the network, the data and the recipe alone.
//!
//! ```
//! use jook::prelude::*;
//! let moons = datasets::two_moons(300, 0.1, 0)?.split(0.2, 0)?;
//! let recipe = Recipe::new().epochs(30).batch(16).momentum(0.1, 0.9).early_stopping(0.2);
//! let run = Mlp::new([2, 16, 2]).fit(&moons, recipe)?;
//! println!("{run:?}\n{}", run.history().frame());
//! # Ok::<(), jook::Error>(())
//! ```

mod ending;
mod engine;
mod file;
mod fused;
mod history;
mod holdout;
mod learner;
mod live;
mod number;
mod recipe;
mod rule;
mod run;
mod show;
mod state;
#[cfg(test)]
mod tests;
mod typed;

pub use ending::{Cause, Ending};
pub(crate) use engine::check_shape;
pub use fused::OneHot;
pub use history::{History, Record};
pub use number::Number;
pub use recipe::{Budget, RateSchedule, Recipe};
pub use rule::Rule;
pub use run::Run;
pub use typed::{Train, TypedLogits, TypedOneHot};

/// Checks without a better held-out loss before stopping, when the recipe does not say.
const PATIENCE: usize = 10;
/// The version of this crate, written into every result.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Where trainings run.
pub(crate) const DEVICE: &str = "cpu";
