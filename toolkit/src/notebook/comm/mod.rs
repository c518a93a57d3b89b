//! Comms: messages between a notebook's code and code in its front end, at any time.
//!
//! A comm has two ends. Either side opens one for a *target*, a name that the other side knows; then both send
//! JSON objects through it until one closes it. [Widgets](crate::widgets) are made of comms.
//!
//! ```no_run
//! use jook::comm::{self, json};
//! // The notebook opens one, and hears what comes back.
//! let comm = comm::open("my_panel", json!({"title": "Losses"}))?;
//! comm.on_message(|comm, data| {
//!     let _ = comm.send(json!({"you said": data}));
//! });
//! // The front end opens them.
//! comm::on_target("my_questions", |comm, data| {
//!     comm.on_message(|_, data| println!("{data}"));
//! })?;
//! # Ok::<(), jook::Error>(())
//! ```
//!
//! Handlers run one after the other on a thread of their own, also while a cell runs. What a handler puts on
//! display with [`show`](crate::show::show()) or updates is at once with the front end, as an output of the message
//! that it handles, and so is what it prints. A handler that panics says so and is called again for the next message. While no cell runs, the Stop button stops the training or study
//! of the handler that is running.
//!
//! A message may carry binary data beside its JSON: [`open_with_buffers`] and [`Comm::send_with_buffers`] send it, and a handler takes what
//! came with its message by [`take_buffers`].

mod link;

pub use serde_json::{Value, json};

use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};

use crate::{Error, Result};

/// One end of a comm. Clones are the same end; dropping it does not close the comm.
#[derive(Clone)]
pub struct Comm {
    id: Arc<str>,
    target: Arc<str>,
}

/// What is to be done with each message.
type Heard = Box<dyn FnMut(&Comm, Value) + Send>;

type Handler = Arc<Mutex<dyn FnMut(&Comm, Value) + Send>>;

#[derive(Default)]
struct Registry {
    open: HashMap<Arc<str>, Open>,
    targets: HashMap<String, Handler>,
}

struct Open {
    comm: Comm,
    on_message: Option<Handler>,
    on_close: Option<Handler>,
}

static REGISTRY: LazyLock<Mutex<Registry>> = LazyLock::new(Mutex::default);

fn registry() -> MutexGuard<'static, Registry> {
    REGISTRY.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

fn handler(handler: impl FnMut(&Comm, Value) + Send + 'static) -> Handler {
    Arc::new(Mutex::new(handler))
}

/// Opens a comm for a target that the front end knows, with a first message (a JSON object). A front end that
/// does not know the target closes the comm.
///
/// # Errors
/// When `data` is no object, or outside the Jook kernel.
pub fn open(target: impl Into<String>, data: Value) -> Result<Comm> {
    open_with(&target.into(), data, &[], json!({}), None)
}

/// The same, with binary data, which the front end gets as it is.
///
/// # Errors
/// As [`open`].
pub fn open_with_buffers(target: impl Into<String>, data: Value, buffers: &[&[u8]]) -> Result<Comm> {
    open_with(&target.into(), data, buffers, json!({}), None)
}

/// The binary data that came with the message which the calling handler handles, once; empty elsewhere.
pub fn take_buffers() -> Vec<Vec<u8>> {
    link::take_buffers()
}

/// As [`open`], with the metadata and the handler there from the start.
pub(crate) fn open_with(
    target: &str,
    data: Value,
    buffers: &[&[u8]],
    metadata: Value,
    on_message: Option<Heard>,
) -> Result<Comm> {
    check(&data)?;
    let link = link::link()?;
    let comm = Comm {
        id: crate::show::fresh_id().into(),
        target: target.into(),
    };
    let open = Open {
        comm: comm.clone(),
        on_message: on_message.map(|mut heard| handler(move |comm, data| heard(comm, data))),
        on_close: None,
    };
    registry().open.insert(comm.id.clone(), open);
    let message = json!({
        "kind": "comm_open", "comm_id": &*comm.id, "target_name": target, "data": data, "metadata": metadata,
    });
    link.say_with(message, buffers)?;
    Ok(comm)
}

/// Lets the front end open comms for `name`: the handler gets each with its first message. A second handler for
/// a name takes the place of the first.
///
/// # Errors
/// Outside the Jook kernel.
pub fn on_target(name: impl Into<String>, opened: impl FnMut(&Comm, Value) + Send + 'static) -> Result<()> {
    let name = name.into();
    let link = link::link()?;
    let known = registry().targets.insert(name.clone(), handler(opened));
    match known {
        Some(_) => Ok(()),
        None => link.say(json!({"kind": "comm_target", "name": name})),
    }
}

impl Comm {
    /// Its name, which no other comm has.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The target that it was opened for.
    pub fn target(&self) -> &str {
        &self.target
    }

    /// Whether neither side has closed it.
    pub fn is_open(&self) -> bool {
        registry().open.contains_key(&self.id)
    }

    /// Sends a JSON object to the other end.
    ///
    /// # Errors
    /// When `data` is no object, or the comm is closed.
    pub fn send(&self, data: Value) -> Result<()> {
        self.send_with_buffers(data, &[])
    }

    /// The same, with binary data, which the other end gets as it is.
    ///
    /// # Errors
    /// When `data` is no object, or the comm is closed.
    pub fn send_with_buffers(&self, data: Value, buffers: &[&[u8]]) -> Result<()> {
        check(&data)?;
        if !self.is_open() {
            let what = format!("the comm for {:?} is closed", &*self.target);
            return Err(Error::spec(what).fix("open another one with comm::open"));
        }
        let message = json!({"kind": "comm_msg", "comm_id": &*self.id, "data": data});
        link::link()?.say_with(message, buffers)
    }

    /// Calls `heard` with each message of the other end, from now on and in place of the handler before.
    pub fn on_message(&self, heard: impl FnMut(&Comm, Value) + Send + 'static) {
        if let Some(open) = registry().open.get_mut(&self.id) {
            open.on_message = Some(handler(heard));
        }
    }

    /// Calls `closed` when the other end closes the comm.
    pub fn on_close(&self, closed: impl FnMut(&Comm, Value) + Send + 'static) {
        if let Some(open) = registry().open.get_mut(&self.id) {
            open.on_close = Some(handler(closed));
        }
    }

    /// Closes the comm. One that is closed stays so.
    ///
    /// # Errors
    /// When the kernel is gone.
    pub fn close(&self) -> Result<()> {
        let open = registry().open.remove(&self.id);
        match open {
            Some(_) => link::link()?.say(json!({"kind": "comm_close", "comm_id": &*self.id, "data": {}})),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let open = if self.is_open() { "open" } else { "closed" };
        write!(f, "comm {} for {:?} ({open})", self.id, &*self.target)
    }
}

impl fmt::Display for Comm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

crate::show::show_by_display!(Comm);

fn check(data: &Value) -> Result<()> {
    match data {
        Value::Object(_) => Ok(()),
        _ => Err(Error::data(format!("a comm carries JSON objects, found {data}"))
            .fix("give the value a name: json!({\"value\": …})")),
    }
}

/// Handles a message of the front end; called on the thread of the handlers.
fn handle(mut message: Value) {
    let data = message["data"].take();
    let id: Arc<str> = message["comm_id"].as_str().unwrap_or_default().into();
    match message["kind"].as_str() {
        Some("comm_open") => {
            let target = message["target_name"].as_str().unwrap_or_default();
            let comm = Comm {
                id: id.clone(),
                target: target.into(),
            };
            let opened = {
                let mut registry = registry();
                let open = Open {
                    comm: comm.clone(),
                    on_message: None,
                    on_close: None,
                };
                registry.open.insert(id, open);
                registry.targets.get(target).cloned()
            };
            call(opened, &comm, data);
        }
        Some("comm_msg") => {
            let found = registry()
                .open
                .get(&id)
                .map(|open| (open.comm.clone(), open.on_message.clone()));
            if let Some((comm, on_message)) = found {
                call(on_message, &comm, data);
            }
        }
        Some("comm_close") => {
            let found = registry().open.remove(&id);
            if let Some(open) = found {
                call(open.on_close, &open.comm, data);
            }
        }
        _ => {}
    }
}

/// Called without the registry's lock: a handler may open, send and close.
fn call(handler: Option<Handler>, comm: &Comm, data: Value) {
    if let Some(handler) = handler {
        let mut handler = handler.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        handler(comm, data);
    }
}

/// Runs a handler. Where it panics, the hook for panics says so as an output of the request that it handles.
pub(crate) fn carefully(handler: impl FnOnce()) {
    drop(std::panic::catch_unwind(AssertUnwindSafe(handler)));
}

/// What a panic said.
pub(crate) fn panic_message(panic: &(dyn Any + Send)) -> &str {
    let literal = panic.downcast_ref::<&str>().copied();
    let made = || panic.downcast_ref::<String>().map(String::as_str);
    literal.or_else(made).unwrap_or("(the panic's value is not text)")
}

/// Sends an output to the front end as one of the request that a handler got; false when there is no way to.
fn show(request: &str, output: Value) -> bool {
    link::established().is_some_and(|link| link.write(Some(request), output).is_ok())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// A comm that leads nowhere.
    pub(crate) fn unconnected() -> Comm {
        Comm {
            id: "unconnected".into(),
            target: "nowhere".into(),
        }
    }

    #[test]
    fn outside_the_kernel_and_for_other_things_than_objects_there_is_a_way_out() {
        let error = open("t", json!([1])).unwrap_err().to_string();
        assert!(error.contains("JSON objects, found [1]") && error.contains("json!"));
        for error in [
            open("t", json!({})).unwrap_err(),
            on_target("t", |_, _| {}).unwrap_err(),
        ] {
            assert!(error.to_string().contains("jook lab"), "{error}");
        }
    }

    #[test]
    fn what_the_front_end_opens_is_heard_until_it_closes_it() {
        let (tell, heard) = std::sync::mpsc::channel();
        let target = move |comm: &Comm, data: Value| {
            tell.send(data).unwrap();
            let (told, closed) = (tell.clone(), tell.clone());
            comm.on_message(move |_, data| told.send(data).unwrap());
            comm.on_close(move |comm, data| {
                assert!(!comm.is_open());
                closed.send(data).unwrap();
            });
        };
        registry().targets.insert("test".into(), handler(target));
        for (kind, data) in [
            ("comm_open", 1),
            ("comm_msg", 2),
            ("comm_close", 3),
            ("comm_msg", 4),
        ] {
            handle(json!({"kind": kind, "comm_id": "c", "target_name": "test", "data": data}));
        }
        assert_eq!(heard.try_iter().collect::<Vec<_>>(), [1, 2, 3]);
    }

    #[test]
    fn a_panic_says_what_it_said() {
        let said = |f: fn()| panic_message(&*std::panic::catch_unwind(f).unwrap_err()).to_owned();
        assert_eq!(said(|| panic!("plain")), "plain");
        assert_eq!(said(|| panic!("made {}", 1)), "made 1");
    }
}
