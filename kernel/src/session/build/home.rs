//! The private directory of a kernel process: where evcxr and rust-analyzer find their tools.
//!
//! evcxr looks for cargo and rustc by asking `rustup`, rust-analyzer looks in `$CARGO_HOME/bin`. Both are
//! pointed at one directory whose `cargo` and `rustup` are links to this program (see
//! [`crate::session::build::stand_in`]); everything else in it leads to the real thing.

use crate::session::build::files::lock;
use crate::session::build::mask;
use crate::session::build::private;
use crate::session::life::door::DOOR;
use anyhow::{Context, Result, bail, ensure};
use std::ffi::{CString, OsString};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::{MetadataExt, symlink};
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
        // What is not here is told, not fetched.
        .env("RUSTUP_AUTO_INSTALL", "0");
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
    let folder = folder_for_private_ones()?;
    sweep(&folder);
    let dir = private_folder(&folder)?;
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

/// Where the private directory is made: what TMPDIR names, unless others could put something else in its place, or the
/// tools that work there could not be told its path.
fn folder_for_private_ones() -> Result<PathBuf> {
    const WAY_OUT: &str = "TMPDIR names the folder for temporary files: set it to another one";
    if std::env::var_os("TMPDIR").is_some_and(|named| named.is_empty()) {
        // SAFETY: as in `make`.
        unsafe { std::env::remove_var("TMPDIR") };
    }
    let named = std::env::temp_dir();
    let folder = std::path::absolute(&named)?;
    if named != folder {
        // The tools work in folders of their own.
        // SAFETY: as in `make`.
        unsafe { std::env::set_var("TMPDIR", &folder) };
    }
    let path = folder.as_os_str().as_encoded_bytes();
    if let Some(letter) = [b':', b'%', b'\n'].iter().find(|letter| path.contains(letter)) {
        bail!(
            "{} has a {:?} in its path, which lists of folders and linkers do not take. {WAY_OUT}",
            folder.display(),
            char::from(*letter)
        );
    }
    /// Of a folder: only an entry's owner may rename it.
    const STICKY: u32 = 0o1000;
    if folder
        .metadata()
        .is_ok_and(|meta| meta.mode() & 0o002 != 0 && meta.mode() & STICKY == 0)
    {
        bail!(
            "anybody may put something else in the place of what is made in {} (it is writable for all, without the sticky \
             bit; `chmod +t` mends that). {WAY_OUT}",
            folder.display()
        );
    }
    Ok(folder)
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

/// What marks a private directory, and is locked as long as its process lives.
const LOCK: &str = "lock";
/// How the name of a private directory starts.
const NAME: &str = "jook-";

/// A new folder below `parent` that nobody else can have made, look into or change.
fn private_folder(parent: &Path) -> Result<PathBuf> {
    let wanted = CString::new(
        parent
            .join(format!("{NAME}XXXXXX"))
            .into_os_string()
            .into_encoded_bytes(),
    )?;
    let mut name = wanted.into_bytes_with_nul();
    // SAFETY: a text that ends in a zero, of which the call changes the six letters before it.
    let made = unsafe { libc::mkdtemp(name.as_mut_ptr().cast()) };
    if made.is_null() {
        let error = std::io::Error::last_os_error();
        bail!(
            "no private folder could be made in {}: {error}; TMPDIR names the folder for temporary files",
            parent.display()
        );
    }
    name.pop();
    let dir = PathBuf::from(OsString::from_vec(name));
    // The lock is there from the moment that its file is.
    let begun = dir.join("lock-new");
    let file = std::fs::File::create(&begun)?;
    ensure!(lock(&file), "a new file is locked: {}", begun.display());
    std::fs::rename(&begun, dir.join(LOCK))?;
    // As long as this process lives: the system lets go of it.
    std::mem::forget(file);
    // By a lock of the folder itself, systemd knows that it is not to be cleaned up.
    if let Ok(folder) = std::fs::File::open(&dir) {
        lock(&folder);
        std::mem::forget(folder);
    }
    Ok(dir)
}

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
        let own = ["bin", "tools", "evcxr.toml", "toolkit.json", LOCK]
            .iter()
            .any(|own| entry.file_name() == *own);
        if !own {
            symlink(entry.path(), dir.join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Removes the private directories of processes that are gone. A lock tells that better than a process's number, which
/// another process may have, or this one may not see.
fn sweep(parent: &Path) {
    for entry in std::fs::read_dir(parent).into_iter().flatten().flatten() {
        let ours = entry
            .file_name()
            .to_str()
            .and_then(|name| name.strip_prefix(NAME))
            .is_some_and(|rest| rest.len() == 6 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        // Of the entry itself, not of what it may lead to.
        let made_here = entry.metadata().is_ok_and(|meta| {
            // SAFETY: asks for a number.
            meta.is_dir() && meta.uid() == unsafe { libc::geteuid() } && meta.mode() & 0o077 == 0
        });
        if !(ours && made_here && is_a_kernels(&entry.path())) {
            continue;
        }
        let free = std::fs::File::open(entry.path().join(LOCK)).is_ok_and(|file| lock(&file));
        if free {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether a folder of that name has what a kernel makes first, and an empty lock: somebody may have one of his own.
fn is_a_kernels(dir: &Path) -> bool {
    let empty = dir
        .join(LOCK)
        .symlink_metadata()
        .is_ok_and(|meta| meta.is_file() && meta.len() == 0);
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let alone = || entries.map(|entry| entry.file_name()).eq([LOCK]);
    empty && (dir.join("bin").join(private::LINKER).is_symlink() || alone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn a_private_folder_is_new_and_closed_and_swept_only_when_its_process_is_gone() {
        let parent = std::env::temp_dir().join(format!("of-jook-home-{}", std::process::id()));
        std::fs::create_dir(&parent).unwrap();
        let stranger = parent.join("jook-stranger");
        std::fs::create_dir(&stranger).unwrap();
        let dir = private_folder(&parent).unwrap();
        assert_eq!(dir.metadata().unwrap().mode() & 0o777, 0o700);
        assert_ne!(private_folder(&parent).unwrap(), dir);
        // One whose process is gone holds no lock.
        let left = private_folder(&parent).unwrap();
        std::fs::remove_file(left.join(LOCK)).unwrap();
        std::fs::write(left.join(LOCK), "").unwrap();
        let users = parent.join("jook-thesis");
        std::fs::create_dir(&users).unwrap();
        std::fs::set_permissions(&users, std::fs::Permissions::from_mode(0o700)).unwrap();
        std::fs::write(users.join(LOCK), "").unwrap();
        std::fs::write(users.join("thesis.txt"), "all of it").unwrap();
        let open = parent.join("jook-opened");
        std::fs::create_dir(&open).unwrap();
        std::fs::write(open.join(LOCK), "").unwrap();
        sweep(&parent);
        assert!(dir.exists() && stranger.exists() && open.exists() && users.exists() && !left.exists());
        std::fs::remove_dir_all(parent).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_had_is_told_with_a_way_out() {
        let error = private_folder(Path::new("/proc/nothing"))
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("/proc/nothing") && error.contains("TMPDIR"),
            "{error}"
        );
    }

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
