//! The digits: how well a plain network must do on them.

use super::super::Recipe;
use super::loops::undisturbed;
use crate::data::datasets;
use crate::net::Mlp;

/// The mean test accuracy over five seeds.
fn mean(accuracy: impl Fn(u64) -> crate::Result<f64>) -> f64 {
    let found: Vec<f64> = (0..5).map(|seed| accuracy(seed).expect("an accuracy")).collect();
    println!("{found:.4?}");
    found.iter().sum::<f64>() / 5.0
}

#[test]
fn four_fifths_of_the_digits_give_97_percent_and_a_half() {
    let _turn = undisturbed();
    let found = mean(|seed| {
        let split = datasets::digits()?.split(0.2, seed)?;
        let recipe = Recipe::new()
            .epochs(40)
            .batch(32)
            .sgd(0.05)
            .momentum(0.9)
            .seed(seed);
        Ok(Mlp::new([64, 128, 128, 10])
            .fit(&split, recipe)?
            .evaluation
            .map_or(0.0, |e| e.accuracy))
    });
    assert!(found >= 0.975, "{found}");
}

#[test]
fn ten_digits_a_class_give_85_percent() {
    let _turn = undisturbed();
    let found = mean(|seed| {
        let few = datasets::digits()?.few_shot(10, seed)?;
        let recipe = Recipe::new().epochs(200).batch(32).sgd(0.05).seed(seed);
        Ok(Mlp::new([64, 128, 128, 10])
            .dropout(0.2)
            .fit(&few, recipe)?
            .evaluation
            .map_or(0.0, |e| e.accuracy))
    });
    assert!(found >= 0.85, "{found}");
}
