//! The session's door: a socket in the private folder, at which the processes that work for the session announce
//! themselves. The connection is each one's hold on the kernel: see [`keeper`](crate::session::life::keeper).

use serde_json::{Value, json};
use std::io::{Error, ErrorKind, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Names the door to the processes that are to knock.
pub const DOOR: &str = "JOOK_DOOR";

/// How long somebody may take to say who he is.
const PATIENCE: Duration = Duration::from_secs(5);

/// The longest path that a socket's address holds.
const LONGEST: usize = 107;

/// Who stands at the door.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Caller {
    /// The keeper of the process that runs cells.
    Cells {
        /// The group of all that it keeps, unless that left it.
        group: libc::pid_t,
    },
    /// The keeper of a compiler.
    Compiler,
    /// The toolkit in the cells' process, for its comms.
    Comms,
}

impl Caller {
    fn words(self) -> Value {
        match self {
            Self::Cells { group } => json!({"role": "cells", "group": group}),
            Self::Compiler => json!({"role": "compiler"}),
            Self::Comms => json!({"role": "comms"}),
        }
    }

    fn of(words: &Value) -> Option<Self> {
        match words["role"].as_str()? {
            "cells" => Some(Self::Cells {
                group: words["group"]
                    .as_i64()?
                    .try_into()
                    .ok()
                    .filter(|&group| group > 1)?,
            }),
            "compiler" => Some(Self::Compiler),
            "comms" => Some(Self::Comms),
            _ => None,
        }
    }
}

/// An open door. It closes when this is dropped.
pub struct Door {
    path: PathBuf,
    listener: Arc<UnixListener>,
}

impl Door {
    /// Opens a door at `path`; `enter` gets whoever knocks, on a thread of its own.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn open(
        path: &Path,
        enter: impl Fn(Caller, UnixStream) + Send + Sync + 'static,
    ) -> std::io::Result<Self> {
        if path.as_os_str().len() > LONGEST {
            return Err(Error::new(
                ErrorKind::InvalidInput,
                "the folder for temporary files has too long a path; set TMPDIR to a shorter one",
            ));
        }
        let listener = Arc::new(UnixListener::bind(path)?);
        let (waits, enter) = (listener.clone(), Arc::new(enter));
        std::thread::Builder::new().name("door".into()).spawn(move || {
            for stream in waits.incoming() {
                let stream = match stream {
                    Ok(stream) => stream,
                    // Closed by whoever holds the door.
                    Err(error) if error.kind() == ErrorKind::InvalidInput => return,
                    // Out of descriptors, for instance: that may pass.
                    Err(_) => {
                        std::thread::sleep(Duration::from_millis(50));
                        continue;
                    }
                };
                let enter = enter.clone();
                // Without a thread the connection ends, and who has knocked sees that.
                let _ = std::thread::Builder::new().spawn(move || {
                    if let Ok(caller) = ask(&stream) {
                        enter(caller, stream);
                    }
                });
            }
        })?;
        Ok(Self {
            path: path.to_owned(),
            listener,
        })
    }

    /// Where to knock.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        // SAFETY: a listening socket of this process; whoever waits for it is woken.
        unsafe { libc::shutdown(self.listener.as_raw_fd(), libc::SHUT_RDWR) };
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Knocks at a door.
///
/// # Errors
/// When nobody opens: the kernel is gone.
pub fn knock(path: &Path, caller: Caller) -> std::io::Result<UnixStream> {
    let mut stream = UnixStream::connect(path)?;
    stream.write_all(format!("{}\n", caller.words()).as_bytes())?;
    Ok(stream)
}

fn ask(stream: &UnixStream) -> std::io::Result<Caller> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let line = line(stream)?;
    stream.set_read_timeout(None)?;
    let words: Value = serde_json::from_slice(&line).unwrap_or_default();
    Caller::of(&words).ok_or_else(|| Error::new(ErrorKind::InvalidData, "an unknown role"))
}

/// A short line, and nothing of what follows it.
pub fn line(mut stream: &UnixStream) -> std::io::Result<Vec<u8>> {
    const LONG: usize = 4096;
    let mut line = Vec::new();
    let mut byte = [0];
    while line.len() < LONG {
        stream.read_exact(&mut byte)?;
        if byte == *b"\n" {
            return Ok(line);
        }
        line.push(byte[0]);
    }
    Err(Error::new(ErrorKind::InvalidData, "too long a line"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;

    #[test]
    fn who_knocks_is_told_and_a_closed_door_stays_closed() {
        let path = std::env::temp_dir().join(format!("jook-door-{}", std::process::id()));
        let (tell, told) = channel();
        let door = Door::open(&path, move |caller, stream| tell.send((caller, stream)).unwrap()).unwrap();
        let mut strange = UnixStream::connect(&path).unwrap();
        strange.write_all(b"{\"role\": \"thief\"}\n").unwrap();
        for caller in [Caller::Cells { group: 7 }, Caller::Compiler, Caller::Comms] {
            let mut ours = knock(door.path(), caller).unwrap();
            let (heard, theirs) = told.recv().unwrap();
            assert_eq!(heard, caller);
            ours.write_all(b"more\nrest").unwrap();
            assert_eq!(line(&theirs).unwrap(), b"more");
        }
        drop(door);
        assert!(knock(&path, Caller::Comms).is_err());
    }

    #[test]
    fn too_long_a_path_says_what_to_do() {
        let path = Path::new("/tmp").join("long".repeat(40));
        let error = Door::open(&path, |_, _| {}).map(drop).unwrap_err();
        assert!(error.to_string().contains("TMPDIR"), "{error}");
    }
}
