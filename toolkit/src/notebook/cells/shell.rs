//! A line of a cell that is for the shell: `!ls`.

use std::io::Write as _;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::{Error, Result, interrupt};

/// How often a Stop is looked for.
const STEP: Duration = Duration::from_millis(5);
/// How long the command has to end by itself after a Stop.
const GRACE: Duration = Duration::from_secs(1);

/// Runs `command` in the shell; what it prints is the cell's output, as it comes. Its standard input is empty.
///
/// # Errors
/// When it ends with another status than 0, or is stopped.
pub fn shell(command: &str) -> Result<()> {
    let _ = std::io::stdout().flush();
    let scope = interrupt::scope();
    let mut child = Command::new("sh")
        .args(["-c", command])
        .stdin(Stdio::null())
        // Of its own, so that a Stop reaches what the shell has started.
        .process_group(0)
        .spawn()
        .map_err(|error| Error::io("sh", &error))?;
    let failed = |error: std::io::Error| Error::io("sh", &error);
    loop {
        if let Some(status) = child.try_wait().map_err(failed)? {
            return outcome(command, status, scope.requested());
        }
        if scope.requested() {
            end(&mut child).map_err(failed)?;
            return stopped(command);
        }
        std::thread::sleep(STEP);
    }
}

/// A Stop reaches the cell's programs and the cell, either of them first.
fn outcome(command: &str, status: ExitStatus, requested: bool) -> Result<()> {
    match status.success() {
        true => Ok(()),
        false if requested || status.signal() == Some(libc::SIGINT) => stopped(command),
        false => Err(Error::spec(format!("`{command}` ended with {status}"))
            .fix(format!("where that is fine, write `{command} || true`"))),
    }
}

fn stopped(command: &str) -> Result<()> {
    Err(Error::spec(format!("`{command}` was stopped")))
}

/// Interrupts the command, as Ctrl-C does; kills it when it goes on.
fn end(child: &mut Child) -> std::io::Result<()> {
    let group = -(child.id() as libc::pid_t);
    let asked = Instant::now();
    // SAFETY: signals to the group of a child that has not been waited for.
    unsafe { libc::kill(group, libc::SIGINT) };
    while child.try_wait()?.is_none() {
        if asked.elapsed() > GRACE {
            // SAFETY: as above.
            unsafe { libc::kill(group, libc::SIGKILL) };
            child.wait()?;
        }
        std::thread::sleep(STEP);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_an_error_with_a_way_out() {
        assert_eq!(shell("exit 0"), Ok(()));
        for (status, requested) in [(libc::SIGINT, false), (libc::SIGTERM, true)] {
            let stopped = outcome("sleep 9", ExitStatus::from_raw(status), requested);
            assert!(stopped.unwrap_err().to_string().contains("`sleep 9` was stopped"));
        }
        let killed = outcome("sleep 9", ExitStatus::from_raw(libc::SIGTERM), false);
        assert!(killed.unwrap_err().to_string().contains("ended with signal: 15"));
        let error = shell("exit 3").unwrap_err().to_string();
        assert!(
            error.contains("`exit 3` ended with exit status: 3") && error.contains("|| true"),
            "{error}"
        );
    }
}
