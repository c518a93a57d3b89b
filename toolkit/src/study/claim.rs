//! [`Claim`]: which process computes a trial, when several share a store.
//!
//! A claim is the lock of a file named by the trial's key. The system lets go of it when its process ends, however
//! that comes about: nothing is left that keeps the others from taking the trial over.

use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// The right to compute one trial, until it is dropped.
#[derive(Debug)]
pub(super) struct Claim {
    /// None where files cannot be locked: then a trial may be computed twice, with the same result.
    locked: Option<(File, PathBuf)>,
}

impl Claim {
    /// Claims the trial `key` of the store in `dir`; none when somebody else has it.
    pub(super) fn try_take(dir: &Path, key: &str) -> Option<Self> {
        let path = dir.join(format!(".{key}{END}"));
        loop {
            let open = File::options()
                .create(true)
                .write(true)
                .truncate(false)
                .open(&path);
            // What is wrong with the folder is told when the trial is saved.
            let Ok(file) = open else {
                return Some(Self { locked: None });
            };
            match file.try_lock() {
                // It may have been given up, and removed, since it was opened.
                Ok(()) if !is_at(&file, &path).unwrap_or(true) => {}
                Ok(()) => {
                    let locked = Some((file, path));
                    return Some(Self { locked });
                }
                Err(TryLockError::WouldBlock) => return None,
                Err(TryLockError::Error(_)) => return Some(Self { locked: None }),
            }
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if let Some((_, path)) = &self.locked {
            let _ = fs::remove_file(path);
        }
    }
}

const END: &str = ".claim";

/// The key in the name of a claim's file.
pub(super) fn key_in(name: &str) -> Option<&str> {
    name.strip_prefix('.')?.strip_suffix(END)
}

/// Whether `path` still leads to this very file.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let own = file.metadata()?;
    match fs::metadata(path) {
        Ok(there) => Ok((there.dev(), there.ino()) == (own.dev(), own.ino())),
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_is_claimed_once_at_a_time_and_leaves_no_file() {
        let dir = std::env::temp_dir().join(format!("jook-claim-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let count = || fs::read_dir(&dir).unwrap().count();
        let claim = Claim::try_take(&dir, "a").unwrap();
        assert!(Claim::try_take(&dir, "a").is_none());
        let other = Claim::try_take(&dir, "b").unwrap();
        assert_eq!(count(), 2);
        drop(claim);
        assert!(Claim::try_take(&dir, "a").is_some());
        drop(other);
        assert_eq!(count(), 0);
        // A file that somebody removes is no longer the one that others lock.
        let claim = Claim::try_take(&dir, "a").unwrap();
        fs::remove_file(dir.join(".a.claim")).unwrap();
        assert!(Claim::try_take(&dir, "a").is_some());
        drop(claim);
        fs::remove_dir_all(&dir).unwrap();
        assert!(
            Claim::try_take(&dir, "a").is_some(),
            "saving tells that the folder is gone"
        );
    }
}
