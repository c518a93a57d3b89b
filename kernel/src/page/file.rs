//! Writing the files of a run: whole or not at all, and never in place of something that is no file.

use anyhow::{Result, anyhow};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

/// Replaces `path` by `text` in one step: a reader finds the old file or the new one, never a part. A link
/// stays one, and a file keeps its mode; a device or a pipe is written to.
pub fn write_whole(path: &Path, text: &str) -> Result<()> {
    let name = path
        .file_name()
        .ok_or_else(|| anyhow!("{} names no file", path.display()))?;
    let failed = |error: std::io::Error| anyhow!("cannot write {}: {error}", path.display());
    let old = fs::metadata(path).ok();
    if old.is_some() && leads_to_an_open_file(path) {
        // /dev/stdout of a program whose output goes to a file: what it wrote before stays, and what follows too.
        let opened = File::options().append(true).open(path);
        return opened
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .map_err(failed);
    }
    // A link without metadata leads to a file that is not there yet.
    if old.as_ref().map_or(path.is_symlink(), |old| !old.is_file()) {
        return fs::write(path, text).map_err(failed);
    }
    let target = match &old {
        Some(_) => {
            // A move asks for no leave of the file that it replaces: one that must not be written would be lost.
            File::options().write(true).open(path).map_err(failed)?;
            path.canonicalize().map_err(failed)?
        }
        None => path.to_path_buf(),
    };
    let draft = target.with_file_name(format!(".{}.{}", name.to_string_lossy(), std::process::id()));
    let written = File::create(&draft).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        if let Some(old) = &old {
            file.set_permissions(old.permissions())?;
        }
        file.sync_all()?;
        fs::rename(&draft, &target)
    });
    written.map_err(|error| {
        let _ = fs::remove_file(&draft);
        failed(error)
    })
}

/// Whether the links of a path lead to a file that a process has open, by its number.
fn leads_to_an_open_file(path: &Path) -> bool {
    let mut end = path.to_path_buf();
    // More links in a row no system follows.
    for _ in 0..40 {
        let folder = end.parent().and_then(|folder| folder.canonicalize().ok());
        if folder.is_some_and(|folder| folder.starts_with("/proc") && folder.ends_with("fd")) {
            return true;
        }
        let Ok(next) = fs::read_link(&end) else {
            return false;
        };
        end = end.parent().unwrap_or(Path::new("")).join(next);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_replaces_the_whole_file_and_leaves_no_draft() {
        let folder = std::env::temp_dir().join(format!("jook-write-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("a.ipynb");
        write_whole(&path, "old, and longer").unwrap();
        write_whole(&path, "new").unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "new");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        assert!(write_whole(&folder.join("none/a.ipynb"), "x").is_err());
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn writing_keeps_links_modes_and_devices() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = std::env::temp_dir().join(format!("jook-keep-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("real")).unwrap();
        let (file, link) = (folder.join("real/a.ipynb"), folder.join("link.ipynb"));
        std::fs::write(&file, "old").unwrap();
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o640)).unwrap();
        symlink("real/a.ipynb", &link).unwrap();
        write_whole(&link, "new").unwrap();
        assert!(link.is_symlink());
        assert_eq!(std::fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o640);

        let (null, later) = (folder.join("null"), folder.join("later"));
        symlink("/dev/null", &null).unwrap();
        symlink("real/b.ipynb", &later).unwrap();
        write_whole(&null, "gone").unwrap();
        write_whole(&later, "made").unwrap();
        assert!(null.is_symlink() && later.is_symlink());
        assert_eq!(
            std::fs::read_to_string(folder.join("real/b.ipynb")).unwrap(),
            "made"
        );
        assert_eq!(std::fs::read_dir(folder.join("real")).unwrap().count(), 2);
        // As /dev/stdout leads to a file when the output goes there.
        let log = folder.join("log");
        let mut open = std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .unwrap();
        open.write_all(b"before ").unwrap();
        let number = std::os::fd::AsRawFd::as_raw_fd(&open);
        symlink(format!("/proc/self/fd/{number}"), folder.join("out")).unwrap();
        write_whole(&folder.join("out"), "page ").unwrap();
        open.write_all(b"after").unwrap();
        assert_eq!(std::fs::read_to_string(&log).unwrap(), "before page after");
        std::fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn what_must_not_be_written_stays() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = std::env::temp_dir().join(format!("jook-readonly-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let path = folder.join("a.html");
        std::fs::write(&path, "old").unwrap();
        let mode = |path: &Path, mode| {
            std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
        };
        mode(&path, 0o444);
        mode(&folder, 0o777);
        // The superuser may write anything: in this thread it is nobody.
        let refused = std::thread::scope(|threads| {
            let work = || {
                // SAFETY: changes who this thread is for files, which ends with it.
                unsafe { libc::setfsuid(65534) };
                write_whole(&path, "new")
            };
            threads.spawn(work).join().unwrap()
        });
        assert!(refused.unwrap_err().to_string().contains("a.html"));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "old");
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
