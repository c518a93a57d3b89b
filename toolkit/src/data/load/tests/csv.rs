use super::assert_error;
use crate::data::{Dataset, Shape};
use crate::testing::Scratch;

#[test]
fn text_labels_sort_by_their_characters() {
    let dir = Scratch::new();
    let file = dir.file(
        "pets.csv",
        "size,kind,weight\n1.5,dog,20\n-2e-1,cat,4\n 3 ,dog,+7.25\n",
    );
    let data = Dataset::from_csv(&file, "kind").unwrap();
    assert_eq!((data.name(), data.shape()), ("pets", Shape::Flat(2)));
    assert_eq!(data.features(), [1.5, 20.0, -0.2, 4.0, 3.0, 7.25]);
    assert_eq!(data.class_names(), ["cat", "dog"]);
    assert_eq!(data.labels().unwrap(), [1, 0, 1]);
    assert_eq!(data.feature_names(), ["size", "weight"]);
    assert_eq!(data.source(), file.to_string_lossy());
}

#[test]
fn numeric_labels_sort_by_value() {
    let dir = Scratch::new();
    let file = dir.file("n.csv", "x,y\n1,10\n2,-1\n3,2.0\n4,10\n");
    let data = Dataset::from_csv(&file, "y").unwrap();
    assert_eq!(data.class_names(), ["-1", "2.0", "10"]);
    assert_eq!(data.labels().unwrap(), [2, 0, 1, 2]);
    let unlabelled = Dataset::from_csv(&file, None).unwrap();
    assert_eq!((unlabelled.width(), unlabelled.labels()), (2, None));
}

#[test]
fn dialects_read_the_same() {
    let dir = Scratch::new();
    let want = Dataset::from_csv(dir.file("a.csv", "a,b,k\n1,2,x\n3,4,y\n"), "k").unwrap();
    let dialects = [
        "a,b,k\r\n1,2,x\r\n3,4,y",
        "a;b;k\n1;2;x\n3;4;y\n\n\n",
        "a\tb\tk\n1\t2\tx\n3\t4\ty\n",
        "a|b|k\n1|2|x\n3|4|y\n",
        "\u{feff}\"a\",\"b\",\"k\"\n\"1\",2,\"x\"\n3,\"4\",y\n",
        " a , b , k \n1, 2, x\n3,4 , y \n",
    ];
    for (i, text) in dialects.into_iter().enumerate() {
        let data = Dataset::from_csv(dir.file(&format!("d{i}.csv"), text), "k").unwrap();
        assert_eq!(data.digest(), want.digest(), "dialect {i}");
        assert_eq!(data.class_names(), want.class_names(), "dialect {i}");
        assert_eq!(data.feature_names(), want.feature_names(), "dialect {i}");
    }
}

#[test]
fn quoted_cells_hold_separators_quotes_and_lines() {
    let dir = Scratch::new();
    let file = dir.file(
        "q.csv",
        "\"x, cm\",k\n1,\"a,\"\"b\"\"\"\n2,\"two\nlines\"\nbad,c\n",
    );
    // The bad cell's line counts the line inside a cell.
    assert_error(
        Dataset::from_csv(&file, "k"),
        &file,
        &["found \"bad\"", "line 5, column x, cm"],
    );
    let file = dir.file("r.csv", "\"x, cm\",k\n1,\"a,\"\"b\"\"\"\n2,\"two\nlines\"\n");
    let data = Dataset::from_csv(&file, "k").unwrap();
    assert_eq!(data.class_names(), ["a,\"b\"", "two\nlines"]);
}

#[test]
fn broken_files_are_named_with_place_expected_and_found() {
    let dir = Scratch::new();
    let big = "9".repeat(60);
    let cases: &[(&str, String, &[&str])] = &[
        (
            "word",
            "a,b,k\n1,2,x\n3,oops,y\n".into(),
            &["a finite number", "found \"oops\"", "line 3, column b"],
        ),
        (
            "partly",
            "a,b,k\n1,2cm,x\n".into(),
            &["found \"2cm\"", "line 2, column b"],
        ),
        (
            "na",
            "a,b,k\nNA,2,x\n".into(),
            &["found \"NA\"", "line 2, column a"],
        ),
        (
            "nan",
            "a,b,k\n1,2,x\n1,NaN,x\n".into(),
            &["found", "NaN", "line 3, column b"],
        ),
        (
            "inf",
            "a,b,k\ninf,2,x\n".into(),
            &["found", "inf", "line 2, column a"],
        ),
        (
            "big",
            format!("a,b,k\n{big},2,x\n"),
            &["found", "999", "line 2, column a"],
        ),
        (
            "empty cell",
            "a,b,k\n1,2,x\n,2,x\n".into(),
            &["found an empty cell", "line 3, column a"],
        ),
        (
            "quoted empty",
            "a,b,k\n1,\"\",x\n".into(),
            &["found an empty cell", "line 2, column b"],
        ),
        (
            "blank cell",
            "a,b,k\n1,  ,x\n".into(),
            &["found an empty cell", "line 2, column b"],
        ),
        (
            "no label",
            "a,b,k\n1,2,x\n1,2,\n".into(),
            &["expected a label", "line 3, column k"],
        ),
        (
            "fewer",
            "a,b,k\n1,2,x\n1,2\n".into(),
            &["expected 3 cells", "found 2", "line 3"],
        ),
        (
            "more",
            "a,b,k\n1,2,x,4\n".into(),
            &["expected 3 cells", "found 4", "line 2"],
        ),
        (
            "gap",
            "a,b,k\n1,2,x\n\n1,2,x\n".into(),
            &["expected 3 cells", "an empty line", "line 3"],
        ),
        (
            "header only",
            "a,b,k\n".into(),
            &["at least 1 row", "found only the header"],
        ),
        (
            "comment",
            "# made by hand\na,b,k\n1,2,x\n".into(),
            &["expected 1 cell ", "line 2", "line 1 is taken for the header"],
        ),
        (
            "lines before",
            "\n\na,b,k\n1,2,x\n".into(),
            &["expected 1 cell ", "an empty line"],
        ),
        ("lines only", "\n\r\n\n".into(), &["header line, found no text"]),
        (
            "label alone",
            "k\nx\ny\n".into(),
            &["at least 1 feature column, found none"],
        ),
        (
            "other column",
            "a,b,c\n1,2,x\n".into(),
            &["label column k", "found the columns a, b, c"],
        ),
        (
            "no name",
            ",a,k\nred,1,x\n".into(),
            &["a name for every column", "line 2, column 1", "index=False"],
        ),
        (
            "same name",
            "a,a,k\n0,1,x\n".into(),
            &["different names", "a twice", "line 1, column 2"],
        ),
        (
            "open quote",
            "a,b,k\n1,2,x\n1,\"2,y\n".into(),
            &["a quote that closes", "line 3, column b"],
        ),
        (
            "quote inside",
            "a,b,k\n1,2,x\n1,2,5\" pipe\n1,2,6\" pipe\n".into(),
            &["a quote inside the cell", "line 3, column k", "double a quote"],
        ),
        (
            "text behind a quote",
            "a,b,k\n1,2,\"two\nlines\"\n1,\"2\"cm,x\n".into(),
            &["behind its closing quote", "line 4, column b"],
        ),
        (
            "quote inside a name",
            "a,b\"c,k\n1,2,x\n".into(),
            &["a quote inside the cell", "line 1, column 2"],
        ),
        (
            "blank before a quote",
            "a,b,k\n1,2, \"x\"\n".into(),
            &["a quote inside the cell", "line 2, column k", "blanks too"],
        ),
        (
            "blank behind a quote",
            "a,b,k\n1,\"2\" ,x\n".into(),
            &["behind its closing quote", "line 2, column b"],
        ),
        (
            "no header",
            "1,2,3\n4,5,6\n".into(),
            &["header line with column names", "found numbers"],
        ),
        (
            "fraction",
            "a,b,k\n1,2,1\n1,2,1.5\n".into(),
            &["a whole number", "found 1.5", "line 3, column k"],
        ),
    ];
    for (name, text, words) in cases {
        let file = dir.file(name, text);
        assert_error(Dataset::from_csv(&file, "k"), &file, words);
    }
    let latin = dir.file("latin", b"a,k\n1,caf\xe9\n");
    assert_error(
        Dataset::from_csv(&latin, "k"),
        &latin,
        &["UTF-8", "found byte e9", "line 2"],
    );
    let packed = dir.file("packed", b"\x1f\x8b\x08\x00");
    assert_error(
        Dataset::from_csv(&packed, "k"),
        &packed,
        &["10 bytes of gzip header"],
    );
    for (magic, word) in [
        (&b"PK\x03\x04"[..], "a zip file"),
        (b"PAR1", "from_parquet"),
        (b"BZh9", "bunzip2"),
    ] {
        let file = dir.file("other", magic);
        assert_error(Dataset::from_csv(&file, "k"), &file, &[word]);
    }
    let zeros = dir.file("zeros", b"a,k\n\0,x\n");
    assert_error(
        Dataset::from_csv(&zeros, "k"),
        &zeros,
        &["found byte 00", "line 2"],
    );
}

/// Numbers are read as the nearest f32 whichever path reads them.
#[test]
fn both_paths_read_the_same_numbers() {
    let dir = Scratch::new();
    let cells = [
        "0.1",
        "16777217",
        "-9007199254740993",
        "1.17549435e-38",
        "3.4028235e38",
        "-0.3333333333333333",
        "1e-45",
        "12345.6789",
    ];
    let fast: String = cells.iter().map(|c| format!("{c},0\n")).collect();
    // Blanks around one cell send the whole file down the path that reads text.
    let slow: String = cells.iter().map(|c| format!("{c} ,0\n")).collect();
    let fast = Dataset::from_csv(dir.file("f.csv", format!("x,y\n{fast}")), None).unwrap();
    let slow = Dataset::from_csv(dir.file("s.csv", format!("x,y\n{slow}")), None).unwrap();
    let want: Vec<f32> = cells.iter().map(|c| c.parse().unwrap()).collect();
    for (i, want) in want.iter().enumerate() {
        assert_eq!(fast.row(i)[0].to_bits(), want.to_bits(), "{}", cells[i]);
        assert_eq!(slow.row(i)[0].to_bits(), want.to_bits(), "{}", cells[i]);
    }
}

#[test]
fn a_test_part_takes_the_classes_of_its_training_part() {
    let dir = Scratch::new();
    let train = Dataset::from_csv(dir.file("train.csv", "x,k\n1,a\n2,b\n3,c\n"), "k").unwrap();
    let test = Dataset::from_csv(dir.file("test.csv", "x,k\n1,c\n2,a\n"), "k").unwrap();
    assert_eq!(test.labels().unwrap(), [1, 0]);
    assert_eq!(
        test.with_classes_of(train.class_names())
            .unwrap()
            .labels()
            .unwrap(),
        [2, 0]
    );
    let error = train.with_classes_of(test.class_names()).unwrap_err().to_string();
    assert!(
        error.contains("classes a, c, found b") && error.contains("row 2"),
        "{error}"
    );
}

#[test]
fn as_many_classes_as_rows_are_read() {
    let dir = Scratch::new();
    let rows: String = (0..50_000).rev().map(|i| format!("{i},c{i:05}\n")).collect();
    let data = Dataset::from_csv(dir.file("many.csv", format!("x,k\n{rows}")), "k").unwrap();
    assert_eq!((data.classes(), data.class_name(7)), (50_000, "c00007".into()));
    assert_eq!(data.labels().unwrap()[..2], [49_999, 49_998]);
}

#[test]
fn other_encodings_line_ends_and_separators_read_the_same() {
    use std::io::Write as _;
    let dir = Scratch::new();
    let text = "a,b,k\n1,2,x\n3,4,\u{fc}ber\n";
    let want = Dataset::from_csv(dir.file("plain.csv", text), "k").unwrap();
    let utf16 = |mark: &[u8], to: fn(u16) -> [u8; 2]| {
        [mark, &text.encode_utf16().flat_map(to).collect::<Vec<u8>>()].concat()
    };
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(text.as_bytes()).unwrap();
    let files: [(&str, Vec<u8>); 10] = [
        ("returns", text.replace('\n', "\r").into()),
        ("mixed", text.replacen('\n', "\r", 2).into()),
        ("doubled", text.replace('\n', "\r\r\n").into()),
        ("said", format!("sep=;\n{}", text.replace(',', ";")).into()),
        (
            "said with returns",
            format!("\"SEP=|\"\r\n{}", text.replace(',', "|").replace('\n', "\r\n")).into(),
        ),
        ("little", utf16(b"\xff\xfe", u16::to_le_bytes)),
        ("big", utf16(b"\xfe\xff", u16::to_be_bytes)),
        ("little without a mark", utf16(b"", u16::to_le_bytes)),
        ("big without a mark", utf16(b"", u16::to_be_bytes)),
        ("packed", gzip.finish().unwrap()),
    ];
    for (name, bytes) in files {
        let data = Dataset::from_csv(dir.file(name, bytes), "k").unwrap();
        assert_eq!(data.digest(), want.digest(), "{name}");
        assert_eq!(data.class_names(), ["x", "\u{fc}ber"], "{name}");
        assert_eq!(data.feature_names(), ["a", "b"], "{name}");
    }
    let quoted = dir.file("quoted.csv", "a,k\r1,\"two\rlines\"\r2,y\r");
    let data = Dataset::from_csv(quoted, "k").unwrap();
    assert_eq!(data.class_names(), ["two\rlines", "y"]);
    let said = dir.file("line.csv", "sep=;\na;k\n1;x\nno;y\n");
    assert_error(
        Dataset::from_csv(&said, "k"),
        &said,
        &["found \"no\"", "line 4, column a"],
    );
    let odd = dir.file(
        "odd.csv",
        [utf16(b"\xff\xfe", u16::to_le_bytes), vec![0]].concat(),
    );
    assert_error(
        Dataset::from_csv(&odd, "k"),
        &odd,
        &["UTF-16", "an odd number of bytes"],
    );
}
