//! What the cells of a table become: labels, features, and what is left out.

use super::assert_error;
use crate::data::{Dataset, TableOptions};
use crate::show::Show;
use crate::testing::Scratch;

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
    // Told apart and in order, although their f64 are one.
    let data = load("x,zip\n1,18446744073709551615\n2,-3\n3,18446744073709551614\n4,2\n");
    let names = ["-3", "2", "18446744073709551614", "18446744073709551615"];
    assert_eq!(
        (data.class_names(), data.notes().len()),
        (&names.map(str::to_owned)[..], 0)
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
fn every_way_to_say_that_a_label_is_missing_is_told() {
    let dir = Scratch::new();
    let words = [
        "na", "Null", "NONE", "nan", "-NaN", "NaT", "#NA", "1.#IND", "#REF!", "#div/0!", "(null)", "n.a.",
        "-", ".", "nil", "Missing", "\\N",
    ];
    for word in words {
        let file = dir.file("m.csv", format!("x,k\n1,a\n2,{word}\n3,b\n"));
        let data = Dataset::from_csv(&file, "k").unwrap();
        assert_eq!(data.classes(), 3, "{word}");
        assert!(
            data.notes()[0].contains(&format!("1 label in column k is {word}")),
            "{word}: {:?}",
            data.notes()
        );
    }
}

#[test]
fn labels_that_only_blanks_tell_apart_are_one_class_and_told() {
    let dir = Scratch::new();
    for (first, second) in [(" a", "a"), ("\"a \"", "a"), ("a", "a\u{a0}")] {
        let file = dir.file("b.csv", format!("x,k\n1,{first}\n2,{second}\n3,b\n"));
        let data = Dataset::from_csv(&file, "k").unwrap();
        assert_eq!(data.class_names(), ["a", "b"]);
        let [note] = data.notes() else {
            panic!("{:?}", data.notes())
        };
        assert!(note.contains("one class") && note.contains("column k"), "{note}");
    }
    // The same blanks around all are those between cells.
    let data = Dataset::from_csv(dir.file("s.csv", "x, k\n1, a\n2, b\n3, a\n"), "k").unwrap();
    assert_eq!((data.classes(), data.notes().len()), (2, 0));
}

#[test]
fn labels_that_look_the_same_are_two_classes_and_told() {
    let dir = Scratch::new();
    let loaded = |labels: [&str; 2]| {
        let text = format!("x,k\n1,{}\n2,{}\n3,other\n", labels[0], labels[1]);
        Dataset::from_csv(dir.file("l.csv", text), "k").unwrap()
    };
    for (labels, by) in [
        (["setosa", "Setosa"], "in the case of their letters"),
        (["caf\u{e9}", "cafe\u{301}"], "in how their letters are written"),
        (["a\u{200b}b", "ab"], "in how their letters are written"),
    ] {
        let data = loaded(labels);
        assert_eq!(data.classes(), 3);
        let [note] = data.notes() else {
            panic!("{:?}", data.notes())
        };
        assert!(note.contains(by) && note.contains("column k"), "{note}");
    }
    // What is told apart by the eye is no case for a word.
    assert!(loaded(["m2", "m\u{b2}"]).notes().is_empty());
    assert!(loaded(["a", "b"]).notes().is_empty());
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
    let left_out: [(&str, &[&str]); 11] = [
        ("id", &["0.0", "1.0", "2.0", "3.0"]),
        // Read as text for the blank behind one of them.
        ("id", &["0.0", "1.0 ", "2.0", "3.0"]),
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
fn codes_that_are_read_as_numbers_are_told() {
    let dir = Scratch::new();
    let load = |text: &str| Dataset::from_csv(dir.file("c.csv", text), "k").unwrap();
    let data = load("x,zip,k\n1,02134,a\n2,10001,b\n");
    assert_eq!(data.row(0), [1.0, 2134.0]);
    assert!(
        data.notes()[0].contains("column zip is read as numbers, 02134 as 2134") && data.notes().len() == 1,
        "{:?}",
        data.notes()
    );
    // A telephone's number is one of a code's kind; a number with its sign is not.
    let data = load("x,dial,k\n1,+4930123,a\n2,+4930124,b\n");
    assert!(
        data.notes().len() == 1 && data.notes()[0].contains("column dial is read as numbers, +4930123 as"),
        "{:?}",
        data.notes()
    );
    assert!(load("x,k\n+12,a\n-7,b\n").notes().is_empty());
    // In quotes and with a blank before it; but no number that merely has zeros in it.
    assert_eq!(load("x,k\n\"007\",a\n1,b\n").notes().len(), 1);
    for plain in [
        "x,k\n0,a\n0.05,b\n",
        "x,k\n1e05,a\n100,b\n",
        "x,k\n-0.5,a\n00,b\n",
    ] {
        assert!(load(plain).notes().is_empty(), "{plain}");
    }
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
        "1700000000,a\n1700000000.5 ,b\n",
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
        (
            "1 234,5",
            "decimal_comma and TableOptions::thousands(' ')",
            TableOptions::new().decimal_comma().thousands(' '),
            1234.5,
        ),
        (
            "-1\u{a0}234\u{a0}567,5",
            "decimal_comma and TableOptions::thousands('\\u{a0}')",
            TableOptions::new().decimal_comma().thousands('\u{a0}'),
            -1_234_567.5,
        ),
        (
            "1\u{2019}234.5",
            "thousands('\u{2019}')",
            TableOptions::new().thousands('\u{2019}'),
            1234.5,
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
    // The option that is lacking beside those that are given.
    let beside = dir.file("beside.csv", "x;k\n0,5;a\n1.234;b\n");
    assert_error(
        Dataset::from_csv_with(&beside, "k", &TableOptions::new().decimal_comma()),
        &beside,
        &["line 3", "decimal_comma and TableOptions::thousands('.')"],
    );
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
