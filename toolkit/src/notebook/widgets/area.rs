//! A place for what handlers show.

use std::sync::{Arc, Mutex};

use crate::show::{Backend, Bundle, Display, Show, backend};

/// A place in the output of the cell that makes it, where a handler shows one thing after the other: what else
/// a handler shows has no cell to appear under. Clones are the same place.
///
/// ```no_run
/// use jook::prelude::*;
/// let button = Button::new("Roll");
/// show(&button);
/// let area = Area::new();
/// let mut rolls = 0;
/// button.on_click(move || {
///     rolls += 1;
///     area.set(&format!("rolled {rolls} times"));
/// });
/// ```
#[derive(Clone, Debug)]
pub struct Area {
    display: Arc<Mutex<Option<Display>>>,
}

impl Area {
    /// An empty place, here. Where nothing can be replaced it begins with the first thing shown.
    #[expect(clippy::new_without_default, reason = "it takes its place in the output")]
    pub fn new() -> Self {
        let empty = (backend() == Backend::Notebook).then(|| Display::new(&Bundle::text("")));
        Self {
            display: Arc::new(Mutex::new(empty)),
        }
    }

    /// Shows a value, in place of the one before.
    pub fn set<T: Show + ?Sized>(&self, value: &T) {
        let bundle = one(value);
        let mut display = self.display.lock().unwrap_or_else(|e| e.into_inner());
        match &*display {
            Some(display) => display.update(&bundle),
            None => *display = Some(Display::new(&bundle)),
        }
    }

    /// Empties it.
    pub fn clear(&self) {
        self.set(&Bundle::text(""));
    }
}

/// It has its place already.
impl Show for Area {
    fn bundle(&self) -> Bundle {
        Bundle::text("(on display)")
    }

    fn outputs(&self) -> Vec<Bundle> {
        Vec::new()
    }
}

/// What fits in one place: the last output that a value makes, nothing when it makes none.
pub(super) fn one<T: Show + ?Sized>(value: &T) -> Bundle {
    value.outputs().pop().unwrap_or_else(|| Bundle::text(""))
}
