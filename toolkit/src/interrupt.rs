//! Stopping long work when asked: the Stop button and Ctrl-C set a flag that loops look at.
//!
//! A loop enters a [`Scope`] and asks [`Scope::requested`] at every step; when it is set it returns what
//! it has. The flag is cleared when the outermost scope of the process ends, so one request stops one
//! piece of work, nested loops included.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

static REQUESTED: AtomicBool = AtomicBool::new(false);
static DEPTH: AtomicUsize = AtomicUsize::new(0);

/// While one is alive, its loop answers to a stop request.
#[must_use]
pub struct Scope(());

/// Enters a stoppable piece of work. The first call of a process takes over SIGINT: while a scope is
/// alive it only sets the flag; outside any scope it ends the process as usual, except in a notebook.
pub fn scope() -> Scope {
    install();
    DEPTH.fetch_add(1, Ordering::SeqCst);
    Scope(())
}

impl Scope {
    /// Whether the user asked to stop.
    pub fn requested(&self) -> bool {
        REQUESTED.load(Ordering::Relaxed)
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        if DEPTH.fetch_sub(1, Ordering::SeqCst) == 1 {
            REQUESTED.store(false, Ordering::SeqCst);
        }
    }
}

/// Asks the running work to stop, as the Stop button does.
pub fn request() {
    REQUESTED.store(true, Ordering::SeqCst);
}

/// Takes back a request that no loop has answered.
pub fn clear() {
    REQUESTED.store(false, Ordering::SeqCst);
}

/// Installs the signal handlers: SIGINT requests a stop, SIGUSR1 (sent by the kernel between cells)
/// takes an unanswered request back.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // SAFETY: the handlers only touch atomics and call async-signal-safe functions.
        unsafe {
            libc::signal(libc::SIGINT, on_interrupt as *const () as libc::sighandler_t);
            if in_notebook() {
                libc::signal(libc::SIGUSR1, on_clear as *const () as libc::sighandler_t);
            }
        }
        IN_NOTEBOOK.store(in_notebook(), Ordering::SeqCst);
    });
}

static IN_NOTEBOOK: AtomicBool = AtomicBool::new(false);

fn in_notebook() -> bool {
    std::env::var_os(crate::show::NOTEBOOK_ENV).is_some()
}

extern "C" fn on_interrupt(_: libc::c_int) {
    if DEPTH.load(Ordering::SeqCst) == 0 && !IN_NOTEBOOK.load(Ordering::SeqCst) {
        // SAFETY: _exit is async-signal-safe; 130 is what a shell reports for Ctrl-C.
        unsafe { libc::_exit(130) };
    }
    REQUESTED.store(true, Ordering::SeqCst);
}

extern "C" fn on_clear(_: libc::c_int) {
    REQUESTED.store(false, Ordering::SeqCst);
}
