//! A channel of requests and replies.

use super::frames::{Message, encode};
use super::handshake::Role;
use super::listen::{Peer, Serve, listen};
use super::mailbox::Mailbox;
use super::{End, Endpoint, Limits, Listening, Room};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::mpsc;

/// Requests that may wait to be looked at. Each connection waits by itself when they do.
const QUEUE: usize = 16;

/// Both directions of a channel.
pub struct Router {
    pub inbox: Inbox,
    pub outbox: Outbox,
    pub listening: Listening,
}

/// Where requests come in.
pub struct Inbox(mpsc::Receiver<Message>);

/// Where replies go out.
#[derive(Clone)]
pub struct Outbox(Arc<Peers>);

/// The frames of a message in front of which its sender stands, in two: the number of its connection, and who it claims
/// to be. A reply with the same two frames goes back to it.
const ADDRESS: usize = 2;

#[derive(Default)]
struct Peers(Mutex<HashMap<u64, (Bytes, Arc<Mailbox>)>>);

impl Peers {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, (Bytes, Arc<Mailbox>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Router {
    /// Takes requests at an endpoint.
    pub async fn bind(endpoint: &Endpoint, limits: Limits, room: &Arc<Room>) -> std::io::Result<Router> {
        let (channel, inbox, outbox) = channel();
        Ok(Router {
            inbox,
            outbox,
            listening: listen(endpoint, limits, room, Arc::new(channel)).await?,
        })
    }
}

/// What connections are served with, and both ends of it.
pub(super) fn channel() -> (Channel, Inbox, Outbox) {
    let (requests, inbox) = mpsc::channel(QUEUE);
    let peers = Arc::<Peers>::default();
    let outbox = Outbox(peers.clone());
    (Channel { peers, requests }, Inbox(inbox), outbox)
}

impl Inbox {
    /// The frames of the next message of anybody, its sender's address in front.
    pub async fn next(&mut self) -> Vec<Bytes> {
        match self.0.recv().await {
            Some(Message { frames, held }) => {
                // From here on it is the reader's.
                drop(held);
                frames
            }
            // The channel has been closed: nothing comes any more.
            None => std::future::pending().await,
        }
    }
}

impl Outbox {
    /// Sends a message to the connection it is addressed to. Where that is none of this channel's, to those of the same
    /// name: clients give their connections to all channels one name, and keep it when they connect again.
    ///
    /// # Errors
    /// When there is none.
    pub fn send(&self, frames: &[Bytes]) -> Result<(), String> {
        let (address, frames) = frames.split_at_checked(ADDRESS).ok_or("it has no address")?;
        let number = address[0].as_ref().try_into().map(u64::from_be_bytes);
        let parcel = Arc::from(encode(frames));
        let peers = self.0.lock();
        if let Some((_, mailbox)) = number.ok().and_then(|number| peers.get(&number)) {
            mailbox.put(parcel);
            return Ok(());
        }
        let mut sent = false;
        let named = peers
            .values()
            .filter(|(name, _)| !name.is_empty() && *name == address[1]);
        for (_, mailbox) in named {
            mailbox.put(parcel.clone());
            sent = true;
        }
        if sent {
            Ok(())
        } else {
            Err("the client is not connected".to_string())
        }
    }

    /// Waits until everything sent so far has been handed to the network.
    pub async fn empty(&self) {
        let mailboxes: Vec<_> = self
            .0
            .lock()
            .values()
            .map(|(_, mailbox)| mailbox.clone())
            .collect();
        for mailbox in mailboxes {
            mailbox.empty().await;
        }
    }
}

pub(super) struct Channel {
    peers: Arc<Peers>,
    requests: mpsc::Sender<Message>,
}

impl Serve for Channel {
    const ROLE: Role = Role::Router;

    async fn serve(&self, peer: &mut Peer<'_>) -> Result<(), End> {
        let mailbox = peer.mailbox.clone();
        self.peers
            .lock()
            .insert(peer.number, (peer.identity.clone(), mailbox.clone()));
        let address = [
            Bytes::copy_from_slice(&peer.number.to_be_bytes()),
            peer.identity.clone(),
        ];
        loop {
            let mut message = peer.message().await?;
            message.frames.splice(..0, address.clone());
            self.requests.send(message).await.map_err(|_| End::Left)?;
            // Who asks and does not read the answers asks no further.
            mailbox.room().await;
        }
    }

    fn gone(&self, peer: u64) {
        self.peers.lock().remove(&peer);
    }
}
