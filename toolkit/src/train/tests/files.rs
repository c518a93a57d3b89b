//! Checkpoints: resuming bit for bit, and files that are not what they should be.

use std::fs;

use dfdx::prelude::cross_entropy_with_logits_loss;

use super::super::engine::CRASH_AFTER;
use super::super::{Ending, Recipe, Run};
use super::loops::{alone, undisturbed};
use super::{bits, clouds, rows, scratch};
use crate::interrupt;
use crate::net::{Mlp, Network};

fn everything() -> (Mlp, Recipe) {
    let net = Mlp::new([6, 24, 24, 3]).dropout(0.3).batch_norm();
    let recipe = Recipe::new()
        .epochs(12)
        .batch(16)
        .adam(0.005)
        .stepped(0.7, 3)
        .l2(0.001)
        .early_stopping(0.2)
        .check_every(5)
        .seed(11);
    (net, recipe)
}

#[test]
fn a_resumed_training_is_the_uninterrupted_one_bit_for_bit() {
    let _turn = undisturbed();
    let data = clouds(150, 6, 3, 0.6, 21);
    let (net, recipe) = everything();
    let mut unwatched = recipe.clone();
    unwatched.early_stopping = None;
    for recipe in [
        recipe.clone(),
        recipe.clone().sgd(0.02).nesterov(0.9).one_cycle(),
        recipe.clone().nadam(0.005).swa(0.1),
        unwatched.clone().lamb(0.02).swa(0.1),
        unwatched.clone().muon(0.005),
        recipe.clone().schedule_free_adam(0.02),
        unwatched.schedule_free(0.5).warm_up(0.1, 2),
    ] {
        let whole = net.train(&data, &recipe).expect("a run");
        // Between and on checks, in the middle and at the end of epochs, before the first check.
        for every in [3, 20, 37, 64] {
            let path = scratch(&format!("resume-{every}.safetensors"));
            let _ = fs::remove_file(&path);
            CRASH_AFTER.set(Some(every));
            let crash = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
                net.train(&data, recipe.clone().checkpoint(&path, every))
            }));
            CRASH_AFTER.set(None);
            assert!(crash.is_err());
            let resumed = Run::resume(&path, &data).expect("a resumed run");
            assert_eq!(bits(&resumed), bits(&whole), "from step {every}");
            assert_eq!(rows(&resumed), rows(&whole), "from step {every}");
            assert_eq!((&resumed.ending, resumed.steps), (&whole.ending, whole.steps));
            let again = net
                .train(&data, recipe.clone().resume(&path))
                .expect("a resumed run");
            assert_eq!(bits(&again), bits(&whole));
            assert_eq!(
                bits(&again),
                network_bits(&Network::load(&path).expect("a network"))
            );
        }
    }
}

#[test]
fn an_interrupted_training_saved_goes_on_bit_for_bit() {
    let _turn = alone();
    let data = clouds(90, 6, 3, 0.4, 26);
    let (net, recipe) = everything();
    let plain = |l, t| cross_entropy_with_logits_loss(l, t);
    let whole = net.train_with(&data, &recipe, plain).expect("a run");
    let mut calls = 0;
    let part = net.train_with(&data, &recipe, |l, t| {
        calls += 1;
        if calls == 23 {
            interrupt::request();
        }
        cross_entropy_with_logits_loss(l, t)
    });
    interrupt::clear();
    let part = part.expect("a run");
    assert!(
        matches!(part.ending, Ending::Interrupted { step } if step > 5 && step < 23),
        "{}",
        part.ending
    );
    let path = scratch("interrupted.safetensors");
    part.save(&path).expect("a file");
    let resumed = net
        .train_with(&data, recipe.resume(&path), plain)
        .expect("a resumed run");
    assert_eq!((bits(&resumed), rows(&resumed)), (bits(&whole), rows(&whole)));
    assert_eq!(resumed.ending, whole.ending);
}

fn network_bits(network: &Network) -> Vec<u32> {
    network
        .parameters()
        .iter()
        .chain(network.buffers())
        .map(|x| x.to_bits())
        .collect()
}

#[test]
fn saved_runs_load_and_keep_their_words() {
    let _turn = undisturbed();
    let data = clouds(80, 6, 3, 0.3, 22);
    let (net, recipe) = everything();
    let run = net.train(&data, &recipe).expect("a run");
    let path = scratch("folder/deeper/saved.safetensors");
    run.save(&path).expect("a file");
    let loaded = Network::load(&path).expect("a network");
    assert_eq!(
        (network_bits(&loaded), loaded.spec()),
        (bits(&run), run.network().spec())
    );
    assert_eq!(
        loaded.predict(data.features()).expect("logits"),
        run.predict(data.features()).expect("logits")
    );
    // Any safetensors reader finds tensors by name, and spec and recipe in the metadata.
    let content = fs::read(&path).expect("the file");
    let tensors = safetensors::SafeTensors::deserialize(&content).expect("tensors");
    assert_eq!(
        tensors.tensor("dense1.weight").expect("a tensor").shape(),
        [6, 24]
    );
    let (_, header) = safetensors::SafeTensors::read_metadata(&content).expect("a header");
    let metadata = header.metadata().clone().expect("metadata");
    let written: Recipe = serde_json::from_str(&metadata["recipe"]).expect("a recipe");
    assert_eq!(written.digest(), recipe.digest());
    assert!(metadata["spec"].contains("batch_norm1") && metadata["version"] == env!("CARGO_PKG_VERSION"));
    let left_over = fs::read_dir(path.parent().expect("a folder"))
        .expect("a folder")
        .count();
    assert_eq!(left_over, 1, "no part files stay");
}

#[test]
fn damaged_and_foreign_files_are_errors() {
    let _turn = undisturbed();
    let data = clouds(60, 6, 3, 0.3, 23);
    let run = Mlp::new([6, 8, 3])
        .train(&data, Recipe::new().epochs(2))
        .expect("a run");
    let path = scratch("good.safetensors");
    run.save(&path).expect("a file");
    let good = fs::read(&path).expect("the file");
    let broken = scratch("broken.safetensors");
    let refuse = |content: &[u8], what: &str| {
        fs::write(&broken, content).expect("a file");
        let error = Network::load(&broken).expect_err(what).to_string();
        assert!(error.contains("broken.safetensors"), "{what}: {error}");
        assert!(Run::resume(&broken, &data).is_err(), "{what}");
    };
    refuse(&[], "empty");
    refuse(b"hello", "text");
    for cut in [4, 9, 100, good.len() / 2, good.len() - 1] {
        refuse(&good[..cut], "cut short");
    }
    for at in (0..good.len()).step_by(good.len() / 97) {
        let mut flipped = good.clone();
        flipped[at] ^= 1;
        refuse(&flipped, "a flipped bit");
    }
    let mut huge = good.clone();
    huge[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    refuse(&huge, "a lying header");
    let empty: Vec<(String, safetensors::tensor::TensorView<'_>)> = Vec::new();
    refuse(
        &safetensors::serialize(empty, None).expect("a file"),
        "another program's",
    );
    assert!(Network::load(scratch("missing")).is_err());
    assert!(run.save("/proc/no/such/place").is_err());
}

#[test]
fn resuming_something_else_is_refused_with_the_reason() {
    let _turn = undisturbed();
    let data = clouds(60, 6, 3, 0.3, 24);
    let net = Mlp::new([6, 8, 3]);
    let recipe = Recipe::new().epochs(2).batch(8);
    let path = scratch("refuse.safetensors");
    net.train(&data, recipe.clone().checkpoint(&path, 5))
        .expect("a run");
    let refused = |result: crate::Result<Run>, reason: &str| {
        let error = result.expect_err(reason).to_string();
        assert!(error.contains(reason), "{error}");
    };
    refused(Run::resume(&path, &clouds(60, 6, 3, 0.3, 25)), "the data differs");
    refused(
        net.train(&data, recipe.clone().batch(9).resume(&path)),
        "the recipe differs",
    );
    refused(
        net.train(&data, recipe.clone().seed(1).resume(&path)),
        "the recipe differs",
    );
    refused(
        Mlp::new([6, 9, 3]).train(&data, recipe.clone().resume(&path)),
        "the network differs",
    );
    let own = net.train_with(
        &data,
        recipe.clone().resume(&path),
        cross_entropy_with_logits_loss,
    );
    refused(own, "the loss differs");
    assert!(net.train(&data, recipe.resume(&path)).is_ok());
}
