//! What a cell's results come from: its code, and the variables it takes, each with what it came from.
//!
//! A study's trials are known by it, so that results of other code, or of other data that a closure captured, are not
//! taken for its own.

use std::cell::Cell;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};

/// Of the running cell, or of the one that ran last; 0 before the first.
static CELL: AtomicU64 = AtomicU64::new(0);

/// How often each study has run since the cell began.
static STUDIES: LazyLock<Mutex<HashMap<String, u64>>> = LazyLock::new(Mutex::default);

thread_local! {
    /// Whether this thread computes a trial. What that reads says nothing of its cell: found again, it reads nothing.
    static IN_TRIAL: Cell<bool> = const { Cell::new(false) };
}

/// A cell of this code begins; `code` tells the code, and all that it names, from other code.
pub fn made_of(code: u64) {
    CELL.store(code.max(1), Ordering::Relaxed);
    STUDIES.lock().unwrap_or_else(PoisonError::into_inner).clear();
}

/// How many studies of this name, or other mark, the cell has begun before. What a closure captures changes from one to
/// the next while the code stays as it is: in a loop, in a function that is called again.
pub(crate) fn earlier_studies(mark: &str) -> u64 {
    let mut studies = STUDIES.lock().unwrap_or_else(PoisonError::into_inner);
    let count = studies.entry(mark.to_owned()).or_default();
    *count += 1;
    *count - 1
}

/// The cell reads something of this digest: another file under the same name makes other results. What was read first
/// makes no difference. Outside of cells, and in trials, nothing is digested.
pub(crate) fn reads<D: Hash>(digest: impl FnOnce() -> D) {
    if IN_TRIAL.get() || CELL.load(Ordering::Relaxed) == 0 {
        return;
    }
    let mut hasher = DefaultHasher::new();
    digest().hash(&mut hasher);
    CELL.fetch_add(hasher.finish(), Ordering::Relaxed);
}

/// Does the work of a trial on this thread.
pub(crate) fn in_trial<T>(work: impl FnOnce() -> T) -> T {
    let before = IN_TRIAL.replace(true);
    let result = work();
    IN_TRIAL.set(before);
    result
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
