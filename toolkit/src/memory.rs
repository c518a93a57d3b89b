//! Whether memory is there, asked before it is taken: an honest but huge request must be an error, not the
//! end of the process.

use std::fs;
use std::path::Path;

/// Requests up to this many bytes are not looked into: asking the system would take longer than they do.
const SMALL: u64 = 1 << 26;

/// What is lacking, in words, when `bytes` do not fit the memory that is free now.
pub(crate) fn lacking(bytes: u64) -> Option<String> {
    if bytes <= SMALL {
        return None;
    }
    // Where the system does not tell, what an allocation can never be is refused all the same.
    let free = free().unwrap_or(isize::MAX as u64);
    let gib = |bytes: u64| bytes as f64 / (1u64 << 30) as f64;
    (bytes > free).then(|| {
        format!(
            "{:.1} GiB needed, {:.1} GiB of free memory",
            gib(bytes),
            gib(free)
        )
    })
}

/// Bytes of memory free for use, where the system tells: what the machine has left, or less where a
/// container or a batch system limits the process.
pub(crate) fn free() -> Option<u64> {
    [available(), control_groups()].into_iter().flatten().min()
}

fn available() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
    line.split_whitespace()
        .nth(1)?
        .parse::<u64>()
        .ok()?
        .checked_mul(1024)
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
