//! What waits to be sent on one connection.

use super::{End, Pace};
use bytes::{BufMut, Bytes, BytesMut};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;

/// Small messages that wait are written together, up to about this many bytes.
const TOGETHER: usize = 64 << 10;

/// A message in runs of bytes, shared by all it is sent to.
pub type Parcel = Arc<[Bytes]>;

/// The queue of a connection.
pub struct Mailbox {
    state: Mutex<State>,
    changed: Notify,
    limit: usize,
}

#[derive(Default)]
struct State {
    parcels: VecDeque<Parcel>,
    /// Bytes in the parcels, and in the one that is being written.
    bytes: usize,
    closed: bool,
}

impl Mailbox {
    /// An empty one, with room for about `limit` bytes.
    pub fn new(limit: usize) -> Arc<Mailbox> {
        Arc::new(Mailbox {
            state: Mutex::default(),
            changed: Notify::new(),
            limit,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Puts a message in, whether there is room or not. What is sent to a connection that has ended is lost with it.
    pub fn put(&self, parcel: Parcel) {
        let mut state = self.state();
        if !state.closed {
            state.bytes += weight(&parcel);
            state.parcels.push_back(parcel);
        }
        drop(state);
        self.changed.notify_waiters();
    }

    /// Waits until there is room, or nobody who could make some.
    pub async fn room(&self) {
        self.until(|state| state.closed || state.bytes <= self.limit)
            .await;
    }

    /// Waits until all has been handed to the network, or cannot be any more.
    pub async fn empty(&self) {
        self.until(|state| state.closed || state.bytes == 0).await;
    }

    /// Nothing more is sent.
    pub fn close(&self) {
        *self.state() = State {
            closed: true,
            ..State::default()
        };
        self.changed.notify_waiters();
    }

    async fn until(&self, reached: impl Fn(&State) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on no change is missed.
            changed.as_mut().enable();
            if reached(&self.state()) {
                return;
            }
            changed.await;
        }
    }

    /// Writes what is put in, until the connection ends.
    pub async fn deliver(
        &self,
        writer: &mut (impl AsyncWrite + Unpin),
        standstill: Duration,
    ) -> Result<(), End> {
        loop {
            self.until(|state| state.closed || !state.parcels.is_empty())
                .await;
            let mut pace = Pace::new(standstill);
            while let Some((runs, weight)) = self.take() {
                for mut run in runs {
                    while !run.is_empty() {
                        let written = pace.within(writer.write_buf(&mut run), TAKING).await?;
                        if written == 0 {
                            return Err(End::Left);
                        }
                        pace.moved(written);
                    }
                }
                let mut state = self.state();
                state.bytes = state.bytes.saturating_sub(weight);
                drop(state);
                self.changed.notify_waiters();
            }
            if self.state().closed {
                return Err(End::Left);
            }
        }
    }

    /// What to write next, and what it weighs.
    fn take(&self) -> Option<(Vec<Bytes>, usize)> {
        let mut state = self.state();
        let first = state.parcels.pop_front()?;
        let mut total = weight(&first);
        if total > TOGETHER {
            return Some((first.to_vec(), total));
        }
        let mut together = BytesMut::new();
        first.iter().for_each(|run| together.put_slice(run));
        while let Some(next) = state.parcels.front()
            && total + weight(next) <= TOGETHER
        {
            total += weight(next);
            next.iter().for_each(|run| together.put_slice(run));
            state.parcels.pop_front();
        }
        Some((vec![together.freeze()], total))
    }
}

const TAKING: &str = "did not read what was there for it";

/// Bytes of a message, and what it costs to keep it.
fn weight(parcel: &[Bytes]) -> usize {
    128 + parcel.iter().map(Bytes::len).sum::<usize>()
}
