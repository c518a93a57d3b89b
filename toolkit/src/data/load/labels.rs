//! Classes out of a label column.

use std::cmp::Ordering;
use std::collections::HashMap;

use polars::prelude::{Column, DataType};

use super::table::{Labels, Place, texts, unreadable};
use crate::data::names::{alike, listed, places};
use crate::{Error, Result};

/// Words by which programs write that a value is missing, in any case of their letters.
const MISSING: [&str; 29] = [
    "NA", "N/A", "#N/A", "#N/A N/A", "#NA", "<NA>", "NaN", "-NaN", "NaT", "NULL", "None", "?", "1.#IND",
    "-1.#IND", "1.#QNAN", "-1.#QNAN", "\\N", "#REF!", "#DIV/0!", "#VALUE!", "#NAME?", "#NULL!", "#NUM!",
    "(null)", "n.a.", "-", ".", "nil", "missing",
];

/// Whether a program has written this for a value that is missing.
pub(super) fn is_missing(text: &str) -> bool {
    MISSING.iter().any(|word| word.eq_ignore_ascii_case(text.trim()))
}

/// What a label column holds.
pub(super) struct Classes {
    /// An index into `names` for each row.
    pub labels: Vec<u32>,
    pub names: Vec<String>,
    pub notes: Vec<String>,
}

/// The classes of `column`: whole numbers by value, then text by its characters. Text stays what it is, also where it
/// looks like a number: `01` is not `1`.
pub(super) fn read_labels(column: &Column, labels: &Labels<'_>, place: &Place<'_>) -> Result<Classes> {
    let name = column.name().as_str();
    let (found, raw) = distinct(column, place)?;
    let number = |text: &String| text.trim().parse::<f64>().ok().filter(|x| x.is_finite());
    let missing = |text: &String| is_missing(text);
    let (mut order, mut notes): (Vec<usize>, Vec<String>) = ((0..found.len()).collect(), Vec::new());
    let row_of = |id: usize| raw.iter().position(|&other| other == id).unwrap_or(0);
    let numeric = found
        .iter()
        .all(|text| number(text).is_some() || missing(text) && found.len() > 1);
    if numeric {
        if let Some(id) = (0..found.len()).find(|&id| number(&found[id]).is_some_and(|x| x.fract() != 0.0)) {
            return Err(no_class(&found[id], place(row_of(id), name)));
        }
        // 2 comes before 10, and what is missing last.
        let key = |id: usize| number(&found[id]).unwrap_or(f64::INFINITY);
        // Of large ones an f64 does not tell all apart.
        let whole = |id: usize| found[id].trim().parse::<i128>().ok();
        order.sort_by(|&a, &b| {
            let by_whole = || whole(a).zip(whole(b)).map_or(Ordering::Equal, |(a, b)| a.cmp(&b));
            let by_value = key(a).total_cmp(&key(b)).then_with(by_whole);
            by_value.then_with(|| found[a].cmp(&found[b]))
        });
        let same = order.windows(2).find(|pair| {
            let differ = whole(pair[0]).zip(whole(pair[1])).is_some_and(|(a, b)| a != b);
            key(pair[0]) == key(pair[1]) && key(pair[0]).is_finite() && !differ
        });
        if let Some(pair) = same {
            notes.push(format!(
                "labels {} and {} in column {name} are one number but two classes: labels are taken as the text they are",
                found[pair[0]], found[pair[1]]
            ));
        }
    } else {
        order.sort_by(|&a, &b| found[a].cmp(&found[b]));
    }
    for id in order.iter().copied().filter(|&id| missing(&found[id])) {
        let count = raw.iter().filter(|&&other| other == id).count();
        notes.push(format!(
            "{count} {} in column {name} {} {}: taken as a class of that name; if they are missing, leave them out \
             with Dataset::of_classes",
            if count == 1 { "label" } else { "labels" },
            if count == 1 { "is" } else { "are" },
            found[id]
        ));
    }
    let names: Vec<String> = match labels {
        Labels::Known(_, names) => names.to_vec(),
        _ => order.iter().map(|&id| found[id].clone()).collect(),
    };
    if !matches!(labels, Labels::Known(..)) {
        notes.extend(alike(&names).map(|told| format!("labels in column {name}: {told}")));
    }
    let places = places(&names);
    let mut class_of = Vec::with_capacity(found.len());
    for (id, text) in found.iter().enumerate() {
        class_of.push(places.get(text.as_str()).copied().ok_or_else(|| {
            Error::data(format!(
                "expected one of the classes {}, found {text}",
                listed(&names)
            ))
            .at(place(row_of(id), name))
        })?);
    }
    Ok(Classes {
        labels: raw.into_iter().map(|id| class_of[id]).collect(),
        names,
        notes,
    })
}

fn no_class(found: &str, place: String) -> Error {
    Error::data(format!(
        "expected a class (text or a whole number), found {found}"
    ))
    .at(place)
    .fix(
        "labels are classes: cut a measured value into ranges first; to predict the number itself load with \
             TableOptions::values; names that look like numbers, such as versions, need a letter (v2.1)",
    )
}

/// The different labels of a column in the order they come in, and for each row which it is.
fn distinct(column: &Column, place: &Place<'_>) -> Result<(Vec<String>, Vec<usize>)> {
    let name = column.name().as_str();
    let mut ids = Ids::default();
    let mut raw = Vec::with_capacity(column.len());
    let broken = |e: &_| unreadable(e, place(0, name));
    let empty = |row, found: &str| {
        Error::data(format!("expected a label, found {found}"))
            .at(place(row, name))
            .fix("drop the rows without a label before loading, or give them one")
    };
    if column.dtype().is_float() {
        let values = column.cast(&DataType::Float64).map_err(|e| broken(&e))?;
        let values = values.f64().map_err(|e| broken(&e))?;
        for (row, value) in values.iter().enumerate() {
            let value = value.ok_or_else(|| empty(row, "an empty cell"))?;
            if value.is_nan() {
                return Err(empty(row, "NaN"));
            }
            // Beyond, whole numbers are not told apart.
            if value.fract() != 0.0 || value.abs() >= 2f64.powi(53) {
                return Err(no_class(&value.to_string(), place(row, name)));
            }
            raw.push(ids.of(&(value as i64).to_string()));
        }
        return Ok((ids.found, raw));
    }
    // Whole numbers as text are exact at any size.
    let text = column.cast(&DataType::String).map_err(|e| broken(&e))?;
    for (row, cell) in texts(&text)?.enumerate() {
        let cell = cell.filter(|text| !text.trim().is_empty());
        raw.push(ids.of(cell.ok_or_else(|| empty(row, "an empty cell"))?));
    }
    Ok((ids.found, raw))
}

#[derive(Default)]
struct Ids {
    found: Vec<String>,
    index: HashMap<String, usize>,
}

impl Ids {
    fn of(&mut self, text: &str) -> usize {
        if let Some(&id) = self.index.get(text) {
            return id;
        }
        let id = self.found.len();
        self.found.push(text.to_owned());
        self.index.insert(text.to_owned(), id);
        id
    }
}
