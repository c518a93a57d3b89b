//! [`TrialResult`]: a finished trial.

use super::settings::Settings;
use crate::show::{Bundle, Show, Table, readable_number};

/// A finished trial.
#[derive(Clone, Debug)]
pub struct TrialResult {
    pub(super) key: String,
    pub(super) study: String,
    pub(super) version: String,
    pub(super) settings: Settings,
    pub(super) seed: u64,
    /// Which of the study's folds, from 0.
    pub(super) fold: Option<u32>,
    /// What the metrics were measured on, where that is known: "validation" or "test".
    pub(super) measured_on: Option<String>,
    pub(super) metrics: Vec<(String, f64)>,
    pub(super) seconds: f64,
    pub(super) ending: String,
    pub(super) error: Option<String>,
    pub(super) spec: Option<String>,
    pub(super) recipe: Option<String>,
    pub(super) jook: String,
    pub(super) device: String,
    /// Milliseconds since 1970, UTC.
    pub(super) finished_at: i64,
    pub(super) history: Vec<(String, Vec<f64>)>,
    /// False for a trial that was stopped on the way.
    pub(super) complete: bool,
}

impl TrialResult {
    /// The settings it ran with.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Its seed.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The fold it ran on, from 0, where the study has folds.
    pub fn fold(&self) -> Option<usize> {
        self.fold.map(|fold| fold as usize)
    }

    /// What its metrics were measured on: "validation", or "test" for a test part; none where the closure did not say.
    pub fn measured_on(&self) -> Option<&str> {
        self.measured_on.as_deref()
    }

    /// The metric `name`, if it was measured.
    pub fn metric(&self, name: &str) -> Option<f64> {
        match name {
            "seconds" => Some(self.seconds),
            _ => self
                .metrics
                .iter()
                .find(|(own, _)| own == name)
                .map(|(_, value)| *value),
        }
    }

    /// All metrics, in the order they were measured.
    pub fn metrics(&self) -> &[(String, f64)] {
        &self.metrics
    }

    /// Wall-clock seconds it took.
    pub fn seconds(&self) -> f64 {
        self.seconds
    }

    /// How it ended: "completed", "interrupted", "failed", or what the training says.
    pub fn ending(&self) -> &str {
        &self.ending
    }

    /// Why it failed, if it did.
    pub fn error(&self) -> Option<&str> {
        self.error.as_deref()
    }

    /// Whether it went to its end; a stopped trial is not kept.
    pub fn is_complete(&self) -> bool {
        self.complete
    }

    /// Names the trial: the same study, version, settings and seed have the same key.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl Show for TrialResult {
    fn bundle(&self) -> Bundle {
        let fold = self.fold.map(|fold| format!(", fold {fold}")).unwrap_or_default();
        let mut table = Table::new(["", ""]).caption(format!(
            "{}, seed {}{fold}: {}",
            self.settings, self.seed, self.ending
        ));
        for (name, value) in &self.metrics {
            table = table.row([name.clone(), readable_number(*value)]);
        }
        table = table.row(["seconds".to_owned(), readable_number(self.seconds)]);
        match &self.error {
            Some(error) => table.note(error.clone()).bundle(),
            None => table.bundle(),
        }
    }
}
