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
//!
//! A kernel's signals may be handled in another order than they were sent in, by two threads: a request that is taken
//! back at once could be heard last, and would stop every cell after. So a kernel numbers its requests (the value of
//! `sigqueue`, from 1), and takes back all up to a number.

use std::sync::Once;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

/// The request and the number of scopes in one word, so that no request can fall between reading one and
/// changing the other: bit 0 is the request, the rest counts scopes.
static STATE: AtomicUsize = AtomicUsize::new(0);
const REQUESTED: usize = 1;
const ONE_SCOPE: usize = 2;

/// The last of the kernel's numbered requests that was heard, and the last that was taken back: neither ever sinks.
static ASKED: AtomicU32 = AtomicU32::new(0);
static TAKEN_BACK: AtomicU32 = AtomicU32::new(0);

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
        || ASKED.load(Ordering::Relaxed) > TAKEN_BACK.load(Ordering::Relaxed)
}

/// Asks the running work to stop, as the Stop button does.
pub fn request() {
    STATE.fetch_or(REQUESTED, Ordering::SeqCst);
}

/// Takes back a [`request`]; a kernel takes its numbered ones back itself.
pub fn clear() {
    STATE.fetch_and(!REQUESTED, Ordering::SeqCst);
}

/// Takes back a request, and the kernel's up to a number.
fn clear_up_to(number: u32) {
    clear();
    TAKEN_BACK.fetch_max(number, Ordering::SeqCst);
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
    clear_up_to(ASKED.load(Ordering::SeqCst));
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

type Handler = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);

fn handle(signal: libc::c_int, handler: Handler) {
    // SAFETY: the handlers only touch atomics and call async-signal-safe functions. SA_RESTART lets
    // reads and writes of the program go on as if nothing had happened.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = handler as *const () as libc::sighandler_t;
        action.sa_flags = libc::SA_RESTART | libc::SA_SIGINFO;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(signal, &raw const action, std::ptr::null_mut());
    }
}

/// The number that came with a signal; none with one that a terminal or `kill` has sent.
///
/// # Safety
/// `info` is what the system gave to a handler.
unsafe fn number(info: *const libc::siginfo_t) -> Option<u32> {
    // SAFETY: as promised; a signal that was queued has a value, whose first half is the number.
    unsafe { ((*info).si_code == libc::SI_QUEUE).then(|| (*info).si_value().sival_ptr as usize as u32) }
}

extern "C" fn on_interrupt(signal: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    let in_notebook = IN_NOTEBOOK.load(Ordering::SeqCst);
    // SAFETY: this is a handler.
    if in_notebook && let Some(number) = unsafe { number(info) } {
        ASKED.fetch_max(number, Ordering::SeqCst);
        return;
    }
    let before = STATE.fetch_or(REQUESTED, Ordering::SeqCst);
    if in_notebook {
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

extern "C" fn on_clear(_: libc::c_int, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    HELD_FOR_KERNEL.store(true, Ordering::SeqCst);
    // SAFETY: this is a handler.
    let numbered = unsafe { number(info) };
    clear_up_to(numbered.unwrap_or_else(|| ASKED.load(Ordering::SeqCst)));
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
    fn a_request_that_is_heard_after_it_was_taken_back_stops_nothing() {
        passes("late", true);
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
            Ok("late") => {
                let send = |signal, number: usize| {
                    let value = libc::sigval {
                        sival_ptr: number as *mut libc::c_void,
                    };
                    // SAFETY: a signal to this thread, whose handler runs before the call returns.
                    unsafe { libc::pthread_sigqueue(libc::pthread_self(), signal, value) };
                };
                begin_cell();
                let stopped = || scope().requested();
                send(libc::SIGUSR1, 1);
                send(libc::SIGINT, 1);
                assert!(!stopped(), "the request was taken back");
                send(libc::SIGINT, 3);
                send(libc::SIGUSR1, 2);
                assert!(stopped(), "this request is a later one");
                send(libc::SIGUSR1, 3);
                assert!(!stopped());
                send(libc::SIGINT, 4);
                raise(libc::SIGUSR1);
                assert!(!stopped(), "who has no numbers takes back all");
                raise(libc::SIGINT);
                assert!(stopped());
                send(libc::SIGUSR1, 4);
                assert!(!stopped());
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
