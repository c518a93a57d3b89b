//! Why the first cell waits: news of the warm-up, and of the toolkit's build when that is needed, as text on the
//! cell's stderr. A short wait stays silent, and the text is taken back when the cell's own outputs begin.

use super::iopub::IoPub;
use super::outputs::stderr;
use jupyter_protocol::{ClearOutput, JupyterMessage};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// How long a cell waits before it is told why. An ordinary warm-up in the background ends sooner.
const PATIENCE: Duration = Duration::from_secs(5);

/// Takes the session's progress and shows it in the first cell, if that has to wait.
pub struct WarmUp {
    iopub: IoPub,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The newest line, until it has been shown.
    news: Option<String>,
    waiting: Option<Waiting>,
    over: bool,
}

struct Waiting {
    cell: Box<JupyterMessage>,
    since: Instant,
    shown: bool,
}

impl WarmUp {
    pub fn new(iopub: IoPub) -> Arc<WarmUp> {
        Arc::new(WarmUp {
            iopub,
            state: Mutex::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A line of progress from the session; called on the session's thread.
    pub fn report(&self, line: String) {
        eprintln!("jook: {line}");
        let mut state = self.state();
        if !state.over {
            state.news = Some(line);
            self.show(&mut state);
        }
    }

    /// A cell has started and has shown nothing yet.
    pub fn cell_waits(self: &Arc<Self>, cell: &JupyterMessage) {
        let mut state = self.state();
        if state.over {
            return;
        }
        state.waiting = Some(Waiting {
            cell: Box::new(cell.clone()),
            since: Instant::now(),
            shown: false,
        });
        let warm_up = self.clone();
        tokio::spawn(async move {
            tokio::time::sleep(PATIENCE).await;
            warm_up.show(&mut warm_up.state());
        });
    }

    /// The waiting cell has its first output or has ended: the session is ready. Returns the message that takes
    /// the progress back from the cell, to be published before the output.
    pub fn cell_speaks(&self) -> Option<JupyterMessage> {
        let mut state = self.state();
        state.over |= state.waiting.is_some();
        let waiting = state.waiting.take()?;
        waiting
            .shown
            .then(|| ClearOutput { wait: false }.as_child_of(&waiting.cell))
    }

    fn show(&self, state: &mut State) {
        let Some(waiting) = &mut state.waiting else { return };
        if waiting.since.elapsed() >= PATIENCE
            && let Some(line) = state.news.take()
        {
            waiting.shown = true;
            self.iopub
                .publish_or_drop(stderr(&format!("{line}\n"), &waiting.cell));
        }
    }
}
