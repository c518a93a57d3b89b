use super::assert_error;
use crate::data::{Dataset, Shape, TableOptions};
use crate::show::Show;
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
fn labels_are_the_text_they_are() {
    let dir = Scratch::new();
    let load = |text: &str| Dataset::from_csv(dir.file("l.csv", text), "zip").unwrap();
    let data = load("x,zip\n1,01\n2,1\n3,001\n4, 02134 \n5,\"10\"\n");
    assert_eq!(data.class_names(), ["001", "01", "1", "10", "02134"]);
    assert_eq!(data.labels().unwrap(), [1, 2, 0, 4, 3]);
    assert!(data.notes()[0].contains("001 and 01"), "{:?}", data.notes());
    assert!(load("x,zip\n1,02134\n2,10001\n").notes().is_empty());
    // Wider than any float, and other ways to write a number.
    let data = load("x,zip\n1,9007199254740993\n2,9007199254740992\n3,1e3\n4,+5\n");
    assert_eq!(
        data.class_names(),
        ["+5", "1e3", "9007199254740992", "9007199254740993"]
    );
    assert_eq!(load("x,zip\n1,True\n2,False\n").class_names(), ["False", "True"]);
}

#[test]
fn labels_that_say_that_they_are_missing_are_told() {
    let dir = Scratch::new();
    let load = |text: &str| Dataset::from_csv(dir.file("l.csv", text), "k").unwrap();
    let data = load("x,k\n1,a\n2,NA\n3,NA\n");
    assert_eq!(
        (data.class_names(), data.labels().unwrap()),
        (&["NA".into(), "a".into()][..], &[1, 0, 0][..])
    );
    assert!(
        data.notes()[0].contains("2 labels in column k are NA"),
        "{:?}",
        data.notes()
    );
    // Beside numbers, which keep their order.
    let data = load("x,k\n1,10\n2,?\n3,2\n");
    assert_eq!(data.class_names(), ["2", "10", "?"]);
    assert!(
        data.notes()[0].contains("1 label in column k is ?"),
        "{:?}",
        data.notes()
    );
}

#[test]
fn a_column_that_numbers_the_rows_is_left_out_and_told() {
    let dir = Scratch::new();
    let rows = |header: &str, numbers: &[&str]| {
        let mut text = format!("{header},x,k\n");
        for (i, number) in numbers.iter().enumerate() {
            text += &format!("{number},{}.5,{}\n", (i * i) % 7, i / 2);
        }
        dir.file("i.csv", text)
    };
    let shuffled = ["31", "7", "12", "4"];
    let counting = ["0", "1", "2", "3"];
    let left_out: [(&str, &[&str]); 9] = [
        ("", &counting),
        ("\"\"", &["\"1\"", "\"2\"", "\"3\"", "\"4\""]),
        ("", &shuffled),
        ("Unnamed: 0", &shuffled),
        ("Unnamed: 0.1", &counting),
        ("__index_level_0__", &shuffled),
        ("Id", &["1", "2", "3", "4"]),
        ("X", &counting),
        ("index", &["2", "0", "3", "1"]),
    ];
    for (header, numbers) in left_out {
        let file = rows(header, numbers);
        let data = Dataset::from_csv(&file, "k").unwrap();
        assert_eq!(data.feature_names(), ["x"], "{header}");
        let note = &data.notes()[0];
        assert!(note.contains("left out") && note.contains("keep_index"), "{note}");
        assert!(data.bundle().plain().contains(note), "{note}");
        let kept = Dataset::from_csv_with(&file, "k", &TableOptions::new().keep_index()).unwrap();
        let number: f32 = numbers[0].trim_matches('"').parse().unwrap();
        assert_eq!((kept.width(), kept.row(0)[0]), (2, number), "{header}");
        assert!(kept.notes().is_empty(), "{:?}", kept.notes());
    }
    let features: [(&str, &[&str]); 3] = [
        ("index", &["5", "3", "3", "9"]),
        ("id", &["0.5", "1", "2", "3"]),
        ("Unnamed: 4", &counting),
    ];
    for (header, numbers) in features {
        let data = Dataset::from_csv(rows(header, numbers), "k").unwrap();
        assert_eq!((data.width(), data.notes().len()), (2, 0), "{header}");
    }
    // As a label it is what it is asked to be.
    assert_eq!(
        Dataset::from_csv(rows("id", &counting), "id").unwrap().classes(),
        4
    );
    // Under a feature's name it is only told.
    let many: Vec<String> = (5..25).map(|i| i.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let data = Dataset::from_csv(rows("day", &many), "k").unwrap();
    assert_eq!(data.feature_names(), ["day", "x"]);
    assert!(
        data.notes()[0].contains("day counts from row to row"),
        "{:?}",
        data.notes()
    );
}

#[test]
fn whole_numbers_that_would_become_one_are_refused() {
    let dir = Scratch::new();
    let file = dir.file(
        "t.csv",
        "x,time,k\n1,1700000000,a\n2,1700000001,b\n3,1700000002,a\n",
    );
    let words = [
        "1700000000 and 1700000001",
        "24 binary digits",
        "line 3, column time",
        "TableOptions::rounded",
    ];
    assert_error(Dataset::from_csv(&file, "k"), &file, &words);
    let options = TableOptions::new().rounded();
    let data = Dataset::from_csv_with(&file, "k", &options).unwrap();
    assert_eq!(data.row(1)[1], 1.7e9);
    assert!(
        data.notes()[0].contains("column time is rounded"),
        "{:?}",
        data.notes()
    );
    let data = Dataset::from_csv_with(&file, "k", &TableOptions::new().without(["time"])).unwrap();
    assert_eq!((data.width(), data.notes().len()), (1, 0));
    // Also where an f64 does not tell them apart, and with blanks, which send it down the other path.
    for cells in [
        "9007199254740993,a\n9007199254740992,b\n",
        "-16777217 ,a\n-16777216,b\n",
    ] {
        let file = dir.file("w.csv", format!("n,k\n{cells}"));
        assert_error(
            Dataset::from_csv(&file, "k"),
            &file,
            &["would become one", "column n"],
        );
    }
    // Rounded, but apart: told.
    let file = dir.file("p.csv", "people,k\n83132799,a\n1402112000,b\n");
    let data = Dataset::from_csv(&file, "k").unwrap();
    assert!(
        data.notes()[0].contains("83132799 becomes 83132800"),
        "{:?}",
        data.notes()
    );
    // Exactly an f32 is nothing to tell.
    let file = dir.file("e.csv", "n,k\n16777216,a\n33554432,b\n1e12,a\n");
    assert!(Dataset::from_csv(&file, "k").unwrap().notes().len() <= 1);
}

#[test]
fn fractions_that_would_become_one_are_refused() {
    let dir = Scratch::new();
    for cells in [
        "1700000000.25,a\n1700000001.5,b\n",
        "1.00000001,a\n1.00000002,b\n",
    ] {
        let file = dir.file("f.csv", format!("x,k\n{cells}"));
        assert_error(
            Dataset::from_csv(&file, "k"),
            &file,
            &["24 binary digits", "column x", "subtract"],
        );
        let data = Dataset::from_csv_with(&file, "k", &TableOptions::new().rounded()).unwrap();
        assert_eq!(data.notes().len(), 1);
    }
    // Two of three, although the third lies far off.
    let file = dir.file("n.csv", "x,k\n1.00000001,a\n1.00000002,b\n50.1,b\n");
    let data = Dataset::from_csv(&file, "k").unwrap();
    assert!(
        data.notes()[0].contains("of 3 different numbers 2 are left"),
        "{:?}",
        data.notes()
    );
    let usual: String = (0..2000)
        .map(|i| format!("{},a\n", (f64::from(i) * 0.7).sin()))
        .collect();
    let data = Dataset::from_csv(dir.file("u.csv", format!("x,k\n{usual}")), "k").unwrap();
    assert!(data.notes().is_empty(), "{:?}", data.notes());
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

#[test]
fn commas_and_thousands_in_numbers_need_an_option_that_the_error_names() {
    let dir = Scratch::new();
    let cases = [
        ("3,25", "decimal_comma", TableOptions::new().decimal_comma(), 3.25),
        (
            "1.234,5",
            "thousands('.')",
            TableOptions::new().decimal_comma().thousands('.'),
            1234.5,
        ),
        (
            "1,234,567",
            "thousands(',')",
            TableOptions::new().thousands(','),
            1_234_567.0,
        ),
        (
            "1,234",
            "decimal_comma",
            TableOptions::new().thousands(','),
            1234.0,
        ),
        (
            "-1'234.5",
            "thousands('\\'')",
            TableOptions::new().thousands('\''),
            -1234.5,
        ),
        (
            "1 234",
            "thousands(' ')",
            TableOptions::new().thousands(' '),
            1234.0,
        ),
    ];
    for (cell, remedy, options, want) in cases {
        let file = dir.file("n.csv", format!("x;k\n{cell};a\n7;b\n"));
        assert_error(
            Dataset::from_csv(&file, "k"),
            &file,
            &[remedy, "line 2, column x"],
        );
        let data = Dataset::from_csv_with(&file, "k", &options).unwrap();
        assert_eq!(data.features(), [want, 7.0], "{cell}");
    }
    // What is written otherwise stays an error.
    for (cell, options) in [
        ("1.5", TableOptions::new().decimal_comma()),
        ("1,23,4", TableOptions::new().thousands(',')),
        ("1,5,5", TableOptions::new().decimal_comma()),
    ] {
        let file = dir.file("n.csv", format!("x;k\n{cell};a\n"));
        assert_error(
            Dataset::from_csv_with(&file, "k", &options),
            &file,
            &["a finite number", "line 2"],
        );
    }
    let cut = dir.file("cut.csv", "x,k\n3,25,a\n");
    assert_error(
        Dataset::from_csv(&cut, "k"),
        &cut,
        &["expected 2 cells", "decimal_comma"],
    );
    let plain = dir.file("plain.csv", "x;k\n1;a\n");
    let options = TableOptions::new().thousands('.');
    assert_error(
        Dataset::from_csv_with(&plain, "k", &options),
        &plain,
        &["both thousands and decimals"],
    );
}

#[test]
fn columns_of_true_and_false_are_one_and_zero() {
    let dir = Scratch::new();
    let data = Dataset::from_csv(dir.file("b.csv", "a,b,k\nTrue,FALSE,x\nFalse,true,y\n"), "k").unwrap();
    assert_eq!(data.features(), [1.0, 0.0, 0.0, 1.0]);
    let file = dir.file("m.csv", "a,k\nTrue,x\n0,y\n");
    assert_error(
        Dataset::from_csv(&file, "k"),
        &file,
        &["true or false", "found \"0\"", "line 3, column a"],
    );
    let file = dir.file("n.csv", "a,k\n1,x\nTrue,y\n");
    assert_error(
        Dataset::from_csv(&file, "k"),
        &file,
        &["a finite number", "found \"True\""],
    );
}

#[test]
fn columns_can_be_left_out() {
    let dir = Scratch::new();
    let file = dir.file("w.csv", "name,x,k\nAnn,1,a\nBob,2,b\n");
    let options = TableOptions::new().without(["name"]);
    assert_eq!(
        Dataset::from_csv_with(&file, "k", &options).unwrap().features(),
        [1.0, 2.0]
    );
    for (options, word) in [
        (
            TableOptions::new().without(["nme"]),
            "found no nme among name, x, k",
        ),
        (TableOptions::new().without(["k"]), "k is the label column"),
        (options.clone().without(["x"]), "at least 1 feature column"),
    ] {
        assert_error(Dataset::from_csv_with(&file, "k", &options), &file, &[word]);
    }
}
