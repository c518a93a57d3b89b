//! What the notebook knows, for whoever asks: names at a cursor and documentation.
//!
//! [`snapshot`] makes the copy of the session that answers, [`lookup`] is what it does, [`docs`] helps.

pub mod aliases;
pub mod docs;
pub mod lookup;
pub mod snapshot;
