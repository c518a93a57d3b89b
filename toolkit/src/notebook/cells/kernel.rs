//! The Jook kernel, seen from the code that its program has loaded.
//!
//! What a cell shows, a panic, a question to the user: all of it goes to the kernel by a way of its own, not by the
//! standard streams, where any program may print anything. The kernel's program offers that way as a table of functions
//! under a name that this module looks up.

use std::ffi::{CStr, OsStr, c_char, c_int, c_void};
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::sync::OnceLock;

use serde_json::Value;

/// Takes what is written on a stream (1 or 2), or leaves it to the stream.
pub(crate) type Take = extern "C" fn(c_int, *const u8, usize) -> bool;

/// What the program offers; see `process/offer.rs` of the kernel, which has the same table.
#[repr(C)]
struct Offer {
    form: u32,
    say: extern "C" fn(*const u8, usize) -> bool,
    tell: extern "C" fn(*const u8, usize),
    divert: extern "C" fn(Option<Take>),
    settle: extern "C" fn(),
    displayed: extern "C" fn(),
    ask: extern "C" fn(*const u8, usize, bool, *mut c_void, extern "C" fn(*mut c_void, *const u8, usize)),
    door: *const c_char,
}

// SAFETY: the table never changes, and what its pointer points to does not either.
unsafe impl Sync for Offer {}
// SAFETY: as above.
unsafe impl Send for Offer {}

/// The form of the table that this module knows.
const FORM: u32 = 1;

/// The kernel whose cells run in this process.
#[derive(Clone, Copy)]
pub(crate) struct Kernel(&'static Offer);

/// The kernel, when this process runs its cells.
pub(crate) fn kernel() -> Option<Kernel> {
    static FOUND: OnceLock<Option<&'static Offer>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        #[cfg(test)]
        if std::env::var_os(tests::NOTEBOOK_ENV).is_some() {
            return Some(&tests::PRINTS);
        }
        // SAFETY: looks a name up in this process. The kernel's program defines it as a function without arguments,
        // which returns null or a table that lives as long as the process.
        unsafe {
            let found = libc::dlsym(libc::RTLD_DEFAULT, c"jook_kernel".as_ptr());
            if found.is_null() {
                return None;
            }
            let offer = std::mem::transmute::<*mut c_void, extern "C" fn() -> *const Offer>(found)();
            offer.as_ref().filter(|offer| offer.form == FORM)
        }
    });
    found.map(Kernel)
}

impl Kernel {
    /// Says a message of the display protocol. It stands where this is called among all that is printed.
    pub fn say(self, message: &Value) {
        // No other thread's text gets between what was printed before and the message.
        let mut out = std::io::stdout().lock();
        let _ = out.flush();
        self.say_at_once(message);
    }

    /// The same where the lock of standard output may be held for ever: what is printed and not written out stays behind.
    pub fn say_at_once(self, message: &Value) {
        let text = message.to_string();
        // Where nobody hears it any more, nobody is left to be told.
        (self.0.say)(text.as_ptr(), text.len());
    }

    /// Says a line of evcxr's own protocol.
    pub fn tell_evcxr(self, line: &str) {
        (self.0.tell)(line.as_ptr(), line.len());
    }

    /// Gives what this thread prints to `take`; or to its streams again.
    pub fn divert(self, take: Option<Take>) {
        (self.0.divert)(take);
    }

    /// All that this thread has printed so far is text, whatever it looks like.
    pub fn settle(self) {
        let _ = std::io::stdout().flush();
        (self.0.settle)();
    }

    /// A call of `evcxr_display` has returned: what it has printed last is the value that ends the cell, if it has
    /// evcxr's form.
    pub fn displayed(self) {
        let _ = std::io::stdout().flush();
        (self.0.displayed)();
    }

    /// Asks the user; the answer is JSON: a `line`, or why there is none. Only for the thread that runs cells.
    pub fn ask(self, prompt: &str, hidden: bool) -> String {
        extern "C" fn take(answer: *mut c_void, text: *const u8, size: usize) {
            // SAFETY: the pointer that is passed below, and bytes that live during this call.
            let (answer, text) = unsafe {
                (
                    &mut *answer.cast::<String>(),
                    std::slice::from_raw_parts(text, size),
                )
            };
            *answer = String::from_utf8_lossy(text).into_owned();
        }
        let _ = std::io::stdout().flush();
        let mut answer = String::new();
        (self.0.ask)(
            prompt.as_ptr(),
            prompt.len(),
            hidden,
            (&raw mut answer).cast(),
            take,
        );
        answer
    }

    /// The socket for comms.
    pub fn door(self) -> Option<&'static Path> {
        // SAFETY: a C string that is never changed and never freed, when it is there.
        let door = unsafe { (!self.0.door.is_null()).then(|| CStr::from_ptr(self.0.door)) };
        door.map(|door| Path::new(OsStr::from_bytes(door.to_bytes())))
    }
}

/// A kernel for tests of what is said: messages are printed, each on a line of its own behind a mark.
#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Set for a child process that is to have it.
    pub const NOTEBOOK_ENV: &str = "JOOK_NOTEBOOK";
    /// Before each message.
    pub const MARKER: &str = "\u{1e}jook ";

    pub(super) static PRINTS: Offer = Offer {
        form: FORM,
        say,
        tell,
        divert,
        settle,
        displayed,
        ask,
        door: std::ptr::null(),
    };

    extern "C" fn say(text: *const u8, size: usize) -> bool {
        // SAFETY: the bytes that the caller gave. The caller may hold the lock of standard output, which the thread that
        // holds it can take again.
        let text = String::from_utf8_lossy(unsafe { std::slice::from_raw_parts(text, size) });
        let mut out = std::io::stdout().lock();
        out.write_all(format!("{MARKER}{text}\n").as_bytes()).is_ok()
    }

    extern "C" fn tell(_: *const u8, _: usize) {}

    extern "C" fn divert(_: Option<Take>) {}

    extern "C" fn settle() {}

    extern "C" fn displayed() {}

    extern "C" fn ask(
        _: *const u8,
        _: usize,
        _: bool,
        _: *mut c_void,
        _: extern "C" fn(*mut c_void, *const u8, usize),
    ) {
    }
}
