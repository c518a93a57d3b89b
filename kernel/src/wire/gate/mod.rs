//! The door to the network: ZeroMQ's own protocol (ZMTP 3.0, <https://rfc.zeromq.org/spec/23/>), spoken by this
//! kernel itself, because anybody who can reach a port of it may say anything there before a signature is looked at.
//!
//! Three kinds of sockets are behind it: [`Router`] takes requests and sends replies, [`Publisher`] tells all that have
//! subscribed, [`heart`] sends back what it hears. For each connection there is one task, so that nobody waits for a
//! stranger, and [`Limits`] say what a connection may cost:
//!
//! - memory is taken for bytes that have come, never for a length that was announced, and what all unfinished messages
//!   hold together is bounded ([`Room`]);
//! - a connection must say who it is within seconds, and there are only so many of them on a channel ([`places`]);
//! - who begins to send or has something to take must go on, or is disconnected: [`Pace`];
//! - whoever is turned away is counted and told on stderr ([`tally`]).

mod endpoint;
mod frames;
mod handshake;
pub mod heart;
mod listen;
mod mailbox;
mod places;
mod publisher;
mod room;
mod router;
pub mod tally;
#[cfg(test)]
pub mod tests;

pub use endpoint::{Endpoint, Listening};
pub use publisher::Publisher;
pub use room::Room;
pub use router::{Inbox, Outbox, Router};

use std::time::Duration;
use tokio::time::Instant;

/// What the connections of one channel may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many there may be.
    pub peers: usize,
    /// How long one may take to say who it is.
    pub handshake: Duration,
    /// How long one may stand still that has begun to send, or does not take what is there for it.
    pub standstill: Duration,
    /// Bytes of a message, all its frames together.
    pub message: usize,
    /// Bytes that may wait for one connection before whoever sends them has to wait.
    pub waiting: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            // Five channels of them still leave room below the usual 1024 open files.
            peers: 128,
            handshake: Duration::from_secs(10),
            standstill: Duration::from_secs(30),
            message: 1 << 30,
            waiting: 32 << 20,
        }
    }
}

/// What a command, a heartbeat or a subscription may weigh.
const SMALL: usize = 64 << 10;
/// Bytes that count as going on, in the time in which standing still is allowed.
const STEP: usize = 256 << 10;

/// Why a connection ends.
#[derive(Debug, PartialEq)]
enum End {
    /// The other side has gone.
    Left,
    /// This side does not go on with it, for this reason.
    Refused(String),
}

impl From<std::io::Error> for End {
    fn from(_: std::io::Error) -> End {
        End::Left
    }
}

fn refused(reason: impl Into<String>) -> End {
    End::Refused(reason.into())
}

/// Whether a transfer goes on. A byte now and then does not count: it would hold memory, or a cell, for ever.
struct Pace {
    standstill: Duration,
    since: Instant,
    moved: usize,
}

impl Pace {
    fn new(standstill: Duration) -> Pace {
        Pace {
            standstill,
            since: Instant::now(),
            moved: 0,
        }
    }

    /// Bytes have been moved.
    fn moved(&mut self, bytes: usize) {
        self.moved += bytes;
        if self.moved >= STEP {
            *self = Pace::new(self.standstill);
        }
    }

    /// Waits for the next step of the transfer.
    async fn within<T>(&self, step: impl Future<Output = std::io::Result<T>>, doing: &str) -> Result<T, End> {
        match tokio::time::timeout_at(self.since + self.standstill, step).await {
            Ok(done) => Ok(done?),
            Err(_) => Err(refused(format!(
                "it {doing} for {} s and did not go on",
                self.standstill.as_secs_f32()
            ))),
        }
    }
}
