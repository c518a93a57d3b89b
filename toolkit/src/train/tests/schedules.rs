//! Schedules: two hundred updates against PyTorch (tests/reference/schedules.py), their forms, and what is refused.

use serde_json::Value;

use super::super::{Anneal, Budget, RateSchedule, Recipe, Rule, Stage};
use super::loops::undisturbed;
use crate::data::datasets;
use crate::net::Mlp;
use crate::show::Show;

const GOLDEN: &str = include_str!("../../../../tests/reference/schedules.json");

fn numbers(value: &Value) -> Vec<f64> {
    value
        .as_array()
        .expect("numbers")
        .iter()
        .map(|x| x.as_f64().expect("a number"))
        .collect()
}

/// The largest error relative to the larger of the two.
fn error(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let pairs = found.iter().zip(expected);
    pairs
        .map(|(f, e)| (f - e).abs() / f.abs().max(e.abs()).max(1e-300))
        .fold(0.0, f64::max)
}

#[test]
fn two_hundred_updates_have_the_rates_of_pytorch() {
    let file: Value = serde_json::from_str(GOLDEN).expect("the golden file");
    let per_epoch = file["per_epoch"].as_u64().expect("a number") as usize;
    let cases = file["cases"].as_array().expect("a list");
    assert!(cases.len() >= 22);
    for case in cases {
        let recipe: Recipe = serde_json::from_value(case["recipe"].clone()).expect("a recipe");
        let rates = recipe.rates(per_epoch).expect("rates");
        let off = error(&rates.rates, &numbers(&case["rates"]));
        println!("{}: {off:.1e}", case["name"]);
        assert!(off < 1e-6, "{}: rates {off}", case["name"]);
        let off = error(&rates.momenta, &numbers(&case["momenta"]));
        assert!(off < 1e-6, "{}: momenta {off}", case["name"]);
    }
}

fn all() -> [RateSchedule; 9] {
    let every = Budget::Epochs(2);
    [
        RateSchedule::Stepped { factor: 0.5, every },
        RateSchedule::Exponential { factor: 0.5, every },
        RateSchedule::InverseTime { decay: 0.5, every },
        RateSchedule::Linear { from: 0.1, to: 1.0 },
        RateSchedule::Polynomial { end: 0.1, power: 2.0 },
        RateSchedule::Cosine { end: 0.1 },
        RateSchedule::Restarts {
            end: 0.1,
            first: every,
            growth: 2,
        },
        Recipe::new().one_cycle().schedule,
        Recipe::new().cosine(0.1).warm_up(0.2, 2).schedule,
    ]
}

#[test]
fn schedules_travel_as_json_and_read_as_words() {
    for schedule in all() {
        let recipe = Recipe::new().schedule(schedule.clone());
        recipe.validate().expect("a recipe");
        let json = serde_json::to_string(&recipe).expect("json");
        let back: Recipe = serde_json::from_str(&json).expect("a recipe");
        assert_eq!((&back, back.digest()), (&recipe, recipe.digest()));
        let words = schedule.to_string();
        assert!(
            recipe.to_string().contains(&format!("Adam 0.001 {words}")),
            "{recipe}"
        );
        assert!(!words.contains('\n'));
    }
    let recipe = Recipe::new().sgd(0.1).warm_up(0.1, 5).cosine(0.01);
    assert!(
        recipe.to_string().contains(
            "SGD 0.1 linearly from times 0.1 to times 1 for 5 epochs, then by a cosine to times 0.01"
        ),
        "{recipe}"
    );
    assert_eq!(
        Recipe::new().restarts(0, 10, 2).schedule.to_string(),
        "by cosines to times 0, the first of 10 epochs, each 2 times as long"
    );
}

#[test]
fn a_warm_up_goes_in_front_of_what_is_said_before_or_behind_it() {
    let before = Recipe::new().warm_up_by_steps(0.1, 5).one_cycle();
    assert_eq!(before, Recipe::new().one_cycle().warm_up_by_steps(0.1, 5));
    // The later word counts.
    let again = before.clone().warm_up_by_steps(0.5, 7).polynomial(0, 1);
    assert_eq!(again, Recipe::new().polynomial(0, 1).warm_up_by_steps(0.5, 7));
    // In front of a sequence it is one more stage.
    let three = Recipe::new()
        .schedule(
            RateSchedule::Constant
                .during(Budget::Epochs(3))
                .then(RateSchedule::Cosine { end: 0.0 }),
        )
        .warm_up(0.1, 2);
    assert!(matches!(&three.schedule, RateSchedule::Sequence(stages) if stages.len() == 3));
    three.validate().expect("a recipe");
    let rate = |epoch: usize| three.rate_at(epoch * 10, 10) / 0.001;
    assert!((rate(0) - 0.1).abs() < 1e-12 && (rate(1) - 0.55).abs() < 1e-12);
    assert_eq!((rate(2), rate(4)), (1.0, 1.0));
    assert!(rate(90) < 0.1);
}

#[test]
fn behind_their_end_schedules_stay_where_they_got() {
    for schedule in [
        RateSchedule::Linear { from: 1.0, to: 0.25 },
        RateSchedule::Polynomial {
            end: 0.25,
            power: 3.0,
        },
        RateSchedule::Cosine { end: 0.25 },
        RateSchedule::OneCycle {
            rise: 0.5,
            div_factor: 2.0,
            final_div_factor: 2.0,
            anneal: Anneal::Linear,
            momentum: None,
        },
        RateSchedule::Cosine { end: 0.25 }.during(Budget::Steps(6)),
    ] {
        let recipe = Recipe::new().sgd(1).steps(10).schedule(schedule);
        for step in [10, 11, 500] {
            let rate = recipe.rate_at(step, 4);
            assert!((rate - 0.25).abs() < 1e-12, "{recipe}, step {step}: {rate}");
        }
    }
}

#[test]
fn the_shortest_trainings_have_finite_rates() {
    for total in 1..5 {
        for schedule in all() {
            let recipe = Recipe::new().steps(total).schedule(schedule);
            for step in 0..total {
                let rate = recipe.rate_at(step, 3);
                assert!(rate.is_finite() && rate > 0.0, "{recipe}, step {step}: {rate}");
            }
        }
        for rise in [0.0, 0.25, 0.5, 1.0] {
            let schedule = RateSchedule::OneCycle {
                rise,
                div_factor: 25.0,
                final_div_factor: 1e4,
                anneal: Anneal::Cosine,
                momentum: Some((0.85, 0.95)),
            };
            let recipe = Recipe::new().steps(total).schedule(schedule);
            let momenta = recipe.rates(1).expect("rates").momenta;
            assert!(
                momenta.iter().all(|m| (0.85..=0.95).contains(m)),
                "{rise} of {total}"
            );
        }
    }
}

#[test]
fn schedules_that_cannot_be_followed_say_what_to_do() {
    let nan = f64::NAN;
    let every = Budget::Epochs(2);
    let one = |rise, div_factor, momentum| RateSchedule::OneCycle {
        rise,
        div_factor,
        final_div_factor: 10.0,
        anneal: Anneal::Cosine,
        momentum,
    };
    let constant = || RateSchedule::Constant;
    let wrong = [
        Recipe::new().exponential(0, 3),
        Recipe::new().exponential(nan, 3),
        Recipe::new().exponential(0.5, 0),
        Recipe::new().inverse_time(-1, 3),
        Recipe::new().inverse_time(f64::INFINITY, 3),
        Recipe::new().polynomial(-0.1, 1),
        Recipe::new().polynomial(0, 0),
        Recipe::new().cosine(nan),
        Recipe::new().cosine(-1),
        Recipe::new().restarts(0, 0, 1),
        Recipe::new().restarts(0, 10, 0.5),
        Recipe::new().restarts(-1, 10, 1),
        Recipe::new().warm_up(-0.1, 5),
        Recipe::new().warm_up(0.1, 0),
        Recipe::new().warm_up(0.1, 2.5),
        Recipe::new().epochs(5).warm_up(0.1, 5),
        Recipe::new().steps(50).warm_up_by_steps(0.1, 60),
        Recipe::new().schedule(RateSchedule::Linear { from: 0.0, to: 0.0 }),
        Recipe::new().schedule(one(1.5, 25.0, None)),
        Recipe::new().schedule(one(nan, 25.0, None)),
        Recipe::new().schedule(one(0.3, 0.0, None)),
        Recipe::new().schedule(one(0.3, 25.0, Some((0.95, 0.85)))),
        Recipe::new().schedule(one(0.3, 25.0, Some((0.85, 1.0)))),
        Recipe::new().schedule(RateSchedule::Sequence(Vec::new())),
        Recipe::new().schedule(constant().then(constant())),
        Recipe::new().schedule(constant().during(Budget::Steps(0))),
        Recipe::new().schedule(
            RateSchedule::Cosine { end: nan }
                .during(every)
                .then(RateSchedule::Constant),
        ),
    ];
    for (i, recipe) in wrong.into_iter().enumerate() {
        let error = recipe.validate().expect_err(&format!("case {i}: {recipe}"));
        assert!(error.to_string().contains("recipe"), "case {i}: {error}");
    }
    let error = Recipe::new()
        .epochs(5)
        .warm_up(0.1, 5)
        .validate()
        .expect_err("an error");
    for word in ["would begin after 5 epochs", "train for longer"] {
        assert!(error.to_string().contains(word), "no {word:?} in: {error}");
    }
    // Epochs and steps are not compared.
    Recipe::new()
        .steps(50)
        .warm_up(0.1, 60)
        .validate()
        .expect("a recipe");
    assert!(Recipe::new().rates(0).is_err());
    let stage: Stage = serde_json::from_str(r#"{"schedule": "Constant"}"#).expect("a stage");
    assert_eq!(stage.over, None);
}

#[test]
fn the_rates_show_themselves_before_a_training() {
    let rates = Recipe::new()
        .epochs(30)
        .adam(0.1)
        .one_cycle()
        .rates(10)
        .expect("rates");
    let names: Vec<String> = rates
        .frame()
        .get_column_names_owned()
        .iter()
        .map(|n| n.to_string())
        .collect();
    assert_eq!(names, ["step", "epoch", "rate", "momentum"]);
    assert_eq!((rates.steps[0], rates.epochs[299]), (1, 30.0));
    let plot = rates.chart().to_json();
    assert!(plot.contains("momentum") && plot.contains("y2"), "{plot}");
    assert!(rates.bundle().plain().contains("in one cycle"));
    // A momentum that stays needs no line, and a rule without one has none.
    let still = Recipe::new()
        .sgd(0.1)
        .momentum(0.9)
        .cosine(0)
        .rates(10)
        .expect("rates");
    assert!(!still.chart().to_json().contains("y2"));
    let plain = Recipe::new().sgd(0.1).one_cycle().rates(10).expect("rates");
    assert!(plain.momenta.is_empty());
    // Of many updates some are looked at, with the first and the last.
    let long = Recipe::new().steps(10_000_000).cosine(0).rates(1).expect("rates");
    assert_eq!((long.steps[0], long.steps.last()), (1, Some(&10_000_000)));
    assert!(long.steps.len() <= 20_000);
}

#[test]
fn a_training_that_is_resumed_or_watched_has_the_same_rates() {
    let _turn = undisturbed();
    let moons = datasets::two_moons(60, 0.1, 0).expect("data");
    let recipe = Recipe::new()
        .epochs(4)
        .batch(10)
        .sgd(0.1)
        .momentum(0.9)
        .one_cycle()
        .check_every(1);
    let network = Mlp::new([2, 4, 2]).build(0).expect("a network");
    let run = network.train(&moons, recipe.clone()).expect("a run");
    let rates = recipe.rates(6).expect("rates");
    let found: Vec<f64> = run.history().records().iter().map(|r| r.rate).collect();
    assert_eq!(found, rates.rates);
    // The momentum counts: with the rule's own it is another training.
    let RateSchedule::OneCycle { momentum, .. } = recipe.clone().schedule else {
        panic!("a cycle");
    };
    assert_eq!(momentum, Some((0.85, 0.95)));
    let mut fixed = recipe.clone();
    if let RateSchedule::OneCycle { momentum, .. } = &mut fixed.schedule {
        *momentum = None;
    }
    let other = network.train(&moons, fixed).expect("a run");
    assert_ne!(run.network().parameters(), other.network().parameters());
    // Early stopping cuts the schedule of the whole length.
    let watched = network
        .train(&moons, recipe.clone().early_stopping(0.2).patience(1))
        .expect("a run");
    let per_epoch = 48_usize.div_ceil(10);
    let cut = recipe.rates(per_epoch).expect("rates");
    for (record, rate) in watched.history().records().iter().zip(&cut.rates) {
        assert_eq!(record.rate, *rate);
    }
    assert_eq!(recipe.rule.momentum(), Some(0.9));
    assert_eq!(Rule::Sgd { rate: 0.1 }.momentum(), None);
}
