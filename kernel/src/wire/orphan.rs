//! Whether the process that started the kernel is still there. Jupyter says in `JPY_PARENT_PID` that it wants the kernel
//! to end with it.

use std::time::Duration;

/// Returns when the client that started the kernel has died; never, if it did not say who it is.
pub async fn orphaned() {
    let named = std::env::var("JPY_PARENT_PID").ok();
    let Some(wanted) = named.and_then(|pid| pid.parse().ok()) else {
        return std::future::pending().await;
    };
    let first = parent();
    if parent() == 1 && starts_programs(wanted) {
        return std::future::pending().await;
    }
    // Where launchers stand between, none of them may end with the client.
    let client = is_above(wanted).then(|| started(wanted)).flatten();
    let has_left = || client.is_some() && started(wanted) != client;
    while !is_orphan(wanted, first, parent()) && !has_left() {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// Whether the process is among this one's parent and the parents of that.
fn is_above(wanted: u32) -> bool {
    let mut next = Some(parent());
    // A chain of processes that end meanwhile could lead anywhere.
    for _ in 0..64 {
        match next {
            Some(pid) if pid == wanted => return true,
            Some(pid) if pid > 1 => next = of_stat(pid, 1),
            _ => return false,
        }
    }
    false
}

/// When a process that lives was started: another one may have its number one day.
fn started(pid: u32) -> Option<u64> {
    of_stat(pid, 19)
}

/// A number that the system tells of a process that lives, counted from behind its name.
fn of_stat<N: std::str::FromStr>(pid: u32, at: usize) -> Option<N> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The program's name stands in brackets and may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut words = rest.split_whitespace();
    let is_dead = matches!(words.clone().next()?, "Z" | "X");
    words.nth(at)?.parse().ok().filter(|_| !is_dead)
}

fn parent() -> u32 {
    std::os::unix::process::parent_id()
}

/// Whether the first process of all is a launcher of the client's, in a container of its own: it has been told who the
/// client is, too. The kernel's container ends with it.
fn starts_programs(wanted: u32) -> bool {
    let told = format!("JPY_PARENT_PID={wanted}");
    let environment = std::fs::read("/proc/1/environ").unwrap_or_default();
    environment
        .split(|&byte| byte == 0)
        .any(|variable| variable == told.as_bytes())
}

/// Whether a kernel whose parent was `first` when it looked for the first time, and now is `now`, has lost the process
/// with the pid `wanted`. In between there may be a launcher, so that the parent never was that process; it may also have
/// died before the kernel could look, and the first process of all have taken the kernel over. That one counts as
/// alive only where it is the one that was named, as in a container.
fn is_orphan(wanted: u32, first: u32, now: u32) -> bool {
    now != first || now == 1 && wanted != 1
}

#[cfg(test)]
mod tests {
    use super::{is_above, is_orphan, started};

    #[test]
    fn a_client_behind_launchers_is_known_by_its_start() {
        let me = std::process::id();
        assert!(is_above(std::os::unix::process::parent_id()) && !is_above(me));
        let mut child = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
        assert!(started(me).is_some() && started(child.id()) >= started(me));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(started(child.id()), None);
    }

    #[test]
    fn a_kernel_knows_when_it_is_alone() {
        let cases = [
            ("its parent is there", (100, 100, 100), false),
            ("its parent has died", (100, 100, 1), true),
            ("another process took it over", (100, 100, 50), true),
            ("its parent died before the first look", (100, 1, 1), true),
            ("its parent is the container's first process", (1, 1, 1), false),
            ("a launcher stands between", (100, 101, 101), false),
            ("the launcher has died", (100, 101, 1), true),
        ];
        for (case, (wanted, first, now), orphan) in cases {
            assert_eq!(is_orphan(wanted, first, now), orphan, "{case}");
        }
    }
}
