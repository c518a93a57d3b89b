//! The private directory of a kernel process: where evcxr and rust-analyzer find their tools.
//!
//! evcxr looks for cargo and rustc by asking `rustup`, rust-analyzer looks in `$CARGO_HOME/bin`. Both are
//! pointed at one directory whose `cargo` and `rustup` are links to this program (see
//! [`super::stand_in`]); everything else in it leads to the real thing.

use super::link;
use anyhow::{Context, Result};
use std::ffi::OsString;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The private directory; its presence in the environment means that the stand-ins are in force.
pub const PRIVATE: &str = "JOOK_PRIVATE";
/// What `PATH` was before.
pub const REAL_PATH: &str = "JOOK_REAL_PATH";
/// Where cargo's own directory is.
pub const REAL_CARGO_HOME: &str = "JOOK_REAL_CARGO_HOME";
/// Where rust-analyzer looks first for the standard library's source.
const STD_SOURCE: &str = "RUST_SRC_PATH";
/// The `jook` program, when it is not the running one (tests).
pub const EXE: &str = "JOOK_EXE";

/// The program that runs cells and stands in for cargo.
pub fn jook_exe() -> Result<PathBuf> {
    match std::env::var_os(EXE) {
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

/// The search path that the user has, without the stand-ins.
pub fn real_path() -> OsString {
    std::env::var_os(REAL_PATH)
        .or_else(|| std::env::var_os("PATH"))
        .unwrap_or_default()
}

/// Cargo's directory: registry, caches, credentials.
pub fn real_cargo_home() -> Option<PathBuf> {
    let set = std::env::var_os(REAL_CARGO_HOME).or_else(|| {
        // A kernel started from another kernel's environment must not take the private directory for it.
        std::env::var_os(PRIVATE)
            .is_none()
            .then(|| std::env::var_os("CARGO_HOME"))
            .flatten()
    });
    set.map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
}

/// Puts a command back into the user's own environment.
pub fn outside(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(set_by_cargo_run) {
            command.env_remove(name);
        }
    }
    command
        .env("PATH", real_path())
        .env_remove(PRIVATE)
        .env_remove(REAL_PATH)
        .env_remove(REAL_CARGO_HOME)
        .env_remove(STD_SOURCE)
        .env_remove("EVCXR_CONFIG_DIR");
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
    let own = std::env::var_os(PRIVATE).map(PathBuf::from);
    std::env::split_paths(&real_path())
        .chain(real_cargo_home().map(|home| home.join("bin")))
        .filter(|dir| own.as_ref().is_none_or(|own| !dir.starts_with(own)))
        .map(|dir| dir.join(name))
        .find(|path| path.is_file())
}

/// The toolchain's own `rustc` or `cargo`, past rustup's proxies (each costs tens of milliseconds).
pub fn real_tool(name: &str) -> Result<PathBuf> {
    if let Some(rustup) = find_program("rustup") {
        let output = outside(Command::new(rustup).args(["which", name])).output()?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).trim().into());
        }
    }
    find_program(name).with_context(|| {
        format!("{name} was not found: Jook compiles cells with Rust's own compiler; install Rust from https://rustup.rs")
    })
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

/// Makes the private directory and points this process's environment at it. Once a process.
pub fn enter() -> Result<&'static Home> {
    static HOME: OnceLock<Result<Home, String>> = OnceLock::new();
    HOME.get_or_init(|| make().map_err(|error| format!("{error:#}")))
        .as_ref()
        .map_err(|error| anyhow::anyhow!("{error}"))
}

/// Has rust-analyzer read the standard library from `folder`.
pub fn standard_library_is_at(folder: Option<&Path>) {
    if let Some(folder) = folder {
        // SAFETY: as in `make`.
        unsafe { std::env::set_var(STD_SOURCE, folder) };
    }
}

fn make() -> Result<Home> {
    sweep();
    let exe = jook_exe()?;
    let dir = std::env::temp_dir().join(format!("jook-{}", std::process::id()));
    let path = real_path();
    let cargo_home = real_cargo_home();
    // What an earlier process with this number may have left.
    let _ = std::fs::remove_dir_all(&dir);
    let bin = dir.join("bin");
    std::fs::create_dir_all(&bin).with_context(|| format!("could not create {}", bin.display()))?;
    let home = Home {
        rustc: real_tool("rustc")?,
        cargo: real_tool("cargo")?,
        dir,
    };
    symlink(&exe, bin.join("cargo"))?;
    symlink(&exe, bin.join("rustup"))?;
    symlink(&exe, bin.join(link::NAME))?;
    symlink(&home.rustc, bin.join("rustc"))?;
    if let Some(real) = &cargo_home {
        link_contents(real, &home.dir)?;
    }
    std::fs::write(home.dir.join("evcxr.toml"), EVCXR_CONFIG)?;
    std::fs::write(
        home.dir.join("tools"),
        format!("{}\n{}\n", home.rustc.display(), home.cargo.display()),
    )?;
    let mut search = OsString::from(&bin);
    search.push(":");
    search.push(&path);
    // SAFETY: done once, when a session starts; Rust code reads the environment under std's own lock, and
    // evcxr itself does the same.
    unsafe {
        std::env::set_var(REAL_PATH, &path);
        if let Some(real) = &cargo_home {
            std::env::set_var(REAL_CARGO_HOME, real);
        }
        std::env::set_var(PRIVATE, &home.dir);
        std::env::set_var("CARGO_HOME", &home.dir);
        std::env::set_var("EVCXR_CONFIG_DIR", &home.dir);
        std::env::set_var("PATH", search);
        libc::atexit(leave);
    }
    Ok(home)
}

/// Runs `start` with temporary files in the private directory, which goes away with this process; `child`
/// keeps the user's own.
pub fn with_private_temp<T>(child: &mut Command, start: impl FnOnce(Command) -> T) -> T {
    const TEMP: &str = "TMPDIR";
    let own = std::env::var_os(TEMP);
    match &own {
        Some(folder) => child.env(TEMP, folder),
        None => child.env_remove(TEMP),
    };
    let child = std::mem::replace(child, Command::new("true"));
    if let Ok(home) = enter() {
        // SAFETY: as in `make`.
        unsafe { std::env::set_var(TEMP, &home.dir) };
    }
    let started = start(child);
    // SAFETY: as in `make`.
    unsafe {
        match own {
            Some(folder) => std::env::set_var(TEMP, folder),
            None => std::env::remove_var(TEMP),
        }
    }
    started
}

/// Removes the private directory when the process ends in an orderly way; otherwise the next kernel does.
extern "C" fn leave() {
    let dir = std::env::temp_dir().join(format!("jook-{}", std::process::id()));
    if dir.join("tools").exists() && dir.join("evcxr.toml").exists() {
        let _ = std::fs::remove_dir_all(dir);
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
        let own = ["bin", "tools", "evcxr.toml"]
            .iter()
            .any(|own| entry.file_name() == *own);
        if !own {
            symlink(entry.path(), dir.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Removes the private directories of kernels that are gone.
fn sweep() {
    let Ok(entries) = std::fs::read_dir(std::env::temp_dir()) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix("jook-"));
        let Some(process) = process.and_then(|number| number.parse::<u32>().ok()) else {
            continue;
        };
        // Only what this module made.
        let ours = entry.path().join("tools").exists() && entry.path().join("evcxr.toml").exists();
        if ours && !Path::new("/proc").join(process.to_string()).exists() {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
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
