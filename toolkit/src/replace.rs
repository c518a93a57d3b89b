//! Files put in place in one move: whoever reads finds the old file or the whole new one.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Result};

/// The folder of `path`, and a name in it that no other write uses.
pub(crate) fn beside(path: &Path) -> Result<(PathBuf, PathBuf)> {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let name = path
        .file_name()
        .ok_or_else(|| Error::spec("expected the name of a file").at(path.display().to_string()))?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let mut temporary = name.to_owned();
    temporary.push(format!(".{}-{number}.part", std::process::id()));
    Ok((folder.to_owned(), folder.join(temporary)))
}

/// Puts `content` at `path` in one move, also in the face of a crash or a loss of power.
pub(crate) fn file(path: &Path, content: &[u8]) -> Result<()> {
    let (folder, temporary) = beside(path)?;
    let written = fs::create_dir_all(&folder)
        .and_then(|()| fs::File::create(&temporary))
        .and_then(|mut file| {
            file.write_all(content)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| fs::File::open(&folder)?.sync_all());
    written.map_err(|e| {
        // The write's error is the one to report; a left-over part is no harm.
        let _ = fs::remove_file(&temporary);
        Error::io(path, &e)
    })
}
