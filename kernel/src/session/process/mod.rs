//! The process that runs cells: this program in another role.
//!
//! It loads the library of each cell and calls it, as evcxr's own process does and by the same words, but the words go
//! by descriptors of their own: what a cell prints on its standard streams is text, whatever it says. [`streams`] are
//! those streams, [`channel`] is what the process says beside them.

pub mod channel;
pub mod content;
mod offer;
mod streams;

use crate::session::guards::Guard;
use crate::session::guards::timed;
use crate::session::life::door;
use crate::session::life::keeper;
use std::ffi::{CString, c_void};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// The name under which this program runs cells.
pub const NAME: &str = "jook-cells";

/// evcxr's word for a cell whose code is done.
const COMPLETE: &str = "EVCXR_EXECUTION_COMPLETE";
/// evcxr's word for a cell that ended in a panic: what it defined is not there.
const PANICKED: &str = "EVCXR_PANIC_NOTIFICATION";
/// What evcxr asks for, before the library's path and the function's name.
const RUN: &str = "LOAD_AND_RUN ";

type Cell = unsafe extern "C" fn(*mut c_void) -> *mut c_void;

/// Runs cells until evcxr has no more. `door` is where the process's keeper announces itself.
pub fn run(door: Option<PathBuf>, pipes: channel::Pipes) -> ! {
    // Until the toolkit's handlers are there, a stop request must not end the process, nor may the kernel's "take it
    // back".
    // SAFETY: plain signal dispositions and settings, before any thread is started.
    unsafe {
        libc::signal(libc::SIGINT, libc::SIG_IGN);
        libc::signal(libc::SIGUSR1, libc::SIG_IGN);
    }
    live_below_a_keeper(door.as_deref());
    channel::open(pipes);
    offer::make(door.as_deref());
    streams::take_over();
    let mut store = std::ptr::null_mut();
    while let Some(line) = channel::order() {
        let Some((library, function)) = line.strip_prefix(RUN).and_then(|rest| rest.rsplit_once(' ')) else {
            continue;
        };
        if !library.contains("/libcode_") {
            // By that name the toolkit knows a cell's code on the stack of a panic.
            eprintln!(
                "jook: this kernel does not fit its evcxr, which names the library of a cell in another way"
            );
        }
        timed(Guard::Text, || streams::cell_begins(library));
        match load(library, function) {
            // SAFETY: evcxr has written the function for this call; the store is what the one before returned.
            Ok(cell) => store = unsafe { cell(store) },
            Err(error) => {
                streams::say(&serde_json::json!({"kind": "unloadable", "message": error}).to_string());
                channel::tell(PANICKED);
            }
        }
        timed(Guard::Text, streams::cell_ends);
        if !channel::is_here() {
            // A cell has forked this process, and its copy has come to the cell's end, which is its own.
            // SAFETY: ends the copy without what the process does at its end.
            unsafe { libc::_exit(0) };
        }
        channel::tell(COMPLETE);
    }
    std::process::exit(0)
}

/// In a group of its own, below a process that takes with it all that cells start, below one that evcxr may kill.
fn live_below_a_keeper(door: Option<&Path>) {
    // SAFETY: settings of this process.
    let group = unsafe {
        libc::setpgid(0, 0);
        libc::getpgid(0)
    };
    let kept = || -> std::io::Result<()> {
        let door = door.ok_or(std::io::ErrorKind::NotFound)?;
        keeper::stand_before()?;
        let lifeline = door::knock(door, door::Caller::Cells { group })?;
        // The copy of the socket in this process is closed here, the keeper's own stays.
        keeper::keep(lifeline.as_raw_fd(), true)
    };
    if let Err(error) = kept() {
        eprintln!("jook: the kernel is not there: {error}");
        std::process::exit(1);
    }
    // What a cell does to its whole group does not reach those above.
    // SAFETY: a setting of this process.
    unsafe { libc::setpgid(0, 0) };
}

/// The cell's function in its library, which stays loaded: what it holds may be in use for ever.
fn load(library: &str, function: &str) -> Result<Cell, String> {
    let name = |text: &str| CString::new(text).map_err(|error| error.to_string());
    let (library, function) = (name(library)?, name(function)?);
    // SAFETY: a cell's library runs nothing when it is loaded; evcxr gives the function this type.
    unsafe {
        let handle = libc::dlopen(library.as_ptr(), libc::RTLD_LAZY | libc::RTLD_LOCAL);
        if handle.is_null() {
            return Err(last_error());
        }
        let found = libc::dlsym(handle, function.as_ptr());
        if found.is_null() {
            return Err(last_error());
        }
        Ok(std::mem::transmute::<*mut c_void, Cell>(found))
    }
}

fn last_error() -> String {
    // SAFETY: the text lives until the next call of its kind, and is copied before.
    unsafe {
        let text = libc::dlerror();
        match text.is_null() {
            true => "the library cannot be loaded".to_owned(),
            false => std::ffi::CStr::from_ptr(text).to_string_lossy().into_owned(),
        }
    }
}
