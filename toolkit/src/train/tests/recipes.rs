//! Recipes: said, written, read, judged.

use super::super::{Augmentation, Budget, RateSchedule, Recipe, Rule};
use crate::loss::Loss;

#[test]
fn literals_of_any_kind_fit() {
    let recipe = Recipe::new()
        .epochs(200)
        .batch(32_usize)
        .sgd(0.05)
        .l2(1e-4_f32)
        .patience(5_u64)
        .early_stopping(0.2);
    recipe.validate().expect("a recipe");
    assert_eq!(recipe.l2, 1e-4);
    assert_eq!(
        (recipe.length, recipe.batch, recipe.patience),
        (Budget::Epochs(200), 32, Some(5))
    );
    assert_eq!(Recipe::new().adam(1).rule.rate(), 1.0);
}

#[test]
fn recipes_travel_as_json_and_have_a_name() {
    let recipe = Recipe::new()
        .steps(70)
        .sgd(0.1)
        .nesterov(0.8)
        .stepped_by_steps(0.5, 10)
        .l1(0.25)
        .early_stopping(0.1)
        .seed(u64::MAX);
    let json = serde_json::to_string(&recipe).expect("json");
    let back: Recipe = serde_json::from_str(&json).expect("a recipe");
    assert_eq!((&back, back.digest()), (&recipe, recipe.digest()));
    assert_eq!(recipe.digest().len(), 64);
    assert_ne!(recipe.clone().seed(1).digest(), recipe.digest());
    assert_eq!(
        recipe.clone().checkpoint("somewhere", 5).digest(),
        recipe.digest()
    );
    let line = recipe.to_string();
    assert!(
        !line.contains('\n') && line.contains("70 steps") && line.contains("Nesterov 0.8"),
        "{line}"
    );
    // A partial one is filled with the defaults; an unknown field is not passed over.
    let partial: Recipe = serde_json::from_str(r#"{"batch": 8}"#).expect("a recipe");
    assert_eq!(partial, Recipe::new().batch(8));
    assert!(serde_json::from_str::<Recipe>(r#"{"bach": 8}"#).is_err());
}

// Fixed for good: checkpoints and stores of earlier versions are known by them. A new field of a recipe is no reason to
// change one.
#[test]
fn digests_stay_what_they_are() {
    let golden = [
        (
            Recipe::new(),
            "{}",
            "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        ),
        (
            Recipe::new().epochs(60).batch(16).sgd(0.05).seed(3),
            r#"{"batch":16,"length":{"Epochs":60},"rule":{"Sgd":{"rate":0.05}},"seed":3}"#,
            "29ad7c711a511165478d574e23d26ed827b15d3e1e83825632201122668d9f18",
        ),
        (
            Recipe::new()
                .steps(70)
                .sgd(0.1)
                .nesterov(0.8)
                .stepped_by_steps(0.5, 10),
            r#"{"length":{"Steps":70},"rule":{"Nesterov":{"momentum":0.8,"rate":0.1}},"schedule":{"Stepped":{"every":{"Steps":10},"factor":0.5}}}"#,
            "d79948c23f2cce19f880736021e9fdc1f818d3464bc83b2316c16a3d08cedb2e",
        ),
        (
            Recipe::new()
                .sgd(0.05)
                .momentum(0.9)
                .l1(1e-5)
                .l2(1e-4)
                .early_stopping(0.2)
                .patience(5),
            r#"{"early_stopping":0.2,"l1":0.00001,"l2":0.0001,"patience":5,"rule":{"Momentum":{"momentum":0.9,"rate":0.05}}}"#,
            "57978897ab0d80d212ce03ae86684fcdd646bf1e3ba744711b5dc27ad92ca30c",
        ),
        (
            Recipe::new()
                .loss(Loss::MeanSquaredError)
                .check_every(7)
                .stepped(0.1, 30),
            r#"{"check_every":7,"loss":"MeanSquaredError","schedule":{"Stepped":{"every":{"Epochs":30},"factor":0.1}}}"#,
            "4d42e9fcf869dd77ce5ae96480908d4138c7e3f4e4032c81c37096295e1c296e",
        ),
    ];
    let said = |recipe: &Recipe| (serde_json::to_string(recipe).expect("json"), recipe.digest());
    let found: Vec<(String, String)> = golden.iter().map(|(recipe, ..)| said(recipe)).collect();
    let expected: Vec<(String, String)> = golden
        .iter()
        .map(|&(_, text, digest)| (text.into(), digest.into()))
        .collect();
    assert_eq!(found, expected);
}

#[test]
fn recipes_that_cannot_be_followed_say_so() {
    let wrong = [
        Recipe::new().epochs(0),
        Recipe::new().epochs(2.5),
        Recipe::new().epochs(-1),
        Recipe::new().batch(0),
        Recipe::new().batch(f64::NAN),
        Recipe::new().sgd(0),
        Recipe::new().sgd(-0.1),
        Recipe::new().sgd(f64::INFINITY),
        Recipe::new().sgd(1e-300),
        Recipe::new().sgd(0.1).momentum(1.0),
        Recipe::new().sgd(0.1).momentum(-0.1),
        Recipe::new().sgd(0.1).nesterov(f64::NAN),
        Recipe::new().adam(f64::NAN),
        Recipe::new().l1(-1),
        Recipe::new().l2(f64::NAN),
        Recipe::new().early_stopping(0),
        Recipe::new().early_stopping(0.55),
        Recipe::new().momentum(0.9),
        Recipe::new().rate(0),
        Recipe::new().clip_norm(-1),
        Recipe::new().max_norm(0),
        Recipe::new().average(1),
        Recipe::new().plateau(1.5, 2),
        Recipe::new().rate_of("logits", -1),
        Recipe::new().augment(Augmentation::Noise(f64::NAN)),
        Recipe::new().early_stopping(f64::NAN),
        Recipe::new().patience(3),
        Recipe::new().early_stopping(0.2).patience(0),
        Recipe::new().check_every(0),
        Recipe::new().stepped(0.0, 3),
        Recipe::new().stepped(0.5, 0),
        Recipe::new().checkpoint("x", 0),
        Recipe::new().batch(u64::MAX),
        serde_json::from_str(r#"{"batch": 0}"#).expect("a recipe"),
    ];
    for (i, recipe) in wrong.into_iter().enumerate() {
        assert!(recipe.validate().is_err(), "case {i}: {recipe}");
    }
    for share in [0.01, 0.2, 0.5] {
        Recipe::new().early_stopping(share).validate().expect("a recipe");
    }
    // The first error is the one reported.
    let error = Recipe::new()
        .epochs(0)
        .batch(0)
        .validate()
        .expect_err("an error")
        .to_string();
    assert!(error.contains("epochs"), "{error}");
    // And it does not get lost on the way through JSON.
    assert!(serde_json::to_string(&Recipe::new().epochs(0)).is_err());
}

#[test]
fn rates_step_down_as_said() {
    let by_epoch = Recipe::new().sgd(1.0).stepped(0.5, 2);
    let rates: Vec<f64> = [0, 9, 19, 20, 39, 40]
        .iter()
        .map(|&s| by_epoch.rate_at(s, 10))
        .collect();
    assert_eq!(rates, [1.0, 1.0, 1.0, 0.5, 0.5, 0.25]);
    let by_step = Recipe::new().sgd(1.0).stepped_by_steps(0.1, 3);
    assert_eq!(
        by_step.schedule,
        RateSchedule::Stepped {
            factor: 0.1,
            every: Budget::Steps(3)
        }
    );
    assert_eq!(by_step.rate_at(2, 10), 1.0);
    assert!((by_step.rate_at(3, 10) - 0.1).abs() < 1e-12);
    assert_eq!(Recipe::new().rule(Rule::Sgd { rate: 0.3 }).rate_at(1000, 10), 0.3);
}
