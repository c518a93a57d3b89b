//! A closure that runs again when a widget changes.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use super::area::{Area, one};
use crate::show::{Bundle, Show};
use crate::{Error, Result, cells, comm};

/// Something with a value that the person changes: a slider, a list, or two or three of them.
pub trait Control: Clone + Send + 'static {
    /// What it gives.
    type Value;

    /// The value now.
    fn value(&self) -> Self::Value;

    /// Whether it can be shown.
    ///
    /// # Errors
    /// When it has been given what it cannot have; says what, and the way out.
    fn check(&self) -> Result<()>;

    /// Calls `changed` after the person changed the value.
    fn watch(&self, changed: Arc<dyn Fn() + Send + Sync>);

    /// Puts it on display.
    fn display(&self);
}

macro_rules! several {
    ($($name:ident $index:tt),+) => {
        impl<$($name: Control),+> Control for ($($name,)+) {
            type Value = ($($name::Value,)+);

            fn value(&self) -> Self::Value {
                ($(self.$index.value(),)+)
            }

            fn check(&self) -> Result<()> {
                $(self.$index.check()?;)+
                Ok(())
            }

            fn watch(&self, changed: Arc<dyn Fn() + Send + Sync>) {
                $(self.$index.watch(changed.clone());)+
            }

            fn display(&self) {
                $(self.$index.display();)+
            }
        }
    };
}
several!(A 0, B 1);
several!(A 0, B 1, C 2);

/// Shows a widget and below it what `run` makes of its value; when the person changes the value, `run` runs again
/// and its result takes the place of the one before. Several widgets go in a tuple. The last of several outputs
/// is shown; a panic is shown in its place. What the first run prints, and runs after it, stands above the result.
///
/// `run` runs on the thread of the handlers, also while a cell runs. A slider that is dragged asks for a new
/// result as soon as there is one; for what takes long, use [`when_released`](super::Slider::when_released).
///
/// ```no_run
/// use jook::prelude::*;
/// let noise = FloatSlider::new("noise", 0.0, 1.0, 0.1);
/// let n = IntSlider::new("points", 50, 500, 200).step(50);
/// interact((noise, n), |(noise, n)| {
///     datasets::two_moons(n as usize, noise, 0).map(|moons| moons.chart())
/// })?;
/// # Ok::<(), jook::Error>(())
/// ```
///
/// # Errors
/// When the widget has been given what it cannot have.
pub fn interact<C: Control, S: Show>(
    control: C,
    mut run: impl FnMut(C::Value) -> S + Send + 'static,
) -> Result<Interact<C>> {
    control.check()?;
    control.display();
    let (first, printed) = with_what_it_prints(|| one(&run(control.value())));
    // Only a closure that prints needs the place for it.
    let words = (!printed.is_empty()).then(Area::new);
    tell(words.as_ref(), &printed);
    let first = first.unwrap_or_else(|panic| resume_unwind(panic));
    let area = Area::new();
    area.set(&first);
    let source = control.clone();
    let again = Mutex::new(move || one(&run(source.value())));
    control.watch(Arc::new(move || {
        let mut again = again.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        let (result, printed) = with_what_it_prints(&mut *again);
        tell(words.as_ref(), &printed);
        area.set(&result.unwrap_or_else(|panic| panicked(comm::panic_message(&*panic))));
    }));
    Ok(Interact { control })
}

/// What `run` makes, and the text that it prints meanwhile.
fn with_what_it_prints<T>(run: impl FnOnce() -> T) -> (std::thread::Result<T>, String) {
    let printed = Rc::new(RefCell::new(String::new()));
    let into = printed.clone();
    let made = cells::taken_by(
        move |_, text| into.borrow_mut().push_str(text),
        || catch_unwind(AssertUnwindSafe(run)),
    );
    (made, printed.take())
}

/// Shows what the closure has printed in its place, if there is one.
fn tell(words: Option<&Area>, printed: &str) {
    match words {
        Some(words) => words.set(&Bundle::text(printed.trim_end_matches('\n'))),
        None => print!("{printed}"),
    }
}

fn panicked(message: &str) -> Bundle {
    Error::spec(format!("the closure panicked: {message}"))
        .fix("choose another value, or run the cell again with a changed closure")
        .bundle()
}

/// What [`interact`] put on display.
#[derive(Clone, Debug)]
pub struct Interact<C> {
    control: C,
}

impl<C: Control> Interact<C> {
    /// The value now.
    pub fn value(&self) -> C::Value {
        self.control.value()
    }

    /// The widget.
    pub fn control(&self) -> &C {
        &self.control
    }
}

/// It is on display already.
impl<C> Show for Interact<C> {
    fn bundle(&self) -> Bundle {
        Bundle::text("(on display)")
    }

    fn outputs(&self) -> Vec<Bundle> {
        Vec::new()
    }
}
