//! Predictions averaged over changes of the examples: augmentation at test time.

use super::Predictions;
use super::examples::Predictor;
use super::predictions::Meaning;
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
    let mut predictions = model.predictions(data)?;
    let softmax = matches!(predictions.meaning, Meaning::Classes { softmax: true, .. });
    let numbers = |predictions: &Predictions| match softmax {
        true => predictions.probabilities(),
        false => Ok(predictions.outputs.clone()),
    };
    let mut sums: Vec<f64> = numbers(&predictions)?.into_iter().map(f64::from).collect();
    for epoch in 0..times as u64 {
        let changed = model.predictions(&data.augmented(all, epoch, seed)?)?;
        for (sum, x) in sums.iter_mut().zip(numbers(&changed)?) {
            *sum += f64::from(x);
        }
    }
    let count = (times + 1) as f64;
    for (output, sum) in predictions.outputs.iter_mut().zip(sums) {
        let mean = sum / count;
        // The least logarithm that is finite: a probability that was rounded to 0.
        *output = match softmax {
            true => mean.max(f64::from(f32::MIN_POSITIVE)).ln() as f32,
            false => mean as f32,
        };
    }
    Ok(predictions)
}
