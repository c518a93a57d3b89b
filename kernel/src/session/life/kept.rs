//! Programs that the kernel runs itself and that may take long: cargo, the linker of the toolkit. They end with it.

use crate::session::life::keeper;
use anyhow::{Context, Result};
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

/// The name under which this program keeps another one.
pub const NAME: &str = "jook-keep";

/// A command for `tool`, kept by `program` (this program). Its standard input is taken.
pub fn command(program: &Path, tool: &Path) -> Command {
    let mut command = Command::new(program);
    command.arg0(NAME).arg(tool).stdin(Stdio::piped());
    command
}

/// A kept program that runs.
pub struct Kept {
    pub child: Child,
    /// While it is open.
    lifeline: Option<std::process::ChildStdin>,
}

impl Kept {
    /// Starts a [`command`].
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> std::io::Result<Self> {
        let mut child = command.spawn()?;
        // `wait` would close it.
        let lifeline = child.stdin.take();
        Ok(Self { child, lifeline })
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn wait(mut self) -> std::io::Result<ExitStatus> {
        let status = self.child.wait();
        drop(self.lifeline.take());
        status
    }
}

/// Runs a [`command`] to its end.
///
/// # Errors
/// When it cannot be run.
pub fn output(command: &mut Command) -> std::io::Result<Output> {
    let mut kept = Kept::start(command.stdout(Stdio::piped()).stderr(Stdio::piped()))?;
    let mut errors = kept.child.stderr.take();
    let stderr = std::thread::spawn(move || {
        let mut text = Vec::new();
        errors
            .as_mut()
            .map(|errors| errors.read_to_end(&mut text))
            .transpose()
            .map(|_| text)
    });
    let mut stdout = Vec::new();
    if let Some(out) = &mut kept.child.stdout {
        out.read_to_end(&mut stdout)?;
    }
    let stderr = stderr.join().unwrap_or_else(|_| Ok(Vec::new()))?;
    Ok(Output {
        status: kept.wait()?,
        stdout,
        stderr,
    })
}

/// This program in that role: becomes the keeper of the program that its arguments name.
pub fn run() -> Result<i32> {
    let mut args = std::env::args_os().skip(1);
    let tool = args.next().context("no program to keep")?;
    // SAFETY: a group of its own, so that a signal to the kernel's does not reach it.
    unsafe { libc::setpgid(0, 0) };
    keeper::keep(0, false)?;
    Err(Command::new(tool).args(args).stdin(Stdio::null()).exec().into())
}
