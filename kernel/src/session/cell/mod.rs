//! What the text of a cell says, before anything is made of it: [`items`] makes `impl`s replaceable, [`lines`] tells code from text, [`whole`] whether it is
//! one block of statements.

pub mod items;
pub mod lines;
pub mod whole;
