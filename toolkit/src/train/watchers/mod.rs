//! The watchers that come with Jook.

mod average;
mod checkpoints;
mod plateau;
mod probes;
mod progress;
mod rates;
mod weights;

pub(super) use average::{Average, EqualAverage};
pub(super) use checkpoints::Checkpoints;
pub use plateau::Plateau;
pub(super) use plateau::PlateauWatcher;
pub use probes::Probes;
pub(super) use progress::Live;
pub use rates::RateSearch;
pub use weights::WeightHistory;
