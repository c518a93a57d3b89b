//! Against torchvision and Pillow to the bit (tests/reference/images.py), and folders with damage in them.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::preparation::pixels;
use super::resize::Pixels;
use super::{ImageBatch, ImageFolder, ImagePreparation};
use crate::data::load::decode_file;
use crate::testing::{self, Scratch};

const GOLDEN: &str = include_str!("../../../../tests/reference/images.json");

fn reference() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/reference/images"))
}

fn golden() -> Value {
    serde_json::from_str(GOLDEN).unwrap()
}

fn hex_bytes(text: &str) -> Vec<u8> {
    let (pairs, _) = text.as_bytes().as_chunks::<2>();
    let byte = |pair: &[u8; 2]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    pairs.iter().map(byte).collect()
}

fn load(file: &str) -> Pixels {
    pixels(decode_file(&reference().join(file)).unwrap().image)
}

#[test]
fn decoding_is_pillows_convert_rgb() {
    let golden = golden();
    let files = golden["files"].as_object().unwrap();
    assert_eq!(files.len(), 17);
    for (file, cases) in files {
        let found = load(file);
        let whole = &cases["whole"];
        let size = [found.height, found.width].map(|side| side as u64);
        assert_eq!([0, 1].map(|i| whole[i].as_u64().unwrap()), size, "{file}");
        let expected = hex_bytes(whole[2].as_str().unwrap());
        // JPEG decoders may round the cosine transform differently.
        let most = if file.ends_with(".jpg") { 3 } else { 0 };
        let worst = found
            .rgb
            .iter()
            .zip(&expected)
            .map(|(a, b)| a.abs_diff(*b))
            .max()
            .unwrap();
        assert!(
            worst <= most && found.rgb.len() == expected.len(),
            "{file}: off by {worst}"
        );
    }
}

#[test]
fn resizing_and_cropping_are_torchvisions_to_the_bit() {
    let golden = golden();
    let mut compared = 0;
    for (file, cases) in golden["files"].as_object().unwrap() {
        for (case, expected) in cases.as_object().unwrap() {
            let number = |text: &str| text.parse::<usize>().unwrap();
            let preparation = match (case.split_once(' '), case.split_once('x')) {
                (Some((shorter, crop)), _) => ImagePreparation::new(number(shorter), number(crop)),
                (_, Some((height, width))) => ImagePreparation::stretched(number(height), number(width)),
                _ => continue,
            };
            let found = preparation.unwrap().bring_to_size(load(file)).unwrap();
            assert_eq!(found.rgb, hex_bytes(expected.as_str().unwrap()), "{file}, {case}");
            compared += 1;
        }
    }
    assert_eq!(compared, 30);
}

#[test]
fn inceptions_preparation_is_torchvisions() {
    let golden = golden();
    let preset = &golden["inception"];
    let list = |key: &str| [0, 1, 2].map(|i| preset[key][i].as_f64().unwrap() as f32);
    let sizes = ["resize", "crop"].map(|key| preset[key].as_u64().unwrap() as usize);
    let made = ImagePreparation::new(sizes[0], sizes[1])
        .unwrap()
        .normalize(list("mean"), list("std"))
        .unwrap();
    assert_eq!(made, ImagePreparation::inception());
    let small = ImagePreparation::new(8, 6)
        .unwrap()
        .normalize(list("mean"), list("std"))
        .unwrap();
    let mut found = vec![0.0; 6 * 6 * 3];
    let image = decode_file(&reference().join("sizes/17x23.png")).unwrap().image;
    small.apply(image, &mut found).unwrap();
    let expected = golden["normalized"].as_array().unwrap();
    for (i, (found, expected)) in found.iter().zip(expected).enumerate() {
        let expected = f32::from_bits(expected.as_u64().unwrap() as u32);
        // One step of f32: torchvision divides on vectors.
        assert!(
            (found - expected).abs() <= 2.5e-7 * expected.abs().max(1.0),
            "{i}: {found}, {expected}"
        );
    }
}

/// Decoders take a cut JPEG for one with a grey rest.
#[test]
fn a_cut_jpeg_is_damage() {
    for file in ["modes/turned.jpg", "modes/grey.jpg"] {
        let bytes = std::fs::read(reference().join(file)).unwrap();
        for length in [bytes.len() / 2, bytes.len() * 95 / 100, bytes.len() - 2] {
            let scratch = Scratch::new();
            let cut = scratch.file("cut.jpg", &bytes[..length]);
            let error = decode_file(&cut).err().unwrap().to_string();
            assert!(error.contains("cut.jpg") && error.contains("damage"), "{error}");
        }
    }
}

/// Every reference image of the folder `sizes` twice, in two classes, and damage between them.
fn with_damage() -> Scratch {
    let scratch = Scratch::new();
    for class in ["a", "b"] {
        std::fs::create_dir(scratch.path().join(class)).unwrap();
        for entry in std::fs::read_dir(reference().join("sizes")).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, scratch.path().join(class).join(path.file_name().unwrap())).unwrap();
        }
    }
    let whole = std::fs::read(reference().join("sizes/12x12.png")).unwrap();
    std::fs::write(scratch.path().join("a/12x13.png"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(scratch.path().join("b/text.jpg"), "no image").unwrap();
    scratch
}

fn all(folder: &ImageFolder, batch: usize) -> (Vec<ImageBatch>, Vec<String>) {
    let preparation = ImagePreparation::new(9, 8).unwrap();
    let mut batches = folder.batches(&preparation, batch).unwrap();
    let made = batches.by_ref().map(Result::unwrap).collect();
    (made, batches.damaged().iter().map(ToString::to_string).collect())
}

#[test]
fn damage_fails_or_is_passed_over_as_asked() {
    let scratch = with_damage();
    let folder = ImageFolder::open(scratch.path()).unwrap();
    assert_eq!((folder.len(), folder.class_names().len()), (12, 2));
    let preparation = ImagePreparation::new(9, 8).unwrap();
    let mut batches = folder.batches(&preparation, 4).unwrap();
    let error = batches.find_map(Result::err).unwrap().to_string();
    assert!(error.contains("12x13.png") && error.contains("damage"), "{error}");
    assert!(batches.next().is_none());
    assert!(folder.dataset(&preparation).is_err());

    let folder = folder.skip_damaged();
    let (made, damaged) = all(&folder, 4);
    assert_eq!(made.iter().map(|batch| batch.labels.len()).sum::<usize>(), 10);
    assert_eq!(damaged.len(), 2);
    assert!(
        damaged[0].contains("12x13.png") && damaged[1].contains("text.jpg"),
        "{damaged:?}"
    );
    for batch in &made {
        assert_eq!(batch.pixels.len(), batch.labels.len() * 8 * 8 * 3);
        for (i, file) in batch.files.iter().enumerate() {
            assert_eq!(
                ["a", "b"][batch.labels[i] as usize],
                file.parent().unwrap().file_name().unwrap()
            );
            // Whatever was left out before it, a file has its own numbers and its own hash.
            let name = Path::new("sizes").join(file.file_name().unwrap());
            let decoded = decode_file(&reference().join(name)).unwrap();
            let mut own = vec![0.0; 8 * 8 * 3];
            preparation.apply(decoded.image, &mut own).unwrap();
            assert_eq!(batch.pixels[i * own.len()..][..own.len()], own);
            assert_eq!(batch.sha256[i], crate::hex::hex(&decoded.sha256));
        }
    }
    let data = folder.dataset(&preparation).unwrap();
    assert_eq!((data.len(), data.class_counts()), (10, vec![5, 5]));
}

#[test]
fn batches_are_the_same_for_any_size_and_number_of_threads() {
    let scratch = with_damage();
    let folder = ImageFolder::open(scratch.path()).unwrap().skip_damaged();
    let pixels = |batches: &[ImageBatch]| {
        batches
            .iter()
            .flat_map(|b| b.pixels.clone())
            .collect::<Vec<f32>>()
    };
    let one = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    let many = rayon::ThreadPoolBuilder::new().num_threads(5).build().unwrap();
    let expected = pixels(&one.install(|| all(&folder, 12)).0);
    for batch in [1, 5, 100] {
        let (made, damaged) = many.install(|| all(&folder, batch));
        assert_eq!(pixels(&made), expected);
        assert_eq!(damaged.len(), 2);
        assert!(
            made.iter()
                .all(|b| !b.labels.is_empty() && b.labels.len() <= batch)
        );
    }
}

#[test]
fn what_cannot_be_prepared_is_refused() {
    let refused = [
        ImagePreparation::new(8, 9),
        ImagePreparation::new(8, 0),
        ImagePreparation::new(20_000, 9),
        ImagePreparation::stretched(0, 5),
        ImagePreparation::stretched(5, 20_000),
    ];
    for made in refused {
        assert!(made.unwrap_err().to_string().contains("expected"));
    }
    for (mean, deviation) in [
        ([f32::NAN; 3], [1.0; 3]),
        ([0.0; 3], [0.0; 3]),
        ([0.0; 3], [f32::INFINITY; 3]),
    ] {
        assert!(ImagePreparation::inception().normalize(mean, deviation).is_err());
    }
    let folder = ImageFolder::open(reference()).unwrap();
    assert!(folder.batches(&ImagePreparation::inception(), 0).is_err());
    let long = Pixels {
        height: 1,
        width: 9000,
        rgb: vec![0; 27_000],
    };
    let error = ImagePreparation::inception()
        .bring_to_size(long)
        .unwrap_err()
        .to_string();
    assert!(error.contains("9000 x 1"), "{error}");
    let hollow = Scratch::new();
    std::fs::create_dir(hollow.path().join("a")).unwrap();
    std::fs::write(hollow.path().join("a/1.png"), "damage").unwrap();
    let folder = ImageFolder::open(hollow.path()).unwrap().skip_damaged();
    let error = folder
        .dataset(&ImagePreparation::inception())
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("every one damaged") && error.contains("1.png"),
        "{error}"
    );
}

/// A stop reaches the whole process: it is asked for in a child, which is this test binary.
#[test]
fn a_stop_ends_the_batches_and_is_an_error_for_a_whole_dataset() {
    let mut child = testing::child("data::images::tests::in_child");
    child.env("JOOK_TEST_CASE", "stop");
    testing::passes(child);
}

#[test]
#[ignore = "run in a child process by the test above"]
fn in_child() {
    if std::env::var_os("JOOK_TEST_CASE").is_none() {
        return;
    }
    let folder = ImageFolder::open(reference()).unwrap();
    let preparation = ImagePreparation::new(9, 8).unwrap();
    let mut batches = folder.batches(&preparation, 4).unwrap();
    assert_eq!(batches.next().unwrap().unwrap().labels.len(), 4);
    assert!(!batches.stopped());
    crate::interrupt::request();
    assert!(batches.next().is_none() && batches.stopped());
    let error = folder.dataset(&preparation).unwrap_err().to_string();
    assert!(
        error.contains("stopped as asked, after 0 of 17 images"),
        "{error}"
    );
}
