//! What a cell's output said about how it went.

/// What a cell's output said about how it went.
#[derive(Default)]
pub struct Notes {
    /// The last panic on the cell's own thread, and its place.
    pub panic: Option<(String, String, usize)>,
    /// The number that evcxr has given the cell whose code raised it.
    pub cell: Option<u64>,
    /// Addresses in the cell's library that were on the stack then.
    pub frames: Vec<u64>,
    /// That panic ended the cell.
    pub panicked: bool,
    /// A `?` left the cell: the message and the line in the generated source.
    pub error: Option<(String, usize)>,
    /// A `return` left the cell, or that `?`: what it has defined is not kept.
    pub left: bool,
    /// Variables whose type is no longer what it was when they were kept.
    pub retyped: Vec<String>,
    /// Why the cell's library could not be loaded.
    pub unloadable: Option<String>,
    /// What the process said of its end.
    pub last_words: Option<String>,
    /// The start of a line on standard error.
    pub unread: String,
}

/// A line on standard error that is longer is nobody's last words.
const LONGEST: usize = 64 << 10;

impl Notes {
    /// The last words of a process are text of its run time's.
    pub fn read_stderr(&mut self, text: &str) {
        self.unread.push_str(text);
        let whole = self.unread.rfind('\n').map_or(0, |end| end + 1);
        if whole == 0 && self.unread.len() > LONGEST {
            self.unread.clear();
        }
        let lines: String = self.unread.drain(..whole).collect();
        for line in lines.lines().map(str::trim) {
            if line.ends_with("has overflowed its stack") || line.starts_with("memory allocation of ") {
                self.last_words = Some(line.to_owned());
            }
        }
    }
}
