//! Errors and losses in a notebook's words: [`report`] makes them, with [`hints`]; [`losses`] knows why a variable is
//! gone, [`aside`] which items do not fit a cell, [`went`] tells what is there no more, [`sources`] and [`place`] which line of which cell is meant, [`notes`]
//! what a cell's output said of its end.

pub mod aside;
pub mod hints;
pub mod losses;
pub mod notes;
pub mod place;
pub mod report;
pub mod sources;
pub mod went;
