//! The thread that owns evcxr.

use super::asking::Questions;
use super::building::Building;
use super::carried::Carried;
use super::commands::{self, Orders};
use super::control::Control;
use super::lookup::{self, Found, Question};
use super::losses::{self, Losses, Variable};
use super::pump::{self, Message, Pump};
use super::snapshot::{self, Waiting};
use super::sources::Sources;
use super::toolkit::{self, Toolkit};
use super::{CellError, Event, Options, cell_crate, comms, docs, frames, hints, home, report, variables};
use anyhow::{Context, Result};
use evcxr::{CommandContext, EvalCallbacks, EvalContext};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::sync::{Arc, Mutex};
use std::time::Instant;

/// What the session's face asks of the thread.
pub enum Request {
    Execute {
        code: String,
        sink: Sender<Message>,
        /// Set when the cell was stopped before its turn came.
        given_up: Arc<AtomicBool>,
    },
    LookUp {
        question: Question,
        answer: Sender<Result<Found>>,
    },
    Shutdown,
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
            Request::LookUp { question, answer } => {
                let _ = answer.send(match &mut engine {
                    Ok(engine) => question.answer(&mut engine.context, &engine.carried),
                    Err(_) => Ok(question.nothing()),
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
    sources: Arc<Sources>,
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
            pump: Pump::start(outputs, options.comms.sources.clone()),
            context,
            crate_dir,
            carried: Arc::new(Carried::of_graph(&toolkit.files.graph)),
            losses: Losses::default(),
            sources: options.comms.sources.clone(),
            opt,
        };
        control.ready(
            engine.context.process_handle(),
            &engine.crate_dir,
            &engine.carried,
        );
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
        let (cell, notes) = self.carried.satisfy(&orders.to_run());
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
        control.works_on_a_cell(Waiting::of(&mut self.context));
        self.sources.begin(control.count(), code, &self.crate_dir);
        self.pump.begin(Some(sink.clone()));
        for note in notes.into_iter().chain(hints::of_statics(code)) {
            let _ = sink.send(Message::Event(Event::Stderr(note)));
        }
        let before = self.variables();
        self.answer(&orders, sink);
        let building = Building::watch(&self.crate_dir, sink);
        let questions = Questions::new(sink);
        let begun = Instant::now();
        let outcome = self.context.execute_with_callbacks(
            &cell,
            &mut EvalCallbacks {
                input_reader: &|request| questions.ask(&request.prompt, request.is_password),
            },
        );
        let took = begun.elapsed();
        drop(building);
        let _ = self.context.set_opt_level(&self.opt);
        let notes = self.pump.finish();
        let generated = std::fs::read_to_string(self.crate_dir.join("cell/lib.rs")).unwrap_or_default();
        self.sources.end(&generated);
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
            Err(error) => {
                if orders.time {
                    let _ = sink.send(Message::Event(commands::timing_of_failure(error, took)));
                }
                let stop = (interrupted, killed);
                Err(report::of_error(error, &notes, code, &self.losses, stop))
            }
        };
        let result = questions.outcome(result);
        let end = match &result {
            _ if died => losses::End::Died,
            _ if restarts(code) => losses::End::Cleared,
            Ok(()) => losses::End::Done,
            Err(_) => losses::End::Failed,
        };
        let number = control.count();
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
