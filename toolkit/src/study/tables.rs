//! A study as a table: as data, and for people.

use std::time::Duration;

use polars::prelude::{Column, DataFrame};

use super::frame::setting_column;
use super::goal::Goals;
use super::groups::{Folds, Groups};
use super::record::TrialResult;
use super::settings::Settings;
use super::statistics::Mean;
use crate::show::{Align, Table, even_numbers, readable_number, readable_time};

/// What a study varies, and how it is judged.
#[derive(Clone, Debug)]
pub(super) struct Described {
    pub name: String,
    pub varied: Vec<String>,
    /// The metric asked for.
    pub metric: Option<String>,
    /// Which way metrics are better.
    pub goals: Goals,
    pub combinations: Vec<Settings>,
    pub folds: Folds,
    /// What the study itself judges combinations on, in words.
    pub judged_on: Option<String>,
}

/// One row a combination: settings, metric, mean, interval, counts, seconds.
pub(super) fn table(varied: &[String], groups: &Groups<'_>, metric: &str) -> DataFrame {
    let means: Vec<_> = groups
        .all
        .iter()
        .map(|(_, trials)| groups.mean(trials, metric))
        .collect();
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    let mut columns: Vec<Column> = varied
        .iter()
        .map(|name| setting_column(name, groups.all.iter().map(|g| g.0)))
        .collect();
    let mut add = |name: &str, values: Vec<Option<f64>>| columns.push(Column::new(name.into(), values));
    add("mean", means.iter().map(|m| m.map(|m| m.mean)).collect());
    add(
        "low",
        means.iter().map(|m| Some(m.as_ref()?.interval?.0)).collect(),
    );
    add(
        "high",
        means.iter().map(|m| Some(m.as_ref()?.interval?.1)).collect(),
    );
    columns.insert(
        varied.len(),
        Column::new("metric".into(), vec![metric; groups.all.len()]),
    );
    let n = means.iter().map(|m| count(m.map_or(0, |m| m.n)));
    columns.push(Column::new("n".into(), n.collect::<Vec<_>>()));
    let failed = groups
        .all
        .iter()
        .map(|(_, trials)| count(trials.iter().filter(|t| t.error.is_some()).count()));
    columns.push(Column::new("failed".into(), failed.collect::<Vec<_>>()));
    let seconds = groups
        .all
        .iter()
        .map(|(_, trials)| Some(groups.mean(trials, "seconds")?.mean));
    columns.push(Column::new("seconds".into(), seconds.collect::<Vec<_>>()));
    // The plan has checked that names differ, and every column has one entry a combination.
    DataFrame::new(groups.all.len(), columns).expect("columns of one length with different names")
}

/// Rows of a table that is shown whole.
const ROWS: usize = 40;

/// The table for people, with the best combination below, and what is said of it on the test part.
pub(super) fn summary(caption: &str, study: &Described, groups: &Groups<'_>, tested: Option<&str>) -> Table {
    let varied = &study.varied;
    let metric = groups.main_metric(study.metric.as_deref());
    let failures = |trials: &[&TrialResult]| trials.iter().filter(|t| t.error.is_some()).count();
    let any_failed = groups.all.iter().any(|(_, trials)| failures(trials) > 0);
    let head = [&format!("mean {metric}"), "95% interval", "n"];
    let head = head
        .into_iter()
        .chain(any_failed.then_some("failed"))
        .chain(["time a trial"]);
    let mut table =
        Table::new(varied.iter().cloned().chain(head.map(str::to_owned))).caption(caption.to_owned());
    let mut rows: Vec<_> = groups
        .all
        .iter()
        .map(|(settings, trials)| (settings, trials, groups.mean(trials, &metric)))
        .collect();
    let all = rows.len();
    if all > ROWS {
        let sign = if study.goals.less_is_better(&metric) {
            1.0
        } else {
            -1.0
        };
        let place = |mean: &Option<Mean>| mean.map_or(f64::INFINITY, |m| sign * m.mean);
        rows.sort_by(|a, b| place(&a.2).total_cmp(&place(&b.2)));
        rows.truncate(ROWS / 2);
    }
    // Three numbers a row, all with the same decimals.
    let three = |mean: &Option<Mean>| {
        let (low, high) = mean.and_then(|m| m.interval).unwrap_or((f64::NAN, f64::NAN));
        [mean.map_or(f64::NAN, |m| m.mean), low, high]
    };
    let numbers = even_numbers(rows.iter().flat_map(|(_, _, mean)| three(mean)));
    for ((settings, trials, mean), numbers) in rows.iter().zip(numbers.chunks(3)) {
        let mut cells: Vec<String> = settings.values().iter().map(ToString::to_string).collect();
        cells.push(match mean {
            Some(_) => numbers[0].clone(),
            None => "–".to_owned(),
        });
        cells.push(match mean.and_then(|m| m.interval) {
            Some(_) => format!("{} to {}", numbers[1], numbers[2]),
            None => "–".to_owned(),
        });
        cells.push(mean.map_or(0, |m| m.n).to_string());
        if any_failed {
            cells.push(match failures(trials) {
                0 => String::new(),
                n => n.to_string(),
            });
        }
        let seconds = groups.mean(trials, "seconds").map(|s| s.mean.max(0.0));
        cells.push(seconds.map_or("–".to_owned(), |s| {
            readable_time(Duration::try_from_secs_f64(s).unwrap_or(Duration::MAX))
        }));
        table = table.row(cells);
    }
    // Where the numbers stand, also when some are times or dashes.
    for column in varied.len()..varied.len() + 5 {
        table = table.align(column, Align::Right);
    }
    let metrics = groups.metrics();
    let mut note = match groups.best(&metric, &study.goals) {
        // A study that judges for itself has judged by nothing: epochs, say, choose no setting.
        Some(_)
            if study.judged_on.is_some()
                && study.metric.is_none()
                && groups.measured_on(&metric).is_none()
                && groups.judged() =>
        {
            format!(
                "nothing was judged: the trials gave no number on validation, only {}",
                metrics.join(", ")
            )
        }
        None if !metrics.is_empty() && metric != "seconds" && !metrics.contains(&metric.as_str()) => {
            format!(
                "no trial measured {metric}: use one of {}, seconds",
                metrics.join(", ")
            )
        }
        Some((settings, mean)) => {
            let place = chosen_on(study, groups, &metric);
            format!(
                "best {place}: {settings} with {metric} {} ({})",
                readable_number(mean.mean),
                study.goals.words(&metric)
            )
        }
        None => "no result yet".to_owned(),
    };
    if let Some(tested) = tested {
        note += &format!("; {tested}");
    }
    if rows.len() < all {
        note = format!("the best {} of {all} combinations; {note}", rows.len());
    }
    let all_trials = || groups.all.iter().flat_map(|g| &g.1);
    let diverged = all_trials()
        .filter(|t| t.ending().starts_with("DIVERGED"))
        .count();
    if diverged > 0 {
        note += &format!("; {diverged} diverged and count with their last sound numbers");
    }
    let is_no_number =
        |t: &&&TrialResult| t.error.is_none() && t.metric(&metric).is_some_and(|x| !x.is_finite());
    match all_trials().filter(is_no_number).count() {
        0 => {}
        odd => {
            note += &format!(
                "; {odd} of {} trials gave a {metric} that is no finite number and do not count: a setting with such a \
                 one is best only where no other is whole",
                all_trials().count()
            );
        }
    }
    let failed = groups
        .all
        .iter()
        .find_map(|(settings, trials)| trials.iter().find_map(|t| Some((settings, t.seed(), t.error()?))));
    if let Some((settings, seed, why)) = failed {
        let why = why.lines().next().unwrap_or_default();
        note += &format!("; first failure ({settings}, seed {seed}): {why}");
    }
    if let Some(ratio) = groups.folds.overlap {
        note += &format!(
            "; the folds' training parts overlap: intervals are corrected by n_test/n_train = {} (Nadeau and Bengio 2003)",
            readable_number(ratio)
        );
    }
    if seeds_do_nothing(groups) {
        note += "; every seed gave the same numbers: is t.seed() used?";
    }
    table.note(note)
}

/// On what a combination is the best: a number that chose is too good by the choice.
fn chosen_on(study: &Described, groups: &Groups<'_>, metric: &str) -> String {
    match (&study.judged_on, groups.measured_on(metric)) {
        (Some(judged_on), Some("validation")) => format!("on {judged_on}"),
        (_, Some("validation")) => "on validation".to_owned(),
        (_, Some("test")) if groups.folds.count > 0 => {
            "on the folds, which chose it, so that its number is too good".to_owned()
        }
        (_, Some("test")) => "on the test part, which chose it, so that its number is too good".to_owned(),
        (_, Some(part)) => format!("on the {part}"),
        (_, None) => "by what the trials measured".to_owned(),
    }
}

/// Whether, wherever two seeds or more finished on the same data, all their numbers are the same.
fn seeds_do_nothing(groups: &Groups<'_>) -> bool {
    let mut pairs = 0;
    for (_, trials) in &groups.all {
        let mut firsts = std::collections::BTreeMap::new();
        for trial in trials.iter().filter(|t| t.error.is_none()) {
            let first: &mut &TrialResult = firsts.entry(trial.fold).or_insert(trial);
            if first.seed != trial.seed {
                if first.metrics != trial.metrics {
                    return false;
                }
                pairs += 1;
            }
        }
    }
    pairs > 0
}
