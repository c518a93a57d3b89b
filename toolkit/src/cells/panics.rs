//! How the kernel learns of a panic: its message, its place, and where in the cell it came from.

use std::ffi::{CStr, c_void};
use std::fs::File;
use std::io::Write as _;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd as _;
use std::sync::OnceLock;
use std::thread::ThreadId;

use crate::show::MARKER;

static CELLS: OnceLock<ThreadId> = OnceLock::new();

/// Whether this is the thread that runs cells.
pub fn is_on_this_thread() -> bool {
    CELLS.get() == Some(&std::thread::current().id())
}

/// Reports the panics of this thread, which runs the cells, to the kernel; those of other threads as text.
pub fn report_panics() {
    CELLS.get_or_init(|| std::thread::current().id());
    std::panic::set_hook(Box::new(move |info| {
        let message = info.payload_as_str().unwrap_or("(the panic's value is not text)");
        let (file, line) = info
            .location()
            .map_or(("", 0), |place| (place.file(), place.line()));
        if !is_on_this_thread() {
            eprintln!("a thread panicked at {file}:{line}: {message}");
            return;
        }
        // A panic of the cell's own says its line by itself.
        let frames = match file.ends_with("cell/lib.rs") {
            true => Vec::new(),
            false => frames_of_the_cell(),
        };
        let notice = serde_json::json!({
            "kind": "panic", "message": message, "file": file, "line": line, "frames": frames,
        });
        // Not println!: it may be what panicked, with its lock held.
        // SAFETY: descriptor 1 stays open; the file is not dropped.
        let mut out = ManuallyDrop::new(unsafe { File::from_raw_fd(1) });
        let _ = out.write_all(format!("{MARKER}{notice}\n").as_bytes());
    }));
}

unsafe extern "C" {
    fn _Unwind_Backtrace(step: extern "C" fn(*mut c_void, *mut c_void) -> i32, seen: *mut c_void) -> i32;
    fn _Unwind_GetIP(context: *mut c_void) -> usize;
}

extern "C" fn step(context: *mut c_void, seen: *mut c_void) -> i32 {
    // SAFETY: `seen` is the vector below, which nothing else uses meanwhile.
    unsafe { (*seen.cast::<Vec<usize>>()).push(_Unwind_GetIP(context)) };
    0
}

/// Where on the stack the running cell's library is, counted from the start of the library. The outermost library of
/// a cell is the running one's; others may be of closures that an earlier cell made.
fn frames_of_the_cell() -> Vec<usize> {
    let mut seen: Vec<usize> = Vec::new();
    // SAFETY: the function calls `step` for each frame, with the vector, before it returns.
    unsafe { _Unwind_Backtrace(step, (&raw mut seen).cast()) };
    // The call is before the address to return to.
    let calls = seen.into_iter().filter_map(|after| after.checked_sub(1));
    let frames: Vec<(usize, usize)> = calls.filter_map(in_a_cell).collect();
    let running = frames.last().map(|frame| frame.0);
    frames
        .iter()
        .filter(|frame| Some(frame.0) == running)
        .map(|frame| frame.1)
        .collect()
}

/// The start of the cell's library that holds `address`, and the distance from there.
fn in_a_cell(address: usize) -> Option<(usize, usize)> {
    // SAFETY: plain data that `dladdr` fills in; the name it points to lives as long as the library, which cells'
    // libraries do as long as the process.
    unsafe {
        let mut found: libc::Dl_info = std::mem::zeroed();
        if libc::dladdr(address as *const c_void, &raw mut found) == 0 || found.dli_fname.is_null() {
            return None;
        }
        let name = CStr::from_ptr(found.dli_fname).to_bytes();
        let base = found.dli_fbase as usize;
        // evcxr names the libraries of cells so, in a folder of its own.
        let of_a_cell = name.windows(9).any(|part| part == b"/libcode_");
        of_a_cell.then(|| (base, address.wrapping_sub(base)))
    }
}
