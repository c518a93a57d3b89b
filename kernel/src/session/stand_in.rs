//! This program in its other roles: the process that runs cells, and a `cargo` and `rustup` that answer at
//! once what a notebook asks again and again.
//!
//! Stock evcxr runs cargo one to three times a cell, and cargo takes half a second to find that 400 crates
//! are as they were. Here a cell is one direct call of rustc against the prebuilt toolkit; cargo itself
//! runs only for a dependency that the notebook adds.

use super::life::door::DOOR;
use super::life::hold::Hold;
use super::life::kept;
use super::process::channel::{PIPES, Pipes};
use super::{cell_crate, deps, frames, graph, home, link, process};
use anyhow::{Context, Result};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Call this first in `main`. Returns only when the process is not one of the session's helpers.
pub fn runtime_hook() {
    frames::hook();
    let called = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let called = called
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default();
    let result = match called {
        kept::NAME => kept::run(),
        _ => {
            run_cells();
            if std::env::var_os(home::PRIVATE).is_none() {
                return;
            }
            match called {
                "cargo" => cargo(),
                "rustup" => rustup(),
                link::NAME => link::run(),
                _ => return,
            }
        }
    };
    match result {
        Ok(code) => std::process::exit(code),
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::exit(101);
        }
    }
}

/// Stays in here when a kernel has started this process to run cells. What a cell starts is no such process: nothing in
/// its environment says so.
fn run_cells() {
    let Some(pipes) = std::env::var(PIPES).ok().as_deref().and_then(Pipes::parse) else {
        return;
    };
    let door = std::env::var_os(DOOR).map(PathBuf::from);
    // evcxr also asks for backtraces, which then come with every error of many a crate.
    for name in [PIPES, DOOR, "EVCXR_IS_RUNTIME", "RUST_BACKTRACE"] {
        // SAFETY: no thread is there yet.
        unsafe { std::env::remove_var(name) };
    }
    process::run(door, pipes)
}

/// The directory of the kernel that started this stand-in.
pub fn private() -> PathBuf {
    std::env::var_os(home::PRIVATE)
        .map(PathBuf::from)
        .unwrap_or_default()
}

/// Whether the compiler's file is the one that the kernel has started with.
pub fn compiler_is_the_same() -> bool {
    let kept = std::fs::read_to_string(private().join("tools")).unwrap_or_default();
    let noted = kept.lines().nth(2).unwrap_or_default();
    tools().is_ok_and(|(rustc, _)| home::age(&rustc) == noted)
}

/// The real `(rustc, cargo)`, resolved once by the kernel.
pub fn tools() -> Result<(PathBuf, PathBuf)> {
    let text =
        std::fs::read_to_string(private().join("tools")).context("the kernel's list of tools is gone")?;
    let mut lines = text.lines().map(PathBuf::from);
    let rustc = lines.next().context("no rustc in the kernel's list of tools")?;
    let cargo = lines.next().context("no cargo in the kernel's list of tools")?;
    Ok((rustc, cargo))
}

fn rustup() -> Result<i32> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (rustc, _) = tools()?;
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["which", "rustc"] => println!("{}", rustc.display()),
        ["which", "cargo"] => println!("{}", private().join("bin/cargo").display()),
        _ => {
            let real = home::find_program("rustup").context("rustup was not found")?;
            return Err(home::outside(Command::new(real).args(args)).exec().into());
        }
    }
    Ok(0)
}

fn cargo() -> Result<i32> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let here = std::env::current_dir()?;
    let read = cell_crate::CellCrate::read(&here);
    if read.is_none() && std::env::var_os(home::CELL_CRATE).is_some_and(|dir| Path::new(&dir) == here) {
        Hold::take(&here)?.does_not_know("the manifest of a cell's crate");
    }
    if let Some(cell) = read {
        let plain: Vec<&str> = args.iter().map(String::as_str).collect();
        match plain[..] {
            ["build", ..] if cell.is_cell() => return cell.build(&Hold::take(&here)?),
            ["check", ..] if cell.is_cell() => return cell.check(&Hold::take(&here)?),
            ["clean", ..] => return Ok(0),
            ["locate-project", ..] => {
                println!("{}", serde_json::json!({ "root": here.join("Cargo.toml") }));
                return Ok(0);
            }
            ["metadata", ..] if cell.is_cell() && !names_other_manifest(&args, &here) => {
                return graph::print(&cell, args.iter().any(|arg| arg == "--no-deps"));
            }
            ["metadata", ..] | ["--offline", ..] if !names_other_manifest(&args, &here) => {
                // It may wait for the network.
                let _hold = Hold::take(&here)?;
                let (rustc, real) = tools()?;
                let mut command = Command::new(real);
                home::outside(&mut command).args(&args).env("RUSTC", rustc);
                return deps::validate(&cell, || Ok(command.output()?));
            }
            ["metadata", ..] | ["--offline", ..] => {}
            _ => return remembered(&args),
        }
        if names_other_manifest(&args, &here) {
            return remembered(&args);
        }
    }
    let (_, real) = tools()?;
    Err(home::outside(Command::new(real).args(args)).exec().into())
}

fn names_other_manifest(args: &[String], here: &Path) -> bool {
    args.iter()
        .position(|arg| arg == "--manifest-path")
        .and_then(|at| args.get(at + 1))
        .is_some_and(|path| Path::new(path) != here.join("Cargo.toml"))
}

/// Questions about the toolchain (its version, its targets, the standard library's crates) have the same
/// answer until the toolchain changes: ask cargo once and keep what it said beside the toolkit.
fn remembered(args: &[String]) -> Result<i32> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let (rustc, real) = tools()?;
    let mut key = DefaultHasher::new();
    env!("CARGO_PKG_VERSION").hash(&mut key);
    rustc.hash(&mut key);
    std::fs::metadata(&rustc)
        .and_then(|meta| meta.modified())
        .ok()
        .hash(&mut key);
    let mut after_path = false;
    for arg in args {
        // Temporary paths change from call to call and do not change the answer.
        if !after_path {
            arg.hash(&mut key);
        }
        after_path = arg == "--lockfile-path";
    }
    let kept = graph::cache_dir().map(|dir| dir.join(format!("answer-{:016x}", key.finish())));
    if let Some(kept) = &kept
        && let Ok(answer) = std::fs::read(kept)
    {
        use std::io::Write;
        std::io::stdout().write_all(&answer)?;
        return Ok(0);
    }
    let output = home::outside(Command::new(real).args(args)).output()?;
    use std::io::Write;
    std::io::stderr().write_all(&output.stderr)?;
    std::io::stdout().write_all(&output.stdout)?;
    if output.status.success()
        && let Some(kept) = kept
    {
        let fresh = kept.with_extension(std::process::id().to_string());
        if std::fs::write(&fresh, &output.stdout).is_ok() {
            let _ = std::fs::rename(fresh, kept);
        }
    }
    Ok(output.status.code().unwrap_or(1))
}
