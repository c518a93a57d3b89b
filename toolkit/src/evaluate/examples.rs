//! [`Examples`]: what `predict` takes, and [`Predictor`]: what has it.

use super::Predictions;
use crate::Result;
use crate::data::Dataset;

/// What `predict` takes. Numbers, examples laid one after another, give the outputs as numbers; a [`Dataset`] gives
/// [`Predictions`].
pub trait Examples {
    /// What comes of them.
    type Predicted;

    /// What `model` says of them.
    ///
    /// # Errors
    /// When they do not fit the model.
    fn predicted_by(self, model: &dyn Predictor) -> Result<Self::Predicted>;
}

/// A model that predicts.
pub trait Predictor {
    /// The outputs for examples laid one after another, row-major.
    ///
    /// # Errors
    /// When it is no whole number of examples.
    fn outputs(&self, examples: &[f32]) -> Result<Vec<f32>>;

    /// What it says of the examples of a dataset.
    ///
    /// # Errors
    /// When they do not fit the model.
    fn predictions(&self, data: &Dataset) -> Result<Predictions>;
}

impl Examples for &[f32] {
    type Predicted = Vec<f32>;

    fn predicted_by(self, model: &dyn Predictor) -> Result<Vec<f32>> {
        model.outputs(self)
    }
}

impl Examples for &Vec<f32> {
    type Predicted = Vec<f32>;

    fn predicted_by(self, model: &dyn Predictor) -> Result<Vec<f32>> {
        model.outputs(self)
    }
}

impl<const N: usize> Examples for &[f32; N] {
    type Predicted = Vec<f32>;

    fn predicted_by(self, model: &dyn Predictor) -> Result<Vec<f32>> {
        model.outputs(self)
    }
}

impl Examples for &Dataset {
    type Predicted = Predictions;

    fn predicted_by(self, model: &dyn Predictor) -> Result<Predictions> {
        model.predictions(self)
    }
}
