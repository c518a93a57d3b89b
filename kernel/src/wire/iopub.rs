//! The iopub channel: statuses and outputs, to every client, in the order they were published.
//!
//! Nothing is dropped for those who read. Publishers wait when the queue is full, and the channel waits for slow readers
//! (a PUB socket would silently drop), but for one that has stopped reading only until the gate disconnects it. Text is the exception to one message an event: pieces of one stream that
//! follow each other within [`STREAM_PACE`] travel together, because Jupyter's server cuts off a kernel that
//! sends more than 1000 messages a second.

use super::gate::{Endpoint, Limits, Listening, Publisher, Room};
use super::message::{self, signed_by_kernel, unasked};
use super::seal::Seal;
use bytes::Bytes;
use jupyter_protocol::{ExecutionState, IoPubWelcome, JupyterMessage, JupyterMessageContent, Status, Stdio};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout_at};

/// Messages that may wait to be sent. A bundle with a plot may be megabytes, hence no more than these.
const QUEUE: usize = 256;
/// Time between two messages of one stream while text keeps coming.
const STREAM_PACE: Duration = Duration::from_millis(10);
/// Bytes of text in one message before it is sent without waiting for more.
const STREAM_SIZE: usize = 64 * 1024;

enum Outgoing {
    Message(Box<JupyterMessage>),
    /// Answered when all before it has been handed to the clients' connections.
    Flush(oneshot::Sender<()>),
}

/// A handle to publish with; clones share one queue.
#[derive(Clone)]
pub struct IoPub {
    queue: mpsc::Sender<Outgoing>,
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
        Ok((IoPub { queue, publisher }, listening))
    }

    /// Publishes one message; waits while the queue is full.
    pub async fn publish(&self, message: JupyterMessage) {
        // The task ends only with the process: a closed queue means that nobody is left to listen.
        let _ = self.queue.send(outgoing(message)).await;
    }

    /// The same from a thread that may block, outside the async runtime's workers.
    pub fn publish_blocking(&self, message: JupyterMessage) {
        let _ = self.queue.blocking_send(outgoing(message));
    }

    /// Publishes if there is room and drops the message otherwise: for news that grow old, like progress.
    pub fn publish_or_drop(&self, message: JupyterMessage) {
        let _ = self.queue.try_send(outgoing(message));
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
fn outgoing(message: JupyterMessage) -> Outgoing {
    let topic = format!("kernel.jook.{}", message.message_type());
    Outgoing::Message(Box::new(message.with_zmq_identities(vec![topic.into()])))
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
            Outgoing::Message(mut message) => {
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
            Outgoing::Message(next) if continues(message, &next) => append(message, &next),
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
