//! What a thread prints, taken from the output of the cell that happens to run.
//!
//! The Jook kernel's program, which this library is brought into, passes on what a thread writes on its standard
//! streams when it is asked to. Elsewhere everything is printed as ever.

use std::cell::RefCell;
use std::ffi::c_int;
use std::io::Write as _;

use super::kernel::{Kernel, Take, kernel};

/// A standard stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

type Taker = Box<dyn FnMut(Stream, &str)>;

thread_local! {
    static TAKER: RefCell<Option<Taker>> = const { RefCell::new(None) };
}

/// Runs `run` and gives `taker` what this thread prints meanwhile. What the thread says to the kernel goes its way.
pub(crate) fn taken_by<T>(taker: impl FnMut(Stream, &str) + 'static, run: impl FnOnce() -> T) -> T {
    let Some(kernel) = kernel() else {
        return run();
    };
    let _before = Before {
        taker: swap(kernel, Some(Box::new(taker))),
        kernel,
    };
    run()
}

/// Gives the output back to who had it, also when a panic ends what ran.
struct Before {
    taker: Option<Taker>,
    kernel: Kernel,
}

impl Drop for Before {
    fn drop(&mut self) {
        swap(self.kernel, self.taker.take());
    }
}

/// The taker before.
fn swap(kernel: Kernel, taker: Option<Taker>) -> Option<Taker> {
    // A line without an end belongs to who has begun it.
    let _ = std::io::stdout().flush();
    let takes = taker.is_some();
    let before = TAKER.replace(taker);
    kernel.divert(takes.then_some(take as Take));
    before
}

extern "C" fn take(stream: c_int, text: *const u8, size: usize) -> bool {
    // SAFETY: the bytes that the writer of the stream gave.
    let text = String::from_utf8_lossy(unsafe { std::slice::from_raw_parts(text, size) });
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
