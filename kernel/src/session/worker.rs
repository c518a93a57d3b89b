//! The thread that owns evcxr.

use crate::session::CellError;
use crate::session::Event;
use crate::session::Options;
use crate::session::build::carried::Carried;
use crate::session::build::compile;
use crate::session::build::home;
use crate::session::build::lines;
use crate::session::build::private;
use crate::session::build::statics::Run;
use crate::session::build::syntax;
use crate::session::build::toolkit;
use crate::session::build::toolkit::Toolkit;
use crate::session::build::warnings;
use crate::session::cell::builtin::Around;
use crate::session::cell::items::Items;
use crate::session::commands;
use crate::session::commands::Orders;
use crate::session::control::Control;
use crate::session::know::docs;
use crate::session::know::lookup;
use crate::session::know::snapshot;
use crate::session::know::snapshot::Resting;
use crate::session::life::door::DOOR;
use crate::session::process;
use crate::session::talk::asking::Questions;
use crate::session::talk::pipes::Pipes;
use crate::session::talk::pump;
use crate::session::talk::pump::Between;
use crate::session::talk::pump::Message;
use crate::session::talk::pump::Pump;
use crate::session::talk::pump::Sink;
use crate::session::tell::aside::{self, Unfit};
use crate::session::tell::losses;
use crate::session::tell::losses::Losses;
use crate::session::tell::losses::Variable;
use crate::session::tell::report;
use crate::session::tell::sources::Sources;
use crate::session::tell::went;
use crate::session::variables;
use anyhow::{Result, ensure};
use evcxr::{CommandContext, EvalCallbacks, EvalContext};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::os::unix::process::CommandExt;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// What the session's face asks of the thread.
pub enum Request {
    Execute {
        code: String,
        sink: Sink,
        /// Set when the cell was stopped before its turn came.
        given_up: Arc<AtomicBool>,
    },
    Shutdown,
}

/// Serves requests until the session ends.
pub fn run(options: &Options, requests: &Receiver<Request>, control: &Arc<Control>) {
    // Nobody waits for ever for a thread that is gone.
    let _gone = Gone(control);
    of_this_thread(&options.working_dir);
    let mut engine = guarded(|| Engine::start(options, control)).unwrap_or_else(|panic| Err(failed(&panic)));
    let mut told = false;
    let mut warm = false;
    loop {
        let request = match requests.try_recv() {
            Ok(request) => request,
            Err(TryRecvError::Disconnected) => return,
            // Nobody waits: the time to prepare for the cells to come.
            Err(TryRecvError::Empty) => {
                if let Ok(engine) = &mut engine {
                    if !std::mem::replace(&mut warm, true) {
                        let _ = guarded(|| engine.warm_up());
                    }
                    control.rests(Resting::of(&mut engine.context));
                }
                match requests.recv() {
                    Ok(request) => request,
                    Err(_) => return,
                }
            }
        };
        control.works();
        match request {
            Request::Execute { given_up, .. } if given_up.load(Ordering::Acquire) => {}
            Request::Execute { code, sink, given_up } => {
                if engine.is_err() && told {
                    // The user may have repaired what was wrong.
                    engine = guarded(|| Engine::start(options, control))
                        .unwrap_or_else(|panic| Err(failed(&panic)));
                }
                told = true;
                let result = match &mut engine {
                    Ok(engine) => guarded(|| engine.execute(&code, &sink, &given_up, control)),
                    Err(error) => Ok(Err(report::plain("ToolkitError", &format!("{error:#}")))),
                };
                let result = result.unwrap_or_else(|panic| {
                    control.shut_down();
                    control.end(true);
                    // What has failed once is not used again, nor taken down: that may fail as well.
                    let broken = std::mem::replace(&mut engine, Err(failed(&panic)));
                    std::mem::forget(broken);
                    engine = guarded(|| Engine::start(options, control))
                        .unwrap_or_else(|panic| Err(failed(&panic)));
                    Err(report::plain("KernelError", &format!("{panic}\n{RESTARTED}")))
                });
                let _ = sink.send(Message::Done(result));
            }
            Request::Shutdown => return,
        }
    }
}

/// What becomes of a session whose own thread has failed.
const RESTARTED: &str = "That is a fault of the kernel, not of the cell. The notebook's variables, functions and `use` lines are lost; \
    a new session is ready: run the cells that make them again, and write this cell another way.";

/// A cell at which the session's own thread fails: no other is known.
#[cfg(test)]
pub const FAULT: &str = "// The session's own thread fails here.";

struct Gone<'a>(&'a Control);

impl Drop for Gone<'_> {
    fn drop(&mut self) {
        self.0.gone();
    }
}

/// Runs what may panic in code that is not ours; the panic in words.
fn guarded<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    std::panic::catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
        format!("the session failed: {}", said.unwrap_or("it does not say why"))
    })
}

fn failed(panic: &str) -> anyhow::Error {
    anyhow::anyhow!("{panic}")
}

/// Gives this thread a working folder and a mask for new files of its own: relative paths in `:dep` are the notebook's,
/// and the sources of cells are for their owner alone.
fn of_this_thread(folder: &Path) {
    // SAFETY: separates what threads share by default; it concerns this thread and those that it starts.
    unsafe {
        if libc::unshare(libc::CLONE_FS) == 0 {
            home::keep_files_private();
            let _ = std::env::set_current_dir(folder);
        }
    }
}

struct Engine {
    /// On the heap: a copy of this process reuses the stacks of the threads that it has not.
    context: Box<CommandContext>,
    pump: Pump,
    crate_dir: PathBuf,
    /// The notebook's folder.
    folder: PathBuf,
    carried: Arc<Carried>,
    losses: Losses,
    sources: Arc<Sources>,
    items: Items,
    /// What stands for long lists in what evcxr has.
    folds: BTreeMap<String, String>,
    /// How many cells were run, and in how many processes before this one.
    runs: u64,
    processes: u64,
    /// Variables that were dropped because their type is another one now.
    retyped: BTreeSet<String>,
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

/// A variable that is made and taken once, at the start: the text around variables is as this kernel knows it, or that
/// is told.
const CHECK: &str = "jook_check";

/// Has rust-analyzer look at the types that most cells use, so that the first cell need not wait for it.
const WARM_UP: &str = "let frame = polars::df!(\"x\" => [1i64, 2])?; let plot = plotly::Plot::new(); \
     let device = dfdx::tensor::Cpu::default(); frame.";

impl Engine {
    fn start(options: &Options, control: &Arc<Control>) -> Result<Self> {
        let home = home::enter()?;
        let toolkit: Toolkit = toolkit::prebuild(&|line| (options.on_progress)(line.to_owned()))?;
        toolkit.files.announce(&home.dir)?;
        home::standard_library_is_at(toolkit.std_source.as_deref());
        let pipes = Arc::new(Pipes::new()?);
        let between = options
            .between
            .clone()
            .map(|hear| -> Between { Box::new(move |event| hear(event)) });
        let pump = Pump::start(pipes.clone(), between, options.comms.sources.clone())?;
        pump.begin(None);
        let (context, opt, crate_dir) = start_evcxr(options, control, &pipes)?;
        let mut engine = Self {
            pump,
            context: Box::new(context),
            crate_dir,
            folder: options.working_dir.clone(),
            carried: Arc::new(Carried::of_graph(&toolkit.files.graph)),
            losses: Losses::default(),
            sources: options.comms.sources.clone(),
            items: Items::default(),
            folds: BTreeMap::new(),
            runs: 0,
            processes: 0,
            retyped: BTreeSet::new(),
            opt,
        };
        control.ready(&engine.carried);
        engine.bring_in_prelude(&format!("{PRELUDE} let {CHECK} = 1u8;"))?;
        let faults = control.faults();
        ensure!(faults.is_empty(), "{}", faults.join("\n"));
        Ok(engine)
    }

    fn warm_up(&mut self) {
        self.note_run(HashSet::new());
        self.pump.begin(None);
        let _ = self.context.execute(&format!("drop({CHECK});"));
        self.pump.finish(false);
        let _ = self.context.completions(WARM_UP, WARM_UP.len());
        snapshot::gather_memory();
    }

    /// Has the compiler know what evcxr is about to run: a cell that defines these items.
    fn note_run(&mut self, defines: HashSet<String>) {
        self.runs += 1;
        let run = Run {
            number: self.runs,
            defines,
            process: self.processes,
        };
        let _ = run.note(&self.crate_dir.join(compile::NOTES));
    }

    fn bring_in_prelude(&mut self, prelude: &str) -> Result<()> {
        self.note_run(HashSet::new());
        self.pump.begin(None);
        let result = self.context.execute(prelude);
        self.pump.finish(false);
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
        sink: &Sink,
        given_up: &AtomicBool,
        control: &Arc<Control>,
    ) -> Result<(), CellError> {
        let orders = commands::read(code).map_err(|message| report::plain("CommandError", &message))?;
        let (cell, notes) = self.carried.satisfy(&orders.to_run());
        if !control.begin(sink, given_up) {
            // Stopped at the last moment; whoever waited has been told.
            return Ok(());
        }
        #[cfg(test)]
        assert_ne!(code, FAULT, "a test has asked for it");
        if let Some(question) = docs::question(code) {
            let result = self.explain(&question, sink);
            control.end(false);
            return result;
        }
        let plain = commands::without_commands(&cell);
        if let Some(error) = report::of_syntax(&syntax::faults(&plain).unwrap_or_default(), code) {
            control.end(false);
            return Err(error);
        }
        let around = Around {
            number: control.count(),
            folder: self.folder.clone(),
        };
        let before = match orders.clears {
            true => Items::default(),
            false => self.items.clone(),
        };
        let (mut named, mut items) = before.name(&cell, &plain, &around);
        control.works_on_a_cell(Resting::of(&mut self.context));
        control.on_warnings(self.tell_warnings(code, sink));
        self.sources.begin(control.count(), code, &self.crate_dir);
        self.pump.begin(Some(sink.clone()));
        self.processes += u64::from(orders.restarts);
        self.note_run(named.defines.clone());
        if !named.folds.is_empty() {
            self.folds.extend(named.folds.iter().cloned());
            let _ = compile::note_folds(&self.crate_dir.join(compile::NOTES), &self.folds);
        }
        let anew = named.unshared.iter().map(|name| {
            format!(
                "note: `{name}` begins anew in each cell, for a macro makes it; a `static` that a cell writes itself lasts, \
                 with `std::sync::LazyLock` where it is made at first use\n"
            )
        });
        for note in notes.into_iter().chain(anew) {
            let _ = sink.send(Message::Event(Event::Stderr(note)));
        }
        let variables = self.variables();
        self.answer(&orders, sink);
        let questions = Questions::new(sink);
        let begun = Instant::now();
        let mut callbacks = EvalCallbacks {
            input_reader: &|request| {
                // What was printed before the question stands before it.
                self.pump.catch_up();
                questions.ask(&request.prompt, request.is_password)
            },
        };
        let mut outcome = self.context.execute_with_callbacks(&named.text, &mut callbacks);
        let mut before = before;
        while outcome.is_err()
            && let Some(meaning) = before.importing(&self.take_note(compile::PREFERRED))
        {
            (named, items) = meaning.name(&cell, &plain, &around);
            outcome = self.context.execute_with_callbacks(&named.text, &mut callbacks);
            before = meaning;
        }
        let written = match outcome.is_err() {
            true => self.context.last_source().unwrap_or_default(),
            false => String::new(),
        };
        // The cell without what does not fit it; where that is not enough, it is refused for what was wrong first.
        let mut aside: Vec<Unfit> = Vec::new();
        let mut last = None;
        while let Some(more) = self.unfit(last.as_ref().unwrap_or(&outcome), &named.defines) {
            aside.extend(more);
            let names: Vec<&str> = aside.iter().map(|unfit| unfit.name.as_str()).collect();
            let (other, left) = before.without(&names).name(&cell, &plain, &around);
            let again = self.context.execute_with_callbacks(&other.text, &mut callbacks);
            if !matches!(again, Err(evcxr::Error::CompilationErrors(_))) {
                (outcome, named, items) = (again, other, left);
                break;
            }
            last = Some(again);
        }
        let took = begun.elapsed();
        if outcome.is_ok() {
            self.items = items;
            for line in went::told(&named, &aside, &self.sources) {
                let _ = sink.send(Message::Event(Event::Stderr(line)));
            }
            self.tell_losses(sink);
        }
        let _ = self.context.set_opt_level(&self.opt);
        let died = matches!(outcome, Err(evcxr::Error::SubprocessTerminated(_)));
        let notes = self.pump.finish(died);
        let generated = std::fs::read_to_string(self.crate_dir.join("cell/lib.rs")).unwrap_or_default();
        self.sources.end(&generated);
        let stopped = control.end(died);
        // What follows uses the context: no copy writes to its files any more.
        control.works();
        let died = died || (stopped.killed && self.replace_the_process());
        self.processes += u64::from(died);
        self.losses.retyped(&notes.retyped);
        let losing = self.take_note(compile::LOSING);
        // Of those that earlier cells have lost the reader knows.
        let losing: BTreeSet<&str> = losing
            .lines()
            .filter(|name| !self.retyped.contains(*name))
            .collect();
        let result = match &outcome {
            _ if notes.unloadable.is_some() => Err(report::unloadable(
                notes.unloadable.as_deref().unwrap_or_default(),
            )),
            Ok(_) if stopped.killed => Err(report::killed()),
            Ok(outputs) => {
                if let Some(time) = outputs.timing {
                    let line = format!("took {} ms\n", time.as_millis());
                    let _ = sink.send(Message::Event(Event::Stderr(line)));
                }
                if orders.time {
                    let phases = outputs.phases.iter();
                    let timing = commands::timing(phases.map(|phase| (phase.name.as_str(), phase.duration)));
                    let _ = sink.send(Message::Event(timing));
                }
                let at = self.crate_dir.join(compile::NOTES);
                let behind = |frames: &[u64]| lines::lines(&self.crate_dir, &at, frames);
                report::of_notes(&notes, &generated, code, &self.sources, behind)
            }
            Err(error) => {
                if orders.time {
                    let _ = sink.send(Message::Event(commands::timing_of_failure(error, took)));
                }
                let elsewhere = |said: &serde_json::Value| {
                    let (item, below) = aside::elsewhere(said, &written)?;
                    self.sources
                        .of_item(&item, below)
                        .filter(|place| place.code != code)
                };
                Err(report::of_error(
                    error,
                    &notes,
                    &report::Cell {
                        code,
                        named: &named,
                        losing: &losing,
                        elsewhere: &elsewhere,
                    },
                    &self.losses,
                    &stopped,
                ))
            }
        };
        let result = questions.outcome(result);
        let result = match stopped.programs && !died {
            true => Err(report::programs_stopped(result, notes.left)),
            false => result,
        };
        let end = match &result {
            _ if died => losses::End::Died,
            _ if orders.restarts => losses::End::Cleared,
            Ok(()) if notes.left => losses::End::Left,
            Ok(()) => losses::End::Done,
            Err(_) => losses::End::Failed,
        };
        let now = self.variables();
        let cell = losses::Cell {
            number: control.count(),
            code,
            items: &named.defines,
            compiled: outcome.is_ok(),
        };
        self.losses.note(&cell, end, &variables, &now);
        if outcome.is_ok() {
            self.losses.took(&aside, &named.unmade, control.count());
        }
        if orders.vars && result.is_ok() {
            let table = self.measure(&now, sink);
            let _ = sink.send(Message::Event(table));
        }
        if (died || orders.restarts)
            && let Err(error) = self.bring_in_prelude(PRELUDE)
        {
            let _ = sink.send(Message::Event(Event::Stderr(format!("{error:#}\n"))));
        }
        result
    }

    /// The items of earlier cells by which a cell was refused, and nothing else.
    fn unfit(
        &self,
        outcome: &Result<evcxr::EvalOutputs, evcxr::Error>,
        own: &HashSet<String>,
    ) -> Option<Vec<Unfit>> {
        let Err(evcxr::Error::CompilationErrors(errors)) = outcome else {
            return None;
        };
        let generated = self.context.last_source().unwrap_or_default();
        let earlier: HashSet<&str> = self.context.defined_item_names().collect();
        let unfit = aside::unfit(errors, &generated, &earlier, own);
        (!unfit.is_empty()).then_some(unfit)
    }

    /// Tells which variables are lost, and which statics begin anew, because their type is another one now. evcxr still lists them.
    fn tell_losses(&mut self, sink: &Sink) {
        let notes = self.crate_dir.join(compile::NOTES);
        let lost = std::fs::read_to_string(notes.join(compile::LOST)).unwrap_or_default();
        let anew = self.take_note(compile::ANEW);
        let hidden = self.take_note(compile::HIDDEN);
        for name in anew.lines() {
            let told = format!("note: the static `{name}` begins anew: its type was defined anew\n");
            let _ = sink.send(Message::Event(Event::Stderr(told)));
        }
        let there: BTreeSet<&str> = self.context.variables_and_types().map(|(name, _)| name).collect();
        let lost = lost
            .lines()
            .filter(|name| there.contains(name) && *name != CHECK)
            .map(str::to_owned);
        let before = std::mem::replace(&mut self.retyped, lost.collect());
        let new: Vec<String> = self.retyped.difference(&before).cloned().collect();
        self.losses.retyped(&new);
        for (name, _) in self.variables() {
            if hidden.lines().any(|hidden| hidden == name) {
                let told = format!(
                    "note: a `downcast` finds none of the notebook's types in `{name}` any more, for a type was defined anew; \
                     run again the cell that makes it\n"
                );
                let _ = sink.send(Message::Event(Event::Stderr(told)));
            }
        }
        for name in new {
            let told = format!("note: {}\n", self.losses.why(&name).unwrap_or_default());
            let _ = sink.send(Message::Event(Event::Stderr(told)));
        }
    }

    /// What the compiler has noted, which is told once: also when the next cell is not compiled.
    fn take_note(&self, name: &str) -> String {
        let file = self.crate_dir.join(compile::NOTES).join(name);
        let text = std::fs::read_to_string(&file).unwrap_or_default();
        let _ = std::fs::remove_file(file);
        text
    }

    /// Tells what rustc has noted about the cell `code`.
    fn tell_warnings(&self, code: &str, sink: &Sink) -> impl FnOnce() + Send + 'static {
        let (crate_dir, code, sink) = (self.crate_dir.clone(), code.to_owned(), sink.clone());
        move || {
            let read = |file: PathBuf| std::fs::read_to_string(crate_dir.join(file)).unwrap_or_default();
            let generated = read("cell/lib.rs".into());
            for line in read(Path::new(compile::NOTES).join(warnings::WARNINGS)).lines() {
                let warning = serde_json::from_str(line).unwrap_or_default();
                if let Some(text) = report::of_warning(&warning, &generated, &code) {
                    let _ = sink.send(Message::Event(Event::Stderr(text)));
                }
            }
        }
    }

    /// The process was killed while evcxr did not look: it is told so now.
    fn replace_the_process(&mut self) -> bool {
        self.pump.begin(None);
        let _ = self.context.execute(":restart");
        self.pump.finish(true);
        true
    }

    fn variables(&self) -> Vec<Variable> {
        let all = self.context.variables_and_types();
        all.filter(|(name, _)| *name != CHECK && !self.retyped.contains(*name))
            .map(|(name, kind)| (name.to_owned(), kind.to_owned()))
            .collect()
    }

    /// Does what the cell's own lines ask of the session before its code runs.
    fn answer(&mut self, orders: &Orders, sink: &Sink) {
        let send = |event| drop(sink.send(Message::Event(event)));
        if orders.help {
            send(commands::help());
        }
        for path in &orders.doc {
            send(match lookup::document(&mut self.context, &self.carried, path) {
                Ok(Some(documentation)) => commands::display(documentation),
                _ => Event::Stderr(format!("no documentation of `{path}` was found\n")),
            });
        }
        if let Some(code) = &orders.explain {
            send(commands::explanation(code));
        }
        if orders.version {
            send(commands::versions());
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
    fn measure(&mut self, all: &[Variable], sink: &Sink) -> Event {
        let (own, told) = pump::sink();
        let sink = sink.clone();
        // Threads of earlier cells print meanwhile.
        let reader = std::thread::spawn(move || {
            let mut sizes = None;
            for message in told {
                match message {
                    Message::Event(Event::Result { data, .. }) => {
                        sizes = data["text/plain"].as_str().map(str::to_owned);
                    }
                    other => drop(sink.send(other)),
                }
            }
            sizes
        });
        self.note_run(HashSet::new());
        self.pump.begin(Some(own));
        let _ = self.context.execute(&variables::measuring(all));
        self.pump.finish(false);
        let sizes = reader.join().unwrap_or_default();
        variables::table(all, sizes.as_deref())
    }

    /// Answers a cell that asks what a name is.
    fn explain(&mut self, question: &docs::Question, sink: &Sink) -> Result<(), CellError> {
        let found = lookup::document(&mut self.context, &self.carried, question.name)
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

/// Starts evcxr in a folder of the session's own, with a process for cells that writes to `pipes`.
fn start_evcxr(
    options: &Options,
    control: &Arc<Control>,
    pipes: &Pipes,
) -> Result<(CommandContext, String, PathBuf)> {
    // evcxr reads the environment of the whole process.
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    let folder = home::session_folder()?;
    let door = control.open_door(&folder.join("door"), &options.comms)?;
    let crate_dir = folder.join("cell-crate");
    std::fs::create_dir(&crate_dir)?;
    let mut child = Command::new(home::program());
    home::outside(&mut child)
        .arg0(process::NAME)
        .current_dir(&options.working_dir)
        .env(DOOR, &door);
    pipes.give_to(&mut child);
    // SAFETY: as in `home`: done when a session starts; Rust code reads the environment under std's own lock.
    unsafe {
        std::env::set_var(private::CELL_CRATE, &crate_dir);
        std::env::set_var(DOOR, &door);
    }
    // A configuration of evcxr's that lies beside the notebook is not for this kernel: it has its own.
    let _ = std::env::set_current_dir(&home::enter()?.dir);
    let started = EvalContext::with_subprocess_command(child);
    let _ = std::env::set_current_dir(&options.working_dir);
    let (context, outputs) = started.map_err(|error| anyhow::anyhow!("{}", report::all_messages(&error)))?;
    // evcxr's own pipes carry its words alone; whatever else comes there is for the kernel's log.
    std::thread::spawn(move || outputs.stdout.iter().for_each(|line| eprintln!("jook: {line}")));
    std::thread::spawn(move || outputs.stderr.iter().for_each(|line| eprintln!("jook: {line}")));
    let opt = context.state().opt_level().to_owned();
    Ok((CommandContext::with_eval_context(context), opt, crate_dir))
}
