//! What a training shows while it runs: a bar with the losses. Off inside [`quiet`](crate::show::quiet),
//! as in a study.

use super::{Ending, History, Record};
use crate::show::Progress;

/// The live display of one training.
pub(super) struct Live {
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

    pub fn step(&mut self, step: u64, loss: f32) {
        let note = format_args!("loss {loss:.4}{}", self.held_out);
        self.progress.step(step as usize, note);
    }

    /// After a check: a point of the curve.
    pub fn checked(&mut self, history: &History) {
        if let Some(last) = history.last() {
            self.progress.value(last.loss);
            self.held_out = held_out(last);
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

fn held_out(row: &Record) -> String {
    if !row.held_out_loss.is_finite() {
        return String::new();
    }
    let accuracy = 100.0 * row.held_out_accuracy;
    format!(", held out {:.4} ({accuracy:.1}% right)", row.held_out_loss)
}
