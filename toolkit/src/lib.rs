//! Jook (粥): a research toolkit for deep learning on little data, made for notebooks.
//!
//! The folders are the table of contents, of three things:
//!
//! - **Learning**: [`data`] (what there is to learn from), [`net`] (networks as data, and what runs them), [`loss`] (what is
//!   made small), [`optim`] (how parameters change), [`train`] (recipes, trainings, steppers, watchers), [`evaluate`], [`diagnose`] (what is
//!   wrong, how sure that is, and what answers it), [`transfer`] (what a network has learned, used for another task), [`study`] (grids over all of it, with seeds and
//!   intervals) and [`weights`] (of networks trained elsewhere).
//!
//!   [`device`] says where all that runs.
//! - **Showing**: [`show`], how results look.
//! - **The notebook**: [`notebook`], what is between a cell and its user: [`comm`]s, [`widgets`], [`input`](input()),
//!   [`interrupt`].
//!
//! [`prelude`] brings the names a notebook cell wants.
//!
//! The networks run on an executor of the toolkit's own; dfdx is the language of a cell's own losses, modules and
//! differentiable code, and a network is one op on its tape ([`net::tape`]; [`train::Train`] trains dfdx's models).

mod base;
pub mod data;
pub mod device;
pub mod diagnose;
pub mod error;
pub mod evaluate;
pub mod loss;
pub mod net;
pub mod notebook;
pub mod optim;
pub mod prelude;
pub mod show;
pub mod study;
pub mod train;
pub mod transfer;
pub mod weights;

pub use base::number::Number;
pub use base::seed;
#[cfg(test)]
use base::testing;
use base::{canonical, code, hex, memory, number, replace};
pub use device::Device;
pub use error::{Error, Result};
#[doc(hidden)]
pub use notebook::cells;
pub use notebook::{comm, input, interrupt, password, widgets};
