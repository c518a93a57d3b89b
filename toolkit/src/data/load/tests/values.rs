//! Columns of numbers to predict.

use polars::prelude::{DataFrame, ParquetWriter, df};

use super::assert_error;
use crate::data::{Dataset, Shape, TableOptions};
use crate::testing::Scratch;

const HOMES: &str = "size,price,rooms,rent\n10.5,100,2,7\n20,200.5,3,8\n30,-3e2,4,9\n";

fn frame() -> DataFrame {
    df!("size" => [10.5, 20.0, 30.0], "price" => [100.0, 200.5, -300.0], "rooms" => [2i64, 3, 4], "rent" => [7i64, 8, 9])
        .unwrap()
}

#[track_caller]
fn assert_homes(data: &Dataset) {
    assert_eq!(data.shape(), Shape::Flat(2));
    assert_eq!(data.feature_names(), ["size", "rooms"]);
    assert_eq!(data.features(), [10.5, 2.0, 20.0, 3.0, 30.0, 4.0]);
    assert_eq!(data.value_names(), ["rent", "price"]);
    assert_eq!(data.values().unwrap(), [7.0, 100.0, 8.0, 200.5, 9.0, -300.0]);
    assert_eq!(data.labels(), None);
}

#[test]
fn every_kind_of_table_gives_values_in_the_order_asked_for() {
    let dir = Scratch::new();
    let names = ["rent", "price"];
    let csv = dir.file("homes.csv", HOMES);
    assert_homes(&Dataset::from_csv_values(&csv, names).unwrap());
    assert_homes(&Dataset::from_frame_values("homes", &frame(), names).unwrap());
    let mut packed = Vec::new();
    ParquetWriter::new(&mut packed).finish(&mut frame()).unwrap();
    let parquet = dir.file("homes.parquet", packed);
    assert_homes(&Dataset::from_parquet_values(&parquet, names).unwrap());
    let comma = dir.file("comma.csv", HOMES.replace(',', ";").replace('.', ","));
    let options = TableOptions::new().values(names).decimal_comma();
    assert_homes(&Dataset::from_csv_with(&comma, None, &options).unwrap());
}

#[test]
fn wrong_columns_of_values_are_named() {
    let dir = Scratch::new();
    let file = dir.file("homes.csv", HOMES);
    let with = |label, options: &TableOptions| Dataset::from_csv_with(&file, label, options);
    let values = |names: &[&str]| TableOptions::new().values(names.iter().copied());
    for (loaded, words) in [
        (
            with(None, &values(&["prize"])),
            ["column of values prize", "size, price, rooms, rent"],
        ),
        (
            with(Some("rooms"), &values(&["price"])),
            ["label column rooms", "one kind of target"],
        ),
        (
            with(None, &values(&["price", "price"])),
            ["price twice", "once each"],
        ),
        (
            with(None, &values(&["price"]).without(["price"])),
            ["price", "left out"],
        ),
        (
            with(None, &values(&["size", "price", "rooms", "rent"])),
            ["a feature", "found none"],
        ),
    ] {
        assert_error(loaded, &file, &words);
    }
    let broken = dir.file("broken.csv", "size,price\n1,2\n2,\n3,x\n");
    let error = Dataset::from_csv_values(&broken, ["price"]);
    assert_error(error, &broken, &["line 3, column price", "empty cell"]);
    // A number where a class was asked for.
    assert_error(
        Dataset::from_csv(&file, "size"),
        &file,
        &["10.5", "TableOptions::values"],
    );
}
