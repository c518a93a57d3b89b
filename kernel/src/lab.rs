//! `jook lab`: JupyterLab on the notebooks, with the Jook kernel and with plots.
//!
//! A JupyterLab on PATH is used if it can draw Plotly charts. Otherwise one is installed, once, into a private
//! environment in the user's cache folder. Neither way touches the user's own kernels or packages.

use crate::install::{KERNEL_NAME, write_kernelspec};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// The lesson that opens first.
const INDEX: &str = "00_index.ipynb";

/// What the private environment holds. The `plotly` package brings the part of JupyterLab that draws
/// `application/vnd.plotly.v1+json`; its plotly.js has the same major version as the one in exported pages.
/// `jupyterlab_widgets` shows sliders and buttons.
const PACKAGES: [&str; 3] = ["jupyterlab==4.6.6", "plotly==6.9.0", "jupyterlab_widgets==3.0.17"];
/// The folder, below a Jupyter data directory, of the extension that draws Plotly charts.
const PLOTLY_EXTENSION: &str = "labextensions/jupyterlab-plotly";
/// JupyterLab 4.6 needs at least this Python.
const OLDEST_PYTHON: (u32, u32) = (3, 10);
const PYTHONS: [&str; 8] = [
    "python3",
    "python3.14",
    "python3.13",
    "python3.12",
    "python3.11",
    "python3.10",
    "python",
    "py",
];

/// What goes on to JupyterLab.
#[derive(clap::Args)]
pub struct Args {
    /// Passed on to `jupyter lab`, for example --port=9999 or --no-browser
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    args: Vec<OsString>,
}

/// Opens JupyterLab; returns when it ends.
pub fn lab(args: Args) -> Result<ExitCode> {
    let cache = cache_dir()?.join("jook");
    let mut command = match lab_on_path() {
        Some(program) => {
            println!("Using the JupyterLab at {}", program.display());
            let mut command = Command::new(program);
            // The kernel is shown to this JupyterLab only, by a search path of its own.
            let data_dir = cache.join("share/jupyter");
            write_kernelspec(&data_dir)?;
            command.env("JUPYTER_PATH", prepended(data_dir, "JUPYTER_PATH")?);
            command
        }
        None => {
            let environment = cache.join("lab");
            let _alone = alone(&cache)?;
            install_lab(&environment)?;
            write_kernelspec(&environment.join("share/jupyter"))?;
            write_settings(&environment)?;
            let mut command = Command::new(program_in(&environment, "python"));
            command.args(["-m", "jupyterlab"]);
            command
        }
    };
    for option in defaults(&args.args)? {
        command.arg(option);
    }
    #[cfg(unix)]
    // SAFETY: geteuid has no preconditions and cannot fail.
    if unsafe { libc::geteuid() } == 0 {
        // Containers often have no other user, and Jupyter refuses root without this.
        command.arg("--allow-root");
    }
    command.args(args.args);
    become_process(command)
}

/// The options that JupyterLab gets unless the user's own say otherwise: it refuses two values for one.
fn defaults(given: &[OsString]) -> Result<Vec<OsString>> {
    let names = |name: &str| {
        given
            .iter()
            .filter_map(|arg| arg.to_str())
            .any(|arg| arg.split('=').next() == Some(name))
    };
    let names_a_path = given
        .iter()
        .any(|arg| !arg.to_string_lossy().starts_with('-') && Path::new(arg).exists());
    let mut options = Vec::new();
    if !names_a_path && !["--ServerApp.root_dir", "--notebook-dir"].into_iter().any(names) {
        let notebooks = notebooks_dir()?;
        println!(
            "Opening {} (Ctrl-C here ends JupyterLab and its kernels)",
            notebooks.display()
        );
        // The map of the lessons comes first, but where a front end has been left with others open.
        if notebooks.join(INDEX).is_file() && !names("--LabApp.default_url") {
            options.push(format!("--LabApp.default_url=/lab/tree/{INDEX}").into());
        }
        options.push(option("ServerApp.root_dir=", notebooks));
    }
    let others = [
        ("--MultiKernelManager.default_kernel_name", KERNEL_NAME),
        // Ctrl-C is an answer already; do not ask again.
        ("--ServerApp.answer_yes", "True"),
        // The server's limits cut off a cell that prints fast; ours paces itself.
        ("--ZMQChannelsWebsocketConnection.iopub_data_rate_limit", "1e8"),
        ("--ZMQChannelsWebsocketConnection.iopub_msg_rate_limit", "1e4"),
    ];
    for (name, value) in others {
        if !names(name) {
            options.push(format!("{name}={value}").into());
        }
    }
    Ok(options)
}

/// Replaces this process, so that signals reach JupyterLab and its exit code is ours.
#[cfg(unix)]
fn become_process(mut command: Command) -> Result<ExitCode> {
    use std::os::unix::process::CommandExt;
    let error = command.exec();
    Err(error).with_context(|| format!("could not start {}", command.get_program().display()))
}

#[cfg(not(unix))]
fn become_process(mut command: Command) -> Result<ExitCode> {
    let status = command
        .status()
        .with_context(|| format!("could not start {}", command.get_program().display()))?;
    Ok(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn option(name: &str, value: PathBuf) -> OsString {
    let mut option = OsString::from("--");
    option.push(name);
    option.push(value);
    option
}

fn prepended(first: PathBuf, variable: &str) -> Result<OsString> {
    let rest = std::env::var_os(variable).unwrap_or_default();
    let rest = std::env::split_paths(&rest).filter(|path| !path.as_os_str().is_empty());
    std::env::join_paths(std::iter::once(first).chain(rest)).context("a search path contains a separator")
}

/// `notebooks/` of the source tree this program was built from; without it, of the current folder, or that.
fn notebooks_dir() -> Result<PathBuf> {
    let here = std::env::current_dir().context("the current folder is gone")?;
    let source = Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(&here)
        .join("notebooks");
    Ok([source, here.join("notebooks")]
        .into_iter()
        .find(|dir| dir.is_dir())
        .unwrap_or(here))
}

/// A JupyterLab on PATH that can draw Plotly charts.
fn lab_on_path() -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    let lab = std::env::split_paths(&path)
        .map(|dir| dir.join(format!("jupyter-lab{}", std::env::consts::EXE_SUFFIX)))
        .find(|program| program.is_file())?;
    // Ask the `jupyter` beside it: it knows the folders of its own Python.
    let jupyter = lab.with_file_name(format!("jupyter{}", std::env::consts::EXE_SUFFIX));
    let answer = Command::new(jupyter)
        .args(["--paths", "--json"])
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let paths: Value = serde_json::from_slice(&answer.stdout).ok()?;
    let draws = paths["data"]
        .as_array()?
        .iter()
        .filter_map(Value::as_str)
        .any(|dir| {
            Path::new(dir)
                .join(PLOTLY_EXTENSION)
                .join("package.json")
                .is_file()
        });
    if !draws {
        println!(
            "The JupyterLab at {} cannot draw Plotly charts (its Python has no plotly); using a private one",
            lab.display()
        );
    }
    draws.then_some(lab)
}

/// Waits until no other `jook lab` works on the private environment: two that start for the first time would clear each
/// other's away. As long as the file that is returned is open, others wait.
fn alone(cache: &Path) -> Result<File> {
    let path = cache.join("lab.lock");
    let locked = || {
        std::fs::create_dir_all(cache)?;
        let lock = File::create(&path)?;
        if lock.try_lock().is_err() {
            println!("Waiting for another `jook lab` that installs JupyterLab");
            lock.lock()?;
        }
        Ok(lock)
    };
    let locked: std::io::Result<File> = locked();
    locked.with_context(|| format!("could not lock {}", path.display()))
}

/// Makes the private environment, unless it is there and complete.
fn install_lab(environment: &Path) -> Result<()> {
    // Written last: an installation that was cut off is made again.
    let complete = environment.join("jook-packages.txt");
    let wanted = PACKAGES.join("\n");
    let python = program_in(environment, "python");
    // A Python that was upgraded or removed leaves an environment that does not start.
    if std::fs::read_to_string(&complete).is_ok_and(|have| have == wanted)
        && python_version(&python).is_some()
    {
        return Ok(());
    }
    let base = find_python()?;
    println!(
        "Installing {} into {} (once; a minute or two)",
        PACKAGES.join(", "),
        environment.display()
    );
    std::fs::create_dir_all(environment)
        .with_context(|| format!("could not create {}", environment.display()))?;
    let installer = make_environment(&base, environment)?;
    let mut pip = Command::new(&installer.program);
    pip.args(installer.arguments)
        .args([
            "install",
            "--disable-pip-version-check",
            "--retries",
            "2",
            "--timeout",
            "20",
        ])
        .args(PACKAGES);
    if !pip
        .status()
        .with_context(|| format!("could not start {}", installer.program.display()))?
        .success()
    {
        bail!(
            "pip could not install {} (see above). Is the network reachable? \
             Run `jook lab` again when it is, or put a JupyterLab with plotly on PATH",
            PACKAGES.join(", ")
        );
    }
    std::fs::write(&complete, wanted).with_context(|| format!("could not write {}", complete.display()))
}

/// Settings for the private JupyterLab: its versions are ours to choose, so it does not open with a question
/// about news and updates.
fn write_settings(environment: &Path) -> Result<()> {
    const SETTINGS: &str = r#"{ "@jupyterlab/apputils-extension:notification": { "fetchNews": "false" } }"#;
    let folder = environment.join("share/jupyter/lab/settings");
    std::fs::create_dir_all(&folder)
        .and_then(|()| std::fs::write(folder.join("overrides.json"), SETTINGS))
        .with_context(|| format!("could not write to {}", folder.display()))
}

/// How to call pip for the environment.
struct Installer {
    program: PathBuf,
    arguments: Vec<OsString>,
}

/// Makes a virtual environment with `python`. Debian splits pip out of it; then the pip outside serves.
fn make_environment(python: &str, environment: &Path) -> Result<Installer> {
    let inside = program_in(environment, "python");
    let made = Command::new(python)
        .args(["-m", "venv", "--clear"])
        .arg(environment)
        .output();
    let made = made.with_context(|| format!("could not start {python}"))?;
    if made.status.success() {
        return Ok(Installer {
            program: inside,
            arguments: ["-m", "pip"].map(OsString::from).into(),
        });
    }
    let bare = Command::new(python)
        .args(["-m", "venv", "--clear", "--without-pip"])
        .arg(environment)
        .output()?;
    let pip = Command::new(python).args(["-m", "pip", "--version"]).output()?;
    if bare.status.success() && pip.status.success() {
        let arguments = [
            "-m".into(),
            "pip".into(),
            "--python".into(),
            inside.into_os_string(),
        ];
        return Ok(Installer {
            program: python.into(),
            arguments: arguments.into(),
        });
    }
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&made.stdout),
        String::from_utf8_lossy(&made.stderr)
    );
    bail!(
        "{python} could not make a virtual environment in {}:\n{}\n\
         On Debian and Ubuntu, `apt install python3-venv` adds what is missing; then run `jook lab` again",
        environment.display(),
        said.trim()
    )
}

/// The first Python on PATH that is new enough.
fn find_python() -> Result<String> {
    let mut too_old = None;
    for python in PYTHONS {
        match python_version(Path::new(python)) {
            Some(version) if version >= OLDEST_PYTHON => return Ok(python.to_string()),
            Some(version) => too_old = too_old.or(Some((python, version))),
            None => {}
        }
    }
    let (major, minor) = OLDEST_PYTHON;
    match too_old {
        Some((python, version)) => bail!(
            "JupyterLab needs Python {major}.{minor} or newer; the {python} on PATH is {}.{}. \
             Install a newer Python, or use `jook run`, which needs none",
            version.0,
            version.1
        ),
        None => bail!(
            "JupyterLab needs Python {major}.{minor} or newer, and there is no Python on PATH. \
             Install python3 (on Debian and Ubuntu: `apt install python3 python3-venv`), \
             or use `jook run`, which needs none"
        ),
    }
}

/// Major and minor version of a Python that starts.
fn python_version(python: &Path) -> Option<(u32, u32)> {
    let answer = Command::new(python)
        .args(["-c", "import sys; print(*sys.version_info[:2])"])
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8(answer.stdout).ok()?;
    let mut numbers = text.split_whitespace().map(|number| number.parse().ok());
    Some((numbers.next()??, numbers.next()??))
}

fn program_in(environment: &Path, name: &str) -> PathBuf {
    if cfg!(windows) {
        environment.join("Scripts").join(format!("{name}.exe"))
    } else {
        environment.join("bin").join(name)
    }
}

/// The user's cache folder.
fn cache_dir() -> Result<PathBuf> {
    let variable = |name: &str| {
        std::env::var_os(name)
            .map(PathBuf::from)
            .filter(|dir| dir.is_absolute())
    };
    let dir = match variable("XDG_CACHE_HOME") {
        Some(dir) => Some(dir),
        None if cfg!(windows) => variable("LOCALAPPDATA"),
        None if cfg!(target_os = "macos") => variable("HOME").map(|home| home.join("Library/Caches")),
        None => variable("HOME").map(|home| home.join(".cache")),
    };
    dir.context("no folder for caches: set HOME or XDG_CACHE_HOME")
}
