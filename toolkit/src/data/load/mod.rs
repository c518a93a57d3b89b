//! Datasets from files. A file is not believed: every size it declares is held against the bytes that are
//! there before memory is taken, and an error names the file, the place, what was expected and found.

mod csv;
mod folder;
mod gzip;
mod idx;
mod parquet;
mod table;

use std::path::Path;

use crate::{Error, Result};

/// Reads the CSV text of a dataset that ships; see [`table::Labels::Known`] for `classes`.
pub(super) fn shipped_csv(name: &str, text: &[u8], label: &str, classes: &[&str]) -> Result<super::Dataset> {
    let known: Vec<String> = classes.iter().map(|&class| class.to_owned()).collect();
    csv::parse(name, name, text, &table::Labels::Known(label, &known))
}

/// A dataset's name from its file: the name without folders and extensions.
fn name_of(path: &Path) -> String {
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

/// Refuses data whose `numbers` as `f32` do not fit the memory that is free now: an honest but huge file
/// must be an error, not the end of the process.
pub(super) fn check_memory(numbers: u64, place: &str) -> Result<()> {
    let needed = numbers.saturating_mul(4);
    let Some(free) = free_memory() else { return Ok(()) };
    if needed > free {
        let gib = |bytes: u64| bytes as f64 / (1u64 << 30) as f64;
        return Err(Error::data(format!(
            "expected data that fit the {:.1} GiB of free memory, found {numbers} numbers ({:.1} GiB)",
            gib(free),
            gib(needed)
        ))
        .at(place)
        .fix("check the declared size, or load a part of the data"));
    }
    Ok(())
}

/// Bytes of memory free for use, where the system tells.
fn free_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
    line.split_whitespace()
        .nth(1)?
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

#[cfg(test)]
mod tests;
