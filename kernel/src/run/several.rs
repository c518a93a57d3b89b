//! Several notebooks in one call: each is a run of its own, in a process of its own, one after another.

use super::{Args, INTERRUPTED, parameters};
use crate::page::notebook::Notebook;
use anyhow::{Context as _, Result, bail};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;

/// A signal that came and was not passed on yet; 0: none.
static SIGNAL: AtomicI32 = AtomicI32::new(0);

extern "C" fn keep(signal: i32) {
    SIGNAL.store(signal, Ordering::SeqCst);
}

/// Runs them all, also behind one that fails; Ctrl-C ends the one under way, and no further one begins.
pub fn run(args: &Args) -> Result<ExitCode> {
    let names = args.notebooks.iter().map(|path| path.file_name());
    for path in [args.output.as_deref(), args.html.as_deref()]
        .into_iter()
        .flatten()
    {
        let file = path.is_file()
            || path
                .extension()
                .is_some_and(|end| end == "ipynb" || end == "html");
        if file && !path.is_dir() {
            bail!(
                "{} is one file, and there are {} notebooks: name a folder",
                path.display(),
                names.len()
            );
        }
        let mut seen: Vec<_> = names.clone().collect();
        seen.sort();
        if let Some(twice) = seen.windows(2).find(|pair| pair[0] == pair[1]) {
            bail!(
                "two of the notebooks are named {:?}: both would be written there",
                twice[0].unwrap_or_default()
            );
        }
    }
    // A parameter is for those that have it, and a mistake where none does.
    let mut known: Vec<Vec<String>> = Vec::new();
    for path in &args.notebooks {
        known.push(parameters::names(&Notebook::read(path)?));
    }
    let mut given = args.parameters.chunks_exact(2).map(|pair| &pair[0]);
    if let Some(name) = given.find(|name| known.iter().all(|known| !known.contains(name))) {
        bail!("none of the notebooks has a parameter `{name}`");
    }
    // SAFETY: the handler does nothing but store a number.
    unsafe {
        libc::signal(libc::SIGINT, keep as *const () as libc::sighandler_t);
        libc::signal(libc::SIGTERM, keep as *const () as libc::sighandler_t);
    }
    let mut failed = Vec::new();
    for (at, (path, known)) in args.notebooks.iter().zip(&known).enumerate() {
        eprintln!("\n== {} ({} of {})", path.display(), at + 1, args.notebooks.len());
        let status = one(args, path, known).with_context(|| format!("cannot run {}", path.display()))?;
        if status.code() == Some(INTERRUPTED.into()) || SIGNAL.load(Ordering::SeqCst) != 0 {
            return Ok(ExitCode::from(INTERRUPTED));
        }
        if !status.success() {
            failed.push(path.display().to_string());
        }
    }
    Ok(match failed.is_empty() {
        true => ExitCode::SUCCESS,
        false => {
            eprintln!(
                "\n{} of {} notebooks failed: {}",
                failed.len(),
                args.notebooks.len(),
                failed.join(", ")
            );
            ExitCode::FAILURE
        }
    })
}

fn one(args: &Args, path: &Path, known: &[String]) -> Result<ExitStatus> {
    let mut command = Command::new(std::env::current_exe()?);
    command.arg("run");
    for (option, value) in [
        ("--output", &args.output),
        ("--html", &args.html),
        ("--parameters-file", &args.parameters_file),
    ] {
        if let Some(value) = value {
            command.arg(option).arg(value);
        }
    }
    for (option, asked) in [
        ("--no-html", args.no_html),
        ("--inplace", args.inplace),
        ("--keep-going", args.keep_going),
        ("--echo", args.echo),
        ("--check", args.check),
    ] {
        if asked {
            command.arg(option);
        }
    }
    for (option, value) in [
        ("--timeout", args.timeout.map(|seconds| seconds.to_string())),
        ("--rtol", args.rtol.map(|share| share.to_string())),
        ("--atol", args.atol.map(|distance| distance.to_string())),
    ] {
        if let Some(value) = value {
            command.arg(option).arg(value);
        }
    }
    for pair in args
        .parameters
        .chunks_exact(2)
        .filter(|pair| known.contains(&pair[0]))
    {
        command.arg("-p").args(pair);
    }
    command.arg("--").arg(path);
    // In a group of its own: it is told of each signal once, by this program.
    command.process_group(0);
    // SAFETY: the call is safe between fork and exec.
    unsafe {
        command.pre_exec(|| {
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGTERM);
            Ok(())
        });
    }
    wait(command.spawn()?)
}

/// Waits for the run, and passes on what it should be told.
fn wait(mut child: Child) -> Result<ExitStatus> {
    let mut told = false;
    loop {
        if let Some(status) = child.try_wait()? {
            // Whoever stopped it wants no further one either.
            SIGNAL.store(if told { libc::SIGINT } else { 0 }, Ordering::SeqCst);
            return Ok(status);
        }
        let signal = SIGNAL.swap(0, Ordering::SeqCst);
        if signal != 0 {
            told = true;
            // SAFETY: the child is not waited for yet, so that the number is its own.
            unsafe { libc::kill(child.id() as i32, signal) };
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}
