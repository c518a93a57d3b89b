use std::path::Path;

use image::{DynamicImage, GrayImage, ImageFormat, Luma, Rgb, RgbImage};

use super::assert_error;
use crate::data::{Dataset, ImageFolder, ImagePreparation, Shape};
use crate::show::Show;
use crate::testing::Scratch;

fn save(image: impl Into<DynamicImage>, dir: &Scratch, name: &str, format: ImageFormat) {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.into().write_to(&mut bytes, format).unwrap();
    dir.file(name, bytes.into_inner());
}

fn grey(width: u32, height: u32) -> GrayImage {
    GrayImage::from_fn(width, height, |x, y| Luma([(10 * x + y) as u8]))
}

#[test]
fn grey_images_have_one_channel_row_by_row() {
    let dir = Scratch::new();
    save(grey(3, 2), &dir, "b/1.png", ImageFormat::Png);
    save(
        GrayImage::from_pixel(3, 2, Luma([255])),
        &dir,
        "b/2.PNG",
        ImageFormat::Png,
    );
    save(GrayImage::new(3, 2), &dir, "a/x.png", ImageFormat::Png);
    dir.file("b/notes.txt", "passed over");
    dir.file("b/.hidden.png", "passed over");
    dir.file("README.md", "passed over");
    let data = Dataset::from_image_folder(dir.path()).unwrap();
    assert_eq!(
        data.shape(),
        Shape::Image {
            height: 2,
            width: 3,
            channels: 1
        }
    );
    assert_eq!(data.class_names(), ["a", "b"]);
    assert_eq!(data.labels().unwrap(), [0, 1, 1]);
    let want: Vec<f32> = [0, 10, 20, 1, 11, 21].iter().map(|&x| x as f32 / 255.0).collect();
    assert_eq!(data.row(1), want);
    assert_eq!((data.row(0)[0], data.row(2)[5]), (0.0, 1.0));
    let note = &data.notes()[0];
    for part in ["2 files", "README.md", "b/notes.txt"] {
        assert!(note.contains(part), "no {part} in: {note}");
    }
    assert!(!note.contains("hidden") && data.bundle().plain().contains(note.as_str()));
}

#[test]
fn classes_that_look_the_same_are_told() {
    let dir = Scratch::new();
    for name in ["asters/1.png", "asters /1.png"] {
        save(grey(3, 2), &dir, name, ImageFormat::Png);
    }
    let data = Dataset::from_image_folder(dir.path()).unwrap();
    assert!(
        data.notes()[0].contains("\"asters\" and \"asters \" differ only"),
        "{:?}",
        data.notes()
    );
}

#[test]
fn copies_that_an_editor_leaves_are_no_images_of_their_own() {
    let dir = Scratch::new();
    for name in [
        "roses/1.png",
        "roses/1.png~",
        "roses.bak/2.png",
        "Roses/3.png",
        "tulips/4.PNG.Orig",
    ] {
        save(grey(3, 2), &dir, name, ImageFormat::Png);
    }
    save(grey(3, 2), &dir, "tulips/4.png", ImageFormat::Png);
    let data = Dataset::from_image_folder(dir.path()).unwrap();
    assert_eq!(data.class_names(), ["Roses", "roses", "tulips"]);
    assert_eq!(data.class_counts(), [1, 1, 1]);
    let [copies, alike] = data.notes() else {
        panic!("{:?}", data.notes())
    };
    for part in [
        "3 images are backup or unfinished copies",
        "roses/1.png~",
        "roses.bak/2.png",
        "tulips/4.PNG.Orig",
    ] {
        assert!(copies.contains(part), "{copies}");
    }
    assert!(
        alike.contains("\"Roses\" and \"roses\" differ only in the case"),
        "{alike}"
    );
}

#[test]
fn contents_tell_an_image_from_what_is_none() {
    let dir = Scratch::new();
    let names = [
        "1.JPG", "2.jfif", "3.jpe", "4", "5.txt", "6.webp", "7.Jpeg", "8.pjpeg",
    ];
    for name in names {
        let image = GrayImage::from_pixel(16, 8, Luma([128]));
        save(image, &dir, &format!("a/{name}"), ImageFormat::Jpeg);
    }
    save(grey(16, 8), &dir, "b/picture", ImageFormat::Png);
    dir.file("b/BM notes", "BMW and others, a text");
    dir.file("b/Thumbs.db", "\u{1}\u{2}");
    let data = Dataset::from_image_folder(dir.path()).unwrap();
    assert_eq!(data.class_counts(), [8, 1]);
    assert!(data.notes()[0].contains("2 files are no images and were left out: b/BM notes, b/Thumbs.db"));
    let folder = ImageFolder::open(dir.path()).unwrap();
    assert_eq!((folder.len(), folder.notes()), (9, data.notes()));
    assert!(folder.to_string().contains("b/Thumbs.db"));
    let small = folder
        .dataset(&ImagePreparation::stretched(4, 4).unwrap())
        .unwrap();
    assert_eq!(small.notes(), data.notes());
    // Images of other formats are not passed over either, whatever their names are.
    for (bytes, name) in [
        (&b"GIF89a\x01\0"[..], "x"),
        (b"RIFF\x10\0\0\0WEBPVP8 ", "y.dat"),
        (b"II*\0", "z.bin"),
    ] {
        let file = dir.file(&format!("b/{name}"), bytes);
        assert_error(
            Dataset::from_image_folder(dir.path()),
            &file,
            &["another image format"],
        );
        std::fs::remove_file(file).unwrap();
    }
    let stray = dir.file("stray", std::fs::read(dir.path().join("b/picture")).unwrap());
    assert_error(
        Dataset::from_image_folder(dir.path()),
        &stray,
        &["one beside them"],
    );
}

#[test]
fn parts_around_the_classes_are_told() {
    let dir = Scratch::new();
    for part in ["Train", "val"] {
        save(grey(3, 2), &dir, &format!("{part}/cat/1.png"), ImageFormat::Png);
    }
    for opened in [
        Dataset::from_image_folder(dir.path()).err(),
        ImageFolder::open(dir.path()).err(),
    ] {
        let text = opened.unwrap().to_string();
        for word in ["parts of the data", "Train, val", "load each", "Split::new"] {
            assert!(text.contains(word), "no {word:?} in: {text}");
        }
    }
    assert!(
        Dataset::from_image_folder(dir.path().join("val"))
            .unwrap()
            .notes()
            .is_empty()
    );
    // Images right in them: classes, perhaps.
    let flat = Scratch::new();
    save(grey(3, 2), &flat, "train/1.png", ImageFormat::Png);
    save(grey(3, 2), &flat, "test/1.png", ImageFormat::Png);
    let data = Dataset::from_image_folder(flat.path()).unwrap();
    assert!(
        data.notes()[0].contains("test, train are taken for classes"),
        "{:?}",
        data.notes()
    );
}

#[test]
fn what_macos_packs_beside_the_files_is_no_class() {
    let dir = Scratch::new();
    save(grey(3, 2), &dir, "a/1.png", ImageFormat::Png);
    dir.file("__MACOSX/a/._1.png", "resource");
    dir.file("a/__MACOSX/._1.png", "resource");
    dir.file(".cache/x.png", "x");
    dir.file("a/._1.png", "resource");
    dir.file("a/.ipynb_checkpoints/x.png", "x");
    let data = Dataset::from_image_folder(dir.path()).unwrap();
    assert_eq!(
        (data.class_names(), data.len(), data.notes().len()),
        (&["a".to_owned()][..], 1, 0)
    );
}

/// A JPEG with the EXIF mark of a camera that was held as `orientation` says.
fn marked(dir: &Scratch, name: &str, image: &GrayImage, orientation: u8) {
    save(image.clone(), dir, name, ImageFormat::Jpeg);
    let path = dir.path().join(name);
    let plain = std::fs::read(&path).unwrap();
    let mut exif = b"\xff\xe1\0\x22Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    std::fs::write(&path, [&plain[..2], &exif, &plain[2..]].concat()).unwrap();
}

#[test]
fn images_are_turned_upright_and_counted() {
    // Bright above, dark below.
    let upright = GrayImage::from_fn(16, 8, |_, y| Luma([if y < 4 { 250 } else { 5 }]));
    let turned: [(u8, GrayImage); 5] = [
        (1, upright.clone()),
        (3, image::imageops::rotate180(&upright)),
        (4, image::imageops::flip_vertical(&upright)),
        // What a quarter turn clockwise sets right lies a quarter turn counterclockwise.
        (6, image::imageops::rotate270(&upright)),
        (8, image::imageops::rotate90(&upright)),
    ];
    let dir = Scratch::new();
    for (orientation, image) in &turned {
        marked(&dir, &format!("a/{orientation}.jpg"), image, *orientation);
    }
    let data = Dataset::from_image_folder(dir.path()).unwrap();
    assert_eq!(data.shape(), (8, 16, 1).into());
    for (row, (orientation, _)) in data.rows().zip(&turned) {
        assert!(
            row[..16].iter().all(|&x| x > 0.9) && row[112..].iter().all(|&x| x < 0.1),
            "{orientation}"
        );
    }
    assert_eq!(
        data.notes(),
        ["4 images were turned upright, as their EXIF or XMP marks say"]
    );
    let folder = ImageFolder::open(dir.path()).unwrap();
    let preparation = ImagePreparation::stretched(8, 16).unwrap();
    let mut batches = folder.batches(&preparation, 2).unwrap();
    let first = batches.next().unwrap().unwrap();
    assert_eq!(batches.turned(), 1);
    for image in first.pixels.chunks(8 * 16 * 3) {
        assert!(image[0] > 0.9 && image[8 * 16 * 3 - 1] < 0.1);
    }
    assert_eq!(folder.dataset(&preparation).unwrap().notes(), data.notes());
}

#[test]
fn xmp_turns_an_image_that_has_no_exif() {
    let dir = Scratch::new();
    save(grey(16, 8), &dir, "a/1.jpg", ImageFormat::Jpeg);
    let path = dir.path().join("a/1.jpg");
    let plain = std::fs::read(&path).unwrap();
    let mut part = b"http://ns.adobe.com/xap/1.0/\0<x><d tiff:Orientation=\"6\"/></x>".to_vec();
    let length = (part.len() + 2) as u16;
    part.splice(..0, [0xff, 0xe1].into_iter().chain(length.to_be_bytes()));
    std::fs::write(&path, [&plain[..2], &part, &plain[2..]].concat()).unwrap();
    let data = Dataset::from_image_folder(dir.path()).unwrap();
    assert_eq!(data.shape(), (16, 8, 1).into());
    assert_eq!(
        data.notes(),
        ["1 image was turned upright, as its EXIF or XMP mark says"]
    );
}

#[test]
fn one_colour_image_makes_all_colour() {
    let dir = Scratch::new();
    save(grey(2, 2), &dir, "a/grey.png", ImageFormat::Png);
    save(
        RgbImage::from_pixel(2, 2, Rgb([255, 0, 51])),
        &dir,
        "a/red.png",
        ImageFormat::Png,
    );
    let deep = image::ImageBuffer::from_pixel(2, 2, Luma([13107u16]));
    save(
        DynamicImage::ImageLuma16(deep),
        &dir,
        "b/deep.png",
        ImageFormat::Png,
    );
    let data = Dataset::from_image_folder(dir.path()).unwrap();
    assert_eq!(
        data.shape(),
        Shape::Image {
            height: 2,
            width: 2,
            channels: 3
        }
    );
    let close = |found: &[f32], want: [f32; 3]| found.iter().zip(want).all(|(f, w)| (f - w).abs() < 1e-6);
    assert!(close(&data.row(0)[3..6], [10.0 / 255.0; 3]), "{:?}", data.row(0));
    assert!(close(&data.row(1)[..3], [1.0, 0.0, 0.2]), "{:?}", data.row(1));
    assert!(close(&data.row(2)[..3], [0.2; 3]), "{:?}", data.row(2));
}

#[test]
fn jpeg_is_read_by_its_contents() {
    let dir = Scratch::new();
    save(
        GrayImage::from_pixel(16, 8, Luma([128])),
        &dir,
        "a/1.jpg",
        ImageFormat::Jpeg,
    );
    // A PNG under a JPEG's name.
    save(
        GrayImage::from_pixel(16, 8, Luma([128])),
        &dir,
        "a/2.jpeg",
        ImageFormat::Png,
    );
    let data = Dataset::from_image_folder(dir.path()).unwrap();
    assert_eq!(
        data.shape(),
        Shape::Image {
            height: 8,
            width: 16,
            channels: 1
        }
    );
    assert!(data.features().iter().all(|x| (x - 128.0 / 255.0).abs() < 0.01));
}

#[test]
fn broken_folders_name_the_file() {
    let empty = Scratch::new();
    assert_error(
        Dataset::from_image_folder(empty.path()),
        empty.path(),
        &["a folder for each class, found none"],
    );
    let missing = empty.path().join("none");
    assert_error(Dataset::from_image_folder(&missing), &missing, &["No such file"]);
    type Damage = fn(&Scratch) -> std::path::PathBuf;
    let cases: [(Damage, &[&str]); 9] = [
        (
            |dir| {
                save(grey(4, 3), dir, "b/other.png", ImageFormat::Png);
                dir.path().join("b/other.png")
            },
            &["expected 3 x 2 pixels (width x height) as in", "found 4 x 3"],
        ),
        (
            |dir| dir.file("b/text.png", "no image at all"),
            &["PNG or JPEG image, found neither", "byte 0"],
        ),
        (|dir| dir.file("b/empty.png", ""), &["empty file"]),
        (|dir| dir.file("b/photo.webp", "x"), &["expected PNG or JPEG"]),
        (|dir| dir.file("stray.png", "x"), &["one beside them"]),
        (
            |dir| dir.file("b/deep/x.png", "x").parent().unwrap().to_owned(),
            &["found a folder"],
        ),
        (
            |dir| {
                std::fs::create_dir(dir.path().join("bare")).unwrap();
                dir.path().join("bare")
            },
            &["images in the class folder, found none"],
        ),
        (
            |dir| cut(dir, "a/1.png", "b/cut.png"),
            &["a whole image, found damage"],
        ),
        (
            |dir| header(dir, 15_000, 15_000),
            &["fits the file's", "declares 15000 x 15000 pixels"],
        ),
    ];
    for (i, (damage, words)) in cases.into_iter().enumerate() {
        let dir = Scratch::new();
        save(grey(3, 2), &dir, "a/1.png", ImageFormat::Png);
        assert!(
            Dataset::from_image_folder(dir.path()).is_ok(),
            "case {i} before the damage"
        );
        let file = damage(&dir);
        assert_error(Dataset::from_image_folder(dir.path()), &file, words);
    }
    let dir = Scratch::new();
    save(grey(3, 2), &dir, "a/1.png", ImageFormat::Png);
    let file = header(&dir, 2_000_000_000, 2_000_000_000);
    assert_error(
        Dataset::from_image_folder(dir.path()),
        &file,
        &["at most 16384 pixels a side"],
    );
}

fn cut(dir: &Scratch, from: &str, to: &str) -> std::path::PathBuf {
    let whole = std::fs::read(dir.path().join(Path::new(from))).unwrap();
    dir.file(to, &whole[..whole.len() - 20])
}

/// A good PNG whose header was made to declare another size, with the checksum to go with it.
fn header(dir: &Scratch, width: u32, height: u32) -> std::path::PathBuf {
    let mut png = std::fs::read(dir.path().join("a/1.png")).unwrap();
    png[16..20].copy_from_slice(&width.to_be_bytes());
    png[20..24].copy_from_slice(&height.to_be_bytes());
    let mut crc = flate2::Crc::new();
    crc.update(&png[12..29]);
    let sum = crc.sum().to_be_bytes();
    png[29..33].copy_from_slice(&sum);
    dir.file("b/huge.png", png)
}

#[test]
fn what_was_transparent_is_counted() {
    let dir = Scratch::new();
    let image = |alpha| image::RgbaImage::from_pixel(2, 2, image::Rgba([255, 0, 51, alpha]));
    save(image(255), &dir, "a/opaque.png", ImageFormat::Png);
    assert!(Dataset::from_image_folder(dir.path()).unwrap().notes().is_empty());
    save(image(254), &dir, "a/clear.png", ImageFormat::Png);
    let data = Dataset::from_image_folder(dir.path()).unwrap();
    assert!(
        data.notes()[0].starts_with("1 image is transparent in part"),
        "{:?}",
        data.notes()
    );
    assert_eq!(data.row(0), data.row(1));
    let folder = ImageFolder::open(dir.path()).unwrap();
    let preparation = ImagePreparation::stretched(2, 2).unwrap();
    assert_eq!(folder.dataset(&preparation).unwrap().notes(), data.notes());
}
