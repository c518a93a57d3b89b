//! This program in its other roles: the process that runs cells, and a `cargo` and `rustup` that answer at
//! once what a notebook asks again and again.
//!
//! Stock evcxr runs cargo one to three times a cell, and cargo takes half a second to find that 400 crates
//! are as they were. Here a cell is one direct call of rustc against the prebuilt toolkit; cargo itself
//! runs only for a dependency that the notebook adds.

use super::{cell_crate, deps, frames, graph, home, link, stdio};
use anyhow::{Context, Result};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Call this first in `main`. Returns only when the process is not one of the session's helpers.
pub fn runtime_hook() {
    frames::hook();
    if std::env::var_os("EVCXR_IS_RUNTIME").is_some() {
        // Until the toolkit's handlers are there, a stop request must not end the process, nor may the
        // kernel's "take it back".
        // SAFETY: plain signal dispositions, before any thread is started.
        unsafe {
            libc::signal(libc::SIGINT, libc::SIG_IGN);
            libc::signal(libc::SIGUSR1, libc::SIG_IGN);
            // No cell outlives its kernel.
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        }
        // evcxr asks for backtraces, which then come with every error of many a crate.
        // SAFETY: no thread is there yet.
        unsafe { std::env::remove_var("RUST_BACKTRACE") };
        stdio::take_over();
        keep_fault_handlers();
        evcxr::runtime_hook();
    }
    if std::env::var_os(home::PRIVATE).is_none() {
        return;
    }
    let called = std::env::args_os().next().map(PathBuf::from).unwrap_or_default();
    let result = match called.file_name().and_then(|name| name.to_str()) {
        Some("cargo") => cargo(),
        Some("rustup") => rustup(),
        Some(link::NAME) => link::run(),
        _ => return,
    };
    match result {
        Ok(code) => std::process::exit(code),
        Err(error) => {
            eprintln!("error: {error:#}");
            std::process::exit(101);
        }
    }
}

/// Keeps the standard library's handlers of memory faults, which tell a stack overflow from a bad pointer. Those
/// that evcxr puts in their place, at a moment of its own, print a backtrace of itself and abort.
fn keep_fault_handlers() {
    fn current(signal: libc::c_int) -> libc::sigaction {
        // SAFETY: only reads this process's disposition of the signal; all zeros is a valid value.
        unsafe {
            let mut action = std::mem::zeroed();
            libc::sigaction(signal, std::ptr::null(), &mut action);
            action
        }
    }
    // In evcxr's order: the last one is the last to change.
    let signals = [libc::SIGSEGV, libc::SIGILL, libc::SIGBUS];
    let own = signals.map(current);
    std::thread::spawn(move || {
        for _ in 0..5000 {
            std::thread::sleep(std::time::Duration::from_millis(1));
            if current(libc::SIGBUS).sa_sigaction != own[2].sa_sigaction {
                for (signal, action) in signals.iter().zip(&own) {
                    // SAFETY: puts back what the standard library had installed.
                    unsafe { libc::sigaction(*signal, action, std::ptr::null_mut()) };
                }
                return;
            }
        }
    });
}

/// The directory of the kernel that started this stand-in.
pub fn private() -> PathBuf {
    std::env::var_os(home::PRIVATE)
        .map(PathBuf::from)
        .unwrap_or_default()
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
    if let Some(cell) = cell_crate::CellCrate::read(&here) {
        let plain: Vec<&str> = args.iter().map(String::as_str).collect();
        match plain[..] {
            ["build", ..] if cell.is_cell() => return cell.build(),
            ["check", ..] if cell.is_cell() => return cell.check(),
            ["clean", ..] => return Ok(0),
            ["locate-project", ..] => {
                println!("{}", serde_json::json!({ "root": here.join("Cargo.toml") }));
                return Ok(0);
            }
            ["metadata", ..] if cell.is_cell() && !names_other_manifest(&args, &here) => {
                return graph::print(&cell, args.iter().any(|arg| arg == "--no-deps"));
            }
            ["metadata", ..] | ["--offline", ..] if !names_other_manifest(&args, &here) => {
                let (_, real) = tools()?;
                let mut command = Command::new(real);
                home::outside(&mut command).args(&args);
                // It may wait for the network.
                let session = std::fs::read_to_string(private().join(cell_crate::CRATE_DIR));
                let _stoppable = match session {
                    Ok(dir) => Some(cell_crate::Stoppable::enter(Path::new(&dir))?),
                    Err(_) => None,
                };
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
