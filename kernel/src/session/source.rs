//! Small additions to the source that evcxr generates for a cell, before it is compiled.
//!
//! No line that the user wrote moves: replacements stay within generated lines, and the rest is appended.

use super::early_return::{self, Bound};

/// Adds to a cell's crate what the kernel needs to know from it:
///
/// - a wrapper around its entry point, which flushes output without a final newline and says when it ends;
/// - the error of a `?` and the fact of a panic as messages of the protocol.
pub fn with_notices(source: &str, bound: Bound) -> String {
    // The first one is evcxr's own trial: nobody reads its output yet, and evcxr waits until it is read.
    if entry_point(source).is_some_and(|(_, number)| number == 0) {
        return source.to_owned();
    }
    let mut out = source.replace(PANIC_LINE, "::jook::cells::panicked();").replace(
        "b\"EVCXR_BEGIN_CONTENT text/plain\\n\"",
        "b\"\\x1ejook {\\\"kind\\\":\\\"break\\\"}\\nEVCXR_BEGIN_CONTENT text/plain\\n\"",
    );
    early_return::tell(&mut out, bound);
    if let Some((before, number)) = entry_point(&out) {
        out.replace_range(before..before + ENTRY.len(), "pub extern \"C\" fn jook_cell_");
        out.push_str(&wrapper(number));
    }
    out
}

const PANIC_LINE: &str = "println!(\"EVCXR_PANIC_NOTIFICATION\");";
const ENTRY: &str = "pub extern \"C\" fn run_user_code_";

fn entry_point(source: &str) -> Option<(usize, usize)> {
    let at = source.rfind(ENTRY)?;
    let digits: String = source[at + ENTRY.len()..]
        .chars()
        .take_while(char::is_ascii_digit)
        .collect();
    Some((at, digits.parse().ok()?))
}

fn wrapper(number: usize) -> String {
    format!(
        r#"
#[unsafe(no_mangle)]
pub extern "C" fn run_user_code_{number}(store: *mut std::os::raw::c_void) -> *mut std::os::raw::c_void {{
    ::jook::cells::begun({number}, jook_cell_{number} as *const ());
    let store = jook_cell_{number}(store as _);
    ::jook::cells::finished();
    store as _
}}
"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const GENERATED: &str = "#![allow(unused_imports, unused_mut, dead_code)]\n\
        #[unsafe(no_mangle)]\n\
        pub extern \"C\" fn run_user_code_7(\n\
        evcxr_variable_store: *mut u8) -> *mut u8 {\n\
        if std::panic::catch_unwind(||{\n\
        print!(\"a\");\n\
        }).is_err() {\n    println!(\"EVCXR_PANIC_NOTIFICATION\");\n}\n\
        evcxr_variable_store\n}\n";

    #[test]
    fn the_entry_point_is_wrapped_and_no_line_moves() {
        let changed = with_notices(GENERATED, Bound::Error);
        assert!(changed.contains("pub extern \"C\" fn jook_cell_7(\n"));
        assert!(changed.contains("pub extern \"C\" fn run_user_code_7(store"));
        for (index, line) in GENERATED.lines().enumerate() {
            let same = changed.lines().nth(index).unwrap();
            let touched = line.contains("run_user_code_") || line.contains("PANIC");
            assert_eq!(same == line, !touched, "line {index}: {same}");
        }
    }
}
