//! A live line for long work: how far, how long still, and how it goes.

use std::cell::Cell;
use std::fmt::Display as Words;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::html::escape_html;
use super::request::{self, Request};
use super::sink::{self, Backend};
use super::sparkline::Sparkline;
use super::table::{shorten, width};
use super::{Bundle, Display, Show, readable_time};

/// Work shorter than this shows only its end.
const FIRST: Duration = Duration::from_millis(300);
/// Time between two drawings in a notebook or a terminal.
const EACH: Duration = Duration::from_millis(100);
/// Time between two printed lines where none can be rewritten.
const SPARSE: Duration = Duration::from_secs(15);

thread_local! {
    static QUIET: Cell<usize> = const { Cell::new(0) };
}

/// Runs `work` with this thread's new [`Progress`] lines silent, as a study does for the trainings inside
/// it. Other threads are not touched; [`show`](super::show()) still shows.
pub fn quiet<R>(work: impl FnOnce() -> R) -> R {
    struct Leave;
    impl Drop for Leave {
        fn drop(&mut self) {
            QUIET.set(QUIET.get() - 1);
        }
    }
    QUIET.set(QUIET.get() + 1);
    let _leave = Leave;
    work()
}

/// Whether this thread is within [`quiet`].
pub(crate) fn is_quiet() -> bool {
    QUIET.get() > 0
}

/// A line that says how far some work is. In a notebook it is a bar that updates in place, in a terminal
/// one rewritten line, on a pipe a line now and then.
///
/// Steps are cheap (one clock reading) and may come from several threads. Nothing is drawn in the first
/// 0.3 s, then at most ten times a second; the end is always shown.
///
/// ```
/// use jook::show::Progress;
/// let progress = Progress::new("training", 200);
/// for epoch in 0..200 {
///     let loss = 1.0 / (epoch + 1) as f64;
///     progress.value(loss);
///     progress.step(epoch + 1, format_args!("loss {loss:.3}"));
/// }
/// progress.finish("loss 0.005");
/// ```
#[derive(Debug)]
pub struct Progress {
    label: String,
    total: usize,
    start: Instant,
    /// Nanoseconds after `start` from which the next step draws; `u64::MAX` when silent.
    next: AtomicU64,
    done: AtomicU64,
    /// The front end's request in whose handler it was made; the steps may come from other threads.
    request: Option<Request>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    display: Option<Display>,
    note: String,
    curve: Sparkline,
    finished: bool,
    /// This line is the one being rewritten in the terminal.
    holds_terminal: bool,
}

/// A terminal has one line to rewrite: the first to ask has it until it ends.
static TERMINAL_TAKEN: AtomicBool = AtomicBool::new(false);

impl Progress {
    /// Starts the clock for `total` steps; 0 when the number is not known. Inside [`quiet`] it never draws.
    pub fn new(label: impl Into<String>, total: usize) -> Self {
        let first = match sink::backend() {
            Backend::Notebook | Backend::Terminal => FIRST,
            Backend::Evcxr | Backend::Pipe => SPARSE,
        };
        let silent = is_quiet();
        Self {
            label: label.into(),
            total,
            start: Instant::now(),
            next: AtomicU64::new(if silent { u64::MAX } else { nanos(first) }),
            done: AtomicU64::new(0),
            request: request::current(),
            state: Mutex::default(),
        }
    }

    /// Says that `done` steps of the total are done, and how it goes (`format_args!` costs nothing when
    /// nothing is drawn).
    pub fn step(&self, done: usize, note: impl Words) {
        self.done.store(done as u64, Ordering::Relaxed);
        let next = self.next.load(Ordering::Relaxed);
        if next == u64::MAX {
            return;
        }
        let now = nanos(self.start.elapsed());
        if now < next {
            return;
        }
        let pause = match sink::backend() {
            Backend::Notebook | Backend::Terminal => EACH,
            Backend::Evcxr | Backend::Pipe => SPARSE,
        };
        // One of the threads that arrive together draws.
        let claim =
            self.next
                .compare_exchange(next, now + nanos(pause), Ordering::Relaxed, Ordering::Relaxed);
        if claim.is_err() {
            return;
        }
        let mut state = self.lock();
        if !state.finished {
            state.note = note.to_string();
            self.draw(&mut state);
        }
    }

    /// Adds a point to the small curve beside the bar, such as the loss.
    pub fn value(&self, value: f64) {
        if !self.silent() {
            self.lock().curve.push(value);
        }
    }

    /// Shows the end and closes the line. Dropping without it shows the last state as it is.
    pub fn finish(self, note: impl Words) {
        if !self.silent() {
            let mut state = self.lock();
            state.note = note.to_string();
            self.close(&mut state);
        }
    }

    /// The picture of a running bar, for the pages of the gallery.
    #[cfg(test)]
    pub(crate) fn snapshot(&self, done: u64, note: &str) -> Bundle {
        let mut state = self.lock();
        (state.finished, state.note) = (false, note.into());
        self.done.store(done, Ordering::Relaxed);
        let picture = self.picture(&state);
        let bundle = Bundle::text(picture.text()).html(picture.html(&state.curve));
        state.finished = true;
        bundle
    }

    fn silent(&self) -> bool {
        self.next.load(Ordering::Relaxed) == u64::MAX
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|e| e.into_inner())
    }

    fn close(&self, state: &mut State) {
        if state.finished {
            return;
        }
        state.finished = true;
        self.draw(state);
    }

    fn draw(&self, state: &mut State) {
        let picture = self.picture(state);
        match sink::backend() {
            Backend::Notebook => {
                let bundle = Bundle::text(picture.text()).html(picture.html(&state.curve));
                match &state.display {
                    Some(display) => display.update(&bundle),
                    None => state.display = Some(Display::about(self.request.clone(), &bundle)),
                }
            }
            Backend::Terminal => self.draw_in_terminal(state, &picture),
            Backend::Evcxr | Backend::Pipe => sink::write(&format!("{}\n", picture.text())),
        }
    }

    fn draw_in_terminal(&self, state: &mut State, picture: &Picture<'_>) {
        if !state.holds_terminal {
            state.holds_terminal = !TERMINAL_TAKEN.swap(true, Ordering::SeqCst);
        }
        if !state.holds_terminal {
            // Another line is being rewritten: only the end is worth breaking into it.
            if state.finished {
                sink::write(&format!("\r{}\u{1b}[K\n", picture.text()));
            }
            return;
        }
        let room = terminal_columns().saturating_sub(1);
        let curve = state.curve.to_blocks(16);
        let text = picture.text();
        let line = match width(&text) + width(&curve) + 2 <= room {
            true => format!("{text}  {curve}"),
            false => shorten(&text, room),
        };
        let end = if state.finished { "\n" } else { "" };
        sink::write(&format!("\r{}\u{1b}[K{end}", line.trim_end()));
        if state.finished {
            state.holds_terminal = false;
            TERMINAL_TAKEN.store(false, Ordering::SeqCst);
        }
    }

    fn picture(&self, state: &State) -> Picture<'_> {
        Picture {
            label: &self.label,
            done: self.done.load(Ordering::Relaxed),
            total: self.total as u64,
            elapsed: self.start.elapsed(),
            note: state.note.clone(),
            finished: state.finished,
        }
    }
}

/// It draws itself: a cell that ends in it shows nothing more.
impl Show for Progress {
    fn bundle(&self) -> Bundle {
        Bundle::text(self.picture(&self.lock()).text())
    }

    fn outputs(&self) -> Vec<Bundle> {
        Vec::new()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if !self.silent() {
            let mut state = std::mem::take(&mut *self.lock());
            if !state.finished {
                self.close(&mut state);
            }
        }
    }
}

/// What is known at one moment; the forms are made from it.
struct Picture<'a> {
    label: &'a str,
    done: u64,
    total: u64,
    elapsed: Duration,
    note: String,
    finished: bool,
}

impl Picture<'_> {
    /// 0..1, when the total is known.
    fn share(&self) -> Option<f64> {
        (self.total > 0).then(|| (self.done as f64 / self.total as f64).clamp(0.0, 1.0))
    }

    fn counts(&self) -> String {
        match self.total {
            0 => self.done.to_string(),
            total => format!("{}/{total}", self.done),
        }
    }

    fn times(&self) -> String {
        let elapsed = readable_time(self.elapsed);
        match self.share() {
            Some(share) if !self.finished && share > 0.0 && share < 1.0 => {
                let left = self.elapsed.mul_f64((1.0 - share) / share);
                format!("{elapsed}, {} left", readable_time(left))
            }
            _ => elapsed,
        }
    }

    fn text(&self) -> String {
        let percent = match self.share() {
            Some(share) if !self.finished => format!(" {:.0}%", share * 100.0),
            _ => String::new(),
        };
        let mut text = format!("{}{percent} {} [{}]", self.label, self.counts(), self.times());
        if !self.note.is_empty() {
            text += "  ";
            text += &self.note;
        }
        text.chars()
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect()
    }

    fn html(&self, curve: &Sparkline) -> String {
        let share = self.share().unwrap_or(if self.finished { 1.0 } else { 0.0 });
        let stopped = self.finished && self.share().is_some_and(|share| share < 1.0);
        let color = match (self.finished, stopped) {
            (false, _) => super::chart::PALETTE[0],
            (true, false) => super::chart::PALETTE[2],
            (true, true) => super::chart::PALETTE[1],
        };
        let svg = curve.to_svg(140.0, 26.0);
        format!(
            "<div style=\"display:flex;flex-wrap:wrap;align-items:center;gap:4px 12px;font-size:0.92em;\
             min-height:28px;font-variant-numeric:tabular-nums\"><span style=\"font-weight:600\">{}</span>\
             <span style=\"display:inline-block;width:180px;height:8px;border-radius:4px;overflow:hidden;\
             background:rgba(128,128,128,0.25)\"><span style=\"display:block;height:8px;width:{:.1}%;\
             background:{color}\"></span></span><span>{}</span><span style=\"opacity:0.65\">{}</span>\
             <span>{}</span>{svg}</div>",
            escape_html(self.label),
            share * 100.0,
            escape_html(&self.counts()),
            escape_html(&self.times()),
            escape_html(&self.note),
        )
    }
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX - 1)
}

/// Columns of the terminal on standard output; 80 when it does not say.
fn terminal_columns() -> usize {
    let mut size = libc::winsize {
        ws_row: 0,
        ws_col: 0,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    // SAFETY: TIOCGWINSZ writes one `winsize` to the address given, which outlives the call.
    let answer = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &raw mut size) };
    match answer {
        0 if size.ws_col > 0 => usize::from(size.ws_col),
        _ => 80,
    }
}
