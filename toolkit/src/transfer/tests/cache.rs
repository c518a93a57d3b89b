//! The cache: what it saves, what it does not take for something else, what it survives.

use std::fs;

use super::{digits, files, small_net};
use crate::data::{ImageFolder, ImagePreparation, Shape};
use crate::net::{Cnn, Network, Role};
use crate::testing::{self, Scratch};
use crate::transfer::{FeatureSet, Features};

fn features(net: &Network, layer: &str, scratch: &Scratch, n: usize) -> FeatureSet {
    Features::of(net, layer)
        .cache(scratch.path())
        .run(&digits(n))
        .unwrap()
}

#[test]
fn features_are_the_layers_outputs_with_the_labels_of_the_images() {
    let (net, data) = (small_net(), digits(50));
    for layer in ["conv1", "pool2", "flatten", "dense1", "dropout1", "logits"] {
        let made = Features::of(&net, layer).without_cache().run(&data).unwrap();
        let mut prepared = net.prepare(&[layer]).unwrap();
        // One image at a time: what it puts out does not depend on the others.
        for (i, row) in data.rows().enumerate() {
            assert_eq!(made.row(i), prepared.run(row).unwrap()[0], "{layer}, image {i}");
        }
        assert_eq!(
            (made.labels(), made.class_names()),
            (data.labels(), data.class_names())
        );
        assert_eq!((made.cached, made.computed, made.stopped), (0, 50, false));
    }
    let spatial = Features::of(&net, "conv1").without_cache().run(&data).unwrap();
    assert_eq!(spatial.shape(), Shape::from((8, 8, 4)));
    assert!(
        Features::of(&net, "conv7")
            .run(&data)
            .unwrap_err()
            .to_string()
            .contains("conv1")
    );
    let flat = data.with_shape(Shape::Flat(64)).unwrap();
    assert!(Features::of(&net, "conv1").run(&flat).is_err());
}

#[test]
fn a_second_run_reads_and_a_partly_filled_cache_is_used_for_what_it_has() {
    let (net, scratch) = (small_net(), Scratch::new());
    let all = Features::of(&net, "dense1")
        .without_cache()
        .run(&digits(60))
        .unwrap();
    let first = features(&net, "dense1", &scratch, 20);
    assert_eq!((first.cached, first.computed), (0, 20));
    let second = features(&net, "dense1", &scratch, 60);
    assert_eq!((second.cached, second.computed), (20, 40));
    let third = features(&net, "dense1", &scratch, 60);
    assert_eq!((third.cached, third.computed), (60, 0));
    for made in [second, third] {
        assert_eq!(made.digest(), all.digest());
        assert!(made.problems.is_empty());
    }
}

#[test]
fn what_decides_the_features_decides_what_is_found() {
    let (net, scratch) = (small_net(), Scratch::new());
    features(&net, "dense1", &scratch, 10);
    let change = |name: &str| {
        let mut other = net.clone();
        let tensor = other.tensors().iter().find(|t| t.name == name).unwrap().clone();
        let store = match tensor.role {
            Role::Running => other.buffers_mut(),
            _ => other.parameters_mut(),
        };
        store[tensor.range.start] += 0.5;
        features(&other, "dense1", &scratch, 10).cached
    };
    assert_eq!(change("logits.weight"), 10, "a layer behind it");
    assert_eq!(change("conv1.weight"), 0);
    assert_eq!(change("dense1.bias"), 0);
    assert_eq!(change("batch_norm1.running_mean"), 0);
    let mut frozen = net.clone();
    frozen.freeze("conv1").unwrap();
    assert_eq!(features(&frozen, "dense1", &scratch, 10).cached, 10);
    assert_eq!(
        features(&net, "activation3", &scratch, 10).cached,
        0,
        "another layer"
    );
    // Brighter images are other images.
    let bright: Vec<f32> = digits(10).features().iter().map(|x| x + 0.1).collect();
    let bright = digits(10).with_features(bright).unwrap();
    let made = Features::of(&net, "dense1")
        .cache(scratch.path())
        .run(&bright)
        .unwrap();
    assert_eq!(made.cached, 0);
}

#[test]
fn damaged_files_are_named_removed_and_computed_anew() {
    let (net, scratch) = (small_net(), Scratch::new());
    let right = features(&net, "dense1", &scratch, 12);
    let damage: [fn(&mut Vec<u8>); 5] = [
        |bytes| bytes[150] ^= 1,
        |bytes| bytes.truncate(100),
        |bytes| bytes.clear(),
        |bytes| bytes.push(0),
        |bytes| bytes.drain(64..64 + 32 + 4 * 16).for_each(drop),
    ];
    for (case, damage) in damage.into_iter().enumerate() {
        let files = files(&scratch);
        assert_eq!(files.len(), 1, "case {case}");
        let mut bytes = fs::read(&files[0]).unwrap();
        damage(&mut bytes);
        fs::write(&files[0], bytes).unwrap();
        let made = features(&net, "dense1", &scratch, 12);
        assert_eq!(
            (made.cached, made.computed, made.problems.len()),
            (0, 12, 1),
            "case {case}"
        );
        assert!(made.to_string().contains("damaged"), "{made}");
        assert_eq!(made.digest(), right.digest());
        let again = features(&net, "dense1", &scratch, 12);
        assert_eq!((again.cached, again.problems.len()), (12, 0), "case {case}");
    }
}

#[test]
fn a_cache_that_cannot_be_written_costs_the_cache_only() {
    let (net, scratch) = (small_net(), Scratch::new());
    fs::create_dir_all(scratch.path()).unwrap();
    let file = scratch.path().join("file");
    fs::write(&file, "in the way").unwrap();
    let made = Features::of(&net, "dense1")
        .cache(&file)
        .run(&digits(10))
        .unwrap();
    assert_eq!(made.computed, 10);
    assert!(!made.problems.is_empty());
}

#[test]
fn runs_at_the_same_time_share_a_folder() {
    let (net, scratch) = (small_net(), Scratch::new());
    let right = Features::of(&net, "dense1")
        .without_cache()
        .run(&digits(80))
        .unwrap();
    std::thread::scope(|threads| {
        for n in [80, 80, 50, 30] {
            let (net, scratch) = (&net, &scratch);
            threads.spawn(move || {
                for _ in 0..5 {
                    assert!(features(net, "dense1", scratch, n).problems.is_empty());
                }
            });
        }
    });
    let made = features(&net, "dense1", &scratch, 80);
    assert_eq!((made.cached, made.digest()), (80, right.digest()));
}

#[test]
fn a_folder_goes_file_by_file_and_known_files_are_not_decoded() {
    let images = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/reference/images");
    let (pictures, scratch) = (Scratch::new(), Scratch::new());
    for class in ["a", "b"] {
        fs::create_dir_all(pictures.path().join(class)).unwrap();
        for name in ["12x12.png", "17x23.png"] {
            let from = format!("{images}/sizes/{name}");
            fs::copy(from, pictures.path().join(class).join(name)).unwrap();
        }
    }
    fs::write(pictures.path().join("a/0.png"), "damage").unwrap();
    let folder = ImageFolder::open(pictures.path()).unwrap();
    let preparation = ImagePreparation::stretched(10, 10).unwrap();
    let net = Cnn::new((10, 10, 3), 2).channels([4]).build(0).unwrap();
    let run = |folder: &ImageFolder, preparation: &ImagePreparation| {
        Features::of(&net, "flatten")
            .cache(scratch.path())
            .run((folder, preparation))
    };
    assert!(
        run(&folder, &preparation)
            .unwrap_err()
            .to_string()
            .contains("0.png")
    );
    let folder = folder.skip_damaged();
    let made = run(&folder, &preparation).unwrap();
    assert_eq!((made.computed, made.damaged.len(), made.images), (4, 1, 5));
    assert_eq!(made.labels(), Some(&[0, 0, 1, 1][..]));
    let whole = folder.dataset(&preparation).unwrap();
    let expected = Features::of(&net, "flatten").without_cache().run(&whole).unwrap();
    assert_eq!(made.digest(), expected.digest());
    let again = run(&folder, &preparation).unwrap();
    assert_eq!((again.cached, again.computed, again.damaged.len()), (4, 0, 1));
    assert_eq!(again.digest(), made.digest());
    // Prepared otherwise they are other images.
    let other = ImagePreparation::new(10, 10).unwrap();
    assert_eq!(run(&folder, &other).unwrap().cached, 0);
    assert!(run(&folder, &ImagePreparation::inception()).is_err());
}

#[test]
fn numbers_that_are_none_are_refused() {
    let mut net = small_net();
    net.parameters_mut()[0] = f32::NAN;
    let error = Features::of(&net, "conv1")
        .without_cache()
        .run(&digits(5))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("expected finite features") && error.contains("conv1"),
        "{error}"
    );
}

/// A stop reaches the whole process: it is asked for in a child, which is this test binary.
#[test]
fn a_stopped_run_keeps_what_it_has() {
    let mut child = testing::child("transfer::tests::cache::in_child");
    child.env("JOOK_TEST_CASE", "stop");
    testing::passes(child);
}

#[test]
#[ignore = "run in a child process by the test above"]
fn in_child() {
    if std::env::var_os("JOOK_TEST_CASE").is_none() {
        return;
    }
    let net = Cnn::new((64, 64, 3), 10).channels([64, 64]).build(0).unwrap();
    let images = crate::data::datasets::objects(400, 64, crate::data::ImageDomain::Flat, 0).unwrap();
    let _scope = crate::interrupt::scope();
    // How long the images take depends on the machine and on what else it does: the first stop that comes in between.
    let stopped_after = |milliseconds| {
        let scratch = Scratch::new();
        let stopper = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(milliseconds));
            crate::interrupt::request();
        });
        let made = Features::of(&net, "dense1")
            .cache(scratch.path())
            .run(&images)
            .unwrap();
        stopper.join().unwrap();
        let between = made.stopped && made.computed > 0 && made.computed < 400;
        if !between {
            crate::interrupt::clear();
        }
        between.then_some((scratch, made))
    };
    let delays = [20, 40, 60, 90, 130, 200, 300, 500, 800, 1500];
    let (scratch, made) = delays.into_iter().find_map(stopped_after).unwrap();
    assert_eq!(made.len(), made.computed);
    assert!(made.to_string().contains("stopped as asked"), "{made}");
    let error = crate::transfer::Retrain::of(&net, "logits")
        .without_cache()
        .run(&images)
        .unwrap_err()
        .to_string();
    assert!(error.contains("stopped as asked"), "{error}");
    crate::interrupt::clear();
    let again = Features::of(&net, "dense1")
        .cache(scratch.path())
        .run(&images)
        .unwrap();
    assert_eq!(
        (again.cached, again.computed, again.stopped),
        (made.computed, 400 - made.computed, false)
    );
    assert_eq!(again.row(made.len() - 1), made.row(made.len() - 1));
}
