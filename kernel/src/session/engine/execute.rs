//! A cell from its text to what is told of it.

use crate::session::build::compile;
use crate::session::build::home;
use crate::session::build::lines;
use crate::session::build::syntax;
use crate::session::build::warnings;
use crate::session::cell::builtin::Around;
use crate::session::cell::edit::Named;
use crate::session::cell::items::Items;
use crate::session::cell::lines as lines_of_cells;
use crate::session::commands;
use crate::session::commands::Orders;
use crate::session::control::Control;
use crate::session::engine::CHECK;
use crate::session::engine::Engine;
use crate::session::engine::take_note;
use crate::session::engine::{INSTALL, PRELUDE};
use crate::session::guards::Guard;
use crate::session::guards::timed;
use crate::session::know::docs;
use crate::session::know::snapshot::Resting;
use crate::session::said::CellError;
use crate::session::talk::asking::Questions;
use crate::session::talk::protocol::Event;
use crate::session::talk::pump::Message;
use crate::session::talk::pump::Sink;
use crate::session::tell::aside;
use crate::session::tell::aside::Unfit;
use crate::session::tell::losses;
use crate::session::tell::notes::Notes;
use crate::session::tell::report;
use crate::session::tell::report::Stopped;
use crate::session::tell::went;
use evcxr::{CommandContext, EvalCallbacks, EvalOutputs};
use std::collections::{BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

/// A cell at which the session's own thread fails: no other is known.
#[cfg(test)]
pub const FAULT: &str = "// The session's own thread fails here.";

/// A cell's text, with its commands and without.
struct Text<'a> {
    cell: &'a str,
    plain: &'a str,
    around: &'a Around,
}

impl Text<'_> {
    /// What the cell means after these items, and the items after it.
    fn with(&self, before: &Items) -> (Named, Items) {
        before.name(self.cell, self.plain, self.around)
    }
}

/// A cell that was run or refused, in the meaning that counts.
struct Tried {
    outcome: Result<EvalOutputs, evcxr::Error>,
    named: Named,
    items: Items,
    /// Items of earlier cells that were set aside for it.
    aside: Vec<Unfit>,
    /// The code that was refused first.
    written: String,
}

/// What is known of a cell that has ended.
struct Ended<'a> {
    code: &'a str,
    orders: &'a Orders,
    /// The code that evcxr made of it.
    generated: &'a str,
    notes: &'a Notes,
    stopped: &'a Stopped,
    took: Duration,
}

impl Engine {
    /// Runs a cell, and tells what is to be told of it.
    ///
    /// # Errors
    /// What the cell was refused for, or how it ended.
    pub fn execute(
        &mut self,
        code: &str,
        sink: &Sink,
        given_up: &AtomicBool,
        control: &Arc<Control>,
    ) -> Result<(), CellError> {
        let is_variable = |name: &str| self.context.variables_and_types().any(|(known, _)| known == name);
        let orders =
            commands::read(code, &is_variable).map_err(|message| report::plain("CommandError", &message))?;
        lines_of_cells::check_depth(&orders.code)
            .map_err(|message| report::plain("CompileError", &message))?;
        home::enter()
            .and_then(home::is_there)
            .map_err(|gone| report::plain("ToolkitError", &format!("{gone:#}")))?;
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
        let text = Text {
            cell: &cell,
            plain: &plain,
            around: &around,
        };
        let meant = text.with(&before);
        control.works_on_a_cell(Resting::of(&mut self.context));
        control.on_warnings(self.tell_warnings(code, sink));
        self.sources.begin(control.count(), code, &self.crate_dir);
        timed(Guard::Text, || self.pump.begin(Some(sink.clone())));
        self.processes += u64::from(orders.restarts);
        self.note_run(meant.0.defines.clone());
        self.tell_before(&meant.0, notes, sink);
        let variables = self.variables();
        self.answer(&orders, sink);
        let questions = Questions::new(sink);
        let begun = Instant::now();
        let tried = match self.died.take() {
            Some(message) => Tried {
                outcome: Err(evcxr::Error::SubprocessTerminated(message)),
                named: meant.0,
                items: meant.1,
                aside: Vec::new(),
                written: String::new(),
            },
            None => self.try_meanings(&text, before, meant, &questions),
        };
        let took = begun.elapsed();
        if tried.outcome.is_ok() {
            self.items = tried.items.clone();
            for line in went::told(&tried.named, &tried.aside, &self.sources) {
                let _ = sink.send(Message::Event(Event::Stderr(line)));
            }
            self.tell_losses(sink);
        }
        let _ = self.context.set_opt_level(&self.opt);
        let died = matches!(tried.outcome, Err(evcxr::Error::SubprocessTerminated(_)));
        let notes = timed(Guard::Text, || self.pump.finish(died));
        let generated = std::fs::read_to_string(self.crate_dir.join("cell/lib.rs")).unwrap_or_default();
        self.sources.end(&generated);
        let stopped = control.end(died);
        // What follows uses the context: no copy writes to its files any more.
        control.works();
        let died = died || (stopped.killed && self.replace_the_process());
        self.processes += u64::from(died);
        self.losses.retyped(&notes.retyped);
        let ended = Ended {
            code,
            orders: &orders,
            generated: &generated,
            notes: &notes,
            stopped: &stopped,
            took,
        };
        let result = questions.outcome(self.result(&tried, &ended, sink));
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
            items: &tried.named.defines,
            compiled: tried.outcome.is_ok(),
        };
        self.losses.note(&cell, end, &variables, &now);
        if tried.outcome.is_ok() {
            self.losses
                .took(&tried.aside, &tried.named.unmade, control.count());
        }
        if orders.vars && result.is_ok() {
            let table = self.measure(&now, sink);
            let _ = sink.send(Message::Event(table));
        }
        if (died || orders.restarts)
            && let Err(error) = self.bring_in(&match orders.clears {
                true => format!("{PRELUDE} {INSTALL}"),
                // Imports outlive the process.
                false => INSTALL.to_owned(),
            })
        {
            let _ = sink.send(Message::Event(Event::Stderr(format!("{error:#}\n"))));
        }
        result
    }

    /// Tells what is to be known of a cell before it runs; its long lists are noted for the compiler.
    fn tell_before(&mut self, named: &Named, notes: Vec<String>, sink: &Sink) {
        if !named.folds.is_empty() {
            self.folds.extend(named.folds.iter().cloned());
            let _ = compile::note_folds(&self.crate_dir.join(compile::NOTES), &self.folds);
        }
        let anew = named.unshared.iter().map(|name| {
            format!(
                "note: what `{name}` keeps in a static begins anew in each cell, for a macro makes it or it has a symbol of its \
                 own; a `static` that a cell writes itself lasts, with `std::sync::LazyLock` where it is made at first use\n"
            )
        });
        for note in notes.into_iter().chain(anew) {
            let _ = sink.send(Message::Event(Event::Stderr(note)));
        }
    }

    /// Runs a cell; when it is refused, with other meanings of its names, and then without the items of earlier cells
    /// that do not fit it. Where that is not enough, it is refused for what was wrong first.
    fn try_meanings(
        &mut self,
        text: &Text<'_>,
        mut before: Items,
        (mut named, mut items): (Named, Items),
        questions: &Questions,
    ) -> Tried {
        let pump = &self.pump;
        let mut callbacks = EvalCallbacks {
            input_reader: &|request| {
                // What was printed before the question stands before it.
                pump.catch_up();
                questions.ask(&request.prompt, request.is_password)
            },
        };
        let mut outcome = self.context.execute_with_callbacks(&named.text, &mut callbacks);
        while outcome.is_err()
            && let Some(meaning) = before.importing(&take_note(&self.crate_dir, compile::PREFERRED))
        {
            (named, items) = text.with(&meaning);
            outcome = self.context.execute_with_callbacks(&named.text, &mut callbacks);
            before = meaning;
        }
        let written = match outcome.is_err() {
            true => self.context.last_source().unwrap_or_default(),
            false => String::new(),
        };
        let mut aside: Vec<Unfit> = Vec::new();
        let mut last = None;
        while let Some(mut more) = unfit(&self.context, last.as_ref().unwrap_or(&outcome), &named.defines) {
            more.retain(|unfit| aside.iter().all(|earlier| earlier.name != unfit.name));
            if more.is_empty() {
                // It does not fit without them either.
                break;
            }
            aside.extend(more);
            let names: Vec<&str> = aside.iter().map(|unfit| unfit.name.as_str()).collect();
            let (other, left) = text.with(&before.without(&names));
            let again = self.context.execute_with_callbacks(&other.text, &mut callbacks);
            if !matches!(again, Err(evcxr::Error::CompilationErrors(_))) {
                (outcome, named, items) = (again, other, left);
                break;
            }
            last = Some(again);
        }
        Tried {
            outcome,
            named,
            items,
            aside,
            written,
        }
    }

    /// What is told of how a cell ended.
    fn result(&self, tried: &Tried, ended: &Ended<'_>, sink: &Sink) -> Result<(), CellError> {
        let Ended { code, notes, .. } = *ended;
        let losing = take_note(&self.crate_dir, compile::LOSING);
        if let Some(why) = &notes.unloadable {
            return Err(report::unloadable(why));
        }
        match &tried.outcome {
            Ok(_) if ended.stopped.killed => Err(report::killed()),
            Ok(outputs) => {
                // What evcxr's own commands say; a cell's values take another way.
                if let Some(said) = outputs.get("text/plain") {
                    let _ = sink.send(Message::Event(Event::Stdout(format!("{}\n", said.trim_end()))));
                }
                if let Some(time) = outputs.timing {
                    let line = format!("took {} ms\n", time.as_millis());
                    let _ = sink.send(Message::Event(Event::Stderr(line)));
                }
                if ended.orders.time {
                    let phases = outputs.phases.iter();
                    let timing = commands::timing(phases.map(|phase| (phase.name.as_str(), phase.duration)));
                    let _ = sink.send(Message::Event(timing));
                }
                let at = self.crate_dir.join(compile::NOTES);
                let behind = |frames: &[u64]| lines::lines(&self.crate_dir, &at, frames);
                report::of_notes(notes, ended.generated, code, &self.sources, behind)
            }
            Err(error) => {
                if ended.orders.time {
                    let timing = commands::timing_of_failure(error, ended.took);
                    let _ = sink.send(Message::Event(timing));
                }
                // Of those that earlier cells have lost the reader knows.
                let losing = losing.lines().filter(|name| !self.retyped.contains(*name));
                let elsewhere = |said: &serde_json::Value| {
                    let (item, below) = aside::elsewhere(said, &tried.written)?;
                    self.sources
                        .of_item(&item, below)
                        .filter(|place| place.code != code)
                };
                let cell = report::Cell {
                    code,
                    named: &tried.named,
                    losing: &losing.collect(),
                    elsewhere: &elsewhere,
                };
                Err(report::of_error(error, notes, &cell, &self.losses, ended.stopped))
            }
        }
    }

    /// Tells which variables are lost, and which statics begin anew, because their type is another one now. evcxr still lists them.
    fn tell_losses(&mut self, sink: &Sink) {
        let notes = self.crate_dir.join(compile::NOTES);
        let lost = std::fs::read_to_string(notes.join(compile::LOST)).unwrap_or_default();
        let anew = take_note(&self.crate_dir, compile::ANEW);
        let hidden = take_note(&self.crate_dir, compile::HIDDEN);
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
}

/// The items of earlier cells by which a cell was refused, and nothing else.
fn unfit(
    context: &CommandContext,
    outcome: &Result<EvalOutputs, evcxr::Error>,
    own: &HashSet<String>,
) -> Option<Vec<Unfit>> {
    let Err(evcxr::Error::CompilationErrors(errors)) = outcome else {
        return None;
    };
    let generated = context.last_source().unwrap_or_default();
    let earlier: HashSet<&str> = context.defined_item_names().collect();
    let unfit = aside::unfit(errors, &generated, &earlier, own);
    (!unfit.is_empty()).then_some(unfit)
}
