//! What the guards around a cell cost. `benches/kernel --guards` has each process of a session note it, and holds it
//! against what a cell takes.

use std::io::Write;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Instant;

/// Names the file to which the time that each guard has taken is added, a line each time; without it nothing is noted.
const FILE: &str = "JOOK_GUARDS";

/// What keeps a session whole.
#[derive(Clone, Copy)]
pub enum Guard {
    /// Completions come from copies of the session, and none is at work when a cell is.
    Copies,
    /// What is printed is text: pipes of the kernel's own, emptied before a cell is over.
    Text,
    /// Keepers, which take with them all that was started below.
    Groups,
    /// Whether compiler and toolkit are the ones that the kernel has started with.
    Changes,
    /// Whether evcxr writes what this program knows.
    Anchors,
}

/// Runs a guard, and notes how long it took.
pub fn timed<T>(guard: Guard, run: impl FnOnce() -> T) -> T {
    static NOTED: OnceLock<Option<PathBuf>> = OnceLock::new();
    let Some(file) = NOTED.get_or_init(|| std::env::var_os(FILE).map(PathBuf::from)) else {
        return run();
    };
    let begun = Instant::now();
    let result = run();
    let took = begun.elapsed().as_secs_f64();
    let name = match guard {
        Guard::Copies => "copies",
        Guard::Text => "text",
        Guard::Groups => "groups",
        Guard::Changes => "changes",
        Guard::Anchors => "anchors",
    };
    let noted = std::fs::File::options().append(true).create(true).open(file);
    // One write: several processes share the file.
    let _ = noted.and_then(|mut file| file.write_all(format!("{name} {took:.9}\n").as_bytes()));
    result
}
