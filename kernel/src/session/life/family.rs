//! The processes that descend from one, as the system lists them.

use std::collections::HashMap;

/// A process in the list.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Relative {
    pub pid: libc::pid_t,
    pub parent: libc::pid_t,
    /// When it was started, in ticks of the system's clock; compare with [`now`].
    pub started: u64,
}

/// The living descendants of `root`, children before grandchildren.
pub fn descendants(root: libc::pid_t) -> Vec<Relative> {
    let mut children: HashMap<libc::pid_t, Vec<(Relative, bool)>> = HashMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        let stat = std::fs::read_to_string(entry.path().join("stat"));
        if let Some((relative, alive)) = stat.ok().and_then(|stat| parse(pid, &stat)) {
            children
                .entry(relative.parent)
                .or_default()
                .push((relative, alive));
        }
    }
    let mut found = Vec::new();
    let mut open = vec![root];
    while let Some(parent) = open.pop() {
        for (relative, alive) in children.remove(&parent).into_iter().flatten() {
            open.push(relative.pid);
            if alive {
                found.push(relative);
            }
        }
    }
    found
}

/// The process, and whether it lives, from a line of `/proc/<pid>/stat`.
fn parse(pid: libc::pid_t, stat: &str) -> Option<(Relative, bool)> {
    // The program's name stands in brackets and may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut words = rest.split_whitespace();
    let alive = !matches!(words.next()?, "Z" | "X");
    let parent = words.next()?.parse().ok()?;
    let started = words.nth(17)?.parse().ok()?;
    let relative = Relative { pid, parent, started };
    Some((relative, alive))
}

/// This moment on the clock of [`Relative::started`].
pub fn now() -> u64 {
    // SAFETY: the call fills the value in; asking for the clock's rate has no conditions.
    unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_BOOTTIME, &raw mut time);
        let rate = libc::sysconf(libc::_SC_CLK_TCK).max(1) as u64;
        time.tv_sec as u64 * rate + time.tv_nsec as u64 * rate / 1_000_000_000
    }
}

/// Whether a process was started under this name.
pub fn is_called(pid: libc::pid_t, name: &str) -> bool {
    let words = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    words.split(|&byte| byte == 0).next() == Some(name.as_bytes())
}

/// Sends a signal; a process that is gone does not mind.
pub fn signal(pid: libc::pid_t, signal: libc::c_int) {
    // SAFETY: a signal to another process changes nothing here.
    unsafe { libc::kill(pid, signal) };
}

/// The same, with a number that the handler learns.
pub fn signal_with(pid: libc::pid_t, signal: libc::c_int, number: usize) {
    let value = libc::sigval {
        sival_ptr: number as *mut libc::c_void,
    };
    // SAFETY: as above; the value is a number, and is never followed.
    unsafe { libc::sigqueue(pid, signal, value) };
}

/// Kills the descendants of `root` until none is left: what they start meanwhile, too. `each` is called between two
/// looks, to reap children.
pub fn kill_descendants(root: libc::pid_t, mut each: impl FnMut()) {
    for _ in 0..500 {
        let left = descendants(root);
        if left.is_empty() {
            return;
        }
        for relative in left {
            signal(relative.pid, libc::SIGKILL);
        }
        each();
        std::thread::sleep(std::time::Duration::from_millis(2));
        each();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    #[test]
    fn a_name_with_brackets_is_no_trouble() {
        let line = "7 (a ) Z 1 b) S 3 7 7 0 -1 4194304 1 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
        let (relative, alive) = parse(7, line).unwrap();
        let Relative { pid, parent, started } = relative;
        assert_eq!((parent, pid, started, alive), (3, 7, 4711, true));
        assert!(!parse(7, &line.replacen(") S", ") Z", 1)).unwrap().1);
        assert!(parse(7, "7 (a").is_none());
    }

    #[test]
    fn grandchildren_are_found_with_their_age_and_killed() {
        let before = now();
        let mut child = Command::new("sh")
            .args(["-c", "sleep 1000 & trap '' TERM INT; sleep 1000; sleep 1000"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let root = child.id() as libc::pid_t;
        let begun = Instant::now();
        while descendants(root).len() < 2 && begun.elapsed() < Duration::from_secs(10) {
            std::thread::sleep(Duration::from_millis(5));
        }
        let found = descendants(root);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(
            found
                .iter()
                .all(|relative| relative.started + 1 >= before && relative.started <= now())
        );
        signal(root, libc::SIGSTOP);
        kill_descendants(root, || {});
        assert!(descendants(root).is_empty());
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
