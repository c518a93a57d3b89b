//! Trainings and evaluations as outcomes of a trial.

use super::trial::{Measured, Outcome};
use crate::Result;
use crate::evaluate::{Calibration, EmbeddingEvaluation, Evaluation, Regression};
use crate::train::{Ending, Run};

/// Metrics accuracy, macro_f1 and log_loss when it was evaluated, rmse, mae and r2 when that was on values, both on the
/// test part; epochs; the loss in training, and on held-out examples where there are any, of the network that was
/// evaluated (the best one, where held-out examples are watched; else the last). A training that was stopped is not
/// complete.
impl<M> Outcome for Run<M> {
    fn measured(self) -> Result<Measured> {
        let mut measured = match (&self.evaluation, &self.regression) {
            (Some(evaluation), _) => evaluated(evaluation).measured_on("test"),
            (None, Some(regression)) => regressed(regression).measured_on("test"),
            (None, None) => Measured::new(),
        };
        measured = measured.metric("epochs", self.epochs);
        if let Some(row) = self.row() {
            for (name, value) in [
                ("train_loss", row.loss),
                ("held_out_loss", row.held_out_loss),
                ("held_out_accuracy", row.held_out_accuracy),
            ] {
                if !value.is_nan() {
                    measured = measured.metric(name, value);
                }
            }
        }
        let model = self.model_in_words().to_owned();
        Ok(measured
            .history(self.history.frame())
            .ending(self.ending.to_string())
            .complete(!matches!(self.ending, Ending::Interrupted { .. }))
            .lines(model, self.recipe.to_string()))
    }
}

impl Outcome for Evaluation {
    fn measured(self) -> Result<Measured> {
        Ok(evaluated(&self))
    }
}

fn evaluated(evaluation: &Evaluation) -> Measured {
    let measured = Measured::new()
        .metric("accuracy", evaluation.accuracy)
        .metric("macro_f1", evaluation.macro_f1);
    match evaluation.log_loss.is_nan() {
        true => measured,
        false => measured.metric("log_loss", evaluation.log_loss),
    }
}

impl Outcome for Regression {
    fn measured(self) -> Result<Measured> {
        Ok(regressed(&self))
    }
}

fn regressed(regression: &Regression) -> Measured {
    Measured::new()
        .metric("rmse", regression.rmse)
        .metric("mae", regression.mae)
        .metric("r2", regression.r2)
}

/// accuracy, confidence, log_loss, brier and ece.
impl Outcome for Calibration {
    fn measured(self) -> Result<Measured> {
        let numbers = self.numbers().into_iter();
        Ok(numbers.fold(Measured::new(), |all, (name, x)| all.metric(name, x)))
    }
}

/// recall_at_1 and so on, map_at_r, r_precision, 5_nn_accuracy, within, between, ratio, auc, tar_at_far_0.01 and so on.
impl Outcome for EmbeddingEvaluation {
    fn measured(self) -> Result<Measured> {
        let numbers = self.numbers().into_iter();
        Ok(numbers.fold(Measured::new(), |all, (name, x)| all.metric(name, x)))
    }
}
