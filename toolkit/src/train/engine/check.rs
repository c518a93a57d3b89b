//! A look at the held-out part, and what it means for the training.

use super::steps::{look, part};
use super::{Stream, WATCH_ROWS, Work};
use crate::Result;
use crate::data::Targets;
use crate::evaluate::largest;
use crate::loss::Seen;
use crate::net::executor::{Executor, How};
use crate::train::ending::Symptoms;
use crate::train::{Cause, Ending, PATIENCE, Record};

/// Parameters of this size are no sign of divergence, but worth a look at what comes out.
const SUSPECT: f32 = 1e4;

/// What a look at a part of the data gives.
struct Watched {
    loss: f64,
    accuracy: f64,
    outputs_finite: bool,
}

impl Work<'_> {
    /// Looks at the held-out part, writes a row, keeps the network if it is the best; says if this ends it.
    /// Parameters can be finite and too large to compute with: when they look so and nothing is held out, the last
    /// batch is passed through once more. All but the first is of parameters that stand in for the trained ones, if some do.
    pub(super) fn check(&mut self, rate: f64, stand_in: Option<Vec<f32>>) -> Result<Option<Ending>> {
        let step = self.state.counters.step;
        let finite = |values: &[f32]| values.iter().all(|x| x.is_finite());
        // A ReLU can hide a NaN from the loss: look at the numbers themselves.
        let broken = !finite(self.executor.parameters()) || !finite(self.executor.buffers());
        let large = self.executor.parameters().iter().any(|p| p.abs() > SUSPECT);
        let trained = stand_in.map(|average| {
            let trained = self.executor.parameters().to_vec();
            let buffers = self.executor.buffers().to_vec();
            self.executor.restore(&average, &buffers);
            (trained, buffers)
        });
        if trained.is_some() && self.recipe.recounts() && !broken {
            self.recount()?;
        }
        let Watched {
            loss: held_out_loss,
            accuracy: held_out_accuracy,
            outputs_finite,
        } = self.watch(large)?;
        let loss = self.state.take_mean_loss();
        self.state.history.records.push(Record {
            step,
            epoch: step as f64 / self.per_epoch as f64,
            rate,
            loss,
            held_out_loss,
            held_out_accuracy,
            seconds: self.seconds(),
        });
        let ending = self.judge(step, rate, held_out_loss, (broken, outputs_finite))?;
        if let Some((trained, buffers)) = trained {
            self.executor.restore(&trained, &buffers);
        }
        Ok(ending)
    }

    /// What the check of step `step` means: keeps the numbers if they are the best so far.
    fn judge(
        &mut self,
        step: u64,
        rate: f64,
        held_out_loss: f64,
        (broken, outputs_finite): (bool, bool),
    ) -> Result<Option<Ending>> {
        let watched = self.watched;
        if broken || !outputs_finite || (watched && !held_out_loss.is_finite()) {
            // Numbers that are fine leave only the loss to blame.
            let fine = !broken && outputs_finite;
            let cause = self.cause(step, rate, !fine, fine);
            return Ok(Some(Ending::Diverged { step, cause }));
        }
        if watched && held_out_loss >= self.state.kept.loss - self.recipe.min_gain.unwrap_or(0.0) {
            self.state.counters.stale += 1;
            let patience = self.recipe.patience.unwrap_or(PATIENCE) as u64;
            return Ok(
                (self.state.counters.stale >= patience).then_some(Ending::EarlyStopped {
                    step,
                    best_step: self.state.kept.step,
                }),
            );
        }
        self.state.counters.stale = 0;
        let kept = &mut self.state.kept;
        kept.step = step;
        kept.loss = if watched { held_out_loss } else { f64::INFINITY };
        kept.parameters.copy_from_slice(self.executor.parameters());
        kept.buffers.copy_from_slice(self.executor.buffers());
        kept.learned = self
            .objective
            .learned()
            .iter()
            .map(|own| own.numbers.to_vec())
            .collect();
        Ok(None)
    }

    /// Mean loss and accuracy on the held-out part; NaN without one, when the outputs for the last batch are looked at,
    /// if asked for.
    fn watch(&mut self, last_batch: bool) -> Result<Watched> {
        let (mut sum, mut correct, mut outputs_finite) = (0.0, Some(0), true);
        if !self.watched {
            if last_batch {
                let Stream { gather, rows, .. } = &mut self.streams[0];
                gather.copy(rows, self.executor.input(rows.len()));
                self.executor.forward(How::evaluate())?;
                outputs_finite = finite_outputs(self.executor);
            }
            return Ok(Watched {
                loss: f64::NAN,
                accuracy: f64::NAN,
                outputs_finite,
            });
        }
        let classifies = self.objective.classifies();
        for rows in self.held_out.chunks(WATCH_ROWS) {
            self.watch.copy(rows, self.executor.input(rows.len()));
            self.executor.forward(How::evaluate())?;
            let parts = [part(0..rows.len(), rows, &self.watch)];
            let step = self.state.counters.step;
            let loss = look(self.executor, &parts, step, |seen, slopes| {
                correct = correct
                    .zip(classifies.and_then(|tap| count_correct(seen, tap)))
                    .map(|(sum, right)| sum + right);
                self.objective.judge(seen, slopes)
            })?;
            outputs_finite &= finite_outputs(self.executor);
            sum += loss * rows.len() as f64;
        }
        let n = self.held_out.len() as f64;
        Ok(Watched {
            loss: sum / n,
            accuracy: correct.map_or(f64::NAN, |correct| correct as f64 / n),
            outputs_finite,
        })
    }

    /// The loss of the batch that `updates` updates led to broke.
    pub(super) fn diverged(
        &mut self,
        step: u64,
        updates: u64,
        rate: f64,
        loss_finite: bool,
    ) -> Result<Ending> {
        let outputs_finite = finite_outputs(self.executor);
        let cause = self.cause(updates, rate, loss_finite, outputs_finite);
        Ok(Ending::Diverged { step, cause })
    }

    fn cause(&self, updates: u64, rate: f64, loss_finite: bool, logits_finite: bool) -> Cause {
        let symptoms = Symptoms {
            before_any_update: updates == 0,
            logits_finite,
            loss_finite,
            own_loss: self.own,
            rate,
            features: self.data.features(),
        };
        symptoms.cause()
    }
}

fn finite_outputs(executor: &mut dyn Executor) -> bool {
    let (outputs, _) = executor.taps();
    outputs.iter().all(|output| output.iter().all(|x| x.is_finite()))
}

/// How many examples of the first stream have their largest output at their label; none when labels are no outputs.
fn count_correct(seen: &Seen<'_>, tap: usize) -> Option<usize> {
    let (classes, outputs) = (seen.widths[tap], seen.output(tap, 0));
    let Targets::Classes(labels) = seen.streams[0].targets else {
        return None;
    };
    if labels.iter().any(|&label| label as usize >= classes) {
        return None;
    }
    let right = |(row, &label): (&[f32], &u32)| largest(row) == label as usize;
    Some(
        outputs
            .chunks_exact(classes.max(1))
            .zip(labels)
            .filter(|&(row, label)| right((row, label)))
            .count(),
    )
}
