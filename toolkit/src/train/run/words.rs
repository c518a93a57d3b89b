//! How a [`Run`] reads and shows itself.

use std::fmt;

use super::Run;
use crate::Error;
use crate::show::{Bundle, Show};

fn first_line(error: &Error) -> String {
    error.to_string().lines().next().unwrap_or_default().to_owned()
}

/// A digest by its first digits: enough to tell two apart.
fn shortened(what: &str) -> String {
    match what.strip_prefix("data ") {
        Some(digest) if digest.len() == 64 => format!("data {}…", &digest[..12]),
        _ => what.to_owned(),
    }
}

impl<M> fmt::Display for Run<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.ending.is_diverged() {
            "\u{26a0} "
        } else {
            ""
        };
        writeln!(
            f,
            "{mark}{} ({} steps, {:.1} epochs, {:.2} s)",
            self.ending, self.steps, self.epochs, self.seconds
        )?;
        writeln!(f, "  network  {}", self.label.model)?;
        writeln!(f, "  recipe   {}", self.recipe)?;
        let loss = self
            .label
            .own_loss
            .then_some("an objective in place of the recipe's loss");
        let besides: Vec<String> = loss
            .map(str::to_owned)
            .into_iter()
            .chain(self.label.besides.iter().map(|what| shortened(what)))
            .collect();
        if !besides.is_empty() {
            writeln!(f, "  besides  {}", besides.join("; "))?;
        }
        if let Some(row) = self.row() {
            let is_last = self.history.last().is_some_and(|last| last.step == row.step);
            let place = if is_last { "at last" } else { "at best" };
            write!(f, "  {place}  loss {:.4}", row.loss)?;
            if !row.held_out_loss.is_nan() {
                write!(f, ", held out: loss {:.4}", row.held_out_loss)?;
            }
            if !row.held_out_accuracy.is_nan() {
                write!(f, ", accuracy {:.1}%", 100.0 * row.held_out_accuracy)?;
            }
            if !is_last {
                write!(f, " (step {})", row.step)?;
            }
            writeln!(f)?;
        }
        if let Some(evaluation) = &self.evaluation {
            writeln!(f, "  test     {evaluation}")?;
        }
        if let Some(regression) = &self.regression {
            writeln!(f, "  test     {regression}")?;
        }
        if let Some(why) = &self.unevaluated {
            writeln!(f, "  test     \u{26a0} not evaluated: {}", first_line(why))?;
        }
        if let Some(why) = &self.unsaved {
            writeln!(
                f,
                "  saving   \u{26a0} the last checkpoint is not on disk: {}",
                first_line(why)
            )?;
        }
        if let Some(worse) = self.worse_than_guessing() {
            writeln!(
                f,
                "  \u{26a0} the loss is {worse:.0} times that of guessing: most likely the rate is too high"
            )?;
        }
        write!(f, "  made by  jook {}, {}", self.version, self.device)
    }
}

impl<M> fmt::Debug for Run<M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl<M> Show for Run<M> {
    fn bundle(&self) -> Bundle {
        let bundle = Bundle::text(self.to_string());
        if self.history.is_empty() {
            return bundle;
        }
        // A front end that draws the chart shows nothing else: the ending has to be in its title.
        let mark = if self.ending.is_diverged() {
            "\u{26a0} "
        } else {
            ""
        };
        let title = format!("{mark}Training: {}", self.ending);
        bundle.plot(&self.history.titled_chart(&title, self.best()))
    }
}
