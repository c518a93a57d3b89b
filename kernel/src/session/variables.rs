//! `:vars`: what the notebook holds, and how much memory that takes.

use crate::session::commands;
use crate::session::talk::protocol::Event;
use crate::session::tell::losses::Variable;
use std::collections::HashMap;
use std::fmt::Write;

/// Longer types are cut.
const TYPE_WIDTH: usize = 72;

/// A cell that measures the variables. A value's own bytes always count, what it holds elsewhere only where that
/// is known at little cost; the most precise measure that a type has is found by method lookup, which tries a
/// receiver with more `&` first.
pub fn measuring(variables: &[Variable]) -> String {
    let mut code = MEASURES.to_owned();
    for (name, _) in variables {
        let _ = writeln!(
            code,
            "let _ = ::std::writeln!(sizes, \"{name}\\t{{}}\", (&&&JookSize(&{name})).jook_bytes());"
        );
    }
    code.push_str("::jook::cells::send_text(&sizes);\n};");
    code
}

const MEASURES: &str = r#"{
use ::std::fmt::Write as _;
use ::std::{boxed::Box, clone::Clone, iter::{IntoIterator, Iterator}, marker::{Copy, Sized}, mem::size_of, ops::Drop, option::Option, string::String, vec::Vec};
use ::jook::prelude::{dfdx, polars};
struct JookSize<'a, T>(&'a T);
trait JookHeap { const FLAT: bool = false; fn jook_heap(&self) -> usize; }
trait JookDeep { fn jook_bytes(&self) -> usize; }
trait JookList { fn jook_bytes(&self) -> usize; }
trait JookPlain { fn jook_bytes(&self) -> usize; }
impl<T: JookHeap> JookDeep for &&JookSize<'_, T> {
    fn jook_bytes(&self) -> usize { size_of::<T>() + self.0.jook_heap() }
}
impl<T> JookList for &JookSize<'_, Vec<T>> {
    fn jook_bytes(&self) -> usize { size_of::<Vec<T>>() + self.0.capacity() * size_of::<T>() }
}
impl<T> JookPlain for JookSize<'_, T> { fn jook_bytes(&self) -> usize { size_of::<T>() } }
macro_rules! flat { ($($t:ty)*) => { $(impl JookHeap for $t { const FLAT: bool = true; fn jook_heap(&self) -> usize { 0 } })* } }
flat!(u8 u16 u32 u64 u128 usize i8 i16 i32 i64 i128 isize f32 f64 bool char &'static str);
impl JookHeap for String { fn jook_heap(&self) -> usize { self.capacity() } }
impl<T: JookHeap> JookHeap for Vec<T> {
    fn jook_heap(&self) -> usize {
        let held = if T::FLAT { 0 } else { self.iter().map(|item| item.jook_heap()).sum() };
        self.capacity() * size_of::<T>() + held
    }
}
impl<T: JookHeap> JookHeap for Option<T> { fn jook_heap(&self) -> usize { self.as_ref().map_or(0, |item| item.jook_heap()) } }
impl<T: JookHeap> JookHeap for Box<T> { fn jook_heap(&self) -> usize { size_of::<T>() + (**self).jook_heap() } }
impl<T: JookHeap, const N: usize> JookHeap for [T; N] {
    fn jook_heap(&self) -> usize { if T::FLAT { 0 } else { self.iter().map(|item| item.jook_heap()).sum() } }
}
impl<A: JookHeap, B: JookHeap> JookHeap for (A, B) { fn jook_heap(&self) -> usize { self.0.jook_heap() + self.1.jook_heap() } }
impl JookHeap for polars::prelude::DataFrame { fn jook_heap(&self) -> usize { self.estimated_size() } }
impl JookHeap for polars::prelude::Series { fn jook_heap(&self) -> usize { self.estimated_size() } }
impl JookHeap for ::jook::prelude::Dataset { fn jook_heap(&self) -> usize { ::std::mem::size_of_val(self.features()) } }
impl<S: dfdx::shapes::Shape, E, D: dfdx::tensor::Storage<E>, T> JookHeap for dfdx::tensor::Tensor<S, E, D, T> {
    fn jook_heap(&self) -> usize { dfdx::shapes::Shape::num_elements(dfdx::shapes::HasShape::shape(self)) * size_of::<E>() }
}
let mut sizes = String::new();
"#;

/// The table; `measured` is what the measuring cell wrote, when it could be run.
pub fn table(variables: &[Variable], measured: Option<&str>) -> Event {
    let sizes: HashMap<&str, usize> = measured
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .filter_map(|(name, bytes)| Some((name, bytes.parse().ok()?)))
        .collect();
    let mut rows: Vec<Vec<String>> = variables
        .iter()
        .map(|(name, kind)| {
            let size = sizes
                .get(name.as_str())
                .map_or("?".to_owned(), |bytes| readable(*bytes));
            vec![name.clone(), short(kind), size]
        })
        .collect();
    rows.sort();
    commands::table(&["name", "type", "size"], &rows)
}

fn readable(bytes: usize) -> String {
    let mut size = bytes as f64;
    for unit in ["B", "KiB", "MiB"] {
        if size < 1024.0 {
            return if unit == "B" {
                format!("{bytes} B")
            } else {
                format!("{size:.1} {unit}")
            };
        }
        size /= 1024.0;
    }
    format!("{size:.1} GiB")
}

/// A type without the paths of its names, and not too long.
fn short(kind: &str) -> String {
    let mut out = String::new();
    for part in kind.split_inclusive(|c: char| !c.is_alphanumeric() && c != '_') {
        out.push_str(part);
        if out.ends_with("::") {
            let name = out.trim_end_matches("::");
            let start = name
                .rfind(|c: char| !c.is_alphanumeric() && c != '_')
                .map_or(0, |at| at + name[at..].chars().next().map_or(1, char::len_utf8));
            out.truncate(start);
        }
    }
    if out.chars().count() > TYPE_WIDTH {
        out = out.chars().take(TYPE_WIDTH - 1).collect();
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_lose_their_paths() {
        for (long, brief) in [
            (
                "alloc::vec::Vec<std::collections::HashMap<String, jook::data::Dataset>>",
                "Vec<HashMap<String, Dataset>>",
            ),
            ("(i32, f64)", "(i32, f64)"),
            ("Box<dyn core::ops::Fn(f64) -> f64>", "Box<dyn Fn(f64) -> f64>"),
        ] {
            assert_eq!(short(long), brief);
        }
        assert_eq!(short(&"x".repeat(200)).chars().count(), TYPE_WIDTH);
    }

    #[test]
    fn sizes_are_told_in_units_and_what_was_not_measured_is_marked() {
        let variables = [
            ("b".to_owned(), "u8".to_owned()),
            ("a".to_owned(), "Vec<u8>".to_owned()),
        ];
        let Event::Display { data, .. } = table(&variables, Some("a\t1536\n")) else {
            panic!()
        };
        assert_eq!(
            data["text/plain"],
            "name  type     size\na     Vec<u8>  1.5 KiB\nb     u8       ?"
        );
        assert_eq!(readable(3 << 30), "3.0 GiB");
    }
}
