//! CSV files. The structure (quotes, cells a line) is checked here, where the line is known; polars reads
//! the cells.

use std::collections::{HashMap, HashSet};
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use polars::prelude::{Column, CsvReadOptions, DataFrame, DataType, PolarsResult, SerReader, StringChunked};

use super::options::TableOptions;
use super::table::{self, Labels, Source};
use super::text::{decoded, unpacked};
use super::{A_NUMBER, check_memory, file_length, guard, name_of, told};
use crate::data::Dataset;
use crate::data::names::listed;
use crate::{Error, Result};

impl Dataset {
    /// Examples from a CSV file with a header line. `label_column` names the column with the classes
    /// (`None`: no labels); every other column is a feature and holds a finite number in every row, or true or false
    /// (1 and 0) in every row. A column that only numbers the rows, as the index of a pandas table, is left out;
    /// [`notes`](Self::notes) say so.
    ///
    /// Classes are the labels as they are written, so that `01` is not `1`: whole numbers by value, or text in
    /// alphabetical order. Cells are separated by commas, semicolons, tabs or `|`, whichever the header line has most
    /// of, or by what a first line `sep=;` says; quotes may surround a cell. The text is UTF-8 or UTF-16, and may be
    /// packed with gzip.
    ///
    /// # Errors
    /// Naming file, line and column: no data, a line with more or fewer cells than the header, an empty or
    /// non-numeric cell, different numbers that would become one `f32`, a label that is neither text nor a whole
    /// number, a missing label column, columns without a name or with the same name, an open quote, a quote inside a
    /// cell that does not start with one, other encodings.
    pub fn from_csv<'a>(path: impl AsRef<Path>, label_column: impl Into<Option<&'a str>>) -> Result<Self> {
        Self::from_csv_with(path, label_column, &TableOptions::new())
    }

    /// As [`from_csv`](Self::from_csv), with the columns `values` to predict (regression) instead of classes.
    ///
    /// ```no_run
    /// use jook::prelude::*;
    /// let homes = Dataset::from_csv_values("homes.csv", ["price"])?.split(0.2, 0)?.standardized()?;
    /// let run = Mlp::new([homes.train.width(), 16, 1]).fit(&homes, Recipe::new())?;
    /// # Ok::<(), jook::Error>(())
    /// ```
    ///
    /// # Errors
    /// As `from_csv`, and when there is no column of such a name, or no other one.
    #[doc(alias = "regression")]
    pub fn from_csv_values<S: Into<String>>(
        path: impl AsRef<Path>,
        values: impl IntoIterator<Item = S>,
    ) -> Result<Self> {
        Self::from_csv_with(path, None, &TableOptions::new().values(values))
    }

    /// As [`from_csv`](Self::from_csv), as the options say.
    ///
    /// # Errors
    /// As `from_csv`, and when the options do not fit the file.
    pub fn from_csv_with<'a>(
        path: impl AsRef<Path>,
        label_column: impl Into<Option<&'a str>>,
        options: &TableOptions,
    ) -> Result<Self> {
        let path = path.as_ref();
        let file = path.display().to_string();
        let length = file_length(path)?;
        // The text alone; what it holds is counted once that is known.
        check_memory(length, 1, &file)?;
        let bytes = std::fs::read(path).map_err(|e| Error::io(path, &e))?;
        let source = Source {
            name: &name_of(path),
            file: &file,
            options,
            indexes: &[],
        };
        let data = parse(&source, &bytes, &Labels::of(label_column.into()))?;
        Ok(told(data.with_origin(file, "")))
    }
}

/// Reads the contents of a CSV file.
pub(super) fn parse(source: &Source<'_>, bytes: &[u8], labels: &Labels<'_>) -> Result<Dataset> {
    let (file, options) = (source.file, source.options);
    let bytes = unpacked(file, bytes)?;
    let text = decoded(file, &bytes)?;
    let layout = Layout::scan(file, &text)?;
    let label = labels
        .column()
        .map(|label| table::find_label(file, &layout.header, label))
        .transpose()?;
    options.check(file, &layout.header, labels.column())?;
    let rows = layout.lines.len();
    if rows == 0 {
        return Err(
            Error::data("expected at least 1 row of data, found only the header")
                .at(format!("{file}, line 1")),
        );
    }
    // A number is also held in polars' table.
    let numbers = (rows as u64).saturating_mul(layout.header.len() as u64);
    check_memory(numbers, A_NUMBER + 8, file)?;
    let place = |row: usize, column: &str| match layout.lines.get(row) {
        Some(line) => format!("{file}, line {line}, column {column}"),
        None => format!("{file}, column {column}"),
    };
    let mut notes = Vec::new();
    let mut read = |dtype: &DataType| -> Result<DataFrame> {
        let types = (0..layout.header.len())
            .map(|i| {
                if Some(i) == label || options.leaves_out(&layout.header[i]) {
                    DataType::String
                } else {
                    dtype.clone()
                }
            })
            .collect();
        let mut frame = guard(file, "CSV", || layout.frame(types))?;
        if frame.height() != rows {
            return Err(Error::data(format!("expected {rows} rows, found {}", frame.height())).at(file));
        }
        frame
            .set_column_names(&layout.header)
            .map_err(|e| table::unreadable(&e, file))?;
        if let Some(label) = label {
            let whole = &frame.columns()[label];
            notes = joined_by_blanks(whole)?.into_iter().collect();
            let trimmed = trimmed(whole)?;
            frame
                .with_column(trimmed)
                .map_err(|e| table::unreadable(&e, file))?;
        }
        Ok(frame)
    };
    // Numbers straight away; only when a cell is none, one that an f64 does not hold, or one with zeros before it is
    // everything read as text.
    if !options.own_numbers()
        && !may_be_padded(text.as_bytes())
        && let Ok(frame) = read(&DataType::Float64)
        && !frame.columns().iter().any(beyond_f64)
        && let Ok(data) = table::build(source, &frame, labels, &place)
    {
        return Ok(data.with_notes(notes));
    }
    let data = table::build(source, &read(&DataType::String)?, labels, &place)?;
    Ok(data.with_notes(notes))
}

/// Whether a row with a cell too many may begin with a name or number of its own, or end with an empty cell.
fn may_be_a_name(cells: &[String]) -> bool {
    let (first, last) = (cells.first(), cells.last());
    last.is_some_and(String::is_empty)
        || first.is_some_and(|cell| cell == "1" || cell.parse::<f64>().is_err())
}

/// Whether a cell may begin with a zero or a sign that a number does not need.
fn may_be_padded(text: &[u8]) -> bool {
    let begins = |cell: &[u8]| !cell[0].is_ascii_digit() && !b".eE".contains(&cell[0]);
    text.windows(3)
        .any(|cell| matches!(cell[1], b'0' | b'+') && cell[2].is_ascii_digit() && begins(cell))
}

/// Whether whole numbers of the column may have been rounded already.
fn beyond_f64(column: &Column) -> bool {
    let most = 2f64.powi(53);
    column
        .f64()
        .is_ok_and(|numbers| numbers.iter().flatten().any(|x| x.abs() >= most))
}

/// Labels without the blanks around them, which stand between cells.
fn trimmed(column: &Column) -> Result<Column> {
    let cells = table::texts(column)?.map(|cell| cell.map(str::trim));
    let text: StringChunked = cells.collect();
    let mut text = Column::from(polars::prelude::IntoSeries::into_series(text));
    text.rename(column.name().clone());
    Ok(text)
}

/// What to say of labels that only their blanks tell apart.
fn joined_by_blanks(labels: &Column) -> Result<Option<String>> {
    let mut first = HashMap::new();
    for label in table::texts(labels)?.flatten() {
        let other = *first.entry(label.trim()).or_insert(label);
        if other != label {
            return Ok(Some(format!(
                "labels {other:?} and {label:?} in column {} are taken for one class: blanks around a label do not count",
                labels.name()
            )));
        }
    }
    Ok(None)
}

/// What a CSV text consists of.
struct Layout<'a> {
    /// The text from the header line on, without empty lines at the end.
    text: &'a str,
    separator: u8,
    header: Vec<String>,
    /// The line (from 1) on which each row starts.
    lines: Vec<usize>,
}

impl<'a> Layout<'a> {
    fn scan(file: &str, text: &'a str) -> Result<Self> {
        let text = text.trim_end_matches(['\n', '\r']);
        let (said, text, mut line) = match said_separator(text) {
            Some((separator, rest)) => (Some(separator), rest, 2),
            None => (None, text, 1),
        };
        if text.trim().is_empty() {
            return Err(Error::data("expected a header line, found no text").at(format!("{file}, line 1")));
        }
        let separator = said.unwrap_or_else(|| sniff(text));
        let first_line = line;
        let mut header: Vec<String> = Vec::new();
        let mut lines = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            let record = Record::next(rest, separator).map_err(|fault| {
                let line = line + rest[..fault.at].matches('\n').count();
                let number = (fault.column + 1).to_string();
                let column = header.get(fault.column).unwrap_or(&number);
                Error::data(fault.what)
                    .at(format!("{file}, line {line}, column {column}"))
                    .fix("put quotes around the whole cell, blanks too, and double a quote in it")
            })?;
            let raw = &rest[..record.length];
            if header.is_empty() {
                header = record.cells(raw);
            } else if raw.trim().is_empty() && header.len() > 1 || record.ends.len() != header.len() {
                let found = match record.ends.len() {
                    _ if raw.trim().is_empty() => "an empty line".to_owned(),
                    n => n.to_string(),
                };
                let error = Error::data(format!(
                    "expected {} {} as in the header, found {found}",
                    header.len(),
                    if header.len() == 1 { "cell" } else { "cells" }
                ))
                .at(format!("{file}, line {line}"));
                return Err(if header.len() == 1 {
                    error.fix(format!(
                        "line {first_line} is taken for the header, which names the columns: remove what stands before \
                         it, such as a title, a comment or an empty line"
                    ))
                } else if lines.is_empty()
                    && record.ends.len() == header.len() + 1
                    && may_be_a_name(&record.cells(raw))
                {
                    error.fix(
                        "if the rows begin with their names, as R writes them, give that column a name in the header \
                         (R: write.csv, or col.names=NA); if they end with a separator, take it off",
                    )
                } else if separator == b',' && record.ends.len() > header.len() {
                    error.fix(
                        "if it has commas in its numbers, put quotes around them or write the file with semicolons \
                         between cells, and load it with TableOptions::decimal_comma or TableOptions::thousands",
                    )
                } else {
                    error.fix(
                        "correct the line; a cell that holds the separator or a line end belongs in quotes",
                    )
                });
            } else {
                lines.push(line);
            }
            line += raw.matches('\n').count() + 1;
            rest = &rest[record.next..];
        }
        check_header(file, &header, first_line)?;
        Ok(Self {
            text,
            separator,
            header,
            lines,
        })
    }

    fn frame(&self, types: Vec<DataType>) -> PolarsResult<DataFrame> {
        CsvReadOptions::default()
            .with_has_header(true)
            .with_infer_schema_length(Some(0))
            .with_dtype_overwrite(Some(Arc::new(types)))
            .map_parse_options(|options| options.with_separator(self.separator))
            .into_reader_with_file_handle(Cursor::new(self.text.as_bytes()))
            .finish()
    }
}

/// One record: the offsets just after its cells, its length, and where the next one starts.
struct Record {
    ends: Vec<usize>,
    length: usize,
    next: usize,
}

/// What ends the reading of a record: where, in which column (from 0), and why.
struct Fault {
    at: usize,
    column: usize,
    what: &'static str,
}

impl Record {
    /// # Errors
    /// A quote that is never closed or stands inside a cell, and text behind a closing quote: polars would
    /// take other cells from them than are meant.
    fn next(text: &str, separator: u8) -> Result<Self, Fault> {
        let bytes = text.as_bytes();
        let mut ends = Vec::new();
        let (mut i, mut start, mut closed) = (0, 0, false);
        loop {
            if i == start && bytes.get(i) == Some(&b'"') {
                i = closing_quote(bytes, i).ok_or(Fault {
                    at: i,
                    column: ends.len(),
                    what: "expected a quote that closes the cell, found the end of the file",
                })?;
                closed = true;
            }
            match bytes.get(i) {
                Some(&byte) if byte == separator => {
                    ends.push(i);
                    i += 1;
                    (start, closed) = (i, false);
                }
                Some(b'\n') | None => {
                    ends.push(i);
                    let length = if i > 0 && bytes[i - 1] == b'\r' { i - 1 } else { i };
                    return Ok(Self {
                        ends,
                        length,
                        next: (i + 1).min(bytes.len()),
                    });
                }
                Some(&byte) if byte == b'"' || closed && byte != b'\r' => {
                    return Err(Fault {
                        at: i,
                        column: ends.len(),
                        what: if closed {
                            "expected the end of the cell behind its closing quote, found more text"
                        } else {
                            "expected a cell in quotes or one without any, found a quote inside the cell"
                        },
                    });
                }
                Some(_) => i += 1,
            }
        }
    }

    /// The text of the cells, without quotes and surrounding blanks.
    fn cells(&self, raw: &str) -> Vec<String> {
        let mut start = 0;
        let mut cells = Vec::with_capacity(self.ends.len());
        for &end in &self.ends {
            let cell = raw[start..end.min(raw.len())].trim();
            let inner = cell.strip_prefix('"').and_then(|c| c.strip_suffix('"'));
            cells.push(inner.map_or(cell.to_owned(), |c| c.trim().replace("\"\"", "\"")));
            start = end + 1;
        }
        cells
    }
}

/// The offset after the quote that closes the one at `open`; a doubled quote stands for itself.
fn closing_quote(bytes: &[u8], open: usize) -> Option<usize> {
    let mut i = open + 1;
    loop {
        i += bytes.get(i..)?.iter().position(|&b| b == b'"')? + 1;
        if bytes.get(i) != Some(&b'"') {
            return Some(i);
        }
        i += 1;
    }
}

/// The separator that a first line `sep=;` says, as spreadsheets write it, and the text behind that line.
fn said_separator(text: &str) -> Option<(u8, &str)> {
    let (first, rest) = text.split_once('\n')?;
    let first = first.trim_end_matches('\r').trim_matches('"');
    let word = first.get(..4).filter(|word| word.eq_ignore_ascii_case("sep="))?;
    match &first.as_bytes()[word.len()..] {
        [separator] => Some((*separator, rest)),
        _ => None,
    }
}

/// The separator the header line has most of; a comma when it has none.
fn sniff(text: &str) -> u8 {
    let header = text.lines().next().unwrap_or("");
    let mut quoted = false;
    let mut counts = [(b',', 0), (b';', 0), (b'\t', 0), (b'|', 0)];
    for byte in header.bytes() {
        quoted ^= byte == b'"';
        let hit = counts
            .iter_mut()
            .find(|(separator, _)| *separator == byte && !quoted);
        hit.into_iter().for_each(|(_, count)| *count += 1);
    }
    // The first of equals wins: the comma.
    counts
        .iter()
        .rev()
        .max_by_key(|(_, count)| *count)
        .map_or(b',', |(s, _)| *s)
}

fn check_header(file: &str, header: &[String], line: usize) -> Result<()> {
    let mut seen = HashSet::with_capacity(header.len());
    for (i, name) in header.iter().enumerate() {
        let place = || format!("{file}, line {line}, column {}", i + 1);
        // The first may number the rows, which its cells tell.
        if name.is_empty() && (i > 0 || header.len() == 1) {
            return Err(table::nameless(place()));
        }
        if !seen.insert(name) {
            return Err(Error::data(format!(
                "expected columns with different names, found {name} twice among {}",
                listed(header)
            ))
            .at(place())
            .fix("rename one of the two in the file's header line"));
        }
    }
    if header.iter().all(|name| name.parse::<f64>().is_ok()) {
        return Err(Error::data(format!(
            "expected a header line with column names, found numbers: {}",
            listed(header)
        ))
        .at(format!("{file}, line {line}"))
        .fix("put a line with the names of the columns in front"));
    }
    Ok(())
}
