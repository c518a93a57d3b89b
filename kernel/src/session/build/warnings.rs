//! Which of rustc's warnings are told in a notebook: those that mean a mistake, and none about style or about what a
//! half-written notebook does not use yet.

use crate::session::build::preferred;
use serde_json::Value;

/// Where a cell's warnings are noted, in the folder of notes: one in JSON a line.
pub const WARNINGS: &str = "warnings";

/// What most of rustc's warnings are about.
const LEFT_OUT: [&str; 5] = [
    "unused",
    "nonstandard-style",
    "future-incompatible",
    "deprecated-safe",
    "rust-2024-compatibility",
];

const TOLD: [&str; 25] = [
    "ambiguous_wide_pointer_comparisons",
    "dangling_pointers_from_temporaries",
    "double_negations",
    "dropping_copy_types",
    "dropping_references",
    "for_loops_over_fallibles",
    "forgetting_copy_types",
    "forgetting_references",
    "integer_to_ptr_transmutes",
    "invalid_nan_comparisons",
    "invalid_value",
    "map_unit_fn",
    "noop_method_call",
    "non_contiguous_range_endpoints",
    "overlapping_range_endpoints",
    "path_statements",
    "suspicious_double_ref_op",
    "unconditional_recursion",
    "unpredictable_function_pointer_comparisons",
    "unreachable_code",
    "unreachable_patterns",
    "unused_assignments",
    "unused_comparisons",
    "unused_must_use",
    "useless_ptr_null_checks",
];

/// rustc's options for them.
pub fn options() -> impl Iterator<Item = String> {
    let left_out = LEFT_OUT.iter().map(|group| format!("-A{group}"));
    let told = TOLD.iter().map(|lint| format!("-W{lint}"));
    left_out.chain(told).chain([preferred::REFUSED.to_owned()])
}

/// Whether a line that rustc has said is one of them.
pub fn is_told(line: &str) -> bool {
    let Ok(said) = serde_json::from_str::<Value>(line) else {
        return false;
    };
    let lint = said["code"]["code"].as_str().unwrap_or_default();
    said["level"] == "warning" && TOLD.contains(&lint)
}

/// Whether a line that rustc has said refuses nothing: a warning, or how many there were. evcxr would take it for an
/// error, and for the cause where the cell is refused for another.
pub fn is_warning(line: &str) -> bool {
    serde_json::from_str::<Value>(line).is_ok_and(|said| said["level"] == "warning")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistake_is_told_and_style_is_not() {
        let line = |level: &str, lint: &str| {
            serde_json::json!({"level": level, "code": {"code": lint}, "message": "m"}).to_string()
        };
        assert!(is_told(&line("warning", "unused_must_use")));
        assert!(!is_told(&line("warning", "non_snake_case")));
        assert!(!is_told(&line("error", "unused_must_use")));
        assert!(!is_told("no JSON"));
        assert!(is_warning(&line("warning", "confusable_idents")));
        assert!(is_warning(
            r#"{"level": "warning", "code": null, "message": "1 warning emitted"}"#
        ));
        assert!(!is_warning(&line("error", "unused_must_use")) && !is_warning("no JSON"));
    }
}
