//! Predictions averaged over dropout: Monte-Carlo dropout.

use std::time::{Duration, Instant};

use super::Predictions;
use super::mean::Mean;
use crate::show::Progress;
use crate::{Error, Result, interrupt};

/// Passes that take less show no bar.
const WORTH_A_BAR: Duration = Duration::from_secs(2);

/// The mean of so many passes, of which each gives the outputs for the features that it is handed; `like` has the examples.
/// When asked to stop it is that of the passes made by then.
pub(crate) fn predict_mc_dropout(
    like: Predictions,
    passes: usize,
    mut pass: impl FnMut(&[f32]) -> Result<Vec<f32>>,
) -> Result<Predictions> {
    if passes == 0 {
        return Err(Error::spec("the mean of 0 passes is nothing: expected 1 or more")
            .at("predict_mc_dropout")
            .fix("20 to 100 passes are usual"));
    }
    let data = like.data().clone();
    let mut mean = Mean::like(like);
    let (scope, start) = (interrupt::scope(), Instant::now());
    mean.add(pass(data.features())?)?;
    let whole = start
        .elapsed()
        .saturating_mul(passes.try_into().unwrap_or(u32::MAX));
    let progress = (whole >= WORTH_A_BAR).then(|| Progress::new("passes with dropout", passes));
    while mean.count() < passes && !scope.requested() {
        mean.add(pass(data.features())?)?;
        if let Some(progress) = &progress {
            progress.step(mean.count(), "");
        }
    }
    if let Some(progress) = progress {
        progress.finish(format_args!("{} made", mean.count()));
    }
    Ok(mean.finish())
}
