//! What a thread prints, taken from the output of the cell that happens to run.
//!
//! The Jook kernel's program, which this library is brought into, passes on what a thread writes on its standard
//! streams when it is asked to. Elsewhere everything is printed as ever.

use std::cell::RefCell;
use std::ffi::c_int;
use std::io::Write as _;
use std::sync::OnceLock;

use crate::show::MARKER;

/// A standard stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

type Taker = Box<dyn FnMut(Stream, &str)>;
/// Takes what is written on a stream (1 or 2), or leaves it to the stream.
type Take = extern "C" fn(c_int, *const u8, usize) -> bool;
/// The kernel's part.
type DivertOutput = extern "C" fn(Option<Take>);

thread_local! {
    static TAKER: RefCell<Option<Taker>> = const { RefCell::new(None) };
}

/// Runs `run` and gives `taker` what this thread prints meanwhile. What the thread says to the kernel goes its way.
pub(crate) fn taken_by<T>(taker: impl FnMut(Stream, &str) + 'static, run: impl FnOnce() -> T) -> T {
    let Some(divert) = divert_output() else {
        return run();
    };
    let _before = Before {
        taker: swap(divert, Some(Box::new(taker))),
        divert,
    };
    run()
}

/// Gives the output back to who had it, also when a panic ends what ran.
struct Before {
    taker: Option<Taker>,
    divert: DivertOutput,
}

impl Drop for Before {
    fn drop(&mut self) {
        swap(self.divert, self.taker.take());
    }
}

/// The taker before.
fn swap(divert: DivertOutput, taker: Option<Taker>) -> Option<Taker> {
    // A line without an end belongs to who has begun it.
    let _ = std::io::stdout().flush();
    let takes = taker.is_some();
    let before = TAKER.replace(taker);
    divert(takes.then_some(take as Take));
    before
}

extern "C" fn take(stream: c_int, text: *const u8, size: usize) -> bool {
    // SAFETY: the bytes that the writer of the stream gave.
    let text = String::from_utf8_lossy(unsafe { std::slice::from_raw_parts(text, size) });
    if text.contains(MARKER) || text.contains("EVCXR_") {
        return false;
    }
    let stream = match stream {
        1 => Stream::Stdout,
        _ => Stream::Stderr,
    };
    TAKER.with(|taker| match taker.try_borrow_mut() {
        Ok(mut taker) => taker.as_mut().is_some_and(|taker| {
            taker(stream, &text);
            true
        }),
        // The taker itself prints.
        Err(_) => false,
    })
}

fn divert_output() -> Option<DivertOutput> {
    static FOUND: OnceLock<Option<DivertOutput>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        // SAFETY: looks a name up in this process; the kernel's program defines it with this type.
        unsafe {
            let found = libc::dlsym(libc::RTLD_DEFAULT, c"jook_divert_output".as_ptr());
            (!found.is_null()).then(|| std::mem::transmute::<*mut libc::c_void, DivertOutput>(found))
        }
    })
}
