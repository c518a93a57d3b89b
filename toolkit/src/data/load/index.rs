//! Columns that only number the rows: the index of a pandas table, R's row names.

use polars::prelude::{Column, DataType};

/// Names under which programs write a row's number. Other columns may have them too: then their numbers decide.
const NUMBERING: [&str; 9] = [
    "index",
    "id",
    "row",
    "rownames",
    "row_names",
    "rowid",
    "row_id",
    "idx",
    "level_0",
];

/// From how many rows on a column that counts is no accident.
const NO_ACCIDENT: usize = 10;

/// What a column is.
#[derive(Debug, PartialEq)]
pub(super) enum Numbering {
    /// A feature like any other.
    None,
    /// It numbers the rows by its name, or by the file's own words.
    Index,
    /// It counts from row to row, under a name that could be a feature's.
    Counts,
}

/// `stated` says whether the file itself calls the column an index.
pub(super) fn numbering(column: &Column, stated: bool) -> Numbering {
    let name = column.name().trim();
    if stated || is_index_name(name) {
        return Numbering::Index;
    }
    if name.is_empty() {
        // Of rows that were shuffled or chosen, the numbers are still whole and different.
        return match whole(column) {
            Some(numbers) if all_different(&numbers) => Numbering::Index,
            _ => Numbering::None,
        };
    }
    // R calls a nameless column X; a small x is anything.
    let named = name == "X" || NUMBERING.contains(&name.to_lowercase().as_str());
    if !named && column.len() < NO_ACCIDENT {
        return Numbering::None;
    }
    let Some(mut numbers) = whole(column) else {
        return Numbering::None;
    };
    if !named {
        return match numbers.windows(2).all(|pair| pair[1] == pair[0] + 1) {
            true => Numbering::Counts,
            false => Numbering::None,
        };
    }
    numbers.sort_unstable();
    let first = numbers.first().copied().unwrap_or(2);
    match (0..=1).contains(&first) && numbers.iter().zip(first..).all(|(&n, want)| n == want) {
        true => Numbering::Index,
        false => Numbering::None,
    }
}

/// `__index_level_0__` as pandas calls a nameless index in Parquet files; `Unnamed: 0`, also `Unnamed: 0.1`, as it
/// calls a nameless first column that it has read.
fn is_index_name(name: &str) -> bool {
    let level = name
        .strip_prefix("__index_level_")
        .and_then(|rest| rest.strip_suffix("__"));
    let unnamed = name.strip_prefix("Unnamed: 0");
    level.is_some_and(|level| !level.is_empty() && level.bytes().all(|b| b.is_ascii_digit()))
        || unnamed.is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_digit() || b == b'.'))
}

/// The column's numbers, if all are there and whole.
fn whole(column: &Column) -> Option<Vec<i64>> {
    if column.dtype() == &DataType::String {
        let text = column.as_materialized_series().str().ok()?;
        return text.iter().map(|cell| cell?.trim().parse().ok()).collect();
    }
    if !column.dtype().is_primitive_numeric() {
        return None;
    }
    let numbers = column.cast(&DataType::Float64).ok()?;
    let numbers = numbers.f64().ok()?;
    let whole = |x: f64| (x.fract() == 0.0 && x.abs() < 2f64.powi(53)).then_some(x as i64);
    numbers.iter().map(|x| whole(x?)).collect()
}

fn all_different(numbers: &[i64]) -> bool {
    let mut seen = std::collections::HashSet::with_capacity(numbers.len());
    numbers.iter().all(|number| seen.insert(number))
}
