//! Files put in place in one move: whoever reads finds the old file or the whole new one. A link stays one, a file
//! keeps its mode, one that must not be written stays what it is, and what is no file (a device, a pipe) is written
//! into. Other names of the same file (hard links) keep the old content.

use std::fs;
use std::io::{self, Write as _};
use std::os::fd::{BorrowedFd, RawFd};
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Result};

/// Bytes of a file's name, at most, as Linux has it.
const LONGEST_NAME: usize = 255;

/// Links that lead to each other, at most, as Linux has it.
const MOST_LINKS: usize = 40;

/// Puts `content` at `path` in one move, also in the face of a crash or a loss of power.
pub(crate) fn file(path: &Path, content: &[u8]) -> Result<()> {
    let written = match Place::of(path)? {
        Place::File(target) => put(&target, content),
        Place::Stream(stream) => fs::File::options()
            .write(true)
            .open(stream)
            .and_then(|mut stream| stream.write_all(content)),
        Place::Open(number) => write_to_open(number, content),
    };
    written.map_err(|e| {
        let error = Error::io(path, &e);
        match e.kind() {
            _ if path.ancestors().skip(1).any(Path::is_file) => {
                error.fix("choose another folder: a part of this path is a file")
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                error.fix("make room, or choose a place on another disk")
            }
            _ => error.fix("choose a place that you may write to"),
        }
    })
}

/// Makes sure, before any work is done, that something can be put at `path`.
pub(crate) fn try_out(path: &Path) -> Result<()> {
    match Place::of(path)? {
        Place::File(target) => {
            if target.exists() {
                fs::File::options()
                    .write(true)
                    .open(&target)
                    .map_err(|e| Error::io(path, &e).fix("choose a file that can be written to"))?;
            }
            let temporary = beside(&target);
            fs::create_dir_all(folder(&target))
                .and_then(|()| fs::File::create(&temporary))
                .and_then(|_| fs::remove_file(&temporary))
                .map_err(|e| Error::io(path, &e).fix("choose a folder that can be written to"))
        }
        // To open a pipe might wait for its reader.
        Place::Stream(_) | Place::Open(_) => Ok(()),
    }
}

/// Where a file at `path` is in truth: at the end of the links that lead there, which it need not have reached yet.
pub(crate) fn target(path: &Path) -> Result<PathBuf> {
    Ok(match Place::of(path)? {
        Place::File(target) => target,
        Place::Stream(_) | Place::Open(_) => path.to_owned(),
    })
}

/// Where what is saved at a path goes.
#[derive(Debug, PartialEq)]
enum Place {
    /// A file, or where one will be.
    File(PathBuf),
    /// A device or a pipe.
    Stream(PathBuf),
    /// What this process has open under this number: /dev/stdout leads there. Opened anew by its path it would be
    /// written from its start.
    Open(RawFd),
}

impl Place {
    fn of(path: &Path) -> Result<Self> {
        let place = || path.display().to_string();
        if path.file_name().is_none() {
            return Err(Error::spec("expected the name of a file").at(place()));
        }
        let mut end = path.to_owned();
        for _ in 0..MOST_LINKS {
            if let Some(number) = own_number(&end) {
                return Ok(Place::Open(number));
            }
            if let Ok(next) = fs::read_link(&end) {
                end = folder(&end).join(next);
                continue;
            }
            return match fs::metadata(&end) {
                Ok(found) if found.is_dir() => {
                    Err(Error::spec("expected the name of a file, found a folder")
                        .at(place())
                        .fix("add a name, such as run.safetensors"))
                }
                Ok(found) if !found.is_file() => Ok(Place::Stream(end)),
                // Whatever else is wrong with it shows when it is written.
                _ => Ok(Place::File(end)),
            };
        }
        Err(Error::spec(format!("expected a file, found more than {MOST_LINKS} links")).at(place()))
    }
}

/// The number of an open file of this process, if `path` names one: /proc/self/fd/1, /dev/fd/1.
fn own_number(path: &Path) -> Option<RawFd> {
    let number: RawFd = path.file_name()?.to_str()?.parse().ok()?;
    let folder = folder(path).canonicalize().ok()?;
    let own = Path::new("/proc").join(std::process::id().to_string());
    (folder.starts_with(own) && folder.ends_with("fd") && path.exists()).then_some(number)
}

fn write_to_open(number: RawFd, content: &[u8]) -> io::Result<()> {
    // What was printed before comes before.
    match number {
        libc::STDOUT_FILENO => {
            let mut out = io::stdout().lock();
            out.write_all(content).and_then(|()| out.flush())
        }
        _ => {
            // SAFETY: the number is among those that are open, as /proc has just said, and is only copied. Should
            // another thread close it meanwhile, the copy fails.
            let open = unsafe { BorrowedFd::borrow_raw(number) };
            fs::File::from(open.try_clone_to_owned()?).write_all(content)
        }
    }
}

/// The folder a file is in.
fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// A name in the folder of `path` that no other write uses.
fn beside(path: &Path) -> PathBuf {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let own = format!(".{}-{number}.part", std::process::id());
    let mut name = path.file_name().unwrap_or_default().to_owned();
    // A long name leaves no room for more.
    match name.len() + own.len() > LONGEST_NAME {
        true => name = own.into(),
        false => name.push(own),
    }
    folder(path).join(name)
}

fn put(path: &Path, content: &[u8]) -> io::Result<()> {
    let temporary = beside(path);
    let old = fs::metadata(path).ok();
    if old.is_some() {
        // A move asks for no leave of the file that it replaces: one that is to be kept would be lost.
        fs::File::options().write(true).open(path)?;
    }
    let written = fs::create_dir_all(folder(path))
        .and_then(|()| fs::File::create(&temporary))
        .and_then(|mut file| {
            file.write_all(content)?;
            if let Some(old) = &old {
                // Another's file stays another's where that is in this process's power.
                let _ = fchown(&file, Some(old.uid()), Some(old.gid()));
                file.set_permissions(old.permissions())?;
            }
            file.sync_all()
        })
        .and_then(|()| fs::rename(&temporary, path))
        .and_then(|()| fs::File::open(folder(path))?.sync_all());
    written.inspect_err(|_| {
        // The write's error is the one to report; a left-over part is no harm.
        let _ = fs::remove_file(&temporary);
    })
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::os::fd::AsRawFd as _;
    use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _, chown, symlink};

    use super::*;
    use crate::testing::Scratch;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> = entries
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_file_is_replaced_and_keeps_its_mode() {
        let dir = Scratch::new();
        let path = dir.file("real/a.bin", "old, and longer");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        file(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
        // Only the superuser can give a file away.
        if chown(&path, Some(12), Some(34)).is_ok() {
            file(&path, b"newer").unwrap();
            let found = fs::metadata(&path).unwrap();
            assert_eq!((found.uid(), found.gid(), found.mode() & 0o777), (12, 34, 0o640));
        }
        file(&dir.path().join("deep/er/b.bin"), b"made").unwrap();
        assert_eq!(fs::read(dir.path().join("deep/er/b.bin")).unwrap(), b"made");
        assert_eq!(names(&dir.path().join("real")), ["a.bin"]);
    }

    #[test]
    fn links_stay_and_what_they_lead_to_is_replaced() {
        let dir = Scratch::new();
        let real = dir.file("real/a.bin", "old");
        let at = |name: &str| dir.path().join(name);
        fs::create_dir(at("links")).unwrap();
        // A link to a link, both relative and in other folders; and a whole folder that is one.
        symlink("../real/a.bin", at("links/one")).unwrap();
        symlink("links/one", at("two")).unwrap();
        symlink("real", at("same")).unwrap();
        for (path, content) in [("links/one", "1"), ("two", "2"), ("same/a.bin", "3")] {
            try_out(&at(path)).unwrap();
            file(&at(path), content.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&real).unwrap(), content);
        }
        assert!(at("links/one").is_symlink() && at("two").is_symlink() && at("same").is_symlink());
        assert!(!real.is_symlink());
        assert_eq!(names(&at("links")), ["one"]);
        assert_eq!(names(&at("real")), ["a.bin"]);
    }

    #[test]
    fn a_link_to_nothing_yet_is_where_the_file_is_made() {
        let dir = Scratch::new();
        let at = |name: &str| dir.path().join(name);
        symlink("later/b.bin", at("link")).unwrap();
        symlink(at("link"), at("absolute")).unwrap();
        file(&at("absolute"), b"made").unwrap();
        assert!(at("link").is_symlink() && at("absolute").is_symlink());
        assert_eq!(fs::read(at("later/b.bin")).unwrap(), b"made");
        symlink("round", at("round")).unwrap();
        let error = file(&at("round"), b"x").unwrap_err().to_string();
        assert!(error.contains("links") && error.contains("round"), "{error}");
        assert!(at("round").is_symlink());
    }

    #[test]
    fn devices_and_pipes_are_written_into() {
        let dir = Scratch::new();
        let null = dir.path().join("null");
        symlink("/dev/null", &null).unwrap();
        for path in [Path::new("/dev/null"), &null] {
            try_out(path).unwrap();
            file(path, b"gone").unwrap();
        }
        assert!(null.is_symlink());
        assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());

        let pipe = dir.path().join("pipe");
        let name = std::ffi::CString::new(pipe.as_os_str().as_encoded_bytes()).unwrap();
        // SAFETY: a name that ends in a zero byte.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        try_out(&pipe).unwrap();
        let reader = std::thread::spawn({
            let pipe = pipe.clone();
            move || fs::read(pipe).unwrap()
        });
        file(&pipe, b"through").unwrap();
        assert_eq!(reader.join().unwrap(), b"through");
        assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
        assert_eq!(names(dir.path()), ["null", "pipe"]);
    }

    /// As /dev/stdout is, also where the output goes to a file: what was written before stays.
    #[test]
    fn what_is_open_is_gone_on_with() {
        let dir = Scratch::new();
        let path = dir.path().join("log");
        let mut log = fs::File::create(&path).unwrap();
        log.write_all(b"before ").unwrap();
        let open = format!("/proc/self/fd/{}", log.as_raw_fd());
        let link = dir.path().join("link");
        symlink(&open, &link).unwrap();
        file(&link, b"saved ").unwrap();
        file(Path::new(&open.replace("/proc/self", "/dev")), b"twice ").unwrap();
        log.write_all(b"after").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"before saved twice after");
        assert!(link.is_symlink());

        let (mut reader, writer) = io::pipe().unwrap();
        file(Path::new(&format!("/dev/fd/{}", writer.as_raw_fd())), b"piped").unwrap();
        drop(writer);
        let mut piped = Vec::new();
        reader.read_to_end(&mut piped).unwrap();
        assert_eq!(piped, b"piped");
    }

    /// Of a file's other names only its own new one changes; a path that ends in a slash names no file.
    #[test]
    fn hard_links_and_slashes() {
        let dir = Scratch::new();
        let path = dir.file("a.bin", "old");
        let other = dir.path().join("b.bin");
        fs::hard_link(&path, &other).unwrap();
        file(&path, b"new").unwrap();
        assert_eq!(
            (fs::read(&path).unwrap(), fs::read(&other).unwrap()),
            (b"new".to_vec(), b"old".to_vec())
        );
        for name in ["a.bin/", "none/"] {
            assert!(file(&dir.path().join(name), b"x").is_err(), "{name}");
        }
        assert_eq!(names(dir.path()), ["a.bin", "b.bin"]);
    }

    #[test]
    fn what_must_not_be_written_stays() {
        let dir = Scratch::new();
        let path = dir.file("kept.bin", "old");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o777)).unwrap();
        // The superuser may write anything: in this thread it is nobody.
        let refused = std::thread::scope(|threads| {
            let work = || {
                // SAFETY: changes who this thread is for files, which ends with it.
                unsafe { libc::setfsuid(65534) };
                [file(&path, b"new"), try_out(&path)]
            };
            threads.spawn(work).join().unwrap()
        });
        for error in refused.map(Result::unwrap_err) {
            let error = error.to_string();
            assert!(
                error.contains("kept.bin") && error.contains("to do: choose a"),
                "{error}"
            );
        }
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(names(dir.path()), ["kept.bin"]);
        let error = file(Path::new("/dev/full"), b"x").unwrap_err().to_string();
        assert!(
            error.contains("/dev/full") && error.contains("make room"),
            "{error}"
        );
        let error = file(&path.join("in/it.bin"), b"x").unwrap_err().to_string();
        assert!(error.contains("a part of this path is a file"), "{error}");
    }

    #[test]
    fn a_folder_is_no_file() {
        let dir = Scratch::new();
        fs::create_dir(dir.path().join("real")).unwrap();
        symlink("real", dir.path().join("link")).unwrap();
        for name in ["real", "link", ".."] {
            let error = file(&dir.path().join(name), b"x").unwrap_err().to_string();
            assert!(error.contains("the name of a file"), "{error}");
        }
    }
}
