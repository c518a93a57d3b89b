//! What of a folder of images is left out, and that it is told.

use std::os::unix::fs::symlink;

use image::{DynamicImage, ImageFormat, RgbImage};

use super::assert_error;
use crate::data::Dataset;
use crate::testing::Scratch;

fn png() -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    DynamicImage::from(RgbImage::from_pixel(3, 2, image::Rgb([9, 8, 7])))
        .write_to(&mut bytes, ImageFormat::Png)
        .unwrap();
    bytes.into_inner()
}

fn pets() -> Scratch {
    let dir = Scratch::new();
    dir.file("pets/cat/1.png", png());
    dir.file("pets/dog/1.png", png());
    dir
}

#[test]
fn hidden_images_are_told_and_other_hidden_files_are_not() {
    let dir = pets();
    let folder = dir.path().join("pets");
    dir.file("pets/cat/._1.png", b"\0\x05\x16\x07\0\x02\0\0Mac OS X");
    dir.file("pets/.DS_Store", "x");
    assert!(Dataset::from_image_folder(&folder).unwrap().notes().is_empty());
    dir.file("pets/cat/.2.png", png());
    dir.file("pets/.cow/1.png", png());
    let data = Dataset::from_image_folder(&folder).unwrap();
    assert_eq!((data.len(), data.class_names().len()), (2, 2));
    let [note] = data.notes() else {
        panic!("{:?}", data.notes())
    };
    for word in ["2 images are hidden", ".cow/1.png", "cat/.2.png"] {
        assert!(note.contains(word), "no {word} in: {note}");
    }
}

#[test]
fn links_that_lead_nowhere_are_errors() {
    for (link, to) in [
        ("cow", "../gone"),
        ("cat/2", "gone.png"),
        ("cat/2.png", "gone.png"),
        ("cat/round", "round"),
    ] {
        let dir = pets();
        let folder = dir.path().join("pets");
        symlink(to, folder.join(link)).unwrap();
        assert_error(
            Dataset::from_image_folder(&folder),
            &folder.join(link),
            &["leads nowhere", "remove the link"],
        );
    }
    let dir = pets();
    let folder = dir.path().join("pets");
    dir.file("elsewhere/1.png", png());
    dir.file("elsewhere/2.png", png());
    symlink("../elsewhere", folder.join("cow")).unwrap();
    symlink("../dog/1.png", folder.join("cat/2")).unwrap();
    let data = Dataset::from_image_folder(&folder).unwrap();
    assert_eq!(data.class_counts(), vec![2, 2, 1]);
    assert_eq!(data.notes(), ["cat/2 and dog/1.png are one file, in two classes"]);
}

#[test]
fn images_that_macos_did_not_put_beside_the_files_are_told() {
    let dir = pets();
    dir.file("pets/__MACOSX/cat/2.png", png());
    dir.file("pets/dog/@eaDir/1.png/THUMB.png", png());
    dir.file("pets/__MACOSX/cat/._1.png", b"\0\x05\x16\x07\0\x02\0\0Mac OS X");
    let data = Dataset::from_image_folder(dir.path().join("pets")).unwrap();
    assert_eq!(data.class_counts(), vec![1, 1]);
    let [note] = data.notes() else {
        panic!("{:?}", data.notes())
    };
    assert_eq!(
        note,
        "2 images are in folders that a system keeps beside the files and were left out: __MACOSX/cat/2.png, \
         dog/@eaDir/1.png/THUMB.png"
    );
}

#[test]
fn an_animation_is_told() {
    let dir = pets();
    let animated = |pictures: u8| {
        let mut part = vec![0, 0, 0, 8];
        part.extend(b"acTL");
        part.extend([0, 0, 0, pictures, 0, 0, 0, 0]);
        let mut sum = flate2::Crc::new();
        sum.update(&part[4..]);
        part.extend(sum.sum().to_be_bytes());
        let mut bytes = png();
        // Behind the header.
        bytes.splice(33..33, part);
        bytes
    };
    let folder = dir.path().join("pets");
    dir.file("pets/cat/1.png", animated(1));
    assert!(Dataset::from_image_folder(&folder).unwrap().notes().is_empty());
    dir.file("pets/cat/1.png", animated(7));
    let data = Dataset::from_image_folder(&folder).unwrap();
    assert!(
        data.notes()[0].contains("1 image is animated"),
        "{:?}",
        data.notes()
    );
}
