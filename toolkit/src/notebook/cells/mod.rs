//! What the code around a cell calls. It is compiled here, once, so that a cell's own crate holds little more than the
//! cell. Not for users: the kernel writes the calls.

mod ending;
mod kernel;
mod made_of;
mod panics;
mod printing;
mod shell;
mod value;
mod waiting;

pub use ending::{
    EvcxrUserCodeError, Panicked, Settle, UnderWay, begun, caught, displayed, entered, finished, guarded,
    left_early, left_with, panicked, send_text, settle, under_way, with_causes,
};
pub(crate) use kernel::kernel;
#[cfg(test)]
pub(crate) use kernel::tests as kernel_for_tests;
pub use made_of::made_of;
pub(crate) use made_of::{earlier_studies, in_trial, reads, running_cell};
pub use panics::{is_on_this_thread, report_panics};
pub(crate) use printing::{Stream, taken_by};
pub use shell::shell;
pub use value::{
    ByIterator, ByTarget, Counted, Unknown, send_value, send_value_as, with_debug, with_display,
};
pub use waiting::{STOPPED, stoppable};

use std::any::{Any, TypeId};
use std::collections::HashMap;
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::Arc;

/// evcxr's word for a variable whose type was defined anew.
pub const VARIABLE_CHANGED_TYPE: &str = "EVCXR_VARIABLE_CHANGED_TYPE:";
/// evcxr's word for a cell that left by `?`.
pub const USER_ERROR_OCCURRED: &str = "EVCXR_ERROR_OCCURRED";

/// `!` as a type of its own: it can only be written as what a function returns.
pub type Never = <fn() -> ! as Function>::Returned;

/// A function without parameters.
pub trait Function {
    /// What it returns.
    type Returned;
}

impl<R> Function for fn() -> R {
    type Returned = R;
}

/// The variables of a notebook between its cells. Has the face of evcxr's own, which is compiled with every cell.
#[derive(Default)]
pub struct VariableStore {
    variables: HashMap<String, Kept>,
    /// What variables came from that the running cell has taken and cannot change.
    unchanged: HashMap<String, u64>,
}

/// A variable, and of what type it was when it was kept.
struct Kept {
    value: Box<dyn Any>,
    type_name: &'static str,
    /// Of the notebook's own definitions that the layout of the type depends on; 0 where there are none.
    digest: u64,
    /// What it came from: see [`made_of`].
    origin: u64,
}

/// What a cell's call says of a type.
struct OfType {
    id: TypeId,
    name: &'static str,
    digest: u64,
}

impl OfType {
    fn new<T: 'static>(digest: u64) -> Self {
        Self {
            id: TypeId::of::<T>(),
            name: std::any::type_name::<T>(),
            digest,
        }
    }
}

impl Kept {
    /// Whether the value is what is called by this type now. The name and the digest say it together: a type of the
    /// notebook's own may get another identity while its definition stays as it was, or keep it while its fields change.
    fn is(&self, of_type: &OfType) -> bool {
        let same = self.digest == of_type.digest && self.type_name == of_type.name;
        same && (of_type.digest != 0 || (*self.value).type_id() == of_type.id)
    }
}

/// What a cell does with a variable that it takes.
enum Taken {
    AsItIs,
    ToChange,
    ToReplace,
}

/// A new store, on the heap; it lives as long as the process.
pub fn create_variable_store() -> *mut VariableStore {
    Box::into_raw(Box::default())
}

/// What is generic is compiled with each cell that calls it: it does no more than it must.
impl VariableStore {
    /// Keeps `value`, of a type with this digest, under `name`.
    pub fn put_as<T: 'static>(&mut self, digest: u64, name: &str, value: T) {
        self.put(name, Box::new(value), &OfType::new::<T>(digest));
    }

    /// Whether the variable, if there is one, is still of the type `T`; tells evcxr when it is not.
    pub fn check_as<T: 'static>(&mut self, digest: u64, name: &str) -> bool {
        self.check(name, &OfType::new::<T>(digest))
    }

    /// Gives the variable out to a cell that cannot change it.
    ///
    /// # Panics
    /// When it is not there or of another type: [`VariableStore::check_as`] was not asked.
    pub fn take_as<T: 'static>(&mut self, digest: u64, name: &str) -> T {
        let value = self.take(name, &OfType::new::<T>(digest), Taken::AsItIs);
        // SAFETY: the value has the type `T`, or one of the same name and digest: the same definitions, compiled by the
        // same compiler with the same options, have the same layout.
        unsafe { *Box::from_raw(value.cast::<T>()) }
    }

    /// Gives the variable out to a cell that may change it or put another one in its place.
    ///
    /// # Panics
    /// As [`VariableStore::take_as`].
    pub fn take_to_change_as<T: 'static>(&mut self, digest: u64, name: &str) -> T {
        let value = self.take(name, &OfType::new::<T>(digest), Taken::ToChange);
        // SAFETY: as in `take_as`.
        unsafe { *Box::from_raw(value.cast::<T>()) }
    }

    /// Gives the variable out to a cell that puts another one in its place before it looks at this one.
    ///
    /// # Panics
    /// As [`VariableStore::take_as`].
    pub fn take_to_replace_as<T: 'static>(&mut self, digest: u64, name: &str) -> Replaced<T> {
        Replaced {
            value: Some(self.out(name, &OfType::new::<T>(digest), Taken::ToReplace)),
            of_type: PhantomData,
        }
    }

    fn put(&mut self, name: &str, value: Box<dyn Any>, of_type: &OfType) {
        let kept = Kept {
            value,
            type_name: of_type.name,
            digest: of_type.digest,
            origin: self.unchanged.remove(name).unwrap_or_else(made_of::origin),
        };
        self.variables.insert(name.to_owned(), kept);
    }

    fn check(&self, name: &str, of_type: &OfType) -> bool {
        match self.variables.get(name) {
            Some(kept) if !kept.is(of_type) => changed(name),
            _ => true,
        }
    }

    /// Where the value lies on the heap; the caller owns it.
    fn take(&mut self, name: &str, of_type: &OfType, how: Taken) -> *mut () {
        Box::into_raw(self.out(name, of_type, how)).cast()
    }

    fn out(&mut self, name: &str, of_type: &OfType, how: Taken) -> Box<dyn Any> {
        let Some(kept) = self.variables.remove(name) else {
            panic!("variable {name} has gone missing")
        };
        if let Taken::AsItIs = how {
            self.unchanged.insert(name.to_owned(), kept.origin);
        }
        if let Taken::AsItIs | Taken::ToChange = how {
            made_of::takes(kept.origin);
        }
        if !kept.is(of_type) {
            panic!("variable {name} changed its type");
        }
        kept.value
    }

    /// Drops variables whose type is another one now. A panic of their own is told and goes no further.
    pub fn forget(&mut self, names: &[&str]) {
        for name in names {
            let kept = self.variables.remove(*name);
            dropped(kept.map(|kept| kept.value));
        }
    }

    /// As [`VariableStore::put_as`], for a type that nothing of the notebook's own is in.
    pub fn put_variable<T: 'static>(&mut self, name: &str, value: T) {
        self.put_as(0, name, value);
    }

    /// As [`VariableStore::check_as`].
    pub fn check_variable<T: 'static>(&mut self, name: &str) -> bool {
        self.check_as::<T>(0, name)
    }

    /// As [`VariableStore::take_as`].
    ///
    /// # Panics
    /// As there.
    pub fn take_variable<T: 'static>(&mut self, name: &str) -> T {
        self.take_to_change_as(0, name)
    }

    /// One value of each type for all cells, made at first use: a notebook that brings in a tokio of its own has that
    /// one's runtime from then on, beside the one that its cells had before.
    ///
    /// # Panics
    /// Never: a value of the type is what is under its name.
    pub fn lazy_arc<T: 'static, F: FnOnce() -> T>(&mut self, name: &str, create: F) -> Arc<T> {
        let name = format!("{name} {:?}", TypeId::of::<T>());
        let kept = self.variables.entry(name).or_insert_with(|| Kept {
            value: Box::new(Arc::new(create())),
            type_name: std::any::type_name::<Arc<T>>(),
            digest: 0,
            origin: 0,
        });
        let value = kept.value.downcast_ref::<Arc<T>>();
        value.expect("a value of the type").clone()
    }
}

/// A variable that another one takes the place of. It lives as long as the cell runs, as a shadowed one does, and a panic
/// of its own as it is dropped costs nothing else, also where another has panicked before.
pub struct Replaced<T> {
    value: Option<Box<dyn Any>>,
    of_type: PhantomData<T>,
}

impl<T> Deref for Replaced<T> {
    type Target = T;

    fn deref(&self) -> &T {
        let value: *const dyn Any = match &self.value {
            Some(value) => &**value,
            None => unreachable!("the value is there until it is dropped"),
        };
        // SAFETY: the value has the type `T`, or one of the same name and digest, as in `take_as`.
        unsafe { &*value.cast::<T>() }
    }
}

impl<T> Drop for Replaced<T> {
    fn drop(&mut self) {
        dropped(self.value.take());
    }
}

/// Drops a value of a notebook. A panic of its own is told and goes no further.
fn dropped(value: Option<Box<dyn Any>>) {
    if std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| drop(value))).is_err() {
        ending::drop_panicked();
    }
}

fn changed(name: &str) -> bool {
    match kernel() {
        Some(kernel) => {
            kernel.say(&serde_json::json!({"kind": "retyped", "name": name}));
            kernel.tell_evcxr(&format!("{VARIABLE_CHANGED_TYPE}{name}"));
        }
        None => {
            eprintln!("The type of the variable {name} was redefined, so was lost.");
            println!("{VARIABLE_CHANGED_TYPE}{name}");
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_come_back_as_they_went_in() {
        let mut store = VariableStore::default();
        store.put_variable("v", vec![1, 2]);
        assert!(store.check_variable::<Vec<i32>>("v") && !store.check_variable::<u8>("v"));
        assert!(store.check_variable::<u8>("no such variable"));
        assert_eq!(store.take_variable::<Vec<i32>>("v"), [1, 2]);
        store.put_as(7, "w", vec![1.0]);
        assert!(store.check_as::<Vec<f64>>(7, "w") && !store.check_as::<Vec<f64>>(8, "w"));
        assert!(!store.check_as::<Vec<f32>>(7, "w"));
        assert_eq!(store.take_as::<Vec<f64>>(7, "w"), [1.0]);
        store.put_as(7, "w", 1);
        store.forget(&["w", "no such variable"]);
        assert!(store.check_as::<u8>(0, "w"));
        let once = store.lazy_arc("n", || 1);
        assert_eq!((*once, *store.lazy_arc("n", || 2)), (1, 1));
        assert_eq!(
            (*store.lazy_arc("n", || "other"), *store.lazy_arc("n", || 3)),
            ("other", 1)
        );
    }
}
