//! The thread that owns evcxr.

use crate::session::build::mask;
use crate::session::control::Control;
use crate::session::engine::Engine;
use crate::session::options::Options;
use crate::session::talk::pump::Message;
use crate::session::talk::pump::Sink;
use crate::session::tell::report;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};

/// What the session's face asks of the thread.
pub enum Request {
    Execute {
        code: String,
        sink: Sink,
        /// Set when the cell was stopped before its turn came.
        given_up: Arc<AtomicBool>,
    },
    Shutdown,
}

/// Serves requests until the session ends.
pub fn run(options: &Options, requests: &Receiver<Request>, control: &Arc<Control>) {
    // Nobody waits for ever for a thread that is gone.
    let _gone = Gone(control);
    of_this_thread(&options.working_dir);
    let mut engine = guarded(|| Engine::start(options, control)).unwrap_or_else(|panic| Err(failed(&panic)));
    let mut told = false;
    let mut warm = false;
    loop {
        let request = match requests.try_recv() {
            Ok(request) => request,
            Err(TryRecvError::Disconnected) => return,
            // Nobody waits: the time to prepare for the cells to come.
            Err(TryRecvError::Empty) => {
                if let Ok(engine) = &mut engine {
                    if options.typed_at && !std::mem::replace(&mut warm, true) {
                        let _ = guarded(|| engine.warm_up());
                    }
                    control.rests(engine.resting());
                }
                match requests.recv() {
                    Ok(request) => request,
                    Err(_) => return,
                }
            }
        };
        control.works();
        match request {
            Request::Execute { given_up, .. } if given_up.load(Ordering::Acquire) => {}
            Request::Execute { code, sink, given_up } => {
                if engine.is_err() && told {
                    // The user may have repaired what was wrong.
                    engine = guarded(|| Engine::start(options, control))
                        .unwrap_or_else(|panic| Err(failed(&panic)));
                }
                told = true;
                let result = match &mut engine {
                    Ok(engine) => guarded(|| engine.execute(&code, &sink, &given_up, control)),
                    Err(error) => Ok(Err(report::plain("ToolkitError", &format!("{error:#}")))),
                };
                let result = result.unwrap_or_else(|panic| {
                    control.shut_down();
                    control.end(true);
                    // What has failed once is not used again, nor taken down: that may fail as well.
                    let broken = std::mem::replace(&mut engine, Err(failed(&panic)));
                    std::mem::forget(broken);
                    engine = guarded(|| Engine::start(options, control))
                        .unwrap_or_else(|panic| Err(failed(&panic)));
                    Err(report::plain("KernelError", &format!("{panic}\n{RESTARTED}")))
                });
                let _ = sink.send(Message::Done(result));
            }
            Request::Shutdown => return,
        }
    }
}

/// What becomes of a session whose own thread has failed.
const RESTARTED: &str = "That is a fault of the kernel, not of the cell. The notebook's variables, functions and `use` lines are lost; \
    a new session is ready: run the cells that make them again, and write this cell another way.";

struct Gone<'a>(&'a Control);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.0.gone();
    }
}

/// Runs what may panic in code that is not ours; the panic in words.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    std::panic::catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
        format!("the session failed: {}", said.unwrap_or("it does not say why"))
    })
}

fn failed(panic: &str) -> anyhow::Error {
    anyhow::anyhow!("{panic}")
}

/// Gives this thread a working folder and a mask for new files of its own: relative paths in `:dep` are the notebook's,
/// and the sources of cells are for their owner alone.
fn of_this_thread(folder: &Path) {
    // SAFETY: separates what threads share by default; it concerns this thread and those that it starts.
    unsafe {
        if libc::unshare(libc::CLONE_FS) == 0 {
            mask::keep_files_private();
            let _ = std::env::set_current_dir(folder);
        }
    }
}
