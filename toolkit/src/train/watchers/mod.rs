//! The watchers that come with Jook.

mod average;
mod checkpoints;
mod plateau;
mod progress;
mod rates;
mod weights;

pub(super) use average::{Average, EqualAverage};
pub(super) use checkpoints::Checkpoints;
pub use plateau::Plateau;
pub(super) use plateau::PlateauWatcher;
pub(super) use progress::Live;
pub use rates::RateSearch;
pub use weights::WeightHistory;
