//! What rustc says of a cell's syntax alone, before evcxr makes anything of it.

use crate::session::build::home;
use crate::session::cell::whole;
use anyhow::{Context, Result};
use serde_json::Value;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

/// Lines before the cell's first.
pub const BEFORE: usize = 2;

/// rustc reads the code and looks nothing up in it.
const HEAD: &str = "#[cfg(any())]\nfn cell() {\n";

/// rustc's words on what is wrong with the syntax of `code`, which has no commands; none when all of it is read.
/// Their lines count from [`BEFORE`].
///
/// # Errors
/// When rustc cannot be run.
pub fn faults(code: &str) -> Result<Vec<Value>> {
    match whole::is_read(code) {
        true => Ok(Vec::new()),
        false => refused(code),
    }
}

/// What rustc says when it refuses the code.
fn refused(code: &str) -> Result<Vec<Value>> {
    let home = home::enter()?;
    let mut rustc = Command::new(&home.rustc);
    let mut rustc = home::outside(&mut rustc)
        .args(["--edition=2024", "--crate-type=lib", "--crate-name=cell"])
        // What rustc makes of code that it takes goes into a folder that goes with the session.
        .args(["--emit=metadata", "--error-format=json", "--out-dir"])
        .arg(home.dir.join("syntax"))
        .arg("-")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut input = rustc.stdin.take().context("rustc without a standard input")?;
    let mut errors = rustc.stderr.take().context("rustc without a standard error")?;
    let text = format!("{HEAD}{code}\n}}\n");
    // It may give up before it has read all.
    std::thread::spawn(move || drop(input.write_all(text.as_bytes())));
    let mut said = String::new();
    errors.read_to_string(&mut said)?;
    if rustc.wait()?.success() {
        return Ok(Vec::new());
    }
    let lines = said
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    Ok(lines
        .filter(|said| {
            said["level"] == "error" && said["spans"].as_array().is_some_and(|spans| !spans.is_empty())
        })
        .collect())
}
