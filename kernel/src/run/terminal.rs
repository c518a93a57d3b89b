//! The lines a run writes to the terminal: one that lives while something happens, and one for each
//! thing done. On a pipe only the latter, and now and then what a long build is at.

use crate::session::Answer;
use std::fs::File;
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _, RawFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

/// How often the living line moves.
const TICK: Duration = Duration::from_millis(100);

/// What to do where nobody is at the terminal.
const NOBODY_ASKS: &str =
    "run the notebook at a terminal or in JupyterLab, or make the value a parameter and give it with -p";

/// On a pipe, a step of a long task is told at most this often.
const QUIET: Duration = Duration::from_secs(15);

/// Standard error, shared by the threads that report on one run.
#[derive(Clone)]
pub struct Terminal {
    state: Arc<Mutex<State>>,
    /// Whether there is a line that lives.
    live: bool,
    colours: bool,
}

struct State {
    task: Option<Task>,
    /// Whether the living line is on the screen now.
    drawn: bool,
    told: Option<Instant>,
}

struct Task {
    text: String,
    since: Instant,
}

impl Terminal {
    /// `live`: whether a line may live, which it cannot between what cells print.
    pub fn new(live: bool) -> Self {
        let screen = std::io::stderr().is_terminal();
        let state = Arc::new(Mutex::new(State {
            task: None,
            drawn: false,
            told: None,
        }));
        let terminal = Self {
            state,
            live: live && screen,
            colours: screen && std::env::var_os("NO_COLOR").is_none(),
        };
        if terminal.live {
            let state = Arc::downgrade(&terminal.state);
            std::thread::spawn(move || tick(&state));
        }
        terminal
    }

    /// Whether colours are welcome.
    pub fn colours(&self) -> bool {
        self.colours
    }

    /// A task begins; its line lives until [`Terminal::done`].
    pub fn begin(&self, text: &str) {
        let mut state = self.lock();
        state.task = Some(Task {
            text: text.to_string(),
            since: Instant::now(),
        });
        state.told = None;
        if self.live {
            state.draw();
        }
    }

    /// The running task is at another step.
    pub fn step(&self, text: &str) {
        let mut state = self.lock();
        if self.live {
            match &mut state.task {
                Some(task) => task.text = text.to_string(),
                None => {
                    state.task = Some(Task {
                        text: text.to_string(),
                        since: Instant::now(),
                    })
                }
            }
            state.draw();
        } else if state.told.is_none_or(|told| told.elapsed() >= QUIET) {
            state.told = Some(Instant::now());
            eprintln!("{text}");
        }
    }

    /// The running task is done: `text` stays on the screen.
    pub fn done(&self, text: &str) {
        let mut state = self.lock();
        state.erase();
        state.task = None;
        eprintln!("{text}");
    }

    /// Something to read, above the living line.
    pub fn print(&self, text: &str) {
        let mut state = self.lock();
        state.erase();
        eprintln!("{}", text.trim_end_matches('\n'));
    }

    /// No task runs any more.
    pub fn clear(&self) {
        let mut state = self.lock();
        state.erase();
        state.task = None;
    }

    /// Asks the person at the terminal, where there is one, until `stopped`; a password is not shown.
    pub fn ask(&self, prompt: &str, password: bool, stopped: &dyn Fn() -> bool) -> Answer {
        let input = std::io::stdin();
        if !input.is_terminal() {
            return Answer::Refused(NOBODY_ASKS);
        }
        // Another descriptor of the same terminal, without a buffer that would hide what waits to be read.
        let Ok(input) = input.as_fd().try_clone_to_owned() else {
            return Answer::Refused(NOBODY_ASKS);
        };
        let mut state = self.lock();
        state.erase();
        eprint!("{prompt}");
        let quiet = password.then(|| Quiet::begin(input.as_raw_fd()));
        let line = line(&File::from(input), stopped);
        if quiet.flatten().is_some() {
            // The line's end was not shown either.
            eprintln!();
        }
        match stopped() {
            true => Answer::Stopped,
            false => Answer::Line(line),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn draw(&mut self) {
        if let Some(task) = &self.task {
            let line = fitted(&task.text, task.since.elapsed(), columns());
            eprint!("\r\u{1b}[2K{line}");
            let _ = std::io::stderr().flush();
            self.drawn = true;
        }
    }

    fn erase(&mut self) {
        if std::mem::take(&mut self.drawn) {
            eprint!("\r\u{1b}[2K");
        }
    }
}

fn tick(state: &Weak<Mutex<State>>) {
    loop {
        std::thread::sleep(TICK);
        match state.upgrade() {
            Some(state) => state.lock().unwrap_or_else(PoisonError::into_inner).draw(),
            None => return,
        }
    }
}

/// While one lives, the terminal does not show what is typed.
struct Quiet {
    terminal: RawFd,
    before: libc::termios,
}

impl Quiet {
    fn begin(terminal: RawFd) -> Option<Self> {
        // SAFETY: all zeros is a valid value, and the calls read and write that structure only.
        unsafe {
            let mut mode: libc::termios = std::mem::zeroed();
            if libc::tcgetattr(terminal, &raw mut mode) != 0 {
                return None;
            }
            let before = mode;
            mode.c_lflag &= !libc::ECHO;
            libc::tcsetattr(terminal, libc::TCSANOW, &raw const mode);
            Some(Self { terminal, before })
        }
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        // SAFETY: puts back what the terminal had.
        unsafe { libc::tcsetattr(self.terminal, libc::TCSANOW, &raw const self.before) };
    }
}

/// One line of `input`, without its end; what a person writes, so that one byte at a time is fast enough.
fn line(mut input: &File, stopped: &dyn Fn() -> bool) -> String {
    let (mut line, mut byte) = (Vec::new(), [0]);
    while !stopped() {
        let mut poll = libc::pollfd {
            fd: input.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one structure, ours, whose descriptor stays open as long as `input`.
        let ready = unsafe { libc::poll(&raw mut poll, 1, TICK.as_millis() as libc::c_int) };
        // Nothing yet, or a signal, after which `stopped` may say something else.
        if ready <= 0 {
            continue;
        }
        match input.read(&mut byte) {
            Ok(1) if byte[0] != b'\n' => line.push(byte[0]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            _ => {
                let line = String::from_utf8_lossy(&line);
                return line.trim_end_matches('\r').to_string();
            }
        }
    }
    String::new()
}

/// The text with its time, shortened to the width.
fn fitted(text: &str, taken: Duration, columns: usize) -> String {
    let time = crate::page::duration(taken.as_secs_f64());
    let room = columns.saturating_sub(time.len() + 3);
    let text = match text.chars().count() > room {
        true => text.chars().take(room.saturating_sub(1)).chain(['…']).collect(),
        false => text.to_string(),
    };
    format!("{text}  {time}")
}

fn columns() -> usize {
    // SAFETY: the call fills the structure it is given, or fails and leaves it zero.
    let columns = unsafe {
        let mut size: libc::winsize = std::mem::zeroed();
        libc::ioctl(libc::STDERR_FILENO, libc::TIOCGWINSZ, &mut size);
        size.ws_col
    };
    if columns == 0 { 80 } else { usize::from(columns) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_up_to_its_end_or_until_the_run_is_stopped() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let input = File::from(std::os::fd::OwnedFd::from(reader));
        writer.write_all("größe\r\nnext\nopen".as_bytes()).unwrap();
        assert_eq!(line(&input, &|| false), "größe");
        assert_eq!(line(&input, &|| false), "next");
        let begun = Instant::now();
        assert_eq!(line(&input, &|| begun.elapsed() > 3 * TICK), "");
        assert!(begun.elapsed() < Duration::from_secs(5));
        drop(writer);
        assert_eq!(line(&input, &|| false), "", "the input has ended");
    }

    #[test]
    fn a_line_fits_and_keeps_its_time() {
        let taken = Duration::from_millis(4200);
        assert_eq!(fitted("[1/2] let x = 1;", taken, 80), "[1/2] let x = 1;  4.2 s");
        let short = fitted("[1/2] let größe = very_long(call);", taken, 24);
        assert_eq!(short.chars().count(), 23);
        assert!(short.ends_with("…  4.2 s"));
        assert_eq!(fitted("anything", taken, 0), "…  4.2 s");
    }
}
