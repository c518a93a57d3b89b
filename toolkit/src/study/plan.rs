//! [`Plan`]: a study, decided in every respect.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;

use super::base::Base;
use super::groups::Folds;
use super::key::key;
use super::record::TrialResult;
use super::settings::Settings;
use super::store::Store;
use super::tables::Described;
use crate::data::Split;

/// What is called with every finished trial.
pub(super) type Announce = dyn Fn(&TrialResult) + Send + Sync;

/// A study, decided in every respect.
#[derive(Clone)]
pub(super) struct Plan {
    pub described: Described,
    pub version: String,
    pub parts: Vec<Part>,
    pub seeds: Vec<u64>,
    pub store: Option<Store>,
    pub threads: usize,
    pub quiet: bool,
    pub retry: bool,
    pub base: Option<Arc<Base>>,
    /// What the study itself measures on.
    pub measured_on: Option<&'static str>,
    pub announce: Option<Arc<Announce>>,
}

/// The data of some trials: those of the study, or a fold.
#[derive(Clone, Default)]
pub(super) struct Part {
    pub fold: Option<u32>,
    pub data: Option<Split>,
    /// What is known of base, device and data, for keys.
    pub fingerprint: String,
}

/// One trial to run, and the place of its result.
pub(super) struct Task {
    pub combination: usize,
    pub part: usize,
    pub seed: u64,
    pub key: String,
    pub place: usize,
}

impl Plan {
    /// All trials: every combination on the first fold with the first seed, then with the next: a study stopped
    /// half-way can be read.
    pub fn tasks(&self) -> impl Iterator<Item = Task> {
        let (parts, seeds) = (self.parts.len(), self.seeds.len());
        let one = move |s: usize, part: usize, combination: usize| {
            let seed = self.seeds[s];
            let settings: &Settings = &self.described.combinations[combination];
            let fingerprint = &self.parts[part].fingerprint;
            Task {
                combination,
                part,
                seed,
                key: key(&self.described.name, &self.version, fingerprint, settings, seed),
                place: (combination * parts + part) * seeds + s,
            }
        };
        let combinations = self.described.combinations.len();
        let all = (0..seeds).flat_map(move |s| (0..parts).map(move |part| (s, part)));
        all.flat_map(move |(s, part)| (0..combinations).map(move |combination| one(s, part, combination)))
    }

    /// How many there are.
    pub fn trials(&self) -> usize {
        self.described.combinations.len() * self.parts.len() * self.seeds.len()
    }
}

/// What the folds of a study are for its intervals.
pub(super) fn folds_of(parts: &[Part]) -> Folds {
    let folds: Vec<&Split> = parts
        .iter()
        .filter(|part| part.fold.is_some())
        .filter_map(|part| part.data.as_ref())
        .collect();
    let ratio = |split: &&Split| split.test.len() as f64 / split.train.len().max(1) as f64;
    let mean = folds.iter().map(ratio).sum::<f64>() / folds.len().max(1) as f64;
    Folds {
        count: folds.len(),
        overlap: training_parts_overlap(&folds).then_some(mean),
    }
}

/// Whether an example, by its numbers, is learned from in two folds.
fn training_parts_overlap(folds: &[&Split]) -> bool {
    let mut seen = HashSet::new();
    folds.iter().any(|split| {
        let own: HashSet<u64> = split.train.rows().map(hash_of).collect();
        let overlaps = own.iter().any(|row| seen.contains(row));
        seen.extend(own);
        overlaps
    })
}

fn hash_of(row: &[f32]) -> u64 {
    let mut hasher = DefaultHasher::new();
    row.iter().for_each(|x| x.to_bits().hash(&mut hasher));
    hasher.finish()
}
