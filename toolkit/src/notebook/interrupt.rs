//! Stopping long work when asked: the Stop button and Ctrl-C set a flag that loops look at.
//!
//! A loop enters a [`Scope`] and asks [`Scope::requested`] at every step; when it is set it returns what
//! it has. Scopes nest and may live on several threads: a study holds one while its workers' trainings
//! hold their own, and one request reaches them all.
//!
//! How long a request lasts:
//! - In a program it is gone when the last scope ends, so that one request stops one piece of work. A
//!   second Ctrl-C before that, or one outside any scope, ends the program as usual.
//! - In a notebook it never ends the process. A kernel that says where a cell begins (by [`begin_cell`],
//!   or SIGUSR1) owns it: it lasts until the next cell, so that a cell with ten trainings in a row stops
//!   whole. Until a kernel has said so once, it ends with the last scope as in a program.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The request and the number of scopes in one word, so that no request can fall between reading one and
/// changing the other: bit 0 is the request, the rest counts scopes.
static STATE: AtomicUsize = AtomicUsize::new(0);
const REQUESTED: usize = 1;
const ONE_SCOPE: usize = 2;

/// A kernel clears requests between cells; scopes leave them alone.
static HELD_FOR_KERNEL: AtomicBool = AtomicBool::new(false);
static IN_NOTEBOOK: AtomicBool = AtomicBool::new(false);

/// While one is alive, its loop answers to a stop request.
#[must_use]
#[derive(Debug)]
pub struct Scope(());

/// Enters a stoppable piece of work, taking over SIGINT if [`install`] has not been called yet.
pub fn scope() -> Scope {
    install();
    STATE.fetch_add(ONE_SCOPE, Ordering::SeqCst);
    Scope(())
}

impl Scope {
    /// Whether the user asked to stop. Cheap enough to ask at every step.
    pub fn requested(&self) -> bool {
        requested()
    }
}

impl Drop for Scope {
    fn drop(&mut self) {
        let hold = HELD_FOR_KERNEL.load(Ordering::SeqCst);
        let leave = |state: usize| {
            let left = state - ONE_SCOPE;
            Some(if left < ONE_SCOPE && !hold { 0 } else { left })
        };
        // The closure always gives a value, so the update cannot fail.
        let _ = STATE.fetch_update(Ordering::SeqCst, Ordering::SeqCst, leave);
    }
}

/// Whether a stop is asked for and not yet taken back.
pub fn requested() -> bool {
    STATE.load(Ordering::Relaxed) & REQUESTED != 0
}

/// Asks the running work to stop, as the Stop button does.
pub fn request() {
    STATE.fetch_or(REQUESTED, Ordering::SeqCst);
}

/// Takes back a request.
pub fn clear() {
    STATE.fetch_and(!REQUESTED, Ordering::SeqCst);
}

/// Called at the start of a cell, when a request may have come for it already: from now on a kernel takes requests back.
pub(crate) fn hold() {
    install();
    HELD_FOR_KERNEL.store(true, Ordering::SeqCst);
}

/// Called by a kernel before it runs a cell: installs the handlers, takes back a request meant for the
/// cell before, and from then on keeps a request until the next call.
pub fn begin_cell() {
    hold();
    clear();
}

/// Installs the signal handlers, once: SIGINT requests a stop; in a notebook SIGUSR1 does what
/// [`begin_cell`] does. A SIGINT that the program was started to ignore (`nohup`, a background job) stays
/// ignored, except in a notebook.
pub fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let notebook = crate::cells::kernel().is_some();
        IN_NOTEBOOK.store(notebook, Ordering::SeqCst);
        if notebook {
            handle(libc::SIGUSR1, on_clear);
        }
        if notebook || !ignored(libc::SIGINT) {
            handle(libc::SIGINT, on_interrupt);
        }
    });
}

fn ignored(signal: libc::c_int) -> bool {
    // SAFETY: an all-zero sigaction is a valid value; the call only writes the current action into it.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
    }
}

fn handle(signal: libc::c_int, handler: extern "C" fn(libc::c_int)) {
    // SAFETY: the handlers only touch atomics and call async-signal-safe functions. SA_RESTART lets
    // reads and writes of the program go on as if nothing had happened.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(signal, &raw const action, std::ptr::null_mut());
    }
}

extern "C" fn on_interrupt(signal: libc::c_int) {
    let before = STATE.fetch_or(REQUESTED, Ordering::SeqCst);
    if IN_NOTEBOOK.load(Ordering::SeqCst) {
        return;
    }
    if before < ONE_SCOPE || before & REQUESTED != 0 {
        // SAFETY: both calls are async-signal-safe. The signal is delivered anew when this handler
        // returns, and ends the process in the way its parent expects.
        unsafe {
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
    }
}

extern "C" fn on_clear(_: libc::c_int) {
    HELD_FOR_KERNEL.store(true, Ordering::SeqCst);
    clear();
}

#[cfg(test)]
mod tests {
    //! Signals reach a whole process, and other tests hold scopes in this one: each case runs in a child,
    //! which is this test binary asked for one ignored test.

    use std::os::unix::process::ExitStatusExt;
    use std::process::ExitStatus;
    use std::time::{Duration, Instant};

    use super::*;

    fn child(case: &str, notebook: bool) -> (ExitStatus, String) {
        let mut command = crate::testing::child("notebook::interrupt::tests::in_child");
        command
            .env("JOOK_TEST_CASE", case)
            .env_remove(crate::cells::kernel_for_tests::NOTEBOOK_ENV);
        if notebook {
            command.env(crate::cells::kernel_for_tests::NOTEBOOK_ENV, "1");
        }
        let output = command.output().unwrap();
        (
            output.status,
            String::from_utf8_lossy(&output.stdout).into_owned(),
        )
    }

    fn raise(signal: libc::c_int) {
        // SAFETY: a signal to this thread, whose handler (ours or the default) runs before the call returns.
        unsafe { libc::raise(signal) };
    }

    fn passes(case: &str, notebook: bool) {
        let (status, out) = child(case, notebook);
        assert!(
            status.success() && out.contains("reached the end"),
            "{case}: {status}\n{out}"
        );
    }

    #[test]
    fn a_request_stops_the_scopes_of_every_thread_and_ends_with_the_last() {
        passes("threads", false);
        passes("threads", true);
    }

    #[test]
    fn the_second_signal_and_one_outside_a_scope_end_a_program() {
        for case in ["twice", "outside"] {
            let (status, out) = child(case, false);
            assert_eq!(status.signal(), Some(libc::SIGINT), "{case}: {out}");
        }
    }

    #[test]
    fn a_notebook_survives_every_signal_and_keeps_the_request_for_the_cell() {
        passes("notebook", true);
    }

    #[test]
    fn a_program_started_to_ignore_the_signal_keeps_ignoring_it() {
        passes("ignored", false);
    }

    #[test]
    #[ignore = "run in a child process by the tests above"]
    fn in_child() {
        // Whoever started the tests may ignore the signal (`nohup`), and that is inherited.
        // SAFETY: sets a standard disposition before any handler is installed.
        unsafe { libc::signal(libc::SIGINT, libc::SIG_DFL) };
        match std::env::var("JOOK_TEST_CASE").as_deref() {
            Ok("threads") => {
                let outer = scope();
                let workers: Vec<_> = (0..4).map(|_| std::thread::spawn(work_until_stopped)).collect();
                std::thread::sleep(Duration::from_millis(50));
                raise(libc::SIGINT);
                assert!(
                    workers.into_iter().all(|w| w.join().unwrap()),
                    "a worker did not hear"
                );
                assert!(outer.requested(), "the workers' scopes took the request away");
                drop(outer);
                assert!(
                    !requested() && !scope().requested(),
                    "the next work would not start"
                );
            }
            Ok("twice") => {
                let _scope = scope();
                raise(libc::SIGINT);
                raise(libc::SIGINT);
            }
            Ok("outside") => {
                drop(scope());
                raise(libc::SIGINT);
            }
            Ok("notebook") => {
                begin_cell();
                raise(libc::SIGINT);
                raise(libc::SIGINT);
                for _ in 0..3 {
                    assert!(scope().requested(), "every loop of the cell stops");
                }
                raise(libc::SIGUSR1);
                assert!(!scope().requested(), "the next cell runs");
                request();
                begin_cell();
                assert!(!scope().requested());
            }
            Ok("ignored") => {
                // SAFETY: sets a standard disposition before any handler is installed.
                unsafe { libc::signal(libc::SIGINT, libc::SIG_IGN) };
                let scope = scope();
                raise(libc::SIGINT);
                assert!(!scope.requested());
            }
            _ => return,
        }
        println!("reached the end");
    }

    fn work_until_stopped() -> bool {
        let (scope, start) = (scope(), Instant::now());
        while start.elapsed() < Duration::from_secs(5) {
            if scope.requested() {
                return true;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        false
    }
}
