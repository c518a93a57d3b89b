//! What is wrong with a file of weights.

use std::fmt;

use crate::{Error, memory};

/// What is wrong with a file, before the file's name is known.
#[derive(Debug)]
pub(super) struct Trouble {
    what: String,
    place: String,
    remedy: &'static str,
}

pub(super) const DAMAGED: &str = "fetch or write the file again: it is damaged or cut short";

impl Trouble {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            place: String::new(),
            remedy: DAMAGED,
        }
    }

    /// Where in the file; the outermost place comes first in the message.
    pub(super) fn inside(mut self, place: impl fmt::Display) -> Self {
        self.place = match self.place.as_str() {
            "" => place.to_string(),
            inner => format!("{place}, {inner}"),
        };
        self
    }

    pub(super) fn fix(mut self, remedy: &'static str) -> Self {
        self.remedy = remedy;
        self
    }

    pub(super) fn at(self, file: &str) -> Error {
        let place = match self.place.as_str() {
            "" => file.to_owned(),
            inner => format!("{file}, {inner}"),
        };
        Error::data(self.what).at(place).fix(self.remedy)
    }
}

/// Refuses numbers that do not fit the memory that is free now.
pub(super) fn check_memory(numbers: usize, each: usize) -> Result<(), Trouble> {
    match memory::lacking((numbers as u64).saturating_mul(each as u64)) {
        None => Ok(()),
        Some(lack) => Err(
            Trouble::new(format!("expected tensors that fit the memory: {lack}"))
                .fix("check that this is the file you want, or free memory"),
        ),
    }
}

/// Text from a file, for a message: short, and without control characters.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 80;
    let mut words: String = text.chars().take(LONGEST).flat_map(char::escape_debug).collect();
    if text.chars().nth(LONGEST).is_some() {
        words += "...";
    }
    words
}
