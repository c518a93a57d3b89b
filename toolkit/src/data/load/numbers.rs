//! Numbers out of a feature column, and what becomes of them as `f32`.

use std::collections::{HashMap, HashSet};

use polars::prelude::{Column, DataType};

use super::labels;
use super::options::{TableOptions, way_out};
use super::table::{Place, texts, unreadable};
use crate::{Error, Result};

/// Whole numbers up to here are all `f32`.
const EXACT: u128 = 1 << 24;

/// Different fractions of a column that are held against each other.
const WATCHED: usize = 1 << 14;

/// Writes `column` into every `width`-th place of `numbers`, from place `j` on. Gives what is to be known of it.
pub(super) fn read_numbers(
    column: &Column,
    numbers: &mut [f32],
    j: usize,
    width: usize,
    options: &TableOptions,
    place: &Place<'_>,
) -> Result<Option<String>> {
    let name = column.name().as_str();
    let slots = numbers.iter_mut().skip(j).step_by(width);
    let mut rounding = Rounding::new(name, options.rounded);
    let missing = |row| {
        Error::data("expected a number, found an empty cell")
            .at(place(row, name))
            .fix("drop the row or fill in the value before loading")
    };
    let broken = |e: &_| unreadable(e, place(0, name));
    let dtype = column.dtype();
    if dtype == &DataType::String {
        let first = texts(column)?.next().flatten();
        if first.and_then(truth).is_some() {
            return read_truths(column, slots, place).map(|()| None);
        }
        let mut padded = None;
        for (row, (slot, cell)) in slots.zip(texts(column)?).enumerate() {
            let text = cell.ok_or_else(|| missing(row))?;
            if padded.is_none() && is_padded(text) {
                padded = Some(text.trim().to_owned());
            }
            let value = options
                .plain(text.trim())
                .and_then(|plain| rounding.text(row, &plain));
            *slot = value.ok_or_else(|| not_a_number(text, options, row, name, place))?;
        }
        let told = rounding.end(place)?;
        return Ok(told.or_else(|| {
            padded.map(|text| {
                format!(
                    "column {name} is read as numbers, {text} as {}: if it holds codes, leave it out with \
                     TableOptions::without, or name it as the label column",
                    text.parse::<i128>()
                        .map_or_else(|_| text.clone(), |number| number.to_string())
                )
            })
        }));
    } else if dtype.is_integer() {
        // Whole numbers of 64 bits, with or without a sign, and all smaller ones.
        if dtype == &DataType::UInt64 {
            let values = column.u64().map_err(|e| broken(&e))?;
            for (row, (slot, value)) in slots.zip(values.iter()).enumerate() {
                *slot = rounding.whole(row, i128::from(value.ok_or_else(|| missing(row))?));
            }
        } else {
            let values = column.cast(&DataType::Int64).map_err(|e| broken(&e))?;
            let values = values.i64().map_err(|e| broken(&e))?;
            for (row, (slot, value)) in slots.zip(values.iter()).enumerate() {
                *slot = rounding.whole(row, i128::from(value.ok_or_else(|| missing(row))?));
            }
        }
    } else if dtype.is_float() || dtype == &DataType::Boolean {
        let values = column.cast(&DataType::Float64).map_err(|e| broken(&e))?;
        let values = values.f64().map_err(|e| broken(&e))?;
        for (row, (slot, value)) in slots.zip(values.iter()).enumerate() {
            let value = value.ok_or_else(|| missing(row))?;
            let read = rounding.float(row, value);
            *slot = read.ok_or_else(|| not_a_number(&format!("{value:?}"), options, row, name, place))?;
        }
    } else if dtype == &DataType::Null {
        return Err(
            Error::data("expected a column of numbers, found only empty cells")
                .at(place(0, name))
                .fix("leave it out with TableOptions::without, or fill in the values before loading"),
        );
    } else {
        return Err(
            Error::data(format!("expected a column of numbers, found {dtype}"))
                .at(place(0, name))
                .fix("name it as the label column, or leave it out with TableOptions::without"),
        );
    }
    rounding.end(place)
}

/// Whether a whole number has zeros before it, as codes have, or a plus and many digits, as telephones' have.
pub(super) fn is_padded(text: &str) -> bool {
    let text = text.trim();
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let is_whole = digits.len() > 1 && digits.bytes().all(|byte| byte.is_ascii_digit());
    let dials = text.starts_with('+') && digits.len() > 4;
    is_whole && (dials || digits.starts_with('0') && digits.bytes().any(|byte| byte != b'0'))
}

/// A yes or no, as most programs write it.
fn truth(text: &str) -> Option<bool> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("true") {
        Some(true)
    } else if text.eq_ignore_ascii_case("false") {
        Some(false)
    } else {
        None
    }
}

fn read_truths<'n>(
    column: &Column,
    slots: impl Iterator<Item = &'n mut f32>,
    place: &Place<'_>,
) -> Result<()> {
    for (row, (slot, cell)) in slots.zip(texts(column)?).enumerate() {
        let value = cell.and_then(truth).ok_or_else(|| {
            let found = match cell.map(str::trim).filter(|text| !text.is_empty()) {
                Some(text) => format!("{text:?}"),
                None => "an empty cell".to_owned(),
            };
            Error::data(format!(
                "expected true or false, as in the rows before, found {found}"
            ))
            .at(place(row, column.name()))
            .fix("correct the cell, or drop the row before loading")
        })?;
        *slot = f32::from(u8::from(value));
    }
    Ok(())
}

fn not_a_number(found: &str, options: &TableOptions, row: usize, column: &str, place: &Place<'_>) -> Error {
    let shown: String = found.chars().take(40).collect();
    let error = if shown.trim().is_empty() {
        Error::data("expected a number, found an empty cell")
    } else {
        Error::data(format!(
            "expected a finite number (below 3.4e38), found {shown:?}"
        ))
    };
    let remedy = way_out(found, options).or_else(|| {
        labels::is_missing(found).then(|| {
            "it says that the value is missing: fill it in, or drop the row, before loading; or leave the column out with \
             TableOptions::without"
                .to_owned()
        })
    });
    error.at(place(row, column)).fix(
        remedy.unwrap_or_else(|| "correct the cell; text belongs into the label column alone".to_owned()),
    )
}

/// Watches what a column loses: an `f32` has 24 binary digits.
struct Rounding<'a> {
    column: &'a str,
    allowed: bool,
    /// The first large whole number that became each `f32`.
    whole: HashMap<u32, i128>,
    /// The first whole number that became another one, and which.
    changed: Option<(String, f32)>,
    /// Two different numbers that became one, with the row of the second.
    joined: Option<(usize, String, String)>,
    /// The first fractions, and what they became.
    fractions: HashSet<u64>,
    rounded: HashSet<u32>,
    /// The row of the largest change, and how large it is.
    worst: (usize, f64),
    low: f64,
    high: f64,
}

impl<'a> Rounding<'a> {
    fn new(column: &'a str, allowed: bool) -> Self {
        Self {
            column,
            allowed,
            whole: HashMap::new(),
            changed: None,
            joined: None,
            fractions: HashSet::new(),
            rounded: HashSet::new(),
            worst: (0, 0.0),
            low: f64::INFINITY,
            high: f64::NEG_INFINITY,
        }
    }

    /// A number in text; none when it is none, or not finite.
    fn text(&mut self, row: usize, text: &str) -> Option<f32> {
        if let Ok(whole) = text.parse::<i128>() {
            return Some(self.whole(row, whole)).filter(|x| x.is_finite());
        }
        // From the text, not from its f64, which may lie in the middle between two f32.
        let value = text.parse::<f32>().ok().filter(|x| x.is_finite())?;
        self.float(row, text.parse().ok()?)?;
        Some(value)
    }

    fn whole(&mut self, row: usize, x: i128) -> f32 {
        let value = x as f32;
        self.span(x as f64);
        if x.unsigned_abs() >= EXACT {
            if value as i128 != x && self.changed.is_none() {
                self.changed = Some((x.to_string(), value));
            }
            let first = *self.whole.entry(value.to_bits()).or_insert(x);
            if first != x && self.joined.is_none() {
                self.joined = Some((row, first.to_string(), x.to_string()));
            }
        }
        value
    }

    /// None for what is not finite as `f32`.
    fn float(&mut self, row: usize, x: f64) -> Option<f32> {
        let value = x as f32;
        if !value.is_finite() {
            return None;
        }
        if x.fract() == 0.0 && x.abs() < 2f64.powi(100) {
            return Some(self.whole(row, x as i128));
        }
        self.span(x);
        let change = (x - f64::from(value)).abs();
        if change > self.worst.1 {
            self.worst = (row, change);
        }
        if change > 0.0 && self.fractions.len() < WATCHED && self.fractions.insert(x.to_bits()) {
            self.rounded.insert(value.to_bits());
        }
        Some(value)
    }

    fn span(&mut self, x: f64) {
        self.low = self.low.min(x);
        self.high = self.high.max(x);
    }

    fn end(self, place: &Place<'_>) -> Result<Option<String>> {
        /// The largest change that is borne, as a share of what the column spans.
        const BORNE: f64 = 1e-3;
        let name = self.column;
        let span = self.high - self.low;
        let coarse = span > 0.0 && self.worst.1 > BORNE * span;
        let lost = match &self.joined {
            Some((row, first, second)) => Some((*row, format!("{first} and {second} would become one"))),
            None => coarse.then(|| {
                let (row, change) = self.worst;
                (
                    row,
                    format!("numbers within {span} would be rounded by up to {change}"),
                )
            }),
        };
        if let Some((row, what)) = lost {
            let what = format!("{what}: an f32 has 24 binary digits, about 7 decimal ones");
            if self.allowed {
                return Ok(Some(format!("column {name} is rounded, {what}")));
            }
            return Err(
                Error::data(format!("expected numbers that stay apart, found that {what}"))
                    .at(place(row, name))
                    .fix(
                        "subtract a number near them from the whole column before loading; leave it out with \
                         TableOptions::without; name it as the label column; or take it so with \
                         TableOptions::rounded",
                    ),
            );
        }
        if let Some((found, became)) = self.changed {
            return Ok(Some(format!(
                "column {name} is rounded to the 24 binary digits of f32: {found} becomes {became}"
            )));
        }
        let (apart, left) = (self.fractions.len(), self.rounded.len());
        Ok((left * 100 < apart * 99).then(|| {
            format!(
                "column {name} is rounded to the 24 binary digits of f32: of {apart} different numbers {left} are left"
            )
        }))
    }
}
