//! Changes of a cell's text on its way to evcxr, and the way back.

use std::collections::HashSet;

/// A cell as evcxr gets it.
#[derive(Debug, Default)]
pub struct Named {
    pub text: String,
    /// What was written into which line, at which column; both count from 1.
    insertions: Vec<(usize, usize, usize)>,
    /// The names of its items, for evcxr.
    pub defines: HashSet<String>,
    /// Statics that it uses, and that each cell has its own of.
    pub unshared: Vec<String>,
    /// Items of earlier cells that go with a type that this one defines: the item's head, and the type.
    pub gone: Vec<(String, String)>,
    /// What calls of macros have made and no call makes any more: its name, and the call.
    pub unmade: Vec<(String, String)>,
    /// The lists that were made short, which the compiler gets whole: what stands for which.
    pub folds: Vec<(String, String)>,
}

impl Named {
    /// The column of the user's cell at a place of the text; of what was written into it there is none.
    pub fn column(&self, line: usize, column: usize) -> usize {
        let mut own = column;
        for (_, at, width) in self.insertions.iter().filter(|(other, ..)| *other == line) {
            if column >= at + width {
                own -= width;
            } else if column > *at {
                own -= column - at;
            }
        }
        own
    }
}

/// A change of a cell's text: so many bytes at a place give way to others.
pub struct Edit {
    pub at: usize,
    pub removed: usize,
    pub text: String,
}

impl Edit {
    pub fn insertion(at: usize, text: String) -> Self {
        Self { at, removed: 0, text }
    }
}

/// The cell with these changes.
pub fn edited(cell: &str, mut edits: Vec<Edit>) -> Named {
    let mut named = Named::default();
    let mut from = 0;
    edits.sort_by_key(|edit| edit.at);
    for edit in edits {
        // Within a list that was made short nothing else is to be done.
        if edit.at < from {
            continue;
        }
        named.text.push_str(&cell[from..edit.at]);
        let line = named.text.matches('\n').count() + 1;
        let column = named.text.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        if edit.removed == 0 {
            named.insertions.push((line, column, edit.text.chars().count()));
        }
        named.text.push_str(&edit.text);
        from = edit.at + edit.removed;
    }
    named.text.push_str(&cell[from..]);
    named
}
