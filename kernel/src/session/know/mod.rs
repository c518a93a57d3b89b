//! What the notebook knows, for whoever asks: names at a cursor, documentation, crates that are there already.
//!
//! [`snapshot`] makes the copy of the session that answers, [`lookup`] is what it does, [`docs`] and [`carried`] help.

pub mod carried;
pub mod docs;
pub mod lookup;
pub mod snapshot;
