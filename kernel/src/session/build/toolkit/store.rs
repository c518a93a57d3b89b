//! Where linked toolkits are kept: each in a folder of its own, which never changes.
//!
//! A session compiles and runs all its cells against the toolkit that it has started with, whatever is built meanwhile.
//! The folder's name tells what it was linked from; a note tells which one is the newest. Those that no session uses
//! any more are removed when another one is linked.

use crate::session::build::files::lock;
use crate::session::build::home;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// The dynamic library's file name; crate `jook_cells`.
pub const DYLIB: &str = "libjook_cells.so";
/// Changes when toolkits are linked in another way.
const FORM: u32 = 2;
/// Locked by each session that uses the folder.
const USED: &str = "used";

/// A file as it was at some time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stamp {
    path: PathBuf,
    modified: Option<SystemTime>,
    size: u64,
}

impl Stamp {
    /// The file as it is now.
    pub fn of(path: &Path) -> Self {
        let meta = path.metadata().ok();
        Self {
            path: path.to_owned(),
            modified: meta.as_ref().and_then(|meta| meta.modified().ok()),
            size: meta.map_or(0, |meta| meta.len()),
        }
    }

    /// Whether the file is still as it was.
    pub fn holds(&self) -> bool {
        *self == Self::of(&self.path)
    }
}

/// What is known of the newest toolkit.
#[derive(Serialize, Deserialize)]
pub struct Current {
    /// The name of its folder.
    folder: String,
    /// The library that it was linked from.
    library: Stamp,
    /// The compiler that has built it: its file, and what it says of itself.
    compiler: Stamp,
    version: String,
    /// When its build began: what is newer is not in it.
    begun: SystemTime,
}

impl Current {
    fn note(cache: &Path) -> PathBuf {
        cache.join("current.json")
    }

    /// The newest toolkit, if there is one.
    pub fn read(cache: &Path) -> Option<Self> {
        let kept: Self = serde_json::from_slice(&std::fs::read(Self::note(cache)).ok()?).ok()?;
        kept.dylib(cache).exists().then_some(kept)
    }

    /// Its library for cells.
    pub fn dylib(&self, cache: &Path) -> PathBuf {
        toolkits(cache).join(&self.folder).join(DYLIB)
    }

    /// Whether it is of this compiler: of its file, or of another installation of the same version.
    pub fn fits(&self, rustc: &Path) -> bool {
        self.compiler == Stamp::of(rustc) || version(rustc).is_ok_and(|version| version == self.version)
    }

    /// When it was linked.
    pub fn linked(&self, cache: &Path) -> Option<SystemTime> {
        self.dylib(cache).metadata().and_then(|meta| meta.modified()).ok()
    }

    /// Whether it was linked from what `newest` is now, and nothing of `changed` came after its build began.
    pub fn is_of(
        &self,
        newest: Option<PathBuf>,
        mut changed: impl Iterator<Item = Option<SystemTime>>,
    ) -> bool {
        self.library.holds()
            && newest.is_none_or(|newest| newest == self.library.path)
            && changed.all(|time| time.is_some_and(|time| time <= self.begun))
    }
}

fn toolkits(cache: &Path) -> PathBuf {
    cache.join("toolkits")
}

/// What a compiler says of itself.
fn version(rustc: &Path) -> Result<String> {
    let output = home::outside(&mut Command::new(rustc)).arg("-vV").output()?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The folder for a toolkit of `library`, linked by `link` if it is not there; it is the newest from now on.
///
/// # Errors
/// When it cannot be linked or written.
pub fn keep(
    cache: &Path,
    library: &Path,
    rustc: &Path,
    begun: SystemTime,
    link: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    let current = Current {
        folder: String::new(),
        library: Stamp::of(library),
        compiler: Stamp::of(rustc),
        version: version(rustc)?,
        begun,
    };
    let mut key = DefaultHasher::new();
    (
        FORM,
        &current.version,
        &library,
        current.library.modified,
        current.library.size,
    )
        .hash(&mut key);
    let current = Current {
        folder: format!("{:016x}", key.finish()),
        ..current
    };
    let folder = toolkits(cache).join(&current.folder);
    if !folder.join(DYLIB).exists() {
        let new = toolkits(cache).join(format!("new-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&new);
        std::fs::create_dir_all(&new).with_context(|| format!("could not create {}", new.display()))?;
        link(&new)?;
        File::create(new.join(USED))?;
        // What cells' types lead to: cargo puts another one in its place at the next build.
        let beside = new.join(library.file_name().unwrap_or_default());
        if std::fs::hard_link(library, &beside).is_err() {
            std::fs::copy(library, &beside)?;
        }
        let _ = std::fs::remove_dir_all(&folder);
        std::fs::rename(&new, &folder)?;
        collect(cache, &folder);
    }
    let note = Current::note(cache);
    let new = note.with_extension("new");
    std::fs::write(&new, serde_json::to_vec(&current)?)?;
    Ok(std::fs::rename(new, note)?)
}

/// Keeps a toolkit's folder from being removed as long as this process lives.
pub fn pin(dylib: &Path) {
    let used = dylib.parent().map(|folder| folder.join(USED));
    if let Some(file) = used.and_then(|used| File::open(used).ok()) {
        // SAFETY: locks a file that this process has open, and keeps open.
        unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_SH | libc::LOCK_NB) };
        std::mem::forget(file);
    }
}

/// Removes the toolkits that no session uses, but for one.
fn collect(cache: &Path, but: &Path) {
    for entry in std::fs::read_dir(toolkits(cache)).into_iter().flatten().flatten() {
        let folder = entry.path();
        if folder == but {
            continue;
        }
        // Links one at a time: what another one has begun was given up.
        if entry.file_name().to_string_lossy().starts_with("new-") {
            let _ = std::fs::remove_dir_all(folder);
            continue;
        }
        if File::open(folder.join(USED)).is_ok_and(|file| lock(&file)) {
            let _ = std::fs::remove_dir_all(folder);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rustc() -> PathBuf {
        home::real_tool("rustc").unwrap()
    }

    #[test]
    fn a_toolkit_in_use_stays_and_the_newest_is_known() {
        let cache = std::env::temp_dir().join(format!("of-jook-store-{}", std::process::id()));
        std::fs::create_dir_all(&cache).unwrap();
        let library = cache.join("libjook.rlib");
        let begun = SystemTime::now();
        let link = |text: &'static str| move |folder: &Path| Ok(std::fs::write(folder.join(DYLIB), text)?);
        let kept = || Current::read(&cache).unwrap();
        std::fs::write(&library, "one").unwrap();
        keep(&cache, &library, &rustc(), begun, link("1")).unwrap();
        let first = kept();
        assert!(first.fits(&rustc()) && first.is_of(Some(library.clone()), [Some(begun)].into_iter()));
        assert!(!first.is_of(
            None,
            [Some(begun + std::time::Duration::from_secs(1))].into_iter()
        ));
        // The same library is not linked again.
        keep(&cache, &library, &rustc(), begun, |_| anyhow::bail!("again")).unwrap();
        let one = first.dylib(&cache);
        pin(&one);
        std::fs::remove_file(&library).unwrap();
        std::fs::write(&library, "two!").unwrap();
        assert!(!first.is_of(None, std::iter::empty()));
        keep(&cache, &library, &rustc(), begun, link("2")).unwrap();
        let two = kept().dylib(&cache);
        std::fs::write(&library, "three").unwrap();
        keep(&cache, &library, &rustc(), begun, link("3")).unwrap();
        assert!(one.exists() && !two.exists(), "only what is in use stays");
        assert_eq!(std::fs::read(one.with_file_name("libjook.rlib")).unwrap(), b"one");
        assert_eq!(std::fs::read(kept().dylib(&cache)).unwrap(), b"3");
        std::fs::remove_dir_all(cache).unwrap();
    }
}
