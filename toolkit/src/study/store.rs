//! [`Store`]: where finished trials live. One small Parquet file a trial, named by its key.
//!
//! A file is written under another name, synced to disk and renamed, so that it is either not there or whole,
//! at every moment, whatever happens to the process. Of several processes on one store, one computes a trial
//! ([`Claim`]) and the others read it. Failed trials lie in the folder `failed`, apart, so that all of `*.parquet` reads
//! as one table.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use polars::prelude::*;

use super::claim::{self, Claim};
use super::frame::{frame_of, table_error};
use super::record::TrialResult;
use crate::show::{Bundle, Show};
use crate::{Error, Result, replace};

const FAILED: &str = "failed";
/// The file that names the layout of a store and of its trials' keys.
const LAYOUT_FILE: &str = "layout";
const LAYOUT: &str = "2";

/// A folder of finished trials.
#[derive(Clone, Debug)]
pub struct Store {
    dir: PathBuf,
}

impl Store {
    /// Opens the store in `dir`, as a study left it.
    ///
    /// # Errors
    /// When `dir` is not a folder that can be read.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        fs::read_dir(dir)
            .map_err(|e| Error::io(dir, &e).fix("give the folder that the study's .store(..) names"))?;
        Ok(Self { dir: dir.into() })
    }

    /// Opens the store in `dir`, made if need be, and clears away what a killed process left half written.
    ///
    /// # Errors
    /// When the folder cannot be made, or holds trials under keys of another layout.
    pub(super) fn create(dir: &Path) -> Result<Self> {
        let failed = dir.join(FAILED);
        fs::create_dir_all(&failed).map_err(|e| {
            let error = Error::io(&failed, &e);
            match dir.exists() && !dir.is_dir() {
                true => error.fix("name a folder in the study's .store(..): there is a file of this name"),
                false => error.fix("name a folder in the study's .store(..) in which you may write"),
            }
        })?;
        let store = Self { dir: dir.into() };
        store.check_layout()?;
        store.clean(dir);
        store.clean(&failed);
        Ok(store)
    }

    /// Refuses trials whose keys say less than today's; marks a store that has none.
    fn check_layout(&self) -> Result<()> {
        let path = self.dir.join(LAYOUT_FILE);
        match fs::read_to_string(&path) {
            Ok(layout) if layout.trim() == LAYOUT => return Ok(()),
            Ok(_) => {}
            Err(e) if e.kind() == ErrorKind::NotFound => {
                let of_trial = |path: &Path| {
                    path.extension().is_some_and(|e| e == "parquet") && path.file_stem().is_some_and(is_key)
                };
                let empty = [self.dir.clone(), self.dir.join(FAILED)].iter().all(|dir| {
                    let mut entries = fs::read_dir(dir).into_iter().flatten().flatten();
                    !entries.any(|entry| of_trial(&entry.path()))
                });
                if empty {
                    return replace::file(&path, format!("{LAYOUT}\n").as_bytes());
                }
            }
            Err(e) => return Err(Error::io(&path, &e)),
        }
        Err(Error::data(format!(
            "expected a store of layout {LAYOUT}, found trials of another version of Jook: their keys do not say what \
             they were computed with, so none can be used again"
        ))
        .at(self.dir.display().to_string())
        .fix("give the study another folder by .store(..), or remove this one; Store::open still reads its table"))
    }

    /// The store's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// All finished trials, oldest first, failed ones included: settings, seed, metrics, seconds, ending,
    /// error, spec and recipe lines, time, versions.
    ///
    /// # Errors
    /// When a file cannot be read or is not a trial.
    pub fn frame(&self) -> Result<DataFrame> {
        self.table(false)
    }

    /// As [`Store::frame`], with the histories: each column of one is a list, as `history.loss`.
    ///
    /// # Errors
    /// As [`Store::frame`].
    pub fn histories(&self) -> Result<DataFrame> {
        self.table(true)
    }

    fn table(&self, with_histories: bool) -> Result<DataFrame> {
        let trials = self.trials()?;
        frame_of(&trials.iter().collect::<Vec<_>>(), with_histories)
            .map_err(|e| e.at(self.dir.display().to_string()))
    }

    /// All finished trials, oldest first.
    ///
    /// # Errors
    /// As [`Store::frame`].
    pub fn trials(&self) -> Result<Vec<TrialResult>> {
        let mut trials = Vec::new();
        for dir in [self.dir.clone(), self.dir.join(FAILED)] {
            let entries = match fs::read_dir(&dir) {
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                entries => entries.map_err(|e| Error::io(&dir, &e))?,
            };
            for entry in entries {
                let path = entry.map_err(|e| Error::io(&dir, &e))?.path();
                if path.extension().is_some_and(|e| e == "parquet") && path.file_stem().is_some_and(is_key) {
                    match read(&path) {
                        Err(_) if !path.exists() => {} // another process has just done it anew
                        trial => trials.push(trial?),
                    }
                }
            }
        }
        trials.sort_by(|a, b| (a.finished_at, &a.key).cmp(&(b.finished_at, &b.key)));
        Ok(trials)
    }

    /// The finished trial with this key; `None` when there is none, or its file is damaged.
    pub(super) fn find(&self, key: &str) -> Option<TrialResult> {
        self.named(&self.dir, key)
    }

    /// The failed trial with this key.
    pub(super) fn find_failed(&self, key: &str) -> Option<TrialResult> {
        self.named(&self.dir.join(FAILED), key)
    }

    /// The right to compute the trial with this key; none while another process has it.
    pub(super) fn claim(&self, key: &str) -> Option<Claim> {
        Claim::try_take(&self.dir, key)
    }

    fn named(&self, dir: &Path, key: &str) -> Option<TrialResult> {
        // A file that was renamed by hand is another trial's.
        read(&self.path(dir, key)).ok().filter(|trial| trial.key == key)
    }

    fn path(&self, dir: &Path, key: &str) -> PathBuf {
        dir.join(format!("{key}.parquet"))
    }

    /// Puts finished trials on disk; when this returns, they are there to stay. Several at once wait for the
    /// disk together.
    pub(super) fn save(&self, trials: &[&TrialResult]) -> Result<()> {
        const TOGETHER: usize = 8;
        let failed = self.dir.join(FAILED);
        let dir_of = |trial: &TrialResult| if trial.error.is_some() { &failed } else { &self.dir };
        for group in trials.chunks(TOGETHER) {
            std::thread::scope(|threads| {
                let put: Vec<_> = group[1..]
                    .iter()
                    .map(|trial| threads.spawn(|| self.put(dir_of(trial), trial)))
                    .collect();
                let first = self.put(dir_of(group[0]), group[0]);
                let place = self.dir.display().to_string();
                let lost = |_| Err(Error::data("a trial's file was not written").at(place.clone()));
                put.into_iter()
                    .map(|thread| thread.join().unwrap_or_else(lost))
                    .fold(first, Result::and)
            })?;
        }
        let mut touched: Vec<_> = trials.iter().map(|trial| dir_of(trial)).collect();
        touched.sort();
        touched.dedup();
        for dir in touched {
            File::open(dir)
                .and_then(|d| d.sync_all())
                .map_err(|e| Error::io(dir, &e))?;
        }
        for trial in trials.iter().filter(|trial| trial.error.is_none()) {
            let _ = fs::remove_file(self.path(&failed, &trial.key)); // it has worked now
        }
        Ok(())
    }

    fn put(&self, dir: &Path, trial: &TrialResult) -> Result<()> {
        // A link stays one, as those of tools that keep large files elsewhere.
        let path = replace::target(&self.path(dir, &trial.key))?;
        let dir = path.parent().unwrap_or(dir);
        let bytes = parquet(trial).map_err(|error| error.at(path.display().to_string()))?;
        // Another process may take an unlocked new file for a leftover and remove it: then once more.
        for _ in 0..10 {
            match self.write(dir, &path, &bytes) {
                Err(e) if e.kind() == ErrorKind::NotFound && dir.is_dir() => continue,
                done => return done.map_err(|e| Error::io(&path, &e)),
            }
        }
        Err(Error::io(&path, &ErrorKind::NotFound.into()))
    }

    fn write(&self, dir: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let temporary = dir.join(format!(".{stem}.{}-{count}.tmp", std::process::id()));
        let mut file = File::create_new(&temporary)?;
        let done = (|| {
            // Held until the rename: tells a file being written from a leftover.
            file.lock()?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&temporary, path)?;
            File::open(dir).and_then(|dir| dir.sync_all())
        })();
        if done.is_err() {
            let _ = fs::remove_file(&temporary);
        }
        done
    }

    /// Removes temporary files and claims that no process holds any more.
    fn clean(&self, dir: &Path) {
        for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
            let path = entry.path();
            if (is_temporary(&path) || is_claim(&path))
                && File::open(&path).is_ok_and(|file| file.try_lock().is_ok())
            {
                let _ = fs::remove_file(path);
            }
        }
    }
}

impl Show for Store {
    fn bundle(&self) -> Bundle {
        match self.frame() {
            Ok(frame) => frame.bundle(),
            Err(error) => error.bundle(),
        }
    }
}

/// Whether a file's name (without its ending) is a trial's key: other files may lie in the same folder.
fn is_key(stem: &OsStr) -> bool {
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    stem.to_str()
        .is_some_and(|stem| stem.len() == 32 && stem.chars().all(hex))
}

fn is_claim(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str);
    name.and_then(claim::key_in)
        .is_some_and(|key| is_key(OsStr::new(key)))
}

/// Whether this is a file that [`Store::write`] left half written: `.key.process-number.tmp`.
fn is_temporary(path: &Path) -> bool {
    let name = path.file_name().and_then(OsStr::to_str).unwrap_or_default();
    let mut parts = name.split('.');
    parts.next() == Some("")
        && parts.next().is_some_and(|key| is_key(OsStr::new(key)))
        && parts
            .next()
            .is_some_and(|count| count.split('-').all(|n| n.parse::<u64>().is_ok()))
        && parts.next() == Some("tmp")
        && parts.next().is_none()
}

/// A trial as a file: the writer hands over a few bytes at a time, too few for a system call each.
fn parquet(trial: &TrialResult) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes)
        .with_compression(ParquetCompression::Uncompressed)
        .set_parallel(false)
        .finish(&mut frame_of(&[trial], true)?)
        .map_err(table_error)?;
    Ok(bytes)
}

fn read(path: &Path) -> Result<TrialResult> {
    let file = File::open(path).map_err(|e| Error::io(path, &e))?;
    let damaged = |what: String| {
        Error::data(what)
            .at(path.display().to_string())
            .fix("delete the file; the study computes the trial again")
    };
    // polars may panic on bytes that are no Parquet.
    let parse = || {
        ParquetReader::new(file)
            .read_parallel(ParallelStrategy::None)
            .finish()
    };
    let frame = std::panic::catch_unwind(std::panic::AssertUnwindSafe(parse))
        .map_err(|_| damaged("expected a trial's Parquet file, found damaged bytes".to_owned()))?
        .map_err(|e| damaged(format!("expected a trial's Parquet file: {e}")))?;
    TrialResult::from_frame(&frame)
        .filter(|_| frame.height() == 1)
        .ok_or_else(|| damaged("expected one trial of a study, found another table".to_owned()))
}
