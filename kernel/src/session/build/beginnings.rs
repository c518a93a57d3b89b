//! What every session compiles as it starts: the same few lines against the same toolkit. They are compiled once, and what
//! came of them is kept beside the toolkit.

use crate::session::build::private;
use crate::session::build::private::ToolkitFiles;
use crate::session::build::statics::Run;
use crate::session::digest::digest_of;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::Command;

/// What the compiler made of a source.
#[derive(Serialize, Deserialize)]
pub struct Made {
    pub said: Vec<String>,
    pub code: i32,
}

/// The place of one source's library and of what was said, without their endings.
pub struct Beginning(PathBuf);

/// The runs before any cell of the user's: evcxr's own, and the toolkit's prelude.
const LAST: u64 = 1;

/// As many are kept: a session has three or four.
const MOST: usize = 32;

/// Whether nothing of the user's is compiled in this run.
pub fn is_beginning(run: &Run) -> bool {
    run.number <= LAST && run.process == 0
}

impl Beginning {
    /// Where what `rustc` makes of `source` in a beginning is kept; `dir` is the crate's folder.
    pub fn of(toolkit: &ToolkitFiles, rustc: &Command, dir: &Path, source: &str) -> Option<Self> {
        let version = private::age(Path::new(rustc.get_program()));
        // Each session has other folders, of which nothing is in a library.
        let places = [dir.display().to_string(), private::folder().display().to_string()];
        let args = rustc.get_args().map(|arg| {
            let arg = arg.to_string_lossy().into_owned();
            places.iter().fold(arg, |arg, place| arg.replace(place, ""))
        });
        let args: Vec<String> = args.collect();
        let key = digest_of(&(env!("CARGO_PKG_VERSION"), version, args, source));
        let toolkit_name = toolkit.dylib.parent()?.file_name()?;
        let folder = toolkit.cache.join("beginnings").join(toolkit_name);
        Some(Self(folder.join(format!("{key:016x}"))))
    }

    /// Puts what was compiled before at `library`, and tells what was said then.
    pub fn recall(&self, library: &Path) -> Option<Made> {
        let made: Made = serde_json::from_slice(&std::fs::read(self.0.with_extension("json")).ok()?).ok()?;
        if made.code == 0 {
            // A new file: a library that is loaded under another name stays what it is.
            let _ = std::fs::remove_file(library);
            std::fs::copy(self.0.with_extension("so"), library).ok()?;
        }
        Some(made)
    }

    /// Keeps what was compiled to `library`.
    ///
    /// # Errors
    /// When it cannot be written; it is compiled again then.
    pub fn keep(&self, library: &Path, made: &Made) -> Result<()> {
        let Some(folder) = self.0.parent() else {
            return Ok(());
        };
        if std::fs::read_dir(folder).is_ok_and(|listed| listed.count() > 2 * MOST) {
            std::fs::remove_dir_all(folder)?;
        }
        if !folder.exists() {
            // Those of toolkits before this one are wanted by nobody.
            let _ = folder.parent().map(std::fs::remove_dir_all);
        }
        std::fs::create_dir_all(folder)?;
        let new = self.0.with_extension(format!("new-{}", std::process::id()));
        if made.code == 0 {
            std::fs::copy(library, &new)?;
            std::fs::rename(&new, self.0.with_extension("so"))?;
        }
        std::fs::write(&new, serde_json::to_vec(made)?)?;
        Ok(std::fs::rename(&new, self.0.with_extension("json"))?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_compiled_once_is_recalled_by_its_source_and_its_compiler() {
        let root = std::env::temp_dir().join(format!("jook-beginnings-{}", std::process::id()));
        let toolkit = ToolkitFiles {
            dylib: root.join("toolkits/a/lib.so"),
            deps: Vec::new(),
            interfaces: None,
            std_dir: root.clone(),
            graph: root.clone(),
            cache: root.clone(),
            size: None,
        };
        let library = root.join("libctx.so");
        let rustc = |dir: &str| {
            let mut rustc = Command::new("rustc");
            rustc.arg("-o").arg(format!("{dir}/libctx.so"));
            rustc
        };
        let run = |number: u64| Run {
            number,
            ..Run::default()
        };
        assert!(is_beginning(&run(1)) && !is_beginning(&run(2)));
        let place = |dir: &str, source: &str| Beginning::of(&toolkit, &rustc(dir), Path::new(dir), source);
        let first = place("/s0", "a").unwrap();
        assert!(first.recall(&library).is_none());
        std::fs::create_dir_all(&root).unwrap();
        std::fs::write(&library, "compiled").unwrap();
        let said = vec!["a warning".to_owned()];
        first.keep(&library, &Made { said, code: 0 }).unwrap();
        std::fs::remove_file(&library).unwrap();
        assert!(place("/s0", "b").unwrap().recall(&library).is_none());
        let made = place("/s1", "a").unwrap().recall(&library).unwrap();
        assert_eq!((made.said, made.code), (vec!["a warning".to_owned()], 0));
        assert_eq!(std::fs::read_to_string(&library).unwrap(), "compiled");
        std::fs::remove_dir_all(root).unwrap();
    }
}
