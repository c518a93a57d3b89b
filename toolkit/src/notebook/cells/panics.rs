//! How the kernel learns of a panic: its message, its place, and where in the cell it came from.

use std::collections::BTreeMap;
use std::ffi::{CStr, c_void};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread::ThreadId;

use super::kernel;
use crate::show::request;

static CELLS: OnceLock<ThreadId> = OnceLock::new();

/// Whether this is the thread that runs cells.
pub fn is_on_this_thread() -> bool {
    CELLS.get() == Some(&std::thread::current().id())
}

/// The cells whose code is here: the start of the library, and the number.
static NUMBERS: Mutex<BTreeMap<usize, u64>> = Mutex::new(BTreeMap::new());

fn numbers() -> MutexGuard<'static, BTreeMap<usize, u64>> {
    NUMBERS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The cell with this number has its code there.
pub(super) fn remember(number: u64, code: *const ()) {
    if let Some((library, _)) = in_a_cell(code as usize) {
        numbers().insert(library, number);
    }
}

/// Reports panics to the kernel: those of this thread, which runs the cells, may end its cell.
pub fn report_panics() {
    CELLS.get_or_init(|| std::thread::current().id());
    if kernel().is_none() {
        return;
    }
    std::panic::set_hook(Box::new(move |info| {
        let message = info.payload_as_str().unwrap_or("(the panic's value is not text)");
        let (file, line) = info
            .location()
            .map_or(("", 0), |place| (place.file(), place.line()));
        // A panic of a cell's own says its line by itself, one of a library does not.
        let (frames, cell) = match file.ends_with("cell/lib.rs") {
            true => (Vec::new(), cell_that_panics()),
            false if is_on_this_thread() => (frames_of_the_cell(), None),
            false => (Vec::new(), None),
        };
        let mut notice = serde_json::json!({
            "kind": "panic", "message": message, "file": file, "line": line, "frames": frames, "cell": cell,
        });
        if !is_on_this_thread() {
            notice["kind"] = "panic_elsewhere".into();
            let handles = request::current();
            notice["who"] = match handles {
                Some(_) => "a handler".into(),
                None => "a thread".into(),
            };
            if let Some(request) = handles
                && (request.say)(&request.id, notice.clone())
            {
                return;
            }
        }
        // Standard output may be what panicked, with its lock held.
        if let Some(kernel) = kernel() {
            kernel.say_at_once(&notice);
        }
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
    let frames = frames_in_cells();
    let running = frames.last().map(|frame| frame.0);
    frames
        .iter()
        .filter(|frame| Some(frame.0) == running)
        .map(|frame| frame.1)
        .collect()
}

/// The number of the cell whose code is the innermost on the stack.
fn cell_that_panics() -> Option<u64> {
    let (library, _) = *frames_in_cells().first()?;
    numbers().get(&library).copied()
}

/// What is on the stack in cells' libraries, the innermost first. A hook of the notebook's own, which has called this one,
/// stands before the standard library's panic, and is not what panicked.
fn frames_in_cells() -> Vec<(usize, usize)> {
    let mut seen: Vec<usize> = Vec::new();
    // SAFETY: the function calls `step` for each frame, with the vector, before it returns.
    unsafe { _Unwind_Backtrace(step, (&raw mut seen).cast()) };
    // The call is before the address to return to.
    let calls = seen.into_iter().filter_map(|after| after.checked_sub(1));
    let calls: Vec<usize> = calls.collect();
    let std = library_of(std::panic::take_hook as *const () as usize).map(|found| found.dli_fbase);
    let of_std = |call: &usize| library_of(*call).map(|found| found.dli_fbase) == std;
    let panic = calls.iter().position(of_std).unwrap_or_default();
    calls[panic..]
        .iter()
        .filter_map(|call| in_a_cell(*call))
        .collect()
}

/// What the loader knows of an address in code.
fn library_of(address: usize) -> Option<libc::Dl_info> {
    // SAFETY: plain data that `dladdr` fills in.
    unsafe {
        let mut found: libc::Dl_info = std::mem::zeroed();
        (libc::dladdr(address as *const c_void, &raw mut found) != 0).then_some(found)
    }
}

/// The start of the cell's library that holds `address`, and the distance from there.
fn in_a_cell(address: usize) -> Option<(usize, usize)> {
    let found = library_of(address).filter(|found| !found.dli_fname.is_null())?;
    // SAFETY: the name lives as long as the library, which cells' libraries do as long as the process.
    let name = unsafe { CStr::from_ptr(found.dli_fname) }.to_bytes();
    let base = found.dli_fbase as usize;
    // evcxr names the libraries of cells so, in a folder of its own.
    let of_a_cell = name.windows(9).any(|part| part == b"/libcode_");
    of_a_cell.then(|| (base, address.wrapping_sub(base)))
}
