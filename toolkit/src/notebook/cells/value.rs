//! The text of a value that ends a cell and has no display of its own: what `Debug` writes, up to a limit.

use std::fmt;
use std::ops::Deref;

use super::send_text;
use crate::show::cut::Beginning;

/// Shows a value by evcxr's format string, in the place of its `evcxr_send_text_plain(&format!(…))`. With two values
/// the first is the type's name. What the format needs is asked of the user's own expression, so that the compiler
/// points there when it is not given.
#[doc(hidden)]
#[macro_export]
macro_rules! __jook_send_value {
    (("{:?}", $value:expr $(,)?)) => {
        $crate::cells::send_value_as!("{:?}", [], $crate::cells::with_debug($value))
    };
    (("{:#?}", $value:expr $(,)?)) => {
        $crate::cells::send_value_as!("{:#?}", [], $crate::cells::with_debug($value))
    };
    (("{}", $value:expr $(,)?)) => {
        $crate::cells::send_value_as!("{}", [], $crate::cells::with_display($value))
    };
    (($format:literal, $value:expr $(,)?)) => {
        $crate::cells::send_value_as!($format, [], $value)
    };
    (($format:literal, $name:expr, $value:expr $(,)?)) => {
        $crate::cells::send_value_as!($format, [$name,], $value)
    };
    ($format:literal, [$($name:expr,)?], $value:expr) => {
        match $value {
            value => {
                #[allow(unused_imports)]
                use $crate::cells::{ByIterator as _, ByTarget as _, Unknown as _};
                let length = (&&&$crate::cells::Counted(value)).length();
                $crate::cells::send_value(::core::format_args!($format, $($name,)? value), length, $format)
            }
        }
    };
}
pub use crate::__jook_send_value as send_value_as;

/// Shows what `arguments` write, cut when it is long; `length` counts the value's elements, where they can be counted.
pub fn send_value(arguments: fmt::Arguments<'_>, length: Option<usize>, format: &str) {
    send_text(&text(arguments, length, format));
}

fn text(arguments: fmt::Arguments<'_>, length: Option<usize>, format: &str) -> String {
    // An `Option` has an iterator, too; one element says nothing.
    let length = length.filter(|n| *n > 1).map(|n| format!("{n} elements"));
    let format = format.rfind('{').map_or(format, |at| &format[at..]);
    Beginning::of(arguments).with_note(length, &format!("println!(\"{format}\", …)"))
}

/// The value, which `Debug` can write.
pub fn with_debug<T: fmt::Debug + ?Sized>(value: &T) -> &T {
    value
}

/// The value, which `Display` can write.
pub fn with_display<T: fmt::Display + ?Sized>(value: &T) -> &T {
    value
}

/// A value that may have elements to count. Which of the traits below answers is decided by the number of references
/// before it: the first that its type has.
#[derive(Debug)]
pub struct Counted<'v, T: ?Sized>(pub &'v T);

/// Values that are iterated over by reference and know how often: collections.
pub trait ByIterator {
    /// The number of elements.
    fn length(&self) -> Option<usize>;
}

impl<T: ?Sized> ByIterator for &&Counted<'_, T>
where
    for<'a> &'a T: IntoIterator<IntoIter: ExactSizeIterator>,
{
    fn length(&self) -> Option<usize> {
        Some(self.0.into_iter().len())
    }
}

/// The same behind a reference, a box or a guard.
pub trait ByTarget {
    /// The number of elements.
    fn length(&self) -> Option<usize>;
}

impl<T: ?Sized + Deref> ByTarget for &Counted<'_, T>
where
    for<'a> &'a T::Target: IntoIterator<IntoIter: ExactSizeIterator>,
{
    fn length(&self) -> Option<usize> {
        Some(self.0.deref().into_iter().len())
    }
}

/// All other values.
pub trait Unknown {
    /// Nothing.
    fn length(&self) -> Option<usize>;
}

impl<T: ?Sized> Unknown for Counted<'_, T> {
    fn length(&self) -> Option<usize> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, HashMap, VecDeque};
    use std::sync::{Arc, Mutex};

    use super::*;

    macro_rules! length {
        ($value:expr) => {
            (&&&Counted(&$value)).length()
        };
    }

    #[test]
    fn elements_are_counted_where_a_collection_knows_them() {
        let map: HashMap<u32, &str> = (0..9).map(|n| (n, "x")).collect();
        assert_eq!(length!(map), Some(9));
        assert_eq!(
            (length!(&map), length!(Arc::new(map.clone()))),
            (Some(9), Some(9))
        );
        let guarded = Mutex::new(BTreeMap::from([(1, 2), (3, 4)]));
        assert_eq!(
            (length!(guarded.lock().unwrap()), length!(guarded)),
            (Some(2), None)
        );
        assert_eq!(
            (length!(VecDeque::from([1, 2])), length!([[0; 3]; 4])),
            (Some(2), Some(4))
        );
        assert_eq!(
            (length!(("a", 1)), length!(0..5), length!("text")),
            (None, None, None)
        );
    }

    #[test]
    fn a_short_value_is_whole_and_a_long_one_says_how_to_see_all() {
        assert_eq!(text(format_args!("{:?}", Some(1)), Some(1), "{:?}"), "Some(1)");
        let long = text(
            format_args!(": {} = {:#?}", "T", [0; 9_999]),
            Some(9_999),
            ": {} = {:#?}",
        );
        assert!(long.starts_with(": T = [\n    0,"));
        let note = "(cut: the first 5000 characters of 9999 elements; `println!(\"{:#?}\", …)` prints all)";
        assert!(long.ends_with(note), "{long}");
    }
}
