//! When files were changed, and who has them.

use std::os::fd::AsRawFd;
use std::path::Path;
use std::time::SystemTime;

/// When a file was changed last.
pub fn modified(path: &Path) -> Option<SystemTime> {
    path.metadata().and_then(|meta| meta.modified()).ok()
}

/// When something in a folder was changed last.
pub fn newest(dir: &Path) -> Option<SystemTime> {
    let mut latest = modified(dir);
    for entry in std::fs::read_dir(dir).ok()?.flatten() {
        let path = entry.path();
        latest = latest.max(if path.is_dir() {
            newest(&path)
        } else {
            modified(&path)
        });
    }
    latest
}

/// Takes the lock of a file for this process, unless another has it.
pub fn lock(file: &std::fs::File) -> bool {
    // SAFETY: locks a file that this process has open.
    unsafe { libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) == 0 }
}
