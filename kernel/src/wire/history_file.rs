//! The history of all kernels of a user: one file, one JSON object a line.
//!
//! A kernel notes a cell when it starts and its result when it is there, so that the cell which brought a kernel
//! down is in the file. Kernels append at the same time; a lock beside the file keeps them apart from the one
//! that starts and cuts the file to its bounds. A line that cannot be read is skipped.

use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Cells kept when a kernel starts.
const CELLS: usize = 10_000;
/// Bytes kept then.
const BYTES: usize = 16 << 20;
/// A longer cell is not kept, a longer result is cut.
const LONGEST: usize = 256 << 10;
/// How long to wait for another kernel that holds the lock; it holds it for milliseconds.
const PATIENCE: Duration = Duration::from_millis(500);

/// An executed cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Cell {
    pub session: usize,
    pub count: usize,
    pub input: String,
    /// Plain text of its result; empty if it had none.
    pub output: String,
}

/// A line of the file: a session's start (no cell), a cell, or a cell's result.
#[derive(Serialize, Deserialize)]
struct Line {
    session: usize,
    #[serde(default, skip_serializing_if = "is_zero")]
    count: usize,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    input: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    output: Option<String>,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Where the history is kept.
#[derive(Clone)]
pub struct HistoryFile {
    path: PathBuf,
}

impl HistoryFile {
    /// The user's: `JOOK_HISTORY` names the file, or is `off` for none; else it is with the user's data.
    pub fn of_user() -> Option<HistoryFile> {
        let set = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty());
        let path = match set("JOOK_HISTORY") {
            Some(off) if off.eq_ignore_ascii_case("off") => return None,
            Some(path) => path.into(),
            None => set("XDG_DATA_HOME")
                .map(PathBuf::from)
                .or_else(|| Some(PathBuf::from(set("HOME")?).join(".local/share")))?
                .join("jook/history.jsonl"),
        };
        Some(HistoryFile { path })
    }

    #[cfg(test)]
    pub fn at(path: PathBuf) -> HistoryFile {
        HistoryFile { path }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Starts a session, and cuts the file to its bounds. Returns the session's number: they count from 1.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn start_session(&self) -> io::Result<usize> {
        if let Some(folder) = self.path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        let _lock = self.lock();
        let (cells, last) = parse(&self.read());
        if cells.len() > CELLS || self.size() > BYTES as u64 {
            self.rewrite(&newest(cells))?;
        }
        let session = last + 1;
        self.write(&Line {
            session,
            count: 0,
            input: None,
            output: None,
        })?;
        Ok(session)
    }

    /// Notes a cell that is about to run.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn note_input(&self, session: usize, count: usize, input: &str) -> io::Result<()> {
        if input.len() > LONGEST {
            return Ok(());
        }
        let _lock = self.lock();
        self.write(&Line {
            session,
            count,
            input: Some(input.to_string()),
            output: None,
        })
    }

    /// Notes the result of a cell.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn note_output(&self, session: usize, count: usize, output: &str) -> io::Result<()> {
        let _lock = self.lock();
        self.write(&Line {
            session,
            count,
            input: None,
            output: Some(output[..output.floor_char_boundary(LONGEST)].to_string()),
        })
    }

    /// What is in the file, oldest first.
    pub fn cells(&self) -> Vec<Cell> {
        parse(&self.read()).0
    }

    fn read(&self) -> Vec<u8> {
        // No file yet, or one that cannot be read: no history. Writing says what is wrong.
        std::fs::read(&self.path).unwrap_or_default()
    }

    fn size(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |file| file.len())
    }

    /// Appends a line by one write.
    fn write(&self, line: &Line) -> io::Result<()> {
        let mut file = private(OpenOptions::new().read(true).append(true).create(true)).open(&self.path)?;
        let mut text = Vec::new();
        // A kernel that was killed in the middle of its line must not take this one with it.
        if file.seek(SeekFrom::End(-1)).is_ok() {
            let mut last = [b'\n'];
            file.read_exact(&mut last)?;
            if last != [b'\n'] {
                text.push(b'\n');
            }
        }
        serde_json::to_writer(&mut text, line)?;
        text.push(b'\n');
        file.write_all(&text)
    }

    /// Puts these cells in place of the file's; a crash leaves the one or the other. A link stays one: the file that it
    /// leads to is replaced, and keeps its mode.
    fn rewrite(&self, cells: &[Cell]) -> io::Result<()> {
        let mut text = Vec::new();
        for cell in cells {
            let output = Some(cell.output.clone()).filter(|output| !output.is_empty());
            serde_json::to_writer(
                &mut text,
                &Line {
                    session: cell.session,
                    count: cell.count,
                    input: Some(cell.input.clone()),
                    output,
                },
            )?;
            text.push(b'\n');
        }
        let path = self.path.canonicalize()?;
        let new = beside(&path, ".new");
        let mut file = private(OpenOptions::new().write(true).create(true).truncate(true)).open(&new)?;
        file.write_all(&text)?;
        file.set_permissions(path.metadata()?.permissions())?;
        file.sync_all()?;
        std::fs::rename(&new, &path)
    }

    /// Keeps other kernels out until dropped. Goes on without when there is no lock to be had: better a history
    /// that may lose a line than none.
    fn lock(&self) -> Option<File> {
        let path = beside(&self.path, ".lock");
        let lock = private(OpenOptions::new().write(true).create(true).truncate(false))
            .open(path)
            .ok()?;
        let end = Instant::now() + PATIENCE;
        loop {
            match lock.try_lock() {
                Ok(()) => return Some(lock),
                Err(TryLockError::WouldBlock) if Instant::now() < end => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Err(_) => return None,
            }
        }
    }
}

/// Cells may hold secrets: the file is for its owner.
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// The cells of a file, with their results, and the number of its last session.
fn parse(text: &[u8]) -> (Vec<Cell>, usize) {
    let mut cells: Vec<Cell> = Vec::new();
    let mut place = HashMap::new();
    let mut last = 0;
    for line in text.split(|byte| *byte == b'\n') {
        let Ok(line) = serde_json::from_slice::<Line>(line) else {
            continue;
        };
        last = last.max(line.session);
        let key = (line.session, line.count);
        if let Some(input) = line.input {
            place.insert(key, cells.len());
            cells.push(Cell {
                session: line.session,
                count: line.count,
                input,
                output: line.output.unwrap_or_default(),
            });
        } else if let (Some(output), Some(at)) = (line.output, place.get(&key)) {
            cells[*at].output = output;
        }
    }
    (cells, last)
}

/// The newest cells that are within the bounds.
fn newest(mut cells: Vec<Cell>) -> Vec<Cell> {
    let mut bytes = 0;
    let fit = cells.iter().rev().take(CELLS).take_while(|cell| {
        bytes += cell.input.len() + cell.output.len();
        bytes <= BYTES / 2
    });
    let kept = fit.count();
    cells.split_off(cells.len() - kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A history in a folder of its own, removed when dropped.
    struct Temporary(HistoryFile, PathBuf);

    impl Temporary {
        fn new() -> Temporary {
            let folder = std::env::temp_dir().join(format!("jook-history-{}", uuid::Uuid::new_v4()));
            Temporary(HistoryFile::at(folder.join("deep/history.jsonl")), folder)
        }
    }

    impl Drop for Temporary {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.1);
        }
    }

    fn told(file: &HistoryFile) -> Vec<(usize, usize, String, String)> {
        let cells = file.cells().into_iter();
        cells
            .map(|cell| (cell.session, cell.count, cell.input, cell.output))
            .collect()
    }

    #[test]
    fn kernels_share_a_file_and_number_their_sessions() {
        let Temporary(file, _) = &Temporary::new();
        let (first, second) = (file.start_session().unwrap(), file.start_session().unwrap());
        assert_eq!((first, second), (1, 2));
        file.note_input(1, 1, "a\n\"b\"").unwrap();
        file.note_input(2, 1, "c").unwrap();
        file.note_output(1, 1, "42").unwrap();
        let expected = [
            (1, 1, "a\n\"b\"".to_string(), "42".to_string()),
            (2, 1, "c".to_string(), String::new()),
        ];
        assert_eq!(told(file), expected);
    }

    #[test]
    fn what_cannot_be_read_is_skipped_and_takes_nothing_with_it() {
        let Temporary(file, _) = &Temporary::new();
        file.start_session().unwrap();
        file.note_input(1, 1, "a").unwrap();
        let mut raw = OpenOptions::new().append(true).open(file.path()).unwrap();
        raw.write_all(b"\xff\xfe not ours\n{\"session\": -3}\n\n{\"session\":1,\"count\":2,\"inp")
            .unwrap();
        assert_eq!(file.start_session().unwrap(), 2);
        file.note_input(2, 1, "b").unwrap();
        let inputs: Vec<String> = told(file).into_iter().map(|cell| cell.2).collect();
        assert_eq!(inputs, ["a", "b"]);
    }

    #[test]
    fn a_start_keeps_the_newest_and_goes_on_counting() {
        let Temporary(file, folder) = &Temporary::new();
        std::fs::create_dir_all(folder.join("deep")).unwrap();
        let line = |n: usize| format!("{{\"session\":7,\"count\":{n},\"input\":\"{n}\"}}\n");
        let text: String = (1..=CELLS + 5).map(line).collect();
        std::fs::write(file.path(), text).unwrap();
        assert_eq!(file.start_session().unwrap(), 8);
        let kept = file.cells();
        assert_eq!((kept.len(), kept[0].count), (CELLS, 6));
        assert_eq!(file.start_session().unwrap(), 9);
    }

    #[test]
    #[cfg(unix)]
    fn a_link_stays_one_when_the_file_is_cut() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let Temporary(file, folder) = &Temporary::new();
        let real = folder.join("real.jsonl");
        std::fs::create_dir_all(folder.join("deep")).unwrap();
        let line = |n: usize| format!("{{\"session\":1,\"count\":{n},\"input\":\"{n}\"}}\n");
        std::fs::write(&real, (0..=CELLS).map(line).collect::<String>()).unwrap();
        std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).unwrap();
        symlink("../real.jsonl", file.path()).unwrap();
        file.start_session().unwrap();
        assert_eq!(file.cells().len(), CELLS);
        assert!(file.path().is_symlink() && !real.is_symlink());
        assert_eq!(real.metadata().unwrap().permissions().mode() & 0o777, 0o640);
        assert_eq!(HistoryFile::at(real).cells().len(), CELLS);
    }

    #[test]
    fn many_writers_lose_nothing() {
        let Temporary(file, _) = &Temporary::new();
        std::thread::scope(|threads| {
            for _ in 0..8 {
                threads.spawn(|| {
                    let session = file.start_session().unwrap();
                    for count in 1..=50 {
                        file.note_input(session, count, "let a = 1;").unwrap();
                    }
                });
            }
        });
        let mut cells: Vec<_> = told(file).into_iter().map(|cell| (cell.0, cell.1)).collect();
        cells.sort_unstable();
        cells.dedup();
        assert_eq!(cells.len(), 400);
    }
}
