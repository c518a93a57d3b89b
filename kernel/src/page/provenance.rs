//! Where results come from: versions, machine, time, seed and parameters, for the notebook and the foot of its
//! page.

use super::notebook::{self, INJECTED, Kind, Notebook};
use crate::session::compiler_version;
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};
use std::path::Path;

/// The lock file this program was built with, which cells are built with too.
const LOCK: &str = include_str!("../../../Cargo.lock");

/// The dependencies whose versions decide what a notebook computes and shows.
const CRATES: [&str; 5] = ["dfdx", "gemm", "polars", "plotly", "evcxr"];

/// Everything the `jook` entry of a notebook's metadata says about the machine and the software.
pub fn describe(notebook: &Notebook) -> Map<String, Value> {
    let mut versions = Map::new();
    versions.insert("jook".to_string(), json!(env!("CARGO_PKG_VERSION")));
    if let Some(rustc) = compiler_version() {
        versions.insert("rustc".to_string(), json!(rustc));
    }
    for name in CRATES {
        if let Some(version) = locked(LOCK, name) {
            versions.insert(name.to_string(), json!(version));
        }
    }
    let mut all = Map::new();
    all.insert("versions".to_string(), Value::Object(versions));
    all.insert(
        "lock_sha256".to_string(),
        json!(format!("{:x}", Sha256::digest(LOCK))),
    );
    all.insert("device".to_string(), json!("cpu"));
    all.insert("cpu".to_string(), json!(cpu()));
    all.insert(
        "cores".to_string(),
        json!(std::thread::available_parallelism().map_or(1, usize::from)),
    );
    all.insert(
        "gpu".to_string(),
        json!(gpu(Path::new("/proc/driver/nvidia/gpus"))),
    );
    all.insert("os".to_string(), json!(os()));
    if let Some(seed) = seed(notebook) {
        all.insert("seed".to_string(), json!(seed));
    }
    // Values that an earlier run has set are in force as long as their cell is there.
    let cells = notebook.cells();
    if cells.iter().any(|cell| notebook::has_tag(cell, INJECTED))
        && let Some(parameters) = notebook.metadata()["jook"].get("parameters")
    {
        all.insert("parameters".to_string(), parameters.clone());
    }
    all
}

/// The seed a notebook sets with `let seed = 7;`: as a parameter of this run, or in its first cell that does.
fn seed(notebook: &Notebook) -> Option<u64> {
    let code = |cell: &&Value| notebook::kind(cell) == Kind::Code;
    let of_run = |cell: &&Value| notebook::has_tag(cell, INJECTED);
    let cells = notebook.cells();
    let cells = cells.iter().filter(of_run).chain(cells).filter(code);
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

/// The graphics cards that NVIDIA's driver lists, or `none`. Jook computes on the processor: this only tells
/// what else the machine has.
fn gpu(driver: &Path) -> String {
    let cards = std::fs::read_dir(driver).into_iter().flatten().flatten();
    let mut names: Vec<String> = cards
        .filter_map(|card| std::fs::read_to_string(card.path().join("information")).ok())
        .filter_map(|text| {
            Some(
                text.lines()
                    .find_map(|line| line.strip_prefix("Model:"))?
                    .trim()
                    .to_string(),
            )
        })
        .collect();
    names.sort();
    match names.is_empty() {
        true => "none".to_string(),
        false => names.join(", "),
    }
}

/// The system's name and version, and the processor's kind.
fn os() -> String {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let name = name.map_or(std::env::consts::OS, |name| name.trim_matches('"'));
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = match kernel.trim() {
        "" => String::new(),
        version => format!(", Linux {version}"),
    };
    format!("{name}{kernel}, {}", std::env::consts::ARCH)
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
            .chain(text("lock_sha256").map(|hash| format!("Cargo.lock {}", hash.get(..12).unwrap_or(&hash))))
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
    machine.extend(text("gpu").map(|gpu| if gpu == "none" { "no GPU".to_string() } else { gpu }));
    let system = [machine.join(", "), text("os").unwrap_or_default()];
    lines.push(
        system
            .into_iter()
            .filter(|part| !part.is_empty())
            .collect::<Vec<_>>()
            .join(" · "),
    );
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
    if let Some(parameters) = about["parameters"].as_object() {
        let list: Vec<_> = parameters
            .iter()
            .map(|(name, value)| format!("{name} = {value}"))
            .collect();
        lines.push(list.join(" · "));
    }
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
        assert!(locked(LOCK, "polars").is_some());
    }

    #[test]
    fn the_foot_names_all_of_it() {
        let about = json!({
            "versions": {"dfdx": "0.13.0", "jook": "0.1.0"}, "cpu": "Some CPU", "cores": 2, "seed": 7,
            "started": "2026-11-23T15:00:00Z", "seconds": 12.34, "gpu": "none", "os": "Debian 12, x86_64",
            "lock_sha256": "0123456789abcdef", "parameters": {"epochs": 5, "name": "x"}
        });
        assert_eq!(
            foot(&about),
            [
                "jook 0.1.0 · dfdx 0.13.0 · Cargo.lock 0123456789ab",
                "Some CPU, 2 cores, no GPU · Debian 12, x86_64",
                "23 November 2026, 15:00 UTC · 12.3 s in cells · seed 7",
                "epochs = 5 · name = \"x\""
            ]
        );
    }

    #[test]
    fn a_card_is_named_as_its_driver_does() {
        let driver = std::env::temp_dir().join(format!("jook-gpu-{}", std::process::id()));
        assert_eq!(gpu(&driver), "none");
        for (slot, text) in [
            ("0", "Model: \t NVIDIA H100 80GB HBM3\nIRQ: 1\n"),
            ("1", "IRQ: 2\n"),
        ] {
            std::fs::create_dir_all(driver.join(slot)).unwrap();
            std::fs::write(driver.join(slot).join("information"), text).unwrap();
        }
        assert_eq!(gpu(&driver), "NVIDIA H100 80GB HBM3");
        std::fs::remove_dir_all(driver).unwrap();
    }

    #[test]
    fn the_seed_of_a_run_goes_before_the_default_and_its_parameters_stay_with_their_cell() {
        let cell = |source: &str, tag: &str| json!({"cell_type": "code", "metadata": {"tags": [tag]}, "source": source});
        let about = |cells: Value| {
            let metadata = json!({"jook": {"parameters": {"seed": 11}}});
            let value = json!({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5});
            describe(&Notebook::parse(&value.to_string()).unwrap())
        };
        let default = cell("let seed: u64 = 7;", "parameters");
        let set = about(json!([
            default,
            cell("// Parameters\nlet seed: u64 = 11;", INJECTED)
        ]));
        assert_eq!(
            (&set["seed"], &set["parameters"]),
            (&json!(11), &json!({"seed": 11}))
        );
        let bare = about(json!([default]));
        assert_eq!((&bare["seed"], bare.get("parameters")), (&json!(7), None));
        assert_eq!(bare["lock_sha256"].as_str().map(str::len), Some(64));
        assert!(!bare["os"].as_str().unwrap().is_empty());
    }
}
