//! Memory for messages that have not been handled yet, shared by all channels.

use super::{End, refused};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that each message may hold without asking: small ones get through when large ones have filled the room.
const FREE: usize = 64 << 10;

/// How much there is left.
pub struct Room {
    left: AtomicUsize,
}

impl Room {
    /// Room for this many bytes.
    pub fn new(bytes: usize) -> Arc<Room> {
        Arc::new(Room {
            left: AtomicUsize::new(bytes),
        })
    }

    fn take(&self, bytes: usize) -> bool {
        let less = |left: usize| left.checked_sub(bytes);
        self.left
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, less)
            .is_ok()
    }
}

/// What one message holds; given back when it is dropped.
pub struct Held {
    room: Arc<Room>,
    bytes: usize,
    taken: usize,
}

impl Held {
    pub fn nothing(room: &Arc<Room>) -> Held {
        Held {
            room: room.clone(),
            bytes: 0,
            taken: 0,
        }
    }

    /// The message holds more.
    pub fn grow(&mut self, bytes: usize) -> Result<(), End> {
        self.bytes += bytes;
        let beyond = self.bytes.saturating_sub(FREE);
        if beyond > self.taken {
            if !self.room.take(beyond - self.taken) {
                return Err(refused(
                    "the messages that are on their way hold too much memory together",
                ));
            }
            self.taken = beyond;
        }
        Ok(())
    }

    /// Bytes of the message so far.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.room.left.fetch_add(self.taken, Ordering::SeqCst);
    }
}
