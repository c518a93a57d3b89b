//! Recipes: said, written, read, judged.

use super::super::{Budget, RateSchedule, Recipe, Rule};

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
        .nesterov(0.1, 0.8)
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
        Recipe::new().momentum(0.1, 1.0),
        Recipe::new().momentum(0.1, -0.1),
        Recipe::new().nesterov(0.1, f64::NAN),
        Recipe::new().adam(f64::NAN),
        Recipe::new().l1(-1),
        Recipe::new().l2(f64::NAN),
        Recipe::new().early_stopping(0.05),
        Recipe::new().early_stopping(0.35),
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
    for share in [0.1, 0.2, 0.3] {
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
