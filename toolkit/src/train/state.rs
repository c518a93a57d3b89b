//! [`State`]: everything that decides how a training goes on, so that it can stop and go on as if it had not.

use std::mem;

use serde::{Deserialize, Serialize};

use super::watch::Watcher;
use super::{Ending, History, Recipe, Record};
use crate::{Error, Result};

/// A network's numbers at one check.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Kept {
    pub step: u64,
    /// The held-out loss there; infinite before the first check and when nothing is held out.
    pub loss: f64,
    pub parameters: Vec<f32>,
    pub buffers: Vec<f32>,
    /// What the objective had learned itself.
    pub learned: Vec<Vec<f32>>,
}

/// Where a training stands.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub parameters: Vec<f32>,
    pub buffers: Vec<f32>,
    pub moments: Vec<Vec<f32>>,
    /// What to go back to: with a held-out part the best check, else the last one that was finite.
    pub kept: Kept,
    /// What the objective learns itself.
    pub learned: Vec<Vec<f32>>,
    /// What each watcher remembers.
    pub watchers: Vec<Vec<f32>>,
    /// Parameters that stand in for the trained ones; empty when none do.
    pub stand_in: Vec<f32>,
    pub history: History,
    pub counters: Counters,
}

/// The scalars of a state. Floats are kept as their bits, so that files give them back exactly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Counters {
    /// Updates made.
    pub step: u64,
    /// Examples since the last check, and the sum of their losses.
    pub rows: u64,
    loss_sum: u64,
    /// Checks since the best one.
    pub stale: u64,
    /// Position in the dropout stream, high and low half.
    dropout: (u64, u64),
    seconds: u64,
    /// What a watcher has the schedule's rate multiplied by.
    #[serde(default = "one")]
    rate_factor: u64,
    /// Layers that watchers have frozen or let learn again, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frozen: Vec<(String, bool)>,
    /// The names of the watchers, in the order of what they remember; empty for one that has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    watcher_names: Vec<String>,
    /// Set when there is nothing left to do.
    pub ending: Option<Ending>,
}

fn one() -> u64 {
    1.0_f64.to_bits()
}

fn name_of(watcher: &dyn Watcher) -> String {
    watcher.name().unwrap_or_default()
}

impl Counters {
    pub fn loss_sum(&self) -> f64 {
        f64::from_bits(self.loss_sum)
    }

    pub fn set_loss_sum(&mut self, sum: f64) {
        self.loss_sum = sum.to_bits();
    }

    pub fn seconds(&self) -> f64 {
        f64::from_bits(self.seconds)
    }

    pub fn set_seconds(&mut self, seconds: f64) {
        self.seconds = seconds.to_bits();
    }

    pub fn rate_factor(&self) -> f64 {
        f64::from_bits(self.rate_factor)
    }

    pub fn set_rate_factor(&mut self, factor: f64) {
        self.rate_factor = factor.to_bits();
    }

    pub fn dropout(&self) -> u128 {
        (u128::from(self.dropout.0) << 64) | u128::from(self.dropout.1)
    }

    pub fn set_dropout(&mut self, position: u128) {
        self.dropout = ((position >> 64) as u64, position as u64);
    }
}

impl State {
    /// The state before the first update.
    pub fn start(parameters: Vec<f32>, buffers: Vec<f32>) -> Self {
        Self {
            moments: Vec::new(),
            learned: Vec::new(),
            watchers: Vec::new(),
            stand_in: Vec::new(),
            kept: Kept {
                step: 0,
                loss: f64::INFINITY,
                parameters: parameters.clone(),
                buffers: buffers.clone(),
                learned: Vec::new(),
            },
            parameters,
            buffers,
            history: History::default(),
            counters: Counters {
                step: 0,
                rows: 0,
                loss_sum: 0.0_f64.to_bits(),
                stale: 0,
                dropout: (0, 0),
                seconds: 0.0_f64.to_bits(),
                rate_factor: one(),
                frozen: Vec::new(),
                watcher_names: Vec::new(),
                ending: None,
            },
        }
    }

    /// Takes down what the watchers remember.
    pub fn remember(&mut self, watchers: &[Box<dyn Watcher + '_>]) {
        self.watchers = watchers.iter().map(|watcher| watcher.state()).collect();
        self.counters.watcher_names = watchers.iter().map(|watcher| name_of(&**watcher)).collect();
    }

    /// Gives the watchers back what they remembered: those of a name by it, those without one in their order.
    ///
    /// # Errors
    /// When there are more or fewer without a name than there were, and these had something to remember.
    pub fn remind(&self, watchers: &mut [Box<dyn Watcher + '_>]) -> Result<()> {
        let names = &self.counters.watcher_names;
        let nameless = |names: &[String]| names.iter().filter(|name| name.is_empty()).count();
        let given: Vec<String> = watchers.iter().map(|watcher| name_of(&**watcher)).collect();
        // Files of earlier versions have no names.
        let known = match names.is_empty() {
            true => &given[..self.watchers.len().min(given.len())],
            false => &names[..],
        };
        let lost = known
            .iter()
            .zip(&self.watchers)
            .any(|(name, own)| name.is_empty() && !own.is_empty());
        if lost && nameless(known) != nameless(&given) {
            return Err(Error::spec(format!(
                "expected {} watchers without a name, as the training to go on with had, found {}",
                nameless(known),
                nameless(&given)
            ))
            .at("the watchers")
            .fix("give the same ones in the same order, or give each a name (Watcher::name)"));
        }
        let mut left: Vec<Option<&Vec<f32>>> = self.watchers.iter().map(Some).collect();
        for (watcher, name) in watchers.iter_mut().zip(&given) {
            let at = (0..known.len()).find(|&at| known[at] == *name && left[at].is_some());
            if let Some(own) = at.and_then(|at| left[at].take()) {
                watcher.restore(own);
            }
        }
        Ok(())
    }

    /// The numbers a run that stopped here gives: those kept when it watched a held-out part or broke, else
    /// the newest.
    pub fn result(&self, watched: bool) -> (&[f32], &[f32]) {
        let broke = self.counters.ending.as_ref().is_some_and(Ending::is_diverged);
        // What stood in at a check of this step has statistics of its own there.
        let checked = self.kept.step == self.counters.step && self.kept.parameters == self.stand_in;
        if broke || checked || self.best_is_kept(watched) {
            (&self.kept.parameters, &self.kept.buffers)
        } else if !self.stand_in.is_empty() {
            (&self.stand_in, &self.buffers)
        } else {
            (&self.parameters, &self.buffers)
        }
    }

    /// Of `history`, the row of the best check when its numbers are the ones given; else the newest.
    pub fn row<'h>(&self, watched: bool, history: &'h History) -> Option<&'h Record> {
        let of_best = |row: &&Record| row.step == self.kept.step;
        let best = || history.records().iter().rfind(of_best);
        let best = self.best_is_kept(watched).then(best).flatten();
        best.or(history.last())
    }

    /// The rows, and one more for what came after the last check, if anything did.
    pub fn history_so_far(&self, recipe: &Recipe, per_epoch: usize, seconds: f64) -> History {
        let mut history = self.history.clone();
        let counters = &self.counters;
        if counters.rows > 0 {
            let last = (counters.step as usize).saturating_sub(1);
            history.records.push(Record {
                step: counters.step,
                epoch: counters.step as f64 / per_epoch as f64,
                rate: recipe.rate_at(last, per_epoch) * counters.rate_factor(),
                loss: counters.loss_sum() / counters.rows as f64,
                held_out_loss: f64::NAN,
                held_out_accuracy: f64::NAN,
                seconds,
            });
        }
        history
    }

    pub fn best_is_kept(&self, watched: bool) -> bool {
        watched && self.kept.loss.is_finite()
    }

    /// Takes the mean loss since the last check and starts counting anew.
    pub fn take_mean_loss(&mut self) -> f64 {
        let rows = mem::take(&mut self.counters.rows);
        let mean = self.counters.loss_sum() / rows as f64;
        self.counters.set_loss_sum(0.0);
        mean
    }
}
