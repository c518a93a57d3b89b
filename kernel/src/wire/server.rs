//! A kernel's life: connection file, sockets, tasks, end.

use super::comms::{self, Parents};
use super::history::History;
use super::info::rustc_version;
use super::iopub::IoPub;
use super::kernel::{Kernel, Replies};
use super::progress::WarmUp;
use super::shells::Shells;
use super::stdin::Stdin;
use super::{control, shell};
use crate::session::{Comms, Options, Said, Session};
use anyhow::{Context, Result, bail};
use jupyter_protocol::{ConnectionInfo, Status};
use jupyter_zmq_client::{
    KernelHeartbeatConnection, create_kernel_control_connection, create_kernel_heartbeat_connection,
    create_kernel_iopub_xpub_connection, create_kernel_shell_connection, create_kernel_stdin_connection,
};
use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use zeromq::{SocketRecv, SocketSend};

/// How long the session and the last messages may take at the end; clients kill a kernel after five seconds.
const FAREWELL: Duration = Duration::from_secs(3);

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
    let rustc = tokio::task::spawn_blocking(rustc_version);
    let id = uuid::Uuid::new_v4().to_string();
    let cannot = |channel: &str, port: u16| format!("could not bind the {channel} socket (port {port})");
    let heartbeat = create_kernel_heartbeat_connection(&connection)
        .await
        .with_context(|| cannot("heartbeat", connection.hb_port))?;
    let (shell_sender, shell_receiver) = create_kernel_shell_connection(&connection, &id)
        .await
        .with_context(|| cannot("shell", connection.shell_port))?
        .split();
    let (control_sender, control_receiver) = create_kernel_control_connection(&connection, &id)
        .await
        .with_context(|| cannot("control", connection.control_port))?
        .split();
    let stdin = create_kernel_stdin_connection(&connection, &id)
        .await
        .with_context(|| cannot("stdin", connection.stdin_port))?;
    let iopub = create_kernel_iopub_xpub_connection(&connection, &id)
        .await
        .with_context(|| cannot("iopub", connection.iopub_port))?;

    tokio::spawn(beat(heartbeat));
    let iopub = IoPub::start(iopub);
    iopub.publish(Status::starting().into()).await;
    let warm_up = WarmUp::new(iopub.clone());
    let news = warm_up.clone();
    let parents = Parents::new(iopub.clone());
    let heard = parents.clone();
    let unasked = parents.clone();
    let comms = Comms::new(move |about, said| heard.said(about, said));
    let session = Session::start(Options {
        working_dir: std::env::current_dir().context("the working directory is gone")?,
        on_progress: Box::new(move |line| news.report(line)),
        comms: comms.clone(),
        between: Some(Arc::new(move |event| unasked.said(None, Said::Show(event)))),
    })?;
    let replies = Replies::new(shell_sender);
    let kernel = Arc::new(Kernel {
        session: Arc::new(session),
        iopub,
        stdin: Stdin::start(stdin),
        history: Mutex::new(History::of_user()),
        warm_up,
        comms,
        parents,
        rustc: rustc.await.unwrap_or_default(),
        ports: serde_json::json!({
            "status": "ok",
            "shell_port": connection.shell_port,
            "iopub_port": connection.iopub_port,
            "stdin_port": connection.stdin_port,
            "control_port": connection.control_port,
            "hb_port": connection.hb_port,
        }),
        shells: Shells::new(replies.clone()),
        turn: tokio::sync::Mutex::default(),
        running: AtomicBool::new(false),
        ended: Notify::new(),
    });
    kernel.shells.open_main(&kernel);
    let (about_comms, queue) = mpsc::unbounded_channel();
    tokio::spawn(comms::answer_all(kernel.clone(), replies.clone(), queue));
    tokio::spawn(shell::listen(
        kernel.clone(),
        shell_receiver,
        replies,
        about_comms,
    ));
    tokio::spawn(control::listen(
        kernel.clone(),
        control_receiver,
        Replies::new(control_sender),
    ));

    until_the_end(&kernel).await?;
    let farewell = async {
        let kernel = kernel.clone();
        let last = kernel.clone();
        let _ = tokio::task::spawn_blocking(move || kernel.session.shutdown()).await;
        last.iopub.flush().await;
        // The reply to a shutdown is written by the socket's own task, which has no end to wait for.
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    let _ = tokio::time::timeout(FAREWELL, farewell).await;
    Ok(())
}

/// Returns when a client, a signal or the death of the process that started the kernel ends it. Ctrl-C interrupts.
async fn until_the_end(kernel: &Arc<Kernel>) -> Result<()> {
    #[cfg(unix)]
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    #[cfg(unix)]
    let terminated = async {
        terminate.recv().await;
    };
    #[cfg(not(unix))]
    let terminated = std::future::pending::<()>();
    let interrupts = async {
        while tokio::signal::ctrl_c().await.is_ok() {
            kernel.interrupt().await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = kernel.ended.notified() => {}
        () = terminated => {}
        () = orphaned() => eprintln!("jook: the process that started this kernel is gone"),
        () = interrupts => {}
    }
    Ok(())
}

/// Returns when the client that started the kernel has died. Jupyter says in `JPY_PARENT_PID` that it wants this.
async fn orphaned() {
    #[cfg(unix)]
    if std::env::var_os("JPY_PARENT_PID").is_some() {
        let parent = std::os::unix::process::parent_id();
        while std::os::unix::process::parent_id() == parent {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        return;
    }
    std::future::pending::<()>().await;
}

/// Sends back whatever comes: a client that hears nothing takes the kernel for dead.
async fn beat(mut connection: KernelHeartbeatConnection) {
    loop {
        match connection.socket.recv().await {
            // A client that has just gone cannot be answered; the next one can.
            Ok(beat) => drop(connection.socket.send(beat).await),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}
