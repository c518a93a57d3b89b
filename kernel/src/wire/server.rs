//! A kernel's life: connection file, channels, tasks, end.

use super::comms;
use super::control;
use super::gate::{Endpoint, Limits, Room, Router, heart};
use super::history::History;
use super::iopub::IoPub;
use super::kernel::Kernel;
use super::message::unasked;
use super::orphan::orphaned;
use super::parents::Parents;
use super::progress::WarmUp;
use super::replies::Replies;
use super::seal::Seal;
use super::shell;
use super::shells::Shells;
use super::stdin::Stdin;
use super::subshells;
use crate::session::{Comms, Options, Said, Session, compiler_version};
use anyhow::{Context, Result, bail};
use jupyter_protocol::{ConnectionInfo, Status};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc};

/// Bytes that all messages which are still coming in may hold together.
const ROOM: usize = 2 << 30;
/// How long the session may take to end; clients kill a kernel after five seconds.
const FAREWELL: Duration = Duration::from_secs(3);
/// How long the last messages may take to leave. Who does not read them is not waited for.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Serves the clients of one connection file until one of them, or a signal, ends the kernel.
pub fn serve(connection_file: &Path) -> Result<()> {
    let connection = read_connection_file(connection_file)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("jook-wire")
        .enable_all()
        .build()
        .context("could not start the async runtime")?;
    let served = runtime.block_on(run(connection));
    // A thread may still be inside a cell that will not stop; it ends with the process.
    runtime.shutdown_background();
    served
}

fn read_connection_file(path: &Path) -> Result<ConnectionInfo> {
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("could not read the connection file {}", path.display()))?;
    let connection: ConnectionInfo = serde_json::from_str(&text)
        .with_context(|| format!("{} is not a Jupyter connection file", path.display()))?;
    if !connection.key.is_empty() && connection.signature_scheme != "hmac-sha256" {
        bail!(
            "{}: signature scheme {:?}: this kernel signs with hmac-sha256 only",
            path.display(),
            connection.signature_scheme
        );
    }
    Ok(connection)
}

async fn run(connection: ConnectionInfo) -> Result<()> {
    if connection.key.is_empty() {
        eprintln!(
            "jook: message signing is disabled (the connection file's key is empty): whoever can connect to this \
             kernel can run code as you"
        );
    }
    let rustc = tokio::task::spawn_blocking(|| compiler_version().unwrap_or_else(|| "unknown".to_owned()));
    let seal = Arc::new(Seal::new(&connection.key, uuid::Uuid::new_v4().to_string()));
    let room = Room::new(ROOM);
    let cannot = |channel: &str, port: u16| format!("could not bind the {channel} socket (port {port})");
    let endpoint = |port: u16| Endpoint::new(&connection, port);
    let router = async |channel: &str, port: u16| {
        let router = Router::bind(&endpoint(port), Limits::default(), &room).await;
        router.with_context(|| cannot(channel, port))
    };
    let heart = heart::beat(&endpoint(connection.hb_port), &room)
        .await
        .with_context(|| cannot("heartbeat", connection.hb_port))?;
    let shell_channel = router("shell", connection.shell_port).await?;
    let control_channel = router("control", connection.control_port).await?;
    let stdin_channel = router("stdin", connection.stdin_port).await?;
    let (iopub, iopub_socket) = IoPub::bind(&endpoint(connection.iopub_port), &room, &seal)
        .await
        .with_context(|| cannot("iopub", connection.iopub_port))?;
    let ports = serde_json::json!({
        "status": "ok",
        "shell_port": shell_channel.listening.port,
        "iopub_port": iopub_socket.port,
        "stdin_port": stdin_channel.listening.port,
        "control_port": control_channel.listening.port,
        "hb_port": heart.port,
    });

    iopub.publish(unasked(Status::starting().into())).await;
    let warm_up = WarmUp::new(iopub.clone());
    let news = warm_up.clone();
    let parents = Parents::new(iopub.clone());
    let heard = parents.clone();
    let between = parents.clone();
    let comms = Comms::new(move |about, said| heard.said(about, said));
    let session = Session::start(Options {
        working_dir: std::env::current_dir().context("the working directory is gone")?,
        on_progress: Box::new(move |line| news.report(line)),
        comms: comms.clone(),
        between: Some(Arc::new(move |event| between.said(None, Said::Show(event)))),
        typed_at: true,
    })?;
    let replies = Replies::new(shell_channel.outbox, seal.clone());
    let questions = Replies::new(stdin_channel.outbox, seal.clone());
    let kernel = Arc::new(Kernel {
        session: Arc::new(session),
        iopub,
        stdin: Stdin::start(stdin_channel.inbox, questions, seal.clone()),
        history: Mutex::new(History::of_user()),
        warm_up,
        comms,
        parents,
        rustc: rustc.await.unwrap_or_default(),
        ports,
        shells: Shells::default(),
        turn: tokio::sync::Mutex::default(),
        running: AtomicBool::new(false),
        ended: Notify::new(),
    });
    subshells::open_main(&kernel, &replies);
    let (about_comms, queue) = mpsc::unbounded_channel();
    tokio::spawn(comms::answer_all(kernel.clone(), replies.clone(), queue));
    tokio::spawn(shell::listen(
        kernel.clone(),
        shell_channel.inbox,
        replies.clone(),
        seal.clone(),
        about_comms,
    ));
    let answers = Replies::new(control_channel.outbox, seal.clone());
    tokio::spawn(control::listen(
        kernel.clone(),
        control_channel.inbox,
        answers.clone(),
        replies.clone(),
        seal,
    ));

    until_the_end(&kernel).await?;
    let last = kernel.clone();
    let session = tokio::task::spawn_blocking(move || last.session.shutdown());
    let _ = tokio::time::timeout(FAREWELL, session).await;
    let last_words = async {
        answers.empty().await;
        replies.empty().await;
        kernel.iopub.empty().await;
    };
    let _ = tokio::time::timeout(LAST_WORDS, last_words).await;
    Ok(())
}

/// Returns when a client, a signal or the death of the process that started the kernel ends it. Ctrl-C interrupts.
async fn until_the_end(kernel: &Arc<Kernel>) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let interrupts = async {
        while tokio::signal::ctrl_c().await.is_ok() {
            kernel.interrupt().await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = kernel.ended.notified() => {}
        _ = terminate.recv() => {}
        () = orphaned() => eprintln!("jook: the process that started this kernel is gone"),
        () = interrupts => {}
    }
    Ok(())
}
