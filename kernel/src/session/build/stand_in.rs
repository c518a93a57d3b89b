//! This program in its other roles: the process that runs cells, and a `cargo` and `rustup` that answer at
//! once what a notebook asks again and again.
//!
//! Stock evcxr runs cargo one to three times a cell, and cargo takes half a second to find that 400 crates
//! are as they were. Here a cell is one direct call of rustc against the prebuilt toolkit; cargo itself
//! runs only for a dependency that the notebook adds.

use crate::session::build::answers;
use crate::session::build::deps;
use crate::session::build::home;
use crate::session::build::lines;
use crate::session::build::linker;
use crate::session::build::manifest;
use crate::session::build::metadata;
use crate::session::build::private;
use crate::session::life::door::DOOR;
use crate::session::life::hold::Hold;
use crate::session::life::kept;
use crate::session::process;
use crate::session::process::channel::PIPES;
use crate::session::process::channel::Pipes;
use anyhow::{Context, Result};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Call this first in `main`. Returns only when the process is not one of the session's helpers.
pub fn runtime_hook() {
    // Whoever has started this may ignore the ends of its children; this program waits for its own.
    // SAFETY: the ordinary disposition of a signal, before there are threads.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_DFL) };
    let called = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let result = match called
        .file_name()
        .and_then(|name| name.to_str())
        .unwrap_or_default()
    {
        kept::NAME => kept::run(),
        process::NAME => run_cells(),
        lines::NAME => lines::run(),
        "cargo" => cargo(),
        "rustup" => rustup(),
        private::LINKER => linker::run(),
        _ => return home::forget_other_kernels(),
    };
    match result {
        Ok(code) => std::process::exit(code),
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::exit(101);
        }
    }
}

/// Runs cells. What a cell starts is no such process: nothing in its environment says so.
fn run_cells() -> Result<i32> {
    let pipes = std::env::var(PIPES).ok().as_deref().and_then(Pipes::parse);
    let pipes = pipes.context("only a kernel starts this")?;
    let door = std::env::var_os(DOOR).map(PathBuf::from);
    // evcxr also asks for backtraces, which then come with every error of many a crate.
    for name in [PIPES, DOOR, "EVCXR_IS_RUNTIME", "RUST_BACKTRACE"] {
        // SAFETY: no thread is there yet.
        unsafe { std::env::remove_var(name) };
    }
    process::run(door, pipes)
}

fn rustup() -> Result<i32> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (rustc, _) = private::tools()?;
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["which", "rustc"] => println!("{}", rustc.display()),
        ["which", "cargo"] => println!("{}", private::folder().join("bin/cargo").display()),
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
    let read = manifest::CellCrate::read(&here);
    if read.is_none() && std::env::var_os(private::CELL_CRATE).is_some_and(|dir| Path::new(&dir) == here) {
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
                let _hold = Hold::take(&here)?;
                return metadata::print(&cell, args.iter().any(|arg| arg == "--no-deps"));
            }
            ["metadata", ..] | ["--offline", ..] if !names_other_manifest(&args, &here) => {
                // It may wait for the network.
                let _hold = Hold::take(&here)?;
                let (rustc, real) = private::tools()?;
                let mut command = Command::new(real);
                home::outside(&mut command).args(&args).env("RUSTC", rustc);
                return deps::validate(&cell, || Ok(command.output()?));
            }
            ["metadata", ..] | ["--offline", ..] => {}
            _ => return answers::remembered(&args),
        }
        if names_other_manifest(&args, &here) {
            return answers::remembered(&args);
        }
    }
    let (_, real) = private::tools()?;
    Err(home::outside(Command::new(real).args(args)).exec().into())
}

fn names_other_manifest(args: &[String], here: &Path) -> bool {
    args.iter()
        .position(|arg| arg == "--manifest-path")
        .and_then(|at| args.get(at + 1))
        .is_some_and(|path| Path::new(path) != here.join("Cargo.toml"))
}
