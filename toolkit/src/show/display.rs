//! Showing something now, and replacing it later.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::request::{self, Request};
use super::sink::{self, Backend, Message};
use super::{Bundle, Show};

/// Where nothing can be replaced, an update is printed at most this often.
const SPARSE: Duration = Duration::from_secs(10);

/// Shows a value now: outputs of a cell appear in the order of these calls. (Stock evcxr keeps only the
/// last output of each kind.)
pub fn show<T: Show + ?Sized>(value: &T) {
    value
        .outputs()
        .iter()
        .for_each(|output| sink::send(&Message::Display(output, None)));
}

/// Empties the output of the running cell. With `wait` it stays until the next output arrives, so that a
/// page does not jump. Outside the Jook kernel nothing happens.
pub fn clear_output(wait: bool) {
    sink::send(&Message::Clear { wait });
}

/// Shows a value that can be replaced later through the handle.
pub fn show_updatable<T: Show + ?Sized>(value: &T) -> Display {
    Display::new(&value.bundle())
}

/// Something on display that can be replaced in place.
///
/// Outside the Jook kernel nothing can be replaced: an update is then printed only if the last printing
/// was ten seconds ago, and the last state is printed when the handle is dropped.
#[derive(Debug)]
pub struct Display {
    id: String,
    /// The front end's request in whose handler it was made.
    request: Option<Request>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    printed: Instant,
    /// The newest state, when it has not been printed.
    pending: Option<Bundle>,
}

impl Display {
    pub(crate) fn new(bundle: &Bundle) -> Self {
        Self::about(request::current(), bundle)
    }

    /// One that is part of handling a request, wherever it is made: work that a handler starts may go on on
    /// other threads.
    pub(crate) fn about(request: Option<Request>, bundle: &Bundle) -> Self {
        let id = fresh_id();
        let pending = match sink::backend() {
            // Blocks of stock evcxr cannot be taken back: show the last state only.
            Backend::Evcxr => Some(bundle.clone()),
            _ => {
                sink::send_about(request.as_ref(), &Message::Display(bundle, Some(&id)));
                None
            }
        };
        let printed = Instant::now();
        Self {
            id,
            request,
            state: Mutex::new(State { printed, pending }),
        }
    }

    /// Replaces what is on display.
    pub fn update<T: Show + ?Sized>(&self, value: &T) {
        let bundle = value.bundle();
        // The lock is held while sending, so that updates from several threads arrive in one order.
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        match sink::backend() {
            Backend::Notebook => {
                let request = request::current().or_else(|| self.request.clone());
                sink::send_about(request.as_ref(), &Message::Update(&bundle, &self.id));
            }
            Backend::Terminal | Backend::Pipe if state.printed.elapsed() >= SPARSE => {
                sink::send(&Message::Display(&bundle, None));
                *state = State {
                    printed: Instant::now(),
                    pending: None,
                };
            }
            _ => state.pending = Some(bundle),
        }
    }
}

/// What it displays is in the output already: a cell that ends in it shows nothing more.
impl Show for Display {
    fn bundle(&self) -> Bundle {
        Bundle::text("(on display)")
    }

    fn outputs(&self) -> Vec<Bundle> {
        Vec::new()
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(|e| e.into_inner());
        if let Some(bundle) = state.pending.take() {
            sink::send(&Message::Display(&bundle, None));
        }
    }
}

/// An id that no other process or earlier session has used: a front end keeps old outputs on its page.
pub(crate) fn fresh_id() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    static START: std::sync::OnceLock<u128> = std::sync::OnceLock::new();
    let nanos = || {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |t| t.as_nanos())
    };
    let start = START.get_or_init(nanos);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    format!("jook-{:x}-{start:x}-{number}", std::process::id())
}
