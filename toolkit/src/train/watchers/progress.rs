//! What a training shows while it runs: a bar with the losses. Off inside [`quiet`](crate::show::quiet),
//! as in a study.

use super::super::watch::{Flow, Moment, Watcher};
use super::super::{Ending, Record};
use crate::Result;
use crate::show::Progress;

/// The live display of one training.
pub(in crate::train) struct Live {
    progress: Progress,
    held_out: String,
}

impl Live {
    pub fn start(total: u64) -> Self {
        Self {
            progress: Progress::new("training", total as usize),
            held_out: String::new(),
        }
    }

    /// At the end: `row` is what was seen of the network that is given.
    pub fn finish(self, ending: &Ending, row: Option<&Record>) {
        let mark = if ending.is_diverged() { "\u{26a0} " } else { "" };
        match row {
            Some(row) => self.progress.finish(format_args!(
                "{mark}{ending}, loss {:.4}{}",
                row.loss,
                held_out(row)
            )),
            None => self.progress.finish(format_args!("{mark}{ending}")),
        }
    }
}

impl Watcher for Live {
    fn after_step(&mut self, at: &mut Moment<'_, '_>) -> Result<Flow> {
        let note = format_args!("loss {:.4}{}", at.loss(), self.held_out);
        self.progress.step(at.step() as usize, note);
        Ok(Flow::On)
    }

    /// A point of the curve.
    fn after_check(&mut self, at: &mut Moment<'_, '_>) -> Result<Flow> {
        if let Some(row) = at.row() {
            self.progress.value(row.loss);
            self.held_out = held_out(row);
        }
        Ok(Flow::On)
    }
}

fn held_out(row: &Record) -> String {
    if !row.held_out_loss.is_finite() {
        return String::new();
    }
    let accuracy = match row.held_out_accuracy.is_nan() {
        true => String::new(),
        false => format!(" ({:.1}% right)", 100.0 * row.held_out_accuracy),
    };
    format!(", held out {:.4}{accuracy}", row.held_out_loss)
}
