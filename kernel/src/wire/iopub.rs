//! The iopub channel: statuses and outputs, to every client, in the order they were published.
//!
//! Nothing is dropped for those who read. Publishers wait when the queue is full, and the channel waits for slow readers
//! (a PUB socket would silently drop), but for one that has stopped reading only until the gate disconnects it.
//!
//! Text is the exception to one message an event: pieces of one stream that follow each other within [`STREAM_PACE`]
//! travel together, because Jupyter's server cuts off a kernel that sends more than 1000 messages a second.

use super::gate::{Endpoint, Limits, Listening, Publisher, Room};
use super::message::{self, signed_by_kernel, unasked};
use super::seal::Seal;
use bytes::Bytes;
use jupyter_protocol::{ExecutionState, IoPubWelcome, JupyterMessage, JupyterMessageContent, Status, Stdio};
use serde_json::Value;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

/// Messages that may wait to be sent.
const QUEUE: usize = 256;
/// KiB that they may hold together; a larger one waits until it is alone. A bundle with a plot may be megabytes.
const QUEUE_SIZE: u32 = 32 << 10;
/// Time between two messages of one stream while text keeps coming.
const STREAM_PACE: Duration = Duration::from_millis(10);
/// Bytes of text in one message before it is sent without waiting for more.
const STREAM_SIZE: usize = 64 * 1024;

enum Outgoing {
    /// With its part of the queue's size.
    Message(Box<JupyterMessage>, OwnedSemaphorePermit),
    /// Answered when all before it has been handed to the clients' connections.
    Flush(oneshot::Sender<()>),
}

/// A handle to publish with; clones share one queue.
#[derive(Clone)]
pub struct IoPub {
    queue: mpsc::Sender<Outgoing>,
    size: Arc<Semaphore>,
    runtime: Handle,
    publisher: Publisher,
}

impl IoPub {
    /// Opens the channel, and starts the task that publishes on it.
    pub async fn bind(
        endpoint: &Endpoint,
        room: &Arc<Room>,
        seal: &Arc<Seal>,
    ) -> io::Result<(IoPub, Listening)> {
        let (queue, waiting) = mpsc::channel(QUEUE);
        let signs = seal.clone();
        let greet = move |topic: &[u8]| welcome(topic, &signs);
        let (publisher, listening) = Publisher::bind(endpoint, Limits::default(), room, greet).await?;
        tokio::spawn(publish_all(publisher.clone(), seal.clone(), waiting));
        let iopub = IoPub {
            queue,
            size: Arc::new(Semaphore::new(QUEUE_SIZE as usize)),
            runtime: Handle::current(),
            publisher,
        };
        Ok((iopub, listening))
    }

    /// Publishes one message; waits while the queue is full.
    pub async fn publish(&self, message: JupyterMessage) {
        // Neither is ever closed: the task ends only with the process.
        if let Ok(part) = self.size.clone().acquire_many_owned(weight(&message)).await {
            let _ = self.queue.send(outgoing(message, part)).await;
        }
    }

    /// The same from a thread that may block, outside the async runtime's workers.
    pub fn publish_blocking(&self, message: JupyterMessage) {
        self.runtime.block_on(self.publish(message));
    }

    /// Publishes if there is room and drops the message otherwise: for news that grow old, like progress.
    pub fn publish_or_drop(&self, message: JupyterMessage) {
        if let Ok(part) = self.size.clone().try_acquire_many_owned(weight(&message)) {
            let _ = self.queue.try_send(outgoing(message, part));
        }
    }

    /// `busy` for a request: the first thing published about it.
    pub async fn busy(&self, parent: &JupyterMessage) {
        self.publish(signed_by_kernel(Status::busy().as_child_of(parent), parent))
            .await;
    }

    /// `idle` for a request: the last thing published about it.
    pub async fn idle(&self, parent: &JupyterMessage) {
        self.publish(signed_by_kernel(Status::idle().as_child_of(parent), parent))
            .await;
    }

    /// Waits until everything published so far is on its way.
    pub async fn flush(&self) {
        let (done, sent) = oneshot::channel();
        if self.queue.send(Outgoing::Flush(done)).await.is_ok() {
            let _ = sent.await;
        }
    }

    /// Waits until everything published so far has left this process.
    pub async fn empty(&self) {
        self.flush().await;
        self.publisher.empty().await;
    }
}

/// Clients that subscribe to everything do not look at the topic; it tells the others what this is.
fn outgoing(message: JupyterMessage, part: OwnedSemaphorePermit) -> Outgoing {
    let topic = format!("kernel.jook.{}", message.message_type());
    Outgoing::Message(Box::new(message.with_zmq_identities(vec![topic.into()])), part)
}

/// About how many KiB a message holds, no more than there are.
fn weight(message: &JupyterMessage) -> u32 {
    let content = match &message.content {
        JupyterMessageContent::StreamContent(stream) => stream.text.len(),
        JupyterMessageContent::UnknownMessage(other) => bytes_in(&other.content),
        // Statuses, errors and code.
        _ => 0,
    };
    let bytes = content + message.buffers.iter().map(Bytes::len).sum::<usize>();
    u32::try_from(bytes >> 10)
        .unwrap_or(u32::MAX)
        .saturating_add(1)
        .min(QUEUE_SIZE)
}

/// About how many bytes a value holds.
fn bytes_in(value: &Value) -> usize {
    match value {
        Value::String(text) => text.len(),
        Value::Array(values) => values.iter().map(|value| 16 + bytes_in(value)).sum(),
        Value::Object(fields) => fields
            .iter()
            .map(|(name, value)| 64 + name.len() + bytes_in(value))
            .sum(),
        _ => 0,
    }
}

async fn publish_all(publisher: Publisher, seal: Arc<Seal>, mut waiting: mpsc::Receiver<Outgoing>) {
    let mut cells = Cells::default();
    let mut held: Option<Outgoing> = None;
    let mut last_text = None;
    while let Some(item) = next(&mut held, &mut waiting).await {
        match item {
            Outgoing::Flush(done) => {
                let _ = done.send(());
            }
            Outgoing::Message(mut message, part) => {
                if is_text(&message) {
                    let pace = last_text.map_or_else(Instant::now, |last: Instant| last + STREAM_PACE);
                    held = gather(&mut message, &mut waiting, pace).await;
                    last_text = Some(Instant::now());
                }
                let still_busy = cells.after(&message);
                send(&publisher, &seal, *message).await;
                if let Some(busy) = still_busy {
                    send(&publisher, &seal, busy).await;
                }
                drop(part);
            }
        }
    }
}

/// The cells that run or wait, each by the message that said it is busy.
///
/// A question that is answered beside them ends with `idle`, and front ends show the last word about the kernel,
/// whatever it was about: JupyterLab would call it idle while a cell runs, and a server that ends idle kernels would
/// end it.
#[derive(Default)]
struct Cells(Vec<JupyterMessage>);

impl Cells {
    /// Takes in what is about to be sent; returns what has to be said again after it.
    fn after(&mut self, message: &JupyterMessage) -> Option<JupyterMessage> {
        let (JupyterMessageContent::Status(status), Some(parent)) =
            (&message.content, &message.parent_header)
        else {
            return None;
        };
        match status.execution_state {
            ExecutionState::Busy if parent.msg_type == "execute_request" => self.0.push(message.clone()),
            ExecutionState::Idle => {
                let about = |busy: &JupyterMessage| {
                    busy.parent_header.as_ref().map(|header| &header.msg_id) == Some(&parent.msg_id)
                };
                self.0.retain(|busy| !about(busy));
                let mut again = self.0.first()?.clone();
                again.header.msg_id = uuid::Uuid::new_v4().to_string();
                again.header.date = chrono::Utc::now();
                return Some(again);
            }
            _ => {}
        }
        None
    }
}

/// The item held back before, else the next one from the queue.
async fn next(held: &mut Option<Outgoing>, waiting: &mut mpsc::Receiver<Outgoing>) -> Option<Outgoing> {
    match held.take() {
        Some(item) => Some(item),
        None => waiting.recv().await,
    }
}

/// Tells a new subscriber that it will miss nothing from here on
/// (<https://jupyter.org/enhancement-proposals/65-jupyter-xpub/jupyter-xpub.html>).
fn welcome(topic: &[u8], seal: &Seal) -> Option<Vec<Bytes>> {
    let topic = String::from_utf8_lossy(topic).into_owned();
    let message = JupyterMessage::from(IoPubWelcome::new(topic.clone()));
    message::frames(unasked(message).with_zmq_identities(vec![topic.into()]), seal).ok()
}

/// Appends text that follows until `until`, or as long as more is already waiting. Returns the first item that
/// does not belong to the text.
async fn gather(
    message: &mut JupyterMessage,
    waiting: &mut mpsc::Receiver<Outgoing>,
    until: Instant,
) -> Option<Outgoing> {
    while text_size(message) < STREAM_SIZE {
        let next = match waiting.try_recv() {
            Ok(next) => next,
            Err(_) => timeout_at(until, waiting.recv()).await.ok().flatten()?,
        };
        match next {
            Outgoing::Message(next, _) if continues(message, &next) => append(message, &next),
            other => return Some(other),
        }
    }
    None
}

fn is_text(message: &JupyterMessage) -> bool {
    matches!(message.content, JupyterMessageContent::StreamContent(_))
}

fn text_size(message: &JupyterMessage) -> usize {
    match &message.content {
        JupyterMessageContent::StreamContent(stream) => stream.text.len(),
        _ => 0,
    }
}

/// Whether `next` is more of the same stream of the same request.
fn continues(message: &JupyterMessage, next: &JupyterMessage) -> bool {
    let parent =
        |message: &JupyterMessage| message.parent_header.as_ref().map(|parent| parent.msg_id.clone());
    match (&message.content, &next.content) {
        (JupyterMessageContent::StreamContent(a), JupyterMessageContent::StreamContent(b)) => {
            matches!(
                (&a.name, &b.name),
                (Stdio::Stdout, Stdio::Stdout) | (Stdio::Stderr, Stdio::Stderr)
            ) && parent(message) == parent(next)
        }
        _ => false,
    }
}

fn append(message: &mut JupyterMessage, next: &JupyterMessage) {
    if let (JupyterMessageContent::StreamContent(stream), JupyterMessageContent::StreamContent(more)) =
        (&mut message.content, &next.content)
    {
        stream.text.push_str(&more.text);
    }
}

async fn send(publisher: &Publisher, seal: &Seal, message: JupyterMessage) {
    match message::frames(message, seal) {
        Ok(frames) => publisher.publish(&frames).await,
        Err(error) => eprintln!("jook: could not publish a message: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::gate::tests::{hello, said};
    use jupyter_protocol::StreamContent;
    use tokio::io::AsyncWriteExt;

    /// What a subscriber that does not read keeps waiting is bounded, in bytes and not in messages.
    #[tokio::test]
    async fn what_waits_is_bounded() {
        let folder = std::env::temp_dir().join(format!("jook-iopub-{}", uuid::Uuid::new_v4()));
        std::fs::create_dir(&folder).unwrap();
        let seal = Arc::new(Seal::new("secret", "session".to_string()));
        let endpoint = Endpoint::Ipc(folder.join("iopub-1"));
        let (iopub, _listening) = IoPub::bind(&endpoint, &Room::new(0), &seal).await.unwrap();
        let mut sleeper = tokio::net::UnixStream::connect(folder.join("iopub-1"))
            .await
            .unwrap();
        sleeper
            .write_all(&[hello("SUB"), said(&[b"\x01"])].concat())
            .await
            .unwrap();
        tokio::time::sleep(Duration::from_millis(200)).await;
        let megabyte = "x".repeat(1 << 20);
        let mut published = 0;
        let stuck = async {
            loop {
                iopub.publish(StreamContent::stdout(&megabyte).into()).await;
                published += 1;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs(10), stuck).await;
        // The queue, the connection's part, and what is between them.
        assert!((32..100).contains(&published), "{published} MiB were taken in");
        // As soon as it is gone, it goes on.
        drop(sleeper);
        tokio::time::timeout(Duration::from_secs(20), iopub.empty())
            .await
            .unwrap();
        std::fs::remove_dir_all(folder).unwrap();
    }
}
