use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;

use super::assert_error;
use crate::data::{Dataset, Shape};
use crate::testing::Scratch;

fn idx(dims: &[u32], data: &[u8]) -> Vec<u8> {
    let mut file = vec![0, 0, 8, dims.len() as u8];
    dims.iter().for_each(|d| file.extend(d.to_be_bytes()));
    file.extend(data);
    file
}

fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Three images of 2 x 3 pixels.
fn images() -> Vec<u8> {
    let pixels: Vec<u8> = (0..18).map(|i| i * 15).collect();
    idx(&[3, 2, 3], &pixels)
}

#[test]
fn images_and_labels_plain_and_packed_are_the_same() {
    let dir = Scratch::new();
    let labels = idx(&[3], &[7, 0, 2]);
    let plain = (dir.file("train-images", images()), dir.file("labels", &labels));
    // The contents decide, not the name.
    let packed = (
        dir.file("train-images.x", pack(&images())),
        dir.file("labels.gz", pack(&labels)),
    );
    let data = Dataset::from_idx(&plain.0, &plain.1).unwrap();
    assert_eq!(
        data.shape(),
        Shape::Image {
            height: 2,
            width: 3,
            channels: 1
        }
    );
    assert_eq!((data.len(), data.name()), (3, "train-images"));
    assert_eq!(data.labels().unwrap(), [7, 0, 2]);
    assert_eq!(data.class_names(), ["0", "1", "2", "3", "4", "5", "6", "7"]);
    let want: Vec<f32> = (0..18).map(|i| (i * 15) as f32 / 255.0).collect();
    assert_eq!(data.features(), want);
    assert_eq!(data.row(2)[5], 1.0);
    let other = Dataset::from_idx(&packed.0, &packed.1).unwrap();
    assert_eq!(data.digest(), other.digest());
}

#[test]
fn other_ranks_and_members_that_follow_each_other() {
    let dir = Scratch::new();
    let flat = dir.file("flat", idx(&[2, 5], &[9; 10]));
    assert_eq!(Dataset::from_idx_images(flat).unwrap().shape(), Shape::Flat(5));
    let whole = idx(&[1, 2, 2, 3], &[5; 12]);
    let (a, b) = whole.split_at(9);
    let two = dir.file("two", [pack(a), pack(b)].concat());
    let data = Dataset::from_idx_images(two).unwrap();
    assert_eq!(
        data.shape(),
        Shape::Image {
            height: 2,
            width: 2,
            channels: 3
        }
    );
    // A header with a file name and an extra field.
    let plain = pack(&whole);
    let mut named = plain[..10].to_vec();
    named[3] = 4 | 8;
    named.extend([3, 0, 1, 2, 3]);
    named.extend(b"name.idx\0");
    named.extend(&plain[10..]);
    let named = Dataset::from_idx_images(dir.file("named", named)).unwrap();
    assert_eq!(named.digest(), data.digest());
}

#[test]
fn channels_that_come_first_are_brought_last_and_told() {
    let dir = Scratch::new();
    // Each number is its place: channel, row, column.
    let first: Vec<u8> = (0..2 * 3 * 6 * 5).map(|i| i as u8).collect();
    let data = Dataset::from_idx_images(dir.file("first", idx(&[2, 3, 6, 5], &first))).unwrap();
    assert_eq!(data.shape(), (6, 5, 3).into());
    let raw = |example: usize, row: usize, column: usize, channel: usize| {
        (data.rows().nth(example).unwrap()[(row * 5 + column) * 3 + channel] * 255.0).round() as usize
    };
    for (example, row, column, channel) in [(0, 0, 0, 0), (0, 1, 2, 2), (1, 5, 4, 1)] {
        assert_eq!(
            raw(example, row, column, channel),
            ((example * 3 + channel) * 6 + row) * 5 + column
        );
    }
    let [note] = data.notes() else {
        panic!("{:?}", data.notes())
    };
    assert!(note.contains("3 x 6 x 5") && note.contains("6 x 5 x 3"), "{note}");
    let last = Dataset::from_idx_images(dir.file("last", idx(&[2, 6, 5, 3], &first))).unwrap();
    assert_eq!((last.shape(), last.notes().len()), ((6, 5, 3).into(), 0));
}

#[test]
fn pieces_do_not_show() {
    let dir = Scratch::new();
    let pixels: Vec<u8> = (0..200_000u32).map(|i| ((i * 7919) >> 5) as u8).collect();
    let file = idx(&[500, 20, 20], &pixels);
    let data = Dataset::from_idx_images(dir.file("a", pack(&file))).unwrap();
    let want: Vec<f32> = pixels.iter().map(|&p| f32::from(p) / 255.0).collect();
    assert!(data.features() == want);
}

#[test]
fn broken_files_are_named_with_place_expected_and_found() {
    let dir = Scratch::new();
    let good = images();
    let short = &good[..good.len() - 1];
    let long = [&good[..], &[1]].concat();
    let huge = idx(&[u32::MAX, u32::MAX, u32::MAX], &[0; 18]);
    let mut float = good.clone();
    float[2] = 0x0d;
    let cases: [(&str, Vec<u8>, &[&str]); 11] = [
        (
            "short",
            short.to_vec(),
            &["18 bytes", "3 x 2 x 3", "found 17", "byte 16"],
        ),
        ("long", long, &["18 bytes", "found 19"]),
        (
            "lying",
            idx(&[60_000, 28, 28], &[0; 18]),
            &["47040000 bytes", "found 18"],
        ),
        ("huge", huge, &["18446744073709551615 bytes", "found 18"]),
        (
            "png",
            b"\x89PNG\r\n\x1a\n".to_vec(),
            &["00 00 08", "found 89 50 4e 47", "bytes 0 to 3"],
        ),
        (
            "float",
            float,
            &["of 32-bit floats (type 0d)", "byte 2", "unsigned bytes"],
        ),
        (
            "zero",
            idx(&[0, 2, 3], &[]),
            &["dimension above 0", "bytes 4 to 7"],
        ),
        (
            "zero width",
            idx(&[3, 2, 0], &[]),
            &["dimension above 0", "bytes 12 to 15"],
        ),
        (
            "stub",
            vec![0, 0],
            &["expected 4 bytes for an IDX header", "found 2"],
        ),
        (
            "half header",
            good[..6].to_vec(),
            &["expected 4 bytes for a dimension", "found 2", "byte 4"],
        ),
        (
            "rank",
            idx(&[3], &[1, 2, 3]),
            &["2 to 4 dimensions", "found 1", "byte 3", "swapped"],
        ),
    ];
    for (name, bytes, words) in cases {
        let file = dir.file(name, &bytes);
        assert_error(Dataset::from_idx_images(&file), &file, words);
    }
}

#[test]
fn broken_gzip_is_named_with_place_expected_and_found() {
    let dir = Scratch::new();
    let good = pack(&images());
    let n = good.len();
    let changed = |i: usize| {
        let mut bytes = good.clone();
        bytes[i] ^= 0x55;
        bytes
    };
    let empty = pack(&[]);
    let lying = pack(&idx(&[60_000, 28, 28], &[0; 18]));
    let plausible = pack(&idx(&[4, 2, 3], &[0; 18]));
    let cases: [(&str, Vec<u8>, &[&str]); 11] = [
        (
            "checksum",
            changed(n - 7),
            &["the checksum", "found", &format!("byte {}", n - 8)],
        ),
        (
            "length",
            changed(n - 3),
            &["unpacked bytes", "found 34", &format!("byte {}", n - 4)],
        ),
        (
            "cut",
            good[..n - 4].to_vec(),
            &["8 bytes of gzip checksum", "end of the file"],
        ),
        ("cut in data", good[..n / 2].to_vec(), &["found"]),
        (
            "cut header",
            good[..5].to_vec(),
            &["10 bytes of gzip header", "end of the file"],
        ),
        ("damaged", changed(12), &["found"]),
        ("method", changed(2), &["gzip header", "found 1f 8b 5d"]),
        (
            "trailing",
            [&good[..], b"xyz"].concat(),
            &["end of the file, found byte 78", &format!("byte {n}")],
        ),
        ("nothing", empty, &["expected 4 bytes for an IDX header, found 0"]),
        (
            "lying",
            lying,
            &["47040000 bytes", "60000 x 28 x 28", "cannot hold more than"],
        ),
        ("fewer", plausible, &["24 bytes", "4 x 2 x 3", "found 18"]),
    ];
    for (name, bytes, words) in cases {
        let file = dir.file(name, &bytes);
        assert_error(Dataset::from_idx_images(&file), &file, words);
    }
}

/// A small file that unpacks to far more than it declares is left at the first byte too many.
#[test]
fn a_decompression_bomb_is_cut_off() {
    let dir = Scratch::new();
    let mut bomb = GzEncoder::new(Vec::new(), Compression::best());
    bomb.write_all(&idx(&[10, 2, 3], &[])).unwrap();
    let zeros = vec![0; 1 << 20];
    for _ in 0..64 {
        bomb.write_all(&zeros).unwrap();
    }
    let file = dir.file("bomb", bomb.finish().unwrap());
    assert_error(
        Dataset::from_idx_images(&file),
        &file,
        &["60 bytes", "found more than that"],
    );
}

#[test]
fn labels_out_of_range_and_files_of_different_parts() {
    let dir = Scratch::new();
    let images = dir.file("images", images());
    let two = dir.file("two", idx(&[2], &[0, 1]));
    assert_error(
        Dataset::from_idx(&images, &two),
        &two,
        &["expected 3 labels", "found 2", "images"],
    );
    assert_error(
        Dataset::from_idx(&two, &images),
        &images,
        &["labels with 1 dimension, found 3", "swapped"],
    );
    let labels = dir.file("labels", idx(&[3], &[0, 4, 200]));
    let error = &[
        "labels from 0 to 9, found 200",
        "no label is 1",
        "byte 10 (label 3)",
    ];
    assert_error(Dataset::from_idx(&images, &labels), &labels, error);
    let error = &["labels from 0 to 2, found 4", "byte 9 (label 2)"];
    assert_error(
        Dataset::from_idx_with_classes(&images, &labels, &["a", "b", "c"]),
        &labels,
        error,
    );
    let names: Vec<String> = (0..=200).map(|i| format!("class {i}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let data = Dataset::from_idx_with_classes(&images, &labels, &names).unwrap();
    assert_eq!(data.labels().unwrap(), [0, 4, 200]);
}

#[test]
fn more_than_ten_classes_without_gaps() {
    let dir = Scratch::new();
    let images = dir.file("images", idx(&[26, 1, 1], &[0; 26]));
    let letters: Vec<u8> = (1..=26).rev().collect();
    let letters = dir.file("letters", idx(&[26], &letters));
    let data = Dataset::from_idx(&images, &letters).unwrap();
    assert_eq!(
        (
            data.classes(),
            data.class_name(0).as_str(),
            data.class_name(25).as_str()
        ),
        (26, "1", "26")
    );
    assert_eq!(data.labels().unwrap()[..2], [25, 24]);
    let from_zero: Vec<u8> = (0..26).collect();
    let from_zero = dir.file("from zero", idx(&[26], &from_zero));
    assert_eq!(
        Dataset::from_idx(&images, &from_zero).unwrap().labels().unwrap()[25],
        25
    );
}

#[test]
fn a_missing_class_is_named() {
    let dir = Scratch::new();
    // 1 to 30 as in EMNIST's letters, without 20.
    let found: Vec<u8> = (1..=30).filter(|&label| label != 20).collect();
    let images = dir.file("images", idx(&[29, 1, 1], &[0; 29]));
    let plain = dir.file("plain", idx(&[29], &found));
    assert_error(
        Dataset::from_idx(&images, &plain),
        &plain,
        &[
            "labels from 1 to 19, found 21; no label is 20",
            "byte 27 (label 20)",
        ],
    );
    let packed = dir.file("packed", pack(&idx(&[29], &found)));
    assert_error(
        Dataset::from_idx(&images, &packed),
        &packed,
        &["found 21", "byte 27 of the unpacked data (label 20)"],
    );
    let rank = dir.file("rank", pack(&idx(&[1], &[0])));
    assert_error(
        Dataset::from_idx_images(&rank),
        &rank,
        &["2 to 4 dimensions, found 1", "byte 3 of the unpacked data"],
    );
}

#[test]
fn other_elements_are_named() {
    let dir = Scratch::new();
    for (kind, name) in [
        (0x09, "signed bytes"),
        (0x0b, "16-bit whole numbers"),
        (0x0c, "32-bit whole numbers"),
        (0x0e, "64-bit floats"),
    ] {
        let mut bytes = images();
        bytes[2] = kind;
        let file = dir.file("other", pack(&bytes));
        assert_error(Dataset::from_idx_images(&file), &file, &[name, "unsigned bytes"]);
    }
}

#[test]
fn zeros_behind_a_gzip_member_are_padding() {
    let dir = Scratch::new();
    let want = Dataset::from_idx_images(dir.file("plain", images())).unwrap();
    for zeros in [1, 511, 200_000] {
        let padded = [pack(&images()), vec![0; zeros]].concat();
        let data = Dataset::from_idx_images(dir.file("padded", padded)).unwrap();
        assert_eq!(data.digest(), want.digest());
    }
    let more = dir.file("more", [pack(&images()), vec![0; 7], b"x".to_vec()].concat());
    let at = format!("byte {}", pack(&images()).len() + 7);
    assert_error(Dataset::from_idx_images(&more), &more, &["found byte 78", &at]);
}

#[test]
fn transposed_images_are_told_and_set_right() {
    let dir = Scratch::new();
    let data = Dataset::from_idx_images(dir.file("emnist-letters-train-images", images())).unwrap();
    assert!(
        data.notes()[0].contains("Dataset::transposed"),
        "{:?}",
        data.notes()
    );
    // As those have that keep all files of a collection in one folder.
    let letters = Dataset::from_idx_images(dir.file("EMNIST/letters-images-idx3-ubyte", images())).unwrap();
    assert_eq!(letters.notes(), data.notes());
    let right = data.transposed().unwrap();
    assert_eq!(right.shape(), (3, 2, 1).into());
    assert!(right.notes().is_empty(), "{:?}", right.notes());
    let row: Vec<f32> = [0, 45, 15, 60, 30, 75]
        .iter()
        .map(|&x| x as f32 / 255.0)
        .collect();
    assert_eq!(right.row(0), row);
    assert_eq!(right.transposed().unwrap().digest(), data.digest());
    // Colours stay together.
    let colour = Dataset::from_idx_images(dir.file("c", idx(&[1, 1, 2, 3], &[1, 2, 3, 4, 5, 6]))).unwrap();
    assert_eq!(colour.transposed().unwrap().features(), colour.features());
    assert!(colour.notes().is_empty());
    let flat = Dataset::from_idx_images(dir.file("f", idx(&[2, 2], &[1; 4]))).unwrap();
    assert!(flat.transposed().unwrap_err().to_string().contains("images"));
}
