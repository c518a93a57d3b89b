//! What a cell's results come from: its code, and the variables it takes, each with what it came from.
//!
//! A study's trials are known by it, so that results of other code, or of other data that a closure captured, are not
//! taken for its own.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

/// Of the running cell, or of the one that ran last; 0 before the first.
static CELL: AtomicU64 = AtomicU64::new(0);

/// A cell of this code begins; `code` tells the code, and all that it names, from other code.
pub fn made_of(code: u64) {
    CELL.store(code.max(1), Ordering::Relaxed);
}

/// The cell takes a variable that came from this.
pub(super) fn takes(origin: u64) {
    let mut hasher = DefaultHasher::new();
    (CELL.load(Ordering::Relaxed), origin).hash(&mut hasher);
    CELL.store(hasher.finish().max(1), Ordering::Relaxed);
}

/// What the running cell's results come from.
pub(super) fn origin() -> u64 {
    CELL.load(Ordering::Relaxed)
}

/// What the running cell's results come from; none outside a notebook.
pub(crate) fn running_cell() -> Option<u64> {
    Some(origin()).filter(|&origin| origin != 0)
}
