//! Columns that only number the rows: the index of a pandas table, R's row names.

use polars::prelude::{Column, DataType};

use super::options::TableOptions;

/// Names under which programs write what tells rows apart. Other columns may have them too: then their numbers decide.
const IDENTIFYING: [&str; 8] = [
    "index",
    "id",
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
    /// It has each number of a row of numbers once, in another order, under such a name.
    Shuffled,
}

/// `stated` says whether the file itself calls the column an index, `level` whether it stands where a level of one
/// does ([`levels`]).
pub(super) fn numbering(column: &Column, stated: bool, level: bool, options: &TableOptions) -> Numbering {
    let name = column.name().trim();
    if stated || is_index_name(name) {
        return Numbering::Index;
    }
    let small = name.to_lowercase();
    let identifying = name.is_empty() || IDENTIFYING.contains(&small.as_str());
    // As often a feature's name. R calls a nameless column X; a small x is anything.
    let counting = name == "X" || small == "row";
    if !identifying && !counting && !level && column.len() < NO_ACCIDENT {
        return Numbering::None;
    }
    let Some(mut numbers) = whole(column, options) else {
        return Numbering::None;
    };
    // Of rows that were shuffled, chosen or taken from the end of a larger table, the numbers are still different.
    if level || identifying && all_different(&numbers) {
        return Numbering::Index;
    }
    let in_order = is_row(&numbers);
    numbers.sort_unstable();
    match (is_row(&numbers), counting) {
        (false, _) => Numbering::None,
        (true, true) if matches!(numbers.first(), Some(0 | 1)) => Numbering::Index,
        (true, _) if column.len() < NO_ACCIDENT => Numbering::None,
        (true, _) if in_order => Numbering::Counts,
        (true, _) => Numbering::Shuffled,
    }
}

/// Whether each number is by one larger than that before it.
fn is_row(numbers: &[i64]) -> bool {
    numbers.windows(2).all(|pair| pair[1] == pair[0] + 1)
}

/// How many of the first columns are the levels of one index, by the names that pandas gives those without a name:
/// `level_0`, `level_1`, or, read again from a file, `Unnamed: 0`, `Unnamed: 1`. One alone is no such row of levels.
pub(super) fn levels(names: &[String]) -> usize {
    let count = |begin: &str| {
        let fits = |(i, name): &(usize, &String)| name.trim() == format!("{begin}{i}");
        names.iter().enumerate().take_while(fits).count()
    };
    let most = count("level_").max(count("Unnamed: "));
    if most > 1 { most } else { 0 }
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
fn whole(column: &Column, options: &TableOptions) -> Option<Vec<i64>> {
    let of_float = |x: f64| (x.fract() == 0.0 && x.abs() < 2f64.powi(53)).then_some(x as i64);
    if column.dtype() == &DataType::String {
        let text = column.as_materialized_series().str().ok()?;
        let of_text = |cell: &str| {
            let plain = options.plain(cell.trim())?;
            plain.parse().ok().or_else(|| of_float(plain.parse().ok()?))
        };
        return text.iter().map(|cell| of_text(cell?)).collect();
    }
    if !column.dtype().is_primitive_numeric() {
        return None;
    }
    let numbers = column.cast(&DataType::Float64).ok()?;
    let numbers = numbers.f64().ok()?;
    numbers.iter().map(|x| of_float(x?)).collect()
}

fn all_different(numbers: &[i64]) -> bool {
    let mut seen = std::collections::HashSet::with_capacity(numbers.len());
    numbers.iter().all(|number| seen.insert(number))
}
