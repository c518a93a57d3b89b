//! The crate that evcxr writes for a cell, compiled by one call of rustc.

use crate::session::build::asynchronous::{self, Mode};
use crate::session::build::beginnings::{Beginning, Made, is_beginning};
use crate::session::build::deps;
use crate::session::build::displays;
use crate::session::build::dylib::Library;
use crate::session::build::early_return;
use crate::session::build::early_return::Bound;
use crate::session::build::home;
use crate::session::build::known::{Kept, Known};
use crate::session::build::lean;
use crate::session::build::lean::lean;
use crate::session::build::lines;
use crate::session::build::linker;
use crate::session::build::macros;
use crate::session::build::manifest::CellCrate;
use crate::session::build::mask;
use crate::session::build::preferred;
use crate::session::build::private;
use crate::session::build::reached::reached;
use crate::session::build::said;
use crate::session::build::source;
use crate::session::build::spelling::{self, Spelling};
use crate::session::build::statics::{self, Run, Statics};
use crate::session::build::types::Types;
use crate::session::build::warnings;
use crate::session::cell::made;
use crate::session::guards::Guard;
use crate::session::guards::timed;
use crate::session::life::hold::Hold;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Kept in the cell crate's folder: what the kernel may want to know of a cell's compiler.
pub const NOTES: &str = ".jook";
/// There: the variables whose type is another one now; among them some that are gone.
pub const LOST: &str = "lost";
/// There: the statics that begin anew in the last cell, for the same reason.
pub const ANEW: &str = "anew";
/// There, when the last cell was refused: the variables that it would lose.
pub const LOSING: &str = "losing";
/// There, when the last cell was refused: imports of what it may have meant, see [`preferred`].
pub const PREFERRED: &str = "preferred";
/// There, when the last cell has defined a type anew: the variables of earlier cells that hold types of the notebook's
/// which a `downcast` does not find any more.
pub const HIDDEN: &str = "hidden";
/// There: the number of a run that was refused, and is compiled with all items when evcxr tries it again.
const WHOLE: &str = "whole";
/// There: the number of the run that evcxr was asked to bring a runtime in for.
const RUNTIME: &str = "runtime";

/// rustc's exit code for a cell that it refuses.
const REFUSED: i32 = 1;

impl CellCrate {
    /// Compiles the cell into the library that the child process loads; returns the compiler's exit code.
    pub fn build(&self, hold: &Hold) -> Result<i32> {
        let out = self.dir.join("target/cell");
        let loaded = out.join("libctx.so");
        let mut cell = self.generated(hold)?;
        for what in timed(Guard::Anchors, || source::unknown(&cell.generated)) {
            hold.does_not_know(what);
        }
        let extra = deps::prepare(self, hold)?;
        if let Some(told) = std::env::var_os("EVCXR_EXECUTION_SO_PATH") {
            std::fs::write(told, loaded.as_os_str().as_encoded_bytes())?;
        }
        let notes = self.dir.join(NOTES);
        cell.read_types(&extra.externs, &notes)?;
        if let Some(wanted) = asynchronous::wanted(&cell.generated, &self.dependencies)
            && note_for(&notes, RUNTIME, &cell.run)?
        {
            return Ok(report(hold, vec![wanted], REFUSED));
        }
        let library = extra.library(&cell.known.libraries, hold)?;
        if let Some(library) = &library {
            cell.brought = library.brought_in();
        }
        let mut compile = || -> Result<(Vec<String>, i32)> {
            let mut rustc = self.rustc(&out, &extra, library.as_ref())?;
            rustc.arg("--emit=link").arg("-o").arg(&loaded);
            let level = self.opt_level.trim_matches('\'');
            rustc.arg("-C").arg(format!("opt-level={level}"));
            if level != "0" {
                // Asking which machine this is takes longer than it gains a cell that is not optimized.
                rustc.args(["-C", "target-cpu=native"]);
            }
            if cell.known.generation > 0 {
                // Another identity for the notebook's types: none is taken for what it was before.
                rustc.arg("-C").arg(format!("metadata={}", cell.known.generation));
            }
            lines::note(&rustc, &notes);
            self.compile(rustc, &mut cell)
        };
        let (mut said, mut code) = compile()?;
        let unlinked = |line: &String| line.contains("\"message\":\"linking with ");
        if code != 0 && extra.link_quickly() && said.iter().any(unlinked) && extra.note_slow_link() {
            (said, code) = compile()?;
        }
        match code {
            0 => {
                if cell.exports {
                    let exported = statics::library(&out, cell.run.number);
                    let _ = std::fs::remove_file(&exported);
                    std::fs::hard_link(&loaded, exported)?;
                }
                cell.note(&notes, library.as_ref())?;
                self.tell_warnings(&said, &notes, hold)?;
            }
            _ => {
                cell.note_failure(&notes)?;
                said = spelling::refusal(&said, &cell.generated).map_or(said, |refusal| vec![refusal]);
            }
        }
        Ok(report(hold, said, code))
    }

    /// Has the kernel tell them before the cell runs.
    fn tell_warnings(&self, said: &[String], notes: &Path, hold: &Hold) -> Result<()> {
        let told: Vec<&str> = said
            .iter()
            .map(String::as_str)
            .filter(|line| warnings::is_told(line))
            .collect();
        if !told.is_empty() {
            std::fs::write(notes.join(warnings::WARNINGS), told.join("\n"))?;
            hold.has_warnings();
        }
        Ok(())
    }

    /// Type-checks the cell; returns the compiler's exit code.
    pub fn check(&self, hold: &Hold) -> Result<i32> {
        let out = self.dir.join("target/cell");
        let mut cell = self.generated(hold)?;
        cell.known = Known::read(&self.dir.join(NOTES));
        cell.generated = source::of_analysis(&cell.generated, &cell.known);
        let mut rustc = self.rustc(&out, &deps::prepare(self, hold)?, None)?;
        rustc.arg("--emit=metadata").arg("-o").arg(out.join("ctx.rmeta"));
        let (said, code) = self.compile(rustc, &mut cell)?;
        Ok(report(hold, said, code))
    }

    /// What evcxr wrote. Read once, before the session may be copied: a copy writes to the same file.
    fn generated(&self, hold: &Hold) -> Result<Cell> {
        let mut generated = std::fs::read_to_string(self.dir.join("src/lib.rs"))?;
        hold.source_is_read();
        if generated.contains("/*jook:") {
            for (short, list) in folds(&self.dir.join(NOTES)) {
                generated = generated.replace(&short, &list);
            }
        }
        Ok(Cell {
            generated,
            ..Cell::default()
        })
    }

    /// What cells are compiled with, and against, has changed since the kernel was started: nothing fits any more.
    fn refuse_what_has_changed(toolkit: &private::ToolkitFiles) {
        let what = if !private::compiler_is_the_same() {
            "the Rust compiler"
        } else if private::size(&toolkit.dylib) != toolkit.size {
            "the toolkit's library"
        } else {
            return;
        };
        let said = format!(
            "{what} has changed since this kernel was started, and cells do not fit the toolkit in it any more: restart \
             the kernel (the toolkit is built anew then where that is needed, which may take a while)"
        );
        // One line of JSON is what evcxr takes for an error.
        println!(
            "{}",
            serde_json::json!({ "message": said, "level": "error", "spans": [], "children": [] })
        );
        std::process::exit(101);
    }

    fn rustc(&self, out: &Path, extra: &deps::Extra, library: Option<&Library>) -> Result<Command> {
        let toolkit = private::ToolkitFiles::of_session()?;
        timed(Guard::Changes, || Self::refuse_what_has_changed(&toolkit));
        let (rustc, _) = private::tools()?;
        let folder = self.dir.join("cell");
        std::fs::create_dir_all(&folder)?;
        std::fs::create_dir_all(out)?;
        let mut command = Command::new(&rustc);
        home::in_own_environment(&mut command)
            // As cargo would tell a package.
            .env("CARGO_PKG_NAME", "notebook")
            .env("CARGO_PKG_VERSION", "0.0.0")
            .env("CARGO_CRATE_NAME", "notebook")
            .env("CARGO_PKG_AUTHORS", "")
            .env("CARGO_PKG_DESCRIPTION", "")
            .args(["--crate-name", "ctx", "--edition=2024", "--crate-type", "cdylib"])
            .arg("--error-format=json")
            .args(warnings::options())
            .args([
                "-C",
                "debuginfo=0",
                "-C",
                "codegen-units=1",
                "-C",
                "embed-bitcode=no",
            ])
            .args(["-C", "overflow-checks=on", "-C", "debug-assertions=on"])
            .arg("--extern")
            .arg(format!("jook={}", toolkit.dylib.display()))
            // evcxr's own: prefer-dynamic (one `std` for all cells), and a faster linker where there is one.
            .args(std::env::var("RUSTFLAGS").unwrap_or_default().split_whitespace());
        // What the notebook has added may be linked with a crate of the toolkit's.
        let dirs = match &toolkit.interfaces {
            Some(interfaces) if extra.externs.is_empty() => std::slice::from_ref(interfaces),
            _ => &toolkit.deps,
        };
        for dir in dirs {
            command.arg("-L").arg(format!("dependency={}", dir.display()));
        }
        let quick = extra.link_quickly() && linker::arrange(&mut command, &toolkit, &rustc);
        if let Some(library) = library {
            library.link(&mut command);
        }
        let folder = library.map(Library::folder);
        for dir in [toolkit.dylib.parent(), Some(&toolkit.std_dir), folder]
            .into_iter()
            .flatten()
        {
            // rustc hands this to the compiler driver, or to the linker itself.
            if quick {
                command.args(["-C", "link-arg=-rpath", "-C"]);
                command.arg(format!("link-arg={}", dir.display()));
            } else {
                command
                    .arg("-C")
                    .arg(format!("link-arg=-Wl,-rpath,{}", dir.display()));
            }
        }
        for (name, path) in &extra.externs {
            command.arg("--extern").arg(format!("{name}={}", path.display()));
        }
        if let Some(dir) = &extra.folder {
            command.arg("-L").arg(format!("dependency={}", dir.display()));
        }
        // Relative, so that a panic's place is short.
        command.current_dir(&self.dir).arg("cell/lib.rs");
        Ok(command)
    }

    /// Runs the compiler; returns what it said and its exit code.
    fn compile(&self, mut command: Command, cell: &mut Cell) -> Result<(Vec<String>, i32)> {
        let out = self.dir.join("target/cell");
        let toolkit = match cell.begins {
            true => Some(private::ToolkitFiles::of_session()?),
            false => None,
        };
        let mut linked = BTreeSet::new();
        let mut compile = |source: String, needs: &BTreeSet<u64>| -> Result<(Vec<String>, i32)> {
            std::fs::write(self.dir.join("cell/lib.rs"), &source)?;
            let library = out.join("libctx.so");
            let beginning = toolkit
                .as_ref()
                .and_then(|toolkit| Beginning::of(toolkit, &command, &self.dir, &source));
            if let Some(made) = beginning
                .as_ref()
                .and_then(|beginning| beginning.recall(&library))
            {
                return Ok((made.said, made.code));
            }
            for run in needs.iter().filter(|run| linked.insert(**run)) {
                let library = statics::library(&out, *run);
                command.arg("-C").arg(format!("link-arg={}", library.display()));
            }
            command.stderr(Stdio::piped());
            let mut compiler = mask::start(&mut command).context("could not run rustc")?;
            let errors = compiler.stderr.take().context("rustc without a standard error")?;
            let said = BufReader::new(errors).lines();
            let said = said.map(|line| line.map(|line| said::fit(line, statics::EXPORT)));
            let said = said.collect::<std::io::Result<_>>()?;
            let code = compiler.wait()?.code().unwrap_or(-1);
            let made = Made { said, code };
            if let Some(beginning) = beginning {
                let _ = beginning.keep(&library, &made);
            }
            Ok((made.said, made.code))
        };
        let mut bound = Bound::Error;
        let mut mode = asynchronous::mode(&cell.generated);
        let mut spelling = Spelling::default();
        loop {
            let source = cell.written(bound, mode);
            let (said, code) = compile(source, &cell.needs)?;
            if code == 0 {
                return Ok((said, code));
            }
            if let Some(other) = mode.and_then(|mode| asynchronous::another(mode, &said)) {
                mode = Some(other);
                continue;
            }
            let next = bound.next(&said).filter(|_| early_return::is_in(&cell.generated));
            match next {
                Some(next) => bound = next,
                None if !cell.blind && displays::cannot_look(&said) => cell.blind = true,
                None if statics::copy_for_constants(&said, &mut cell.known.statics) => {}
                None if spelling.another(&said, &cell.generated, &mut cell.known) => {}
                // What is wrong is told with all names at hand: the right one may be among them.
                None if cell.partly => {
                    cell.whole = true;
                    let _ = note_for(&self.dir.join(NOTES), WHOLE, &cell.run);
                }
                None => {
                    let imports = preferred::imports(&said).join("\n");
                    std::fs::write(self.dir.join(NOTES).join(PREFERRED), imports)?;
                    return Ok((said, code));
                }
            }
        }
    }
}

/// Notes that something was done for this run; false when it was noted before.
fn note_for(notes: &Path, file: &str, run: &Run) -> Result<bool> {
    let (file, number) = (notes.join(file), run.number.to_string());
    let new = std::fs::read_to_string(&file).unwrap_or_default() != number;
    if new {
        std::fs::write(file, number)?;
    }
    Ok(new)
}

const FOLDS: &str = "folds.json";

/// Notes what stands for long lists, for the compiler.
///
/// # Errors
/// When it cannot be written.
pub fn note_folds(notes: &Path, folds: &BTreeMap<String, String>) -> Result<()> {
    Ok(std::fs::write(notes.join(FOLDS), serde_json::to_vec(folds)?)?)
}

fn folds(notes: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read(notes.join(FOLDS)).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

/// A cell on its way to the compiler.
#[derive(Default)]
struct Cell {
    /// As evcxr has written it.
    generated: String,
    types: Types,
    /// What earlier cells have left.
    known: Known,
    run: Run,
    /// What this one keeps, as it was written last.
    kept: Vec<Kept>,
    statics: Statics,
    anew: Vec<String>,
    exports: bool,
    /// Whether nothing of it is the user's: see [`Beginning`]. What is only checked may be his.
    begins: bool,
    /// Whether it is written without the items that it does not reach, and whether it must not be.
    partly: bool,
    whole: bool,
    /// Whether its value cannot be looked at before it shows itself.
    blind: bool,
    /// Whether it defines a type anew.
    regenerated: bool,
    needs: BTreeSet<u64>,
    /// What brings in the library of the added crates.
    brought: String,
}

impl Cell {
    fn read_types(&mut self, crates: &[(String, PathBuf)], notes: &Path) -> Result<()> {
        std::fs::create_dir_all(notes)?;
        self.types = Types::read(source::items(&self.generated), crates);
        self.known = Known::read(notes);
        self.run = Run::read(notes);
        self.begins = is_beginning(&self.run);
        let whole = std::fs::read_to_string(notes.join(WHOLE)).unwrap_or_default();
        self.whole = whole == self.run.number.to_string();
        self.known.is_in(self.run.process);
        self.regenerated = self.known.learn(&mut self.types);
        Ok(())
    }

    /// What is compiled instead of what evcxr generated.
    fn written(&mut self, bound: Bound, mode: Option<Mode>) -> String {
        let (items, code) = self.generated.split_at(source::items(&self.generated).len());
        let items = made::restored(items);
        let shared = statics::share(&items, &self.run, &self.known.statics, &self.types);
        let mut source = format!("{}{code}", macros::first(&shared.items));
        if let Some(mode) = mode {
            asynchronous::run_in(&mut source, mode);
        }
        let mut source = source::with_notices(&source, bound, !self.blind);
        source.push_str(&self.brought);
        (self.statics, self.anew) = (shared.statics, shared.anew);
        (self.exports, self.needs) = (shared.exports, shared.needs);
        let lean = lean(&source, &self.types, &self.known);
        self.kept = lean.kept;
        let reached = reached(&lean.source);
        let made_of = reached.as_ref().unwrap_or(&lean.source);
        // A cell that defines something shows what does not fit it any more.
        self.partly = reached.is_some() && !self.whole && !self.exports && self.run.defines.is_empty();
        let source = if self.partly { made_of } else { &lean.source };
        source::with_its_digest(source, made_of)
    }

    /// The cell was refused: a variable may not be found because of it.
    fn note_failure(&self, notes: &Path) -> Result<()> {
        let losing: Vec<&str> = self.known.retyped(&self.types).collect();
        Ok(std::fs::write(notes.join(LOSING), losing.join("\n"))?)
    }

    /// The cell is about to run: what it keeps and loses is known to the next, and to the kernel.
    fn note(&mut self, notes: &Path, library: Option<&Library>) -> Result<()> {
        let own = |name: &&str| self.kept.iter().any(|kept| kept.variable == *name);
        let hidden = self.known.hidden(&self.types).filter(|name| !own(name));
        let hidden: Vec<String> = hidden.map(str::to_owned).collect();
        for kept in &self.kept {
            self.known.keeps(kept);
        }
        self.known.statics = std::mem::take(&mut self.statics);
        if let Some(library) = library {
            self.known.libraries.retain(|other| other != library);
            self.known.libraries.push(library.clone());
        }
        self.known.write(notes)?;
        std::fs::write(notes.join(ANEW), self.anew.join("\n"))?;
        if self.regenerated {
            std::fs::write(notes.join(HIDDEN), hidden.join("\n"))?;
        }
        let lost: Vec<&str> = self.known.retyped(&self.types).collect();
        Ok(std::fs::write(notes.join(LOST), lost.join("\n"))?)
    }
}

/// Passes on what the compiler said; returns the exit code.
fn report(hold: &Hold, said: Vec<String>, code: i32) -> i32 {
    if code != 0 {
        hold.has_failed();
    }
    for line in said.into_iter().filter(|line| !warnings::is_warning(line)) {
        eprintln!("{}", about_the_display(line));
    }
    code
}

/// Keeps evcxr from falling back on `Debug` for a value that can show itself, when what rustc says is about something
/// else and only mentions the line that shows the value:
///
/// - `let n = 6 * 7; n`: a number whose type nothing has fixed has no method to show itself by, and the advice at the
///   `let` makes it a mistake of the user's;
/// - `let t = Table::new(["a"]); t.row(["b"])`: the line moves a variable, which therefore cannot be kept.
fn about_the_display(line: String) -> String {
    let moved = line.contains("\"E0382\"");
    if !(moved || line.contains("\"E0689\"") && line.contains("evcxr_display")) {
        return line;
    }
    let Ok(mut diagnostic) = serde_json::from_str::<Value>(&line) else {
        return line;
    };
    if moved {
        let Some(spans) = diagnostic["spans"].as_array_mut() else {
            return line;
        };
        let keeps = |span: &Value| {
            let text = span["text"][0]["text"].as_str();
            span["is_primary"] == true && text.is_some_and(lean::puts_back)
        };
        if !spans.iter().any(keeps) {
            return line;
        }
        spans.retain(keeps);
    }
    diagnostic["children"] = serde_json::json!([]);
    diagnostic.to_string()
}
