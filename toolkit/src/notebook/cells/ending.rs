//! How the kernel learns that a cell's code is done, left by `?`, or panicked.

use std::cell::Cell;
use std::error::Error;
use std::ffi::c_void;
use std::io::Write as _;
use std::panic::Location;

use serde_json::json;

use super::{USER_ERROR_OCCURRED, VariableStore, create_variable_store, kernel, panics};
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

/// A cell: the store of variables goes in and comes out.
pub type CellCode = extern "C-unwind" fn(*mut VariableStore) -> *mut VariableStore;

/// Runs the code of a cell, with the store of variables or none yet. What panics when the code is done, such as a value
/// that the cell has replaced and that is dropped now, is told and costs nothing else.
pub fn guarded(store: *mut c_void, run: CellCode) -> *mut c_void {
    let store = match store.is_null() {
        true => create_variable_store(),
        false => store.cast(),
    };
    ENTERED.set(false);
    let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(store)));
    let store = ran.unwrap_or_else(|_| {
        match ENTERED.get() {
            true => drop_panicked(),
            false => panicked(),
        }
        store
    });
    store.cast()
}

/// Code that has panicked.
pub struct Panicked;

/// Runs the user's code. Nothing of it is compiled with a cell, as of
/// [`std::panic::catch_unwind`] it would.
///
/// # Errors
/// When it panicked.
pub fn caught(code: Box<dyn FnOnce() + '_>) -> Result<(), Panicked> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(code)).map_err(|_| Panicked)
}

thread_local! {
    /// Whether the user's own code of the running cell was reached.
    static ENTERED: Cell<bool> = const { Cell::new(false) };
}

/// The variables of a cell are there: what follows is its user's code.
pub fn entered() {
    ENTERED.set(true);
}

/// A value that the cell has replaced, or whose type is another one now, has panicked as it was dropped.
pub(super) fn drop_panicked() {
    match kernel() {
        Some(kernel) => kernel.say(&json!({"kind": "drop_panicked"})),
        None => eprintln!("a value that was replaced panicked as it was dropped"),
    }
}

/// What was printed so far is text: what comes next may be a value that shows itself by printing.
pub fn settle() {
    if let Some(kernel) = kernel() {
        kernel.settle();
    }
}

/// The value that ends a cell, between its making and the call by which it shows itself.
pub trait Settle {
    /// The value. What its making has printed is text, whatever it looks like.
    fn jook_settled(&self) -> &Self {
        settle();
        self
    }
}

impl<T: ?Sized> Settle for T {}

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

/// What `?` at the top of a cell makes of an error, under the name that evcxr has for it: the error is told with its
/// causes and from where it came.
pub struct EvcxrUserCodeError(());

impl<T: Into<Box<dyn Error>>> From<T> for EvcxrUserCodeError {
    #[track_caller]
    fn from(error: T) -> Self {
        left(&*error.into(), Location::caller())
    }
}

fn left(error: &dyn Error, place: &Location<'_>) -> EvcxrUserCodeError {
    left_with(&with_causes(error), place);
    left_early();
    EvcxrUserCodeError(())
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

/// The code of a cell is under way.
pub struct UnderWay(());

/// The code of a cell begins.
pub fn under_way() -> UnderWay {
    UnderWay(())
}

impl UnderWay {
    /// It has come to its end, and what it has defined is kept.
    pub fn done(self) {
        std::mem::forget(self);
    }
}

impl Drop for UnderWay {
    /// A `return` has left it, or a `?`.
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        if let Some(kernel) = kernel() {
            kernel.say(&json!({"kind": "left"}));
        }
        left_early();
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
