//! [`TrialResult`]: a finished trial, and its form as a row of a table.

use polars::prelude::*;
use serde::Serialize as _;

use super::settings::Settings;
use super::value::Content;
use crate::hex::hex;
use crate::net::cpu;
use crate::show::{Bundle, Show, Table, readable_number};
use crate::{Error, Result};

/// Column names of a stored trial; no setting or metric may be called so.
pub(super) const TAKEN: &[&str] = &[
    "key",
    "study",
    "version",
    "settings",
    "seed",
    "seconds",
    "ending",
    "error",
    "spec",
    "recipe",
    "jook",
    "device",
    "finished_at",
    "metric",
    "mean",
    "low",
    "high",
    "n",
    "failed",
];

/// Before the name of a history's column.
const HISTORY: &str = "history.";

/// A finished trial.
#[derive(Clone, Debug)]
pub struct TrialResult {
    pub(super) key: String,
    pub(super) study: String,
    pub(super) version: String,
    pub(super) settings: Settings,
    pub(super) seed: u64,
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

    /// Reads a trial back from its one-row frame; `None` when it is not one of ours.
    pub(super) fn from_frame(frame: &DataFrame) -> Option<Self> {
        let text = |name: &str| -> Option<String> {
            match frame.column(name).ok()?.get(0).ok()? {
                AnyValue::String(text) => Some(text.to_owned()),
                AnyValue::StringOwned(text) => Some(text.to_string()),
                _ => None,
            }
        };
        let settings = Settings::from_stored(&text("settings")?)?;
        let number = |name: &str| frame.column(name).ok()?.get(0).ok()?.try_extract::<f64>().ok();
        let mut metrics = Vec::new();
        let mut history = Vec::new();
        for column in frame.columns() {
            let name = column.name().as_str();
            if TAKEN.contains(&name) || settings.get(name).is_some() {
                continue;
            }
            match (name.strip_prefix(HISTORY), column.get(0).ok()?) {
                (Some(name), AnyValue::List(values)) => {
                    let values = values.f64().ok()?;
                    history.push((
                        name.to_owned(),
                        values.iter().map(|x| x.unwrap_or(f64::NAN)).collect(),
                    ));
                }
                (None, AnyValue::Float64(value)) => metrics.push((name.to_owned(), value)),
                _ => {}
            }
        }
        Some(Self {
            key: text("key")?,
            study: text("study")?,
            version: text("version")?,
            settings,
            seed: frame.column("seed").ok()?.get(0).ok()?.try_extract().ok()?,
            metrics,
            seconds: number("seconds")?,
            ending: text("ending")?,
            error: text("error"),
            spec: text("spec"),
            recipe: text("recipe"),
            jook: text("jook")?,
            device: text("device")?,
            finished_at: {
                let at = frame.column("finished_at").ok()?.cast(&DataType::Int64).ok()?;
                at.get(0).ok()?.try_extract().ok()?
            },
            history,
            complete: true,
        })
    }
}

impl Show for TrialResult {
    fn bundle(&self) -> Bundle {
        let mut table =
            Table::new(["", ""]).caption(format!("{}, seed {}: {}", self.settings, self.seed, self.ending));
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

/// Trials as a table: settings, seed, metrics, then how each went. A history is a list in its column.
///
/// # Errors
/// When a name is used for two columns.
pub(super) fn frame_of(trials: &[&TrialResult], with_histories: bool) -> Result<DataFrame> {
    let mut columns: Vec<Column> = Vec::new();
    let texts = |name: &str, get: &dyn Fn(&TrialResult) -> Option<String>| {
        Column::new(name.into(), trials.iter().map(|t| get(t)).collect::<Vec<_>>())
    };
    columns.push(texts("study", &|t| Some(t.study.clone())));
    let settings = names(trials, |t| {
        t.settings.values().iter().map(|v| v.name().to_owned()).collect()
    });
    for name in &settings {
        columns.push(setting_column(name, trials.iter().map(|t| &t.settings)));
    }
    columns.push(Column::new(
        "seed".into(),
        trials.iter().map(|t| t.seed).collect::<Vec<_>>(),
    ));
    for name in names(trials, |t| t.metrics.iter().map(|m| m.0.clone()).collect()) {
        // Studies that share a store may use one name for a setting and for a metric.
        let column = if settings.contains(&name) {
            format!("metric.{name}")
        } else {
            name.clone()
        };
        columns.push(Column::new(
            column.as_str().into(),
            trials.iter().map(|t| t.metric(&name)).collect::<Vec<_>>(),
        ));
    }
    columns.push(Column::new(
        "seconds".into(),
        trials.iter().map(|t| t.seconds).collect::<Vec<_>>(),
    ));
    columns.push(texts("ending", &|t| Some(t.ending.clone())));
    columns.push(texts("error", &|t| t.error.clone()));
    columns.push(texts("spec", &|t| t.spec.clone()));
    columns.push(texts("recipe", &|t| t.recipe.clone()));
    let at = Column::new(
        "finished_at".into(),
        trials.iter().map(|t| t.finished_at).collect::<Vec<_>>(),
    );
    columns.push(
        at.cast(&DataType::Datetime(TimeUnit::Milliseconds, None))
            .map_err(table_error)?,
    );
    columns.push(texts("jook", &|t| Some(t.jook.clone())));
    columns.push(texts("device", &|t| Some(t.device.clone())));
    columns.push(texts("version", &|t| Some(t.version.clone())));
    columns.push(texts("settings", &|t| Some(t.settings.to_stored())));
    columns.push(texts("key", &|t| Some(t.key.clone())));
    if with_histories {
        for name in names(trials, |t| t.history.iter().map(|h| h.0.clone()).collect()) {
            let lists: Vec<Series> = trials
                .iter()
                .map(|t| {
                    let values = t.history.iter().find(|h| h.0 == name).map_or(&[][..], |h| &h.1);
                    Series::new("".into(), values)
                })
                .collect();
            columns.push(Column::new(format!("{HISTORY}{name}").as_str().into(), lists));
        }
    }
    DataFrame::new(trials.len(), columns).map_err(table_error)
}

pub(super) fn table_error(error: PolarsError) -> Error {
    Error::data(error.to_string()).at("the table of a study")
}

/// All names that occur, in the order of their first appearance.
fn names(trials: &[&TrialResult], of: impl Fn(&TrialResult) -> Vec<String>) -> Vec<String> {
    let mut all = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for trial in trials {
        for name in of(trial) {
            if seen.insert(name.clone()) {
                all.push(name);
            }
        }
    }
    all
}

/// One setting as a column: numbers as numbers, flags as flags, the rest as text.
pub(super) fn setting_column<'a>(name: &str, all: impl Iterator<Item = &'a Settings>) -> Column {
    let values: Vec<_> = all.map(|settings| settings.get(name)).collect();
    let every = |fits: fn(Content) -> bool| values.iter().flatten().all(|v| fits(v.content()));
    let at = name.into();
    if every(|c| matches!(c, Content::Integer(_))) {
        Column::new(
            at,
            values
                .iter()
                .map(|v| v.and_then(|v| i64::try_from(v).ok()))
                .collect::<Vec<_>>(),
        )
    } else if every(|c| matches!(c, Content::Integer(_) | Content::Number(_))) {
        Column::new(
            at,
            values
                .iter()
                .map(|v| v.and_then(|v| v.number().ok()))
                .collect::<Vec<_>>(),
        )
    } else if every(|c| matches!(c, Content::Flag(_))) {
        Column::new(
            at,
            values
                .iter()
                .map(|v| v.and_then(|v| bool::try_from(v).ok()))
                .collect::<Vec<_>>(),
        )
    } else {
        Column::new(
            at,
            values
                .iter()
                .map(|v| v.map(|v| v.to_string()))
                .collect::<Vec<_>>(),
        )
    }
}

/// The numeric columns of a history as plain numbers, missing entries as NaN; without columns of nothing else.
pub(super) fn history_columns(history: &DataFrame) -> Vec<(String, Vec<f64>)> {
    history
        .columns()
        .iter()
        .filter(|column| column.dtype().is_primitive_numeric())
        .filter_map(|column| {
            let numbers = column.cast(&DataType::Float64).ok()?;
            let values = numbers
                .f64()
                .ok()?
                .iter()
                .map(|x| x.unwrap_or(f64::NAN))
                .collect();
            Some((column.name().to_string(), values))
        })
        .filter(|(_, values): &(String, Vec<f64>)| values.iter().any(|x| !x.is_nan()))
        .collect()
}

/// The key of a trial: 32 hex digits of the SHA-256 of all that decides its result, as far as it is known: also the
/// version that computes it and the instruction set. The order in which names were varied does not matter.
pub(super) fn key(study: &str, version: &str, base: &str, settings: &Settings, seed: u64) -> String {
    let machine = [crate::train::VERSION, crate::train::DEVICE, cpu::INSTRUCTIONS];
    key_on(machine, [study, version, base], settings, seed)
}

fn key_on(machine: [&str; 3], [study, version, base]: [&str; 3], settings: &Settings, seed: u64) -> String {
    use sha2::{Digest, Sha256};
    let mut pairs: Vec<_> = settings
        .values()
        .iter()
        .map(|value| {
            (
                value.name(),
                value
                    .content()
                    .serialize(serde_json::value::Serializer)
                    .unwrap_or_default(),
            )
        })
        .collect();
    pairs.sort_by_key(|pair| pair.0);
    let all = serde_json::json!(["jook study 2", machine, study, version, base, pairs, seed]);
    hex(&Sha256::digest(all.to_string().as_bytes())[..16])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::Activation;
    use crate::study::value::Value;

    #[test]
    fn a_trial_survives_its_table() {
        let trial = TrialResult {
            key: "k".into(),
            study: "s".into(),
            version: "2".into(),
            settings: vec![
                ("activation", Value::from(Activation::Maxout(2))),
                ("rate", 0.1.into()),
            ]
            .into(),
            seed: u64::MAX,
            metrics: vec![("accuracy".into(), 0.1 + 0.2), ("log_loss".into(), f64::NAN)],
            seconds: 0.25,
            ending: "completed".into(),
            error: None,
            spec: Some("a net".into()),
            recipe: None,
            jook: "0".into(),
            device: "cpu".into(),
            finished_at: 1_795_449_815_672,
            history: vec![
                ("step".into(), vec![1.0, 2.0]),
                ("loss".into(), vec![0.5, f64::NAN]),
            ],
            complete: true,
        };
        let back = TrialResult::from_frame(&frame_of(&[&trial], true).unwrap()).unwrap();
        assert_eq!(format!("{back:?}"), format!("{trial:?}"));
        assert_eq!(
            back.metric("accuracy").unwrap().to_bits(),
            (0.1_f64 + 0.2).to_bits()
        );
    }

    // Fixed for good: stores of earlier versions are found by it.
    #[test]
    fn a_key_stays_what_it_is() {
        let settings = vec![
            ("recipe.batch", Value::from(16)),
            ("activation", Activation::Maxout(2).into()),
            ("rate", 0.1.into()),
        ];
        let key = key_on(
            ["0.1.0", "cpu", "AVX-512"],
            ["first bowl", "2", "base"],
            &settings.into(),
            7,
        );
        assert_eq!(key, "688a5a4fad755585a5001af4d7462d41");
    }

    #[test]
    fn a_key_says_what_was_run_and_not_in_which_order_it_was_varied() {
        let ab = Settings::from([("a", 1), ("b", 2)]);
        let ba = Settings::from([("b", 2), ("a", 1)]);
        let all = [
            key("s", "", "", &ab, 0),
            key("t", "", "", &ab, 0),
            key("s", "1", "", &ab, 0),
            key("s", "", "base", &ab, 0),
            key("s", "", "", &[("a", 1), ("b", 3)].into(), 0),
            key("s", "", "", &ab, 1),
        ];
        assert_eq!(all[0], key("s", "", "", &ba, 0));
        let different: std::collections::HashSet<_> = all.iter().collect();
        assert_eq!(different.len(), all.len());
    }
}
