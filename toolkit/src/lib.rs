//! Jook (粥): a research toolkit for deep learning on little data, made for notebooks.
//!
//! The folders are the table of contents: [`data`] (what there is to learn from), [`net`] (networks as
//! data, and their executor), [`loss`], [`train`] (recipes, optimizers, checkpoints), [`evaluate`],
//! [`transfer`] (what a network has learned, used for another task),
//! [`study`] (grids over all of it, with seeds and intervals), [`weights`] (of networks trained elsewhere), [`show`] (how results look) and [`widgets`] (sliders
//! and buttons that change them, made of [`comm`]s).
//! [`prelude`] brings the names a notebook cell wants.
//!
//! The networks run on an executor of the toolkit's own; dfdx is the language of a cell's own losses, modules and
//! differentiable code, and a network is one op on its tape ([`net::tape`]; [`train::Train`] trains dfdx's models).

mod canonical;
#[doc(hidden)]
pub mod cells;
mod code;
pub mod comm;
pub mod data;
pub mod error;
pub mod evaluate;
mod hex;
mod input;
pub mod interrupt;
pub mod loss;
mod memory;
pub mod net;
mod number;
pub mod optim;
pub mod prelude;
mod replace;
pub mod seed;
pub mod show;
pub mod study;
#[cfg(test)]
mod testing;
pub mod train;
pub mod transfer;
pub mod weights;
pub mod widgets;

pub use error::{Error, Result};
pub use input::{input, password};
pub use number::Number;
