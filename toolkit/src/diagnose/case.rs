//! [`Case`]: what there is to look at.

use super::{Finding, Unseen};
use crate::data::{Dataset, Targets};
use crate::evaluate::Predictions;
use crate::net::Network;
use crate::seed::{shuffle, stream};
use crate::train::{Ending, History, Recipe};

/// Examples that a model is asked about at most.
const ASKED: usize = 4000;

/// The parts, and the training if there was one.
pub(super) struct Case<'a> {
    pub train: Option<Dataset>,
    pub validation: Option<Dataset>,
    pub test: Option<Dataset>,
    pub trained: Option<Trained<'a>>,
    /// Decides which examples are drawn where there are many.
    pub seed: u64,
}

/// A training and the model that came of it.
pub(super) struct Trained<'a> {
    pub history: &'a History,
    pub ending: &'a Ending,
    pub recipe: &'a Recipe,
    /// None of a model of dfdx's.
    pub network: Option<&'a Network>,
    /// Whether its recipe says all of it: no objective, rule or watcher of its own.
    pub plain: bool,
    pub steps: u64,
    /// What it says of examples that it has learned from.
    pub learned: Option<Predictions>,
    /// What it says of the test part.
    pub tested: Option<Predictions>,
}

/// What was found, and what could not be looked at.
#[derive(Default)]
pub(super) struct Report {
    pub findings: Vec<Finding>,
    pub unseen: Vec<Unseen>,
}

impl Report {
    pub fn add(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    pub fn not_seen(&mut self, what: &str, why: impl Into<String>) {
        let unseen = Unseen {
            what: what.to_owned(),
            why: why.into(),
        };
        if !self.unseen.contains(&unseen) {
            self.unseen.push(unseen);
        }
    }

    pub fn has(&self, illness: super::Illness) -> bool {
        self.findings
            .iter()
            .any(|f| f.illness == illness && f.level == super::Level::Finding)
    }
}

/// Up to `most` of so many rows, drawn by `seed`, ascending.
pub(super) fn drawn(rows: usize, most: usize, seed: u64) -> Vec<usize> {
    let mut all: Vec<u32> = (0..rows as u32).collect();
    if rows > most {
        shuffle(&mut all, &mut stream(seed, "diagnosis"));
        all.truncate(most);
        all.sort_unstable();
    }
    all.into_iter().map(|row| row as usize).collect()
}

/// Up to so many examples as a model is asked about.
pub(super) fn asked_about(data: &Dataset, seed: u64) -> crate::Result<Dataset> {
    match data.len() > ASKED {
        true => data.subset(&drawn(data.len(), ASKED, seed)),
        false => Ok(data.clone()),
    }
}

/// The loss of a model that knows nothing but how frequent each class is (the entropy of the classes, in nats), or the
/// mean of each value (their variance). None without such targets.
pub(super) fn guessing(data: &Dataset) -> Option<f64> {
    let n = data.len() as f64;
    match data.targets() {
        Targets::Classes(_) => {
            let shares = data.class_counts().into_iter().filter(|&count| count > 0);
            Some(shares.map(|count| count as f64 / n).map(|p| -p * p.ln()).sum())
        }
        Targets::Values(values) => {
            let width = data.target_width();
            let deviations = columns(values, width);
            Some(deviations.iter().map(|(_, sd)| sd * sd).sum::<f64>() / width as f64)
        }
        _ => None,
    }
    .filter(|x| *x > 0.0)
}

/// Mean and standard deviation (divided by n) of each column of a table.
pub(super) fn columns(table: &[f32], width: usize) -> Vec<(f64, f64)> {
    let n = (table.len() / width.max(1)).max(1) as f64;
    let mut found = vec![(0.0, 0.0); width];
    for row in table.chunks_exact(width.max(1)) {
        for (column, &x) in found.iter_mut().zip(row) {
            column.0 += f64::from(x) / n;
        }
    }
    for row in table.chunks_exact(width.max(1)) {
        for (column, &x) in found.iter_mut().zip(row) {
            column.1 += (f64::from(x) - column.0).powi(2) / n;
        }
    }
    for column in &mut found {
        column.1 = column.1.sqrt();
    }
    found
}

/// Rows right and rows of a classifier's predictions; none of values, of NaN or without examples.
pub(super) fn right(predictions: &Predictions) -> Option<(Vec<bool>, Vec<u32>)> {
    let (said, truth) = (predictions.labels().ok()?, predictions.data().labels()?);
    let right: Vec<bool> = said
        .iter()
        .zip(truth)
        .map(|(said, truth)| said == truth)
        .collect();
    (!right.is_empty()).then(|| (right, truth.to_vec()))
}

pub(super) fn count(right: &[bool]) -> usize {
    right.iter().filter(|right| **right).count()
}

/// A share in percent, in words.
pub(super) fn percent(share: f64) -> String {
    match 100.0 * share {
        x if x > 0.0 && x < 0.1 => "under 0.1%".to_owned(),
        x if x > 99.9 && x < 100.0 => "over 99.9%".to_owned(),
        x => format!("{}%", crate::show::readable_number((10.0 * x).round() / 10.0)),
    }
}
