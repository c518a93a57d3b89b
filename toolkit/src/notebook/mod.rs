//! The notebook around the toolkit: what a cell's code calls, messages to and from its page ([`comm`]), sliders and buttons
//! made of them ([`widgets`]), questions to the user ([`input`]), and the user's wish to stop ([`interrupt`]).

#[doc(hidden)]
pub mod cells;
pub mod comm;
mod input;
pub mod interrupt;
pub mod widgets;

pub use input::{input, password};
