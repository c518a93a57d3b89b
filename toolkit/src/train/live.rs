//! What a training shows while it runs, and how to keep it quiet.

use std::cell::Cell;

use super::{History, Recipe};

thread_local! {
    static SILENT: Cell<u32> = const { Cell::new(0) };
}

/// Runs `work` with the live display of trainings on this thread off, as a study does for its trials.
pub fn silent<R>(work: impl FnOnce() -> R) -> R {
    /// Switches back also when `work` panics.
    struct Back;
    impl Drop for Back {
        fn drop(&mut self) {
            SILENT.set(SILENT.get() - 1);
        }
    }
    SILENT.set(SILENT.get() + 1);
    let _back = Back;
    work()
}

/// Whether trainings on this thread show nothing.
pub fn is_silent() -> bool {
    SILENT.get() > 0
}

/// The live display of one training.
pub(super) struct Live {}

impl Live {
    pub fn start(_recipe: &Recipe, _total: u64, _done: u64) -> Self {
        Self {}
    }

    pub fn step(&mut self, _step: u64, _loss: f32) {}

    pub fn checked(&mut self, _history: &History) {}
}
