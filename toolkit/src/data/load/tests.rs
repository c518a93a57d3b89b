//! Good files, and the many ways in which a file can be broken.

mod cells;
mod csv;
mod folder;
mod idx;
mod left_out;
mod parquet;
mod rows;
mod values;
mod wrong_formats;

use std::path::Path;

use crate::data::Dataset;
use crate::testing::Scratch;
use crate::{Error, Result};

/// The error of `loaded`, which must name `file` and say each of `words`.
#[track_caller]
fn assert_error(loaded: Result<Dataset>, file: &Path, words: &[&str]) -> Error {
    let error = loaded.expect_err("a broken file was read");
    let text = error.to_string();
    assert!(
        text.contains(&*file.to_string_lossy()),
        "no {} in: {text}",
        file.display()
    );
    for word in words {
        assert!(text.contains(word), "no {word:?} in: {text}");
    }
    error
}

#[test]
fn what_is_no_file_is_named() {
    let dir = Scratch::new();
    let missing = dir.path().join("none.csv");
    let error = assert_error(Dataset::from_csv(&missing, None), &missing, &["No such file"]);
    assert_eq!(error.kind(), crate::error::ErrorKind::Io);
    assert_error(
        Dataset::from_csv(dir.path(), None),
        dir.path(),
        &["expected a file, found a folder"],
    );
    let empty = dir.file("empty", "");
    for loaded in [
        Dataset::from_csv(&empty, None),
        Dataset::from_parquet(&empty, None),
        Dataset::from_idx_images(&empty),
    ] {
        assert_error(loaded, &empty, &["empty file (0 bytes)"]);
    }
}

#[test]
fn names_come_from_files() {
    for (path, name) in [
        ("a/train.csv.gz", "train"),
        ("/x/.hidden", "hidden"),
        ("b", "b"),
        ("..", "data"),
    ] {
        assert_eq!(super::name_of(Path::new(path)), name);
    }
}

#[test]
fn more_than_memory_is_refused() {
    assert!(super::check_memory(1 << 20, 8, "x").is_ok());
    if let Some(free) = crate::memory::free() {
        let error = super::check_memory(1 << 50, 8, "x").unwrap_err().to_string();
        assert!(error.contains("GiB of free memory"), "{error}");
        // The copy that is made on the way counts too: half as many bytes would fit.
        assert!(super::check_memory(free / 4, super::A_NUMBER, "x").is_err());
    }
}

#[test]
fn a_panic_in_polars_is_a_broken_file() {
    let panicking = || -> polars::prelude::PolarsResult<()> { panic!("index out of bounds") };
    let error = super::guard("x.csv", "CSV", panicking).unwrap_err().to_string();
    for word in ["a readable CSV file", "index out of bounds", "x.csv"] {
        assert!(error.contains(word), "no {word:?} in: {error}");
    }
}
