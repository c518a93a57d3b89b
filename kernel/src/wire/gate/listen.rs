//! One task for each connection: who is it, then reading and writing until one of the two ends.

use super::endpoint::{Endpoint, Listening, Stream};
use super::frames::{Message, Piece, Reader, command, named};
use super::handshake::{Role, meet};
use super::mailbox::Mailbox;
use super::places::{Place, Places};
use super::room::Room;
use super::{End, Limits, SMALL, refused, tally};
use bytes::Bytes;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::AsyncRead;

/// A connection that has said who it is.
pub struct Peer<'p> {
    /// A number that no other connection of this kernel has.
    pub number: u64,
    /// Who it claims to be; anybody can.
    pub identity: Bytes,
    /// What is to be sent to it.
    pub mailbox: Arc<Mailbox>,
    reader: Reader<Box<dyn AsyncRead + Send + Unpin>>,
    place: &'p Place,
}

impl Peer<'_> {
    /// The next message from it.
    pub async fn message(&mut self) -> Result<Message, End> {
        loop {
            match self.reader.next().await? {
                Piece::Message(message) => {
                    self.place.has_spoken();
                    return Ok(message);
                }
                Piece::Command(said) => self.answer(&said).await?,
            }
        }
    }

    /// Commands after READY: the other side asks whether this one is still there, or gives up.
    async fn answer(&mut self, said: &[u8]) -> Result<(), End> {
        match named(said) {
            // Two bytes of time to live, then words that come back.
            Some((b"PING", rest)) => {
                let words = rest.get(2..).unwrap_or_default();
                let pong = command("PONG", words.get(..16).unwrap_or(words));
                self.mailbox.put([pong].into());
                self.mailbox.room().await;
                Ok(())
            }
            Some((b"ERROR", _)) => Err(End::Left),
            Some(_) => Ok(()),
            None => Err(refused("a command without a name")),
        }
    }
}

/// What a channel does with a connection, until it ends.
pub trait Serve: Send + Sync + 'static {
    /// What this side is.
    const ROLE: Role;

    /// Reads from the connection until it ends.
    fn serve(&self, peer: &mut Peer<'_>) -> impl Future<Output = Result<(), End>> + Send;

    /// The connection has ended.
    fn gone(&self, _peer: u64) {}
}

/// Takes connections at an endpoint until what it returns is dropped.
pub async fn listen<S: Serve>(
    endpoint: &Endpoint,
    limits: Limits,
    room: &Arc<Room>,
    channel: Arc<S>,
) -> std::io::Result<Listening> {
    let places = Places::new(limits.peers);
    let room = room.clone();
    endpoint
        .bind(move |stream| {
            let full = || format!("there are {} connections to this channel already", limits.peers);
            let Some((place, another_goes)) = places.take() else {
                return tally::CONNECTIONS.dropped(&full());
            };
            if another_goes {
                tally::CONNECTIONS.dropped(&format!("{}, and this one has said nothing", full()));
            }
            let (channel, room) = (channel.clone(), room.clone());
            tokio::spawn(async move {
                let served = tokio::select! {
                    served = serve(&*channel, stream, limits, room, &place) => served,
                    () = place.is_wanted() => Ok(()),
                };
                if let Err(End::Refused(reason)) = served {
                    tally::CONNECTIONS.dropped(&reason);
                }
            });
        })
        .await
}

/// All that happens on one connection.
pub(super) async fn serve<S: Serve>(
    channel: &S,
    stream: Stream,
    limits: Limits,
    room: Arc<Room>,
    place: &Place,
) -> Result<(), End> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let (read, mut write) = stream;
    let unknown = Limits {
        message: SMALL,
        ..limits
    };
    let mut reader = Reader::new(read, room, unknown);
    let met = meet(&mut reader, &mut write, S::ROLE);
    let identity = match tokio::time::timeout(limits.handshake, met).await {
        Ok(met) => met?,
        Err(_) => {
            let seconds = limits.handshake.as_secs_f32();
            return Err(refused(format!("it did not say who it is within {seconds} s")));
        }
    };
    reader.limit(limits);
    let mailbox = Mailbox::new(limits.waiting);
    let mut peer = Peer {
        number: NUMBER.fetch_add(1, Ordering::Relaxed),
        identity,
        mailbox: mailbox.clone(),
        reader,
        place,
    };
    let number = peer.number;
    let _gone = Gone {
        channel,
        number,
        mailbox: &mailbox,
    };
    tokio::select! {
        end = channel.serve(&mut peer) => end,
        end = mailbox.deliver(&mut write, limits.standstill) => end,
    }
}

/// However a connection ends, nobody waits for it any more.
struct Gone<'a, S: Serve> {
    channel: &'a S,
    number: u64,
    mailbox: &'a Mailbox,
}

impl<S: Serve> Drop for Gone<'_, S> {
    fn drop(&mut self) {
        self.channel.gone(self.number);
        self.mailbox.close();
    }
}
