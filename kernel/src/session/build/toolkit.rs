//! The toolkit, built once as a dynamic library that cells link against.
//!
//! cargo builds the toolkit as an ordinary library, and this module links that, whole, into a dynamic one: a
//! crate of one line that passes the toolkit on. It takes seconds, and unlike a `dylib` of cargo's it shares
//! `std` with the cells (`-C prefer-dynamic`), without which rustc refuses to link them.

mod interfaces;
mod progress;
mod store;

use crate::session::build::files::modified;
use crate::session::build::files::newest;
use crate::session::build::graph;
use crate::session::build::home;
use crate::session::build::home::Home;
use crate::session::build::home::workspace;
use crate::session::build::linker;
use crate::session::build::private;
use crate::session::build::private::HOST;
use crate::session::build::private::ToolkitFiles;
use crate::session::build::skeleton;
use crate::session::life::kept;
use crate::session::life::kept::Kept;
use anyhow::{Context, Result, bail, ensure};
use progress::{follow, split_lines};
use serde_json::Value;
use std::ffi::CString;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{BufRead, BufReader};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::SystemTime;
use store::{Current, DYLIB};

/// Names a toolkit library (`libjook*.rlib`) to use instead of building one; the folders of its dependencies
/// are in [`DEPS`]. For packagers and trials.
const GIVEN: &str = "JOOK_TOOLKIT";
/// Folders (separated by `:`) with the crates that [`GIVEN`] was built from.
const DEPS: &str = "JOOK_TOOLKIT_DEPS";

/// A toolkit that is ready for cells.
#[derive(Clone, Debug)]
pub struct Toolkit {
    pub files: ToolkitFiles,
    /// The standard library's source as rust-analyzer is to see it.
    pub std_source: Option<PathBuf>,
}

/// Builds the toolkit with cargo when it is missing or older than its sources, and prepares what a session
/// needs beside it. Says what it does and how far it is through `on_progress`. When everything is fresh it
/// only looks at file times.
///
/// # Errors
/// When there is no source tree to build from, or cargo fails; the message holds the compiler's words.
pub fn prebuild(on_progress: &dyn Fn(&str)) -> Result<Toolkit> {
    let workspace = workspace();
    let given = std::env::var_os(GIVEN).map(PathBuf::from);
    let (deps, cache) = match &given {
        Some(library) => {
            let folder = library.parent().unwrap_or(Path::new(".")).to_owned();
            let listed = std::env::var_os(DEPS).unwrap_or_default();
            let deps = std::iter::once(folder.clone())
                .chain(std::env::split_paths(&listed))
                .collect();
            (deps, folder.join("jook-cache"))
        }
        None => {
            let release = release_dir()?;
            (vec![release.join("deps")], release.join("jook-cache"))
        }
    };
    let home = home::enter()?;
    // When nothing is to be done, nothing is written: the folder may be somebody else's.
    if let Some(toolkit) = ready(&workspace, given.as_deref(), &deps, &cache, home) {
        return Ok(toolkit);
    }
    let cannot = || {
        format!(
            "the toolkit must be linked anew in {}, and this user may not write there: start Jook once as its owner",
            cache.display()
        )
    };
    std::fs::create_dir_all(&cache).with_context(cannot)?;
    let _turn = Turn::wait(&cache, on_progress).with_context(cannot)?;
    let link_for = |library: &Path, begun: SystemTime| {
        store::keep(&cache, library, &home.rustc, begun, |folder| {
            link(library, &deps, home, folder)
        })
    };
    if let Some(library) = &given {
        if !is_fresh(&workspace, given.as_deref(), &deps, &cache, home) {
            link_for(library, SystemTime::now())?;
        }
    } else if !workspace.join("Cargo.toml").exists() {
        ensure!(
            Current::read(&cache).is_some() && cache.join(GRAPH).exists(),
            "the toolkit is not built, and Jook's source is not at {}: run this program from a clone of Jook",
            workspace.display()
        );
    } else if !is_fresh(&workspace, None, &deps, &cache, home) {
        // Not later: a change while cargo builds must not go unseen.
        let begun = SystemTime::now();
        let library = build(&workspace, on_progress)?;
        on_progress("linking the toolkit for cells");
        link_for(&library, begun)?;
        on_progress("the toolkit is ready");
    }
    standard_library_source(on_progress)?;
    if !graph_is_fresh(&workspace, &cache.join(GRAPH)) {
        on_progress("reading the toolkit's crate graph");
        write_graph(&workspace, &cache)?;
    }
    files(&deps, &cache, home)
}

/// The pruned crate graph's file.
const GRAPH: &str = "graph.json";

/// The toolkit, when it is there and as its sources are.
fn ready(
    workspace: &Path,
    given: Option<&Path>,
    deps: &[PathBuf],
    cache: &Path,
    home: &Home,
) -> Option<Toolkit> {
    let fresh = is_fresh(workspace, given, deps, cache, home)
        && graph_is_fresh(workspace, &cache.join(GRAPH))
        && std_source(home).join("core").exists();
    fresh.then(|| files(deps, cache, home).ok()).flatten()
}

/// The newest toolkit, for this process to use.
fn files(deps: &[PathBuf], cache: &Path, home: &Home) -> Result<Toolkit> {
    let dylib = Current::read(cache).context("the toolkit is gone")?.dylib(cache);
    store::pin(&dylib);
    let mut folders: Vec<PathBuf> = dylib.parent().map(Path::to_owned).into_iter().collect();
    folders.extend(deps.iter().cloned());
    let beside = dylib.parent().map(|folder| folder.join(interfaces::FOLDER));
    let std_source = skeleton::standard_library(&std_source(home), &compiler_name(), cache);
    let files = ToolkitFiles {
        size: private::size(&dylib),
        dylib,
        deps: folders,
        interfaces: beside.filter(|folder| folder.exists()),
        std_dir: sysroot(home).join("lib/rustlib").join(HOST).join("lib"),
        graph: cache.join(GRAPH),
        cache: writable(cache)?,
    };
    Ok(Toolkit { files, std_source })
}

/// Where this user may keep things between kernels: beside the toolkit, or in a folder of his own.
fn writable(cache: &Path) -> Result<PathBuf> {
    let path = CString::new(cache.as_os_str().as_encoded_bytes())?;
    // SAFETY: asks about a path that ends in a zero.
    if unsafe { libc::access(path.as_ptr(), libc::W_OK) } == 0 {
        return Ok(cache.to_owned());
    }
    let own = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
    let own = own.or_else(|| std::env::home_dir().map(|home| home.join(".cache")));
    let mut key = DefaultHasher::new();
    cache.hash(&mut key);
    let folder = own
        .context("no folder for caches: neither XDG_CACHE_HOME nor HOME is set")?
        .join(format!("jook/shared-{:016x}", key.finish()));
    std::fs::create_dir_all(&folder).with_context(|| format!("could not create {}", folder.display()))?;
    Ok(folder)
}

/// `.../target/release` of the running program.
fn release_dir() -> Result<PathBuf> {
    let exe = home::jook_exe()?;
    let folder = exe.parent().context("the jook program is in no folder")?;
    // Test programs are one level deeper.
    let folder = if folder.ends_with("deps") {
        folder.parent().unwrap_or(folder)
    } else {
        folder
    };
    Ok(folder.to_owned())
}

/// One builder at a time: a second kernel waits for the first and then finds everything fresh.
struct Turn(#[allow(dead_code)] std::fs::File);

impl Turn {
    fn wait(cache: &Path, on_progress: &dyn Fn(&str)) -> Result<Self> {
        let path = cache.join("lock");
        let file =
            std::fs::File::create(&path).with_context(|| format!("could not write {}", path.display()))?;
        // SAFETY: locks a file that this process has open.
        unsafe {
            if libc::flock(file.as_raw_fd(), libc::LOCK_EX | libc::LOCK_NB) != 0 {
                on_progress("another kernel is building the toolkit; waiting for it");
                libc::flock(file.as_raw_fd(), libc::LOCK_EX);
            }
        }
        Ok(Self(file))
    }
}

/// Whether the newest toolkit is of this compiler, of the library that is built, and of the sources as they are.
fn is_fresh(workspace: &Path, given: Option<&Path>, deps: &[PathBuf], cache: &Path, home: &Home) -> bool {
    let Some(current) = Current::read(cache) else {
        return false;
    };
    let sources =
        ["Cargo.toml", "Cargo.lock", "toolkit/Cargo.toml"].map(|name| modified(&workspace.join(name)));
    match given {
        Some(library) => {
            current.fits(&home.rustc) && current.is_of(Some(library.to_owned()), std::iter::empty())
        }
        None => {
            let built = deps.iter().flat_map(|dir| libraries(dir));
            // The newest one, by its name beside the program.
            let newest = built
                .max_by_key(|path| modified(path))
                .and_then(|path| modified(&path));
            let sources = sources.into_iter().chain([newest_source(workspace)]);
            current.fits(&home.rustc) && current.is_of(None, sources) && newest <= current.linked(cache)
        }
    }
}

fn newest_source(workspace: &Path) -> Option<SystemTime> {
    newest(&workspace.join("toolkit/src"))
}

/// The toolkit's libraries that cargo has built.
fn libraries(dir: &Path) -> impl Iterator<Item = PathBuf> {
    // Without the hash beside the program, with it among the dependencies.
    let ours =
        |name: &str| name == "libjook.rlib" || (name.starts_with("libjook-") && name.ends_with(".rlib"));
    std::fs::read_dir(dir)
        .into_iter()
        .flatten()
        .flatten()
        .filter(move |entry| entry.file_name().to_str().is_some_and(ours))
        .map(|entry| entry.path())
}

/// The compiler's path and age: enough to notice an update without starting it.
fn compiler_name() -> String {
    let rustc = home::enter().map(|home| home.rustc.clone()).unwrap_or_default();
    format!("{} {:?}", rustc.display(), modified(&rustc))
}

/// What this program was built with, as far as it decides what cargo can use again: with other flags everything
/// would be compiled anew, and rust-analyzer is compiled for CI or not for CI.
const BUILT_WITH: [(&str, Option<&str>); 5] = [
    ("CI", option_env!("CI")),
    ("RUSTFLAGS", option_env!("RUSTFLAGS")),
    ("CARGO_ENCODED_RUSTFLAGS", option_env!("CARGO_ENCODED_RUSTFLAGS")),
    ("CARGO_BUILD_RUSTFLAGS", option_env!("CARGO_BUILD_RUSTFLAGS")),
    ("CARGO_BUILD_TARGET", option_env!("CARGO_BUILD_TARGET")),
];

/// Has cargo build the toolkit; returns the library.
fn build(workspace: &Path, on_progress: &dyn Fn(&str)) -> Result<PathBuf> {
    let target = release_dir()?.parent().context("no target folder")?.to_owned();
    let home = home::enter()?;
    on_progress("building the toolkit (the first build takes 10 to 30 minutes)");
    // The same call as the `cargo run` that built this program: the same crates with the same features, so
    // whatever it has built is used again.
    let mut cargo = kept::command(&home::program(), &home.cargo);
    home::outside(&mut cargo).env("RUSTC", &home.rustc);
    for (name, value) in BUILT_WITH {
        match value {
            Some(value) => cargo.env(name, value),
            None => cargo.env_remove(name),
        };
    }
    cargo
        .current_dir(workspace)
        .args([
            "build",
            "--release",
            "--locked",
            "--message-format=json-render-diagnostics",
        ])
        .env("CARGO_TARGET_DIR", &target)
        .env("CARGO_TERM_PROGRESS_WHEN", "always")
        .env("CARGO_TERM_PROGRESS_WIDTH", "160")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut kept = Kept::start(&mut cargo).context("could not run cargo")?;
    let (send, lines) = mpsc::channel();
    let stderr = kept
        .child
        .stderr
        .take()
        .context("cargo without a standard error")?;
    std::thread::spawn(move || split_lines(stderr, |line| drop(send.send(line))));
    let stdout = kept
        .child
        .stdout
        .take()
        .context("cargo without a standard output")?;
    let artifacts = std::thread::spawn(move || {
        let lines = BufReader::new(stdout).lines().map_while(Result::ok);
        lines
            .filter(|line| line.contains("compiler-artifact") && line.contains("/libjook"))
            .last()
    });
    let said = follow(&lines, on_progress);
    let status = kept.wait()?;
    if !status.success() {
        bail!("the toolkit could not be built:\n{}", said.trim_end());
    }
    let artifact: Value = artifacts
        .join()
        .ok()
        .flatten()
        .and_then(|line| serde_json::from_str(&line).ok())
        .context("cargo did not build the toolkit")?;
    artifact["filenames"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .find(|name| name.ends_with(".rlib"))
        .map(PathBuf::from)
        .context("cargo built no library of the toolkit")
}

/// Links a library of the toolkit, whole, into a dynamic one in `folder`.
fn link(library: &Path, deps: &[PathBuf], home: &Home, folder: &Path) -> Result<()> {
    let source = folder.join("jook_cells.rs");
    std::fs::write(&source, "//! The toolkit, for cells.\npub use jook::*;\n")?;
    let std_dir = sysroot(home).join("lib/rustlib").join(HOST).join("lib");
    let mut rustc = kept::command(&home::program(), &home.rustc);
    home::outside(&mut rustc)
        .args([
            "--crate-name",
            "jook_cells",
            "--edition",
            "2024",
            "--crate-type",
            "dylib",
        ])
        .args([
            "-C",
            "prefer-dynamic",
            "-C",
            "opt-level=3",
            "-C",
            "target-cpu=native",
            "-C",
            "strip=debuginfo",
        ])
        .arg("-C")
        .arg(format!("link-arg=-Wl,-rpath,{}", std_dir.display()))
        .arg("--extern")
        .arg(format!("jook={}", library.display()))
        .arg("-o")
        .arg(folder.join(DYLIB))
        .arg(source);
    for dir in deps {
        rustc.arg("-L").arg(format!("dependency={}", dir.display()));
    }
    let output = kept::output(&mut rustc).context("could not run rustc")?;
    ensure!(
        output.status.success(),
        "the toolkit could not be linked for cells:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    interfaces::gather(deps, folder)?;
    linker::prepare(folder, DYLIB, &home.rustc)
}

/// The toolchain's folder.
fn sysroot(home: &Home) -> PathBuf {
    home.rustc.ancestors().nth(2).unwrap_or(Path::new("/")).to_owned()
}

/// Where the standard library's source is, when it is installed.
fn std_source(home: &Home) -> PathBuf {
    sysroot(home).join("lib/rustlib/src/rust/library")
}

/// Without the standard library's source, rust-analyzer cannot tell that `vec![1, 2]` is a `Vec<i32>`.
fn standard_library_source(on_progress: &dyn Fn(&str)) -> Result<()> {
    let home = home::enter()?;
    let sysroot = sysroot(home);
    if std_source(home).join("core").exists() {
        return Ok(());
    }
    // A program asks for the toolkit more than once; without a network the answer is the same each time.
    static TRIED: AtomicBool = AtomicBool::new(false);
    if TRIED.swap(true, Ordering::Relaxed) {
        return Ok(());
    }
    on_progress(
        "fetching the standard library's source (rust-src), which the project's rust-toolchain.toml asks for",
    );
    let toolchain = sysroot.file_name().unwrap_or_default();
    // For the project's own compiler, which its file names, and for no other.
    let ours = workspace().join("rust-toolchain.toml").exists();
    let done = match home::find_program("rustup").filter(|_| ours) {
        Some(rustup) => {
            let mut add = kept::command(&home::program(), &rustup);
            home::outside(&mut add)
                .args(["component", "add", "rust-src", "--toolchain"])
                .arg(toolchain);
            kept::output(&mut add).is_ok_and(|output| output.status.success())
        }
        None => false,
    };
    if !done {
        on_progress(
            "the standard library's source (rust-src) could not be fetched: variables need explicit types \
             until `rustup component add rust-src` succeeds",
        );
    }
    Ok(())
}

fn graph_is_fresh(workspace: &Path, graph: &Path) -> bool {
    let Some(made) = modified(graph) else {
        return false;
    };
    // The program itself holds the list of what to leave out.
    let inputs = [workspace.join("Cargo.lock"), workspace.join("toolkit/Cargo.toml")];
    let program = home::jook_exe().ok();
    let older = |time: Option<SystemTime>| time.is_none_or(|time| time <= made);
    inputs.iter().chain(&program).all(|path| older(modified(path))) && older(newest_source(workspace))
}

fn write_graph(workspace: &Path, cache: &Path) -> Result<()> {
    let home = home::enter()?;
    let mut cargo = kept::command(&home::program(), &home.cargo);
    home::outside(&mut cargo).current_dir(workspace).args([
        "metadata",
        "--format-version=1",
        "--locked",
        "--filter-platform",
        HOST,
    ]);
    let output = kept::output(&mut cargo).context("could not run cargo")?;
    ensure!(
        output.status.success(),
        "cargo metadata failed:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout)?;
    let mut pruned = graph::prune(&metadata)?;
    skeleton::use_copies(&mut pruned, cache)?;
    let graph = cache.join(GRAPH);
    let new = graph.with_extension("new");
    std::fs::write(&new, serde_json::to_vec(&pruned)?)?;
    Ok(std::fs::rename(new, graph)?)
}
