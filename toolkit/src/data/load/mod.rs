//! Datasets from files. A file is not believed: every size it declares is held against the bytes that are
//! there before memory is taken, and an error names the file, the place, what was expected and found.

mod csv;
mod files;
mod folder;
mod gzip;
mod idx;
mod index;
mod jpeg;
mod labels;
mod numbers;
mod options;
mod orientation;
mod parquet;
mod table;
mod text;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use polars::prelude::PolarsResult;

pub(super) use files::ImageFiles;
pub(super) use folder::{Changed, Decoded, decode_file};
pub(crate) use gzip::MAX_EXPANSION;
pub use options::TableOptions;

use crate::{Error, Result, cells, memory};

/// Reads the CSV text of a dataset that ships; see [`table::Labels::Known`] for `classes`.
pub(super) fn shipped_csv(name: &str, text: &[u8], label: &str, classes: &[&str]) -> Result<super::Dataset> {
    let known: Vec<String> = classes.iter().map(|&class| class.to_owned()).collect();
    let source = table::Source {
        name,
        file: name,
        options: &TableOptions::new(),
        indexes: &[],
    };
    csv::parse(&source, text, &table::Labels::Known(label, &known))
}

/// Prints what whoever loads data has to know: in a cell that only keeps them it would not be seen. Standard error, so
/// that a program's output stays its own.
pub(super) fn tell(name: &str, notes: &[String]) {
    for note in notes {
        eprintln!("\u{26a0} {name}: {note}");
    }
}

/// Data that were just loaded, with their notes printed. What is made of them is made of what the file holds.
fn told(data: super::Dataset) -> super::Dataset {
    tell(data.name(), data.notes());
    cells::reads(|| data.digest());
    data
}

/// A dataset's name from its file: the name without folders and extensions.
pub(super) fn name_of(path: &Path) -> String {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let stem = name.split('.').find(|part| !part.is_empty());
    stem.unwrap_or("data").to_owned()
}

/// The length of a regular file; anything else (a folder, a pipe) is an error.
fn file_length(path: &Path) -> Result<u64> {
    let meta = std::fs::metadata(path).map_err(|e| {
        let error = Error::io(path, &e);
        if e.kind() == std::io::ErrorKind::NotFound {
            error.fix(format!("check the path; it is taken from {}", here()))
        } else {
            error
        }
    })?;
    if !meta.is_file() {
        let found = if meta.is_dir() {
            "a folder"
        } else {
            "something else"
        };
        return Err(Error::data(format!("expected a file, found {found}")).at(path.display().to_string()));
    }
    if meta.len() == 0 {
        return Err(
            Error::data("expected data, found an empty file (0 bytes)").at(path.display().to_string())
        );
    }
    Ok(meta.len())
}

fn here() -> String {
    std::env::current_dir().map_or("the working folder".to_owned(), |dir| dir.display().to_string())
}

/// Bytes for each number that becomes a [`Dataset`](super::Dataset)'s: its `f32`, and a copy while the
/// dataset is made.
pub(super) const A_NUMBER: u64 = 8;

/// Refuses data that do not fit the memory that is free now, `count` things of `each` bytes: an honest but
/// huge file must be an error, not the end of the process.
pub(super) fn check_memory(count: u64, each: u64, place: &str) -> Result<()> {
    match memory::lacking(count.saturating_mul(each)) {
        None => Ok(()),
        Some(lack) => Err(Error::data(format!(
            "expected data that fit the memory, found too many: {lack}"
        ))
        .at(place)
        .fix("check the declared size, or load a part of the data")),
    }
}

/// What `work` of polars gives. It reports most damage as an error and panics on some; both are a broken
/// file here.
fn guard<T>(file: &str, format: &str, work: impl FnOnce() -> PolarsResult<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|e| table::unreadable(&e, file)),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Err(Error::data(format!(
                "expected a readable {format} file, found damage ({})",
                text.unwrap_or("no more is known")
            ))
            .at(file)
            .fix("fetch or write the file again"))
        }
    }
}

#[cfg(test)]
mod tests;
