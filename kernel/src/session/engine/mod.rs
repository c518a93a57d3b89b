//! evcxr, and what stands around it: how a session starts, and what its parts share.

mod answer;
mod execute;
mod start;

#[cfg(test)]
#[allow(unused_imports, reason = "for the test of a whole session")]
pub use execute::FAULT;

use crate::session::build::carried::Carried;
use crate::session::build::compile;
use crate::session::build::home;
use crate::session::build::statics::Run;
use crate::session::build::toolkit;
use crate::session::build::toolkit::Toolkit;
use crate::session::cell::items::Items;
use crate::session::control::Control;
use crate::session::know::snapshot;
use crate::session::know::snapshot::Resting;
use crate::session::options::Options;
use crate::session::talk::pipes::Pipes;
use crate::session::talk::pump::Between;
use crate::session::talk::pump::Pump;
use crate::session::tell::losses::Losses;
use crate::session::tell::losses::Variable;
use crate::session::tell::report;
use crate::session::tell::sources::Sources;
use anyhow::{Result, ensure};
use evcxr::CommandContext;
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A session's evcxr.
pub struct Engine {
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
    /// The process has died between two cells: of what, in evcxr's words.
    died: Option<String>,
}

/// Brings in the toolkit, has its loops answer to stop requests, and reports panics by the protocol.
/// The `?` makes evcxr accept it in every cell from the first on.
const PRELUDE: &str = "use jook::prelude::*;";

/// What each process that runs cells does first.
const INSTALL: &str = r#"let _ = {
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
    /// Starts evcxr, and brings in the toolkit.
    ///
    /// # Errors
    /// When there is no toolkit, or evcxr does not start, or is not as this kernel knows it.
    pub fn start(options: &Options, control: &Arc<Control>) -> Result<Self> {
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
        let (context, opt, crate_dir) = start::evcxr(options, control, &pipes)?;
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
            died: None,
        };
        control.ready(&engine.carried);
        engine.bring_in(&format!("{PRELUDE} {INSTALL} let {CHECK} = 1u8;"))?;
        let faults = control.faults();
        ensure!(faults.is_empty(), "{}", faults.join("\n"));
        Ok(engine)
    }

    /// Does what the first cells would have to wait for.
    pub fn warm_up(&mut self) {
        self.note_run(HashSet::new());
        self.pump.begin(None);
        let dropped = self.context.execute(&format!("drop({CHECK});"));
        self.pump.finish(dropped.is_err());
        if let Err(evcxr::Error::SubprocessTerminated(message)) = dropped {
            // It died between two cells: the next one tells.
            self.died = Some(message);
        }
        let _ = self.context.completions(WARM_UP, WARM_UP.len());
        snapshot::gather_memory();
    }

    /// evcxr, for others to copy while nobody uses it.
    pub fn resting(&mut self) -> Resting {
        Resting::of(&mut self.context)
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

    fn bring_in(&mut self, code: &str) -> Result<()> {
        self.note_run(HashSet::new());
        self.pump.begin(None);
        let result = self.context.execute(code);
        self.pump.finish(false);
        match result {
            Ok(_) => Ok(()),
            Err(error) => Err(anyhow::anyhow!(
                "the toolkit's prelude could not be brought in:\n{}",
                report::all_messages(&error)
            )),
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
}

/// What the compiler has noted, which is told once: also when the next cell is not compiled.
fn take_note(crate_dir: &Path, name: &str) -> String {
    let file = crate_dir.join(compile::NOTES).join(name);
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    let _ = std::fs::remove_file(file);
    text
}
