//! From a polars table to a dataset: numbers out of columns, classes out of the label column.

use polars::prelude::{Column, DataFrame, DataType};

use super::{A_NUMBER, check_memory};
use crate::data::dataset::{listed, places};
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
    /// A dataset from a polars table: the label column, if any, gives the classes (whole numbers or text,
    /// sorted), every other column is a feature. Booleans count as 0 and 1.
    ///
    /// # Errors
    /// When the label column is missing, a cell is null, not a number or not finite, a label is neither
    /// text nor a whole number, or the table is empty.
    pub fn from_frame<'a>(
        name: impl Into<String>,
        frame: &DataFrame,
        label_column: impl Into<Option<&'a str>>,
    ) -> Result<Self> {
        let name = name.into();
        let table = format!("table {name}");
        let place = |row: usize, column: &str| format!("{table}, row {}, column {column}", row + 1);
        build(&name, &table, frame, &Labels::of(label_column.into()), &place)
    }
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
    name: &str,
    file: &str,
    frame: &DataFrame,
    labels: &Labels<'_>,
    place: &Place<'_>,
) -> Result<Dataset> {
    let rows = frame.height();
    let columns = frame.columns();
    let names: Vec<String> = columns.iter().map(|c| c.name().to_string()).collect();
    let label = labels
        .column()
        .map(|label| find_label(file, &names, label))
        .transpose()?;
    let features: Vec<&Column> = (0..columns.len())
        .filter(|&i| Some(i) != label)
        .map(|i| &columns[i])
        .collect();
    let width = features.len();
    if width == 0 {
        return Err(Error::data("expected at least 1 feature column, found none").at(file));
    }
    if rows == 0 {
        return Err(Error::data("expected at least 1 row of data, found none").at(file));
    }
    check_memory((rows as u64).saturating_mul(width as u64), A_NUMBER, file)?;
    // The label column first: it is cheap, and the most frequent mistake.
    let classes = label
        .map(|i| read_labels(&columns[i], labels, place))
        .transpose()?;
    let mut numbers = vec![0.0; rows * width];
    for (j, column) in features.iter().enumerate() {
        read_numbers(column, &mut numbers, j, width, place)?;
    }
    let feature_names = features.iter().map(|c| c.name().to_string()).collect();
    let data = Dataset::new(name, Shape::Flat(width), numbers)?.with_feature_names(feature_names)?;
    match classes {
        None => Ok(data),
        Some((labels, names)) => data.with_labels(labels, names),
    }
}

/// Writes `column` into every `width`-th place of `numbers`, from place `j` on.
fn read_numbers(
    column: &Column,
    numbers: &mut [f32],
    j: usize,
    width: usize,
    place: &Place<'_>,
) -> Result<()> {
    let name = column.name().as_str();
    let slots = numbers.iter_mut().skip(j).step_by(width);
    let missing = |row| {
        Error::data("expected a number, found an empty cell")
            .at(place(row, name))
            .fix("drop the row or fill in the value before loading")
    };
    if column.dtype() == &DataType::String {
        for (row, (slot, cell)) in slots.zip(texts(column)?).enumerate() {
            let text = cell.ok_or_else(|| missing(row))?;
            let value = text.trim().parse::<f32>().ok().filter(|x| x.is_finite());
            *slot = value.ok_or_else(|| not_a_number(text, row, name, place))?;
        }
        return Ok(());
    }
    if !column.dtype().is_primitive_numeric() && column.dtype() != &DataType::Boolean {
        return Err(
            Error::data(format!("expected a column of numbers, found {}", column.dtype()))
                .at(place(0, name))
                .fix("name it as the label column, or drop it before loading"),
        );
    }
    let values = column
        .cast(&DataType::Float32)
        .map_err(|e| unreadable(&e, place(0, name)))?;
    let values = values.f32().map_err(|e| unreadable(&e, place(0, name)))?;
    for (row, (slot, value)) in slots.zip(values.iter()).enumerate() {
        let value = value.ok_or_else(|| missing(row))?;
        if !value.is_finite() {
            let found = column.get(row).map_or(value.to_string(), |v| v.to_string());
            return Err(not_a_number(&found, row, name, place));
        }
        *slot = value;
    }
    Ok(())
}

fn not_a_number(found: &str, row: usize, column: &str, place: &Place<'_>) -> Error {
    let shown: String = found.chars().take(40).collect();
    let error = if shown.trim().is_empty() {
        Error::data("expected a number, found an empty cell")
    } else {
        Error::data(format!(
            "expected a finite number (below 3.4e38), found {shown:?}"
        ))
    };
    error
        .at(place(row, column))
        .fix("correct the cell; text belongs into the label column alone")
}

/// A class as it stands in the label column.
enum Class {
    Number(f64),
    Text(String),
}

/// The labels and the class names.
fn read_labels(column: &Column, labels: &Labels<'_>, place: &Place<'_>) -> Result<(Vec<u32>, Vec<String>)> {
    let name = column.name().as_str();
    let mut cells = Vec::with_capacity(column.len());
    if column.dtype().is_primitive_numeric() {
        let values = column
            .cast(&DataType::Float64)
            .map_err(|e| unreadable(&e, place(0, name)))?;
        let values = values.f64().map_err(|e| unreadable(&e, place(0, name)))?;
        cells.extend(values.iter().map(|cell| cell.map(Class::Number)));
    } else {
        let text = column
            .cast(&DataType::String)
            .map_err(|e| unreadable(&e, place(0, name)))?;
        let kept = |cell: Option<&str>| {
            cell.map(str::trim)
                .filter(|text| !text.is_empty())
                .map(str::to_owned)
        };
        let text: Vec<Option<String>> = texts(&text)?.map(kept).collect();
        // Text that is all numbers is a column of numbers: 2 comes before 10.
        let number = |text: &Option<String>| match text {
            None => Some(None),
            Some(text) => text.parse::<f64>().ok().filter(|x| x.is_finite()).map(Some),
        };
        match text.iter().map(number).collect::<Option<Vec<_>>>() {
            Some(numbers) => cells.extend(numbers.into_iter().map(|cell| cell.map(Class::Number))),
            None => cells.extend(text.into_iter().map(|cell| cell.map(Class::Text))),
        }
    }
    // Distinct classes are few next to rows: sort those, keyed by number first.
    let mut found: Vec<(f64, String)> = Vec::new();
    let mut index = std::collections::HashMap::new();
    let mut raw = Vec::with_capacity(cells.len());
    for (row, cell) in cells.into_iter().enumerate() {
        let cell =
            cell.ok_or_else(|| Error::data("expected a label, found an empty cell").at(place(row, name)))?;
        let (key, text) = match cell {
            Class::Text(text) => (0.0, text),
            Class::Number(x) if x.fract() == 0.0 && x.abs() < 2f64.powi(53) => (x, format!("{}", x as i64)),
            Class::Number(x) => {
                return Err(
                    Error::data(format!("expected a class (text or a whole number), found {x}"))
                        .at(place(row, name))
                        .fix("labels are classes: cut a measured value into ranges first"),
                );
            }
        };
        let next = index.len();
        let id = *index.entry(text.clone()).or_insert(next);
        if id == found.len() {
            found.push((key, text));
        }
        raw.push(id);
    }
    let mut order: Vec<usize> = (0..found.len()).collect();
    order.sort_by(|&a, &b| {
        let ((x, s), (y, t)) = (&found[a], &found[b]);
        x.total_cmp(y).then_with(|| s.cmp(t))
    });
    let names: Vec<String> = match labels {
        Labels::Known(_, names) => names.to_vec(),
        _ => order.iter().map(|&id| found[id].1.clone()).collect(),
    };
    let class_of = {
        let places = places(&names);
        let class_of = |(id, (_, text)): (usize, &(f64, String))| {
            places.get(text.as_str()).copied().ok_or_else(|| {
                let row = raw.iter().position(|&r| r == id).unwrap_or(0);
                Error::data(format!(
                    "expected one of the classes {}, found {text}",
                    listed(&names)
                ))
                .at(place(row, name))
            })
        };
        found
            .iter()
            .enumerate()
            .map(class_of)
            .collect::<Result<Vec<u32>>>()?
    };
    Ok((raw.into_iter().map(|id| class_of[id]).collect(), names))
}

fn texts(column: &Column) -> Result<impl Iterator<Item = Option<&str>>> {
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
