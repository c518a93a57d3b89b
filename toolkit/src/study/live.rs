//! What can be seen while a study runs: a progress line, and in a notebook the table as it fills.

use std::time::{Duration, Instant};

use super::groups::Groups;
use super::plan::Plan;
use super::record::TrialResult;
use super::tables::{Described, summary};
use crate::show::{Bundle, Display, Progress, Show as _, show_updatable};

/// Time between two drawings of the table.
const EACH: Duration = Duration::from_millis(400);

/// The results so far, and their display.
pub(super) struct Live {
    described: Described,
    results: Vec<Option<TrialResult>>,
    done: usize,
    failed: usize,
    progress: Option<Progress>,
    /// The table, in a notebook.
    table: Option<Display>,
    with_table: bool,
    drawn: Instant,
}

impl Live {
    pub(super) fn new(plan: &Plan, results: Vec<Option<TrialResult>>, missing: usize) -> Self {
        let seen = !plan.quiet && missing > 0;
        let tested = plan.measured_on == Some("test");
        let part = if tested { ", test part" } else { "" };
        Self {
            described: plan.described.clone(),
            done: 0,
            failed: 0,
            progress: seen.then(|| Progress::new(format!("study {}{part}", plan.described.name), missing)),
            table: None,
            // Also when every trial was found in the store: the cell that asked for the study shows it.
            with_table: !plan.quiet && !tested && crate::cells::kernel().is_some(),
            drawn: Instant::now(),
            results,
        }
    }

    /// Takes a finished trial, which is on disk by now, and shows it.
    pub(super) fn put(&mut self, place: usize, result: TrialResult) {
        self.done += usize::from(result.complete);
        self.failed += usize::from(result.error.is_some());
        if let Some(progress) = &self.progress {
            let last = result
                .metrics()
                .first()
                .map(|(name, value)| format!(", {name} {value:.4}"));
            progress.step(
                self.done,
                format_args!(
                    "{}{}{}",
                    result.settings(),
                    last.unwrap_or_default(),
                    failed(self.failed)
                ),
            );
        }
        self.results[place] = Some(result);
        if self.with_table && self.drawn.elapsed() >= EACH {
            self.draw();
        }
    }

    /// Shows the last state and hands the results over.
    pub(super) fn finish(mut self) -> Vec<Option<TrialResult>> {
        if self.with_table {
            self.draw();
        }
        if let Some(progress) = self.progress.take() {
            progress.finish(failed(self.failed).trim_start_matches(", "));
        }
        self.results
    }

    fn draw(&mut self) {
        let study = &self.described;
        let groups = Groups::new(&study.combinations, &self.results, study.folds);
        let bundle: Bundle = summary(&study.name, study, &groups, None).bundle();
        match &self.table {
            Some(table) => table.update(&bundle),
            None => self.table = Some(show_updatable(&bundle)),
        }
        self.drawn = Instant::now();
    }
}

fn failed(n: usize) -> String {
    match n {
        0 => String::new(),
        n => format!(", {n} failed"),
    }
}
