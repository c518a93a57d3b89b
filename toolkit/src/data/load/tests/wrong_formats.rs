//! Files that are something else than their names say, and copies that are none of the data: told with what to do.

use std::io::Write as _;

use image::{DynamicImage, GrayImage, ImageFormat};
use polars::prelude::{Column, DataFrame, DataType};

use super::assert_error;
use crate::data::Dataset;
use crate::testing::Scratch;

fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut packer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    packer.write_all(bytes).unwrap();
    packer.finish().unwrap()
}

#[test]
fn text_in_another_format_is_named() {
    let dir = Scratch::new();
    let page = "\n<!DOCTYPE html>\n<html><body>sign in</body></html>\n";
    let utf32: Vec<u8> = "\u{feff}a,b\n1,2\n"
        .chars()
        .flat_map(|c| (c as u32).to_le_bytes())
        .collect();
    let twice = packed(&packed(b"a,b\n1,2\n"));
    for (bytes, words) in [
        (
            page.as_bytes(),
            ["found a web page", "to do: download the file itself"],
        ),
        (&utf32, ["found UTF-32", "to do: save the file as UTF-8"]),
        (&twice, ["found a gzip file within", "to do: unpack it once"]),
        (b"a,b,a\n1,2,3\n", ["found a twice", "to do: rename"]),
        (b"a,b\n1,T\n2,F\n", ["found \"T\"", "to do: if it says yes or no"]),
        (b"a;b\n1;2\n1\n", ["line 3", "to do: correct the line"]),
    ] {
        let file = dir.file("table.csv", bytes);
        assert_error(Dataset::from_csv(&file, None), &file, &words);
    }
}

#[test]
fn an_image_in_another_format_is_named() {
    let dir = Scratch::new();
    let one = |name: &str, bytes: &[u8]| dir.file(&format!("{name}/a/1.png"), bytes);
    for (name, bytes, words) in [
        (
            "gif",
            &b"GIF89a\x01\0\x01\0\0\0\0;"[..],
            ["another image format (gif)", "to do: convert"],
        ),
        (
            "page",
            b"<html></html>",
            ["found neither", "to do: open the file in a viewer"],
        ),
    ] {
        let file = one(name, bytes);
        assert_error(Dataset::from_image_folder(dir.path().join(name)), &file, &words);
    }
}

#[test]
fn unfinished_copies_and_thumbnails_are_left_out() {
    let dir = Scratch::new();
    let image = DynamicImage::from(GrayImage::new(3, 2));
    for name in [
        "a/1.png",
        "a/1.png.part",
        "a/#1.png#",
        "a/1.tmp",
        "a/@eaDir/1.png",
        "@eaDir/2.png",
        "b/1.png",
    ] {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image.save_with_format(path, ImageFormat::Png).unwrap();
    }
    let data = Dataset::from_image_folder(dir.path()).unwrap();
    assert_eq!(
        (data.class_names(), data.len()),
        (&["a".to_owned(), "b".to_owned()][..], 2)
    );
    let note = &data.notes()[0];
    assert!(
        note.contains("3 images are backup or unfinished copies"),
        "{note}"
    );
}

#[test]
fn a_class_that_is_another_by_a_link_is_refused() {
    let dir = Scratch::new();
    std::fs::create_dir_all(dir.path().join("a")).unwrap();
    DynamicImage::from(GrayImage::new(3, 2))
        .save(dir.path().join("a/1.png"))
        .unwrap();
    std::os::unix::fs::symlink("a", dir.path().join("b")).unwrap();
    let link = dir.path().join("b");
    let words = ["is the folder a by a link", "to do: remove the link"];
    assert_error(Dataset::from_image_folder(dir.path()), &link, &words);
}

#[test]
fn columns_and_labels_without_values_have_a_way_out() {
    let empty =
        Column::new_empty("x".into(), &DataType::Null).extend_constant(polars::prelude::AnyValue::Null, 2);
    let frame = DataFrame::new(2, vec![empty.unwrap(), Column::new("y".into(), [1, 2])]).unwrap();
    let error = Dataset::from_frame("t", &frame, None).unwrap_err().to_string();
    assert!(
        error.contains("only empty cells") && error.contains("TableOptions::without"),
        "{error}"
    );
    let frame = polars::df!("x" => [1.0, 2.0], "k" => [1.0, f64::NAN]).unwrap();
    let error = Dataset::from_frame("t", &frame, "k").unwrap_err().to_string();
    assert!(
        error.contains("found NaN") && error.contains("drop the rows"),
        "{error}"
    );
}
