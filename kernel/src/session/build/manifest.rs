//! The manifest that evcxr writes for the crate of a cell.

use std::path::{Path, PathBuf};

/// What evcxr's Cargo.toml says.
pub struct CellCrate {
    /// Its folder.
    pub dir: PathBuf,
    /// `(name, requirement)` of what the notebook asked for beyond the toolkit, sorted.
    pub dependencies: Vec<(String, String)>,
    name: String,
    /// As the manifest has it.
    pub opt_level: String,
}

impl CellCrate {
    /// Reads the manifest in `dir`; `None` when it is not one that evcxr wrote.
    pub fn read(dir: &Path) -> Option<Self> {
        let manifest = std::fs::read_to_string(dir.join("Cargo.toml")).ok()?;
        let value = |key: &str| {
            manifest.lines().find_map(|line| {
                let (name, value) = line.trim().split_once('=')?;
                (name.trim() == key).then(|| value.trim().trim_matches('"').to_owned())
            })
        };
        let name = value("name")?;
        if name != "ctx" && name != "evcxr_dummy_validate_dep" {
            return None;
        }
        let opt_level = value("opt-level").unwrap_or_else(|| "0".into());
        let (_, listed) = manifest.split_once("[dependencies]")?;
        let mut dependencies: Vec<(String, String)> = listed
            .lines()
            .filter_map(|line| line.split_once('='))
            .map(|(name, requirement)| (name.trim().to_owned(), requirement.trim().to_owned()))
            .filter(|(name, _)| name != "jook")
            .collect();
        dependencies.sort();
        Some(Self {
            dir: dir.to_owned(),
            dependencies,
            name,
            opt_level,
        })
    }

    /// Whether this is a cell, and not evcxr's trial of a new dependency.
    pub fn is_cell(&self) -> bool {
        self.name == "ctx"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evcxrs_manifest_is_read_and_the_toolkit_left_out() {
        let dir = std::env::temp_dir().join(format!("jook-manifest-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(
            dir.join("Cargo.toml"),
            "\n[package]\nname = \"ctx\"\nversion = \"1.0.0\"\n[profile.dev]\nopt-level = 2\n\n\
             [dependencies]\nrand = { version = \"0.9\" }\njook = { path = \"../toolkit\" }\nhex = \"0.4\"\n",
        )
        .unwrap();
        let read = CellCrate::read(&dir).unwrap();
        std::fs::remove_dir_all(&dir).unwrap();
        assert!(read.is_cell());
        assert_eq!(read.opt_level, "2");
        let names: Vec<&str> = read.dependencies.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["hex", "rand"]);
        assert_eq!(read.dependencies[1].1, "{ version = \"0.9\" }");
    }
}
