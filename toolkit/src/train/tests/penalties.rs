//! L1 by proximal steps is the lasso, and with L2 the elastic net, of scikit-learn (tests/reference/penalties.py).

use serde_json::Value;

use super::super::Recipe;
use crate::data::Dataset;
use crate::net::{Activation, Mlp};

const GOLDEN: &str = include_str!("../../../../tests/reference/penalties.json");

fn numbers(value: &Value) -> Vec<f64> {
    let all = value.as_array().expect("numbers").iter();
    all.map(|x| x.as_f64().expect("a number")).collect()
}

#[test]
fn proximal_steps_end_at_the_lasso_and_the_elastic_net() {
    let golden: Value = serde_json::from_str(GOLDEN).expect("golden values");
    let floats = |name: &str| numbers(&golden[name]).into_iter().map(|x| x as f32).collect();
    let data = Dataset::new("lasso", 8, floats("x"))
        .and_then(|data| data.with_values(floats("y"), ["y"]))
        .expect("data");
    let net = Mlp::new([8, 1])
        .activation(Activation::Identity)
        .build(3)
        .expect("a network");
    let mut zeros = 0;
    for case in golden["cases"].as_array().expect("cases") {
        let (l1, l2) = (case["l1"].as_f64().unwrap(), case["l2"].as_f64().unwrap());
        let recipe = Recipe::new().steps(4000).batch(40).sgd(0.1).l2(l2);
        let run = net.train(&data, recipe.clone().l1_proximal(l1)).expect("a run");
        let found = run.network().parameters();
        let expected = numbers(&case["weights"]);
        for (i, (found, expected)) in found.iter().zip(&expected).enumerate() {
            let off = (f64::from(*found) - expected).abs();
            assert!(off < 1e-4, "L1 {l1}, L2 {l2}, weight {i}: {found} for {expected}");
            // Exactly 0, and nowhere else.
            assert_eq!(*found == 0.0, *expected == 0.0, "L1 {l1}, weight {i}: {found}");
            zeros += usize::from(*found == 0.0);
        }
        let bias = case["bias"].as_f64().unwrap();
        assert!(
            (f64::from(found[8]) - bias).abs() < 1e-4,
            "{} for {bias}",
            found[8]
        );
        // By its slope alone the same penalty leaves no weight at 0.
        let near = net.train(&data, recipe.l1(l1)).expect("a run");
        assert!(near.network().parameters().iter().all(|&p| p != 0.0));
    }
    assert!(zeros > 15, "{zeros}");
}

#[test]
fn proximal_is_said_and_written_only_where_it_is() {
    let recipe = Recipe::new().l1_proximal(0.01);
    assert!(recipe.to_string().contains("proximal L1 0.01"), "{recipe}");
    let text = serde_json::to_string(&recipe).expect("text");
    assert!(text.contains("proximal"), "{text}");
    assert_eq!(serde_json::from_str::<Recipe>(&text).expect("a recipe"), recipe);
    assert!(
        !serde_json::to_string(&recipe.l1(0.01))
            .expect("text")
            .contains("proximal")
    );
    assert!(Recipe::new().l1_proximal(-1).validate().is_err());
}
