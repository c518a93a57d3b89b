//! Headers of safetensors that lie.

use super::assert_refused;
use crate::weights::Weights;

fn file(header: &str, data: &[u8]) -> Vec<u8> {
    let length = (header.len() as u64).to_le_bytes();
    [&length, header.as_bytes(), data].concat()
}

#[test]
fn a_sound_header_is_read() {
    let header = r#"{"__metadata__": {"a": "b"}, "x": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]},
        "y": {"dtype": "F32", "shape": [], "data_offsets": [0, 4]}, "z": {"dtype": "I64", "shape": [0, 9],
        "data_offsets": [12, 12]}}"#;
    let data: Vec<u8> = [1.0f32, 2.0, 3.0].iter().flat_map(|x| x.to_le_bytes()).collect();
    let weights = Weights::from_bytes("x", &file(header, &data)).unwrap();
    assert_eq!(weights.names().collect::<Vec<_>>(), ["y", "x", "z"]);
    assert_eq!(weights.get("x").unwrap().values, [2.0, 3.0]);
    assert_eq!(weights.get("y").unwrap().shape, [0usize; 0]);
    assert_eq!(weights.integers("z"), Some(([0, 9].as_slice(), [].as_slice())));
}

#[test]
fn lies_are_refused_with_a_reason() {
    let one = |shape: &str, offsets: &str| {
        format!(r#"{{"x": {{"dtype": "F32", "shape": {shape}, "data_offsets": {offsets}}}}}"#)
    };
    let two = |first: &str, second: &str| {
        format!(
            r#"{{"x": {{"dtype": "F32", "shape": [2], "data_offsets": {first}}},
            "y": {{"dtype": "F32", "shape": [2], "data_offsets": {second}}}}}"#
        )
    };
    let huge = u64::MAX / 2;
    let cases: [(String, usize, &[&str]); 14] = [
        (
            two("[0, 8]", "[4, 12]"),
            12,
            &["begins at 4, 4 bytes inside another", "tensor y"],
        ),
        (
            two("[0, 8]", "[0, 8]"),
            8,
            &["8 bytes inside another", "tensor y"],
        ),
        (two("[0, 8]", "[12, 20]"), 20, &["a hole of 4 bytes", "tensor y"]),
        (one("[2]", "[4, 12]"), 12, &["a hole of 4 bytes", "tensor x"]),
        (
            one("[2]", "[0, 8]"),
            12,
            &["to fill the file, found 4 bytes after them"],
        ),
        (
            one("[2]", "[0, 8]"),
            4,
            &["inside the 4 bytes of numbers", "ends at 8"],
        ),
        (one("[2]", "[8, 0]"), 8, &["found 8 to 0"]),
        (one("[3]", "[0, 8]"), 8, &["shape [3] of F32 has, found 8"]),
        (
            one(&format!("[{huge}, {huge}, 4]"), "[0, 8]"),
            8,
            &["the shape [", "found 8"],
        ),
        (one("[-2]", "[0, 8]"), 8, &["a header of safetensors", "-2"]),
        (
            one("[2]", "[0, 8]").replace("F32", "F33"),
            8,
            &["a header of safetensors", "F33"],
        ),
        (
            two("[0, 8]", "[8, 16]").replace("\"y\"", "\"x\""),
            16,
            &["the name x twice"],
        ),
        ("[]".into(), 0, &["a header of safetensors", "sequence"]),
        ("{\"x\": 1}".into(), 0, &["a header of safetensors"]),
    ];
    for (header, bytes, words) in cases {
        assert_refused(&file(&header, &vec![0; bytes]), words);
    }
    let mut long = file("{}", &[]);
    long[..8].copy_from_slice(&100_000_001u64.to_le_bytes());
    assert_refused(&long, &["at most 100000000 bytes", "100000001"]);
    long[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    assert_refused(&long, &["at most 100000000 bytes"]);
    long[..8].copy_from_slice(&50u64.to_le_bytes());
    assert_refused(&long, &["a header of 50 bytes, found 2"]);
}

#[test]
fn whole_numbers_in_the_place_of_weights_are_named() {
    let header = r#"{"n": {"dtype": "I64", "shape": [1], "data_offsets": [0, 8]}}"#;
    let whole = Weights::from_bytes("x", &file(header, &[0; 8])).unwrap();
    let error = whole
        .require([("n", [1usize].as_slice())])
        .unwrap_err()
        .to_string();
    for part in [
        "whole numbers where floating-point ones are expected: n",
        "tensor.float()",
    ] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn integers_beyond_64_bits_and_strange_booleans_are_refused() {
    let header = |dtype: &str, bytes: usize| {
        format!(r#"{{"n": {{"dtype": "{dtype}", "shape": [1], "data_offsets": [0, {bytes}]}}}}"#)
    };
    assert_refused(
        &file(&header("U64", 8), &[0xff; 8]),
        &["integers up to", "18446744073709551615", "tensor n"],
    );
    assert_refused(&file(&header("BOOL", 1), &[2]), &["a boolean of 0 or 1, found 2"]);
}
