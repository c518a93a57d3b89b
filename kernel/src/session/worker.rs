//! The thread that owns evcxr.

use super::carried::Carried;
use super::commands::{self, Orders};
use super::losses::{self, Losses, Variable};
use super::pump::{self, Message, Pump};
use super::snapshot::{self, Waiting};
use super::toolkit::{self, Toolkit};
use super::{
    CellError, Completion, Completions, Event, MimeBundle, Options, cell_crate, comms, docs, frames, home,
    report, variables,
};
use anyhow::{Context, Result};
use evcxr::{CommandContext, EvalCallbacks, EvalContext};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// What the session's face asks of the thread.
pub enum Request {
    Execute {
        code: String,
        sink: Sender<Message>,
        /// Set when the cell was stopped before its turn came.
        given_up: Arc<AtomicBool>,
    },
    Complete {
        code: String,
        cursor: usize,
        answer: Sender<Result<Completions>>,
    },
    Inspect {
        code: String,
        cursor: usize,
        answer: Sender<Result<Option<MimeBundle>>>,
    },
    Shutdown,
}

/// How long a cell has to answer a stop request before a second one kills it.
const GRACE: Duration = Duration::from_secs(2);

/// What other threads may do to a running cell.
#[derive(Default)]
pub struct Control {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The number of the running cell; 0 when none runs.
    cell: u64,
    cells: u64,
    /// The cell that waits for the session to get ready.
    waiting: Option<(Sender<Message>, Arc<AtomicBool>)>,
    /// The execution count of the cell that runs or comes next.
    number: usize,
    sink: Option<Sender<Message>>,
    interrupted: Option<Instant>,
    killed: bool,
    child: Option<Arc<Mutex<Child>>>,
    crate_dir: Option<PathBuf>,
    /// The context, while its thread waits for a cell.
    context: Option<Waiting>,
    carried: Option<Arc<Carried>>,
}

impl Control {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The answer of a copy of the session to `question`, while a cell runs; otherwise none.
    pub fn while_running<T: Serialize + DeserializeOwned>(
        &self,
        question: impl Fn(&mut CommandContext, &Carried) -> Result<T>,
    ) -> Option<Result<T>> {
        const ANALYSIS: Duration = Duration::from_millis(500);
        let asked = Instant::now();
        loop {
            let state = self.state();
            if state.cell == 0 {
                return None;
            }
            let waits = state.crate_dir.as_deref().is_some_and(cell_crate::is_analysed);
            if let (true, Some(context), Some(carried)) = (waits, state.context, &state.carried) {
                // Under the lock: the cell cannot end meanwhile.
                let copy = context.ask(|context| question(context, carried));
                drop(state);
                return Some(copy.and_then(snapshot::Asked::answer));
            }
            drop(state);
            if asked.elapsed() > ANALYSIS {
                return Some(Err(anyhow::anyhow!("the running cell is still being analysed")));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    pub fn number(&self, count: usize) {
        self.state().number = count;
    }

    pub fn interrupt(self: &Arc<Self>) {
        let mut state = self.state();
        if state.cell == 0 {
            if let Some((sink, given_up)) = state.waiting.take() {
                given_up.store(true, Ordering::Release);
                let stopped = "stopped before the session was ready; what it prepares goes on";
                let _ = sink.send(Message::Done(Err(report::plain("Interrupted", stopped))));
            }
            return;
        }
        match state.interrupted {
            None => {
                state.interrupted = Some(Instant::now());
                if let Some(dir) = &state.crate_dir {
                    cell_crate::cancel(dir);
                }
                state.signal(libc::SIGINT);
                let (cell, control) = (state.cell, self.clone());
                std::thread::spawn(move || control.say_how_to_kill(cell));
            }
            Some(first) if first.elapsed() >= GRACE => {
                state.killed = true;
                state.signal(libc::SIGKILL);
            }
            Some(_) => state.signal(libc::SIGINT),
        }
    }

    fn say_how_to_kill(&self, cell: u64) {
        std::thread::sleep(GRACE);
        let state = self.state();
        if state.cell == cell
            && !state.killed
            && let Some(sink) = &state.sink
        {
            let text = "This cell does not answer to the stop request. Interrupt once more to kill it; \
                        the notebook's variables are lost then.\n";
            let _ = sink.send(Message::Event(Event::Stderr(text.into())));
        }
    }

    pub fn shut_down(&self) {
        let mut state = self.state();
        if state.cell != 0 {
            state.killed = true;
            if let Some(dir) = &state.crate_dir {
                cell_crate::cancel(dir);
            }
            state.signal(libc::SIGKILL);
        }
    }

    /// A cell has been asked for, and may have to wait.
    pub fn wait(&self, sink: &Sender<Message>, given_up: &Arc<AtomicBool>) {
        self.state().waiting = Some((sink.clone(), given_up.clone()));
    }

    /// Starts a cell, unless it was stopped while it waited.
    fn begin(&self, sink: &Sender<Message>, given_up: &AtomicBool) -> bool {
        let mut state = self.state();
        state.waiting = None;
        if given_up.load(Ordering::Acquire) {
            return false;
        }
        state.cells += 1;
        state.cell = state.cells;
        state.sink = Some(sink.clone());
        state.interrupted = None;
        state.killed = false;
        true
    }

    /// Ends the cell, whose process may have ended with it; says whether it was interrupted, and whether it
    /// was killed.
    fn end(&self, died: bool) -> (bool, bool) {
        let mut state = self.state();
        state.cell = 0;
        state.context = None;
        state.sink = None;
        if state.interrupted.is_some() {
            if let Some(dir) = &state.crate_dir {
                cell_crate::uncancel(dir);
            }
            if !died {
                // A request that no loop answered must not stop the next cell.
                state.signal(libc::SIGUSR1);
            }
        }
        (state.interrupted.is_some(), state.killed)
    }
}

impl State {
    fn signal(&self, signal: libc::c_int) {
        if let Some(child) = &self.child {
            let child = child.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
            // SAFETY: evcxr holds this child unreaped while the handle is in place.
            unsafe { libc::kill(child.id() as libc::pid_t, signal) };
        }
    }
}

/// Serves requests until the session ends.
pub fn run(options: Options, requests: &Receiver<Request>, control: &Arc<Control>) {
    let mut engine = Engine::start(&options, control);
    let mut told = false;
    let mut warm = false;
    loop {
        let request = match requests.try_recv() {
            Ok(request) => request,
            Err(TryRecvError::Disconnected) => return,
            // Nobody waits: the time to prepare for the cells to come.
            Err(TryRecvError::Empty) => {
                if let (Ok(engine), false) = (&mut engine, warm) {
                    engine.warm_up();
                    warm = true;
                    continue;
                }
                match requests.recv() {
                    Ok(request) => request,
                    Err(_) => return,
                }
            }
        };
        match request {
            Request::Execute { given_up, .. } if given_up.load(Ordering::Acquire) => {}
            Request::Execute { code, sink, given_up } => {
                if engine.is_err() && told {
                    // The user may have repaired what was wrong.
                    engine = Engine::start(&options, control);
                }
                told = true;
                let result = match &mut engine {
                    Ok(engine) => engine.execute(&code, &sink, &given_up, control),
                    Err(error) => Err(report::plain("ToolkitError", &format!("{error:#}"))),
                };
                let _ = sink.send(Message::Done(result));
            }
            Request::Complete { code, cursor, answer } => {
                let _ = answer.send(match &mut engine {
                    Ok(engine) => complete(&mut engine.context, &engine.carried, &code, cursor),
                    Err(_) => Ok(Completions {
                        start: cursor,
                        end: cursor,
                        items: Vec::new(),
                    }),
                });
            }
            Request::Inspect { code, cursor, answer } => {
                let _ = answer.send(match &mut engine {
                    Ok(engine) => inspect(&mut engine.context, &engine.carried, &code, cursor),
                    Err(_) => Ok(None),
                });
            }
            Request::Shutdown => return,
        }
    }
}

struct Engine {
    context: CommandContext,
    pump: Pump,
    crate_dir: PathBuf,
    carried: Arc<Carried>,
    losses: Losses,
    /// The level that cells are compiled at when they do not say another.
    opt: String,
}

/// Brings in the toolkit, has its loops answer to stop requests, and reports panics by the protocol.
/// The `?` makes evcxr accept it in every cell from the first on.
const PRELUDE: &str = r#"use jook::prelude::*;
let _ = {
    jook::interrupt::install();
    jook::cells::report_panics();
    Ok::<(), String>(())?;
};"#;

/// Has rust-analyzer look at the types that most cells use, so that the first cell need not wait for it.
const WARM_UP: &str = "let frame = polars::df!(\"x\" => [1i64, 2])?; let plot = plotly::Plot::new(); \
     let device = dfdx::tensor::Cpu::default(); frame.";

impl Engine {
    fn start(options: &Options, control: &Arc<Control>) -> Result<Self> {
        let home = home::enter()?;
        let toolkit: Toolkit = toolkit::prebuild(&|line| (options.on_progress)(line.to_owned()))?;
        toolkit.files.announce(&home.dir)?;
        home::standard_library_is_at(toolkit.std_source.as_deref());
        let (context, opt, outputs, crate_dir) = start_evcxr(options, &home.dir)?;
        let mut engine = Self {
            pump: Pump::start(outputs),
            context,
            crate_dir,
            carried: Arc::new(Carried::of_graph(&toolkit.files.graph)),
            losses: Losses::default(),
            opt,
        };
        {
            let mut state = control.state();
            state.child = Some(engine.context.process_handle());
            state.crate_dir = Some(engine.crate_dir.clone());
            state.carried = Some(engine.carried.clone());
        }
        engine.bring_in_prelude()?;
        Ok(engine)
    }

    fn warm_up(&mut self) {
        let _ = self.context.completions(WARM_UP, WARM_UP.len());
        snapshot::gather_memory();
    }

    fn bring_in_prelude(&mut self) -> Result<()> {
        self.pump.begin(None);
        let result = self.context.execute(PRELUDE);
        self.pump.finish();
        match result {
            Ok(_) => Ok(()),
            Err(error) => Err(anyhow::anyhow!(
                "the toolkit's prelude could not be brought in:\n{}",
                report::all_messages(&error)
            )),
        }
    }

    fn execute(
        &mut self,
        code: &str,
        sink: &Sender<Message>,
        given_up: &AtomicBool,
        control: &Arc<Control>,
    ) -> Result<(), CellError> {
        let orders = commands::read(code).map_err(|message| report::plain("CommandError", &message))?;
        let (cell, notes) = self.carried.satisfy(&orders.code);
        if !control.begin(sink, given_up) {
            // Stopped at the last moment; whoever waited has been told.
            return Ok(());
        }
        if let Some(question) = docs::question(code) {
            let result = self.explain(&question, sink);
            control.end(false);
            return result;
        }
        cell_crate::not_analysed(&self.crate_dir);
        control.state().context = Some(Waiting::of(&mut self.context));
        self.pump.begin(Some(sink.clone()));
        for note in notes {
            let _ = sink.send(Message::Event(Event::Stderr(note)));
        }
        let before = self.variables();
        self.answer(&orders, sink);
        let building = Building::watch(&self.crate_dir, sink);
        let outcome = {
            let reader = |prompt: String, password: bool| {
                let (answer, answers) = std::sync::mpsc::channel();
                let _ = sink.send(Message::Input {
                    prompt,
                    password,
                    answer,
                });
                answers.recv().unwrap_or_default()
            };
            let mut callbacks = EvalCallbacks {
                input_reader: &|request| reader(request.prompt, request.is_password),
            };
            self.context.execute_with_callbacks(&cell, &mut callbacks)
        };
        drop(building);
        let _ = self.context.set_opt_level(&self.opt);
        let notes = self.pump.finish();
        let generated = std::fs::read_to_string(self.crate_dir.join("cell/lib.rs")).unwrap_or_default();
        let died = matches!(outcome, Err(evcxr::Error::SubprocessTerminated(_)));
        let (interrupted, killed) = control.end(died);
        self.losses.retyped(&notes.retyped);
        let result = match &outcome {
            Ok(outputs) => {
                if let Some(event) = pump::result(&outputs.content_by_mime_type) {
                    let _ = sink.send(Message::Event(event));
                }
                if let Some(time) = outputs.timing {
                    let line = format!("took {} ms\n", time.as_millis());
                    let _ = sink.send(Message::Event(Event::Stderr(line)));
                }
                if orders.time {
                    let phases = outputs.phases.iter();
                    let timing = commands::timing(phases.map(|phase| (phase.name.as_str(), phase.duration)));
                    let _ = sink.send(Message::Event(timing));
                }
                let at = self.crate_dir.join(cell_crate::NOTES);
                let behind = |frames: &[u64]| frames::lines(&self.crate_dir, &at, frames);
                report::of_notes(&notes, &generated, code, behind)
            }
            Err(error) => Err(report::of_error(
                error,
                &notes,
                code,
                &self.losses,
                (interrupted, killed),
            )),
        };
        let end = match &result {
            _ if died => losses::End::Died,
            _ if restarts(code) => losses::End::Cleared,
            Ok(()) => losses::End::Done,
            Err(_) => losses::End::Failed,
        };
        let number = control.state().number;
        let now = self.variables();
        self.losses
            .note(&losses::Cell { number, code }, end, &before, &now);
        if orders.vars && result.is_ok() {
            let table = self.measure(&now);
            let _ = sink.send(Message::Event(table));
        }
        if (died || restarts(code))
            && let Err(error) = self.bring_in_prelude()
        {
            let _ = sink.send(Message::Event(Event::Stderr(format!("{error:#}\n"))));
        }
        result
    }

    fn variables(&self) -> Vec<Variable> {
        let all = self.context.variables_and_types();
        all.map(|(name, kind)| (name.to_owned(), kind.to_owned()))
            .collect()
    }

    /// Does what the cell's own lines ask of the session before its code runs.
    fn answer(&mut self, orders: &Orders, sink: &Sender<Message>) {
        let send = |event| drop(sink.send(Message::Event(event)));
        if orders.help {
            send(commands::help());
        }
        for path in &orders.doc {
            send(
                match inspect(&mut self.context, &self.carried, path, path.len()) {
                    Ok(Some(documentation)) => commands::display(documentation),
                    _ => Event::Stderr(format!("no documentation of `{path}` was found\n")),
                },
            );
        }
        if let Some(level) = &orders.opt {
            let _ = self.context.set_opt_level(level);
            if !orders.has_code() {
                self.opt.clone_from(level);
            }
        }
        if orders.ask_opt || (orders.opt.is_some() && !orders.has_code()) {
            send(Event::Stdout(format!(
                "cells are compiled with opt-level {}\n",
                self.opt
            )));
        }
    }

    /// The table of variables. Measuring them is a cell of its own.
    fn measure(&mut self, all: &[Variable]) -> Event {
        self.pump.begin(None);
        let measured = self.context.execute(&variables::measuring(all));
        self.pump.finish();
        let sizes = measured
            .as_ref()
            .ok()
            .and_then(|outputs| outputs.get("text/plain"));
        variables::table(all, sizes)
    }

    /// Answers a cell that asks what a name is.
    fn explain(&mut self, question: &docs::Question, sink: &Sender<Message>) -> Result<(), CellError> {
        let found = inspect(
            &mut self.context,
            &self.carried,
            question.name,
            question.name.len(),
        )
        .map_err(|error| report::plain("InspectError", &format!("{error:#}")))?;
        let event = match found {
            Some(data) => Event::Page {
                data: docs::abridged(data, question.detail),
            },
            None => Event::Stderr(format!("nothing is known about `{}`\n", question.name)),
        };
        let _ = sink.send(Message::Event(event));
        Ok(())
    }
}

/// What may stand at `cursor`, as `context` knows the notebook.
pub fn complete(
    context: &mut CommandContext,
    carried: &Carried,
    code: &str,
    cursor: usize,
) -> Result<Completions> {
    let mut items: Vec<Completion> = commands::completions(code, cursor);
    let (code, _) = carried.satisfy(&commands::without(code));
    let found = context.completions(&code, cursor)?;
    for candidate in found.completions {
        let internal = candidate.code.starts_with("evcxr_") || candidate.code.starts_with("Evcxr");
        if !internal && !items.iter().any(|item| item.text == candidate.code) {
            items.push(Completion {
                text: candidate.code,
                kind: candidate.kind.to_owned(),
            });
        }
    }
    Ok(Completions {
        start: found.start_offset,
        end: found.end_offset,
        items,
    })
}

/// What stands at `cursor`, as `context` knows the notebook.
pub fn inspect(
    context: &mut CommandContext,
    carried: &Carried,
    code: &str,
    cursor: usize,
) -> Result<Option<MimeBundle>> {
    let (code, _) = carried.satisfy(&commands::without(code));
    let (text, html) = context.hover_at(&code, end_of_word(&code, cursor))?;
    if text.trim().is_empty() || text == "No documentation found" {
        return Ok(None);
    }
    let mut bundle = MimeBundle::new();
    bundle.insert("text/plain".into(), docs::text(&html).into());
    bundle.insert("text/html".into(), html.into());
    Ok(Some(bundle))
}

/// Passes on what cargo says while it builds a dependency, until dropped.
struct Building {
    done: Arc<AtomicBool>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Building {
    fn watch(crate_dir: &Path, sink: &Sender<Message>) -> Self {
        let said = crate_dir.join(cell_crate::NOTES).join(cell_crate::PROGRESS);
        let _ = std::fs::remove_file(&said);
        let done = Arc::new(AtomicBool::new(false));
        let (end, sink) = (done.clone(), sink.clone());
        let thread = std::thread::spawn(move || {
            let mut told = 0;
            loop {
                let last = end.load(Ordering::Acquire);
                let text = std::fs::read(&said).unwrap_or_default();
                // Whole lines only.
                let whole = text
                    .iter()
                    .rposition(|&byte| byte == b'\n')
                    .map_or(0, |at| at + 1);
                if let Some(new) = text.get(told..whole).filter(|new| !new.is_empty()) {
                    let new = String::from_utf8_lossy(new).into_owned();
                    let _ = sink.send(Message::Event(Event::Stderr(new)));
                    told = whole;
                }
                if last {
                    return;
                }
                std::thread::park_timeout(Duration::from_millis(200));
            }
        });
        Self {
            done,
            thread: Some(thread),
        }
    }
}

impl Drop for Building {
    fn drop(&mut self) {
        self.done.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

fn start_evcxr(
    options: &Options,
    private: &Path,
) -> Result<(CommandContext, String, evcxr::EvalContextOutputs, PathBuf)> {
    // The stand-in notes the crate's folder of the session that started last: one at a time.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut child = Command::new(home::jook_exe()?);
    home::outside(&mut child)
        .current_dir(&options.working_dir)
        .env("JOOK_NOTEBOOK", "1");
    match options.comms.listen(private) {
        Ok(socket) => drop(child.env(comms::SOCKET, socket)),
        Err(error) => eprintln!("jook: cells have no comms, hence no widgets: {error}"),
    }
    let started = home::with_private_temp(&mut child, EvalContext::with_subprocess_command);
    let (context, outputs) = started.map_err(|error| anyhow::anyhow!("{}", report::all_messages(&error)))?;
    let noted =
        std::fs::read_to_string(private.join(cell_crate::CRATE_DIR)).context("evcxr compiled nothing")?;
    let opt = context.state().opt_level().to_owned();
    Ok((
        CommandContext::with_eval_context(context),
        opt,
        outputs,
        noted.into(),
    ))
}

fn restarts(code: &str) -> bool {
    code.lines()
        .any(|line| matches!(line.trim(), ":clear" | ":restart"))
}

fn end_of_word(code: &str, cursor: usize) -> usize {
    let mut at = cursor.min(code.len());
    while !code.is_char_boundary(at) {
        at -= 1;
    }
    at + code[at..]
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(code.len() - at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inspection_looks_at_the_whole_word() {
        assert_eq!(end_of_word("frame.height()", 8), 12);
        assert_eq!(end_of_word("é", 1), 2);
    }
}
