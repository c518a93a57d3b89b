//! What cargo says while it builds a dependency of the notebook.

use super::pump::Message;
use super::{Event, cell_crate};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

/// Passes on what cargo says while it builds a dependency, until dropped.
pub struct Building {
    done: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Building {
    pub fn watch(crate_dir: &Path, sink: &Sender<Message>) -> Self {
        let said = crate_dir.join(cell_crate::NOTES).join(cell_crate::PROGRESS);
        let _ = std::fs::remove_file(&said);
        let done = Arc::new(AtomicBool::new(false));
        let (end, sink) = (done.clone(), sink.clone());
        let thread = std::thread::spawn(move || {
            let mut told = 0;
            loop {
                let last = end.load(Ordering::Acquire);
                let text = std::fs::read(&said).unwrap_or_default();
                // Whole lines only.
                let whole = text
                    .iter()
                    .rposition(|&byte| byte == b'\n')
                    .map_or(0, |at| at + 1);
                if let Some(new) = text.get(told..whole).filter(|new| !new.is_empty()) {
                    let new = String::from_utf8_lossy(new).into_owned();
                    let _ = sink.send(Message::Event(Event::Stderr(new)));
                    told = whole;
                }
                if last {
                    return;
                }
                std::thread::park_timeout(Duration::from_millis(200));
            }
        });
        Self {
            done,
            thread: Some(thread),
        }
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}
