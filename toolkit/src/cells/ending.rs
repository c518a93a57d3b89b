//! How the kernel learns that a cell's code is done, left by `?`, or panicked.

use std::error::Error;
use std::io::Write as _;
use std::panic::Location;

use serde_json::json;

use super::panics;
use crate::interrupt;
use crate::show::MARKER;

/// The code of a cell begins: the cell's number, and the start of its code.
pub fn begun(number: u64, code: *const ()) {
    panics::remember(number, code);
    interrupt::hold();
}

/// The cell's code is done: what it printed is out, and what follows on the stream is evcxr's.
pub fn finished() {
    let end = format!("{MARKER}{}\n", json!({"kind": "break"}));
    let mut out = std::io::stdout();
    let _ = out.write_all(end.as_bytes()).and_then(|()| out.flush());
}

/// A panic ended the cell. evcxr wants to know, too.
pub fn panicked() {
    println!(
        "{MARKER}{}\nEVCXR_PANIC_NOTIFICATION",
        json!({"kind": "panicked"})
    );
}

/// A `?` at the top of the cell left with an error.
pub fn left_with(message: &str, place: &Location<'_>) {
    let notice = json!({"kind": "error", "message": message, "line": place.line()});
    println!("{MARKER}{notice}");
}

/// An error with its causes, a line each. Many errors tell their cause themselves: it is not told twice.
pub fn with_causes(error: &dyn Error) -> String {
    /// A chain that ends nowhere is cut off.
    const MOST: usize = 32;
    let mut last = error.to_string();
    let mut text = last.clone();
    let mut cause = error.source();
    for _ in 0..MOST {
        let Some(error) = cause else { break };
        let said = error.to_string();
        if !last.contains(said.as_str()) {
            text.push_str("\ncaused by: ");
            text.push_str(&said);
        }
        last = said;
        cause = error.source();
    }
    text
}
