//! Crates that a notebook adds with `:dep`, built by cargo once and kept for the next kernel.

use crate::session::build::dylib::{self, Library};
use crate::session::build::home;
use crate::session::build::manifest::CellCrate;
use crate::session::build::private;
use crate::session::life::hold::Hold;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant, SystemTime};

/// How often cargo's end is looked for while it says nothing.
const STEP: Duration = Duration::from_millis(50);

/// How long what cargo has said may be on its way when it has ended.
const REST: Duration = Duration::from_secs(1);

/// What cargo says.
enum Told {
    /// For the reader.
    Line(String),
    /// A library that it has built.
    Artifact(Value),
}

/// What rustc has to be told about the added crates.
#[derive(Default)]
pub struct Extra {
    /// Names as code spells them, and the libraries.
    pub externs: Vec<(String, PathBuf)>,
    /// Where the libraries that those need are.
    pub folder: Option<PathBuf>,
    /// There once the quick way of linking has failed with these crates.
    slow: Option<PathBuf>,
}

impl Extra {
    /// The library that holds them, for all cells; `loaded` are those that the process has.
    ///
    /// # Errors
    /// When the compiler cannot be run.
    pub fn library(&self, loaded: &[Library], hold: &Hold) -> Result<Option<Library>> {
        match &self.folder {
            Some(folder) => dylib::library(&self.externs, folder, loaded, hold),
            None => Ok(None),
        }
    }

    /// Whether cells can be linked with them the quick way, as far as is known.
    pub fn link_quickly(&self) -> bool {
        self.slow.as_ref().is_none_or(|note| !note.exists())
    }

    /// The quick way has failed. False where no crate was added that could be the reason.
    pub fn note_slow_link(&self) -> bool {
        match &self.slow {
            Some(note) => std::fs::write(note, "").is_ok(),
            None => false,
        }
    }
}

/// The crates that `cell` asks for beyond the toolkit; cargo runs only when the list is new, or when a
/// crate that comes from a path has changed.
pub fn prepare(cell: &CellCrate, hold: &Hold) -> Result<Extra> {
    if cell.dependencies.is_empty() {
        return Ok(Extra::default());
    }
    let side = SideCrate::of(cell)?;
    let listed = side.dir.join("externs.json");
    if !side.complete(&listed) {
        // Not later: a change while cargo builds must not go unseen.
        let begun = SystemTime::now();
        let externs = side.build(cell, hold)?;
        std::fs::write(&listed, serde_json::to_vec(&externs)?)?;
        std::fs::File::open(&listed)?.set_modified(begun)?;
    }
    let externs: Vec<(String, PathBuf)> = serde_json::from_slice(&std::fs::read(&listed)?)?;
    Ok(Extra {
        externs,
        folder: Some(side.target.join("debug/deps")),
        slow: Some(side.dir.join("link-the-ordinary-way")),
    })
}

/// Answers evcxr's question whether a crate can be had, asked before it is added: what could be had once is not looked
/// up again, which takes the network.
pub fn validate(cell: &CellCrate, ask: impl FnOnce() -> Result<std::process::Output>) -> Result<i32> {
    let mut key = DefaultHasher::new();
    cell.dependencies.hash(&mut key);
    let elsewhere =
        |(_, requirement): &(String, String)| ["path", "git"].iter().any(|place| requirement.contains(place));
    let folder = private::cache_dir()
        .context("no place to keep built crates")?
        .join("deps");
    let known = folder.join(format!("known-{:016x}", key.finish()));
    let keep = !cell.dependencies.iter().any(elsewhere);
    if keep && known.exists() {
        return Ok(0);
    }
    let output = ask()?;
    std::io::stderr().write_all(&output.stderr)?;
    if keep && output.status.success() && output.stderr.is_empty() {
        std::fs::create_dir_all(folder)?;
        std::fs::write(known, "")?;
    }
    Ok(output.status.code().unwrap_or(101))
}

/// cargo's metadata of the added crates, once [`prepare`] or this has resolved them.
pub fn metadata(cell: &CellCrate) -> Result<Option<Value>> {
    if cell.dependencies.is_empty() {
        return Ok(None);
    }
    let side = SideCrate::of(cell)?;
    Ok(Some(side.metadata(cell)?))
}

struct SideCrate {
    dir: PathBuf,
    target: PathBuf,
}

impl SideCrate {
    fn of(cell: &CellCrate) -> Result<Self> {
        let (rustc, _) = private::tools()?;
        let mut key = DefaultHasher::new();
        // The compiler's age too: what another one has built cannot be used.
        rustc.hash(&mut key);
        rustc
            .metadata()
            .and_then(|meta| meta.modified())
            .ok()
            .hash(&mut key);
        cell.dependencies.hash(&mut key);
        let root = private::cache_dir()
            .context("no place to keep built crates")?
            .join("deps");
        let dir = root.join(format!("{:016x}", key.finish()));
        std::fs::create_dir_all(dir.join("src"))?;
        let listed: String = cell
            .dependencies
            .iter()
            .map(|(name, requirement)| format!("{name} = {requirement}\n"))
            .collect();
        let manifest = format!(
            "[package]\nname = \"notebook-dependencies\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
             [workspace]\n[profile.dev]\nopt-level = 2\ndebug = false\n[dependencies]\n{listed}"
        );
        let path = dir.join("Cargo.toml");
        if std::fs::read_to_string(&path).ok().as_deref() != Some(&manifest) {
            std::fs::write(path, manifest)?;
        }
        let source = dir.join("src/lib.rs");
        if !source.exists() {
            std::fs::write(source, "")?;
        }
        Ok(Self {
            dir,
            target: root.join("target"),
        })
    }

    /// Whether everything is built, and from the sources as they are.
    fn complete(&self, listed: &Path) -> bool {
        let built = listed.metadata().and_then(|meta| meta.modified()).ok();
        let externs = std::fs::read(listed)
            .ok()
            .and_then(|text| serde_json::from_slice::<Vec<(String, PathBuf)>>(&text).ok());
        let (Some(built), Some(externs)) = (built, externs) else {
            return false;
        };
        externs.iter().all(|(_, path)| path.exists())
            && self
                .kept_metadata()
                .is_some_and(|metadata| local_folders(&metadata).all(|folder| !changed(&folder, built)))
    }

    fn kept_metadata(&self) -> Option<Value> {
        serde_json::from_slice(&std::fs::read(self.dir.join("metadata.json")).ok()?).ok()
    }

    fn cargo(&self, cell: &CellCrate) -> Result<Command> {
        let (rustc, cargo) = private::tools()?;
        let mut command = Command::new(cargo);
        home::outside(&mut command)
            .env("RUSTC", rustc)
            .current_dir(&self.dir)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_BUILD_BUILD_DIR", &self.target)
            .env("RUSTFLAGS", "-C target-cpu=native")
            // Where the libraries are to be found is this module's business.
            .env_remove("CARGO_BUILD_TARGET")
            .env_remove("EVCXR_EXECUTION_SO_PATH");
        let offline = std::fs::read_to_string(cell.dir.join(".cargo/config.toml"))
            .is_ok_and(|text| text.contains("offline = true"));
        if offline {
            command.arg("--offline");
        }
        Ok(command)
    }

    fn metadata(&self, cell: &CellCrate) -> Result<Value> {
        let kept = self.dir.join("metadata.json");
        let asked = kept.metadata().and_then(|meta| meta.modified());
        if let (Some(metadata), Ok(asked)) = (self.kept_metadata(), asked)
            && local_folders(&metadata).all(|folder| !changed(&folder.join("Cargo.toml"), asked))
        {
            return Ok(metadata);
        }
        let output = self
            .cargo(cell)?
            .args([
                "metadata",
                "--format-version=1",
                "--filter-platform",
                private::HOST,
            ])
            .output()?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        std::fs::write(kept, &output.stdout)?;
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn build(&self, cell: &CellCrate, hold: &Hold) -> Result<Vec<(String, PathBuf)>> {
        let metadata = self.metadata(cell)?;
        let mut child = self
            .cargo(cell)?
            .args(["build", "--message-format=json-render-diagnostics"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().context("cargo without a standard error")?;
        let stdout = child.stdout.take().context("cargo without a standard output")?;
        let (tell, told) = std::sync::mpsc::channel();
        let tell_artifact = tell.clone();
        std::thread::spawn(move || {
            BufReader::new(stderr)
                .lines()
                .map_while(Result::ok)
                .try_for_each(|line| tell.send(Told::Line(line)))
        });
        std::thread::spawn(move || {
            let lines = BufReader::new(stdout).lines().map_while(Result::ok);
            let messages = lines.filter_map(|line| serde_json::from_str::<Value>(&line).ok());
            messages
                .filter(|message| message["reason"] == "compiler-artifact")
                .try_for_each(|message| tell_artifact.send(Told::Artifact(message)))
        });
        let (mut said, mut artifacts) = (String::new(), Vec::new());
        let mut take = |told| match told {
            Told::Line(line) => {
                // The package around the notebook's crates is the kernel's.
                if !line.contains("Compiling notebook-dependencies ") {
                    hold.progress(&line);
                }
                said.push_str(&line);
                said.push('\n');
            }
            Told::Artifact(artifact) => artifacts.push(artifact),
        };
        // What a build script leaves behind may hold the pipes for ever: cargo's end is the end, but for what it has said.
        let mut ended: Option<Instant> = None;
        while ended.is_none_or(|ended| ended.elapsed() < REST) {
            match told.recv_timeout(STEP) {
                Ok(told) => take(told),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    ended = ended.or(child.try_wait()?.map(|_| Instant::now()));
                }
            }
        }
        let status = child.wait()?;
        if !status.success() {
            // One line of JSON is what evcxr takes for an error; anything else it would not pass on.
            let message =
                json!({ "message": said.trim_end(), "level": "error", "spans": [], "children": [] });
            println!("{message}");
            hold.has_failed();
            std::process::exit(101);
        }
        Ok(externs(&metadata, &artifacts))
    }
}

/// The folders of the crates that come from paths.
fn local_folders(metadata: &Value) -> impl Iterator<Item = PathBuf> {
    let root = &metadata["workspace_members"][0];
    let packages = metadata["packages"].as_array().into_iter().flatten();
    packages
        .filter(move |package| package["source"].is_null() && &package["id"] != root)
        .filter_map(|package| Path::new(package["manifest_path"].as_str()?).parent())
        .map(Path::to_owned)
}

/// Whether a file, or one in the folder, is newer than `since`, or cannot be looked at.
fn changed(path: &Path, since: SystemTime) -> bool {
    let Ok(meta) = path.metadata() else { return true };
    if meta.modified().map_or(true, |modified| modified > since) {
        return true;
    }
    let built = |name: &str| name == "target" || name.starts_with('.');
    meta.is_dir()
        && std::fs::read_dir(path)
            .into_iter()
            .flatten()
            .flatten()
            .any(|entry| !entry.file_name().to_str().is_some_and(built) && changed(&entry.path(), since))
}

/// Pairs the names that code uses with the libraries that cargo built for them.
fn externs(metadata: &Value, artifacts: &[Value]) -> Vec<(String, PathBuf)> {
    let root = &metadata["workspace_members"][0];
    let empty = Vec::new();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap_or(&empty);
    let Some(node) = nodes.iter().find(|node| &node["id"] == root) else {
        return Vec::new();
    };
    let library = |package: &Value| {
        let artifact = artifacts.iter().find(|artifact| {
            &artifact["package_id"] == package
                && artifact["target"]["kind"]
                    .as_array()
                    .is_some_and(|kinds| kinds.iter().any(|kind| kind != "custom-build" && kind != "bin"))
        })?;
        let files: Vec<&str> = artifact["filenames"]
            .as_array()?
            .iter()
            .filter_map(Value::as_str)
            .collect();
        files
            .iter()
            .find(|name| name.ends_with(".rlib"))
            .or_else(|| files.iter().find(|name| name.ends_with(".so")))
            .map(PathBuf::from)
    };
    node["deps"]
        .as_array()
        .unwrap_or(&empty)
        .iter()
        .filter_map(|dep| Some((dep["name"].as_str()?.to_owned(), library(&dep["pkg"])?)))
        .collect()
}
