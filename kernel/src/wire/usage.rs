//! What the kernel takes of its machine, as the status bar of JupyterLab asks for it: processor time and memory of this
//! process and all that descend from it, read from `/proc`. ipykernel answers `usage_request` with the same fields.

use super::message::child;
use jupyter_protocol::JupyterMessage;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};
use std::fs;
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// The reply to `request`.
pub async fn usage(request: &JupyterMessage) -> JupyterMessage {
    // Sums over many small files, and some are made as they are read.
    let content = tokio::task::spawn_blocking(measure).await.unwrap_or_default();
    child("usage_reply", content, request)
}

/// What was seen the last time: shares of a processor are of the time between two looks.
struct Look {
    at: Instant,
    /// Ticks of each process.
    processes: HashMap<u32, u64>,
    host: Option<Host>,
}

/// Ticks of the whole machine since it was started.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Host {
    busy: u64,
    all: u64,
}

fn measure() -> Value {
    static LAST: Mutex<Option<Look>> = Mutex::new(None);
    let own = std::process::id();
    let now = Look {
        at: Instant::now(),
        processes: family(own),
        host: fs::read_to_string("/proc/stat").ok().and_then(|stat| host(&stat)),
    };
    let memory: u64 = now.processes.keys().filter_map(|pid| memory(*pid)).sum();
    let mut content = Map::new();
    content.insert("status".into(), "ok".into());
    let hostname = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    content.insert("hostname".into(), hostname.trim().into());
    content.insert("pid".into(), own.into());
    content.insert("kernel_memory".into(), memory.into());
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    content.insert("cpu_count".into(), processors.into());
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    content.insert(
        "kernel_cpu".into(),
        last.as_ref().map_or(0.0, |last| share(last, &now)).into(),
    );
    // At the first look there is nothing to say yet.
    if let Some((Some(before), Some(host))) = last.as_ref().map(|last| (last.host, now.host))
        && host.all > before.all
    {
        let percent = 100.0 * host.busy.saturating_sub(before.busy) as f64 / (host.all - before.all) as f64;
        content.insert("host_cpu_percent".into(), tenths(percent).into());
    }
    if let Ok(text) = fs::read_to_string("/proc/meminfo") {
        content.insert("host_virtual_memory".into(), virtual_memory(&text));
    }
    *last = Some(now);
    Value::Object(content)
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// Percent of one processor that the processes took between two looks, counting those that are in both.
fn share(last: &Look, now: &Look) -> f64 {
    let seconds = now.at.duration_since(last.at).as_secs_f64();
    let ticks = now
        .processes
        .iter()
        .filter_map(|(pid, ticks)| Some(ticks.saturating_sub(*last.processes.get(pid)?)));
    // SAFETY: sysconf reads a constant of the system.
    let ticks_a_second = unsafe { libc::sysconf(libc::_SC_CLK_TCK) }.max(1) as f64;
    match seconds > 0.0 {
        true => tenths(100.0 * ticks.sum::<u64>() as f64 / ticks_a_second / seconds),
        false => 0.0,
    }
}

/// A process and all that descend from it, with the ticks each has used.
fn family(root: u32) -> HashMap<u32, u64> {
    let mut children: HashMap<u32, Vec<u32>> = HashMap::new();
    let mut ticks = HashMap::new();
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
        // A process may end while it is looked at.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
            continue;
        };
        if let Some((parent, used)) = process(&stat) {
            children.entry(parent).or_default().push(pid);
            ticks.insert(pid, used);
        }
    }
    let mut found = HashSet::new();
    let mut waiting = vec![root];
    while let Some(pid) = waiting.pop() {
        if found.insert(pid) {
            waiting.extend(children.remove(&pid).unwrap_or_default());
        }
    }
    ticks.retain(|pid, _| found.contains(pid));
    ticks
}

/// Parent and ticks in `/proc/PID/stat`, whose second field is a name that may hold anything.
fn process(stat: &str) -> Option<(u32, u64)> {
    let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some((number(1)?.try_into().ok()?, number(11)? + number(12)?))
}

/// Bytes of memory of a process; what it shares with others counts in part, so that the sum is true.
fn memory(pid: u32) -> Option<u64> {
    let shared_out = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok();
    let shared_out = shared_out.and_then(|text| kilobytes(&text, "Pss:"));
    shared_out.or_else(|| kilobytes(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?, "VmRSS:"))
}

/// The bytes that a line of the form `NAME  12 kB` tells.
fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(number * 1024)
}

/// The first line of `/proc/stat`: user, nice, system, idle, waiting for disks, interrupts, soft ones, stolen.
fn host(stat: &str) -> Option<Host> {
    let fields = stat.lines().next()?.strip_prefix("cpu")?.split_whitespace();
    let ticks: Vec<u64> = fields.map_while(|field| field.parse().ok()).take(8).collect();
    let all: u64 = ticks.iter().sum();
    let idle = ticks.get(3)? + ticks.get(4)?;
    Some(Host {
        busy: all - idle,
        all,
    })
}

/// The machine's memory in the words of Python's psutil, which clients read.
fn virtual_memory(meminfo: &str) -> Value {
    let of = |name: &str| kilobytes(meminfo, name).unwrap_or(0);
    let (total, available, free) = (of("MemTotal:"), of("MemAvailable:"), of("MemFree:"));
    let used = total.saturating_sub(available);
    let percent = if total > 0 {
        tenths(100.0 * used as f64 / total as f64)
    } else {
        0.0
    };
    json!({
        "total": total, "available": available, "percent": percent, "used": used, "free": free,
        "active": of("Active:"), "inactive": of("Inactive:"), "buffers": of("Buffers:"),
        "cached": of("Cached:") + of("SReclaimable:"), "shared": of("Shmem:"), "slab": of("Slab:"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_names_of_processes_may_hold_anything() {
        let stat = "7 (a) b (c) S 3 7 7 0 -1 4 10 0 0 0 250 50 0 0 20 0 1 0 9 1 2";
        assert_eq!(process(stat), Some((3, 300)));
        assert_eq!(process("7 (cut"), None);
        assert_eq!(process("7 (cut) S 3"), None);
    }

    #[test]
    fn shares_are_of_the_time_between_two_looks() {
        let host = host("cpu  10 0 20 60 10 0 0 0 5 5\ncpu0 1 1\n").unwrap();
        assert_eq!(host, Host { busy: 30, all: 100 });
        let before = Instant::now();
        let look = |at, ticks: &[(u32, u64)]| Look {
            at,
            processes: ticks.iter().copied().collect(),
            host: None,
        };
        // SAFETY: as above.
        let second = u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) }).unwrap();
        let last = look(before, &[(1, 10), (2, 5)]);
        // The third process is new: what it did before is not of this time.
        let now = look(
            before + std::time::Duration::from_secs(2),
            &[(1, 10 + second), (3, 9999)],
        );
        assert_eq!(share(&last, &now), 50.0);
    }

    #[test]
    fn a_child_counts() {
        let mut sleeper = std::process::Command::new("sleep").arg("60").spawn().unwrap();
        let family = family(std::process::id());
        let _ = sleeper.kill();
        let _ = sleeper.wait();
        assert!(family.contains_key(&std::process::id()) && family.contains_key(&sleeper.id()));
        assert!(!family.contains_key(&1));
        assert!(memory(std::process::id()).unwrap() > 1 << 20);
    }
}
