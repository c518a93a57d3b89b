//! From a polars table to a dataset: numbers out of columns, classes out of the label column.

use polars::prelude::{Column, DataFrame};

use super::index::{Numbering, levels, numbering};
use super::labels::read_labels;
use super::numbers::read_numbers;
use super::options::TableOptions;
use super::{A_NUMBER, check_memory, told};
use crate::data::names::listed;
use crate::data::{Dataset, Shape};
use crate::{Error, Result};

/// Where the classes of a table come from.
pub(super) enum Labels<'a> {
    /// There are none.
    None,
    /// This column's values, sorted: whole numbers by value, text by its characters.
    Column(&'a str),
    /// This column, whose values are among these classes, in this order.
    Known(&'a str, &'a [String]),
}

impl<'a> Labels<'a> {
    pub(super) fn of(column: Option<&'a str>) -> Self {
        column.map_or(Labels::None, Labels::Column)
    }

    pub(super) fn column(&self) -> Option<&'a str> {
        match *self {
            Labels::None => None,
            Labels::Column(name) | Labels::Known(name, _) => Some(name),
        }
    }
}

/// Says where a cell is: row (from 0) and column's name.
pub(super) type Place<'a> = dyn Fn(usize, &str) -> String + 'a;

impl Dataset {
    /// A dataset from a polars table: the label column, if any, gives the classes (whole numbers by value, or text in
    /// alphabetical order), every other column is a feature. Booleans count as 0 and 1. A column that only numbers the
    /// rows, as the index of a pandas table, is left out; [`notes`](Self::notes) say so.
    ///
    /// # Errors
    /// When the label column is missing, a cell is null, not a number or not finite, different numbers would become
    /// one `f32`, a label is neither text nor a whole number, or the table is empty.
    pub fn from_frame<'a>(
        name: impl Into<String>,
        frame: &DataFrame,
        label_column: impl Into<Option<&'a str>>,
    ) -> Result<Self> {
        Self::from_frame_with(name, frame, label_column, &TableOptions::new())
    }

    /// As [`from_frame`](Self::from_frame), with the columns `values` to predict (regression) instead of classes.
    ///
    /// # Errors
    /// As `from_frame`, and when there is no column of such a name, or no other one.
    pub fn from_frame_values<S: Into<String>>(
        name: impl Into<String>,
        frame: &DataFrame,
        values: impl IntoIterator<Item = S>,
    ) -> Result<Self> {
        Self::from_frame_with(name, frame, None, &TableOptions::new().values(values))
    }

    /// As [`from_frame`](Self::from_frame), as the options say.
    ///
    /// # Errors
    /// As `from_frame`, and when the options do not fit the table.
    pub fn from_frame_with<'a>(
        name: impl Into<String>,
        frame: &DataFrame,
        label_column: impl Into<Option<&'a str>>,
        options: &TableOptions,
    ) -> Result<Self> {
        let name = name.into();
        let label_column = label_column.into();
        let table = format!("table {name}");
        let names: Vec<String> = frame.columns().iter().map(|c| c.name().to_string()).collect();
        options.check(&table, &names, label_column)?;
        let place = |row: usize, column: &str| format!("{table}, row {}, column {column}", row + 1);
        let source = Source {
            name: &name,
            file: &table,
            options,
            indexes: &[],
        };
        build(&source, frame, &Labels::of(label_column), &place).map(told)
    }
}

/// Where a table comes from, and how it is read.
pub(super) struct Source<'a> {
    pub name: &'a str,
    /// What errors call it.
    pub file: &'a str,
    pub options: &'a TableOptions,
    /// The columns that the file itself calls an index.
    pub indexes: &'a [String],
}

/// Column `label` among `names`, or an error that lists them.
pub(super) fn find_label(file: &str, names: &[String], label: &str) -> Result<usize> {
    names.iter().position(|name| name == label).ok_or_else(|| {
        Error::data(format!(
            "expected a label column {label}, found the columns {}",
            listed(names)
        ))
        .at(file)
    })
}

pub(super) fn build(
    source: &Source<'_>,
    frame: &DataFrame,
    labels: &Labels<'_>,
    place: &Place<'_>,
) -> Result<Dataset> {
    let Source {
        name, file, options, ..
    } = *source;
    let rows = frame.height();
    let columns = frame.columns();
    let names: Vec<String> = columns.iter().map(|c| c.name().to_string()).collect();
    let label = labels
        .column()
        .map(|label| find_label(file, &names, label))
        .transpose()?;
    if rows == 0 {
        return Err(Error::data("expected at least 1 row of data, found none").at(file));
    }
    let mut notes = Vec::new();
    let levels = levels(&names);
    let mut features: Vec<(String, &Column)> = Vec::with_capacity(columns.len());
    for (i, column) in columns.iter().enumerate() {
        if Some(i) == label || options.leaves_out(&names[i]) || options.value_columns().contains(&names[i]) {
            continue;
        }
        let stated = source.indexes.contains(&names[i]);
        let shown = match names[i].trim() {
            "" => format!("{} (without a name)", i + 1),
            name => name.to_owned(),
        };
        match numbering(column, stated, i < levels, options) {
            Numbering::Index if !options.keep_index => {
                notes.push(format!(
                    "column {shown} is left out: it numbers the rows, as the index of a table does \
                     (TableOptions::keep_index keeps it)"
                ));
                continue;
            }
            Numbering::Counts => notes.push(format!(
                "column {shown} counts from row to row: if it is only the row's number, leave it out with \
                 TableOptions::without"
            )),
            Numbering::Shuffled => notes.push(format!(
                "column {shown} has each number of a row of numbers once, as rows have that were shuffled: if it is \
                 only the row's number, leave it out with TableOptions::without"
            )),
            Numbering::Index => {}
            Numbering::None if names[i].trim().is_empty() => return Err(nameless(place(0, &shown))),
            Numbering::None => {}
        }
        let name = match names[i].trim() {
            "" => "index".to_owned(),
            _ => names[i].clone(),
        };
        features.push((name, column));
    }
    let width = features.len();
    if width == 0 {
        let mut found = "none".to_owned();
        notes.iter().for_each(|note| found += &format!("; {note}"));
        return Err(Error::data(format!("expected at least 1 feature column, found {found}")).at(file));
    }
    let all = width.saturating_add(options.value_columns().len());
    check_memory((rows as u64).saturating_mul(all as u64), A_NUMBER, file)?;
    // The label column first: it is cheap, and the most frequent mistake.
    let classes = label
        .map(|i| read_labels(&columns[i], labels, place))
        .transpose()?;
    let mut numbers = vec![0.0; rows * width];
    for (j, (_, column)) in features.iter().enumerate() {
        notes.extend(read_numbers(column, &mut numbers, j, width, options, place)?);
    }
    let (named, many) = (options.value_columns(), options.value_columns().len());
    let mut values = vec![0.0; rows * many];
    for (j, name) in named.iter().enumerate() {
        let found = names.iter().position(|own| own == name);
        let column = found
            .map(|i| &columns[i])
            .ok_or_else(|| lacking_value(file, &names, name))?;
        notes.extend(read_numbers(column, &mut values, j, many, options, place)?);
    }
    let feature_names = features.into_iter().map(|(name, _)| name).collect();
    let mut data = Dataset::new(name, Shape::Flat(width), numbers)?.with_feature_names(feature_names)?;
    if let Some(classes) = classes {
        notes.extend(classes.notes);
        data = data.with_labels(classes.labels, classes.names)?;
    }
    if many > 0 {
        data = data.with_values(values, named.iter().cloned())?;
    }
    Ok(data.with_notes(notes))
}

/// The error for a column to predict that the table has not.
pub(super) fn lacking_value(file: &str, names: &[String], value: &str) -> Error {
    Error::spec(format!(
        "expected a column of values {value}, found the columns {}",
        listed(names)
    ))
    .at(file)
}

/// A column that has no name and does not number the rows.
pub(super) fn nameless(place: String) -> Error {
    Error::data("expected a name for every column, found an empty one")
        .at(place)
        .fix("name the column, or leave it out (pandas: to_csv(..., index=False))")
}

pub(super) fn texts(column: &Column) -> Result<impl Iterator<Item = Option<&str>>> {
    let series = column.as_materialized_series();
    Ok(series
        .str()
        .map_err(|e| unreadable(&e, column.name().to_string()))?
        .iter())
}

/// An error that polars reports, with its place.
pub(super) fn unreadable(error: &polars::error::PolarsError, place: impl Into<String>) -> Error {
    Error::data(format!("expected readable data, found: {error}")).at(place)
}
