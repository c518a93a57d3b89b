//! A channel on which the kernel talks to all who have subscribed.

use super::frames::encode;
use super::handshake::Role;
use super::listen::{Peer, Serve, listen};
use super::mailbox::Mailbox;
use super::{End, Endpoint, Limits, Listening, Room, SMALL, refused};
use bytes::Bytes;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Subscriptions of one connection; clients have one, or a handful.
const TOPICS: usize = 256;

/// What the subscribers hear. Nothing is dropped for those who read; those who do not are waited for only as long as the
/// channel's limits say, and end with it.
#[derive(Clone)]
pub struct Publisher {
    subscribers: Arc<Subscribers>,
}

struct Subscriber {
    topics: Vec<Bytes>,
    mailbox: Arc<Mailbox>,
}

#[derive(Default)]
struct Subscribers(Mutex<HashMap<u64, Subscriber>>);

impl Subscribers {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Subscriber>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Publisher {
    /// Takes subscriptions at an endpoint. `greet` says what a connection hears first when it subscribes to a topic.
    pub async fn bind(
        endpoint: &Endpoint,
        limits: Limits,
        room: &Arc<Room>,
        greet: impl Fn(&[u8]) -> Option<Vec<Bytes>> + Send + Sync + 'static,
    ) -> std::io::Result<(Publisher, Listening)> {
        let (channel, publisher) = channel(greet);
        let limits = Limits {
            message: SMALL,
            ..limits
        };
        let listening = listen(endpoint, limits, room, Arc::new(channel)).await?;
        Ok((publisher, listening))
    }

    /// Publishes a message whose first frame is its topic. Waits for those who are behind with their reading.
    pub async fn publish(&self, frames: &[Bytes]) {
        let topic = frames.first().map_or(&b""[..], |frame| frame);
        let hears = |subscriber: &&Subscriber| subscriber.topics.iter().any(|begin| topic.starts_with(begin));
        let mailboxes: Vec<_> = {
            let subscribers = self.subscribers.lock();
            subscribers
                .values()
                .filter(hears)
                .map(|subscriber| subscriber.mailbox.clone())
                .collect()
        };
        if mailboxes.is_empty() {
            return;
        }
        let parcel = Arc::from(encode(frames));
        // All have it before one is waited for.
        mailboxes
            .iter()
            .for_each(|mailbox| mailbox.put(Arc::clone(&parcel)));
        drop(parcel);
        for mailbox in mailboxes {
            mailbox.room().await;
        }
    }

    /// Waits until everything published so far has been handed to the network.
    pub async fn empty(&self) {
        let mailboxes: Vec<_> = {
            let subscribers = self.subscribers.lock();
            subscribers
                .values()
                .map(|subscriber| subscriber.mailbox.clone())
                .collect()
        };
        for mailbox in mailboxes {
            mailbox.empty().await;
        }
    }
}

/// What connections are served with, and what publishes to them.
pub(super) fn channel<G>(greet: G) -> (Channel<G>, Publisher) {
    let subscribers = Arc::<Subscribers>::default();
    let publisher = Publisher {
        subscribers: subscribers.clone(),
    };
    (Channel { subscribers, greet }, publisher)
}

pub(super) struct Channel<G> {
    subscribers: Arc<Subscribers>,
    greet: G,
}

impl<G> Serve for Channel<G>
where
    G: Fn(&[u8]) -> Option<Vec<Bytes>> + Send + Sync + 'static,
{
    const ROLE: Role = Role::Publisher;

    async fn serve(&self, peer: &mut Peer<'_>) -> Result<(), End> {
        let subscriber = Subscriber {
            topics: Vec::new(),
            mailbox: peer.mailbox.clone(),
        };
        self.subscribers.lock().insert(peer.number, subscriber);
        loop {
            let message = peer.message().await?;
            // One byte that says what it is about, then the topic; anything else means nothing here.
            if let [frame] = &message.frames[..]
                && let Some(verb @ (0 | 1)) = frame.first()
            {
                self.change(peer.number, *verb == 1, frame.slice(1..))?;
                peer.mailbox.room().await;
            }
        }
    }

    fn gone(&self, peer: u64) {
        self.subscribers.lock().remove(&peer);
    }
}

impl<G: Fn(&[u8]) -> Option<Vec<Bytes>>> Channel<G> {
    fn change(&self, peer: u64, subscribes: bool, topic: Bytes) -> Result<(), End> {
        let mut subscribers = self.subscribers.lock();
        let Some(subscriber) = subscribers.get_mut(&peer) else {
            return Err(End::Left);
        };
        if !subscribes {
            if let Some(at) = subscriber.topics.iter().position(|known| *known == topic) {
                subscriber.topics.swap_remove(at);
            }
            return Ok(());
        }
        if subscriber.topics.len() == TOPICS {
            return Err(refused(format!("it subscribed to more than {TOPICS} topics")));
        }
        // Under the lock: what is published next comes after it.
        if let Some(welcome) = (self.greet)(&topic) {
            subscriber.mailbox.put(encode(&welcome).into());
        }
        subscriber.topics.push(topic);
        Ok(())
    }
}
