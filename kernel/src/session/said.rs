//! What a session says of a cell: one form of an output, what was wrong, what may be written next; and what it
//! is answered.

use serde::{Deserialize, Serialize};

/// One output, by MIME type.
pub type MimeBundle = serde_json::Map<String, serde_json::Value>;

/// What was wrong with a cell.
#[derive(Clone, Debug, PartialEq)]
pub struct CellError {
    /// A rustc code such as `E0308`, or `CompileError`, `Panic`, `UserError`, `ChildDied`, `Interrupted`,
    /// `ToolkitError`.
    pub ename: String,
    /// One line.
    pub evalue: String,
    /// The readable form, in lines; may hold ANSI colours.
    pub traceback: Vec<String>,
    /// The line in the cell, from 1.
    pub line: Option<usize>,
}

/// What may stand at the cursor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Completion {
    /// The text to insert.
    pub text: String,
    /// `function`, `class`, `module`, `instance`, `keyword` or `magic`.
    pub kind: String,
}

/// Completions, and the bytes of the code that they replace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Completions {
    /// First byte replaced.
    pub start: usize,
    /// Byte after the last one replaced.
    pub end: usize,
    /// The candidates.
    pub items: Vec<Completion>,
}

/// What a question gets.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A line, without its end.
    Line(String),
    /// Nobody can be asked; what the user can do about it.
    Refused(&'static str),
    /// The cell was stopped meanwhile.
    Stopped,
}
