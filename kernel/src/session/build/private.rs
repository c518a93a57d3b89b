//! What lies in the private folder of a kernel, and what is in the environment of the processes that work for it.
//!
//! The kernel writes it ([`home`](crate::session::build::home)), the stand-ins read it. Names and reading only: this file uses no other.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The private directory; its presence in the environment means that the stand-ins are in force.
pub const PRIVATE: &str = "JOOK_PRIVATE";
/// What `PATH` was before.
pub const REAL_PATH: &str = "JOOK_REAL_PATH";
/// Where cargo's own directory is.
pub const REAL_CARGO_HOME: &str = "JOOK_REAL_CARGO_HOME";
/// Where rust-analyzer looks first for the standard library's source.
pub const STD_SOURCE: &str = "RUST_SRC_PATH";
/// Where evcxr puts the crate of a cell.
pub const CELL_CRATE: &str = "EVCXR_TMPDIR";
/// The `jook` program, when it is not the running one (tests).
pub const EXE: &str = "JOOK_EXE";

/// The name under which rustc calls this program as its linker.
pub const LINKER: &str = "jook-ld";

/// The target that this program was built for, and builds for.
#[cfg(target_arch = "x86_64")]
pub const HOST: &str = "x86_64-unknown-linux-gnu";
/// The target that this program was built for, and builds for.
#[cfg(not(target_arch = "x86_64"))]
pub const HOST: &str = "aarch64-unknown-linux-gnu";

/// Where the prebuilt toolkit is.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct ToolkitFiles {
    /// The toolkit as one dynamic library, for cells to link against.
    pub dylib: PathBuf,
    /// Folders with the crates that it was built from: rustc reads their metadata when a cell's types lead
    /// there.
    pub deps: Vec<PathBuf>,
    /// A folder with the interfaces of those crates alone.
    pub interfaces: Option<PathBuf>,
    /// Where `libstd` is.
    pub std_dir: PathBuf,
    /// The pruned crate graph.
    pub graph: PathBuf,
    /// What is kept between kernels: built dependencies, answers about the toolchain.
    pub cache: PathBuf,
    /// The library's size when the session began: its folder is never written to again, but may be damaged or gone.
    pub size: Option<u64>,
}

const FILE: &str = "toolkit.json";

impl ToolkitFiles {
    /// Makes the toolkit known to the stand-ins of the kernel with this private directory.
    pub fn announce(&self, private: &Path) -> Result<()> {
        Ok(std::fs::write(private.join(FILE), serde_json::to_vec(self)?)?)
    }

    /// The toolkit of the kernel that started this stand-in.
    pub fn of_session() -> Result<Self> {
        let text = std::fs::read(folder().join(FILE)).context("the toolkit is not built")?;
        Ok(serde_json::from_slice(&text)?)
    }
}

/// Where answers and built dependencies are kept.
pub fn cache_dir() -> Option<PathBuf> {
    ToolkitFiles::of_session().ok().map(|files| files.cache)
}

/// The directory of the kernel that started this stand-in.
pub fn folder() -> PathBuf {
    std::env::var_os(PRIVATE).map(PathBuf::from).unwrap_or_default()
}

/// Whether the compiler's file is the one that the kernel has started with.
pub fn compiler_is_the_same() -> bool {
    let kept = std::fs::read_to_string(folder().join("tools")).unwrap_or_default();
    let noted = kept.lines().nth(2).unwrap_or_default();
    tools().is_ok_and(|(rustc, _)| age(&rustc) == noted)
}

/// The real `(rustc, cargo)`, resolved once by the kernel.
pub fn tools() -> Result<(PathBuf, PathBuf)> {
    let text =
        std::fs::read_to_string(folder().join("tools")).context("the kernel's list of tools is gone")?;
    let mut lines = text.lines().map(PathBuf::from);
    let rustc = lines.next().context("no rustc in the kernel's list of tools")?;
    let cargo = lines.next().context("no cargo in the kernel's list of tools")?;
    Ok((rustc, cargo))
}

/// The size of a file, if it is there.
pub fn size(file: &Path) -> Option<u64> {
    file.metadata().ok().map(|meta| meta.len())
}

/// A file as it is now: an update changes it.
pub fn age(program: &Path) -> String {
    let meta = program.metadata();
    let age = meta.and_then(|meta| Ok((meta.modified()?, meta.len())));
    format!("{:?}", age.ok())
}
