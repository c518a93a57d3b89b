//! Predictions averaged over changes of the examples: augmentation at test time.

use super::Predictions;
use super::examples::Predictor;
use super::mean::Mean;
use crate::data::{Augmentation, Dataset};
use crate::{Error, Result};

/// The mean of what a model says of the examples as they are and of `times` changes of each (Krizhevsky et al. 2012): of
/// the probabilities where its outputs are logits of a softmax, whose logarithms the outputs then are; else of the outputs.
pub(crate) fn predict_augmented(
    model: &dyn Predictor,
    data: &Dataset,
    all: &[Augmentation],
    times: usize,
    seed: u64,
) -> Result<Predictions> {
    if let Some(one) = all.iter().find(|one| one.mixes()) {
        return Err(
            Error::spec(format!("{one} mixes examples, and a prediction is of one"))
                .at("predict_augmented")
                .fix("leave it out"),
        );
    }
    let plain = model.predictions(data)?;
    let mut mean = Mean::like(plain.clone());
    mean.add(plain.outputs)?;
    for epoch in 0..times as u64 {
        let changed = model.predictions(&data.augmented(all, epoch, seed)?)?;
        mean.add(changed.outputs)?;
    }
    Ok(mean.finish())
}
