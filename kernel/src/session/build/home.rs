//! The private directory of a kernel process: where evcxr and rust-analyzer find their tools.
//!
//! evcxr looks for cargo and rustc by asking `rustup`, rust-analyzer looks in `$CARGO_HOME/bin`. Both are
//! pointed at one directory whose `cargo` and `rustup` are links to this program (see
//! [`crate::session::build::stand_in`]); everything else in it leads to the real thing.

use crate::session::build::folder;
use crate::session::build::mask;
use crate::session::build::private;
use crate::session::life::door::DOOR;
use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

/// Where the program was started from.
pub fn jook_exe() -> Result<PathBuf> {
    match std::env::var_os(private::EXE) {
        Some(path) => Ok(path.into()),
        None => {
            let exe = std::env::current_exe().context("the path of the jook program is unknown")?;
            // Built anew while it runs: the new one stands where this one was.
            match exe.to_str().and_then(|name| name.strip_suffix(" (deleted)")) {
                Some(name) => Ok(name.into()),
                None => Ok(exe),
            }
        }
    }
}

/// The program that runs cells and stands in for cargo: the very file that runs, whatever has taken its place meanwhile.
pub fn program() -> PathBuf {
    match std::env::var_os(private::EXE) {
        Some(path) => path.into(),
        None => format!("/proc/{}/exe", std::process::id()).into(),
    }
}

/// The search path that the user has, without the stand-ins.
pub fn real_path() -> OsString {
    std::env::var_os(private::REAL_PATH)
        .or_else(|| std::env::var_os("PATH"))
        .unwrap_or_default()
}

/// Cargo's directory: registry, caches, credentials.
pub fn real_cargo_home() -> Option<PathBuf> {
    let set = std::env::var_os(private::REAL_CARGO_HOME).or_else(|| {
        // A kernel started from another kernel's environment must not take the private directory for it.
        std::env::var_os(private::PRIVATE)
            .is_none()
            .then(|| std::env::var_os("CARGO_HOME"))
            .flatten()
    });
    set.map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
}

/// Variables by which rust-analyzer looks for its tools before it looks in the private directory. Cells see the user's.
const TOOLS: [(&str, &str); 3] = [
    ("CARGO", "JOOK_REAL_CARGO"),
    ("RUSTC", "JOOK_REAL_RUSTC"),
    ("RUSTUP", "JOOK_REAL_RUSTUP"),
];

/// Forgets what another kernel has told the processes that work for it: this one is a kernel of its own.
pub fn forget_other_kernels() {
    let told = [
        private::PRIVATE,
        private::REAL_PATH,
        private::REAL_CARGO_HOME,
        private::CELL_CRATE,
        private::STD_SOURCE,
        DOOR,
        mask::UMASK,
        "EVCXR_IS_RUNTIME",
        "EVCXR_CONFIG_DIR",
    ];
    for name in told.into_iter().chain(TOOLS.map(|(_, kept)| kept)) {
        // SAFETY: at the start of the program, before there are threads.
        unsafe { std::env::remove_var(name) };
    }
}

/// Puts a command back into the user's own environment.
pub fn outside(command: &mut Command) -> &mut Command {
    if let Some(own) = mask::own() {
        // SAFETY: between fork and exec, a system call that cannot fail.
        unsafe {
            command.pre_exec(move || {
                libc::umask(own);
                Ok(())
            });
        }
    }
    in_own_environment(command)
}

/// The same as [`outside`] but for the mask for new files: see [`mask::start`].
pub fn in_own_environment(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(set_by_cargo_run) {
            command.env_remove(name);
        }
    }
    command
        .env("PATH", real_path())
        .env_remove(private::PRIVATE)
        .env_remove(private::REAL_PATH)
        .env_remove(private::REAL_CARGO_HOME)
        .env_remove(private::STD_SOURCE)
        .env_remove("EVCXR_CONFIG_DIR")
        .env_remove(private::CELL_CRATE)
        .env_remove(DOOR)
        .env_remove(mask::UMASK);
    for (name, kept) in TOOLS {
        if let Some(own) = std::env::var_os(kept) {
            command.env(name, own);
        } else if std::env::var_os(private::PRIVATE).is_some() {
            command.env_remove(name);
        }
        command.env_remove(kept);
    }
    match real_cargo_home() {
        Some(home) => command.env("CARGO_HOME", home),
        None => command.env_remove("CARGO_HOME"),
    }
}

/// What `cargo run` tells the program it starts. Build scripts look at some of it, so a cargo that inherits it takes
/// what the first one has built (half of polars) for out of date.
fn set_by_cargo_run(name: &str) -> bool {
    const EXACT: [&str; 5] = [
        "CARGO",
        "CARGO_BIN_NAME",
        "CARGO_CRATE_NAME",
        "CARGO_PRIMARY_PACKAGE",
        "OUT_DIR",
    ];
    EXACT.contains(&name) || name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_")
}

/// Finds a program on the user's own search path.
pub fn find_program(name: &str) -> Option<PathBuf> {
    let own = std::env::var_os(private::PRIVATE).map(PathBuf::from);
    std::env::split_paths(&real_path())
        .chain(real_cargo_home().map(|home| home.join("bin")))
        .filter(|dir| own.as_ref().is_none_or(|own| !dir.starts_with(own)))
        .map(|dir| dir.join(name))
        .find(|path| path.is_file())
}

/// The `rustc` or `cargo` of the project's own toolchain, past rustup's proxies (each costs tens of milliseconds). What
/// a notebook's folder asks for does not count: the toolkit is built with the project's compiler.
pub fn real_tool(name: &str) -> Result<PathBuf> {
    const INSTALL: &str = "Jook compiles cells with Rust's own compiler; install Rust from https://rustup.rs";
    let found = find_program(name);
    let Some(rustup) = find_program("rustup") else {
        return found.with_context(|| format!("{name} was not found: {INSTALL}"));
    };
    let mut which = Command::new(&rustup);
    outside(&mut which)
        .args(["which", name])
        .env_remove("RUSTUP_TOOLCHAIN")
        // What is not here is told, in words alone, and not fetched.
        .env("RUSTUP_AUTO_INSTALL", "0")
        .env("RUST_BACKTRACE", "0");
    if workspace().is_dir() {
        which.current_dir(workspace());
    }
    let output = which.output()?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).trim().into());
    }
    let file = |path: &Path| std::fs::canonicalize(path).ok();
    match found.filter(|found| file(found) != file(&rustup)) {
        Some(own) => Ok(own),
        None => bail!(
            "rustup finds no {name} for Jook: {}\nIs HOME right ({})? {INSTALL}",
            String::from_utf8_lossy(&output.stderr).trim(),
            std::env::var_os("HOME").unwrap_or_default().display()
        ),
    }
}

/// The version of the compiler that cells are compiled with, whatever the notebook's folder asks for.
pub fn compiler_version() -> Option<String> {
    let mut rustc = Command::new(real_tool("rustc").ok()?);
    let output = outside(&mut rustc)
        .arg("--version")
        .env("RUSTUP_AUTO_INSTALL", "0")
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    text.split_whitespace().nth(1).map(str::to_owned)
}

/// The folder of Jook's source.
pub fn workspace() -> PathBuf {
    let kernel = Path::new(env!("CARGO_MANIFEST_DIR"));
    kernel.parent().unwrap_or(kernel).to_owned()
}

/// The private directory of this process.
pub struct Home {
    /// Also what evcxr and rust-analyzer see as `CARGO_HOME`.
    pub dir: PathBuf,
    /// The real compiler.
    pub rustc: PathBuf,
    /// The real cargo.
    pub cargo: PathBuf,
}

/// Makes the private directory and points this process's environment at it. Once a process; what fails is tried anew.
pub fn enter() -> Result<&'static Home> {
    static HOME: OnceLock<Home> = OnceLock::new();
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _turn = ONE_AT_A_TIME
        .lock()
        .unwrap_or_else(|poisoned| poisoned.into_inner());
    match HOME.get() {
        Some(home) => Ok(home),
        None => {
            let home = make()?;
            Ok(HOME.get_or_init(|| home))
        }
    }
}

/// Has rust-analyzer read the standard library from `folder`.
pub fn standard_library_is_at(folder: Option<&Path>) {
    if let Some(folder) = folder {
        // SAFETY: as in `make`.
        unsafe { std::env::set_var(private::STD_SOURCE, folder) };
    }
}

fn make() -> Result<Home> {
    let (rustc, cargo) = (real_tool("rustc")?, real_tool("cargo")?);
    let parent = folder::parent()?;
    folder::sweep(&parent);
    let dir = folder::make(&parent)?;
    let path = real_path();
    let cargo_home = real_cargo_home();
    let bin = dir.join("bin");
    std::fs::create_dir(&bin).with_context(|| format!("could not create {}", bin.display()))?;
    // For the end of this process; `dir` is never adopted by another one.
    let _ = OURS.set(dir.clone());
    // SAFETY: a function that may be called at the end of the process.
    unsafe { libc::atexit(leave) };
    let home = Home { dir, rustc, cargo };
    symlink(program(), bin.join("cargo"))?;
    symlink(program(), bin.join("rustup"))?;
    symlink(program(), bin.join(private::LINKER))?;
    symlink(&home.rustc, bin.join("rustc"))?;
    if let Some(real) = &cargo_home {
        link_contents(real, &home.dir)?;
    }
    std::fs::write(home.dir.join("evcxr.toml"), EVCXR_CONFIG)?;
    std::fs::write(
        home.dir.join("tools"),
        format!(
            "{}\n{}\n{}\n",
            home.rustc.display(),
            home.cargo.display(),
            private::age(&home.rustc)
        ),
    )?;
    let mut search = OsString::from(&bin);
    search.push(":");
    search.push(&path);
    // SAFETY: done once, when a session starts; Rust code reads the environment under std's own lock, and
    // evcxr itself does the same.
    unsafe {
        std::env::set_var(private::REAL_PATH, &path);
        if let Some(real) = &cargo_home {
            std::env::set_var(private::REAL_CARGO_HOME, real);
        }
        for (name, kept) in TOOLS {
            if let Some(own) = std::env::var_os(name).filter(|_| !set_by_cargo_run(name)) {
                std::env::set_var(kept, own);
            }
            std::env::set_var(name, bin.join(name.to_lowercase()));
        }
        std::env::set_var(private::PRIVATE, &home.dir);
        std::env::set_var("CARGO_HOME", &home.dir);
        std::env::set_var("EVCXR_CONFIG_DIR", &home.dir);
        std::env::set_var("PATH", search);
    }
    Ok(home)
}

/// Whether the private directory is still there: who cleans up temporary files may have taken it.
///
/// # Errors
/// When it is not, in words for the user.
pub fn is_there(home: &Home) -> Result<()> {
    ensure!(
        home.dir.join("tools").exists(),
        "the kernel's folder for temporary files is gone ({}): something has cleaned up there. Restart the kernel; the \
         notebook's variables are lost",
        home.dir.display()
    );
    Ok(())
}

/// This process's private directory, once there is one.
static OURS: OnceLock<PathBuf> = OnceLock::new();

/// What evcxr and cells are told of one session: its folder, which nobody else uses.
pub fn session_folder() -> Result<PathBuf> {
    static SESSIONS: AtomicU32 = AtomicU32::new(0);
    let number = SESSIONS.fetch_add(1, Ordering::Relaxed);
    let folder = enter()?.dir.join(format!("s{number}"));
    std::fs::create_dir(&folder).with_context(|| format!("could not create {}", folder.display()))?;
    Ok(folder)
}

/// Removes the private directory when the process ends in an orderly way; otherwise a later kernel does.
extern "C" fn leave() {
    let Some(dir) = OURS.get() else { return };
    // A thread may be writing to it.
    for _ in 0..10 {
        if std::fs::remove_dir_all(dir).is_ok() || !dir.exists() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}

/// Cells start unoptimized: the work is in the toolkit, and they compile several times as fast.
/// `:opt 2` changes it for a notebook whose own loops matter.
const EVCXR_CONFIG: &str = "[evcxr]\nopt_level = \"0\"\n";

fn link_contents(real: &Path, dir: &Path) -> Result<()> {
    let Ok(entries) = std::fs::read_dir(real) else {
        return Ok(());
    };
    for entry in entries.flatten() {
        // What this module writes itself must not be written through a link.
        let own = ["bin", "tools", "evcxr.toml", "toolkit.json", folder::LOCK]
            .iter()
            .any(|own| entry.file_name() == *own);
        if !own {
            symlink(entry.path(), dir.join(entry.file_name()))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_outside_knows_nothing_of_the_cargo_that_started_this_program() {
        // cargo has started this test as it starts `jook`.
        assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some());
        let mut command = Command::new("cargo");
        outside(&mut command);
        for name in ["CARGO_MANIFEST_DIR", "CARGO_PKG_NAME", "CARGO"] {
            assert!(
                command
                    .get_envs()
                    .any(|(own, value)| own == name && value.is_none()),
                "{name}"
            );
        }
        assert!(!set_by_cargo_run("CARGO_HOME") && !set_by_cargo_run("CARGO_TARGET_DIR"));
    }
}
