//! What this program offers the toolkit, which the code of cells brings into its process.

use crate::session::process::channel;
use crate::session::process::streams;
use std::ffi::{CString, c_char, c_void};
use std::path::Path;
use std::sync::OnceLock;

/// Functions of this program, in the order that the toolkit's `cells::kernel` has them. Text is a pointer and a size.
#[repr(C)]
pub struct Offer {
    /// Changes with the functions.
    form: u32,
    /// Says a message of the display protocol, one line of JSON. False when nobody hears it.
    say: extern "C" fn(*const u8, usize) -> bool,
    /// Says a line of evcxr's own protocol.
    tell: extern "C" fn(*const u8, usize),
    /// Diverts what the calling thread prints.
    divert: extern "C" fn(Option<streams::Divert>),
    /// All that the thread has printed so far is text.
    settle: extern "C" fn(),
    /// A call of `evcxr_display` has returned.
    displayed: extern "C" fn(),
    /// Asks the user; the answer is JSON, given to the function with its first argument.
    ask: extern "C" fn(*const u8, usize, bool, *mut c_void, extern "C" fn(*mut c_void, *const u8, usize)),
    /// The session's door, for comms; null when there is none.
    door: *const c_char,
}

// SAFETY: the pointer is to text that is never changed and never freed.
unsafe impl Sync for Offer {}
// SAFETY: as above.
unsafe impl Send for Offer {}

static OFFER: OnceLock<Offer> = OnceLock::new();

/// Offers it from now on.
pub fn make(door: Option<&Path>) {
    let door = door.and_then(|door| CString::new(door.as_os_str().as_encoded_bytes()).ok());
    OFFER.get_or_init(|| Offer {
        form: 1,
        say,
        tell,
        divert,
        settle: streams::settle,
        displayed,
        ask,
        door: door.map_or(std::ptr::null(), |door| door.into_raw().cast_const()),
    });
}

/// The offer; null in every other role of this program, and in a fork of the cells' process.
#[unsafe(no_mangle)]
pub extern "C" fn jook_kernel() -> *const Offer {
    match OFFER.get() {
        Some(offer) if channel::is_here() => offer,
        _ => std::ptr::null(),
    }
}

fn text<'a>(data: *const u8, size: usize) -> std::borrow::Cow<'a, str> {
    // SAFETY: the toolkit gives the pointer and the size of a text of its own.
    String::from_utf8_lossy(unsafe { std::slice::from_raw_parts(data, size) })
}

extern "C" fn say(data: *const u8, size: usize) -> bool {
    streams::say(&text(data, size))
}

extern "C" fn tell(data: *const u8, size: usize) {
    channel::tell(&text(data, size));
}

extern "C" fn divert(divert: Option<streams::Divert>) {
    streams::divert(divert);
}

extern "C" fn displayed() {
    if let Some(content) = streams::displayed() {
        let data: serde_json::Map<String, serde_json::Value> = content
            .into_iter()
            .map(|(mime, text)| (mime, text.into()))
            .collect();
        streams::say(&serde_json::json!({"kind": "content", "data": data}).to_string());
    }
}

extern "C" fn ask(
    prompt: *const u8,
    size: usize,
    hidden: bool,
    context: *mut c_void,
    answer: extern "C" fn(*mut c_void, *const u8, usize),
) {
    streams::before_a_message();
    let said = streams::ask("toolkit", &text(prompt, size), hidden);
    answer(context, said.as_ptr(), said.len());
}
