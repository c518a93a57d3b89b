//! Links a cell against the toolkit without reading it.
//!
//! A shared library may leave symbols open, and the process that loads a cell has the toolkit already: its library
//! of 150 MB need not be searched each time. A stand-in of a few bytes with the same name takes its place. This
//! program is the linker that rustc calls, and calls the toolchain's own.

use crate::session::build::private;
use crate::session::build::private::ToolkitFiles;
use anyhow::{Context, Result, ensure};
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The linker that comes with the toolchain of this rustc.
fn rust_lld(rustc: &Path) -> Option<PathBuf> {
    let sysroot = rustc.ancestors().nth(2)?;
    let lld = sysroot
        .join("lib/rustlib")
        .join(private::HOST)
        .join("bin/rust-lld");
    lld.exists().then_some(lld)
}

fn stub(toolkit: &ToolkitFiles) -> Option<PathBuf> {
    Some(
        toolkit
            .dylib
            .parent()?
            .join(STUB)
            .join(toolkit.dylib.file_name()?),
    )
}

/// The folder of the stand-in, beside the library.
const STUB: &str = "stub";

/// Makes the stand-in for the toolkit's library `name` in `folder`. Where there is no such linker, cells are linked the
/// ordinary way.
pub fn prepare(folder: &Path, name: &str, rustc: &Path) -> Result<()> {
    let Some(lld) = rust_lld(rustc) else {
        return Ok(());
    };
    let folder = folder.join(STUB);
    let stub = folder.join(name);
    std::fs::create_dir_all(&folder)?;
    let nothing = folder.join("nothing.a");
    std::fs::write(&nothing, "!<arch>\n")?;
    let output = Command::new(lld)
        .args(["-flavor", "gnu", "-m", emulation(), "-shared", "-soname"])
        .arg(name)
        .arg("-o")
        .arg(&stub)
        .arg(nothing)
        .output()?;
    ensure!(
        output.status.success(),
        "the stand-in for the toolkit could not be made:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

fn emulation() -> &'static str {
    if cfg!(target_arch = "x86_64") {
        "elf_x86_64"
    } else {
        "aarch64linux"
    }
}

/// Where libraries of the system are that this program does not use itself.
const SYSTEM: [&str; 7] = [
    "/usr/local/lib",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/lib/x86_64-linux-gnu",
    "/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
];

/// Has `rustc` link a cell with this program; says whether it can.
pub fn arrange(command: &mut Command, toolkit: &ToolkitFiles, rustc: &Path) -> bool {
    if rust_lld(rustc).is_none() || !stub(toolkit).is_some_and(|stub| stub.exists()) {
        return false;
    }
    // The linker that rustc starts has to know whose it is.
    command.env(private::PRIVATE, private::folder());
    command.args(["-C", "linker-flavor=ld.lld", "-C"]);
    command.arg(format!(
        "linker={}",
        private::folder().join("bin").join(private::LINKER).display()
    ));
    true
}

/// This program as linker: the toolchain's, told of the stand-in instead of the toolkit.
pub fn run() -> Result<i32> {
    let toolkit = ToolkitFiles::of_session()?;
    let (rustc, _) = private::tools()?;
    let lld = rust_lld(&rustc).context("the toolchain has no rust-lld")?;
    let stub = stub(&toolkit).context("no stand-in")?;
    let mut command = Command::new(lld);
    let args: Vec<OsString> = std::env::args_os().skip(1).collect();
    let mut folders: Vec<PathBuf> = SYSTEM.iter().map(PathBuf::from).collect();
    folders.extend(
        args.windows(2)
            .filter(|pair| pair[0] == "-L")
            .map(|pair| PathBuf::from(&pair[1])),
    );
    folders.extend(
        args.iter()
            .filter_map(|arg| Some(PathBuf::from(arg.to_str()?.strip_prefix("-L")?)))
            .filter(|folder| !folder.as_os_str().is_empty()),
    );
    let mut from_archives = false;
    for arg in &args {
        let text = arg.to_string_lossy();
        match &*text {
            "-Bstatic" => from_archives = true,
            "-Bdynamic" => from_archives = false,
            _ => {}
        }
        if Path::new(arg) == toolkit.dylib {
            // Nothing is found in it, so that it would be left out.
            command.arg("--no-as-needed").arg(&stub).arg("--as-needed");
        } else if let Some(name) = text.strip_prefix("-l") {
            // Where the system keeps them is known: this program uses them itself.
            if let Some(path) = loaded(name).filter(|_| !from_archives) {
                command.arg(path);
            } else if is_in(name, &folders) {
                // A crate that the notebook has added wants it.
                command.arg(arg);
            }
        } else if !text.starts_with("-fuse-ld") {
            command.arg(arg);
        }
    }
    for folder in SYSTEM {
        command.arg("-L").arg(folder);
    }
    Err(command.exec().into())
}

/// Whether a linker that looks into these folders finds the library.
fn is_in(name: &str, folders: &[PathBuf]) -> bool {
    let files = [format!("lib{name}.so"), format!("lib{name}.a")];
    let files = files.iter();
    files
        .flat_map(|file| folders.iter().map(move |folder| folder.join(file)))
        .any(|path| path.exists())
}

/// The file of a library of the system that this process has loaded.
fn loaded(name: &str) -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let start = format!("lib{name}.so");
    maps.lines()
        .filter_map(|line| line.split_whitespace().nth(5))
        .map(Path::new)
        .find(|path| {
            let file = path
                .file_name()
                .and_then(|name| name.to_str())
                .unwrap_or_default();
            file.strip_prefix(&start)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
        .map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_systems_libraries_are_found() {
        assert!(loaded("c").is_some_and(|path| path.exists()));
        assert!(loaded("no-such-library").is_none());
    }
}
