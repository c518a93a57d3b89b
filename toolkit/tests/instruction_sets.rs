//! "The same bits" holds for one instruction set. Between the portable, the AVX2 and the AVX-512 path of the numeric core
//! results differ by roundings alone: each is compiled, run where the machine has it, and held against the portable one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The flags for rustc of a path, and the name it gives itself.
const PATHS: [(&str, &str); 3] = [
    ("portable", "-Ctarget-cpu=x86-64"),
    ("AVX2", "-Ctarget-feature=+avx2,+fma"),
    ("AVX-512", "-Ctarget-feature=+avx512f,+avx2,+fma"),
];

type Results = BTreeMap<String, Vec<f32>>;

#[cfg(target_arch = "x86_64")]
fn has(path: &str) -> bool {
    match path {
        "AVX2" => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
        "AVX-512" => is_x86_feature_detected!("avx512f"),
        _ => true,
    }
}

/// The threads' crate, as cargo has built it for this test: beside it.
fn rayon() -> (PathBuf, PathBuf) {
    let deps = std::env::current_exe()
        .expect("a test")
        .parent()
        .expect("a folder")
        .to_owned();
    let built = std::fs::read_dir(&deps)
        .expect("a folder")
        .flatten()
        .filter(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            name.starts_with("librayon-") && name.ends_with(".rlib")
        });
    // An earlier build may have left its own.
    let newest = built.max_by_key(|entry| entry.metadata().and_then(|it| it.modified()).ok());
    (newest.expect("rayon is built").path(), deps)
}

fn compiled(folder: &Path, name: &str, flag: &str) -> PathBuf {
    let (rayon, deps) = rayon();
    let program = folder.join(name);
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/instruction_sets/program.rs");
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".into());
    let output = Command::new(rustc)
        .args([
            "--edition=2024",
            "-Copt-level=2",
            "-Ctarget-cpu=x86-64",
            "-Adead_code",
            "-o",
        ])
        .arg(&program)
        .arg(flag)
        .arg(format!("--extern=rayon={}", rayon.display()))
        .arg(format!("-Ldependency={}", deps.display()))
        .arg(source)
        .output()
        .expect("rustc starts");
    assert!(
        output.status.success(),
        "{name}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    program
}

fn run(program: &Path, name: &str) -> Results {
    let output = Command::new(program).output().expect("the program starts");
    assert!(output.status.success(), "{name} ended with {}", output.status);
    let text = String::from_utf8(output.stdout).expect("text");
    let mut lines = text.lines();
    assert_eq!(lines.next(), Some(format!("set {name}").as_str()));
    let number = |bits: &str| f32::from_bits(u32::from_str_radix(bits, 16).expect("bits"));
    let parsed = lines.map(|line| {
        let (what, numbers) = line.split_once(' ').expect("numbers");
        (what.to_owned(), numbers.split(' ').map(number).collect())
    });
    parsed.collect()
}

#[test]
#[cfg(target_arch = "x86_64")]
fn the_paths_of_all_instruction_sets_agree_to_roundings() {
    let folder = std::env::temp_dir().join(format!("jook-paths-{}", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    let mut results: Vec<(&str, Results)> = Vec::new();
    for (name, flag) in PATHS {
        if !has(name) {
            eprintln!("skipped: this machine has no {name}");
            continue;
        }
        let program = compiled(&folder, name, flag);
        let first = run(&program, name);
        // Within a path the bits stay.
        let bits =
            |results: &Results| -> Vec<u32> { results.values().flatten().map(|x| x.to_bits()).collect() };
        assert_eq!(bits(&first), bits(&run(&program, name)));
        results.push((name, first));
    }
    let (_, portable) = &results[0];
    for (name, other) in &results[1..] {
        assert_eq!(portable.len(), other.len());
        for (what, expected) in portable {
            let found = &other[what];
            assert_eq!(found.len(), expected.len(), "{name}, {what}");
            let size = expected.iter().fold(1.0f32, |most, x| most.max(x.abs()));
            for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
                let off = (found - expected).abs() / size;
                let bound = if what.starts_with("winograd") { 1e-5 } else { 2e-6 };
                assert!(off < bound, "{name}, {what}, number {i}: {found} for {expected}");
            }
        }
    }
    std::fs::remove_dir_all(&folder).expect("the folder goes");
}
