//! Crates that a notebook adds with `:dep`, built by cargo once and kept for the next kernel.

use super::cell_crate::{CellCrate, NOTES, PROGRESS, Stoppable};
use super::{graph, home, stand_in};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What rustc has to be told about the added crates.
#[derive(Default)]
pub struct Extra {
    /// Names as code spells them, and the libraries.
    pub externs: Vec<(String, PathBuf)>,
    /// Where the libraries that those need are.
    pub folder: Option<PathBuf>,
}

/// The crates that `cell` asks for beyond the toolkit; cargo runs only when the list is new, or when a
/// crate comes from a path and may have changed.
pub fn prepare(cell: &CellCrate) -> Result<Extra> {
    if cell.dependencies.is_empty() {
        return Ok(Extra::default());
    }
    let side = SideCrate::of(cell)?;
    let listed = side.dir.join("externs.json");
    let local = cell
        .dependencies
        .iter()
        .any(|(_, requirement)| requirement.contains("path"));
    if local || !side.complete(&listed) {
        let externs = side.build(cell)?;
        std::fs::write(&listed, serde_json::to_vec(&externs)?)?;
    }
    let externs: Vec<(String, PathBuf)> = serde_json::from_slice(&std::fs::read(&listed)?)?;
    Ok(Extra {
        externs,
        folder: Some(side.target.join("debug/deps")),
    })
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
        let (rustc, _) = stand_in::tools()?;
        let mut key = DefaultHasher::new();
        rustc.hash(&mut key);
        cell.dependencies.hash(&mut key);
        let root = graph::cache_dir()
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
        std::fs::write(dir.join("src/lib.rs"), "")?;
        Ok(Self {
            dir,
            target: root.join("target"),
        })
    }

    fn complete(&self, listed: &Path) -> bool {
        std::fs::read(listed)
            .ok()
            .and_then(|text| serde_json::from_slice::<Vec<(String, PathBuf)>>(&text).ok())
            .is_some_and(|externs| externs.iter().all(|(_, path)| path.exists()))
    }

    fn cargo(&self, cell: &CellCrate) -> Result<Command> {
        let (_, cargo) = stand_in::tools()?;
        let mut command = Command::new(cargo);
        home::outside(&mut command)
            .current_dir(&self.dir)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_BUILD_BUILD_DIR", &self.target)
            .env("RUSTFLAGS", "-C target-cpu=native")
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
        let local = cell
            .dependencies
            .iter()
            .any(|(_, requirement)| requirement.contains("path"));
        if !local
            && let Ok(text) = std::fs::read(&kept)
            && let Ok(value) = serde_json::from_slice(&text)
        {
            return Ok(value);
        }
        let output = self
            .cargo(cell)?
            .args(["metadata", "--format-version=1", "--filter-platform", graph::HOST])
            .output()?;
        ensure!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        std::fs::write(kept, &output.stdout)?;
        Ok(serde_json::from_slice(&output.stdout)?)
    }

    fn build(&self, cell: &CellCrate) -> Result<Vec<(String, PathBuf)>> {
        let _stoppable = Stoppable::enter(&cell.dir)?;
        let metadata = self.metadata(cell)?;
        let mut child = self
            .cargo(cell)?
            .args(["build", "--message-format=json-render-diagnostics"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let stderr = child.stderr.take().context("cargo without a standard error")?;
        let notes = cell.dir.join(NOTES).join(PROGRESS);
        let said = std::thread::spawn(move || {
            let mut said = String::new();
            let mut notes = std::fs::File::create(notes).ok();
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                if let Some(notes) = &mut notes {
                    let _ = writeln!(notes, "{line}");
                }
                said.push_str(&line);
                said.push('\n');
            }
            said
        });
        let mut artifacts = Vec::new();
        let stdout = child.stdout.take().context("cargo without a standard output")?;
        for line in BufReader::new(stdout).lines() {
            let message: Value = serde_json::from_str(&line?).unwrap_or_default();
            if message["reason"] == "compiler-artifact" {
                artifacts.push(message);
            }
        }
        let status = child.wait()?;
        let said = said.join().unwrap_or_default();
        if !status.success() {
            // One line of JSON is what evcxr takes for an error; anything else it would not pass on.
            let message =
                json!({ "message": said.trim_end(), "level": "error", "spans": [], "children": [] });
            println!("{message}");
            std::process::exit(101);
        }
        Ok(externs(&metadata, &artifacts))
    }
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
