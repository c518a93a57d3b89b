//! Trials as rows of a table, and back.

use polars::prelude::*;

use super::record::TrialResult;
use super::settings::Settings;
use super::value::Content;
use crate::{Error, Result};

/// Column names of a stored trial; no setting or metric may be called so.
pub(super) const TAKEN: &[&str] = &[
    "key",
    "study",
    "version",
    "settings",
    "seed",
    "fold",
    "measured_on",
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

impl TrialResult {
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
        // In stores of before, these may be settings of a closure.
        let free = |name: &str| settings.get(name).is_none();
        let fold = number("fold").filter(|_| free("fold")).map(|fold| fold as u32);
        let measured_on = text("measured_on").filter(|_| free("measured_on"));
        Some(Self {
            key: text("key")?,
            study: text("study")?,
            version: text("version")?,
            settings,
            seed: frame.column("seed").ok()?.get(0).ok()?.try_extract().ok()?,
            fold,
            measured_on,
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
    // Always, so that the files of one study have the same columns. A store of before may have settings of these names.
    let free = |name: &str| !settings.iter().any(|own| own == name);
    if free("fold") {
        let folds: Vec<Option<u32>> = trials.iter().map(|t| t.fold).collect();
        columns.push(Column::new("fold".into(), folds));
    }
    if free("measured_on") {
        columns.push(texts("measured_on", &|t| t.measured_on.clone()));
    }
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
            fold: Some(3),
            measured_on: Some("validation".into()),
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
}
