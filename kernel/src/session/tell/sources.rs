//! The sources of the cells that have run, to name the line of a panic in whichever of them it was raised: a thread
//! outlives its cell, a widget's closure is called long after.

use crate::session::tell::place;
use crate::session::tell::place::BODY;
use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard};

/// How many cells are remembered.
const MOST: usize = 300;

#[derive(Default)]
pub struct Sources(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    cells: VecDeque<Source>,
    /// The cell that runs, and where its generated source is.
    running: Option<(Source, PathBuf)>,
}

#[derive(Clone)]
struct Source {
    /// Its execution count; 0 when it has none.
    count: usize,
    code: String,
    generated: String,
}

/// A line (from 1) of a cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The cell's execution count; 0 when it has none.
    pub count: usize,
    pub line: usize,
    /// The cell's text.
    pub code: String,
}

impl Place {
    /// For a sentence.
    pub fn in_words(&self) -> String {
        let line = self.line;
        match self.count {
            0 => format!("line {line} of an earlier cell"),
            count => format!("line {line} of cell [{count}]"),
        }
    }
}

impl Source {
    /// Whether evcxr has given this cell the number `cell`.
    fn is(&self, cell: u64) -> bool {
        self.generated.contains(&format!("{BODY}{cell}("))
    }
}

impl Sources {
    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A cell begins, whose crate is in `crate_dir`.
    pub fn begin(&self, count: usize, code: &str, crate_dir: &Path) {
        let source = Source {
            count,
            code: code.to_owned(),
            generated: String::new(),
        };
        self.kept().running = Some((source, crate_dir.join("cell/lib.rs")));
    }

    /// The cell has ended, and was compiled from `generated`.
    pub fn end(&self, generated: &str) {
        let mut kept = self.kept();
        if let Some((mut source, _)) = kept.running.take() {
            source.generated = generated.to_owned();
            kept.cells.truncate(MOST - 1);
            kept.cells.push_front(source);
        }
    }

    /// Where a panic was raised, for a reader: `line` of `file`, in the cell that evcxr has given this number.
    pub fn place(&self, cell: Option<u64>, file: &str, line: usize) -> String {
        cell.filter(|_| file.ends_with("cell/lib.rs"))
            .and_then(|cell| self.in_cell(cell, line))
            .unwrap_or_else(|| format!("{}:{line}", place::short_path(file)))
    }

    /// The running cell's line that stands at `line` of its generated source.
    pub fn line_of_running(&self, line: usize) -> Option<usize> {
        let kept = self.kept();
        let (source, path) = kept.running.as_ref()?;
        place::cell_line(&std::fs::read_to_string(path).ok()?, &source.code, line)
    }

    /// The cell and its line behind `line` of the source that was generated for the cell of this number.
    pub fn locate(&self, cell: u64, line: usize) -> Option<Place> {
        let kept = self.kept();
        let running = kept.running.as_ref().map(|(source, path)| Source {
            generated: std::fs::read_to_string(path).unwrap_or_default(),
            ..source.clone()
        });
        let mut all = running.as_ref().into_iter().chain(&kept.cells);
        let found = all.find(|source| source.is(cell))?;
        let place = |source: &Source, line| Place {
            count: source.count,
            line,
            code: source.code.clone(),
        };
        let Some((item, below)) = place::item_at(&found.generated, line) else {
            let at = place::cell_line(&found.generated, &found.code, line)?;
            return Some(place(found, at));
        };
        // The last cell that defined it before it was compiled.
        std::iter::once(found).chain(all).find_map(|source| {
            let line = place::line_of_item(&source.code, &item, below)?;
            Some(place(source, line))
        })
    }

    /// The last cell that has defined an item of this text, and the line so many below its head.
    pub fn of_item(&self, item: &str, below: usize) -> Option<Place> {
        self.kept().cells.iter().find_map(|source| {
            let line = place::line_of_item(&source.code, item, below)?;
            Some(Place {
                count: source.count,
                line,
                code: source.code.clone(),
            })
        })
    }

    fn in_cell(&self, cell: u64, line: usize) -> Option<String> {
        Some(self.locate(cell, line)?.in_words())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_in_the_cell_that_it_is_in() {
        let folder = std::env::temp_dir().join(format!("jook-sources-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("cell")).unwrap();
        let sources = Sources::default();
        let generated = |number: u32, code: &str| format!("mod x {{}}\n{BODY}{number}(\n{code}\n");
        sources.begin(4, "a();\nb();", &folder);
        sources.end(&generated(7, "a();\nb();"));
        sources.begin(5, "c();", &folder);
        std::fs::write(folder.join("cell/lib.rs"), generated(8, "c();")).unwrap();
        let place = |cell, file, line| sources.place(cell, file, line);
        assert_eq!(place(Some(7), "cell/lib.rs", 4), "line 2 of cell [4]");
        assert_eq!(place(Some(8), "cell/lib.rs", 3), "line 1 of cell [5]");
        assert_eq!(place(Some(9), "cell/lib.rs", 3), "cell/lib.rs:3");
        let function = "fn f() {\n    panic!()\n}";
        sources.begin(6, function, &folder);
        sources.end(&format!("{function}\n{BODY}9(\n"));
        sources.begin(7, "f();", &folder);
        sources.end(&format!("{function}\n{BODY}10(\nf();\n"));
        assert_eq!(place(Some(10), "cell/lib.rs", 2), "line 2 of cell [6]");
        assert_eq!(
            place(None, "/rustc/0/library/core/src/time.rs", 3),
            "library/core/src/time.rs:3"
        );
        std::fs::remove_dir_all(folder).unwrap();
    }
}
