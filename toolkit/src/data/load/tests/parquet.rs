use polars::prelude::{Column, DataFrame, NamedFrom, ParquetWriter, Series};

use super::assert_error;
use crate::data::Dataset;
use crate::testing::Scratch;

fn frame() -> DataFrame {
    DataFrame::new_infer_height(vec![
        Column::from(Series::new("a".into(), [1i64, 2, 3])),
        Column::from(Series::new("b".into(), [0.5f64, -1.5, 2.0])),
        Column::from(Series::new("flag".into(), [true, false, true])),
        Column::from(Series::new("kind".into(), ["dog", "cat", "dog"])),
    ])
    .unwrap()
}

fn packed(mut frame: DataFrame) -> Vec<u8> {
    let mut bytes = Vec::new();
    ParquetWriter::new(&mut bytes).finish(&mut frame).unwrap();
    bytes
}

#[test]
fn numbers_booleans_and_classes() {
    let dir = Scratch::new();
    let file = dir.file("pets.parquet", packed(frame()));
    let data = Dataset::from_parquet(&file, "kind").unwrap();
    assert_eq!(data.features(), [1.0, 0.5, 1.0, 2.0, -1.5, 0.0, 3.0, 2.0, 1.0]);
    assert_eq!(data.class_names(), ["cat", "dog"]);
    assert_eq!(data.labels().unwrap(), [1, 0, 1]);
    assert_eq!(data.feature_names(), ["a", "b", "flag"]);
    let made = Dataset::from_frame("pets", &frame(), "kind").unwrap();
    assert_eq!(made.digest(), data.digest());
    let by_number = Dataset::from_frame("pets", &frame().drop("kind").unwrap(), "a").unwrap();
    assert_eq!(by_number.class_names(), ["1", "2", "3"]);
}

#[test]
fn cells_that_are_no_numbers() {
    let dir = Scratch::new();
    let with = |column: Series| {
        let mut frame = frame();
        frame.with_column(Column::from(column)).unwrap();
        packed(frame)
    };
    let null = with(Series::new("b".into(), [Some(1.0), None, Some(2.0)]));
    let nan = with(Series::new("b".into(), [1.0, 2.0, f64::NAN]));
    let big = with(Series::new("b".into(), [1.0, 1e300, 2.0]));
    let label = with(Series::new("kind".into(), [Some("a"), None, Some("b")]));
    let text = with(Series::new("b".into(), ["1", "2", "x"]));
    let lists = with(Series::new(
        "b".into(),
        [
            Series::new("".into(), [1.0, 2.0]),
            Series::new("".into(), [1.0; 0]),
            Series::new("".into(), [1.0]),
        ],
    ));
    let cases: [(&str, Vec<u8>, &[&str]); 6] = [
        ("null", null, &["found an empty cell", "row 2, column b"]),
        ("nan", nan, &["found \"NaN\"", "row 3, column b"]),
        ("big", big, &["finite number", "e300", "row 2, column b"]),
        ("label", label, &["expected a label", "row 2, column kind"]),
        ("text", text, &["found \"x\"", "row 3, column b"]),
        ("lists", lists, &["expected"]),
    ];
    for (name, bytes, words) in cases {
        let file = dir.file(name, bytes);
        assert_error(Dataset::from_parquet(&file, "kind"), &file, words);
    }
    let file = dir.file("good", packed(frame()));
    assert_error(
        Dataset::from_parquet(&file, "kin"),
        &file,
        &["label column kin", "a, b, flag, kind"],
    );
    let none = dir.file("none", packed(frame().head(Some(0))));
    assert_error(Dataset::from_parquet(&none, "kind"), &none, &["at least 1 row"]);
}

#[test]
fn broken_files_are_named_with_place_expected_and_found() {
    let dir = Scratch::new();
    let good = packed(frame());
    let n = good.len();
    let mut head = good.clone();
    head[0] = b'X';
    let mut footer = good.clone();
    footer[n - 8..n - 4].copy_from_slice(&u32::MAX.to_le_bytes());
    let cases: [(&str, Vec<u8>, &[&str]); 5] = [
        ("stub", good[..8].to_vec(), &["at least 12 bytes", "found 8"]),
        ("head", head, &["PAR1", "found \"XAR1\"", "byte 0"]),
        (
            "cut",
            good[..n - 20].to_vec(),
            &["PAR1", &format!("byte {}", n - 24)],
        ),
        (
            "footer",
            footer,
            &["a footer of at most", "found a declared length of 4294967295"],
        ),
        (
            "csv",
            b"a,b,kind\n1,2,x\n1,2,y\n".to_vec(),
            &["PAR1", "found \"a,b,\""],
        ),
    ];
    for (name, bytes, words) in cases {
        let file = dir.file(name, bytes);
        assert_error(Dataset::from_parquet(&file, "kind"), &file, words);
    }
}

/// Every byte of a file damaged in turn: an error or other numbers, never the end of the process.
#[test]
fn no_damaged_byte_ends_the_process() {
    let dir = Scratch::new();
    let good = packed(frame());
    let mut refused = 0;
    for i in 0..good.len() {
        let mut bytes = good.clone();
        bytes[i] ^= 0xff;
        let file = dir.file("damaged", bytes);
        refused += usize::from(Dataset::from_parquet(&file, "kind").is_err());
    }
    assert!(refused > good.len() / 2, "{refused} of {}", good.len());
}
