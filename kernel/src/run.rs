//! `jook run`: executes a notebook without Jupyter and writes it back with its outputs, and as one page.

mod args;
mod check;
mod compare;
#[cfg(test)]
mod fuzz;
mod literal;
mod parameters;
mod report;
mod several;
mod stop;
mod targets;
mod terminal;

use crate::page::machine::Machine;
use crate::page::notebook::{self, Kind, Notebook};
use crate::page::record::Recorder;
use crate::page::{self, file, provenance};
use crate::session::{Answer, CellError, Comms, Event, Options, Session, prebuild};
use anyhow::{Context as _, Result, bail};
pub use args::Args;
use check::{Check, Verdict};
use chrono::{SecondsFormat, Utc};
use compare::Tolerance;
use parameters::Given;
use report::Failure;
use serde_json::{Map, Value, json};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};
use stop::Stop;
use targets::Targets;
use terminal::Terminal;

/// What a shell reports for a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

/// A cell shorter than this is saved together with the next one.
const SAVE_AFTER: Duration = Duration::from_secs(2);

/// Runs the notebook, see [`Args`]. An error here means that it could not be run or written at all.
pub fn run(mut args: Args) -> Result<ExitCode> {
    match &args.notebooks[..] {
        [notebook] => args.notebook = notebook.clone(),
        _ => return several::run(&args),
    }
    let mut notebook = Notebook::read(&args.notebook)?;
    if let Some(language) = notebook.language().filter(|language| language != "rust") {
        bail!(
            "{} is written in {language}; Jook runs Rust",
            args.notebook.display()
        );
    }
    let given = Given::read(args.parameters_file.as_deref(), &args.parameters)?;
    let parameters = parameters::inject(&mut notebook, &given)?;
    let tolerance = Tolerance {
        relative: args.rtol.unwrap_or(0.0),
        absolute: args.atol.unwrap_or(0.0),
    };
    let folder = targets::folder(&args.notebook).canonicalize()?;
    let machine = Machine::here(&folder);
    // The new outputs may be compared with these, which a front end has kept as they were.
    for index in 0..notebook.cells().len() {
        if let Some(outputs) = notebook.cell_mut(index).get_mut("outputs") {
            machine.leave(outputs);
        }
    }
    let check = match args.check {
        true => Some(Check::of(&notebook, tolerance).with_context(|| args.notebook.display().to_string())?),
        false => None,
    };
    let targets = Targets::choose(&args)?;
    let terminal = Terminal::new(!args.echo);
    let stop = Stop::install()?;
    if let Some(note) = parameters.as_ref().and_then(|injected| injected.note.as_ref()) {
        terminal.print(note);
    }

    let begun = Instant::now();
    terminal.begin("Preparing the toolkit");
    prebuild(&|step: &str| terminal.step(step)).context("the toolkit could not be built")?;
    terminal.done(&format!(
        "Toolkit ready ({})",
        page::duration(begun.elapsed().as_secs_f64())
    ));

    terminal.begin("Starting the session");
    let progress = terminal.clone();
    let on_progress = Box::new(move |step: String| progress.step(&step));
    let session = Arc::new(Session::start(Options {
        working_dir: folder.clone(),
        on_progress,
        // Nobody is there to answer.
        comms: Comms::new(|_, _| {}),
        // What comes between cells is shown by the next one.
        between: None,
        typed_at: false,
    })?);
    stop.watch(&session);

    let mut run = Run {
        args: &args,
        targets,
        machine,
        folder,
        terminal,
        stop,
        session,
        recorder: Recorder::new(notebook.cells().len()),
        notebook,
        check,
        steps: Vec::new(),
        unsaved: Duration::ZERO,
    };
    run.prepare(parameters.map(|injected| injected.values));
    run.wait_until_ready();
    let failures = run.cells();
    run.session.shutdown();
    let failures = failures?;
    run.finish(&failures)
}

/// One run of one notebook.
struct Run<'a> {
    args: &'a Args,
    targets: Targets,
    folder: PathBuf,
    terminal: Terminal,
    stop: Stop,
    session: Arc<Session>,
    notebook: Notebook,
    /// What the cells are compared with, if they are.
    check: Option<Check>,
    recorder: Recorder,
    /// What no output names.
    machine: Machine,
    /// What the notebook's metadata says of each executed cell.
    steps: Vec<Step>,
    /// Time spent in cells since the executed notebook was last written.
    unsaved: Duration,
}

/// One executed cell.
struct Step {
    index: usize,
    seconds: f64,
    status: &'static str,
}

impl Run<'_> {
    /// Takes the outputs of an earlier run out and says which kernel this is, and which parameters are set.
    fn prepare(&mut self, parameters: Option<Map<String, Value>>) {
        for index in 0..self.notebook.cells().len() {
            let cell = self.notebook.cell_mut(index);
            if notebook::kind(cell) == Kind::Code {
                cell["outputs"] = json!([]);
                cell["execution_count"] = Value::Null;
                if let Some(metadata) = cell["metadata"].as_object_mut() {
                    metadata.remove("execution");
                }
            }
        }
        let mut about = provenance::describe(&self.notebook);
        if let Some(parameters) = parameters {
            about.insert("parameters".to_string(), Value::Object(parameters));
        }
        about.insert("started".to_string(), json!(now()));
        let metadata = self.notebook.metadata_mut();
        metadata
            .entry("kernelspec")
            .or_insert_with(|| json!({"name": "jook", "display_name": "Jook", "language": "rust"}));
        metadata.entry("language_info").or_insert_with(|| {
            json!({"name": "rust", "file_extension": ".rs", "mimetype": "text/x-rustsrc", "pygments_lexer": "rust"})
        });
        metadata.insert("jook".to_string(), Value::Object(about));
    }

    /// Waits for the session with a cell of nothing, so that its start counts neither as time of the first
    /// cell nor towards its `--timeout`. A session that does not start tells so in the first cell.
    fn wait_until_ready(&self) {
        let begun = Instant::now();
        let ready = self
            .session
            .execute("", &mut |_| {}, &|_, _| Answer::Stopped)
            .is_ok();
        if ready && !self.stop.asked() {
            let taken = page::duration(begun.elapsed().as_secs_f64());
            self.terminal.done(&format!("Session ready ({taken})"));
        }
    }

    /// The places of the cells that a run executes.
    fn runnable(&self) -> Vec<usize> {
        let runnable = |cell: &Value| {
            notebook::kind(cell) == Kind::Code
                && !notebook::source(cell).trim().is_empty()
                && !notebook::has_tag(cell, "skip-execution")
        };
        let cells = self.notebook.cells().iter().enumerate();
        cells
            .filter(|(_, cell)| runnable(cell))
            .map(|(index, _)| index)
            .collect()
    }

    /// Executes the code cells in order, up to the first that fails or the user's stop.
    fn cells(&mut self) -> Result<Vec<Failure>> {
        let all = self.runnable();
        let mut failures = Vec::new();
        for (done, &index) in all.iter().enumerate() {
            if self.stop.asked() {
                break;
            }
            let number = done + 1;
            let source = notebook::source(&self.notebook.cells()[index]);
            let may_fail = notebook::has_tag(&self.notebook.cells()[index], "raises-exception");
            let result = self.cell(index, number, all.len(), &source);
            let stopped = self.stop.asked();
            if let Err(error) = result
                && (!may_fail || stopped)
            {
                let failure = Failure {
                    number,
                    of: all.len(),
                    index,
                    source,
                    error,
                };
                if !stopped {
                    self.terminal.print(&failure.describe(self.terminal.colours()));
                }
                failures.push(failure);
                if !self.args.keep_going {
                    break;
                }
            }
            if stopped {
                break;
            }
            if self.unsaved >= SAVE_AFTER {
                self.save()?;
            }
        }
        Ok(failures)
    }

    /// Executes one cell, with its line on the terminal.
    fn cell(&mut self, index: usize, number: usize, of: usize, source: &str) -> Result<(), CellError> {
        let width = of.to_string().len();
        let label = format!("[{number:>width$}/{of}] {}", report::first_line(source));
        self.terminal.begin(&label);
        let (started, clock) = (now(), Instant::now());
        self.session.number(number);
        let result = self.execute(index, source);
        let (taken, ended) = (clock.elapsed(), now());

        if let Err(error) = &result {
            self.recorder.error(index, error);
        }
        let status = match (&result, self.stop.asked()) {
            (_, true) => "interrupted",
            (Ok(()), _) => "ok",
            (Err(_), _) => "error",
        };
        let seconds = (taken.as_secs_f64() * 1000.0).round() / 1000.0;
        self.steps.push(Step {
            index,
            seconds,
            status,
        });
        self.unsaved += taken;
        let cell = self.notebook.cell_mut(index);
        cell["execution_count"] = json!(number);
        if let Some(metadata) = cell["metadata"].as_object_mut() {
            let times = json!({
                "iopub.status.busy": started, "iopub.execute_input": started,
                "shell.execute_reply": ended, "iopub.status.idle": ended,
            });
            metadata.insert("execution".to_string(), times);
        }
        let note = if status == "ok" {
            String::new()
        } else {
            format!("  ({status})")
        };
        self.terminal
            .done(&format!("{label}  {}{note}", page::duration(taken.as_secs_f64())));
        result
    }

    fn execute(&mut self, index: usize, source: &str) -> Result<(), CellError> {
        let (recorder, echo) = (&mut self.recorder, self.args.echo);
        let mut on_event = |event: Event| {
            if echo {
                print(&event);
            }
            recorder.event(index, event);
        };
        let (terminal, stop, late) = (&self.terminal, &self.stop, AtomicBool::new(false));
        let stopped = || stop.asked() || late.load(Ordering::SeqCst);
        let input = |prompt: &str, password: bool| terminal.ask(prompt, password, &stopped);
        let Some(limit) = self.args.timeout else {
            return self.session.execute(source, &mut on_event, &input);
        };
        let session = &self.session;
        let result = std::thread::scope(|scope| {
            let (ended, end) = mpsc::channel::<()>();
            let late = &late;
            scope.spawn(move || {
                // Joined before the next cell begins, so that no other cell than this one is stopped.
                let mut wait = Duration::from_secs(limit);
                while let Err(RecvTimeoutError::Timeout) = end.recv_timeout(wait) {
                    late.store(true, Ordering::SeqCst);
                    session.interrupt();
                    wait = stop::PATIENCE;
                }
            });
            let result = session.execute(source, &mut on_event, &input);
            drop(ended);
            result
        });
        if late.load(Ordering::SeqCst) {
            let evalue = format!("the cell was stopped after {limit} s (--timeout)");
            return Err(CellError {
                ename: "Timeout".into(),
                traceback: vec![format!("Timeout: {evalue}")],
                evalue,
                line: None,
            });
        }
        result
    }

    /// Brings the notebook up to now, and writes it where that is wanted.
    fn save(&mut self) -> Result<()> {
        for (at, step) in self.steps.iter().enumerate() {
            let mut outputs = self.recorder.outputs(step.index, at as u64 + 1);
            self.machine.leave(&mut outputs);
            self.notebook.cell_mut(step.index)["outputs"] = outputs;
        }
        let cells: Vec<Value> = self
            .steps
            .iter()
            .enumerate()
            .map(|(at, step)| {
                let id = &self.notebook.cells()[step.index]["id"];
                json!({"id": id, "execution_count": at + 1, "seconds": step.seconds, "status": step.status})
            })
            .collect();
        let total: f64 = self.steps.iter().map(|step| step.seconds).sum();
        if let Some(about) = self
            .notebook
            .metadata_mut()
            .get_mut("jook")
            .and_then(Value::as_object_mut)
        {
            let finished = Map::from_iter([
                ("cells".to_string(), json!(cells)),
                ("seconds".to_string(), json!((total * 1000.0).round() / 1000.0)),
            ]);
            about.extend(finished);
        }
        self.unsaved = Duration::ZERO;
        match &self.targets.notebook {
            Some(path) => file::write_whole(path, &self.notebook.text()),
            None => Ok(()),
        }
    }

    /// Writes notebook and page, says where they are, and what the run was worth.
    fn finish(&mut self, failures: &[Failure]) -> Result<ExitCode> {
        self.terminal.clear();
        self.save()?;
        if let Some(path) = &self.targets.page {
            let name = self
                .args
                .notebook
                .file_stem()
                .map_or("notebook".into(), |stem| stem.to_string_lossy());
            file::write_whole(
                path,
                &page::render(&self.notebook, &self.folder, &name, &self.machine),
            )?;
        }
        let written = |what: &str, path: &Path| {
            // Who closed the pipe does not want to know.
            let _ = writeln!(std::io::stdout(), "{what:<10}{}", path.display());
        };
        if let Some(path) = &self.targets.notebook {
            written("Notebook", path);
        }
        if let Some(path) = &self.targets.page {
            written("Page", path);
        }
        let verdict = self.verdict(failures);
        for text in &verdict.different {
            let _ = write!(std::io::stdout(), "{text}");
        }
        if self.check.is_some() {
            let name = self.args.notebook.display().to_string();
            let _ = writeln!(std::io::stdout(), "{}", verdict.summary(&name));
        }
        if self.stop.asked() {
            eprintln!(
                "{}",
                match self.targets.notebook {
                    Some(_) => "Stopped. The cells that had run are written.",
                    None => "Stopped.",
                }
            );
            return Ok(ExitCode::from(INTERRUPTED));
        }
        for failure in failures {
            eprintln!("{}", failure.summary(&self.args.notebook));
        }
        Ok(if failures.is_empty() && verdict.different.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    /// What the check says of the cells that ran to their end. Those that failed have been told already.
    fn verdict(&self, failures: &[Failure]) -> Verdict {
        let Some(check) = &self.check else {
            return Verdict::default();
        };
        let numbered = (1..).zip(self.steps.iter());
        let ended = numbered.filter(|(number, step)| {
            step.status != "interrupted" && !failures.iter().any(|failure| failure.number == *number)
        });
        let places: Vec<_> = ended.map(|(number, step)| (number, step.index)).collect();
        let mut verdict = check.compare(&self.notebook, &places);
        verdict.missing = self.runnable().len() - places.len();
        verdict
    }
}

/// Prints what a cell prints. That nobody reads it, as after `| head`, is no reason to end the run.
fn print(event: &Event) {
    let _ = match event {
        Event::Stdout(text) => {
            let mut out = std::io::stdout();
            write!(out, "{text}").and_then(|()| out.flush())
        }
        Event::Stderr(text) => write!(std::io::stderr(), "{text}"),
        _ => Ok(()),
    };
}

/// The time now, as notebooks write it.
fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true)
}
