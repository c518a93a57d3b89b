//! The cell's own line behind a panic that was raised in a library.
//!
//! Cells are compiled without line tables, which nobody reads as long as all goes well. The panic hook notes which
//! addresses of the cell's library were on the stack; the same source compiled once more, with line tables, has the
//! same code at the same addresses. A process of its own looks them up, for the library must be loaded.

use crate::session::build::home;
use crate::session::build::private;
use anyhow::{Context, Result};
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

/// The name under which this program looks addresses up; its arguments are the library and the addresses.
pub const NAME: &str = "jook-lines";
/// In the cell crate's folder of notes: the arguments of the compiler's last run.
pub const COMPILER: &str = "compiler";

/// Notes how a cell was compiled.
pub fn note(command: &Command, notes: &Path) {
    let mut words = vec![command.get_program()];
    words.extend(command.get_args());
    let bytes: Vec<&[u8]> = words.iter().map(|word| word.as_bytes()).collect();
    let _ = std::fs::write(notes.join(COMPILER), bytes.join(&b'\n'));
}

/// The lines of the generated source that were running, the innermost first.
pub fn lines(crate_dir: &Path, notes: &Path, addresses: &[u64]) -> Option<Vec<usize>> {
    if addresses.is_empty() {
        return None;
    }
    let library = crate_dir.join("target/cell/lines.so");
    let words = std::fs::read_to_string(notes.join(COMPILER)).ok()?;
    let mut words = words.lines();
    let mut rustc = Command::new(words.next()?);
    let mut is_output = false;
    for word in words {
        match word {
            "debuginfo=0" => rustc.arg("debuginfo=line-tables-only"),
            _ if is_output => rustc.arg(&library),
            _ => rustc.arg(word),
        };
        is_output = word == "-o";
    }
    home::outside(&mut rustc).current_dir(crate_dir);
    // For the linker that rustc starts.
    rustc.env(private::PRIVATE, std::env::var_os(private::PRIVATE)?);
    let compiled = rustc.output().ok()?;
    if !compiled.status.success() {
        return None;
    }
    let mut look_up = Command::new(home::program());
    look_up.arg0(NAME).arg(&library);
    look_up.args(addresses.iter().map(u64::to_string));
    let found = look_up.output().ok()?;
    let _ = std::fs::remove_file(&library);
    let text = String::from_utf8(found.stdout).ok()?;
    Some(text.lines().filter_map(|line| line.parse().ok()).collect())
}

/// This program in that role.
pub fn run() -> Result<i32> {
    let mut args = std::env::args_os().skip(1);
    let library = args.next().context("no library")?;
    let addresses = args.filter_map(|word| word.to_str()?.parse::<usize>().ok());
    let base = load(&library).context("the library cannot be loaded")?;
    for address in addresses {
        backtrace::resolve((base + address) as *mut _, |symbol| {
            let in_cell = symbol
                .filename()
                .is_some_and(|file| file.ends_with("cell/lib.rs"));
            if let (true, Some(line)) = (in_cell, symbol.lineno()) {
                println!("{line}");
            }
        });
    }
    Ok(0)
}

/// Loads a library; returns the address that its own addresses count from.
fn load(library: &std::ffi::OsStr) -> Option<usize> {
    let path = CString::new(library.as_bytes()).ok()?;
    // SAFETY: a cell's library runs nothing when it is loaded. A handle of the GNU C library and of musl points to
    // the library's `link_map`, whose first field is that address.
    unsafe {
        let handle = libc::dlopen(path.as_ptr(), libc::RTLD_LAZY | libc::RTLD_LOCAL);
        (!handle.is_null()).then(|| *handle.cast::<usize>())
    }
}
