//! Checkpoints on the way.

use super::super::watch::{Flow, Moment, Watcher};
use crate::Result;

/// Writes a checkpoint every so many updates. The one at the end is the engine's.
pub struct Checkpoints {
    pub every: u64,
}

impl Watcher for Checkpoints {
    fn name(&self) -> Option<String> {
        Some("the recipe's checkpoints".to_owned())
    }

    fn after_step(&mut self, at: &mut Moment<'_, '_>) -> Result<Flow> {
        Ok(match at.step().is_multiple_of(self.every) {
            true => Flow::Save,
            false => Flow::On,
        })
    }
}
