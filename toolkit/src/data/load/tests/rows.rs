//! Columns that tell the rows apart, as programs write them.

use crate::data::{Dataset, TableOptions};
use crate::testing::Scratch;

fn load(text: &str) -> Dataset {
    let dir = Scratch::new();
    Dataset::from_csv(dir.file("r.csv", text), "k").unwrap()
}

/// The rows of a part keep the numbers that they had in the whole table.
#[test]
fn numbers_of_chosen_rows_are_left_out_and_told() {
    for name in ["index", "Id", "ID", "rownames", "level_0", "idx"] {
        for numbers in [
            ["1461", "1462", "1463"],
            ["3", "5", "4"],
            ["842302", "84300903", "9"],
        ] {
            let [a, b, c] = numbers;
            let data = load(&format!("{name},x,k\n{a},1.5,p\n{b},2.5,p\n{c},3.5,q\n"));
            assert_eq!(data.feature_names(), ["x"], "{name} {a}");
            let [note] = data.notes() else {
                panic!("{name} {a}: {:?}", data.notes())
            };
            assert!(note.contains(name) && note.contains("keep_index"), "{note}");
        }
    }
    // A number that comes again, a fraction or a row of seats says something.
    for text in [
        "id,x,k\n7,1.5,p\n7,2.5,q\n",
        "index,x,k\n0.5,1.5,p\n7,2.5,q\n",
        "row,x,k\n12,1.5,p\n7,2.5,q\n",
        "X,x,k\n12,1.5,p\n7,2.5,q\n",
    ] {
        let data = load(text);
        assert_eq!((data.width(), data.notes().len()), (2, 0), "{text}");
    }
}

#[test]
fn the_levels_of_an_index_are_left_out_and_told() {
    for (first, second) in [("level_0", "level_1"), ("Unnamed: 0", "Unnamed: 1")] {
        let text = format!("{first},{second},x,k\n0,0,1.5,p\n0,1,2.5,p\n1,0,3.5,q\n1,1,4.5,q\n");
        let data = load(&text);
        assert_eq!(
            (data.feature_names(), data.notes().len()),
            (&["x".to_owned()][..], 2)
        );
        let dir = Scratch::new();
        let options = TableOptions::new().keep_index();
        let kept = Dataset::from_csv_with(dir.file("l.csv", &text), "k", &options).unwrap();
        assert_eq!(kept.width(), 3);
    }
    // Elsewhere, or with fractions, such names are features'.
    let data = load("x,level_1,k\n1.5,0,p\n2.5,0,q\n");
    assert_eq!((data.width(), data.notes().len()), (2, 0));
    let data = load("Unnamed: 0,Unnamed: 1,k\n1,0.5,p\n2,0.25,q\n");
    assert_eq!(data.feature_names(), ["Unnamed: 1"]);
}

#[test]
fn shuffled_numbers_of_rows_under_any_name_are_told() {
    let rows: String = (0..13)
        .map(|i| format!("{},{}.5,{}\n", (i * 5) % 13, i * i, i / 7))
        .collect();
    let data = load(&format!("sample,x,k\n{rows}"));
    assert_eq!(data.feature_names(), ["sample", "x"]);
    let [note] = data.notes() else {
        panic!("{:?}", data.notes())
    };
    assert!(
        note.contains("column sample") && note.contains("TableOptions::without"),
        "{note}"
    );
}
