//! The private folders of kernels: made fresh and closed to others, kept as long as their process lives, swept away by a
//! later one.

use crate::session::build::files::lock;
use crate::session::build::private;
use anyhow::{Result, bail, ensure};
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where they are made: what TMPDIR names, unless others could put something else in its place, or the
/// tools that work there could not be told its path.
pub fn parent() -> Result<PathBuf> {
    const WAY_OUT: &str = "TMPDIR names the folder for temporary files: set it to another one";
    if std::env::var_os("TMPDIR").is_some_and(|named| named.is_empty()) {
        // SAFETY: as in `home`.
        unsafe { std::env::remove_var("TMPDIR") };
    }
    let named = std::env::temp_dir();
    let folder = std::path::absolute(&named)?;
    if named != folder {
        // The tools work in folders of their own.
        // SAFETY: as in `home`.
        unsafe { std::env::set_var("TMPDIR", &folder) };
    }
    let path = folder.as_os_str().as_encoded_bytes();
    if let Some(letter) = [b':', b'%', b'\n'].iter().find(|letter| path.contains(letter)) {
        bail!(
            "{} has a {:?} in its path, which lists of folders and linkers do not take. {WAY_OUT}",
            folder.display(),
            char::from(*letter)
        );
    }
    /// Of a folder: only an entry's owner may rename it.
    const STICKY: u32 = 0o1000;
    if folder
        .metadata()
        .is_ok_and(|meta| meta.mode() & 0o002 != 0 && meta.mode() & STICKY == 0)
    {
        bail!(
            "anybody may put something else in the place of what is made in {} (it is writable for all, without the sticky \
             bit; `chmod +t` mends that). {WAY_OUT}",
            folder.display()
        );
    }
    Ok(folder)
}

/// What marks a private directory, and is locked as long as its process lives.
pub const LOCK: &str = "lock";
/// How the name of a private directory starts.
const NAME: &str = "jook-";

/// A new folder below `parent` that nobody else can have made, look into or change.
pub fn make(parent: &Path) -> Result<PathBuf> {
    let wanted = CString::new(
        parent
            .join(format!("{NAME}XXXXXX"))
            .into_os_string()
            .into_encoded_bytes(),
    )?;
    let mut name = wanted.into_bytes_with_nul();
    // SAFETY: a text that ends in a zero, of which the call changes the six letters before it.
    let made = unsafe { libc::mkdtemp(name.as_mut_ptr().cast()) };
    if made.is_null() {
        let error = std::io::Error::last_os_error();
        bail!(
            "no private folder could be made in {}: {error}; TMPDIR names the folder for temporary files",
            parent.display()
        );
    }
    name.pop();
    let dir = PathBuf::from(OsString::from_vec(name));
    // The lock is there from the moment that its file is.
    let begun = dir.join("lock-new");
    let file = std::fs::File::create(&begun)?;
    ensure!(lock(&file), "a new file is locked: {}", begun.display());
    std::fs::rename(&begun, dir.join(LOCK))?;
    // As long as this process lives: the system lets go of it.
    std::mem::forget(file);
    // By a lock of the folder itself, systemd knows that it is not to be cleaned up.
    if let Ok(folder) = std::fs::File::open(&dir) {
        lock(&folder);
        std::mem::forget(folder);
    }
    Ok(dir)
}

/// Removes the private directories of processes that are gone. A lock tells that better than a process's number, which
/// another process may have, or this one may not see.
pub fn sweep(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let ours = entry
            .file_name()
            .to_str()
            .and_then(|name| name.strip_prefix(NAME))
            .is_some_and(|rest| rest.len() == 6 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        // Of the entry itself, not of what it may lead to.
        let made_here = entry.metadata().is_ok_and(|meta| {
            // SAFETY: asks for a number.
            meta.is_dir() && meta.uid() == unsafe { libc::geteuid() } && meta.mode() & 0o077 == 0
        });
        if !(ours && made_here && is_a_kernels(&entry.path())) {
            continue;
        }
        let free = std::fs::File::open(entry.path().join(LOCK)).is_ok_and(|file| lock(&file));
        if free {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether a folder of that name has what a kernel makes first, and an empty lock: somebody may have one of his own.
fn is_a_kernels(dir: &Path) -> bool {
    let empty = dir
        .join(LOCK)
        .symlink_metadata()
        .is_ok_and(|meta| meta.is_file() && meta.len() == 0);
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let alone = || entries.map(|entry| entry.file_name()).eq([LOCK]);
    empty && (dir.join("bin").join(private::LINKER).is_symlink() || alone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_private_folder_is_new_and_closed_and_swept_only_when_its_process_is_gone() {
        let parent = std::env::temp_dir().join(format!("of-jook-home-{}", std::process::id()));
        std::fs::create_dir(&parent).unwrap();
        let stranger = parent.join("jook-stranger");
        std::fs::create_dir(&stranger).unwrap();
        let dir = make(&parent).unwrap();
        assert_eq!(dir.metadata().unwrap().mode() & 0o777, 0o700);
        assert_ne!(make(&parent).unwrap(), dir);
        // One whose process is gone holds no lock.
        let left = make(&parent).unwrap();
        std::fs::remove_file(left.join(LOCK)).unwrap();
        std::fs::write(left.join(LOCK), "").unwrap();
        let users = parent.join("jook-thesis");
        std::fs::create_dir(&users).unwrap();
        std::fs::set_permissions(&users, std::fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::write(users.join(LOCK), "").unwrap();
        std::fs::write(users.join("thesis.txt"), "all of it").unwrap();
        let open = parent.join("jook-opened");
        std::fs::create_dir(&open).unwrap();
        std::fs::write(open.join(LOCK), "").unwrap();
        sweep(&parent);
        assert!(dir.exists() && stranger.exists() && open.exists() && users.exists() && !left.exists());
        std::fs::remove_dir_all(parent).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_had_is_told_with_a_way_out() {
        let error = make(Path::new("/proc/nothing")).unwrap_err().to_string();
        assert!(
            error.contains("/proc/nothing") && error.contains("TMPDIR"),
            "{error}"
        );
    }
}
