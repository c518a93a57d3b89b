//! Where a channel is: an address and port, or a socket in the file system.

use jupyter_protocol::connection_info::{ConnectionInfo, Transport};
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, UnixListener};
use tokio::task::AbortHandle;

/// The two directions of a connection.
pub type Stream = (
    Box<dyn AsyncRead + Send + Unpin>,
    Box<dyn AsyncWrite + Send + Unpin>,
);

/// Where to listen.
#[derive(Clone, Debug)]
pub enum Endpoint {
    Tcp(String, u16),
    Ipc(PathBuf),
}

/// Listens as long as it lives.
pub struct Listening {
    /// The port, which the system chose if it was asked for port 0.
    pub port: u16,
    task: AbortHandle,
    file: Option<PathBuf>,
}

impl Endpoint {
    /// The one that a connection file means by a port.
    pub fn new(connection: &ConnectionInfo, port: u16) -> Endpoint {
        match connection.transport {
            Transport::IPC => Endpoint::Ipc(format!("{}-{port}", connection.ip).into()),
            Transport::TCP if connection.ip == "*" => Endpoint::Tcp("0.0.0.0".to_string(), port),
            Transport::TCP => Endpoint::Tcp(connection.ip.clone(), port),
        }
    }

    /// Listens here and hands over what connects.
    pub async fn bind(&self, take: impl Fn(Stream) + Send + 'static) -> io::Result<Listening> {
        match self {
            Endpoint::Tcp(ip, port) => {
                let listener = TcpListener::bind((ip.as_str(), *port)).await?;
                let port = listener.local_addr()?.port();
                let accept = async move || {
                    let (stream, _) = listener.accept().await?;
                    // Messages are whole: waiting for more of them only delays. It fails where the other side has gone.
                    let _ = stream.set_nodelay(true);
                    let (read, write) = stream.into_split();
                    Ok((Box::new(read) as _, Box::new(write) as _))
                };
                Ok(Listening::new(port, None, accept_all(accept, take)))
            }
            Endpoint::Ipc(path) => {
                remove_dead(path);
                let listener = UnixListener::bind(path)?;
                let accept = async move || {
                    let (stream, _) = listener.accept().await?;
                    let (read, write) = stream.into_split();
                    Ok((Box::new(read) as _, Box::new(write) as _))
                };
                let port = path.to_string_lossy();
                let port = port.rsplit('-').next().and_then(|port| port.parse().ok());
                let all = accept_all(accept, take);
                Ok(Listening::new(port.unwrap_or_default(), Some(path.clone()), all))
            }
        }
    }
}

async fn accept_all(accept: impl AsyncFn() -> io::Result<Stream>, take: impl Fn(Stream)) {
    loop {
        match accept().await {
            Ok(stream) => take(stream),
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            // Out of files, most likely: some connection may end soon.
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// Removes the socket that a kernel left which was killed; one that is listened on stays.
fn remove_dead(path: &Path) {
    if let Err(error) = std::os::unix::net::UnixStream::connect(path)
        && error.kind() == io::ErrorKind::ConnectionRefused
    {
        let _ = std::fs::remove_file(path);
    }
}

impl Listening {
    fn new(port: u16, file: Option<PathBuf>, task: impl Future<Output = ()> + Send + 'static) -> Listening {
        Listening {
            port,
            file,
            task: tokio::spawn(task).abort_handle(),
        }
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.task.abort();
        if let Some(file) = &self.file {
            let _ = std::fs::remove_file(file);
        }
    }
}
