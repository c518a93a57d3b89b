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
    use std::collections::{HashMap, HashSet};

    /// A crate at a lower level lists in its interface every generic function that it has compiled, for other crates to
    /// use, and the compiler of each cell reads that list. These list next to nothing.
    const MAY_BE_LOWER: [&str; 3] = ["polars-sql", "pxfm", "ring"];

    #[test]
    fn crates_that_cells_read_list_no_generic_functions() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let read = |name: &str| std::fs::read_to_string(root.join(name)).unwrap();
        let (locked, profile) = (read("Cargo.lock"), read("Cargo.toml"));
        let quoted = |line: &str| line.split('"').nth(1).map(str::to_owned);
        let mut needs: HashMap<String, Vec<String>> = HashMap::new();
        for package in locked.split("[[package]]").skip(1) {
            let name = package.lines().find(|line| line.starts_with("name = "));
            let listed = package
                .lines()
                .filter(|line| line.starts_with(" \""))
                .filter_map(quoted);
            let listed = listed.filter_map(|crate_| crate_.split(' ').next().map(str::to_owned));
            needs
                .entry(name.and_then(quoted).unwrap())
                .or_default()
                .extend(listed);
        }
        let mut below: HashSet<&str> = HashSet::new();
        let mut open = vec!["jook"];
        while let Some(name) = open.pop() {
            if below.insert(name) {
                open.extend(needs[name].iter().map(String::as_str));
            }
        }
        assert!(below.contains("polars-stream") && below.contains("tokio"));
        let sections = profile.split("[profile.release.package.").skip(1);
        let levels = sections.filter_map(|section| {
            let (name, rest) = section.split_once(']')?;
            let level = rest.split_once("opt-level = ")?.1.lines().next()?;
            Some((name, level))
        });
        let wrong: Vec<_> = levels
            .filter(|(name, level)| below.contains(name) && !["2", "3"].contains(level))
            .filter(|(name, _)| !MAY_BE_LOWER.contains(name))
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
    }

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
