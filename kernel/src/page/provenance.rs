//! Where results come from: versions, processor, time and seed, for the notebook and the foot of its page.

use super::notebook::{self, Kind, Notebook};
use serde_json::{Map, Value, json};
use std::process::Command;

/// The dependencies whose versions decide what a notebook computes and shows.
const CRATES: [&str; 5] = ["dfdx", "gemm", "polars", "plotly", "evcxr"];

/// Everything the `jook` entry of a notebook's metadata says about the machine and the software.
pub fn describe(notebook: &Notebook) -> Map<String, Value> {
    let mut versions = Map::new();
    versions.insert("jook".to_string(), json!(env!("CARGO_PKG_VERSION")));
    if let Some(rustc) = rustc() {
        versions.insert("rustc".to_string(), json!(rustc));
    }
    for name in CRATES {
        if let Some(version) = locked(include_str!("../../../Cargo.lock"), name) {
            versions.insert(name.to_string(), json!(version));
        }
    }
    let mut all = Map::new();
    all.insert("versions".to_string(), Value::Object(versions));
    all.insert("device".to_string(), json!("cpu"));
    all.insert("cpu".to_string(), json!(cpu()));
    all.insert(
        "cores".to_string(),
        json!(std::thread::available_parallelism().map_or(1, usize::from)),
    );
    if let Some(seed) = seed(notebook) {
        all.insert("seed".to_string(), json!(seed));
    }
    all
}

/// The seed a notebook sets with `let seed = 7;`, from its first cell that does.
fn seed(notebook: &Notebook) -> Option<u64> {
    let cells = notebook
        .cells()
        .iter()
        .filter(|cell| notebook::kind(cell) == Kind::Code);
    cells
        .flat_map(|cell| {
            notebook::source(cell)
                .lines()
                .map(seed_of_line)
                .collect::<Vec<_>>()
        })
        .flatten()
        .next()
}

fn seed_of_line(line: &str) -> Option<u64> {
    let rest = line
        .trim()
        .strip_prefix("let seed")
        .or_else(|| line.trim().strip_prefix("const SEED"))?;
    let rest = rest.trim_start();
    let value = match rest.strip_prefix(':') {
        Some(typed) => typed.split_once('=')?.1,
        None => rest.strip_prefix('=')?,
    };
    let number = value
        .split(';')
        .next()?
        .trim()
        .trim_end_matches("u64")
        .trim_end_matches('_');
    number.replace('_', "").parse().ok()
}

fn rustc() -> Option<String> {
    let output = Command::new("rustc").arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.split_whitespace().nth(1).map(str::to_string)
}

/// The highest version of crate `name` in a lock file.
fn locked(lock: &str, name: &str) -> Option<String> {
    let head = format!("name = \"{name}\"\nversion = \"");
    let found = lock.rmatch_indices(&head).next()?.0;
    lock[found + head.len()..].split('"').next().map(str::to_string)
}

/// The processor's name as it gives it.
fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let model = model.map(|(_, name)| name.split_whitespace().collect::<Vec<_>>().join(" "));
    model
        .filter(|name| !name.is_empty())
        .unwrap_or_else(|| std::env::consts::ARCH.to_string())
}

/// The lines at the foot of a page, from the `jook` entry that [`describe`] and the run have filled.
pub fn foot(about: &Value) -> Vec<String> {
    let text = |key: &str| about[key].as_str().map(str::to_string);
    let mut lines = Vec::new();
    if let Some(versions) = about["versions"].as_object() {
        let named = versions
            .iter()
            .filter_map(|(name, version)| Some((name.as_str(), version.as_str()?)));
        let (ours, others): (Vec<_>, Vec<_>) = named.partition(|(name, _)| matches!(*name, "jook" | "rustc"));
        let list: Vec<_> = ours
            .iter()
            .chain(&others)
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        lines.push(list.join(" · "));
    }
    let mut machine: Vec<String> = text("cpu").into_iter().collect();
    if let Some(cores) = about["cores"].as_u64() {
        machine.push(if cores == 1 {
            "1 core".to_string()
        } else {
            format!("{cores} cores")
        });
    }
    lines.push(machine.join(", "));
    let mut run = Vec::new();
    if let Some(started) = text("started") {
        let readable = chrono::DateTime::parse_from_rfc3339(&started)
            .map_or(started, |time| time.format("%-d %B %Y, %H:%M UTC").to_string());
        run.push(readable);
    }
    if let Some(seconds) = about["seconds"].as_f64() {
        run.push(format!("{seconds:.1} s in cells"));
    }
    if let Some(seed) = about["seed"].as_u64() {
        run.push(format!("seed {seed}"));
    }
    lines.push(run.join(" · "));
    lines.retain(|line| !line.is_empty());
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_read_from_the_code() {
        assert_eq!(seed_of_line("  let seed = 7;"), Some(7));
        assert_eq!(seed_of_line("let seed: u64 = 1_000; // fixed"), Some(1000));
        assert_eq!(seed_of_line("let seed = 3_u64;"), Some(3));
        assert_eq!(seed_of_line("let seeds = 7;"), None);
        assert_eq!(seed_of_line("let seed = t.seed();"), None);
    }

    #[test]
    fn versions_come_from_the_lock_file() {
        let lock = "[[package]]\nname = \"dfdx\"\nversion = \"0.13.0\"\n\n[[package]]\nname = \"dfdx-core\"\nversion = \"9\"\n";
        assert_eq!(locked(lock, "dfdx"), Some("0.13.0".to_string()));
        assert_eq!(locked(lock, "polars"), None);
        assert!(locked(include_str!("../../../Cargo.lock"), "polars").is_some());
    }

    #[test]
    fn the_foot_names_all_of_it() {
        let about = json!({
            "versions": {"dfdx": "0.13.0", "jook": "0.1.0"}, "cpu": "Some CPU", "cores": 2, "seed": 7,
            "started": "2026-11-23T15:00:00Z", "seconds": 12.34
        });
        assert_eq!(
            foot(&about),
            [
                "jook 0.1.0 · dfdx 0.13.0",
                "Some CPU, 2 cores",
                "23 November 2026, 15:00 UTC · 12.3 s in cells · seed 7"
            ]
        );
    }
}
