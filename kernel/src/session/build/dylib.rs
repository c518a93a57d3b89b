//! The crates that a notebook adds, as one library that all its cells share.
//!
//! Each cell is a library of its own. With the crates linked into each, a logger that one cell sets up is not there in the
//! next, nor is the runtime of tokio. When crates are added later, the new library holds the new ones and stands on the
//! one before.

use crate::session::build::home;
use crate::session::build::private;
use crate::session::digest::digest_of;
use crate::session::life::hold::Hold;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A library of crates.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Library {
    /// Of the crates that it was made for.
    key: u64,
    /// The crate that holds them.
    name: String,
    folder: PathBuf,
}

impl Library {
    fn path(&self) -> PathBuf {
        self.folder.join(format!("lib{}.so", self.name))
    }

    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What a cell's source says to have it.
    pub fn brought_in(&self) -> String {
        format!("\nextern crate {} as _;\n", self.name)
    }

    /// What rustc is told to link it.
    pub fn link(&self, rustc: &mut Command) {
        rustc
            .arg("--extern")
            .arg(format!("{}={}", self.name, self.path().display()));
        rustc
            .arg("-L")
            .arg(format!("dependency={}", self.folder.display()));
    }
}

/// The library of these crates, on those that the process has `loaded`; made when there is none yet. None when the crates
/// cannot be put in a library: each cell has its own then, which is told.
///
/// # Errors
/// When rustc cannot be run.
pub fn library(
    crates: &[(String, PathBuf)],
    objects: &Path,
    loaded: &[Library],
    hold: &Hold,
) -> Result<Option<Library>> {
    let crates: Vec<&(String, PathBuf)> = crates.iter().filter(|(_, path)| is_static(path)).collect();
    let Some(folder) = private::cache_dir()
        .map(|cache| cache.join("deps/shared"))
        .filter(|_| !crates.is_empty())
    else {
        return Ok(None);
    };
    let key = digest_of(
        &crates
            .iter()
            .map(|(name, path)| (name, identity(path)))
            .collect::<Vec<_>>(),
    );
    if let Some(known) = loaded
        .iter()
        .find(|library| library.key == key && library.path().exists())
    {
        return Ok(Some(known.clone()));
    }
    std::fs::create_dir_all(&folder)?;
    let last = loaded.last();
    // Not on one whose crates have changed since: two of one name do not go together.
    for below in [last, None].into_iter().take(if last.is_some() { 2 } else { 1 }) {
        let name = format!(
            "jook_added_{:016x}",
            digest_of(&(key, below.map(|library| &library.name)))
        );
        let library = Library {
            key,
            name,
            folder: folder.clone(),
        };
        let failed = folder.join(format!("{}.failed", library.name));
        if library.path().exists() || !failed.exists() && make(&library, &crates, objects, below)? {
            if last.is_some() && below.is_none() {
                hold.progress("note: the added crates are other ones than before: what they keep in statics begins anew");
            }
            return Ok(Some(library));
        }
        let told = !failed.exists();
        std::fs::write(&failed, "")?;
        if told && below.is_none() {
            hold.progress(
                "note: the added crates cannot be put in one library: what they keep in statics begins anew in each cell",
            );
        }
    }
    Ok(None)
}

/// Whether it was made.
fn make(
    library: &Library,
    crates: &[&(String, PathBuf)],
    objects: &Path,
    below: Option<&Library>,
) -> Result<bool> {
    let (rustc, _) = private::tools()?;
    let unfinished = tempfile(&library.folder)?;
    let mut rustc = Command::new(rustc);
    home::outside(&mut rustc)
        .args([
            "--crate-type=dylib",
            "--edition=2024",
            "--crate-name",
            &library.name,
        ])
        .args([
            "-C",
            "prefer-dynamic",
            "-C",
            "opt-level=1",
            "-C",
            "embed-bitcode=no",
            "-",
        ])
        .arg("-o")
        .arg(unfinished.join(format!("lib{}.so", library.name)))
        .arg("-L")
        .arg(format!("dependency={}", objects.display()))
        // Beside it lies the one that it stands on.
        .args(["-C", "link-arg=-Wl,-rpath,$ORIGIN"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut source = String::new();
    for (name, path) in crates {
        rustc.arg("--extern").arg(format!("{name}={}", path.display()));
        source.push_str(&format!("extern crate {name} as _;\n"));
    }
    if let Some(below) = below {
        below.link(&mut rustc);
        source.push_str(&below.brought_in());
    }
    let mut running = rustc.spawn()?;
    if let Some(mut input) = running.stdin.take() {
        let _ = input.write_all(source.as_bytes());
    }
    let made = running.wait()?.success();
    if made {
        std::fs::rename(unfinished.join(format!("lib{}.so", library.name)), library.path())?;
    }
    let _ = std::fs::remove_dir_all(unfinished);
    Ok(made)
}

fn tempfile(folder: &Path) -> Result<PathBuf> {
    let made = folder.join(format!("unfinished-{}", std::process::id()));
    std::fs::create_dir_all(&made)?;
    Ok(made)
}

/// Macros run in the compiler and need no library.
fn is_static(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "rlib")
}

/// A library is built anew under its old name when its source changes.
pub fn identity(path: &Path) -> u64 {
    let meta = path.metadata().ok();
    let built = meta.as_ref().and_then(|meta| meta.modified().ok());
    digest_of(&(path, built, meta.map(|meta| meta.len())))
}
