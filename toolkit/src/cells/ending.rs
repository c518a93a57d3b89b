//! How the kernel learns that a cell's code is done, left by `?`, or panicked.

use std::error::Error;
use std::io::Write as _;
use std::panic::Location;

use serde_json::json;

use super::{USER_ERROR_OCCURRED, kernel, panics};
use crate::interrupt;

/// evcxr's word for a cell that ended in a panic.
const PANICKED: &str = "EVCXR_PANIC_NOTIFICATION";

/// The code of a cell begins: the cell's number, and the start of its code.
pub fn begun(number: u64, code: *const ()) {
    panics::remember(number, code);
    interrupt::hold();
}

/// The cell's code is done: what it printed is out.
pub fn finished() {
    let _ = std::io::stdout().flush();
}

/// A value has shown itself by a method that may be made for evcxr, whose words are printed.
pub fn displayed() {
    if let Some(kernel) = kernel() {
        kernel.displayed();
    }
}

/// Shows a value that has no other form than text.
pub fn send_text(text: &str) {
    match kernel() {
        Some(kernel) => {
            kernel.say(&json!({"kind": "result", "data": {"text/plain": text}, "metadata": {}}));
        }
        None => println!("EVCXR_BEGIN_CONTENT text/plain\n{text}\nEVCXR_END_CONTENT"),
    }
}

/// A panic ended the cell. evcxr wants to know, too.
pub fn panicked() {
    match kernel() {
        Some(kernel) => {
            kernel.say(&json!({"kind": "panicked"}));
            kernel.tell_evcxr(PANICKED);
        }
        None => println!("{PANICKED}"),
    }
}

/// A `?` at the top of the cell left with an error.
pub fn left_with(message: &str, place: &Location<'_>) {
    match kernel() {
        Some(kernel) => kernel.say(&json!({"kind": "error", "message": message, "line": place.line()})),
        None => eprintln!("{message}"),
    }
}

/// The same, for evcxr: what the cell has defined is not there.
pub fn left_early() {
    match kernel() {
        Some(kernel) => kernel.tell_evcxr(USER_ERROR_OCCURRED),
        None => println!("{USER_ERROR_OCCURRED}"),
    }
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
