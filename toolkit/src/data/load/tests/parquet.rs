use polars::prelude::{Column, DataFrame, NamedFrom, ParquetWriter, Series};

use super::assert_error;
use crate::data::{Dataset, TableOptions};
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
        ("lists", lists, &["found lists", "column b", "spread the lists"]),
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

fn reference(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../tests/reference/tables")
        .join(name)
}

/// Files of pandas, whose index is a column like others or is only told in the footer.
#[test]
fn the_index_of_a_pandas_table_is_left_out_and_told() {
    for (file, index) in [
        ("shuffled.parquet", "__index_level_0__"),
        ("named_index.parquet", "customer"),
    ] {
        let path = reference(file);
        let data = Dataset::from_parquet(&path, "kind").unwrap();
        assert_eq!(data.feature_names(), ["size", "weight"], "{file}");
        let note = &data.notes()[0];
        assert!(note.contains(index) && note.contains("keep_index"), "{note}");
        let kept = Dataset::from_parquet_with(&path, "kind", &TableOptions::new().keep_index()).unwrap();
        assert_eq!(kept.feature_names(), ["size", "weight", index]);
        assert!(kept.notes().is_empty(), "{:?}", kept.notes());
    }
    let data = Dataset::from_parquet(reference("range.parquet"), "kind").unwrap();
    assert_eq!((data.feature_names().len(), data.notes().len()), (2, 0));
}

#[test]
fn columns_that_hold_no_plain_numbers_are_refused_by_name() {
    let path = reference("odd_columns.parquet");
    let odd = [
        ("price", "decimal numbers"),
        ("dates", "date"),
        ("parts", "lists"),
        ("fixed", "lists"),
        ("place", "structures"),
        ("half", "Float16"),
    ];
    for (column, words) in odd {
        let others = odd
            .iter()
            .map(|(other, _)| *other)
            .filter(|other| *other != column);
        let options = TableOptions::new().without(others);
        let loaded = Dataset::from_parquet_with(&path, "kind", &options);
        assert_error(
            loaded,
            &path,
            &[words, &format!("column {column}"), "TableOptions::without"],
        );
    }
    for label in ["price", "parts"] {
        let others = odd
            .iter()
            .map(|(other, _)| *other)
            .filter(|other| *other != label);
        let loaded = Dataset::from_parquet_with(&path, label, &TableOptions::new().without(others));
        let error = assert_error(
            loaded,
            &path,
            &["expected a column of labels", "(pandas: astype(str))"],
        );
        assert!(!error.to_string().contains("TableOptions::without"), "{error}");
    }
    let options = TableOptions::new().without(odd.map(|(column, _)| column));
    let data = Dataset::from_parquet_with(&path, "kind", &options).unwrap();
    assert_eq!(
        (data.feature_names(), data.features()),
        (&["x".to_owned()][..], &[1.5, 2.5, 3.5][..])
    );
    assert_error(Dataset::from_parquet(&path, "kind"), &path, &["column price"]);
}

#[test]
fn whole_numbers_that_would_become_one_are_refused() {
    let dir = Scratch::new();
    let one = |column: Series| {
        let kind = Series::new("kind".into(), ["a", "b"]);
        packed(DataFrame::new_infer_height(vec![Column::from(column), Column::from(kind)]).unwrap())
    };
    let columns = [
        Series::new("n".into(), [i64::MAX, i64::MAX - 1]),
        Series::new("n".into(), [u64::MAX, u64::MAX - 1]),
        Series::new("n".into(), [16_777_216i32, 16_777_217]),
        Series::new("n".into(), [1_700_000_000.0f64, 1_700_000_001.0]),
        Series::new("n".into(), [1_700_000_000.25f64, 1_700_000_000.5]),
    ];
    for column in columns {
        let file = dir.file("n.parquet", one(column));
        assert_error(
            Dataset::from_parquet(&file, "kind"),
            &file,
            &["24 binary digits", "column n", "TableOptions::rounded"],
        );
        let data = Dataset::from_parquet_with(&file, "kind", &TableOptions::new().rounded()).unwrap();
        assert!(
            data.notes()[0].contains("column n is rounded"),
            "{:?}",
            data.notes()
        );
    }
    let file = dir.file("n.parquet", one(Series::new("n".into(), [83_132_799i64, 5])));
    let data = Dataset::from_parquet(&file, "kind").unwrap();
    assert!(
        data.notes()[0].contains("83132799 becomes 83132800"),
        "{:?}",
        data.notes()
    );
}

#[test]
fn labels_are_what_they_are() {
    let dir = Scratch::new();
    let classes = |column: Series| {
        let x = Series::new("x".into(), [0.5f64, 1.5, 2.5]);
        let frame = DataFrame::new_infer_height(vec![Column::from(x), Column::from(column)]).unwrap();
        Dataset::from_parquet(dir.file("l.parquet", packed(frame)), "k").unwrap()
    };
    let text = classes(Series::new("k".into(), ["1", "01", "a "]));
    assert_eq!(text.class_names(), ["01", "1", "a "]);
    let wide = classes(Series::new("k".into(), [i64::MAX, i64::MAX - 1, -3]));
    assert_eq!(
        wide.class_names(),
        ["-3", "9223372036854775806", "9223372036854775807"]
    );
    assert_eq!(wide.labels().unwrap(), [2, 1, 0]);
    assert_eq!(
        classes(Series::new("k".into(), [2.0f64, 0.0, 1.0])).class_names(),
        ["0", "1", "2"]
    );
    assert_eq!(
        classes(Series::new("k".into(), [true, false, true])).class_names(),
        ["false", "true"]
    );
}
