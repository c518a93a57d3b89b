//! What rustc reads of the crates below the toolkit, apart from what they are made of.
//!
//! A cell's compiler opens all three hundred of them. An interface (`.rmeta`) alone is quicker found and opened than one
//! beside its library, and nothing but the toolkit itself is linked.

use anyhow::Result;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// Beside the toolkit's library.
pub const FOLDER: &str = "interfaces";

/// Links the interfaces of all crates in `deps`, and the libraries of macros, into a folder of their own in `toolkit`.
/// Where files cannot be linked there is none, and cells are compiled against `deps`.
pub fn gather(deps: &[PathBuf], toolkit: &Path) -> Result<()> {
    let folder = toolkit.join(FOLDER);
    std::fs::create_dir_all(&folder)?;
    let files = deps.iter().flat_map(std::fs::read_dir).flatten().flatten();
    for file in files.map(|entry| entry.path()).filter(|file| is_read(file)) {
        let Some(name) = file.file_name() else { continue };
        let linked = std::fs::hard_link(&file, folder.join(name));
        // One of the same name from a folder before this one counts.
        if linked.is_err_and(|e| e.kind() != std::io::ErrorKind::AlreadyExists) {
            return Ok(std::fs::remove_dir_all(&folder)?);
        }
    }
    Ok(())
}

/// An interface, the library of a macro, or a library that has no interface beside it.
fn is_read(file: &Path) -> bool {
    match file.extension().and_then(OsStr::to_str) {
        Some("rmeta" | "so") => true,
        Some("rlib") => !file.with_extension("rmeta").exists(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_takes_the_place_of_its_library() {
        let root = std::env::temp_dir().join(format!("jook-interfaces-{}", std::process::id()));
        let deps = root.join("deps");
        std::fs::create_dir_all(&deps).unwrap();
        for name in [
            "liba.rlib",
            "liba.rmeta",
            "libb.rlib",
            "libmacros.so",
            "a.d",
            "a.o",
        ] {
            std::fs::write(deps.join(name), name).unwrap();
        }
        gather(&[deps.clone(), deps], &root).unwrap();
        let listed = std::fs::read_dir(root.join(FOLDER)).unwrap();
        let mut names: Vec<_> = listed.map(|entry| entry.unwrap().file_name()).collect();
        names.sort();
        assert_eq!(names, ["liba.rmeta", "libb.rlib", "libmacros.so"]);
        std::fs::remove_dir_all(root).unwrap();
    }
}
