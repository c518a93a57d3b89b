//! The order of cells in a shell, and which of them must not run any more.

use std::sync::atomic::{AtomicU64, Ordering};

/// Execute requests of one shell in order of arrival, and which of them must not run any more.
#[derive(Default)]
pub struct Queue {
    arrived: AtomicU64,
    aborted: AtomicU64,
}

impl Queue {
    /// A ticket for a request that has just arrived; tickets count from 1.
    pub fn ticket(&self) -> u64 {
        self.arrived.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// No request that has arrived by now will start.
    pub fn abort_waiting(&self) {
        self.aborted
            .store(self.arrived.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Whether the request with this ticket must not start.
    pub fn is_aborted(&self, ticket: u64) -> bool {
        ticket <= self.aborted.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aborting_spares_requests_that_arrive_later() {
        let queue = Queue::default();
        let (first, second) = (queue.ticket(), queue.ticket());
        assert!(!queue.is_aborted(first));
        queue.abort_waiting();
        let third = queue.ticket();
        assert_eq!(
            [first, second, third].map(|ticket| queue.is_aborted(ticket)),
            [true, true, false]
        );
    }
}
