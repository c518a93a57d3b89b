//! Whether memory is there, asked before it is taken: an honest but huge request must be an error, not the
//! end of the process.
//!
//! Memory is taken when it is first written, some time after it was asked for. Trials of a study ask side by side: what
//! was promised to one and not taken yet is no longer free for the next ([`reserve`]).

use std::fs;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Requests up to this many bytes are not looked into: asking the system would take longer than they do.
const SMALL: u64 = 1 << 26;

/// What is lacking, in words, when `bytes` do not fit the memory that is free now and promised to nobody.
pub(crate) fn lacking(bytes: u64) -> Option<String> {
    if bytes <= SMALL {
        return None;
    }
    let mut ledger = ledger();
    ledger.settle(resident());
    ledger.lacking(bytes)
}

/// Promises `bytes` for as long as what is given back lives: keep it as long as what they are for.
///
/// # Errors
/// As [`lacking`], in words.
pub(crate) fn reserve(bytes: u64) -> Result<Reserved, String> {
    if bytes <= SMALL {
        return Ok(Reserved(0));
    }
    let mut ledger = ledger();
    ledger.settle(resident());
    match ledger.lacking(bytes) {
        Some(lack) => Err(lack),
        None => {
            ledger.promise(bytes);
            Ok(Reserved(bytes))
        }
    }
}

/// So many bytes promised: see [`reserve`].
#[derive(Debug)]
#[must_use = "what is not kept is promised to the next"]
pub(crate) struct Reserved(u64);

impl Drop for Reserved {
    fn drop(&mut self) {
        if self.0 > 0 {
            ledger().give_back(self.0);
        }
    }
}

/// The promises of this process.
struct Ledger {
    /// All promises that are kept.
    promised: u64,
    /// What of them is not taken yet, at the last look.
    waiting: u64,
    /// What the process held at the last look.
    resident: u64,
}

static LEDGER: Mutex<Ledger> = Mutex::new(Ledger {
    promised: 0,
    waiting: 0,
    resident: 0,
});

fn ledger() -> MutexGuard<'static, Ledger> {
    LEDGER.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Ledger {
    /// What the process has grown by since the last look is taken from what was promised: it is gone from the free
    /// memory, and must not count twice.
    fn settle(&mut self, resident: u64) {
        self.waiting = self
            .waiting
            .saturating_sub(resident.saturating_sub(self.resident));
        self.resident = resident;
    }

    fn promise(&mut self, bytes: u64) {
        self.promised = self.promised.saturating_add(bytes);
        self.waiting = self.waiting.saturating_add(bytes);
    }

    fn give_back(&mut self, bytes: u64) {
        self.promised = self.promised.saturating_sub(bytes);
        self.waiting = self.waiting.min(self.promised);
    }

    fn lacking(&self, bytes: u64) -> Option<String> {
        // Where the system does not tell, what an allocation can never be is refused all the same.
        let free = free().unwrap_or(isize::MAX as u64);
        let gib = |bytes: u64| bytes as f64 / (1u64 << 30) as f64;
        (bytes > free.saturating_sub(self.waiting)).then(|| {
            let mut words = format!(
                "{:.1} GiB needed, {:.1} GiB of free memory",
                gib(bytes),
                gib(free)
            );
            if self.waiting > 0 {
                words += &format!(
                    ", of which {:.1} GiB are promised to what runs already",
                    gib(self.waiting)
                );
            }
            words
        })
    }
}

/// Bytes of memory that this process holds, where the system tells.
fn resident() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    kilobytes(&status, "VmRSS:").unwrap_or(0)
}

/// Bytes from a line such as `VmRSS:   1234 kB`.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find(|line| line.starts_with(name))?;
    line.split_whitespace()
        .nth(1)?
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
}

/// Bytes of memory free for use, where the system tells: what the machine has left, or less where a
/// container or a batch system limits the process.
pub(crate) fn free() -> Option<u64> {
    [available(), control_groups()].into_iter().flatten().min()
}

fn available() -> Option<u64> {
    kilobytes(&fs::read_to_string("/proc/meminfo").ok()?, "MemAvailable:")
}

/// What the control groups of this process leave it: a group is bound by those around it too.
fn control_groups() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    let left = |line: &str| {
        // `0::/path` in version 2, `4:memory:/path` in version 1.
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        let (root, limit, used) = match controllers {
            "" => ("/sys/fs/cgroup", "memory.max", "memory.current"),
            _ if controllers.split(',').any(|name| name == "memory") => (
                "/sys/fs/cgroup/memory",
                "memory.limit_in_bytes",
                "memory.usage_in_bytes",
            ),
            _ => return None,
        };
        // Inside a container the path may be the host's, and only the root is there.
        Path::new(root)
            .join(path.trim_start_matches('/'))
            .ancestors()
            .take_while(|folder| folder.starts_with(root))
            .filter_map(|folder| {
                let read = |name: &str| fs::read_to_string(folder.join(name)).ok();
                left_in_group(
                    &read(limit)?,
                    &read(used)?,
                    &read("memory.stat").unwrap_or_default(),
                )
            })
            .min()
    };
    groups.lines().filter_map(left).min()
}

/// What a control group's files say is left; none where there is no limit.
fn left_in_group(limit: &str, used: &str, stat: &str) -> Option<u64> {
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let entry = |name: &str| {
        stat.lines()
            .find_map(|line| number(line.strip_prefix(name)?.strip_prefix(' ')?))
    };
    // Pages of files are given up on demand: they are free, as in MemAvailable. Version 1 has a group's own
    // count and, with `total_`, that of the groups in it too.
    let files: u64 = ["active_file", "inactive_file"]
        .iter()
        .filter_map(|name| entry(&format!("total_{name}")).or_else(|| entry(name)))
        .sum();
    Some(number(limit)?.saturating_sub(number(used)?.saturating_sub(files)))
}

/// Held by tests that take most of the memory's promises: one at a time.
#[cfg(test)]
pub(crate) static MOST_OF_IT: Mutex<()> = Mutex::new(());

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_is_said_in_words() {
        assert_eq!(lacking(SMALL), None);
        assert_eq!(lacking(SMALL + 1), None);
        let words = lacking(1 << 60).unwrap();
        assert!(
            words.contains("1073741824.0 GiB needed") && words.contains("GiB of free memory"),
            "{words}"
        );
    }

    #[test]
    fn what_is_promised_to_one_is_not_free_for_the_next() {
        let _turn = MOST_OF_IT.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(free) = free() else { return };
        let most = free / 8 * 5;
        if most <= SMALL {
            return;
        }
        let first = reserve(most).unwrap();
        let lack = reserve(most).unwrap_err();
        assert!(lack.contains("promised to what runs already"), "{lack}");
        assert!(lacking(most).is_some());
        drop(first);
        assert!(reserve(most).is_ok());
    }

    #[test]
    fn what_was_taken_counts_once() {
        let mut ledger = Ledger {
            promised: 0,
            waiting: 0,
            resident: 0,
        };
        ledger.settle(1000);
        ledger.promise(500);
        ledger.settle(1200);
        assert_eq!((ledger.promised, ledger.waiting), (500, 300));
        // The process shrank: nothing of the promise was given back by that.
        ledger.settle(1100);
        assert_eq!(ledger.waiting, 300);
        ledger.promise(100);
        ledger.settle(1200);
        assert_eq!((ledger.promised, ledger.waiting), (600, 300));
        ledger.give_back(500);
        assert_eq!((ledger.promised, ledger.waiting), (100, 100));
        // Growth that nothing was promised for takes no more than there is, and nothing of later promises.
        ledger.settle(9000);
        assert_eq!(ledger.waiting, 0);
        ledger.promise(50);
        assert_eq!(ledger.waiting, 50);
        ledger.give_back(100);
        ledger.give_back(50);
        assert_eq!((ledger.promised, ledger.waiting), (0, 0));
    }

    #[test]
    fn a_control_group_leaves_its_limit_less_what_it_holds() {
        assert_eq!(left_in_group("max\n", "1000\n", ""), None);
        assert_eq!(left_in_group("5000\n", "1000\n", ""), Some(4000));
        assert_eq!(left_in_group("5000\n", "6000\n", ""), Some(0));
        let stat = "anon 500\nfile 450\ninactive_file 300\nactive_file 100\n";
        assert_eq!(left_in_group("5000", "1000", stat), Some(4400));
        let stat = "inactive_file 1\nactive_file 2\ntotal_inactive_file 300\ntotal_active_file 100\n";
        assert_eq!(left_in_group("5000", "1000", stat), Some(4400));
    }
}
