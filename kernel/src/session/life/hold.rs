//! A compiler's hold on the kernel: it works as long as the kernel wants it to.

use crate::session::guards::Guard;
use crate::session::guards::timed;
use crate::session::life::door;
use crate::session::life::keeper;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::io::Write;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

/// The connection to the kernel of a stand-in for cargo.
pub struct Hold(UnixStream);

impl Hold {
    /// Asks the session whose cell's crate is here whether to work, and puts a keeper above this process: a stop of the
    /// cell, or the kernel's end, ends it with all that it has started. Call it while the process has one thread.
    ///
    /// # Errors
    /// When the cell was stopped already, or the kernel is gone.
    pub fn take(crate_dir: &Path) -> Result<Self> {
        timed(Guard::Groups, || Self::take_it(crate_dir))
    }

    fn take_it(crate_dir: &Path) -> Result<Self> {
        let beside = crate_dir.parent().map(|folder| folder.join("door"));
        let door = beside.filter(|door| door.exists());
        // evcxr tries a new dependency in a folder elsewhere.
        let door = door.or_else(|| std::env::var_os(door::DOOR).map(PathBuf::from));
        let stream = door::knock(&door.context("the session has no door")?, door::Caller::Compiler);
        let hold = Self(stream.context("the session is gone")?);
        // SAFETY: a group of its own, so that a signal to the kernel's does not reach it.
        unsafe { libc::setpgid(0, 0) };
        // A kernel that lives answers at once.
        hold.0
            .set_read_timeout(Some(std::time::Duration::from_secs(30)))?;
        hold.wait().context("interrupted")?;
        keeper::keep(hold.0.as_raw_fd(), false)?;
        Ok(hold)
    }

    fn wait(&self) -> std::io::Result<()> {
        door::line(&self.0).map(drop)
    }

    fn say(&self, message: &Value) -> std::io::Result<()> {
        (&self.0).write_all(format!("{message}\n").as_bytes())
    }

    /// evcxr's source has been read: whoever writes to its file from now on does no harm.
    pub fn source_is_read(&self) {
        let _ = self.say(&json!({"kind": "source"}));
    }

    /// The cell did not compile: evcxr may analyse it again, when this returns.
    pub fn has_failed(&self) {
        if self.say(&json!({"kind": "failed"})).is_ok() {
            let _ = self.wait();
        }
    }

    /// The cell has compiled, and rustc has warned of something in it: told when this returns.
    pub fn has_warnings(&self) {
        if self.say(&json!({"kind": "warnings"})).is_ok() {
            let _ = self.wait();
        }
    }

    /// Something that evcxr has written is not as this program knows it.
    pub fn does_not_know(&self, what: &str) {
        let _ = self.say(&json!({"kind": "unknown", "what": what}));
    }

    /// Something that takes long has come so far.
    pub fn progress(&self, text: &str) {
        let _ = self.say(&json!({"kind": "progress", "text": text}));
    }
}
