//! [`Trial`]: what a study hands to the closure; [`Outcome`]: what it takes back.

use std::ops::Index;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use polars::prelude::DataFrame;

use super::base::Base;
use super::settings::Settings;
use super::value::{Value, intern};
use crate::data::Split;
use crate::net::NetSpec;
use crate::train::Recipe;
use crate::{Error, Result};

/// One run of a study: its settings by name, and its seed.
#[derive(Clone, Debug)]
pub struct Trial {
    settings: Settings,
    seed: u64,
    base: Option<Arc<Base>>,
    fold: Option<u32>,
    data: Option<Split>,
    /// Whether the closure asked for the data; clones of the trial share it.
    took_data: Arc<AtomicBool>,
}

impl Trial {
    pub(super) fn new(settings: Settings, seed: u64, base: Option<Arc<Base>>) -> Self {
        Self {
            settings,
            seed,
            base,
            fold: None,
            data: None,
            took_data: Arc::default(),
        }
    }

    /// The same on these data, which are those of a fold where it has a number.
    pub(super) fn on(self, data: Option<Split>, fold: Option<u32>) -> Self {
        Self { data, fold, ..self }
    }

    /// The seed of this run; give it to everything random in the trial.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// All settings.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The setting `name`.
    ///
    /// # Errors
    /// When the study does not vary it.
    pub fn get(&self, name: &str) -> Result<Value> {
        let value = self[name];
        match value.is_missing() {
            true => Err(value.number().err().unwrap_or_else(|| Error::spec(name))),
            false => Ok(value),
        }
    }

    /// The study's base network with the settings that name a path in it (`net. ..`) put in.
    ///
    /// # Errors
    /// When the study has no base, or a setting does not fit.
    pub fn net(&self) -> Result<NetSpec> {
        self.base()?.net(&self.settings)
    }

    /// The study's base recipe with the settings that name a path in it (`recipe. ..`) put in, and this
    /// trial's seed.
    ///
    /// # Errors
    /// When the study has no base, or a setting does not fit.
    pub fn recipe(&self) -> Result<Recipe> {
        Ok(self.base()?.recipe(&self.settings)?.seed(self.seed))
    }

    /// What this trial learns from, and as its `test` part what it is to be judged on: while settings are compared the
    /// validation part, or a fold; for the setting that was chosen the test part, which no other trial sees. So
    /// `net.fit(t.data()?, recipe)` chooses as [`Study::fit`](super::Study::fit) does.
    ///
    /// # Errors
    /// When the study has neither data nor folds.
    pub fn data(&self) -> Result<&Split> {
        self.took_data.store(true, Ordering::Relaxed);
        self.data.as_ref().ok_or_else(|| {
            Error::spec("the study has no data").fix("add .data(&split), or .folds(&data.folds(5, 0)?)")
        })
    }

    /// The number of this trial's fold, from 0, in a study with folds.
    pub fn fold(&self) -> Option<usize> {
        self.fold.map(|fold| fold as usize)
    }

    /// Whether [`data`](Self::data) was asked for.
    pub(super) fn took_data(&self) -> bool {
        self.took_data.load(Ordering::Relaxed)
    }

    pub(super) fn base(&self) -> Result<&Base> {
        self.base.as_deref().ok_or_else(|| {
            Error::spec("the study has no base network and recipe").fix("add .base(net, recipe)")
        })
    }
}

/// `trial["dropout"]`. A name that the study does not vary gives a value whose every conversion fails, so
/// that the setter it goes to reports the mistake.
impl Index<&str> for Trial {
    type Output = Value;

    fn index(&self, name: &str) -> &Value {
        match self.settings.values().iter().find(|value| value.name() == name) {
            Some(value) => value,
            None => missing(name, &self.settings.names()),
        }
    }
}

/// A missing value that lives as long as anyone looks at it; one for each different mistake.
fn missing(name: &str, known: &str) -> &'static Value {
    use std::collections::HashMap;
    use std::sync::Mutex;
    type Mistakes = HashMap<(&'static str, &'static str), &'static Value>;
    static MISTAKES: Mutex<Option<Mistakes>> = Mutex::new(None);
    let mut mistakes = MISTAKES.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let key = (intern(name), intern(known));
    mistakes
        .get_or_insert_with(HashMap::new)
        .entry(key)
        .or_insert_with(|| Box::leak(Box::new(Value::missing(name, known))))
}

/// What a trial found out: named metrics and, where there is one, the history of the training.
#[derive(Clone, Debug, Default)]
pub struct Measured {
    pub(super) metrics: Vec<(String, f64)>,
    pub(super) history: Option<DataFrame>,
    pub(super) ending: Option<String>,
    pub(super) complete: Option<bool>,
    pub(super) spec: Option<String>,
    pub(super) recipe: Option<String>,
    pub(super) measured_on: Option<String>,
}

impl Measured {
    /// Nothing measured yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a number under a name. Names repeat in no trial, and may not be the name of a setting.
    pub fn metric(mut self, name: impl Into<String>, value: f64) -> Self {
        self.metrics.push((name.into(), value));
        self
    }

    /// Adds the history of a training: one row a check, numeric columns, the first its step or epoch.
    pub fn history(mut self, history: DataFrame) -> Self {
        self.history = Some(history);
        self
    }

    /// Says in a word how the trial ended; "completed" by default.
    pub fn ending(mut self, ending: impl Into<String>) -> Self {
        self.ending = Some(ending.into());
        self
    }

    /// Says what the metrics were measured on: "validation" where settings may be chosen by them, "test" where they say
    /// how good a setting is that was chosen elsewhere. Tables name it beside the best setting.
    pub fn measured_on(mut self, part: impl Into<String>) -> Self {
        self.measured_on = Some(part.into());
        self
    }

    /// Says whether the trial went to its end (a trial that was stopped is shown but run again next time).
    /// Without a word, a trial is complete unless the user asked to stop while it ran.
    pub fn complete(mut self, complete: bool) -> Self {
        self.complete = Some(complete);
        self
    }

    /// Adds the network and the recipe, each as one line.
    pub fn lines(mut self, spec: impl Into<String>, recipe: impl Into<String>) -> Self {
        (self.spec, self.recipe) = (Some(spec.into()), Some(recipe.into()));
        self
    }
}

/// What a trial may return: a training run, an evaluation, a number, or named numbers.
pub trait Outcome {
    /// The metrics and what else is known.
    ///
    /// # Errors
    /// When there is nothing to measure.
    fn measured(self) -> Result<Measured>;
}

impl Outcome for Measured {
    fn measured(self) -> Result<Measured> {
        Ok(self)
    }
}

/// One number, as the metric `value`.
impl Outcome for f64 {
    fn measured(self) -> Result<Measured> {
        Ok(Measured::new().metric("value", self))
    }
}

impl<S: Into<String>> Outcome for Vec<(S, f64)> {
    fn measured(self) -> Result<Measured> {
        Ok(self
            .into_iter()
            .fold(Measured::new(), |all, (name, value)| all.metric(name, value)))
    }
}

impl<S: Into<String>, const N: usize> Outcome for [(S, f64); N] {
    fn measured(self) -> Result<Measured> {
        Vec::from(self).measured()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_fails_when_used() {
        let trial = Trial::new([("dropout", 0.2)].into(), 3, None);
        assert_eq!(f64::try_from(trial["dropout"]), Ok(0.2));
        let error = f64::try_from(trial["dropuot"]).unwrap_err().to_string();
        assert!(
            error.contains("dropuot") && error.contains("use one of: dropout"),
            "{error}"
        );
        assert_eq!(trial.get("dropuot").unwrap_err().to_string(), error);
        assert!(trial.net().unwrap_err().to_string().contains("base"));
    }
}
