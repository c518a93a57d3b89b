//! What the code around a cell calls. It is compiled here, once, so that a cell's own crate holds little more than the
//! cell. Not for users: the kernel writes the calls.

mod ending;
mod kernel;
mod panics;
mod printing;
mod shell;
mod value;

pub use ending::{begun, displayed, finished, left_early, left_with, panicked, send_text, with_causes};
pub(crate) use kernel::kernel;
#[cfg(test)]
pub(crate) use kernel::tests as kernel_for_tests;
pub use panics::{is_on_this_thread, report_panics};
pub(crate) use printing::{Stream, taken_by};
pub use shell::shell;
pub use value::{
    ByIterator, ByTarget, Counted, Unknown, send_value, send_value_as, with_debug, with_display,
};

use std::any::Any;
use std::collections::HashMap;
use std::sync::Arc;

/// evcxr's word for a variable whose type was defined anew.
pub const VARIABLE_CHANGED_TYPE: &str = "EVCXR_VARIABLE_CHANGED_TYPE:";
/// evcxr's word for a cell that left by `?`.
pub const USER_ERROR_OCCURRED: &str = "EVCXR_ERROR_OCCURRED";

/// The variables of a notebook between its cells. Has the face of evcxr's own, which is compiled with every cell.
#[derive(Default)]
pub struct VariableStore {
    variables: HashMap<String, Box<dyn Any>>,
}

/// A new store, on the heap; it lives as long as the process.
pub fn create_variable_store() -> *mut VariableStore {
    Box::into_raw(Box::default())
}

impl VariableStore {
    /// Keeps `value` under `name`.
    pub fn put_variable<T: 'static>(&mut self, name: &str, value: T) {
        self.put(name, Box::new(value));
    }

    /// Whether the variable, if there is one, is still of the type `T`; tells evcxr when it is not.
    pub fn check_variable<T: 'static>(&mut self, name: &str) -> bool {
        match self.get(name) {
            Some(value) if !value.is::<T>() => changed(name),
            _ => true,
        }
    }

    /// Gives the variable out.
    ///
    /// # Panics
    /// When it is not there or of another type: [`VariableStore::check_variable`] was not asked.
    pub fn take_variable<T: 'static>(&mut self, name: &str) -> T {
        match self.take(name).downcast() {
            Ok(value) => *value,
            Err(_) => panic!("variable {name} changed its type"),
        }
    }

    /// One value for all cells, made at first use.
    ///
    /// # Panics
    /// When it was made with another type.
    pub fn lazy_arc<T: 'static, F: FnOnce() -> T>(&mut self, name: &str, create: F) -> Arc<T> {
        let value = self
            .variables
            .entry(name.to_owned())
            .or_insert_with(|| Box::new(Arc::new(create())));
        match value.downcast_ref::<Arc<T>>() {
            Some(value) => value.clone(),
            None => panic!("{name} changed its type"),
        }
    }

    fn put(&mut self, name: &str, value: Box<dyn Any>) {
        self.variables.insert(name.to_owned(), value);
    }

    fn get(&self, name: &str) -> Option<&dyn Any> {
        self.variables.get(name).map(|value| &**value)
    }

    fn take(&mut self, name: &str) -> Box<dyn Any> {
        match self.variables.remove(name) {
            Some(value) => value,
            None => panic!("variable {name} has gone missing"),
        }
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
        let once = store.lazy_arc("n", || 1);
        assert_eq!((*once, *store.lazy_arc("n", || 2)), (1, 1));
    }
}
