//! What a session is started with.

use crate::session::talk::comms::Comms;
use crate::session::talk::protocol::Event;
use std::path::PathBuf;
use std::sync::Arc;

/// How to start a session.
pub struct Options {
    /// Where cells run: the notebook's folder.
    pub working_dir: PathBuf,
    /// Told what takes long, in words for the user.
    pub on_progress: Box<dyn Fn(String) + Send + Sync>,
    /// What cells say to the front end beside their outputs.
    pub comms: Arc<Comms>,
    /// Hears what comes between cells, of threads and programs that outlive theirs. Without it, the next cell shows it.
    pub between: Option<Arc<dyn Fn(Event) + Send + Sync>>,
    /// Whether somebody may type and ask for completions: the time before the first cell then goes into what those need.
    pub typed_at: bool,
}
