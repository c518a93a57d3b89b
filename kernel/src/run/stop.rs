//! Ctrl-C during a run: once stops the running cell and lets what is there be written, twice ends at once.

use crate::session::Session;
use anyhow::Result;
use std::os::fd::{FromRawFd as _, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The writing end of the pipe that the signal handler, which may do little else, writes to.
static BELL: AtomicI32 = AtomicI32::new(-1);

/// How long a cell may take to stop by itself: toolkit loops end at their next step. Then it is asked again,
/// which kills it.
pub const PATIENCE: Duration = Duration::from_secs(3);

/// After this the program ends, whatever the cell does.
const LAST: Duration = Duration::from_secs(20);

/// Listens for Ctrl-C and for the request to terminate.
#[derive(Clone)]
pub struct Stop {
    asked: Arc<AtomicBool>,
    session: Arc<Mutex<Option<Arc<Session>>>>,
}

impl Stop {
    /// Takes over both signals. Until [`Stop::watch`], when nothing is there to be kept, they end the program.
    pub fn install() -> Result<Self> {
        let mut ends = [0; 2];
        // SAFETY: the array has room for the two descriptors; on success both are open and ours.
        let reader = unsafe {
            if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) != 0 {
                return Err(std::io::Error::last_os_error().into());
            }
            BELL.store(ends[1], Ordering::SeqCst);
            libc::signal(libc::SIGINT, ring as *const () as libc::sighandler_t);
            libc::signal(libc::SIGTERM, ring as *const () as libc::sighandler_t);
            OwnedFd::from_raw_fd(ends[0])
        };
        let stop = Self {
            asked: Arc::default(),
            session: Arc::default(),
        };
        let listener = stop.clone();
        std::thread::spawn(move || listener.listen(reader.into()));
        Ok(stop)
    }

    /// From now on the first signal interrupts what `session` runs.
    pub fn watch(&self, session: &Arc<Session>) {
        *self.session.lock().unwrap_or_else(PoisonError::into_inner) = Some(session.clone());
    }

    /// Whether the user asked to stop.
    pub fn asked(&self) -> bool {
        self.asked.load(Ordering::SeqCst)
    }

    fn listen(&self, mut bell: std::fs::File) {
        let mut byte = [0];
        while std::io::Read::read_exact(&mut bell, &mut byte).is_ok() {
            let session = self
                .session
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone();
            match session {
                Some(session) if !self.asked.swap(true, Ordering::SeqCst) => {
                    eprintln!("\nStopping, and writing what is there; Ctrl-C again ends at once.");
                    std::thread::spawn(move || {
                        // No cell comes after this one, so that none but it can be meant.
                        let begun = Instant::now();
                        while begun.elapsed() < LAST {
                            session.interrupt();
                            std::thread::sleep(PATIENCE);
                        }
                        // What neither stops nor can be killed, such as a session that never got ready,
                        // must not keep the program.
                        std::process::exit(i32::from(super::INTERRUPTED));
                    });
                }
                session => {
                    if let Some(session) = session {
                        // Ends the process that runs cells, but waits for nothing that hangs.
                        std::thread::spawn(move || session.shutdown());
                        std::thread::sleep(Duration::from_millis(500));
                    }
                    eprintln!();
                    std::process::exit(i32::from(super::INTERRUPTED));
                }
            }
        }
    }
}

extern "C" fn ring(signal: libc::c_int) {
    let byte = [signal as u8];
    // SAFETY: write is async-signal-safe; the descriptor stays open as long as the program.
    unsafe {
        libc::write(BELL.load(Ordering::SeqCst), byte.as_ptr().cast(), 1);
    }
}
