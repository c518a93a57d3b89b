//! What is turned away is counted and told. Whoever sends a flood of it does not fill the disk with the log.

use std::sync::atomic::{AtomicU64, Ordering};

/// A count of one kind of thing that was dropped.
pub struct Tally {
    what: &'static str,
    count: AtomicU64,
}

/// Messages that are not well-formed and signed.
pub static MESSAGES: Tally = Tally::new("a message");
/// Connections that broke a rule of the gate.
pub static CONNECTIONS: Tally = Tally::new("a connection");

impl Tally {
    const fn new(what: &'static str) -> Tally {
        Tally {
            what,
            count: AtomicU64::new(0),
        }
    }

    /// One more was dropped: the first ten are told, then each time their number has doubled.
    pub fn dropped(&self, reason: &str) {
        let count = self.count.fetch_add(1, Ordering::Relaxed) + 1;
        if count <= 10 || count.is_power_of_two() {
            eprintln!("jook: dropped {}, {count} so far: {reason}", self.what);
        }
    }
}
