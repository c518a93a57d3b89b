//! Which request of the front end a thread works on: what it shows then belongs to that request.

use std::cell::RefCell;

use serde_json::Value;

/// A request, and the way by which outputs about it go; false when there is none any more. Work that a handler starts
/// may go on on other threads, which take it along.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub id: String,
    pub say: fn(&str, Value) -> bool,
}

thread_local! {
    static CURRENT: RefCell<Option<Request>> = const { RefCell::new(None) };
}

/// The request that this thread works on, if it does.
pub(crate) fn current() -> Option<Request> {
    CURRENT.with_borrow(Clone::clone)
}

/// This thread works on a request, or on none any more.
pub(crate) fn work_on(request: Option<Request>) {
    CURRENT.set(request);
}
